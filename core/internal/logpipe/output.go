package logpipe

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/logsink"
)

// How an output feeds its sink.
const (
	maxBatch     = 64
	maxDelay     = 50 * time.Millisecond // a record waits this long for company
	writeTimeout = 5 * time.Second
	minBackOff   = 100 * time.Millisecond
	maxBackOff   = 5 * time.Second
)

// output is one sink with its ring.
type output struct {
	sink    logsink.Sink
	wake    chan struct{}      // there is something in the ring
	hurry   chan chan struct{} // Flush: closed once the ring is empty
	healthy atomic.Bool
	dropped atomic.Uint64 // ever

	mu   sync.Mutex
	ring ring

	seq      uint64 // of the next record; only run uses it
	reported uint64 // of dropped, how many the sink was told
}

func newOutput(s logsink.Sink) *output {
	return &output{sink: s, wake: make(chan struct{}, 1), hurry: make(chan chan struct{})}
}

// push never blocks.
func (o *output) push(r logsink.Record) {
	o.mu.Lock()
	n := o.ring.push(r)
	full := o.ring.records
	o.mu.Unlock()
	o.dropped.Add(n)
	if full == 1 || full == maxBatch {
		select {
		case o.wake <- struct{}{}:
		default:
		}
	}
}

func (o *output) take() []logsink.Record {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ring.take(maxBatch)
}

func (o *output) waiting() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ring.records
}

// run feeds the sink until ctx ends.
func (o *output) run(ctx context.Context) {
	delay := time.NewTimer(maxDelay)
	for {
		var done chan struct{}
		select {
		case <-ctx.Done():
			return
		case done = <-o.hurry:
		case <-o.wake:
			delay.Reset(maxDelay)
			for waiting := true; waiting && o.waiting() < maxBatch; {
				select {
				case <-ctx.Done():
					return
				case done = <-o.hurry:
					waiting = false
				case <-delay.C:
					waiting = false
				case <-o.wake:
				}
			}
		}
		for batch := o.take(); len(batch) > 0; batch = o.take() {
			if !o.deliver(ctx, batch) {
				return
			}
		}
		if done != nil {
			close(done)
		}
	}
}

// deliver sends the batch until it is acknowledged; false means ctx has ended.
func (o *output) deliver(ctx context.Context, batch []logsink.Record) bool {
	lost := o.dropped.Load()
	b := logsink.Batch{Seq: o.seq, Dropped: lost - o.reported, Records: batch}
	for wait := minBackOff; ; wait = min(2*wait, maxBackOff) {
		attempt, cancel := context.WithTimeout(ctx, writeTimeout)
		err := o.sink.Write(attempt, b)
		cancel()
		o.healthy.Store(err == nil)
		if err == nil {
			o.seq += uint64(len(batch))
			o.reported = lost
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(wait):
		}
	}
}

// flush waits until what was pushed before it has been acknowledged.
func (o *output) flush(ctx context.Context) error {
	done := make(chan struct{})
	select {
	case o.hurry <- done:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-done:
		return o.sink.Flush(ctx)
	case <-ctx.Done():
		return ctx.Err()
	}
}
