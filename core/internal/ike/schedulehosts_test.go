package ike_test

import (
	"slices"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike/iketest"
	"github.com/racoon-ike/racoon/core/internal/oakley"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// options draws what both ends of a link agree on.
func (s *schedule) options() iketest.Options {
	shortest := 150
	if s.kind == rough { // a renewal may take two minutes and a half of its last fifth
		shortest = 800
	}
	o := iketest.Options{ISAKMPLife: s.seconds(300, 1200).Round(time.Second), IPsecLife: s.seconds(shortest, 1200).Round(time.Second),
		Check: policy.Check(s.pick(4)), Proposals: []policy.Phase1Proposal{s.proposal()}}
	if s.pick(4) == 0 {
		o.Proposals = append(o.Proposals, s.proposal())
	}
	if s.pick(4) == 0 {
		o.PFS = s.group()
	}
	if s.pick(8) == 0 {
		o.PSK = []string{"secret", "another"}
	}
	o.Modes = [][]policy.ExchangeMode{{policy.Main}, {policy.Main}, {policy.Main}, {policy.Aggressive}, {policy.Base},
		{policy.Main, policy.Aggressive}, {policy.Base, policy.Main}, {policy.Aggressive, policy.Base}}[s.pick(8)]
	if s.pick(8) == 0 {
		o.IPsecKB = uint64(o.IPsecLife / time.Second * 4 / 5) // of which a second takes one
	}
	if s.pick(8) == 0 {
		o.ESN = policy.Toggle(1 + s.pick(2))
		s.forced = s.forced || o.ESN == policy.Force
	}
	o.Rekey = policy.Toggle(s.pick(3))
	o.NoInitialContact = s.pick(8) == 0
	if s.pick(8) == 0 {
		o.Protos = [][]uint8{{51}, {50, 51}, {108, 50}, {108, 50, 51}}[s.pick(4)]
	}
	if s.pick(4) == 0 {
		o.NATTraversal = policy.Toggle(1 + s.pick(2))
		if slices.Contains(o.Protos, 51) { // AH does not go into UDP
			o.NATTraversal = policy.On
		}
	}
	if s.pick(3) == 0 {
		o.IKEFrag = policy.Toggle(1 + s.pick(2))
	}
	if o.IKEFrag == policy.Force && s.pick(4) == 0 { // the first message in fragments too
		o.Proposals = slices.Repeat(o.Proposals[:1], 16)
	}
	if s.pick(3) == 0 {
		o.DPDDelay = s.seconds(20, 90)
		ask := []string{"default", "inbound_detect", "blackhole_detect"}[s.pick(3)]
		if s.kind == rough { // probes are not repeated: only who hears nothing else asks
			ask = "inbound_detect"
		}
		loss := policy.Restart * policy.Loss(s.pick(2))
		o.Remote = append(o.Remote, func(r *policy.Remote) { r.DPDAlgorithm, r.OnLoss = ask, loss })
	}
	s.longest = max(s.longest, o.ISAKMPLife, o.IPsecLife)
	return o
}

func (s *schedule) group() oakley.Group {
	if !s.w.FakeDH {
		return oakley.X25519
	}
	gs := []oakley.Group{oakley.MODP1024, oakley.MODP2048, oakley.MODP4096, oakley.ECP256, oakley.ECP521, oakley.X25519}
	return gs[s.pick(len(gs))]
}

func (s *schedule) proposal() policy.Phase1Proposal {
	p := iketest.Proposal(oakley.AES, []uint16{128, 256}[s.pick(2)], []oakley.Hash{oakley.SHA1, oakley.SHA256}[s.pick(2)], s.group())
	if s.pick(8) == 0 {
		p.Encryption, p.KeyBits = uint16(oakley.TripleDES), 0
	}
	return p
}

// elsewhere is what the other end has instead: where the check lets it, other
// lifetimes. In phase 1 claim takes no longer one, since there is no way to answer it.
func (s *schedule) elsewhere(o iketest.Options) iketest.Options {
	other := s.options()
	if n := len(o.Modes); s.pick(2) == 0 {
		o.Modes = slices.Concat(o.Modes[n-1:], o.Modes[:n-1])
	}
	if s.pick(2) == 0 && (o.Check == policy.Obey || o.Check == policy.Claim) {
		o.IPsecLife = other.IPsecLife
		if o.Check == policy.Obey {
			o.ISAKMPLife = other.ISAKMPLife
		}
	}
	return o
}

// build makes the hosts: two to five, of which the second is everybody's peer.
func (s *schedule) build() {
	w := s.w
	names := []string{"a", "b", "c", "d", "e"}[:[]int{2, 2, 2, 2, 2, 2, 2, 3, 4, 5}[s.pick(10)]]
	for _, n := range names {
		s.hosts = append(s.hosts, w.AddHost(n))
	}
	if s.pick(8) == 0 { // padding of every kind, and both ends hold each other to it
		all := policy.Padding{Randomize: true, RandomizeLength: true, MaximumLength: uint8(s.pick(256)), ExclusiveTail: s.pick(2) == 0, StrictCheck: true}
		for _, h := range s.hosts {
			h.Config.Padding = all
		}
	}
	gateway := s.hosts[1]
	s.behind = s.pick(4) == 0
	roaming := s.options() // one section at the gateway is for all of them
	roaming.Protos = nil   // AH does not pass
	roaming.NATTraversal = policy.Toggle(s.pick(3))
	if s.pick(6) == 0 { // behind a box that lets everybody in to it
		box := s.w.AddNAT()
		gateway.Behind(box)
		box.Forward(gateway, 500, 4500)
		roaming.NATTraversal = max(roaming.NATTraversal, policy.On)
	}
	level := policy.Level(s.pick(3))
	for i, h := range s.hosts {
		switch {
		case i == 1:
		case s.behind && s.pick(2) == 0:
			h.Behind(s.box(roaming.NATTraversal != policy.Off))
			there := roaming
			there.Roaming, there.Generate = true, level
			s.connect(h, gateway, roaming, there)
		default:
			o := s.options()
			if s.behind {
				o = roaming
			}
			s.connectAny(h, gateway, o)
		}
	}
	if n := len(s.hosts); n > 2 && s.hosts[0].NAT == nil && s.hosts[2].NAT == nil && s.pick(2) == 0 {
		s.connectAny(s.hosts[0], s.hosts[2], s.options())
	}
	for _, h := range s.hosts {
		wide := func(l link) bool { return l.of([]*iketest.Host{h}) && !l.narrow() }
		if s.pick(2) == 0 && !slices.ContainsFunc(s.links, wide) {
			h.Narrow = 576 - 28
		}
		h.Kernel.NoESN = !s.forced && s.pick(3) == 0
	}
	w.Net.MinDelay, w.Net.MaxDelay = 5*time.Millisecond, 50*time.Millisecond
	w.MinService, w.MaxService = time.Millisecond, 5*time.Millisecond
	if s.kind == orderly {
		w.Net.MaxDelay = s.seconds(0, 2) + 10*time.Millisecond
	}
	if s.kind == rough {
		w.Net.LoseOnce, w.Net.Duplicate, w.Net.MaxDelay = s.r.Float64()*0.4, s.r.Float64()*0.4, s.seconds(0, 2)+10*time.Millisecond
	}
}

// box is a NAT box, with NAT traversal perhaps one that has somebody behind it already:
// without, it can tell ESP for two hosts apart no more than in life.
func (s *schedule) box(traversed bool) *iketest.NAT {
	if n := len(s.boxes); traversed && n > 0 && s.pick(2) == 0 {
		return s.boxes[s.pick(n)]
	}
	b := s.w.AddNAT()
	b.Preserve = s.pick(2) == 0
	if traversed {
		b.Idle = s.seconds(30, 180) // keepalives come every 20 s
	}
	s.boxes = append(s.boxes, b)
	return b
}

// connectAny makes two hosts know each other that know where the other is.
func (s *schedule) connectAny(a, b *iketest.Host, o iketest.Options) {
	o.Transport = s.pick(8) == 0
	if a.NAT != nil || b.NAT != nil {
		o.NATTraversal = max(o.NATTraversal, policy.On)
		if slices.Contains(o.Protos, 51) {
			o.Protos = nil // AH does not pass
		}
	}
	there := o
	if !s.behind { // else the gateway may take it for one that roams
		there = s.elsewhere(o)
	}
	if (s.kind == hostile || s.kind == calm) && s.pick(8) == 0 && b == s.hosts[1] && !slices.Equal(o.Protos, []uint8{51}) {
		there.Generate = []policy.Level{policy.GenerateRequire, policy.GenerateUnique}[s.pick(2)]
	} else if s.pick(8) == 0 && !s.behind { // one of them; a section for roaming hosts would do for its peer
		o.Passive = s.pick(2) == 0
		there.Passive = !o.Passive
	}
	if len(o.PSK) > 1 && s.kind == hostile && len(o.Modes) == 1 && !o.Passive && !there.Passive { // the first key of the one who can find out is the wrong one
		one, all := &o, &there
		if o.Modes[0] == policy.Aggressive { // its initiator verifies first
			one, all = all, one
		}
		one.PSK, all.PSK = []string{"secret", "other"}, []string{"another", "secret"}
	}
	if s.kind == hostile && o.DPDDelay > 0 && len(o.PSK) < 2 && !o.Passive && !there.Passive && there.Generate == policy.GenerateOff && s.pick(3) == 0 {
		// One of them, once the other was dead, waits until it begins.
		e := []*iketest.Options{&o, &there}[s.pick(2)]
		e.Remote = append(slices.Clip(e.Remote), func(r *policy.Remote) { r.OnLoss = policy.StayDown })
	}
	s.connect(a, b, o, there)
}

func (s *schedule) connect(a, b *iketest.Host, here, there iketest.Options) {
	a.Configure(b, here)
	b.Configure(a, there)
	flows := []*iketest.Flow{{From: a, To: b}, {From: b, To: a}}
	if there.Generate != policy.GenerateOff && s.kind == hostile {
		flows = nil // who has lost its policies waits for the other, until what that has ends
	}
	both := !here.Passive && !there.Passive && !there.Roaming && there.Generate == policy.GenerateOff && len(here.PSK) < 2
	s.links = append(s.links, link{a, b, here, both, flows})
	s.w.Send(flows...)
	for _, e := range [][2]*iketest.Host{{a, b}, {b, a}} {
		if s.pick(6) == 0 {
			s.w.After(s.seconds(0, 30), func() { e[0].KeepUp(e[1]) })
		}
	}
}
