package isakmp

import (
	"log/slog"
	"net/netip"
)

// A NATOA is the body of an original address payload, RFC 3947 §5.2. A NAT-D
// payload is a plain hash.
type NATOA struct{ Addr netip.Addr }

// ParseNATOA reads a NAT-OA payload.
func ParseNATOA(body []byte) (NATOA, error) {
	var t IDType
	r := newReader(PayloadNATOA, body)
	if !r.ReadUint8((*uint8)(&t)) || !r.Skip(3) {
		return NATOA{}, r.truncated()
	}
	if size, count := t.addrs(); count != 1 || len(r.String) != size {
		return NATOA{}, r.errorf(0, "%v of %d octets is not an address", t, len(r.String))
	}
	a, _ := netip.AddrFromSlice(r.String)
	return NATOA{a}, nil
}

// Append writes the body of a NAT-OA payload.
func (o NATOA) Append(b []byte) []byte {
	t := IDIPv6Addr
	if o.Addr.Is4() {
		t = IDIPv4Addr
	}
	return append(append(b, byte(t), 0, 0, 0), o.Addr.AsSlice()...)
}

func (o NATOA) String() string       { return "NAT-OA{" + o.Addr.String() + "}" }
func (o NATOA) LogValue() slog.Value { return slog.StringValue(o.String()) }
