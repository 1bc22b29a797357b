package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/spd"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// dumpSilence is how long a dump of SAD and SPD may bring nothing. How long it takes
// depends on how much there is.
const dumpSilence = 30 * time.Second

// watch is one subscription to the kernel's events, with the comparison that goes
// before it. Its events are handled one after the other, in order.
type watch struct {
	e       *Engine
	backend kernel.Backend
	ctx     context.Context
	cancel  context.CancelFunc
	ended   chan struct{}
	ready   chan error // one: how the first comparison went
}

// KernelUp subscribes to the kernel's events again and compares what the kernel has
// with what we know. It returns when that is done, or ctx has ended.
func (e *Engine) KernelUp(ctx context.Context) error { return e.Resync(ctx, e.kernel) }

// Resync is KernelUp for a plugin that was started again, through the client of
// its new life, before anybody else can call it.
func (e *Engine) Resync(ctx context.Context, client kernel.Backend) error {
	caps, err := client.Capabilities(ctx)
	if err != nil {
		return fmt.Errorf("ask the kernel plugin for its capabilities: %w", err)
	}
	e.caps.Store(&caps)
	e.checkFit()
	e.net.forget()
	w := e.watch(client)
	select {
	case err = <-w.ready:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("compare with the kernel: %w", err)
	}
	e.kernelIsBack()
	return nil
}

// watch replaces the subscription.
func (e *Engine) watch(client kernel.Backend) *watch {
	e.watchMu.Lock()
	defer e.watchMu.Unlock()
	old := e.watching
	w := &watch{e: e, backend: client, ended: make(chan struct{}), ready: make(chan error, 1)}
	w.ctx, w.cancel = context.WithCancel(e.ctx)
	e.watching = w
	e.goroutines.Go(func() {
		defer close(w.ended)
		if old != nil {
			old.cancel()
			<-old.ended
		}
		w.run()
	})
	return w
}

// run subscribes until the watch is replaced: a stream may break without its
// plugin dying, and then nobody else says so.
func (w *watch) run() {
	said := ""
	for wait := minRetry; ; wait = min(2*wait, maxRetry) {
		began := time.Now()
		err := w.subscribe()
		if w.ctx.Err() != nil {
			return
		}
		select {
		case w.ready <- err:
		default:
		}
		if time.Since(began) > time.Minute {
			wait, said = minRetry, ""
		}
		if e := errs.From(err); !e.PluginGone && e.Reason != errs.Stale && err.Error() != said {
			said = err.Error()
			w.e.notify(notice.Notice{Event: notice.LocalFailure, Reason: notice.PluginUnavailable, Detail: "follow the kernel: " + said})
		}
		select {
		case <-time.After(wait):
		case <-w.ctx.Done():
			return
		}
	}
}

