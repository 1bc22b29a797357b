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
	orderly                // nothing is lost, but the network reorders; SAs and daemons end in good order: at both ends
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
	forced  bool          // somebody insists on sequence numbers of 64 bits
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
	s.kind = []weather{hostile, hostile, hostile, calm, rough, broken, orderly}[s.pick(7)]
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

// oneSided is how long one end may have an SA alone where nothing is lost: while it is
// made, or the other end of a renewal still takes what is under way.
const oneSided = time.Minute

// even watches from now on that SAs that are made, and deleted, are so at both ends.
func (s *schedule) even() {
	w := s.w
	begin, since := w.Since(), map[string]time.Duration{}
	var look func()
	look = func() {
		last := since
		since = map[string]time.Duration{}
		for _, name := range w.OneSided(begin) {
			if since[name] = w.Since(); last[name] != 0 {
				since[name] = last[name]
			}
			if w.Since()-since[name] > oneSided {
				w.Break("%s has been with one end alone since %v", name, since[name])
			}
		}
		w.After(10*time.Second, look)
	}
	look()
}

// settled waits until every machine was idle at some moment, and both ends of every link
// had the same SAs. What only one end has lives until its lifetime ends.
func (s *schedule) settled() {
	open := s.w.Unsettled()
	for end := s.w.Since() + 2*s.longest + 10*time.Minute; s.w.Since() < end && (len(open) > 0 || !s.w.Quiet()); {
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
	if s.w.Quiet() { // with many hosts there may have been no such moment
		s.w.CheckWiped("KEYMAT", "g^xy", "SKEYID", "private key") // who lives on SKEYID_d, _a and _e needs none of them
	}
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
