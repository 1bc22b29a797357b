package doi

import (
	"fmt"
	"net/netip"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// AddrID is the identity of a host (RFC 2407 section 4.6.2.2).
func AddrID(a netip.Addr, proto uint8, port uint16) isakmp.ID {
	t := isakmp.IDIPv4Addr
	if a.Unmap().Is6() {
		t = isakmp.IDIPv6Addr
	}
	return isakmp.ID{Type: t, Protocol: proto, Port: port, Data: a.Unmap().AsSlice()}
}

// PrefixID is the phase 2 identity of a network; a full-length prefix is a host.
func PrefixID(p netip.Prefix, proto uint8, port uint16) isakmp.ID {
	a := p.Addr().Unmap()
	if p.Bits() == a.BitLen() {
		return AddrID(a, proto, port)
	}
	t := isakmp.IDIPv4Subnet
	if a.Is6() {
		t = isakmp.IDIPv6Subnet
	}
	mask := make([]byte, a.BitLen()/8)
	for i := range p.Bits() {
		mask[i/8] |= 0x80 >> (i % 8)
	}
	return isakmp.ID{Type: t, Protocol: proto, Port: port, Data: append(a.AsSlice(), mask...)}
}

// Prefix is the network an address, subnet or range identity means. A range must
// be one a prefix can express, since that is all a policy can hold.
func Prefix(id isakmp.ID) (netip.Prefix, error) {
	n := 4
	switch id.Type {
	case isakmp.IDIPv6Addr, isakmp.IDIPv6Subnet, isakmp.IDIPv6Range:
		n = 16
	}
	fail := func(why string) (netip.Prefix, error) {
		return netip.Prefix{}, fmt.Errorf("identity %v: %s", id, why)
	}
	switch id.Type {
	case isakmp.IDIPv4Addr, isakmp.IDIPv6Addr:
		if len(id.Data) != n {
			return fail("wrong length")
		}
		a, _ := netip.AddrFromSlice(id.Data)
		return netip.PrefixFrom(a, 8*n), nil
	case isakmp.IDIPv4Subnet, isakmp.IDIPv6Subnet, isakmp.IDIPv4Range, isakmp.IDIPv6Range:
		if len(id.Data) != 2*n {
			return fail("wrong length")
		}
	default:
		return fail("is not an address, subnet or range")
	}
	a, _ := netip.AddrFromSlice(id.Data[:n])
	var bits int
	var ok bool
	if id.Type == isakmp.IDIPv4Subnet || id.Type == isakmp.IDIPv6Subnet {
		bits, ok = maskBits(id.Data[n:])
	} else {
		bits, ok = rangeBits(id.Data[:n], id.Data[n:])
	}
	if !ok {
		return fail("is not a prefix")
	}
	p := netip.PrefixFrom(a, bits)
	if p.Masked().Addr() != a {
		return fail("has bits outside its mask")
	}
	return p, nil
}

// maskBits counts the leading ones of a mask without holes.
func maskBits(mask []byte) (n int, ok bool) {
	ended := false
	for _, b := range mask {
		for bit := byte(0x80); bit != 0; bit >>= 1 {
			switch {
			case b&bit == 0:
				ended = true
			case ended:
				return 0, false
			default:
				n++
			}
		}
	}
	return n, true
}

// rangeBits is the length of the prefix that covers lo to hi exactly.
func rangeBits(lo, hi []byte) (int, bool) {
	mask := make([]byte, len(lo))
	for i := range lo {
		mask[i] = ^(lo[i] ^ hi[i])
		if lo[i]&^mask[i] != 0 || hi[i]|mask[i] != 0xff {
			return 0, false
		}
	}
	return maskBits(mask)
}

// Selector is the traffic a pair of phase 2 identities means, seen from our side.
// The narrower protocol wins where only one side names it.
func Selector(local, remote isakmp.ID) (policy.Selector, error) {
	l, err := Prefix(local)
	if err != nil {
		return policy.Selector{}, err
	}
	r, err := Prefix(remote)
	if err != nil {
		return policy.Selector{}, err
	}
	if l.Addr().Is4() != r.Addr().Is4() {
		return policy.Selector{}, fmt.Errorf("identities %v and %v are of different families", local, remote)
	}
	if local.Protocol != remote.Protocol && local.Protocol != 0 && remote.Protocol != 0 {
		return policy.Selector{}, fmt.Errorf("identities %v and %v name different protocols", local, remote)
	}
	return policy.Selector{Local: l, Remote: r, LocalPort: local.Port, RemotePort: remote.Port,
		Proto: max(local.Protocol, remote.Protocol)}, nil
}

// SAID is an identity in the form sainfo sections are compared with.
func SAID(id isakmp.ID) *policy.SAID {
	return &policy.SAID{Type: uint8(id.Type), Proto: id.Protocol, Port: id.Port, Data: id.Data}
}
