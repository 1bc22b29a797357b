package engine

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/logpipe"
	"github.com/racoon-ike/racoon/core/internal/notice"
)

// maxSubscription is how many Notices may wait for one subscriber.
const maxSubscription = 1024

// counters count Notices by event, and what was dropped by reason, for metrics.
type counters struct {
	events, reasons [256]atomic.Uint64
}

func (c *counters) add(n notice.Notice) {
	c.events[n.Event].Add(1)
	if n.Reason != 0 {
		c.reasons[n.Reason].Add(1)
	}
}

// Counters are what has happened since the start: how many Notices of each event,
// and how many gave each reason. What did not happen is left out.
func (e *Engine) Counters() (events map[notice.Event]uint64, reasons map[notice.Reason]uint64) {
	events, reasons = map[notice.Event]uint64{}, map[notice.Reason]uint64{}
	for i := range e.counters.events {
		if n := e.counters.events[i].Load(); n > 0 {
			events[notice.Event(i)] = n
		}
		if n := e.counters.reasons[i].Load(); n > 0 {
			reasons[notice.Reason(i)] = n
		}
	}
	return events, reasons
}

// Notify puts a Notice of another part of the daemon into the stream.
func (e *Engine) Notify(n notice.Notice) { e.notify(n) }

// notify gives a Notice to its readers: counters, Options.Reader, commands, log,
// subscribers. It never blocks.
func (e *Engine) notify(n notice.Notice) {
	e.counters.add(n)
	if e.opts.Reader != nil {
		e.opts.Reader(n)
	}
	if n.Event == notice.CommandDone {
		e.commands.done(n)
	}
	if l := n.Level(); e.log.Enabled(l) {
		e.log.Push(logpipe.Record(time.Now(), l, n.String(), "engine", n.Attrs()))
	}
	e.subscribers.send(n)
}

// noticed takes a machine's Notice.
func (e *Engine) noticed(a *actor, n ike.Notice) {
	e.turns.noticed(n.Notice)
	if a.stranger {
		e.strangerNotice(n.Notice)
		return
	}
	e.notify(n.Notice)
}

// strangerNotice is notify for what anybody can cause, at any rate and with any
// source address. Warnings that are too many are only counted, and the next one
// that is not says how many there were.
func (e *Engine) strangerNotice(n notice.Notice) {
	if n.Level() < slog.LevelWarn {
		e.notify(n)
		return
	}
	if !e.complaints.allow(time.Now(), n.Peer.Addr()) || !e.loud.Allow() {
		e.unsaid.Add(1)
		e.counters.add(n)
		return
	}
	if more := e.unsaid.Swap(0); more > 0 {
		n.Detail += fmt.Sprintf(" (%d more warnings like this, of any peer, were not logged)", more)
	}
	e.notify(n)
}

// subscribers are whoever wants the stream. A slow one loses Notices, which are
// counted, and delays nobody.
type subscribers struct {
	mu   sync.RWMutex
	all  map[*subscription]struct{}
	lost atomic.Uint64
}

type subscription struct {
	ch   chan notice.Notice
	stop chan struct{}
	gone chan struct{}
}

// Subscribe calls fn with every Notice, one at a time, until cancel is called; fn is
// not running any more when cancel returns, so fn must not call it.
func (e *Engine) Subscribe(fn func(notice.Notice)) (cancel func()) {
	s := &subscription{make(chan notice.Notice, maxSubscription), make(chan struct{}), make(chan struct{})}
	e.subscribers.mu.Lock()
	if e.subscribers.all == nil {
		e.subscribers.all = map[*subscription]struct{}{}
	}
	e.subscribers.all[s] = struct{}{}
	e.subscribers.mu.Unlock()
	go func() {
		defer close(s.gone)
		for {
			select {
			case <-s.stop:
				return
			case n := <-s.ch:
				fn(n)
			}
		}
	}()
	return sync.OnceFunc(func() {
		e.subscribers.mu.Lock()
		delete(e.subscribers.all, s)
		e.subscribers.mu.Unlock()
		close(s.stop)
		<-s.gone
	})
}

func (s *subscribers) send(n notice.Notice) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for sub := range s.all {
		select {
		case sub.ch <- n:
		default:
			s.lost.Add(1)
		}
	}
}

// commands are the control requests under way.
type commands struct {
	last    atomic.Uint64
	mu      sync.Mutex
	waiting map[uint64]chan notice.Notice
}

// begin returns the number of a new command, where its end will be told, and what
// to call when nobody waits any more.
func (c *commands) begin() (id uint64, end <-chan notice.Notice, forget func()) {
	id = c.last.Add(1)
	ch := make(chan notice.Notice, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting == nil {
		c.waiting = map[uint64]chan notice.Notice{}
	}
	c.waiting[id] = ch
	return id, ch, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.waiting, id)
	}
}

func (c *commands) done(n notice.Notice) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ch := c.waiting[n.Command]; ch != nil {
		delete(c.waiting, n.Command)
		ch <- n
	}
}
