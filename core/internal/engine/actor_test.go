package engine

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/ike"
)

// lone is a shell for an actor without an engine.
type lone struct {
	mu      sync.Mutex
	refuse  bool
	retired int
	seen    []string
}

func (s *lone) note(what string)              { s.mu.Lock(); defer s.mu.Unlock(); s.seen = append(s.seen, what) }
func (*lone) run(f func())                    { go f() }
func (s *lone) send(*actor, ike.Send)         { s.note("send") }
func (s *lone) keepalive(ike.Path)            { s.note("keepalive") }
func (s *lone) moved(*actor, ike.Path)        { s.note("moved") }
func (s *lone) call(*actor, ike.Call)         { s.note("call") }
func (s *lone) noticed(*actor, ike.Notice)    { s.note("notice") }
func (s *lone) forget(*actor, ike.Forget)     { s.note("forget") }
func (s *lone) handover(*actor, ike.Handover) { s.note("handover") }
func (s *lone) retire(a *actor) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = len(a.box) == 0
	if a.ended {
		s.retired++
	}
	return a.ended
}

func TestOnlyDatagramsAreEverRefusedByAMailbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &script{}
		hold := make(chan struct{})
		m.step = func(*script, ike.Event) []ike.Action { <-hold; return nil }
		a := &actor{shell: &lone{refuse: true}, machine: m}
		a.post(mail{ev: ike.Wake{}})
		synctest.Wait() // the machine is at it
		for i := range maxDatagrams + 5 {
			want := delivered
			if i >= maxDatagrams {
				want = full
			}
			if got := a.post(mail{ev: ike.Datagram{}}); got != want {
				t.Fatalf("datagram %d: %v, want %v", i, got, want)
			}
			if got := a.post(mail{ev: ike.Reply{}}); got != delivered {
				t.Fatalf("reply %d: %v", i, got)
			}
		}
		close(hold)
		synctest.Wait()
		if got, want := len(m.told()), 1+maxDatagrams+maxDatagrams+5; got != want {
			t.Errorf("the machine saw %d events, want %d", got, want)
		}
		if got := a.post(mail{ev: ike.Datagram{}}); got != delivered {
			t.Errorf("an emptied mailbox answers %v", got)
		}
	})
}

func TestAWakeComesAtTheDeadlineAndAnIdleActorHasNoGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		m := &script{deadline: start.Add(time.Minute)}
		var wakes []time.Duration
		m.step = func(s *script, ev ike.Event) []ike.Action {
			if _, ok := ev.(ike.Wake); ok {
				wakes = append(wakes, time.Since(start))
				s.set(func() {
					s.deadline = time.Time{}
					if len(wakes) < 3 {
						s.deadline = time.Now().Add(time.Second)
					}
				})
			}
			return nil
		}
		before := runtime.NumGoroutine()
		a := &actor{shell: &lone{}, machine: m}
		a.post(mail{ev: ike.Mapping{}})
		synctest.Wait()
		if n := runtime.NumGoroutine(); n != before {
			t.Errorf("%d goroutines while idle, %d before", n, before)
		}
		// A deadline that moves to an earlier time moves the timer too.
		m.set(func() { m.deadline = start.Add(30 * time.Second) })
		a.post(mail{ev: ike.Mapping{}})
		time.Sleep(time.Hour)
		synctest.Wait()
		if diff := cmp.Diff([]time.Duration{30 * time.Second, 31 * time.Second, 32 * time.Second}, wakes); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAMachineThatDoesNotMoveItsDeadlineIsWokenAgainButDoesNotSpin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var wakes atomic.Int32
		m := &script{deadline: time.Now().Add(time.Second)}
		m.step = func(s *script, ev ike.Event) []ike.Action {
			if _, ok := ev.(ike.Wake); ok {
				if wakes.Add(1) == 10 {
					s.set(func() { s.deadline = time.Time{} })
				}
			}
			return nil
		}
		a := &actor{shell: &lone{}, machine: m}
		a.post(mail{ev: ike.Mapping{}})
		time.Sleep(time.Second + 5*time.Millisecond)
		synctest.Wait()
		if n := wakes.Load(); n != 6 {
			t.Errorf("%d wakes in the 5 ms after the deadline", n)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n := wakes.Load(); n != 10 {
			t.Errorf("%d wakes", n)
		}
	})
}

func TestAMachineThatIsDoneIsRetiredUnlessMailHasCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sh := &lone{}
		m := &script{deadline: time.Now().Add(time.Second)}
		a := &actor{shell: sh, machine: m}
		a.post(mail{ev: ike.Wake{}})
		synctest.Wait()
		m.set(func() { m.done = true })
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if sh.retired != 1 {
			t.Fatalf("retired %d times", sh.retired)
		}
		if got := a.post(mail{ev: ike.Reply{}}); got != gone {
			t.Errorf("an ended actor answers %v", got)
		}
	})
}

func TestActionsArePerformedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sh := &lone{refuse: true}
		m := &script{step: func(*script, ike.Event) []ike.Action {
			return []ike.Action{ike.Notice{}, ike.Send{}, ike.Call{}, ike.Handover{}}
		}}
		a := &actor{shell: sh, machine: m}
		a.post(mail{ev: ike.Wake{}})
		synctest.Wait()
		if diff := cmp.Diff([]string{"notice", "send", "call", "handover"}, sh.seen); diff != "" {
			t.Error(diff)
		}
	})
}

// Many posters, one machine: every event arrives once, in each poster's order, and
// the machine's own check finds nobody else inside.
func TestPostersFromEverywhere(t *testing.T) {
	m := &script{}
	a := &actor{shell: &lone{refuse: true}, machine: m}
	const posters, each = 8, 2000
	var wg sync.WaitGroup
	for p := range posters {
		wg.Go(func() {
			for i := range each {
				a.post(mail{ev: ike.Reply{ID: ike.CallID(p*each + i)}})
			}
		})
	}
	wg.Wait()
	eventually(t, "all events arrived", func() bool { return len(m.told()) == posters*each })
	last := map[int]int{}
	for _, ev := range m.told() {
		id := int(ev.(ike.Reply).ID)
		if p := id / each; id < last[p] {
			t.Fatalf("event %d after %d", id, last[p])
		} else {
			last[p] = id
		}
	}
}

func BenchmarkMailbox(b *testing.B) {
	m := &silent{}
	a := &actor{shell: &lone{refuse: true}, machine: m}
	b.Run("post to an idle actor and have it stepped", func(b *testing.B) {
		b.ReportAllocs()
		done := make(chan struct{}, 1)
		m.done = done
		for b.Loop() {
			a.post(mail{ev: ike.Wake{}})
			<-done
		}
	})
	b.Run("post to a busy actor", func(b *testing.B) {
		b.ReportAllocs()
		m.done = nil
		for b.Loop() {
			a.post(mail{ev: ike.Wake{}})
		}
	})
}

// silent is the cheapest machine.
type silent struct{ done chan struct{} }

func (s *silent) Step(time.Time, ike.Event) []ike.Action {
	if s.done != nil {
		s.done <- struct{}{}
	}
	return nil
}
func (*silent) Deadline() time.Time         { return time.Time{} }
func (*silent) Status(time.Time) ike.Status { return ike.Status{} }
func (*silent) Done() bool                  { return false }
