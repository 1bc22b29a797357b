package isakmp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/bits"
	"net/netip"
)

// An ID is the body of an identification payload, RFC 2407 §4.6.2: who a peer
// is (phase 1) or what traffic an SA is for (phase 2).
type ID struct {
	Type     IDType
	Protocol uint8  // IP protocol, 0 is any
	Port     uint16 // 0 is any
	Data     []byte
}

// An IDType of RFC 2407 §4.6.2.1.
type IDType uint8

const (
	IDIPv4Addr   IDType = 1
	IDFQDN       IDType = 2
	IDUserFQDN   IDType = 3
	IDIPv4Subnet IDType = 4 // address and mask
	IDIPv6Addr   IDType = 5
	IDIPv6Subnet IDType = 6
	IDIPv4Range  IDType = 7 // first and last address
	IDIPv6Range  IDType = 8
	IDDERASN1DN  IDType = 9
	IDDERASN1GN  IDType = 10
	IDKeyID      IDType = 11
)

// IDTypes is the table of IDType.
var IDTypes = Names{
	{uint32(IDIPv4Addr), "IPV4_ADDR"},
	{uint32(IDFQDN), "FQDN"},
	{uint32(IDUserFQDN), "USER_FQDN"},
	{uint32(IDIPv4Subnet), "IPV4_ADDR_SUBNET"},
	{uint32(IDIPv6Addr), "IPV6_ADDR"},
	{uint32(IDIPv6Subnet), "IPV6_ADDR_SUBNET"},
	{uint32(IDIPv4Range), "IPV4_ADDR_RANGE"},
	{uint32(IDIPv6Range), "IPV6_ADDR_RANGE"},
	{uint32(IDDERASN1DN), "DER_ASN1_DN"},
	{uint32(IDDERASN1GN), "DER_ASN1_GN"},
	{uint32(IDKeyID), "KEY_ID"},
}

func (t IDType) String() string       { return IDTypes.Name(uint32(t)) }
func (t IDType) LogValue() slog.Value { return slog.StringValue(t.String()) }

// addrs is the size of an address of type t and how many Data holds, or 0.
func (t IDType) addrs() (size, count int) {
	switch t {
	case IDIPv4Addr:
		return 4, 1
	case IDIPv6Addr:
		return 16, 1
	case IDIPv4Subnet, IDIPv4Range:
		return 4, 2
	case IDIPv6Subnet, IDIPv6Range:
		return 16, 2
	default:
		return 0, 0
	}
}

// ParseID reads an ID payload. Addresses must have their size; names, other
// and unknown types are not looked into.
func ParseID(body []byte) (ID, error) {
	var id ID
	r := newReader(PayloadID, body)
	if !r.ReadUint8((*uint8)(&id.Type)) || !r.ReadUint8(&id.Protocol) || !r.ReadUint16(&id.Port) {
		return ID{}, r.truncated()
	}
	if size, count := id.Type.addrs(); count > 0 && len(r.String) != size*count {
		return ID{}, r.errorf(0, "%v of %d octets, not %d", id.Type, len(r.String), size*count)
	}
	id.Data = r.rest()
	return id, nil
}

// Append writes the body of an ID payload.
func (id ID) Append(b []byte) []byte {
	b = append(b, byte(id.Type), id.Protocol)
	b = binary.BigEndian.AppendUint16(b, id.Port)
	return append(b, id.Data...)
}

// AddrID is the ID of one address.
func AddrID(a netip.Addr) ID {
	t := IDIPv6Addr
	if a = a.Unmap(); a.Is4() {
		t = IDIPv4Addr
	}
	return ID{Type: t, Data: a.AsSlice()}
}

// PrefixID is the ID of a subnet.
func PrefixID(p netip.Prefix) ID {
	t := IDIPv6Subnet
	if p.Addr().Is4() {
		t = IDIPv4Subnet
	}
	data := p.Masked().Addr().AsSlice()
	mask := make([]byte, len(data))
	for i := range p.Bits() {
		mask[i/8] |= 0x80 >> (i % 8)
	}
	return ID{Type: t, Data: append(data, mask...)}
}

