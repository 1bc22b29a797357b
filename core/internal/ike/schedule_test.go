package ike_test

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"hash"
	"maps"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/ike/iketest"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/oakley"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

var (
	schedules = flag.Int("schedules", 300, "how many random schedules to play")
	from      = flag.Uint64("from", 0, "play the seeds behind this one, 0 = new ones every time")
	seed      = flag.Uint64("seed", 0, "play the one schedule of this seed, with its transcript in $TMPDIR/schedule.txt")
)

// TestHostileSchedules lets two to five hosts live through an hour: of a bad network,
// failing plugins, acquires, deletes, lost SAs, crashes, restarts and NAT boxes that
// forget, and then of peace; or of peace alone, where no packet may be lost. It holds
// them against what must always be true and what must be true in the end.
func TestHostileSchedules(t *testing.T) {
	if *seed != 0 {
		log := iketest.NewTranscript()
		_, err := playSchedule(*seed, log)
		if werr := os.WriteFile(os.TempDir()+"/schedule.txt", []byte(log.Take()), 0o600); werr != nil {
			t.Error(werr)
		}
		if err != nil {
			t.Errorf("seed %d: %v", *seed, err)
		}
		return
	}
	start, workers := *from, uint64(runtime.GOMAXPROCS(0))
	if start == 0 {
		start = rand.Uint64() >> 1
	}
	t.Logf("seeds from %d", start)
	for first := range workers {
		t.Run(fmt.Sprint(first), func(t *testing.T) {
			t.Parallel()
			for i := first; i < uint64(*schedules); i += workers {
				s := start + i + 1
				one, err := playSchedule(s, nil)
				if err != nil {
					t.Fatalf("go test -run HostileSchedules -seed %d: %v", s, err)
				}
				if i/workers%64 == 0 {
					if two, _ := playSchedule(s, nil); one != two {
						t.Fatalf("seed %d: the same events give other actions the second time", s)
					}
				}
			}
		})
	}
}

// weather is how bad a schedule is.
type weather int

const (
	hostile weather = iota // everything may happen
	calm                   // nothing is lost and nothing fails: traffic must flow without a gap
	rough                  // the same, but the network loses, repeats and reorders, and plugins are away for a while
	broken                 // nothing is lost, but hosts break: whatever is not theirs flows, and theirs soon again
)

// schedule is a world with a plan.
type schedule struct {
	w     *iketest.World
	r     *rand.Rand
	log   hash.Hash
	line  []byte
	kind  weather
	sends map[sendKey]int
	hosts []*iketest.Host
	boxes []*iketest.NAT
	links []link
	steps int

	longest time.Duration // of all lifetimes
	behind  bool          // hosts may be behind boxes
	up      bool          // an SA has come since the limits were checked
}

// link is two hosts that know each other, and the options of the one that begins
// where only one can.
type link struct {
	a, b  *iketest.Host
	o     iketest.Options
	both  bool // ends can begin
	flows []*iketest.Flow
}

// narrow reports whether everything gets through where large datagrams do not.
func (l link) narrow() bool {
	return l.o.IKEFrag == policy.Force || l.o.IKEFrag == policy.On && !slices.Contains(l.o.Modes, policy.Aggressive)
}

// of reports whether a link is one of some hosts', or of any where none are named.
func (l link) of(hosts []*iketest.Host) bool {
	return hosts == nil || slices.Contains(hosts, l.a) || slices.Contains(hosts, l.b)
}

type sendKey struct {
	host   string
	digest [8]byte
}

// playSchedule plays one seed and returns a digest of everything that was done.
func playSchedule(seed uint64, log *iketest.Transcript) (string, error) {
	s := &schedule{w: iketest.New(seed), log: sha256.New(), sends: map[sendKey]int{}}
	w := s.w
	w.Log = log
	s.r = w.Rand()
	w.KeepSecrets()
	s.kind = []weather{hostile, hostile, hostile, calm, rough, broken}[s.pick(6)]
	thorough := s.pick(8) == 0 // real Diffie-Hellman, and an eye on the keys inside the machines
	w.FakeDH = !thorough
	w.OnStep = func(m *iketest.Machine) {
		if s.steps++; s.up || s.steps%32 == 0 {
			s.up = false
			w.CheckLimits(m)
		}
		if thorough {
			keepSecrets(w)(m)
		}
	}
	w.OnAction = s.action
	s.build()
	switch s.kind {
	case hostile:
		s.chaos()
		s.peace()
	default:
		s.plan()
	}
	s.flow()
	s.end()
	return fmt.Sprintf("%x", s.log.Sum(nil)), w.Err()
}

