package policy

import "net/netip"

// RemotesFor returns the sections that may be meant by a peer at addr, best
// first: those that name the address, then networks by length, then anonymous
// ones, each in file order. mode 0 leaves the exchange open; initiating leaves
// passive sections out.
func (c *Config) RemotesFor(addr netip.Addr, mode ExchangeMode, initiating bool) []*Remote {
	addr = addr.Unmap()
	var best []*Remote
	rank := -1
	// One pass per rank would be simpler and slower; the sections of one rank keep file order.
	for _, r := range c.Remotes {
		n := r.rank(addr)
		if n < rank || n < 0 || initiating && r.Passive || mode != 0 && !r.Allows(mode) {
			continue
		}
		if n > rank {
			best, rank = best[:0], n
		}
		best = append(best, r)
	}
	return best
}

// rank is how closely the section names addr: -1 not at all, 0 anonymous, then
// the prefix length, a literal address above all.
func (r *Remote) rank(addr netip.Addr) int {
	switch {
	case r.Addr.IsValid():
		if r.Addr.Unmap() == addr {
			return 200
		}
		return -1
	case r.Net.IsValid():
		if r.Net.Contains(addr.WithZone("")) {
			return 1 + r.Net.Bits()
		}
		return -1
	}
	return 0
}

// SAInfoFor returns the first section that fits the phase 2 identities local and
// remote (nil = the peer sent none), the phase 1 section's ph1id and the peer's
// phase 1 identity (nil as initiator before phase 1). racoon.conf(5), racoon-conf
// section 10: same type, same bytes; ports are never compared.
func (c *Config) SAInfoFor(local, remote *SAID, ph1id uint32, peer *Identity) *SAInfo {
	for _, s := range c.SAInfos {
		if s.RemoteID == ph1id && !s.ClientAddr && s.fromMatches(peer) &&
			s.Local.matches(local) && s.Remote.matches(remote) {
			return s
		}
	}
	return nil
}

func (s *SAInfo) fromMatches(peer *Identity) bool {
	if s.From == nil || peer == nil {
		return true
	}
	if s.From.Data == nil { // any of this type
		return class(s.From.Type) == class(peer.Type)
	}
	return s.From.Type == peer.Type && string(s.From.Data) == string(peer.Data)
}

// class puts the two kinds of addresses together: both are called address.
func class(idType uint8) uint8 {
	if idType == 5 { // ID_IPV6_ADDR
		return 1 // ID_IPV4_ADDR
	}
	return idType
}

// matches compares two identities; a nil one matches everything.
func (a *SAID) matches(b *SAID) bool {
	if a == nil || b == nil {
		return true
	}
	if ha, ok := a.host(); ok { // a host and a full-length subnet are the same, whatever protocol and port
		if hb, ok := b.host(); ok && a.Type != b.Type {
			return ha == hb
		}
	}
	return a.Type == b.Type && a.Proto == b.Proto && string(a.Data) == string(b.Data)
}

// host returns the address of a host identity or of a subnet with a full mask.
func (a *SAID) host() (netip.Addr, bool) {
	n := 4
	switch a.Type {
	case 1, 5: // ID_IPV4_ADDR, ID_IPV6_ADDR
		return netip.AddrFromSlice(a.Data)
	case 4: // ID_IPV4_ADDR_SUBNET
	case 6: // ID_IPV6_ADDR_SUBNET
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
