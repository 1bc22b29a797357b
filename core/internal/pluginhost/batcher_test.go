package pluginhost

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/sdk/errs"
)

// gate is a batcher whose calls wait until they are let through, and double each
// request.
type gate struct {
	*batcher[int, int]
	calls [][]int
	open  chan error
}

func newGate(limit int) *gate {
	g := &gate{open: make(chan error)}
	var mu sync.Mutex
	g.batcher = newBatcher(limit, func(reqs []int) ([]int, error) {
		mu.Lock()
		g.calls = append(g.calls, reqs)
		mu.Unlock()
		if err := <-g.open; err != nil {
			return nil, err
		}
		var res []int
		for _, r := range reqs {
			res = append(res, 2*r)
		}
		return res, nil
	})
	return g
}

// ask sends reqs from a goroutine of its own and returns where the answer goes.
func (g *gate) ask(ctx context.Context, reqs ...int) func() ([]int, error) {
	var res []int
	var err error
	done := make(chan struct{})
	go func() { defer close(done); res, err = g.do(ctx, reqs) }()
	synctest.Wait() // it is in the queue, or in flight
	return func() ([]int, error) { <-done; return res, err }
}

func want(t *testing.T, answer func() ([]int, error), res ...int) {
	t.Helper()
	got, err := answer()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(res, got); diff != "" {
		t.Error(diff)
	}
}

func TestWhatWaitsWhileACallIsInFlightGoesOutAsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1)
		a := g.ask(t.Context(), 1)
		b := g.ask(t.Context(), 2, 3)
		c := g.ask(t.Context(), 4)
		g.open <- nil
		g.open <- nil
		want(t, a, 2)
		want(t, b, 4, 6)
		want(t, c, 8)
		if diff := cmp.Diff([][]int{{1}, {2, 3, 4}}, g.calls); diff != "" {
			t.Error(diff)
		}
	})
}

func TestABatchHasAtMost64RequestsUnlessOneCallerAsksForMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1)
		first := g.ask(t.Context(), 0)
		var answers []func() ([]int, error)
		for i := range 70 {
			answers = append(answers, g.ask(t.Context(), i))
		}
		large := g.ask(t.Context(), make([]int, 100)...)
		for range 4 {
			g.open <- nil
		}
		want(t, first, 0)
		for i, a := range answers {
			want(t, a, 2*i)
		}
		want(t, large, make([]int, 100)...)
		var sizes []int
		for _, c := range g.calls {
			sizes = append(sizes, len(c))
		}
		if diff := cmp.Diff([]int{1, 64, 6, 100}, sizes); diff != "" {
			t.Error(diff)
		}
	})
}

func TestSeveralCallsMayBeInFlightUpToTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(2)
		answers := []func() ([]int, error){g.ask(t.Context(), 1), g.ask(t.Context(), 2), g.ask(t.Context(), 3), g.ask(t.Context(), 4)}
		if diff := cmp.Diff([][]int{{1}, {2}}, g.calls); diff != "" {
			t.Error(diff)
		}
		for range 3 {
			g.open <- nil
		}
		for i, a := range answers {
			want(t, a, 2*(i+1))
		}
	})
}

func TestARequestThatWasNotSentIsWithdrawnWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1)
		ctx, cancel := context.WithCancel(t.Context())
		sent := g.ask(ctx, 1)
		waiting := g.ask(ctx, 2)
		other := g.ask(t.Context(), 3)
		cancel()
		for _, a := range []func() ([]int, error){sent, waiting} {
			if _, err := a(); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want the cancellation", err)
			}
		}
		g.open <- nil
		g.open <- nil
		want(t, other, 6)
		if diff := cmp.Diff([][]int{{1}, {3}}, g.calls); diff != "" {
			t.Error(diff)
		}
		if _, err := g.do(ctx, []int{9}); !errors.Is(err, context.Canceled) {
			t.Errorf("a request of an ended context: got %v", err)
		}
	})
}

func TestAFailedCallFailsEveryRequestInIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1)
		a, b, c := g.ask(t.Context(), 1), g.ask(t.Context(), 2), g.ask(t.Context(), 3)
		g.open <- nil
		boom := errors.New("boom")
		g.open <- boom
		want(t, a, 2)
		for _, answer := range []func() ([]int, error){b, c} {
			if _, err := answer(); !errors.Is(err, boom) {
				t.Errorf("got %v, want %v", err, boom)
			}
		}
	})
}

func TestAWrongNumberOfResultsIsAnError(t *testing.T) {
	b := newBatcher(1, func([]int) ([]int, error) { return []int{1}, nil })
	if _, err := b.do(t.Context(), []int{1, 2}); errs.From(err).Reason != errs.Internal {
		t.Errorf("got %v, want INTERNAL", err)
	}
	if res, err := b.do(t.Context(), nil); res != nil || err != nil {
		t.Errorf("nothing asked: got %v, %v", res, err)
	}
}
