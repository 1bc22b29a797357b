package hooks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

const queueLength = 100

// stage runs hooks that take as long as a test says and notes them.
type stage struct {
	*Runner
	takes time.Duration // each script

	mu    sync.Mutex
	ran   []string // "up 1 192.0.2.2"
	most  int
	now   int
	said  []notice.Notice
	fault error
}

func newStage(sections ...*policy.Remote) *stage {
	s := &stage{}
	s.Runner = New(Options{Log: slog.New(slog.DiscardHandler), queue: queueLength, execute: s.execute,
		Notify: func(n notice.Notice) { s.set(func() { s.said = append(s.said, n) }) }})
	s.Configure(&policy.Config{Remotes: sections})
	return s
}

func (s *stage) set(f func()) { s.mu.Lock(); defer s.mu.Unlock(); f() }

func (s *stage) execute(ctx context.Context, h *hook) result {
	var takes time.Duration
	var fault error
	s.set(func() {
		takes, fault = s.takes, s.fault
		s.ran = append(s.ran, fmt.Sprintf("%s %d %s", strings.TrimPrefix(h.event, "phase1-"), int(h.sa.i[6])<<8|int(h.sa.i[7]), h.path))
		s.now++
		s.most = max(s.most, s.now)
	})
	defer s.set(func() { s.now-- })
	select {
	case <-time.After(takes):
		return result{err: fault}
	case <-ctx.Done():
		return result{err: ctx.Err()}
	}
}

func (s *stage) failures() (out []string) {
	s.set(func() {
		for _, n := range s.said {
			if n.Event == notice.HookFailed {
				out = append(out, n.Reason.String()+" "+n.Detail)
			}
		}
	})
	return out
}

// section has all three hooks.
func section(name string) *policy.Remote {
	return &policy.Remote{Name: name, Scripts: []policy.Script{{Event: up, Path: "/u"}, {Event: down, Path: "/d"}, {Event: dead, Path: "/x"}}}
}

func of(n notice.Notice, number int, address string) notice.Notice {
	n.CkyI, n.CkyR = isakmp.Cookie{7: byte(number), 6: byte(number >> 8)}, isakmp.Cookie{7: 1}
	n.Local, n.Peer = netip.MustParseAddrPort("192.0.2.1:500"), netip.AddrPortFrom(netip.MustParseAddr(address), 500)
	return n
}

func (s *stage) up(number int, address string) {
	s.Notice(of(notice.Notice{Event: notice.Phase1Up, Remote: "gw", PeerID: "gw.example"}, number, address))
}

func (s *stage) down(number int, address string, why notice.Reason) {
	s.Notice(of(notice.Notice{Event: notice.Phase1Down, Remote: "gw", Reason: why}, number, address))
}

const there = "192.0.2.2"