// subscribe reads events until the stream or a comparison fails. The plugin drains
// the kernel whatever we do, and says Overflow when we have been too slow.
func (w *watch) subscribe() error {
	ctx, cancel := context.WithCancelCause(w.ctx)
	defer cancel(nil)
	events := make(chan kernel.Event, 256)
	handled := make(chan struct{})
	go func() {
		defer close(handled)
		for ev := range events {
			if ctx.Err() != nil {
				continue
			}
			if err := w.handle(ctx, ev); err != nil {
				cancel(err)
			}
		}
	}()
	silent := time.AfterFunc(kernelTimeout, func() { cancel(errs.Errorf(errs.Timeout, "the stream of the kernel's events does not begin")) })
	defer silent.Stop()
	err := w.backend.Events(ctx, 0, func(ev kernel.Event) error {
		silent.Stop()
		select {
		case events <- ev:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	close(events)
	<-handled
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if err == nil {
		err = errors.New("the kernel plugin ended the stream of events")
	}
	return err
}

// handle acts on one event. An error means that we have lost track.
func (w *watch) handle(ctx context.Context, ev kernel.Event) error {
	e := w.e
	switch ev.Kind {
	case kernel.Ready, kernel.Overflow:
		if err := w.compare(ctx); err != nil {
			return err
		}
		select {
		case w.ready <- nil:
		default:
		}
	case kernel.Acquire:
		e.acquire(ev)
	case kernel.ExpireSoft, kernel.ExpireHard:
		e.expire(ev)
	case kernel.Mapping:
		if s, ok := e.registry.owner(saKey(ev.Key)); ok {
			s.owner.post(mail{ev: ike.Mapping{SPI: ev.Key.SPI, Remote: ev.NewRemote}})
		}
	case kernel.SADeleted:
		e.lost([]ike.SAKey{saKey(ev.Key)})
	case kernel.SAFlushed:
		return w.compare(ctx) // of one protocol, or of all: the kernel knows
	case kernel.PolicyAdded, kernel.PolicyUpdated:
		if ev.Policy != nil {
			e.changeSPD(func(db *spd.DB) { db.Put(spdPolicy(ev.Policy)) })
		}
	case kernel.PolicyDeleted:
		e.policyDeleted(ev)
	case kernel.PolicyFlushed:
		e.changeSPD(func(db *spd.DB) { *db = spd.DB{} })
	case kernel.Migrate: // nothing of ours follows yet
	case kernel.NetChanged:
		e.refreshListeners()
	}
	return nil
}

func (e *Engine) changeSPD(f func(*spd.DB)) {
	e.spdMu.Lock()
	defer e.spdMu.Unlock()
	f(e.spd)
	e.refreshKept()
}

func (e *Engine) policyDeleted(ev kernel.Event) {
	key := ev.Key.Policy
	if ev.Policy != nil {
		key = &ev.Policy.Key
	}
	if key == nil {
		return
	}
	e.changeSPD(func(db *spd.DB) {
		if key.Sel.Src.IsValid() {
			db.Remove(spdKey(*key))
		} else {
			db.RemoveIndex(key.ID)
		}
	})
}

// expire tells the owner of an SA. With a hard one the kernel has removed it. The
// event may precede the answer to the Apply that made the SA; while that is out, a
// hard one can only mean that the reserved SPI has expired, which Apply copes with.
func (e *Engine) expire(ev kernel.Event) {
	k := saKey(ev.Key)
	s, ok := e.registry.owner(k)
	hard := ev.Kind == kernel.ExpireHard
	if !ok || hard && s.state == installing {
		return
	}
	if hard {
		e.registry.disown(k)
		e.record(e.ledger.remove([]ledgerKey{{SAKey: k}}))
	}
	s.owner.post(mail{ev: ike.Expire{Dst: k.Dst, Proto: k.Proto, SPI: k.SPI, Hard: hard}})
}

// lost tells the owners of SAs that somebody else has removed them. One that is
// being made, or was removed by us, is no longer or not yet settled.
func (e *Engine) lost(keys []ike.SAKey) {
	byOwner := map[*actor][]ike.SAKey{}
	var gone []ledgerKey
	for _, k := range keys {
		if s, ok := e.registry.owner(k); ok && s.state == settled {
			e.registry.disown(k)
			gone = append(gone, ledgerKey{SAKey: k})
			byOwner[s.owner] = append(byOwner[s.owner], k)
		}
	}
	e.record(e.ledger.remove(gone))
	for a, ks := range byOwner {
		a.post(mail{ev: ike.KernelLost{SAs: ks}})
	}
}

// compare reads what the kernel has: the policies become our copy; SAs of ours
// that are missing are lost; SAs that the ledger says are ours and that no machine
// knows are deleted. All others belong to somebody else and stay. A request the kernel
// waits for is served: it may have gone to a racoon that was killed, or been lost in
// an overflow, and until it times out the kernel makes no other.
func (w *watch) compare(ctx context.Context) error {
	e := w.e
	before := e.registry.settledSAs()
	db, sas, waiting, err := w.dump(ctx)
	if err != nil {
		return fmt.Errorf("dump the kernel: %w", err)
	}
	e.spdMu.Lock()
	e.spd = db
	e.spdMu.Unlock()
	e.refreshKept()

	var lost []ike.SAKey
	for k := range before {
		if _, ok := sas[k]; !ok {
			lost = append(lost, k)
		}
	}
	if lost, err = w.absent(ctx, lost); err != nil {
		return fmt.Errorf("look for SAs that were not in the kernel's dump: %w", err)
	}
	e.lost(lost)
	orphans, later, err := w.deleteOrphans(ctx, sas, db)
	e.removeSAs(later.sas, later.policies)
	for _, ev := range waiting {
		e.acquire(ev)
	}
	e.notify(notice.Notice{Event: notice.KernelResync, Detail: fmt.Sprintf(
		"%d policies, %d SAs; %d of ours were missing, %d left over from before were deleted", db.Len(), len(sas), len(lost), orphans)})
	return err
}

// absent are those SAs that the kernel has not. One that was moved, or put back, while
// the kernel went through its table is not in the dump. What cannot be asked for is as
// the dump says.
func (w *watch) absent(ctx context.Context, sas []ike.SAKey) (gone []ike.SAKey, err error) {
	for some := range slices.Chunk(sas, maxLooked) {
		keys := make([]kernel.Key, len(some))
		for i, k := range some {
			known, _ := w.e.registry.owner(k)
			keys[i] = ledgerKey{k, known.where}.kernel()
		}
		ctx, cancel := context.WithTimeout(ctx, kernelTimeout)
		stats, err := w.backend.Query(ctx, keys)
		cancel()
		if err != nil && passes(err) {
			return nil, err
		}
		for i, k := range some {
			if err != nil || i >= len(stats) || !stats[i].Found {
				gone = append(gone, k)
			}
		}
	}
	return gone, nil
}

// dump reads SPD and SAD. An SA without an SPI is a request that waits for an answer.
func (w *watch) dump(ctx context.Context) (db *spd.DB, sas map[ike.SAKey]where, waiting []kernel.Event, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silent := time.AfterFunc(dumpSilence, func() { cancel(errs.Errorf(errs.Timeout, "nothing more comes for %v", dumpSilence)) })
	defer silent.Stop()
	db, sas = new(spd.DB), map[ike.SAKey]where{}
	err = w.backend.Dump(ctx, kernel.DumpFilter{SAs: true, Policies: true}, func(o kernel.Object) error {
		silent.Reset(dumpSilence)
		if o.Policy != nil {
			db.Put(spdPolicy(o.Policy))
		}
		switch {
		case o.SA == nil:
		case o.SA.Key.SPI != 0:
			sas[saKey(o.SA.Key)] = whereIs(o.SA.Key)
		case o.SA.State == kernel.Larval:
			waiting = append(waiting, kernel.Event{Kind: kernel.Acquire, Key: o.SA.Key, Sel: o.SA.Sel, AcquireSeq: o.SA.Seq})
		}
		return nil
	})
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return db, sas, waiting, err
}
