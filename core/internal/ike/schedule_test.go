package ike_test

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"hash"
	"math/rand/v2"
	"os"
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
	schedules = flag.Int("schedules", 1000, "how many random schedules to play")
	seed      = flag.Uint64("seed", 0, "play the one schedule of this seed, with its transcript in $TMPDIR/schedule.txt")
)

// TestHostileSchedules lets two or three hosts live through some minutes of a bad
// network, failing plugins, acquires, deletes, lost SAs, crashes and shutdowns, then
// through some minutes of peace, and holds them against what must always be true
// and what must be true in the end.
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
	start := rand.Uint64() >> 1
	t.Logf("seeds from %d", start)
	for i := range uint64(*schedules) {
		s := start + i + 1
		one, err := playSchedule(s, nil)
		if err != nil {
			t.Fatalf("go test -run HostileSchedules -seed %d: %v", s, err)
		}
		if i%64 == 0 {
			if two, _ := playSchedule(s, nil); one != two {
				t.Fatalf("seed %d: the same events give other actions the second time", s)
			}
		}
	}
}

// schedule is a world with a plan.
type schedule struct {
	w     *iketest.World
	r     *rand.Rand
	log   hash.Hash
	calm  bool // loss-free from the beginning, and nothing fails: traffic must flow without a gap
	sends map[sendKey]int
	hosts []*iketest.Host
	steps int
	up    bool // an SA has come since the limits were checked
}

type sendKey struct {
	host   string
	digest [8]byte
}

const chaosTime = 5 * time.Minute

// playSchedule plays one seed and returns a digest of everything that was done.
func playSchedule(seed uint64, log *iketest.Transcript) (string, error) {
	s := &schedule{w: iketest.New(seed), log: sha256.New()}
	w := s.w
	w.Log = log
	s.r = w.Rand()
	w.KeepSecrets()
	opts := s.options()
	keep := s.r.IntN(8) == 0 // the keys inside the machines: costly, so not always
	w.OnStep = func(m *iketest.Machine) {
		if s.steps++; s.up || s.steps%8 == 0 {
			s.up = false
			w.CheckLimits(m)
		}
		if keep {
			keepSecrets(w)(m)
		}
	}
	w.OnAction = func(m *iketest.Machine, act ike.Action) { s.action(m, act) }
	s.build(opts)
	if s.calm {
		s.watchTraffic()
	} else {
		s.chaos()
	}
	w.Run(chaosTime)
	s.peace(opts)
	s.end()
	return fmt.Sprintf("%x", s.log.Sum(nil)), w.Err()
}

func (s *schedule) pick(n int) int { return s.r.IntN(n) }

func (s *schedule) seconds(lo, hi int) time.Duration {
	return time.Duration(lo)*time.Second + time.Duration(s.r.Int64N(int64(hi-lo)*int64(time.Second)))
}

func (s *schedule) options() iketest.Options {
	o := iketest.Options{Proposals: []policy.Phase1Proposal{iketest.AES128SHA256X25519},
		ISAKMPLife: s.seconds(90, 400).Round(time.Second), IPsecLife: s.seconds(140, 400).Round(time.Second)}
	o.Rekey = []policy.Toggle{policy.Off, policy.On, policy.Force}[s.pick(3)]
	if s.pick(8) == 0 {
		o.PFS = oakley.X25519
	}
	if m := s.pick(8); m < 3 {
		o.Modes = []policy.ExchangeMode{policy.Aggressive, policy.Aggressive, policy.Base}[m : m+1]
	}
	if s.pick(8) == 0 {
		o.Transport = true
	}
	if s.pick(8) == 0 { // the first messages of both exchanges in fragments
		o.Proposals, o.Remote = many(), []func(*policy.Remote){frag(policy.Force)}
	}
	if s.pick(4) == 0 {
		o.Remote = append(o.Remote, dpd(s.seconds(2, 60)))
	}
	if s.pick(8) == 0 {
		o.Protos = [][]uint8{{51}, {50, 51}, {108, 50}, {108, 50, 51}}[s.pick(4)]
	}
	if s.pick(8) == 0 {
		o.IPsecKB = 4608000
	}
	if s.pick(8) == 0 {
		o.PSK = []string{"secret", "another"}
	}
	return o
}