func TestWhichHooksRun(t *testing.T) {
	force := section("gw")
	force.Rekey = policy.Force
	failed := func(n notice.Notice) func(*stage) {
		n.Event, n.Remote = notice.Phase1Failed, "gw"
		return func(s *stage) { s.Notice(of(n, 1, there)) }
	}
	for _, test := range []struct {
		name    string
		section *policy.Remote
		events  func(*stage)
		want    []string
	}{
		{"an SA comes and goes", section("gw"), func(s *stage) {
			s.up(1, there)
			s.down(1, there, notice.LocalDeleted)
		}, []string{"up 1 /u", "down 1 /d"}},
		{"an SA comes once", section("gw"), func(s *stage) {
			s.up(1, there)
			s.up(1, there)
		}, []string{"up 1 /u"}},
		{"who has not come does not go", section("gw"), func(s *stage) { s.down(1, there, notice.Expired) }, nil},
		{"a new SA for an old one is one of its own", section("gw"), func(s *stage) {
			s.up(1, there)
			s.up(2, there)
			s.down(1, there, notice.Replaced)
		}, []string{"up 1 /u", "up 2 /u", "down 1 /d"}},
		{"the peer does not answer any more", section("gw"), func(s *stage) {
			s.up(1, there)
			s.down(1, there, notice.TimedOut)
		}, []string{"up 1 /u", "dead 1 /x", "down 1 /d"}},
		{"an SA that nobody renews is no dead peer", section("gw"), func(s *stage) {
			s.up(1, there)
			s.down(1, there, notice.Expired)
		}, []string{"up 1 /u", "down 1 /d"}},
		{"unless it is always to be renewed", force, func(s *stage) {
			s.up(1, there)
			s.down(1, there, notice.Expired)
		}, []string{"up 1 /u", "dead 1 /x", "down 1 /d"}},
		{"and there is no other", force, func(s *stage) {
			s.up(1, there)
			s.up(2, there)
			s.down(1, there, notice.Expired)
		}, []string{"up 1 /u", "up 2 /u", "down 1 /d"}},
		{"what we ended is no dead peer", force, func(s *stage) {
			s.up(1, there)
			s.down(1, there, notice.LocalDeleted)
		}, []string{"up 1 /u", "down 1 /d"}},
		{"a negotiation of ours fails", section("gw"), failed(notice.Notice{Reason: notice.TimedOut, Initiate: true}), []string{"dead 1 /x"}},
		{"anybody's negotiation fails", section("gw"), failed(notice.Notice{Reason: notice.TimedOut}), nil},
		{"a negotiation that we ended", section("gw"), failed(notice.Notice{Reason: notice.ShuttingDown, Initiate: true}), nil},
		{"a section without hooks", &policy.Remote{Name: "gw"}, func(s *stage) {
			s.up(1, there)
			s.down(1, there, notice.LocalDeleted)
		}, nil},
		{"a section with one of them", &policy.Remote{Name: "gw", Scripts: []policy.Script{{Event: down, Path: "/d"}}}, func(s *stage) {
			s.up(1, there)
			s.down(1, there, notice.LocalDeleted)
		}, []string{"down 1 /d"}},
		{"a reload brings another script", section("gw"), func(s *stage) {
			s.up(1, there)
			now := section("gw")
			now.Scripts[1].Path = "/new"
			s.Configure(&policy.Config{Remotes: []*policy.Remote{now}})
			s.down(1, there, notice.LocalDeleted)
		}, []string{"up 1 /u", "down 1 /new"}},
		{"a reload takes the scripts away", section("gw"), func(s *stage) {
			s.up(1, there)
			s.Configure(&policy.Config{Remotes: []*policy.Remote{{Name: "gw"}}})
			s.down(1, there, notice.LocalDeleted)
		}, []string{"up 1 /u"}},
		{"a reload takes the section away: what was set up is undone", section("gw"), func(s *stage) {
			s.up(1, there)
			s.Configure(&policy.Config{})
			s.down(1, there, notice.Reloaded)
		}, []string{"up 1 /u", "down 1 /d"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(test.section)
				defer s.Close(t.Context())
				test.events(s)
				synctest.Wait()
				if diff := cmp.Diff(test.want, s.ran); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestHooksOfOnePeerRunOneAfterAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(section("gw"))
		s.takes = time.Second
		for i := range 5 {
			s.up(i, there)
			s.down(i, there, notice.Replaced)
		}
		began := time.Now()
		s.Runner.wg.Wait()
		if s.most != 1 || time.Since(began) != 10*time.Second {
			t.Errorf("%d at once, %v in all", s.most, time.Since(began))
		}
		if want := []string{"up 0 /u", "down 0 /d", "up 1 /u", "down 1 /d"}; !slices.Equal(s.ran[:4], want) {
			t.Errorf("ran %v", s.ran)
		}
		s.Close(t.Context())
	})
}

func TestHooksOfManyPeersRunAtOnceUpToALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(section("gw"))
		s.takes = time.Second
		for i := range 10 * maxRunning {
			s.up(i, fmt.Sprintf("192.0.2.%d", i))
		}
		began := time.Now()
		s.Runner.wg.Wait()
		if s.most != maxRunning || time.Since(began) != 10*time.Second || len(s.ran) != 10*maxRunning {
			t.Errorf("%d at once, %v in all, %d ran", s.most, time.Since(began), len(s.ran))
		}
		s.Close(t.Context())
	})
}

