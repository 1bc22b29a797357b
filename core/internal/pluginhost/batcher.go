package pluginhost

import (
	"context"
	"runtime"
	"sync"

	"github.com/racoon-ike/racoon/core/sdk/errs"
)

// maxBatch is how many requests one call carries at most. A single caller's larger
// slice goes out as it is.
const maxBatch = 64

// batcher collects what waits while calls are in flight and sends it as one: no
// timer, so a lone request is never delayed, and the busier a plugin is the fewer
// calls it gets. Requests go out in the order they came in.
type batcher[Req, Res any] struct {
	call  func([]Req) ([]Res, error) // with a deadline of its own; one result per request
	limit int                        // calls in flight

	mu      sync.Mutex
	queue   []*waiting[Req, Res]
	running int
}

type waiting[Req, Res any] struct {
	reqs []Req
	done chan struct{}
	res  []Res
	err  error
}

func newBatcher[Req, Res any](limit int, call func([]Req) ([]Res, error)) *batcher[Req, Res] {
	return &batcher[Req, Res]{call: call, limit: limit}
}

// do returns one result per request. When ctx ends first, what was not sent yet is
// withdrawn; what was sent goes on and its result is lost.
func (b *batcher[Req, Res]) do(ctx context.Context, reqs []Req) ([]Res, error) {
	if len(reqs) == 0 {
		return nil, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w := &waiting[Req, Res]{reqs: reqs, done: make(chan struct{})}
	b.mu.Lock()
	b.queue = append(b.queue, w)
	if b.running < b.limit {
		b.running++
		go b.run()
	}
	b.mu.Unlock()
	select {
	case <-w.done:
		return w.res, w.err
	case <-ctx.Done():
		b.withdraw(w)
		return nil, ctx.Err()
	}
}

func (b *batcher[Req, Res]) run() {
	for batch := b.next(); batch != nil; batch = b.next() {
		reqs := batch[0].reqs
		if len(batch) > 1 {
			reqs = nil
			for _, w := range batch {
				reqs = append(reqs, w.reqs...)
			}
		}
		res, err := b.call(reqs)
		if err == nil && len(res) != len(reqs) {
			err = errs.Errorf(errs.Internal, "%d results for %d requests", len(res), len(reqs))
		}
		for _, w := range batch {
			if w.err = err; err == nil {
				w.res, res = res[:len(w.reqs):len(w.reqs)], res[len(w.reqs):]
			}
			close(w.done)
		}
	}
}

// next takes the head of the queue, as much of it as one call carries. Whoever is
// about to ask goes first, and joins.
func (b *batcher[Req, Res]) next() []*waiting[Req, Res] {
	runtime.Gosched()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.queue) == 0 {
		b.running--
		return nil
	}
	n, size := 1, len(b.queue[0].reqs)
	for n < len(b.queue) && size+len(b.queue[n].reqs) <= maxBatch {
		size += len(b.queue[n].reqs)
		n++
	}
	batch := b.queue[:n:n]
	if b.queue = b.queue[n:]; len(b.queue) == 0 {
		b.queue = nil
	}
	return batch
}

func (b *batcher[Req, Res]) withdraw(w *waiting[Req, Res]) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, q := range b.queue {
		if q == w {
			b.queue = append(b.queue[:i:i], b.queue[i+1:]...)
			return
		}
	}
}

// one asks for a single request through do.
func (b *batcher[Req, Res]) one(ctx context.Context, req Req) (Res, error) {
	res, err := b.do(ctx, []Req{req})
	if err != nil {
		var none Res
		return none, err
	}
	return res[0], nil
}
