package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// memKernel is a kernel in memory: an SAD with larval SAs, an SPD, events, and a
// memory of TxnIDs that dies with restart.
type memKernel struct {
	mu       sync.Mutex
	sas      map[ike.SAKey]*kernel.SA
	added    []ike.SAKey // outbound, oldest first
	policies []*kernel.Policy
	txns     map[string]kernel.TxnResult
	log      []string                                       // what Apply was asked, "txn op spi"
	fault    func(kernel.Transaction) (before, after error) // of Apply
	noStream error                                          // Events fails with it
	subs     map[*sub]struct{}
	route    netip.Addr
	setup    kernel.SocketSetup
	dumps    int
	quiet    bool // keep no log
	features kernel.Feature
	acquires []kernel.AcquireResult
	octets   map[ike.SAKey]uint64 // Query's answers
	noQuery  error                // Query fails with it
	icvs     []uint16             // of HMAC-SHA2-256
	stats    map[ike.SAKey]kernel.Stats
	mute     int           // so many more AddSAs are done and not answered to the plugin
	pace     time.Duration // between the objects of a dump
	skipped  ike.SAKey     // is not in a dump
}

type sub struct{ ch chan kernel.Event }

func newMemKernel() *memKernel {
	return &memKernel{sas: map[ike.SAKey]*kernel.SA{}, txns: map[string]kernel.TxnResult{}, subs: map[*sub]struct{}{}, features: kernel.FeatAcquireSeq | kernel.FeatNATT | kernel.FeatUpdateAddresses}
}

func (k *memKernel) Capabilities(context.Context) (kernel.Capabilities, error) {
	return kernel.Capabilities{Platform: "memory", Features: k.features,
		Algorithms: []kernel.Algorithm{{Kind: kernel.AlgAuth, ID: 5, MinKey: 256, MaxKey: 256, ICVs: k.icvs}}}, nil
}

func (k *memKernel) SocketOptions(context.Context, kernel.SocketRole, kernel.Family) (kernel.SocketSetup, error) {
	return k.setup, nil
}

func (k *memKernel) AllocateSPIs(_ context.Context, qs []kernel.SPIRequest) ([]kernel.SPIResult, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	rs := make([]kernel.SPIResult, len(qs))
	for i, q := range qs {
		key := ike.SAKey{Dst: q.Dst, Proto: q.Proto}
		for key.SPI = rand.Uint32() | 0x1000; k.sas[key] != nil; key.SPI++ {
		}
		k.sas[key] = &kernel.SA{Key: kernel.Key{Src: q.Src, Dst: q.Dst, SPI: key.SPI, Proto: q.Proto}, State: kernel.Larval}
		rs[i].SPI = key.SPI
	}
	return rs, nil
}

func (k *memKernel) Apply(ctx context.Context, ts []kernel.Transaction) ([]kernel.TxnResult, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	rs := make([]kernel.TxnResult, len(ts))
	var failed error
	for i, t := range ts {
		var before, after error
		if k.fault != nil {
			before, after = k.fault(t)
		}
		if before != nil {
			return nil, before
		}
		r, ok := k.txns[t.TxnID]
		if !ok {
			r = k.run(t)
			if unanswered(r) == nil {
				k.txns[t.TxnID] = r
			}
		}
		rs[i] = r
		if after != nil {
			failed = after
		}
	}
	return rs, failed
}

func (k *memKernel) run(t kernel.Transaction) (r kernel.TxnResult) {
	r.Ops = make([]kernel.OpResult, len(t.Ops))
	undo := []func(){}
	for i, op := range t.Ops {
		err, back := k.op(op)
		if !k.quiet {
			k.log = append(k.log, fmt.Sprintf("%s %v", opName(op), errName(err)))
		}
		if err == nil && op.Kind == kernel.AddSA && k.mute > 0 {
			k.mute--
			err = errs.Errorf(errs.Timeout, "the kernel did not answer")
		}
		if err == nil {
			r.Ops[i].Done = true
			undo = append(undo, func() { back(); r.Ops[i].Undone = true })
			continue
		}
		r.Ops[i].Err = err
		if t.OnError == kernel.Rollback {
			for _, f := range slices.Backward(undo) {
				f()
			}
		}
		if t.OnError != kernel.Continue {
			break
		}
	}
	return r
}

func opName(op kernel.Op) string {
	switch op.Kind {
	case kernel.AddSA:
		return fmt.Sprintf("add %#x", op.SA.Key.SPI)
	case kernel.UpdateSA:
		return fmt.Sprintf("update %#x", op.SA.Key.SPI)
	case kernel.DeleteSA:
		return fmt.Sprintf("delete %#x", op.SA.Key.SPI)
	case kernel.AcquireDone:
		return fmt.Sprintf("acquire-done %d errno %d", op.Acquire.Seq, op.Acquire.Errno)
	}
	return fmt.Sprintf("op %d", op.Kind)
}

