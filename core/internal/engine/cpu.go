package engine

import (
	"errors"
	"runtime"
	"sync"
)

// errCPUQueueFull: strangers have asked for more Diffie-Hellman operations than
// may wait. What they wanted is asked again later.
var errCPUQueueFull = errors.New("too many Diffie-Hellman operations are waiting")

// cpuPool runs what costs a processor a noticeable time, as many at once as there
// are processors. Work for peers that have authenticated goes first: a flood of
// first messages delays new peers, never the renewal of what is up. It keeps no
// goroutine while idle.
type cpuPool struct {
	limit int          // of strangers' work waiting
	start func(func()) // in a goroutine

	mu        sync.Mutex
	slots     int // free
	trusted   fifo[func()]
	strangers fifo[func()]
}

func newCPUPool(limit int, start func(func())) *cpuPool {
	return &cpuPool{limit: limit, start: start, slots: runtime.GOMAXPROCS(0)}
}

// run has work done some time. Work for trusted peers is never refused: each of
// them waits for at most one answer of each exchange, and those are bounded.
func (p *cpuPool) run(trusted bool, work func()) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.slots > 0:
		p.slots--
		p.start(func() { p.loop(work) })
	case trusted:
		p.trusted.push(work)
	case p.strangers.len() >= p.limit:
		return errCPUQueueFull
	default:
		p.strangers.push(work)
	}
	return nil
}

func (p *cpuPool) loop(work func()) {
	for work != nil {
		work()
		work = p.next()
	}
}

// next returns the most urgent work, or gives the slot back.
func (p *cpuPool) next() func() {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.trusted.len() > 0:
		return p.trusted.pop()
	case p.strangers.len() > 0:
		return p.strangers.pop()
	}
	p.slots++
	return nil
}

// fifo is a queue that keeps no array while empty.
type fifo[T any] struct{ items []T }

func (q *fifo[T]) len() int { return len(q.items) }
func (q *fifo[T]) push(t T) { q.items = append(q.items, t) }
func (q *fifo[T]) pop() T {
	t := q.items[0]
	clear(q.items[:1])
	if q.items = q.items[1:]; len(q.items) == 0 {
		q.items = nil
	}
	return t
}
