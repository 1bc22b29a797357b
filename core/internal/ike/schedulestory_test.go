package ike_test

import (
	"slices"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike/iketest"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// chaos makes everything unreliable for half an hour, and is full of mischief.
func (s *schedule) chaos() {
	w := s.w
	w.Net.Loss, w.Net.Duplicate = s.r.Float64()*0.4, s.r.Float64()*0.4
	w.Net.MaxDelay = s.seconds(0, 3) + 10*time.Millisecond
	w.Flaky = s.r.Float64() * 0.2 * float64(s.pick(2))
	w.MaxService = s.seconds(0, 2) + 2*time.Millisecond
	for range 8 + s.pick(24) {
		w.After(s.seconds(0, 30*60), s.mischief)
	}
	for range s.pick(6) {
		w.After(s.seconds(29*60, 30*60), s.mischief)
	}
	w.Run(30 * time.Minute)
}

// mischief is one thing that happens to a host.
func (s *schedule) mischief() {
	h, to := s.ends()
	switch s.pick(20) {
	case 0, 1:
		h.Acquire(to)
	case 2, 3:
		h.Acquire(to)
		to.Acquire(h)
	case 4:
		h.Establish(to, s.pick(2) == 0)
	case 5:
		h.Delete(to, s.pick(2) == 0, s.pick(2) == 0)
	case 6:
		h.Kernel.Die(s.seconds(0, 10))
	case 7:
		h.AuthDown = true
		s.w.After(s.seconds(0, 20), func() { h.AuthDown = false })
	case 8:
		h.Kernel.RefuseInstalls++
	case 9:
		if keys := h.Kernel.Keys(); len(keys) > 0 && !h.Kernel.Down {
			h.Kernel.Lose(keys[s.pick(len(keys))])
		}
	case 10, 11:
		h.Stop(s.seconds(0, 60))
	case 12, 13:
		h.Restart(s.seconds(0, 60))
	case 14:
		h.SoftExpire(to)
		to.SoftExpire(h)
	case 15:
		s.w.Net.ReplayAny(s.r)
	default:
		if len(s.boxes) > 0 {
			s.translate(s.boxes[s.pick(len(s.boxes))])
		}
	}
}

// recovery is how long traffic may take to flow again once everything works: an SA
// that only one end has, as a delete was lost, is used until it ends, and nobody is told
// of an ISAKMP SA that the other end has lost. Who watches the peer finds out about that,
// but not about an IPsec SA: the peer answers.
func (s *schedule) recovery(link) time.Duration { return s.longest + 3*time.Minute }

// peace repairs everything, and waits for traffic to flow again.
func (s *schedule) peace() {
	w := s.w
	w.Net.Loss, w.Net.Duplicate, w.Flaky = 0, 0, 0
	w.Net.MaxDelay, w.MaxService = 50*time.Millisecond, 5*time.Millisecond
	for _, h := range s.hosts {
		h.AuthDown, h.Kernel.RefuseInstalls = false, 0
	}
	s.due(s.recovery)
	w.After(3*time.Minute, s.even) // what was going on still ends
}

// due says when every packet has to arrive again, on all links or on some hosts'.
func (s *schedule) due(in func(link) time.Duration, hosts ...*iketest.Host) {
	for _, l := range s.links {
		for _, f := range l.flows {
			if l.of(hosts) {
				f.Due = max(f.Due, s.w.Since()+in(l))
			}
		}
	}
}

// plan brings the tunnels up, and says what happens to them where nothing is hostile.
func (s *schedule) plan() {
	// A quick mode that overtakes message 6 is repeated after 10 s; a phase 1 whose
	// every message is lost once takes a minute.
	up := map[weather]time.Duration{calm: 30 * time.Second, broken: 30 * time.Second, rough: 3 * time.Minute, orderly: time.Minute}[s.kind]
	s.due(func(link) time.Duration { return up })
	if s.kind == calm || s.kind == orderly {
		s.even()
	}
	for range s.pick(5) {
		s.w.After(s.seconds(180, 3400), func() { // SAs are renewed early, at both ends at once or at one
			h, to := s.ends()
			h.SoftExpire(to)
			if s.pick(2) == 0 {
				to.SoftExpire(h)
			}
		})
	}
	for at := s.seconds(60, 900); s.kind == rough && at < 3400*time.Second; at += s.seconds(900, 1800) {
		s.w.After(at, s.outage)
	}
	for at := s.seconds(60, 300); s.kind == broken && at < 3000*time.Second; at += s.seconds(60, 900) {
		s.w.After(at, s.accident)
	}
	for at := s.seconds(60, 300); s.kind == orderly && at < 3000*time.Second; at += s.seconds(60, 600) {
		s.w.After(at, s.farewell)
	}
}

// farewell is a host that ends SAs, and says so: there is an ISAKMP SA to say it under.
func (s *schedule) farewell() {
	h, to := s.ends()
	for _, l := range s.links {
		if l.of([]*iketest.Host{h}) && (!l.a.Knows(l.b) || !l.b.Knows(l.a)) {
			return
		}
	}
	pause := s.seconds(5, 60)
	s.due(func(link) time.Duration { return pause + 90*time.Second }, h, to)
	if s.pick(4) == 0 {
		h.Restart(pause)
	} else {
		h.Delete(to, s.pick(2) == 0, s.pick(4) > 0)
	}
}

// outage is a plugin that does not answer for a while: no reason to lose a packet.
func (s *schedule) outage() {
	if h, _ := s.ends(); s.pick(2) == 0 {
		h.Kernel.Die(s.seconds(0, 10))
	} else {
		h.AuthDown = true
		s.w.After(s.seconds(0, 45), func() { h.AuthDown = false })
	}
}

// accident is something that breaks the tunnels of one host. A host that has lost
// its memory begins anew as soon as it has something to send, and says so
// (INITIAL-CONTACT); behind a NAT box, or to somebody there, it is the lifetimes
// that end what is lost.
func (s *schedule) accident() {
	h, to := s.ends()
	pause := s.seconds(5, 60)
	heal := func(l link) time.Duration {
		if !l.both {
			return pause + s.recovery(l)
		}
		return pause + 90*time.Second
	}
	switch s.pick(5) {
	case 0:
		s.due(heal, h)
		h.Stop(pause)
	case 1:
		s.due(heal, h) // whoever was told meanwhile begins anew, in vain
		h.Restart(pause)
	case 2:
		s.due(heal, h, to)
		h.Kernel.LoseAll()
	case 3:
		s.due(heal, h, to)
		h.Delete(to, s.pick(2) == 0, true)
	case 4:
		if !slices.Contains(s.boxes, h.NAT) {
			h = to
		}
		if slices.Contains(s.boxes, h.NAT) {
			s.due(s.found, h.NAT.Hosts()...)
			s.translate(h.NAT)
		}
	}
}

// found is how long traffic may take to flow again when a box translates in another
// way. With NAT traversal the next packet from inside shows where to send.
func (s *schedule) found(l link) time.Duration {
	if l.o.NATTraversal != policy.Off {
		return time.Minute
	}
	return s.recovery(l)
}

// translate has a box translate in another way.
func (s *schedule) translate(b *iketest.NAT) {
	if s.pick(2) == 0 {
		b.Move()
	} else {
		b.Forget()
	}
}
