package engine

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/plugintest/kerneltest"
)

// A faulty kernel has something happen to calls of one kind.
type faulty struct {
	*kerneltest.Fake
	plugin *survivor // in front of it; nil: the engine calls it directly

	mu     sync.Mutex
	at     string // kind of call
	fault  fault
	lasts  bool // it happens to all calls of the kind
	struck atomic.Bool

	refusing atomic.Pointer[refusing]
	reduced  atomic.Bool  // it has lost capabilities
	deaf     atomic.Int64 // so many events are lost from now on
	ahead    atomic.Int64 // its clock, in nanoseconds
}

// refusing is an operation that fails.
type refusing struct {
	op  kernel.Op
	err *errs.Error
}

// A fault is something that happens to a call; do makes it, and has the answer kept
// where it can be returned.
type fault struct {
	name string
	hit  func(ctx context.Context, k *faulty, do func() error) error
	op   errs.Reason // of an Apply: instead, its last operation fails for this reason
	dies bool        // the plugin
}

var faults = []fault{
	{name: "never answers", hit: func(ctx context.Context, _ *faulty, _ func() error) error { <-ctx.Done(); return ctx.Err() }},
	{name: "does it and never answers", hit: func(ctx context.Context, _ *faulty, do func() error) error { _ = do(); <-ctx.Done(); return ctx.Err() }},
	{name: "dies before it does it", dies: true, hit: func(ctx context.Context, k *faulty, _ func() error) error { return k.die(ctx) }},
	{name: "dies after it has done it", dies: true, hit: func(ctx context.Context, k *faulty, do func() error) error { _ = do(); return k.die(ctx) }},
	{name: "has no buffers", op: errs.Busy, hit: func(context.Context, *faulty, func() error) error { return noBuffers() }},
	{name: "is not permitted", op: errs.Permission, hit: func(context.Context, *faulty, func() error) error {
		return errs.Errorf(errs.Permission, "operation not permitted")
	}},
	{name: "panics", hit: func(context.Context, *faulty, func() error) error { return errs.Errorf(errs.Internal, "panic") }},
	{name: "is nearly too slow", hit: func(ctx context.Context, _ *faulty, do func() error) error {
		if end, ok := ctx.Deadline(); ok {
			soon, cancel := context.WithDeadline(context.Background(), end.Add(-time.Second))
			defer cancel()
			<-soon.Done()
		}
		return do()
	}},
	{name: "loses events", hit: func(_ context.Context, k *faulty, do func() error) error {
		k.deaf.Store(2)
		return do()
	}},
	{name: "comes back with less", dies: true, hit: func(ctx context.Context, k *faulty, _ func() error) error {
		k.reduced.Store(true)
		return k.die(ctx)
	}},
}

func noBuffers() *errs.Error {
	return &errs.Error{Reason: errs.Busy, Msg: "no buffer space available", Errno: int(syscall.ENOBUFS), Op: -1}
}

// newFaulty makes a kernel with policies.
func newFaulty(policies ...*kernel.Policy) *faulty {
	k := &faulty{Fake: kerneltest.New()}
	k.Route = func(q kernel.RouteQuery) kernel.Route { return kernel.Route{Src: addr("127.0.0.1")} }
	k.Now = func() time.Time { return time.Now().Add(time.Duration(k.ahead.Load())) }
	k.OpError = func(op kernel.Op) *errs.Error {
		if r := k.refusing.Load(); r != nil && sameObject(op, r.op) {
			e := *r.err
			return &e
		}
		return nil
	}
	for _, p := range policies {
		_, _ = k.Fake.Apply(context.Background(), []kernel.Transaction{{Ops: []kernel.Op{{Kind: kernel.AddPolicy, Policy: p}}}})
	}
	return k
}

func sameObject(a, b kernel.Op) bool {
	return a.Kind == b.Kind && (a.SA != nil && a.SA.Key.SPI == b.SA.Key.SPI || a.Policy != nil && a.Policy.Key.Dir == b.Policy.Key.Dir)
}

// strike has a fault happen to the next call of a kind, or to all from now on.
func (k *faulty) strike(at string, f fault, lasts bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.at, k.fault, k.lasts = at, f, lasts
}

// due takes the fault if it is this call's turn.
func (k *faulty) due(kinds ...string) (fault, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.at == "" || !slices.Contains(kinds, k.at) {
		return fault{}, false
	}
	if !k.lasts {
		k.at = ""
	}
	k.struck.Store(true)
	return k.fault, true
}

// die kills the plugin that is asking.
func (k *faulty) die(ctx context.Context) error {
	k.plugin.kill()
	<-ctx.Done()
	return ctx.Err()
}

// hit makes a call, or has the fault happen to it.
func (k *faulty) hit(ctx context.Context, kind string, do func() error) error {
	if f, ok := k.due(kind); ok {
		return f.hit(ctx, k, do)
	}
	return do()
}

