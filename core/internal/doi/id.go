package doi

import (
	"fmt"
	"math/bits"
	"net/netip"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// AddrID is the identity of a host (RFC 2407 section 4.6.2.2).
func AddrID(a netip.Addr, proto uint8, port uint16) isakmp.ID {
	id := isakmp.AddrID(a)
	id.Protocol, id.Port = proto, port
	return id
}

// PrefixID is the phase 2 identity of a network; a full-length prefix is a host.
func PrefixID(p netip.Prefix, proto uint8, port uint16) isakmp.ID {
	if p.IsSingleIP() {
		return AddrID(p.Addr(), proto, port)
	}
	id := isakmp.PrefixID(p)
	id.Protocol, id.Port = proto, port
	return id
}

// Prefix is the network an address, subnet or range identity means. Bits beyond a
// mask say nothing and are cleared. A range must be one a prefix can express,
// since that is all a policy can hold.
func Prefix(id isakmp.ID) (netip.Prefix, error) {
	if p, ok := id.Prefix(); ok {
		return p, nil
	}
	first, last, ok := id.Range()
	if !ok {
		return netip.Prefix{}, fmt.Errorf("%v is no network: neither an address nor a subnet nor a range", id)
	}
	p := netip.PrefixFrom(first, commonBits(first, last))
	if a, b, _ := isakmp.PrefixID(p).Range(); a != first || b != last {
		return netip.Prefix{}, fmt.Errorf("%v is no network: a policy needs a range that a prefix can express", id)
	}
	return p, nil
}

// commonBits counts the leading bits two addresses of one family share.
func commonBits(a, b netip.Addr) (n int) {
	x, y := a.AsSlice(), b.AsSlice()
	for i := range x {
		if d := x[i] ^ y[i]; d != 0 {
			return n + bits.LeadingZeros8(d)
		}
		n += 8
	}
	return n
}

// OfHost is an identity of addresses as it is, and any other one, a name, as the host
// that has it.
func OfHost(id isakmp.ID, host netip.Addr) isakmp.ID {
	switch id.Type {
	case isakmp.IDFQDN, isakmp.IDUserFQDN, isakmp.IDDERASN1DN, isakmp.IDDERASN1GN, isakmp.IDKeyID:
		return AddrID(host, id.Protocol, id.Port)
	}
	return id
}

// Selector is the traffic a pair of phase 2 identities means, seen from our side.
// Where only one names a protocol, it is meant by both.
func Selector(local, remote isakmp.ID) (policy.Selector, error) {
	l, err := Prefix(local)
	if err != nil {
		return policy.Selector{}, err
	}
	r, err := Prefix(remote)
	if err != nil {
		return policy.Selector{}, err
	}
	if l.Addr().BitLen() != r.Addr().BitLen() {
		return policy.Selector{}, fmt.Errorf("%v and %v are of different families", local, remote)
	}
	if local.Protocol != remote.Protocol && local.Protocol != 0 && remote.Protocol != 0 {
		return policy.Selector{}, fmt.Errorf("%v and %v name different protocols", local, remote)
	}
	return policy.Selector{Local: l, Remote: r, LocalPort: local.Port, RemotePort: remote.Port,
		Proto: max(local.Protocol, remote.Protocol)}, nil
}

// SAID is an identity in the form sainfo sections are compared with.
func SAID(id isakmp.ID) *policy.SAID {
	return &policy.SAID{Type: uint8(id.Type), Proto: id.Protocol, Port: id.Port, Data: id.Data}
}
