package policy

import "net/netip"

// SAInfoQuery is what is known when a sainfo section is chosen (racoon-conf section
// 10.1).
type SAInfoQuery struct {
	Local, Remote *SAID      // phase 2 identities, nil: the peer sent none
	Ph1ID         uint32     // of the phase 1 section
	Peer          *Identity  // phase 1 identity, nil: not known yet
	Client        netip.Addr // what clientaddr means, invalid: not known
	Within        bool       // a network of a section is meant with all that is inside it
}

// SAInfoFor returns the section for a quick mode, or nil: of those that fit the one
// of the highest priority, and of several of these the first.
func (c *Config) SAInfoFor(q SAInfoQuery) (best *SAInfo) {
	for _, s := range c.SAInfos {
		if (best == nil || s.priority() > best.priority()) && s.fits(q) {
			best = s
		}
	}
	return best
}

// priority says which sections are tried first.
func (s *SAInfo) priority() (n int) {
	if s.RemoteID != 0 {
		n += 3
	}
	if s.From != nil {
		n += 3
	}
	if s.Local != nil {
		n++
	}
	if s.Remote != nil || s.ClientAddr {
		n++
	}
	return n
}

func (s *SAInfo) fits(q SAInfoQuery) bool {
	matches := (*SAID).matches
	if q.Within {
		matches = (*SAID).contains
	}
	if s.RemoteID != q.Ph1ID || !s.fromMatches(q.Peer) || !matches(s.Local, q.Local) {
		return false
	}
	if s.ClientAddr {
		return q.Client.IsValid() && hostID(q.Client).matches(q.Remote)
	}
	return matches(s.Remote, q.Remote)
}

// fromMatches compares the peer's phase 1 identity as section 10.3 does. Protocol
// and port, which peers send with an address, are no part of who they are. An entry
// without value is any identity of its type.
func (s *SAInfo) fromMatches(peer *Identity) bool {
	if s.From == nil || peer == nil {
		return true
	}
	if s.From.Data == nil {
		return s.From.Accepts(*peer)
	}
	return (&SAID{Type: s.From.Type, Data: s.From.Data}).matches(&SAID{Type: peer.Type, Data: peer.Data})
}

// hostID is an address as a phase 2 identity, for any protocol.
func hostID(a netip.Addr) *SAID {
	a = a.Unmap()
	id := &SAID{Type: IDIPv4, Data: a.AsSlice()}
	if a.Is6() {
		id.Type = IDIPv6
	}
	return id
}

// matches compares two identities (section 10.3); a missing one matches everything.
// Ports are never compared, and a network does not contain a smaller one.
func (a *SAID) matches(b *SAID) bool {
	if a == nil || b == nil {
		return true
	}
	if ha, ok := a.host(); ok { // a host and a full-length subnet are the same, whatever protocol and port
		if hb, ok := b.host(); ok && a.Type != b.Type {
			return ha == hb
		}
	}
	return a.comparable() && a.Type == b.Type && a.Proto == b.Proto && string(a.Data) == string(b.Data)
}

// contains is matches, and for a network also what is inside it: fewer addresses, a
// protocol or a port of any. What is missing contains and is contained.
func (a *SAID) contains(b *SAID) bool {
	if a == nil || b == nil {
		return true
	}
	first, last, ok := a.addresses()
	low, high, both := b.addresses()
	if !ok || !both {
		return a.matches(b)
	}
	return first.BitLen() == low.BitLen() && first.Compare(low) <= 0 && high.Compare(last) <= 0 &&
		(a.Proto == 0 || a.Proto == b.Proto) && (a.Port == 0 || a.Port == b.Port)
}

// addresses are the first and the last of a host, subnet or range.
func (a *SAID) addresses() (first, last netip.Addr, ok bool) {
	n := 4
	switch a.Type {
	case IDIPv6, IDIPv6Subnet, IDIPv6Range:
		n = 16
	case IDIPv4, IDIPv4Subnet, IDIPv4Range:
	default:
		return first, last, false
	}
	host := a.Type == IDIPv4 || a.Type == IDIPv6
	if host && len(a.Data) != n || !host && len(a.Data) != 2*n {
		return first, last, false
	}
	low, high := append([]byte(nil), a.Data[:n]...), append([]byte(nil), a.Data[len(a.Data)-n:]...)
	if a.Type == IDIPv4Subnet || a.Type == IDIPv6Subnet {
		for i, mask := range high {
			low[i] &= mask
			high[i] = low[i] | ^mask
		}
	}
	first, _ = netip.AddrFromSlice(low)
	last, _ = netip.AddrFromSlice(high)
	return first, last, true
}

func (a *SAID) comparable() bool {
	switch a.Type {
	case IDIPv4, IDIPv4Subnet, IDIPv4Range, IDIPv6, IDIPv6Subnet, IDIPv6Range, IDFQDN, IDUserFQDN, IDKeyID, IDDN:
		return true
	}
	return false
}

// host returns the address of a host identity or of a subnet with a full mask.
func (a *SAID) host() (netip.Addr, bool) {
	n := 4
	switch a.Type {
	case IDIPv4, IDIPv6:
		return netip.AddrFromSlice(a.Data)
	case IDIPv4Subnet:
	case IDIPv6Subnet:
		n = 16
	default:
		return netip.Addr{}, false
	}
	if len(a.Data) != 2*n {
		return netip.Addr{}, false
	}
	for _, m := range a.Data[n:] {
		if m != 0xff {
			return netip.Addr{}, false
		}
	}
	return netip.AddrFromSlice(a.Data[:n])
}