func (k *faulty) Capabilities(ctx context.Context) (c kernel.Capabilities, err error) {
	err = k.hit(ctx, "GetCapabilities", func() error { c, err = k.Fake.Capabilities(ctx); return err })
	if k.reduced.Load() {
		c.Features &^= kernel.FeatAcquireSeq | kernel.FeatPolicyEvents | kernel.FeatUseTime | kernel.FeatNATT | kernel.FeatIPComp
		c.SPIMin, c.SPIMax, c.MaxOpsPerTxn = 0x10000, 0x1ffff, 1
	}
	return c, err
}

func (k *faulty) SocketOptions(ctx context.Context, r kernel.SocketRole, f kernel.Family) (s kernel.SocketSetup, err error) {
	err = k.hit(ctx, "GetSocketOptions", func() error { s, err = k.Fake.SocketOptions(ctx, r, f); return err })
	return s, err
}

func (k *faulty) AllocateSPIs(ctx context.Context, rs []kernel.SPIRequest) (out []kernel.SPIResult, err error) {
	err = k.hit(ctx, "AllocateSpis", func() error { out, err = k.Fake.AllocateSPIs(ctx, rs); return err })
	return out, err
}

// Apply is of the kinds of its transactions.
func (k *faulty) Apply(ctx context.Context, ts []kernel.Transaction) (out []kernel.TxnResult, err error) {
	do := func() error { out, err = k.Fake.Apply(context.WithoutCancel(ctx), ts); return err }
	for _, t := range ts {
		f, ok := k.due(kindOf(t)...)
		if ok && f.op != "" {
			refuse := &refusing{op: t.Ops[len(t.Ops)-1], err: errs.Errorf(f.op, "this one fails")}
			if f.op == errs.Busy {
				refuse.err = noBuffers()
			}
			k.refusing.Store(refuse)
			defer k.refusing.Store(nil)
		} else if ok {
			err = f.hit(ctx, k, do)
			return out, err
		}
	}
	err = do()
	return out, err
}

// kindOf says what a transaction does.
func kindOf(t kernel.Transaction) []string {
	kinds := map[string]bool{}
	for _, op := range t.Ops {
		switch op.Kind {
		case kernel.DeleteSA:
			kinds["Apply: delete"] = true
		case kernel.UpdatePolicy:
			kinds["Apply: generated policies"] = true
		case kernel.UpdateSA:
			kinds["Apply: inbound"] = true
		case kernel.AddSA:
			kinds["Apply: outbound"] = true
		case kernel.AcquireDone:
			kinds["Apply: acquire done"] = true
		}
	}
	if kinds["Apply: inbound"] && kinds["Apply: outbound"] {
		kinds = map[string]bool{"Apply: both": true}
	}
	return slices.Collect(maps.Keys(kinds))
}

func (k *faulty) Query(ctx context.Context, keys []kernel.Key) (out []kernel.Stats, err error) {
	err = k.hit(ctx, "Query", func() error { out, err = k.Fake.Query(ctx, keys); return err })
	return out, err
}

// Dump has half of it happen before the fault.
func (k *faulty) Dump(ctx context.Context, f kernel.DumpFilter, each func(kernel.Object) error) error {
	fault, ok := k.due("Dump")
	if !ok {
		return k.Fake.Dump(ctx, f, each)
	}
	var all []kernel.Object
	_ = k.Fake.Dump(ctx, f, func(o kernel.Object) error { all = append(all, o); return nil })
	for _, o := range all[:len(all)/2] {
		if err := each(o); err != nil {
			return err
		}
	}
	return fault.hit(ctx, k, func() error {
		for _, o := range all[len(all)/2:] {
			if err := each(o); err != nil {
				return err
			}
		}
		return nil
	})
}

// Events has the fault happen to a new subscription. One that is "done" before or
// after it has said that it is ready.
func (k *faulty) Events(ctx context.Context, m kernel.EventMask, each func(kernel.Event) error) error {
	subscribe := func() error {
		return k.Fake.Events(ctx, m, func(e kernel.Event) error {
			if e.Kind != kernel.Ready && k.deaf.Add(-1) >= 0 {
				return nil
			}
			return each(e)
		})
	}
	f, ok := k.due("Events")
	switch {
	case !ok:
		return subscribe()
	case f.op == errs.Busy: // what a full socket buffer looks like
		if err := each(kernel.Event{Kind: kernel.Ready}); err != nil {
			return err
		}
		k.Lose()
		return subscribe()
	}
	return f.hit(ctx, k, func() error {
		if f.name == "loses events" || f.name == "is nearly too slow" {
			return subscribe()
		}
		return each(kernel.Event{Kind: kernel.Ready})
	})
}

func (k *faulty) LookupRoutes(ctx context.Context, qs []kernel.RouteQuery) (out []kernel.Route, err error) {
	err = k.hit(ctx, "LookupRoutes", func() error { out, err = k.Fake.LookupRoutes(ctx, qs); return err })
	return out, err
}
