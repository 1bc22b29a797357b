//go:build linux

package xfrm

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/mdlayher/netlink"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

const maxQueue = 4096 // events not yet taken by the consumer

var xfrmGroups = []uint32{groupAcquire, groupExpire, groupSA, groupPolicy, groupMapping}

// Events streams what happens in the kernel until ctx ends. Deletions and flushes of SAs that this backend was told to do are not
// reported; those of policies are.
//
// Readers of their own drain the kernel whatever emit does. If 4096 events wait,
// further ones are dropped and an Overflow stands in their place.
func (b *Backend) Events(ctx context.Context, mask kernel.EventMask, emit func(kernel.Event) error) error {
	ctx, cancel := context.WithCancel(ctx)
	q := newQueue(mask)
	var readers sync.WaitGroup
	defer func() {
		cancel() // closes the sockets, which ends the readers
		readers.Wait()
	}()
	for _, r := range []struct {
		dial   dialer
		groups []uint32
		handle func(*queue, netlink.Message)
		lost   kernel.EventKind
	}{
		{b.dials.xfrm, xfrmGroups, b.handleXFRM, kernel.Overflow},
		{b.dials.route, routeGroups, handleRoute, kernel.NetChanged},
	} {
		nl, err := b.subscribe(r.dial, r.groups)
		if err != nil {
			return toError("subscribe to kernel events", err)
		}
		unhook := context.AfterFunc(ctx, func() { nl.Close() })
		readers.Go(func() {
			defer unhook()
			defer nl.Close()
			q.end(read(ctx, nl, q, r.handle, r.lost))
		})
	}
	q.push(kernel.Event{Kind: kernel.Ready, At: b.now()})
	return b.deliver(ctx, q, emit)
}

// subscribe opens a socket that gets events from now on.
func (b *Backend) subscribe(dial dialer, groups []uint32) (*netlink.Conn, error) {
	nl, err := dial()
	if err != nil {
		return nil, err
	}
	if err := nl.SetReadBuffer(int(b.cfg.EventBuffer) << 10); err != nil {
		b.log.Warn("event buffer not set", "kB", b.cfg.EventBuffer, "err", err)
	}
	for _, g := range groups {
		if err := nl.JoinGroup(g); err != nil {
			nl.Close()
			return nil, fmt.Errorf("join netlink group %d: %w", g, err)
		}
	}
	return nl, nil
}

// deliver hands out the queue in order. The sequence number is given here, so
// that what was dropped leaves no gap.
func (b *Backend) deliver(ctx context.Context, q *queue, emit func(kernel.Event) error) error {
	for seq := uint64(1); ; seq++ {
		ev, err := q.pop(ctx)
		if err != nil {
			return err
		}
		ev.Seq, ev.Generation = seq, b.generation.Load()
		if err := emit(ev); err != nil {
			return err
		}
	}
}

// read drains one socket into q until it is closed. Lost messages become one
// event of kind lost.
func read(ctx context.Context, nl *netlink.Conn, q *queue, handle func(*queue, netlink.Message), lost kernel.EventKind) error {
	for {
		msgs, err := nl.Receive()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, syscall.ENOBUFS):
			q.push(kernel.Event{Kind: lost, At: time.Now()})
			continue
		case err != nil:
			return toError("read kernel events", err)
		}
		for _, m := range msgs {
			handle(q, m)
		}
	}
}

// A queue has the events between the readers and the consumer.
type queue struct {
	mask kernel.EventMask
	more chan struct{} // has a token when there is something to pop

	mu         sync.Mutex
	events     []kernel.Event
	overflowed bool // an Overflow is in events
	err        error
}

func newQueue(mask kernel.EventMask) *queue {
	return &queue{mask: mask, more: make(chan struct{}, 1)}
}

// push appends ev. In a full queue one Overflow takes the place of all that
// follows until there is room: what the consumer Dumps when it gets there is
// newer than anything dropped here.
func (q *queue) push(ev kernel.Event) {
	if !q.mask.Has(ev.Kind) {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.events) >= maxQueue {
		ev = kernel.Event{Kind: kernel.Overflow, At: ev.At}
	}
	if ev.Kind == kernel.Overflow {
		if q.overflowed {
			return
		}
		q.overflowed = true
	}
	q.events = append(q.events, ev)
	q.wake()
}

// end makes pop fail with err once the queue is empty.
func (q *queue) end(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err == nil {
		q.err = err
	}
	q.wake()
}

func (q *queue) wake() {
	select {
	case q.more <- struct{}{}:
	default:
	}
}

func (q *queue) pop(ctx context.Context) (kernel.Event, error) {
	for {
		if ev, ok, err := q.take(); ok || err != nil {
			return ev, err
		}
		select {
		case <-q.more:
		case <-ctx.Done():
			return kernel.Event{}, ctx.Err()
		}
	}
}

func (q *queue) take() (ev kernel.Event, ok bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.events) == 0 {
		q.events = nil // let go of a burst's array
		return ev, false, q.err
	}
	ev, q.events = q.events[0], q.events[1:]
	if ev.Kind == kernel.Overflow {
		q.overflowed = false
	}
	return ev, true, nil
}
