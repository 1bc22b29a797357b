package engine

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/logpipe"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

func addr(s string) netip.Addr        { return netip.MustParseAddr(s) }
func port(s string) netip.AddrPort    { return netip.MustParseAddrPort(s) }
func prefix(s string) netip.Prefix    { return netip.MustParsePrefix(s) }
func path(l, r string) ike.Path       { return ike.Path{Local: port(l), Remote: port(r)} }
func cookie(n byte) (c isakmp.Cookie) { c[7] = n; return c }

var here = path("192.0.2.1:500", "192.0.2.2:500")

// script is a machine that does what a test says, and notes what it was told.
type script struct {
	step   func(s *script, ev ike.Event) []ike.Action // may be nil
	setup  ike.Setup
	inside atomic.Int32

	mu       sync.Mutex
	events   []ike.Event
	deadline time.Time
	done     bool
	status   ike.Status
}

func (s *script) Step(now time.Time, ev ike.Event) []ike.Action {
	if s.inside.Add(1) != 1 {
		panic("two goroutines are inside one machine")
	}
	defer s.inside.Add(-1)
	s.set(func() { s.events = append(s.events, ev) })
	if s.step == nil {
		return nil
	}
	return s.step(s, ev)
}

func (s *script) Deadline() (t time.Time)          { s.set(func() { t = s.deadline }); return t }
func (s *script) Done() (done bool)                { s.set(func() { done = s.done }); return done }
func (s *script) Status(time.Time) (st ike.Status) { s.set(func() { st = s.status }); return st }
func (s *script) set(f func())                     { s.mu.Lock(); defer s.mu.Unlock(); f() }
func (s *script) told() (evs []ike.Event)          { s.set(func() { evs = slices.Clone(s.events) }); return evs }

// kinds names the events a machine was told.
func (s *script) kinds() []string {
	var all []string
	for _, ev := range s.told() {
		all = append(all, fmt.Sprintf("%T", ev)[len("ike."):])
	}
	return all
}

// wire is a network without sockets.
type wire struct {
	mu     sync.Mutex
	locals []netip.Addr
	sent   []ike.Send
	syncs  int
	fail   error
	carry  func(ike.Send) // may be nil
	quiet  bool           // keep nothing
}

func (w *wire) sync(context.Context, policy.Listen) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.syncs++
	return false, w.fail
}
func (*wire) start()  {}
func (*wire) close()  {}
func (*wire) forget() {}
func (w *wire) send(p ike.Path, b []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.quiet {
		w.sent = append(w.sent, ike.Send{Path: p, Data: b})
	}
	if w.carry != nil {
		w.carry(ike.Send{Path: p, Data: b})
	}
	return nil
}
func (w *wire) keepalive(p ike.Path) error { return w.send(p, []byte{0xff}) }
func (w *wire) portOf(a netip.Addr, role kernel.SocketRole) (netip.AddrPort, bool) {
	for _, l := range w.locals {
		if l == a || l.WithZone("") == a {
			return netip.AddrPortFrom(l, map[kernel.SocketRole]uint16{kernel.SocketIKE: 500, kernel.SocketNATT: 4500}[role]), true
		}
	}
	return netip.AddrPort{}, false
}

// house is an engine with everything around it faked.
type house struct {
	*Engine
	kern *memKernel
	wire *wire

	mu       sync.Mutex
	machines []*script
	step     func(*script, ike.Event) []ike.Action // of machines to come
	notices  []notice.Notice
}

func anonymous() *policy.Remote {
	return &policy.Remote{Name: "anonymous", Modes: []policy.ExchangeMode{policy.Main}}
}

func literal(a string) *policy.Remote {
	return &policy.Remote{Name: a, Addr: addr(a), Modes: []policy.ExchangeMode{policy.Main}}
}

func configOf(rs ...*policy.Remote) *policy.Config {
	return &policy.Config{Timer: policy.DefaultTimer(), Padding: policy.DefaultPadding(), Remotes: rs}
}

// newHouse makes an engine that has not been started.
func newHouse(t testing.TB, o Options) *house {
	t.Helper()
	h := &house{kern: newMemKernel(), wire: &wire{locals: []netip.Addr{addr("192.0.2.1"), addr("2001:db8::1")}}}
	if o.Config == nil {
		o.Config = configOf(literal("192.0.2.2"), anonymous())
	}
	if o.Kernel == nil {
		o.Kernel = h.kern
	}
	pipe := logpipe.New(nil, slog.LevelError+1)
	t.Cleanup(func() { _ = pipe.Close(context.Background()) })
	o.Pipe = pipe
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	e.net = h.wire
	e.newMachine = func(s ike.Setup) machine {
		h.mu.Lock()
		defer h.mu.Unlock()
		m := &script{setup: s, step: h.step}
		h.machines = append(h.machines, m)
		return m
	}
	h.Engine = e
	return h
}

// start starts the engine and ends it with the test.
func (h *house) start(t testing.TB) *house {
	t.Helper()
	cancel := h.Subscribe(func(n notice.Notice) { h.mu.Lock(); defer h.mu.Unlock(); h.notices = append(h.notices, n) })
	if err := h.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, m := range h.all() {
			m.set(func() { m.done = true })
		}
		if h.ctx.Err() == nil {
			h.stop()
			h.end()
		}
		cancel()
	})
	return h
}

func (h *house) all() []*script {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.machines)
}

func (h *house) machine(t testing.TB, i int) *script {
	t.Helper()
	all := h.all()
	if i >= len(all) {
		t.Fatalf("there are %d machines, want number %d", len(all), i)
	}
	return all[i]
}

// reasons lists the Notices of an event: their reason and detail.
func (h *house) said(ev notice.Event) (all []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, n := range h.notices {
		if n.Event == ev {
			s := n.Detail
			if n.Reason != 0 {
				s = n.Reason.String() + ": " + s
			}
			all = append(all, s)
		}
	}
	return all
}

// message is an ISAKMP message that is only a header.
func message(i, r isakmp.Cookie, x isakmp.ExchangeType) []byte {
	return isakmp.Header{CkyI: i, CkyR: r, Version: isakmp.Version1, Exchange: x, Next: isakmp.PayloadSA, Length: isakmp.HeaderLen}.Append(nil)
}

// eventually waits in real time for what other goroutines do.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("not in a minute: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}