// build makes the hosts: two, or three of which the second is everybody's peer.
func (s *schedule) build(o iketest.Options) {
	w := s.w
	s.calm = s.pick(4) == 0
	names := []string{"a", "b", "c"}[:2+s.pick(8)/7]
	for _, n := range names {
		s.hosts = append(s.hosts, w.AddHost(n))
	}
	if s.pick(8) == 0 { // padding of every kind, and both ends hold each other to it
		all := policy.Padding{Randomize: true, RandomizeLength: true, MaximumLength: uint8(s.pick(256)), ExclusiveTail: s.pick(2) == 0, StrictCheck: true}
		for _, h := range s.hosts {
			h.Config.Padding = all
		}
	}
	for _, h := range s.hosts {
		if h == s.hosts[1] {
			continue
		}
		h.Configure(s.hosts[1], o)
		if s.pick(8) == 0 && !slices.Equal(o.Protos, []uint8{51}) {
			o.Generate = []policy.Level{policy.GenerateRequire, policy.GenerateUnique}[s.pick(2)]
		}
		s.hosts[1].Configure(h, o)
		o.Generate = policy.GenerateOff
	}
	if len(o.PSK) > 1 && !s.calm { // the first key of the one who can find out is the wrong one
		one, all := s.hosts[0], s.hosts[1]
		if o.Modes != nil && o.Modes[0] == policy.Aggressive { // its initiator verifies first
			one, all = all, one
		}
		all.PSK[one.Addr] = []string{"another", "secret"}
		one.PSK[all.Addr] = []string{"secret"}
	}
	w.Net.MinDelay, w.Net.MaxDelay = 5*time.Millisecond, 50*time.Millisecond
	w.MinService, w.MaxService = time.Millisecond, 5*time.Millisecond
}

// action keeps the books of what a machine does.
func (s *schedule) action(m *iketest.Machine, act ike.Action) {
	switch act := act.(type) {
	case ike.Send:
		fmt.Fprintf(s.log, "%s send ", m.Host.Name)
		s.log.Write(act.Data)
		// A message, its repetitions by our timer, and as many answers to duplicates.
		if s.sends == nil {
			s.sends = map[sendKey]int{}
		}
		d := sha256.Sum256(act.Data)
		k := sendKey{m.Host.Name, [8]byte(d[:])}
		s.sends[k]++
		if limit := 2*m.Host.Config.Timer.Counter + 1; s.sends[k] > limit {
			s.w.Break("%s sends one message more than %d times", m.Host.Name, limit)
		}
	case ike.Notice:
		fmt.Fprintf(s.log, "%s notice %v %v %s", m.Host.Name, act.Event, act.Reason, act.Detail)
		s.up = s.up || act.Event == notice.Phase1Up || act.Event == notice.Phase2Up
		if act.Reason == notice.Internal {
			s.w.Break("%s: internal error: %s", m.Host.Name, act.Detail)
		}
	}
}

// peerOf is the other end of a host's connection.
func (s *schedule) peerOf(h *iketest.Host) *iketest.Host {
	if h != s.hosts[1] {
		return s.hosts[1]
	}
	if i := s.pick(len(s.hosts)); i != 1 {
		return s.hosts[i]
	}
	return s.hosts[0]
}

// chaos makes everything unreliable and plans mischief.
func (s *schedule) chaos() {
	w := s.w
	w.Net.Loss, w.Net.Duplicate = s.r.Float64()*0.4, s.r.Float64()*0.4
	w.Net.MaxDelay = s.seconds(0, 3) + 10*time.Millisecond
	w.Flaky = s.r.Float64() * 0.2 * float64(s.pick(2))
	w.MaxService = s.seconds(0, 2) + 2*time.Millisecond
	w.After(s.seconds(0, 20), func() { s.hosts[0].Acquire(s.hosts[1]) })
	for range 4 + s.pick(16) {
		w.After(s.seconds(0, int(chaosTime/time.Second)-60), s.mischief)
	}
}