func errName(e *errs.Error) string {
	if e == nil {
		return "ok"
	}
	return string(e.Reason)
}

func (k *memKernel) op(op kernel.Op) (*errs.Error, func()) {
	switch op.Kind {
	case kernel.AcquireDone:
		k.acquires = append(k.acquires, *op.Acquire)
		return nil, func() {}
	case kernel.Bypass:
		return nil, func() {}
	case kernel.AddPolicy:
		k.policies = append(k.policies, op.Policy)
		return nil, func() {}
	}
	key := saKey(op.SA.Key)
	old := k.sas[key]
	back := func() { delete(k.sas, key) }
	if old != nil {
		back = func() { k.sas[key] = old }
	}
	switch op.Kind {
	case kernel.AddSA:
		if old != nil {
			return errs.Errorf(errs.Exists, "SA exists"), nil
		}
		k.added = append(k.added, key)
	case kernel.UpdateSA:
		if old == nil {
			return errs.Errorf(errs.NotFound, "no such SA"), nil
		}
	case kernel.DeleteSA:
		if old == nil {
			return errs.Errorf(errs.NotFound, "no such SA"), nil
		}
		delete(k.sas, key)
		return nil, back
	default:
		return errs.Errorf(errs.Unsupported, "op %d", op.Kind), nil
	}
	if moves(op) {
		moved := *old
		moved.Key.Src, moved.Key.Dst, moved.Encap = op.SA.NewSrc, op.SA.NewDst, op.SA.Encap
		delete(k.sas, key)
		k.sas[saKey(moved.Key)] = &moved
		return nil, func() { delete(k.sas, saKey(moved.Key)); k.sas[key] = old }
	}
	sa := *op.SA
	sa.State = kernel.Mature
	if sa.Encr != nil {
		sa.Encr = &kernel.AlgKey{ID: sa.Encr.ID, Key: clone(sa.Encr.Key)}
	}
	if sa.Auth != nil {
		sa.Auth = &kernel.AlgKey{ID: sa.Auth.ID, Key: clone(sa.Auth.Key), Trunc: sa.Auth.Trunc}
	}
	k.sas[key] = &sa
	return nil, back
}

func (k *memKernel) Query(_ context.Context, keys []kernel.Key) ([]kernel.Stats, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.noQuery != nil {
		return nil, k.noQuery
	}
	all := make([]kernel.Stats, len(keys))
	for i, key := range keys {
		all[i] = k.stats[saKey(key)]
		_, all[i].Found = k.sas[saKey(key)]
		all[i].Bytes = k.octets[saKey(key)]
	}
	return all, nil
}

func (k *memKernel) Dump(ctx context.Context, f kernel.DumpFilter, each func(kernel.Object) error) error {
	k.mu.Lock()
	var all []kernel.Object
	for key, sa := range k.sas {
		if key != k.skipped {
			all = append(all, kernel.Object{SA: sa})
		}
	}
	for _, p := range k.policies {
		all = append(all, kernel.Object{Policy: p})
	}
	k.dumps++
	k.mu.Unlock()
	for _, o := range all {
		if time.Sleep(k.pace); ctx.Err() != nil {
			return ctx.Err()
		}
		if err := each(o); err != nil {
			return err
		}
	}
	return nil
}

func (k *memKernel) Events(ctx context.Context, _ kernel.EventMask, each func(kernel.Event) error) error {
	k.mu.Lock()
	if k.noStream != nil {
		defer k.mu.Unlock()
		return k.noStream
	}
	s := &sub{make(chan kernel.Event, 1024)}
	k.subs[s] = struct{}{}
	s.ch <- kernel.Event{Kind: kernel.Ready}
	k.mu.Unlock()
	defer func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		delete(k.subs, s)
	}()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case ev, ok := <-s.ch:
			if !ok {
				return errs.Errorf(errs.Unavailable, "stream broken")
			}
			if err := each(ev); err != nil {
				return err
			}
		}
	}
}

func (k *memKernel) LookupRoutes(_ context.Context, qs []kernel.RouteQuery) ([]kernel.Route, error) {
	rs := make([]kernel.Route, len(qs))
	for i := range rs {
		rs[i].Src = k.route
	}
	return rs, nil
}

// tell sends an event to all subscribers.
func (k *memKernel) tell(ev kernel.Event) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for s := range k.subs {
		s.ch <- ev
	}
}

// breakStreams ends all subscriptions with an error.
func (k *memKernel) breakStreams() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for s := range k.subs {
		close(s.ch)
		delete(k.subs, s)
	}
}

func (k *memKernel) set(f func()) { k.mu.Lock(); defer k.mu.Unlock(); f() }

// spis lists what is installed.
func (k *memKernel) spis() (all []uint32) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for key := range k.sas {
		all = append(all, key.SPI)
	}
	slices.Sort(all)
	return all
}

func (k *memKernel) applied() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.log)
}