// The oldest hook yields, and with an SA's coming its going: three more hooks push out
// the four of two SAs.
func TestAFullQueueLosesTheOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(section("gw"))
		s.takes = time.Hour
		s.opts.limit = 2 * time.Hour
		s.up(9999, there) // it keeps all others waiting
		for i := range queueLength / 2 {
			s.up(i, there)
			s.down(i, there, notice.Replaced)
		}
		for i := range 3 {
			s.up(5000+i, there)
		}
		synctest.Wait()
		s.set(func() { s.takes = 0 })
		s.Runner.wg.Wait()
		if len(s.ran) != 1+queueLength+3-4 || slices.Contains(s.ran, "down 0 /d") || slices.Contains(s.ran, "up 1 /u") || !slices.Contains(s.ran, "up 2 /u") {
			t.Errorf("%d ran, first %v", len(s.ran), s.ran[:4])
		}
		if want := []string{"hook-queue-full 4 were not run, too many were waiting"}; !slices.Equal(s.failures(), want) {
			t.Errorf("said %q", s.failures())
		}
		s.Close(t.Context())
	})
}

func TestAnSAWhoseComingWasLeftOutGoesUntold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(section("gw"))
		s.takes = time.Second
		s.up(1, there)
		for i := range queueLength + 1 {
			s.up(2+i, there)
		}
		s.down(2, there, notice.LocalDeleted)
		s.Runner.wg.Wait()
		if slices.ContainsFunc(s.ran, func(h string) bool { return strings.HasSuffix(h, " 2 /d") || h == "up 2 /u" }) {
			t.Error("a hook of it ran")
		}
		s.set(func() { s.takes = 0 })
		s.Close(t.Context())
	})
}

func TestAScriptThatTakesTooLongIsKilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(section("gw"))
		s.takes = time.Hour
		began := time.Now()
		s.up(1, there)
		s.Runner.wg.Wait()
		if took := time.Since(began); took != limit {
			t.Errorf("it took %v", took)
		}
		if want := []string{"timed-out phase1_up /u: killed after 30s"}; !slices.Equal(s.failures(), want) {
			t.Errorf("said %q", s.failures())
		}
		s.set(func() { s.takes = 0 })
		s.Close(t.Context())
	})
}

func TestHowAScriptEndsIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(section("gw"))
		s.up(1, there)
		synctest.Wait()
		s.set(func() { s.fault = errors.New("exit status 3") })
		s.down(1, there, notice.LocalDeleted)
		synctest.Wait()
		var got []string
		for _, n := range s.said {
			got = append(got, fmt.Sprint(n.Level(), " ", n, " ", n.Peer, " ", n.Remote, " ", n.CkyI))
		}
		want := []string{"DEBUG hook script has run: phase1_up /u 192.0.2.2:500 gw 0000000000000001",
			"WARN hook script failed: phase1_down /d: exit status 3 192.0.2.2:500 gw 0000000000000001"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		s.Close(t.Context())
	})
}

// When the daemon ends each script has three seconds, whether it ran already or is
// still to run.
func TestTheEndIsNotKeptWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(section("gw"))
		s.up(1, there)
		s.up(2, "192.0.2.3")
		synctest.Wait()
		s.set(func() { s.takes = time.Hour })
		s.up(3, there)
		s.up(4, there) // waits behind it
		synctest.Wait()
		began := time.Now()
		s.Notice(notice.Notice{Event: notice.Stopping})
		for i, a := range []string{there, "192.0.2.3", there, there} {
			s.down(i+1, a, notice.ShuttingDown)
		}
		s.Close(t.Context())
		// up 3, down 1 and down 3 one after another; SA 4 was never mentioned.
		if took := time.Since(began); took != 3*lastLimit {
			t.Errorf("it took %v", took)
		}
		slices.Sort(s.ran)
		if want := []string{"down 1 /d", "down 2 /d", "down 3 /d", "up 1 /u", "up 2 /u", "up 3 /u"}; !slices.Equal(s.ran, want) {
			t.Errorf("ran %v", s.ran)
		}
		s.up(5, there) // too late
		if len(s.ran) != 6 {
			t.Errorf("ran %v", s.ran)
		}
	})
}

func TestWhatTheEndHasNoTimeForIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(section("gw"))
		for i := range 10 {
			s.up(i, there)
		}
		s.Runner.wg.Wait()
		s.set(func() { s.takes = time.Hour })
		ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
		defer cancel()
		began := time.Now()
		s.Close(ctx) // nobody said that they are going
		if took := time.Since(began); took != 7*time.Second {
			t.Errorf("it took %v", took)
		}
		var reasons []string
		for _, f := range s.failures() {
			reasons = append(reasons, strings.Fields(f)[0])
		}
		if want := []string{"timed-out", "timed-out", "shutting-down", "hook-queue-full"}; !slices.Equal(reasons, want) {
			t.Errorf("said %q", s.failures())
		}
	})
}