// RangeID is the ID of the addresses from first to last, both of one family.
func RangeID(first, last netip.Addr) ID {
	t := IDIPv6Range
	if first.Is4() {
		t = IDIPv4Range
	}
	return ID{Type: t, Data: append(first.AsSlice(), last.AsSlice()...)}
}

// Addr is the address of an IDIPv4Addr or IDIPv6Addr.
func (id ID) Addr() (a netip.Addr, ok bool) {
	if size, count := id.Type.addrs(); count != 1 || len(id.Data) != size {
		return netip.Addr{}, false
	}
	return netip.AddrFromSlice(id.Data)
}

// Range is the first and last address of an ID of any address type; ok is
// false if a subnet's mask has holes or a range's last comes before its first.
func (id ID) Range() (first, last netip.Addr, ok bool) {
	size, count := id.Type.addrs()
	if count == 0 || len(id.Data) != size*count {
		return first, last, false
	}
	if count == 1 {
		a, ok := id.Addr()
		return a, a, ok
	}
	if id.Type == IDIPv4Subnet || id.Type == IDIPv6Subnet {
		p, ok := id.Prefix()
		end := p.Addr().AsSlice()
		for i := max(p.Bits(), 0); i < 8*len(end); i++ {
			end[i/8] |= 0x80 >> (i % 8)
		}
		last, _ = netip.AddrFromSlice(end)
		return p.Addr(), last, ok
	}
	first, _ = netip.AddrFromSlice(id.Data[:size])
	last, _ = netip.AddrFromSlice(id.Data[size:])
	return first, last, !last.Less(first)
}

// Prefix is the subnet of an IDIPv4Subnet or IDIPv6Subnet, host bits cleared,
// or the one address of an address type; ok is false if the mask has holes.
func (id ID) Prefix() (p netip.Prefix, ok bool) {
	if a, ok := id.Addr(); ok {
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	size, _ := id.Type.addrs()
	if id.Type != IDIPv4Subnet && id.Type != IDIPv6Subnet || len(id.Data) != 2*size {
		return netip.Prefix{}, false
	}
	ones, hole := 0, false
	for _, o := range id.Data[size:] {
		n := bits.LeadingZeros8(^o)
		if hole && o != 0 || o<<n != 0 {
			return netip.Prefix{}, false
		}
		ones, hole = ones+n, hole || n < 8
	}
	a, _ := netip.AddrFromSlice(id.Data[:size])
	return netip.PrefixFrom(a, ones).Masked(), true
}

func (id ID) String() string {
	s := fmt.Sprintf("ID{%v %s", id.Type, id.value())
	if id.Protocol != 0 || id.Port != 0 {
		s += fmt.Sprintf(" %d/%d", id.Protocol, id.Port)
	}
	return s + "}"
}

// Text is the identity alone, as people write it: a name as the peer sent it, any
// octets, an address, a network; of the types that are no text the octets in hex.
func (id ID) Text() string {
	if id.Type == IDFQDN || id.Type == IDUserFQDN {
		return string(id.Data)
	}
	if id.Type == IDKeyID && !bytes.ContainsFunc(id.Data, func(r rune) bool { return r < 0x20 || r > 0x7e }) {
		return string(id.Data)
	}
	return id.value()
}

func (id ID) value() string {
	switch id.Type {
	case IDFQDN, IDUserFQDN:
		return fmt.Sprintf("%q", id.Data)
	case IDIPv4Addr, IDIPv6Addr:
		if a, ok := id.Addr(); ok {
			return a.String()
		}
	case IDIPv4Subnet, IDIPv6Subnet:
		if p, ok := id.Prefix(); ok {
			return p.String()
		}
	case IDIPv4Range, IDIPv6Range:
		if first, last, ok := id.Range(); ok {
			return first.String() + "-" + last.String()
		}
	}
	return fmt.Sprintf("0x%x", id.Data)
}

func (id ID) LogValue() slog.Value { return slog.StringValue(id.String()) }