// mischief is one thing that happens to a host.
func (s *schedule) mischief() {
	h := s.hosts[s.pick(len(s.hosts))]
	to := s.peerOf(h)
	if _, ok := h.Policy(to); !ok { // it makes them on the other's wish
		h, to = to, h
	}
	switch s.pick(16) {
	case 0, 1, 2, 3:
		h.Acquire(to)
	case 4:
		h.Acquire(to)
		if _, ok := to.Policy(h); ok {
			to.Acquire(h)
		}
	case 5:
		h.Establish(to, s.pick(2) == 0)
	case 6:
		h.Delete(to, s.pick(2) == 0, s.pick(2) == 0)
	case 7, 8:
		h.Kernel.Die(s.seconds(0, 10))
	case 9:
		h.AuthDown = true
		s.w.After(s.seconds(0, 20), func() { h.AuthDown = false })
	case 10:
		h.Kernel.RefuseInstalls++
	case 11:
		if keys := h.Kernel.Keys(); len(keys) > 0 && !h.Kernel.Down {
			h.Kernel.Lose(keys[s.pick(len(keys))])
		}
	case 12:
		h.Crash()
	case 13:
		h.Shutdown()
		s.w.After(time.Minute, h.CheckClean)
	case 14:
		h.SoftExpire(to)
		to.SoftExpire(h)
	case 15:
		s.w.Net.ReplayAny(s.r)
	}
}

// peace repairs everything and waits until all that may have gone wrong has run
// out: SAs that only one end has live until their lifetime ends.
func (s *schedule) peace(o iketest.Options) {
	w := s.w
	w.Net.Loss, w.Net.Duplicate, w.Flaky = 0, 0, 0
	w.Net.MaxDelay, w.MaxService = 50*time.Millisecond, 5*time.Millisecond
	for _, h := range s.hosts {
		h.AuthDown, h.Kernel.RefuseInstalls = false, 0
	}
	for end := w.Since() + o.ISAKMPLife + 2*o.IPsecLife + 3*time.Minute; w.Since() < end && w.Err() == nil; {
		w.Run(23 * time.Second)
		w.CheckKernel()
	}
	s.settled()
	for _, h := range s.hosts {
		if h != s.hosts[1] {
			h.Acquire(s.hosts[1])
		}
	}
	w.Run(10 * time.Second)
	s.settled()
	for _, h := range s.hosts {
		if h != s.hosts[1] && w.Err() == nil {
			w.CheckCarries(h, s.hosts[1].Addr)
			w.CheckCarries(s.hosts[1], h.Addr)
		}
	}
}

// settled waits for a moment without negotiation, of which there must be one, and
// compares both ends.
func (s *schedule) settled() {
	for range 40 {
		if s.w.Quiet() {
			break
		}
		s.w.Run(5 * time.Second)
	}
	s.w.CheckQuiet()
	s.w.CheckKernel()
	s.w.CheckSymmetry()
	s.w.CheckWiped("KEYMAT", "g^xy", "SKEYID", "private key") // who lives on SKEYID_d, _a and _e needs none of them
}

// end shuts everything down: nothing may be left.
func (s *schedule) end() {
	for _, h := range s.hosts {
		h.Shutdown()
	}
	s.w.Run(3 * time.Minute)
	s.w.CheckEmpty()
	s.w.CheckWiped()
}

// watchTraffic brings the tunnels up and asserts, after every change of a kernel,
// that both ends can send and be understood.
func (s *schedule) watchTraffic() {
	w := s.w
	changes := 0
	for _, h := range s.hosts {
		if h == s.hosts[1] {
			continue
		}
		b, up := s.hosts[1], false
		h.Acquire(b)
		if _, ok := b.Policy(h); ok && s.pick(4) == 0 {
			b.Acquire(h)
		}
		w.After(30*time.Second, func() { up = true }) // a quick mode that overtakes message 6 is repeated after 10 s
		w.Watch(func() {
			n := h.Kernel.Changes + b.Kernel.Changes
			if up && n != changes && !w.Closing {
				changes = n
				w.CheckCarries(h, b.Addr)
				w.CheckCarries(b, h.Addr)
			}
		})
	}
	for range s.pick(3) {
		w.After(s.seconds(40, 250), func() {
			h := s.hosts[s.pick(len(s.hosts))]
			to := s.peerOf(h)
			h.SoftExpire(to)
			if s.pick(2) == 0 {
				to.SoftExpire(h)
			}
		})
	}
}
