package kerneltest

import (
	"net/netip"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// tick is how often timers look at the clock.
const tick = 20 * time.Millisecond

// Packet is a packet of so many octets that leaves this host: the first policy that
// fits decides. It passes in clear, or through the SA of the policy's request ID and
// counts there, or the kernel asks for one, once until somebody answers.
func (f *Fake) Packet(src, dst netip.AddrPort, proto uint8, octets uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	packet := kernel.Selector{Src: host(src.Addr()), Dst: host(dst.Addr()), SrcPort: src.Port(), DstPort: dst.Port(), Proto: proto}
	p, ok := f.match(packet)
	if !ok || p.Action != kernel.ActionIPsec {
		return
	}
	for _, t := range p.Templates {
		if k, ok := f.outbound(t); ok {
			f.count(k, 1, octets)
			continue
		}
		for _, seq := range f.waiting {
			if seq == p.Key.ID {
				return
			}
		}
		f.waiting[f.acquire(p, packet)] = p.Key.ID
		return
	}
}

func host(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

// match finds the outbound policy of a packet: the smallest priority number first.
func (f *Fake) match(packet kernel.Selector) (best kernel.Policy, ok bool) {
	fits := func(rule, value uint16) bool { return rule == 0 || rule == value }
	for _, p := range f.state.policies {
		s := p.Key.Sel
		if p.Key.Dir == kernel.Out && s.Src.Contains(packet.Src.Addr()) && s.Dst.Contains(packet.Dst.Addr()) && fits(s.SrcPort, packet.SrcPort) &&
			fits(s.DstPort, packet.DstPort) && fits(uint16(s.Proto), uint16(packet.Proto)) && (!ok || p.Priority < best.Priority) {
			best, ok = p, true
		}
	}
	return best, ok
}

// outbound finds the SA that a template asks for.
func (f *Fake) outbound(t kernel.Template) (saKey, bool) {
	for k, s := range f.state.sas {
		if s.State != kernel.Larval && s.Dir == kernel.Out && s.ReqID == t.ReqID && k.proto == t.Proto && (!t.Dst.IsValid() || k.dst == t.Dst) {
			return k, true
		}
	}
	return saKey{}, false
}

// count counts packets through an SA, which may bring it to a limit. The lock is held.
func (f *Fake) count(k saKey, packets, octets uint64) {
	s := f.state.sas[k]
	s.stats.LastUse = f.now()
	if s.stats.FirstUse.IsZero() {
		s.stats.FirstUse = s.stats.LastUse
	}
	s.stats.Packets += packets
	s.stats.Bytes += octets
	f.state.sas[k] = s
	f.limits(k, s)
}

// limits tells what limits an SA has reached. The lock is held.
func (f *Fake) limits(k saKey, s sa) {
	age := f.now().Sub(s.stats.Added)
	over := func(octets, packets uint64, t time.Duration) bool {
		return octets > 0 && s.stats.Bytes >= octets || packets > 0 && s.stats.Packets >= packets || f.Timers && t > 0 && age >= t
	}
	if l := s.Life; over(l.SoftBytes, l.SoftPackets, l.SoftTime) && !s.soft {
		s.soft, s.State = true, kernel.Dying
		f.state.sas[k] = s
		f.emit(kernel.Event{Kind: kernel.ExpireSoft, Key: s.Key})
	}
	if l := s.Life; over(l.HardBytes, l.HardPackets, l.HardTime) {
		delete(f.state.sas, k)
		f.emit(kernel.Event{Kind: kernel.ExpireHard, Key: s.Key})
	}
}

// expireDue ends what has lived long enough. The lock is held.
func (f *Fake) expireDue() {
	now := f.now()
	for k, s := range f.state.sas {
		switch {
		case s.State == kernel.Larval && now.After(s.until):
			delete(f.state.sas, k)
		case s.State != kernel.Larval && f.Timers:
			f.limits(k, s)
		}
	}
}