func (s *schedule) pick(n int) int { return s.r.IntN(n) }

func (s *schedule) seconds(lo, hi int) time.Duration {
	return time.Duration(lo)*time.Second + time.Duration(s.r.Int64N(int64(hi-lo)*int64(time.Second)))
}

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
	}
	w.Net.MinDelay, w.Net.MaxDelay = 5*time.Millisecond, 50*time.Millisecond
	w.MinService, w.MaxService = time.Millisecond, 5*time.Millisecond
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

// action keeps the books of what a machine does.
func (s *schedule) action(m *iketest.Machine, act ike.Action) {
	switch act := act.(type) {
	case ike.Send:
		s.write(m.Host.Name, "send", string(act.Data))
		// A message, its repetitions by our timer, and as many answers to duplicates.
		d := sha256.Sum256(act.Data)
		k := sendKey{m.Host.Name, [8]byte(d[:])}
		s.sends[k]++
		if limit := 2*m.Host.Config.Timer.Counter + 1; s.sends[k] > limit {
			s.w.Break("%s sends one message more than %d times", m.Host.Name, limit)
		}
	case ike.Notice:
		s.write(m.Host.Name, act.Event.String(), act.Reason.String(), act.Detail)
		s.up = s.up || act.Event == notice.Phase1Up || act.Event == notice.Phase2Up
		if act.Reason == notice.Internal {
			s.w.Break("%s: internal error: %s", m.Host.Name, act.Detail)
		}
	}
}

// write adds to the digest.
func (s *schedule) write(words ...string) {
	for _, w := range words {
		s.line = append(append(s.line, w...), ' ')
	}
	s.log.Write(s.line)
	s.line = s.line[:0]
}

// ends are both ends of a link, in either order.
func (s *schedule) ends() (h, to *iketest.Host) {
	l := s.links[s.pick(len(s.links))]
	if s.pick(2) == 0 {
		return l.b, l.a
	}
	return l.a, l.b
}

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
	up := map[weather]time.Duration{calm: 30 * time.Second, broken: 30 * time.Second, rough: 3 * time.Minute}[s.kind]
	s.due(func(link) time.Duration { return up })
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

// flow runs for the rest of the hour, and ten minutes at least behind all that
// traffic had to recover from.
func (s *schedule) flow() {
	w := s.w
	end := time.Hour
	for _, l := range s.links {
		for _, f := range l.flows {
			end = max(end, f.Due+10*time.Minute)
		}
	}
	for w.Since() < end && w.Err() == nil {
		w.Run(97 * time.Second)
		w.CheckKernel()
	}
	s.settled()
}

// settled waits until every machine was idle at some moment, and both ends of every link
// had the same SAs. What only one end has lives until its lifetime ends.
func (s *schedule) settled() {
	open := s.w.Unsettled()
	for end := s.w.Since() + 2*s.longest + 10*time.Minute; s.w.Since() < end && len(open) > 0; {
		s.w.Run(5 * time.Second)
		now := s.w.Unsettled()
		for what := range open {
			if why, still := now[what]; still {
				open[what] = why
			} else {
				delete(open, what)
			}
		}
	}
	for _, what := range slices.Sorted(maps.Keys(open)) {
		s.w.Break("%s: never settled: %s", what, open[what])
	}
	s.w.CheckKernel()
	s.w.CheckWiped("KEYMAT", "g^xy", "SKEYID", "private key") // who lives on SKEYID_d, _a and _e needs none of them
}

// end shuts everything down: nothing may be left.
func (s *schedule) end() {
	s.w.Silence()
	for _, h := range s.hosts {
		h.Shutdown()
	}
	s.w.Run(3 * time.Minute)
	s.w.CheckEmpty()
	s.w.CheckWiped()
}
