package kerneltest

import (
	"context"
	"maps"
	"net/netip"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// watcherQueue is how many events a subscriber may be behind before it gets an
// Overflow instead.
const watcherQueue = 1024

// Events follows the contract: Ready first, Overflow when the subscriber is slow.
func (f *Fake) Events(ctx context.Context, mask kernel.EventMask, each func(kernel.Event) error) error {
	unlock, err := f.begin(ctx, "Events")
	if err != nil {
		return err
	}
	c := make(chan kernel.Event, watcherQueue)
	c <- kernel.Event{Kind: kernel.Ready, Generation: f.generation, At: f.now()}
	f.watchers[c] = mask
	unlock()
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.watchers, c)
	}()
	var clock <-chan time.Time // nil never ticks
	if f.Timers {
		ticker := time.NewTicker(tick)
		defer ticker.Stop()
		clock = ticker.C
	}
	for seq := uint64(1); ; {
		select {
		case e, ok := <-c:
			if !ok {
				return errs.Errorf(errs.Unavailable, "event stream closed by the test")
			}
			e.Seq, seq = seq, seq+1
			if err := each(e); err != nil {
				return err
			}
		case <-clock:
			f.mu.Lock()
			f.expireDue()
			f.mu.Unlock()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// emit sends e to who wants it. The lock is held.
func (f *Fake) emit(e kernel.Event) {
	e.Generation, e.At = f.generation, f.now()
	for c, mask := range f.watchers {
		switch {
		case !mask.Has(e.Kind):
		case len(c) < cap(c)-1:
			c <- e
		case len(c) == cap(c)-1: // the last place tells of everything that follows
			c <- kernel.Event{Kind: kernel.Overflow, Generation: f.generation, At: e.At}
		}
	}
}

// Acquire is a packet that hit policy p: the kernel asks for SAs. It returns the
// sequence number of the request.
func (f *Fake) Acquire(p kernel.Policy, packet kernel.Selector) uint32 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.acquire(p, packet)
}

func (f *Fake) acquire(p kernel.Policy, packet kernel.Selector) uint32 {
	f.seq++
	f.acquires[f.seq] = -1
	e := kernel.Event{
		Kind: kernel.Acquire, Policy: &p, Key: kernel.Key{Policy: &p.Key}, Sel: &packet, Templates: p.Templates, AcquireSeq: f.seq,
	}
	if len(p.Templates) > 0 {
		t := p.Templates[0]
		e.Key.Src, e.Key.Dst, e.Key.Proto = t.Src, t.Dst, t.Proto
	}
	f.emit(e)
	return f.seq
}

// AcquireAnswer is what became of an acquire: done is false until it was answered.
func (f *Fake) AcquireAnswer(seq uint32) (errno int, done bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	errno, ok := f.acquires[seq]
	return errno, ok && errno >= 0
}

// Expire reaches the soft or the hard lifetime of an SA; after the hard one it is
// gone. It returns false if there is no such SA.
func (f *Fake) Expire(k kernel.Key, hard bool) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	sk := saKey{k.Dst, k.SPI, k.Proto}
	s, ok := f.state.sas[sk]
	if !ok {
		return false
	}
	kind := kernel.ExpireSoft
	if s.State = kernel.Dying; hard {
		kind = kernel.ExpireHard
		delete(f.state.sas, sk)
	} else {
		f.state.sas[sk] = s
	}
	f.emit(kernel.Event{Kind: kind, Key: s.Key})
	return true
}

// Mapping moves the peer of an SA to a new address: its NAT rebooted.
func (f *Fake) Mapping(k kernel.Key, remote netip.AddrPort) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.emit(kernel.Event{Kind: kernel.Mapping, Key: k, NewRemote: remote})
}

// Traffic counts packets through an SA. It returns false if there is no such SA.
func (f *Fake) Traffic(k kernel.Key, packets, octets uint64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	sk := saKey{k.Dst, k.SPI, k.Proto}
	if _, ok := f.state.sas[sk]; !ok {
		return false
	}
	f.count(sk, packets, octets)
	return true
}

// Lose makes subscribers believe that events were lost.
func (f *Fake) Lose() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.emit(kernel.Event{Kind: kernel.Overflow})
}

// CloseEvents ends every event stream with an error.
func (f *Fake) CloseEvents() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.watchers {
		close(c)
		delete(f.watchers, c)
	}
}

// SAs in the kernel, with their keys.
func (f *Fake) SAs() []kernel.SA {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []kernel.SA
	for _, s := range f.state.sas {
		all = append(all, s.SA)
	}
	return all
}

// Policies in the kernel.
func (f *Fake) Policies() []kernel.Policy {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []kernel.Policy
	for _, p := range f.state.policies {
		all = append(all, p)
	}
	return all
}

// Subscribers to events.
func (f *Fake) Subscribers() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.watchers)
}

// Calls is how often each method was called.
func (f *Fake) Calls() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.calls)
}
