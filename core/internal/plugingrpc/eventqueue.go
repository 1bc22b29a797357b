package plugingrpc

import (
	"context"
	"sync"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// maxEvents bounds what a slow engine can make a kernel plugin hold.
const maxEvents = 4096

// chunk is how many items one message of a stream carries at most.
const chunk = 64

// eventQueue stands between a backend, which must keep draining the kernel, and a
// stream, which may be slow. It numbers the events. When it is full it drops and
// ends in an Overflow: the engine dumps after reading that, so nothing that was
// dropped before the queue was empty again is missed.
type eventQueue struct {
	mu     sync.Mutex
	events []kernel.Event
	full   bool
	seq    uint64
	wake   chan struct{}
}

func newEventQueue() *eventQueue { return &eventQueue{wake: make(chan struct{}, 1)} }

func (q *eventQueue) push(e kernel.Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.full {
		return
	}
	if len(q.events) == maxEvents {
		q.full = true
		e = kernel.Event{Kind: kernel.Overflow, Generation: e.Generation}
	}
	if e.At.IsZero() {
		e.At = time.Now()
	}
	q.seq++
	e.Seq = q.seq
	q.events = append(q.events, e)
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take waits for events and returns at most chunk of them, nil when ctx has ended.
func (q *eventQueue) take(ctx context.Context) []kernel.Event {
	for {
		q.mu.Lock()
		if n := min(len(q.events), chunk); n > 0 {
			taken := q.events[:n:n]
			q.events = q.events[n:]
			if len(q.events) == 0 {
				q.events, q.full = nil, false
			}
			q.mu.Unlock()
			return taken
		}
		q.mu.Unlock()
		select {
		case <-q.wake:
		case <-ctx.Done():
			return nil
		}
	}
}
