package iketest

import (
	"net/netip"
	"slices"
	"time"
)

// NAT is a box between some hosts and the rest of the network. Every address and
// port inside that something is sent from has a port outside, whoever it is sent to
// (RFC 4787 section 4.1), and only whom something was sent to can answer (section 5).
// Protocols without ports, which is ESP, are translated by address; what comes in is
// for the host that has used that protocol last. Port 0 stands for them.
type NAT struct {
	Addr netip.Addr // outside
	// Idle is how long a mapping lives that nothing is sent through from inside; 0 is
	// for ever.
	Idle time.Duration
	// Preserve keeps the port, where it is free outside.
	Preserve bool

	w    *World
	host []*Host // inside
	maps []*mapping
	next uint16
}

type mapping struct {
	inside  netip.AddrPort
	host    *Host
	outside uint16
	used    time.Duration
	peers   []netip.Addr // may answer
	open    bool         // so may anybody, for ever
}

// AddNAT adds a box: the first is 198.51.100.1 outside.
func (w *World) AddNAT() *NAT {
	b := &NAT{Addr: netip.AddrFrom4([4]byte{198, 51, 100, byte(len(w.nats) + 1)}), w: w, next: 20000}
	w.nats = append(w.nats, b)
	return b
}

// Behind puts a host that has not been connected behind the box. Its address is
// 192.168.1.2 or the next one: those of different boxes may be the same.
func (h *Host) Behind(b *NAT) {
	delete(h.w.byAddr, h.Addr)
	b.host = append(b.host, h)
	h.NAT, h.Addr = b, netip.AddrFrom4([4]byte{192, 168, 1, byte(len(b.host) + 1)})
}

// Hosts are those behind the box.
func (b *NAT) Hosts() []*Host { return b.host }

// Outside is the address a host has for those who are not behind its box.
func (h *Host) Outside() netip.Addr {
	if h.NAT != nil {
		return h.NAT.Addr
	}
	return h.Addr
}

// Forget drops every mapping, as a box does that is switched off and on. The ports
// it hands out from then on are others.
func (b *NAT) Forget() { b.maps = nil }

// Move gives the box another address outside, and drops every mapping.
func (b *NAT) Move() {
	a := b.Addr.As4()
	a[3] += 16
	b.Addr, b.maps = netip.AddrFrom4(a), nil
}

// Forward lets anybody reach ports of a host inside, under the same numbers.
func (b *NAT) Forward(h *Host, ports ...uint16) {
	for _, p := range ports {
		b.maps = append(b.maps, &mapping{inside: netip.AddrPortFrom(h.Addr, p), host: h, outside: p, open: true})
	}
}

// out translates the source of what is sent.
func (b *NAT) out(from *Host, src, dst netip.AddrPort) netip.AddrPort {
	b.expire()
	i := slices.IndexFunc(b.maps, func(m *mapping) bool { return m.host == from && m.inside == src })
	if i < 0 {
		i = len(b.maps)
		b.maps = append(b.maps, &mapping{inside: src, host: from, outside: b.port(src.Port())})
	}
	m := b.maps[i]
	m.used = b.w.now
	if !slices.Contains(m.peers, dst.Addr()) {
		m.peers = append(m.peers, dst.Addr())
	}
	return netip.AddrPortFrom(b.Addr, m.outside)
}

// port picks a port outside.
func (b *NAT) port(inside uint16) uint16 {
	taken := slices.ContainsFunc(b.maps, func(m *mapping) bool { return m.outside == inside })
	switch {
	case inside == 0, b.Preserve && !taken:
		return inside
	}
	b.next += 1 + uint16(b.w.rand.IntN(50))
	return b.next
}

// in finds who a packet that has come to the box is for.
func (b *NAT) in(src, dst netip.AddrPort) (to *Host, inside netip.AddrPort) {
	b.expire()
	var found *mapping
	for _, m := range b.maps {
		if m.outside == dst.Port() && (m.open || slices.Contains(m.peers, src.Addr())) && (found == nil || m.used >= found.used) {
			found = m
		}
	}
	if found == nil {
		return nil, dst
	}
	return found.host, found.inside
}

func (b *NAT) expire() {
	if b.Idle > 0 {
		b.maps = slices.DeleteFunc(b.maps, func(m *mapping) bool { return !m.open && b.w.now-m.used > b.Idle })
	}
}

// leave is the source others see of what a host sends.
func (h *Host) leave(src, dst netip.AddrPort) netip.AddrPort {
	if h.NAT == nil || h.neighbour(dst.Addr()) != nil {
		return src
	}
	return h.NAT.out(h, src, dst)
}

// reach finds the host, and its own address and port, that something sent by a host
// is for; nil if nobody gets it.
func (h *Host) reach(src, dst netip.AddrPort) (*Host, netip.AddrPort) {
	if n := h.neighbour(dst.Addr()); n != nil {
		return n, dst
	}
	for _, b := range h.w.nats {
		if b.Addr == dst.Addr() {
			return b.in(src, dst)
		}
	}
	return h.w.byAddr[dst.Addr()], dst
}

// neighbour is a host behind the same box.
func (h *Host) neighbour(a netip.Addr) *Host {
	if h.NAT != nil {
		for _, o := range h.NAT.host {
			if o.Addr == a {
				return o
			}
		}
	}
	return nil
}
