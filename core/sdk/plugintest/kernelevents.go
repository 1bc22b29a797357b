package plugintest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// eventPatience is how long an event may take to arrive, beyond what it waits for.
const eventPatience = 20 * time.Second

var eventChecks = []kernelCheck{
	{name: "events begin with READY and have no gaps", run: readyFirst,
		fix: "subscribe to the kernel first, then send Ready: whatever happens after it must reach the stream. The SDK numbers the events"},
	{name: "a policy change is announced, if it says so", run: policyEvents,
		fix: "FeatPolicyEvents promises PolicyAdded, PolicyUpdated and PolicyDeleted with the policy in Event.Policy, the plugin's own changes included: the engine keeps its copy of the SPD by them"},
	{name: "what another process does to policies is announced too", run: foreignPolicies, both: true,
		fix: "take policy events from the kernel, not from your own Apply: setkey and ip xfrm change policies too"},
	{name: "an SA that another process deletes is announced", run: foreignDelete, sas: true, both: true,
		fix: "send SADeleted for deletions by others: the engine negotiates a new SA"},
	{name: "added and updated SAs are announced to who asks, if it says so", run: saEvents, sas: true,
		fix: "FeatSAEvents promises SAAdded and SAUpdated with the SA in Event.SA, the plugin's own changes included and keys never: setkey -x shows them"},
	{name: "SAs that another process makes are announced too", run: foreignSAs, sas: true, both: true,
		fix: "take SA events from the kernel, not from your own Apply"},
	{name: "SA events come to nobody who does not name them", run: unnamedSAs, sas: true,
		fix: "EventMask 0 is without SAAdded and SAUpdated, as EventMask.Has says: an engine that makes thousands of SAs must not lose other events for them"},
	{name: "only the kinds that were asked for come", run: masked,
		fix: "look at EventMask.Has before you send an event"},
	{name: "every subscriber hears everything", run: twoListeners,
		fix: "each Events call has a queue of its own"},
	{name: "a slow subscriber hears OVERFLOW, or everything", run: slowListener,
		fix: "never wait for the function Events was given; when the queue or the kernel's buffer is full drop, and send Overflow once: the engine dumps then. The SDK's queue does it for a plugin in Go"},
	{name: "a subscription ends when its caller goes, and the plugin goes on", run: endedListener,
		fix: "Events returns when its context ends, and leaves no socket and no goroutine behind"},
}

// listener is a subscription to events.
type listener struct {
	patience time.Duration
	events   chan kernel.Event
	ended    chan struct{}
	err      error // after ended
	stop     context.CancelFunc
}

// listen subscribes and returns when READY has come.
func (d *bed) listen(ctx context.Context, mask kernel.EventMask) (*listener, error) {
	ctx, cancel := context.WithCancel(ctx)
	l := &listener{patience: cmp.Or(d.bench.subject.patience, eventPatience), events: make(chan kernel.Event, 1<<14), ended: make(chan struct{}), stop: cancel}
	go func() {
		defer close(l.ended)
		var seq uint64
		l.err = d.Events(ctx, mask, func(e kernel.Event) error {
			if e.Seq != seq+1 {
				return fmt.Errorf("event %d after %d: a gap without OVERFLOW", e.Seq, seq)
			}
			seq = e.Seq
			select {
			case l.events <- e:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	first, err := l.await(ctx, "READY", func(kernel.Event) bool { return true })
	if err == nil && first.Kind != kernel.Ready {
		err = fmt.Errorf("the first event is of kind %d, want READY", first.Kind)
	}
	return l, err
}

// await returns the next event that is wanted.
func (l *listener) await(ctx context.Context, what string, wanted func(kernel.Event) bool) (kernel.Event, error) {
	return l.awaitFor(ctx, l.patience, what, wanted)
}

func (l *listener) awaitFor(ctx context.Context, patience time.Duration, what string, wanted func(kernel.Event) bool) (kernel.Event, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var others []kernel.EventKind
	for {
		select {
		case e := <-l.events:
			if wanted(e) {
				return e, nil
			}
			others = append(others, e.Kind)
		case <-l.ended:
			if l.err == nil {
				return kernel.Event{}, errors.New("the stream of events ended without an error")
			}
			return kernel.Event{}, l.err
		case <-ctx.Done():
			return kernel.Event{}, fmt.Errorf("no event %s within %v; what came was of kinds %v", what, patience, others)
		}
	}
}

// ofPolicy selects events of one kind about a policy.
func ofPolicy(kind kernel.EventKind, key kernel.PolicyKey) func(kernel.Event) bool {
	return func(e kernel.Event) bool { return e.Kind == kind && e.Policy != nil && samePolicy(e.Policy.Key, key) }
}

func readyFirst(ctx context.Context, d *bed) error {
	_, err := d.listen(ctx, 0)
	return err
}

func (d *bed) announcesPolicies() error {
	if d.has(kernel.FeatPolicyEvents) {
		return nil
	}
	return skip("it does not announce FeatPolicyEvents: the engine will see policies at its start only")
}

func policyEvents(ctx context.Context, d *bed) error { return d.policyEventsOf(ctx, d) }

func foreignPolicies(ctx context.Context, d *bed) error {
	other, err := d.another(ctx)
	if err != nil {
		return err
	}
	return d.policyEventsOf(ctx, other)
}

// policyEventsOf checks that d hears what other does to a policy.
func (d *bed) policyEventsOf(ctx context.Context, other *bed) error {
	if err := d.announcesPolicies(); err != nil {
		return err
	}
	l, err := d.listen(ctx, 0)
	if err != nil {
		return err
	}
	defer l.stop()
	p := d.policy()
	d.remember([]kernel.Op{policyOp(kernel.AddPolicy, p)})
	for _, step := range []struct {
		op   kernel.OpKind
		kind kernel.EventKind
		name string
	}{
		{kernel.AddPolicy, kernel.PolicyAdded, "PolicyAdded"},
		{kernel.UpdatePolicy, kernel.PolicyUpdated, "PolicyUpdated"},
		{kernel.DeletePolicy, kernel.PolicyDeleted, "PolicyDeleted"},
	} {
		if err := other.must(ctx, policyOp(step.op, p)); err != nil {
			return err
		}
		e, err := l.await(ctx, step.name, ofPolicy(step.kind, p.Key))
		if err != nil {
			return err
		}
		if step.op != kernel.DeletePolicy {
			if err := policyDiffers(e.Policy, p); err != nil {
				return fmt.Errorf("in event %s: %w", step.name, err)
			}
		}
		p.Templates[0].ReqID++
	}
	return nil
}

func foreignDelete(ctx context.Context, d *bed) error {
	other, err := d.another(ctx)
	if err != nil {
		return err
	}
	sa := d.newSA()
	if err := d.must(ctx, saOp(kernel.AddSA, sa)); err != nil {
		return err
	}
	l, err := d.listen(ctx, 0)
	if err != nil {
		return err
	}
	defer l.stop()
	if err := other.must(ctx, deleteSA(sa.Key)); err != nil {
		return err
	}
	_, err = l.await(ctx, "SADeleted", func(e kernel.Event) bool { return e.Kind == kernel.SADeleted && sameSA(e.Key, sa.Key) })
	return err
}

func (d *bed) announcesSAs() error {
	if d.has(kernel.FeatSAEvents) {
		return nil
	}
	return skip("it does not announce FeatSAEvents: setkey -x will not show added SAs")
}

func saEvents(ctx context.Context, d *bed) error { return d.saEventsOf(ctx, d) }

func foreignSAs(ctx context.Context, d *bed) error {
	other, err := d.another(ctx)
	if err != nil {
		return err
	}
	return d.saEventsOf(ctx, other)
}

// saEventsOf checks that d hears of the SAs that other makes.
func (d *bed) saEventsOf(ctx context.Context, other *bed) error {
	if err := d.announcesSAs(); err != nil {
		return err
	}
	l, err := d.listen(ctx, kernel.MaskOf(kernel.SAAdded, kernel.SAUpdated))
	if err != nil {
		return err
	}
	defer l.stop()
	added, updated := other.newSA(), other.newSA()
	if _, err := other.reserve(ctx, []kernel.SPIRequest{{Src: there, Dst: here, Proto: esp, Min: updated.Key.SPI, Max: updated.Key.SPI, ReqID: updated.ReqID}}); err != nil {
		return err
	}
	d.remember([]kernel.Op{saOp(kernel.AddSA, added), saOp(kernel.AddSA, updated)})
	for _, step := range []struct {
		op   kernel.OpKind
		sa   *kernel.SA
		kind kernel.EventKind
		name string
	}{{kernel.AddSA, added, kernel.SAAdded, "SAAdded"}, {kernel.UpdateSA, updated, kernel.SAUpdated, "SAUpdated"}} {
		if err := other.must(ctx, saOp(step.op, step.sa)); err != nil {
			return err
		}
		e, err := l.await(ctx, step.name, func(e kernel.Event) bool { return e.Kind == step.kind && sameSA(e.Key, step.sa.Key) })
		switch {
		case err != nil:
			return err
		case e.SA == nil:
			return fmt.Errorf("event %s without the SA", step.name)
		}
		if err := saDiffers(e.SA, step.sa); err != nil {
			return fmt.Errorf("in event %s: %w", step.name, err)
		}
	}
	return nil
}

func unnamedSAs(ctx context.Context, d *bed) error {
	if err := errors.Join(d.announcesSAs(), d.announcesPolicies()); err != nil {
		return skip("it does not announce FeatSAEvents and FeatPolicyEvents both: there is nothing to go by")
	}
	l, err := d.listen(ctx, 0)
	if err != nil {
		return err
	}
	defer l.stop()
	p := d.policy()
	if err := d.must(ctx, saOp(kernel.AddSA, d.newSA()), policyOp(kernel.AddPolicy, p)); err != nil {
		return err
	}
	e, err := l.await(ctx, "PolicyAdded", func(e kernel.Event) bool {
		return e.Kind == kernel.SAAdded || e.Kind == kernel.SAUpdated || ofPolicy(kernel.PolicyAdded, p.Key)(e)
	})
	if err == nil && e.Kind != kernel.PolicyAdded {
		err = errors.New("an added SA was told without having been asked for")
	}
	return err
}

func masked(ctx context.Context, d *bed) error {
	if err := d.announcesPolicies(); err != nil {
		return err
	}
	l, err := d.listen(ctx, kernel.MaskOf(kernel.PolicyDeleted))
	if err != nil {
		return err
	}
	defer l.stop()
	p := d.policy()
	if err := d.must(ctx, policyOp(kernel.AddPolicy, p), policyOp(kernel.DeletePolicy, p)); err != nil {
		return err
	}
	e, err := l.await(ctx, "PolicyDeleted", func(e kernel.Event) bool {
		return e.Kind != kernel.PolicyDeleted && e.Kind != kernel.Overflow || ofPolicy(kernel.PolicyDeleted, p.Key)(e)
	})
	if err == nil && e.Kind != kernel.PolicyDeleted {
		err = fmt.Errorf("an event of kind %d came, which was not asked for", e.Kind)
	}
	return err
}

func twoListeners(ctx context.Context, d *bed) error {
	if err := d.announcesPolicies(); err != nil {
		return err
	}
	var ls []*listener
	for range 2 {
		l, err := d.listen(ctx, 0)
		if err != nil {
			return err
		}
		defer l.stop()
		ls = append(ls, l)
	}
	p := d.policy()
	if err := d.must(ctx, policyOp(kernel.AddPolicy, p)); err != nil {
		return err
	}
	return each(ls, func(l *listener) error {
		_, err := l.await(ctx, "PolicyAdded", ofPolicy(kernel.PolicyAdded, p.Key))
		return err
	})
}

// slowEvents is how many events a slow subscriber misses: more than queue, sockets
// and streams hold.
const slowEvents = 12000

func slowListener(ctx context.Context, d *bed) error {
	if err := d.announcesPolicies(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	first, last := d.policy(), d.policy()
	var ops []kernel.Op
	for range opsPerTxn / 2 {
		ops = append(ops, policyOp(kernel.AddPolicy, first), policyOp(kernel.DeletePolicy, first))
	}
	asleep, awake := make(chan struct{}), make(chan struct{})
	heard, overflows, done := 0, 0, errors.New("done")
	ended := make(chan error, 1)
	var once sync.Once
	go func() {
		ended <- d.Events(ctx, 0, func(e kernel.Event) error {
			once.Do(func() {
				close(asleep)
				select {
				case <-awake:
				case <-ctx.Done():
				}
			})
			switch {
			case e.Kind == kernel.Overflow:
				overflows++
			case ofPolicy(kernel.PolicyAdded, first.Key)(e) || ofPolicy(kernel.PolicyDeleted, first.Key)(e):
				heard++
			case ofPolicy(kernel.PolicyAdded, last.Key)(e):
				return done
			}
			return nil
		})
	}()
	select {
	case <-asleep:
	case err := <-ended:
		return fmt.Errorf("the stream ended at once: %w", err)
	}
	d.remember(ops[:1])
	for range slowEvents / len(ops) {
		if _, err := d.Apply(ctx, []kernel.Transaction{{TxnID: txnID(), Ops: ops}}); err != nil {
			return err
		}
	}
	close(awake)
	for { // until it has caught up
		if err := d.must(ctx, policyOp(kernel.AddPolicy, last), policyOp(kernel.DeletePolicy, last)); err != nil {
			return fmt.Errorf("after the overflow: %w", err)
		}
		select {
		case err := <-ended:
			if sent := slowEvents / len(ops) * len(ops); errors.Is(err, done) && overflows == 0 && heard < sent {
				return fmt.Errorf("of %d events %d came, and no OVERFLOW", sent, heard)
			}
			if errors.Is(err, done) {
				return nil
			}
			return fmt.Errorf("the stream ended: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func endedListener(ctx context.Context, d *bed) error {
	for range 3 {
		l, err := d.listen(ctx, 0)
		if err != nil {
			return err
		}
		l.stop()
		select {
		case <-l.ended:
		case <-time.After(eventPatience):
			return errors.New("the method Events goes on after its context has ended")
		}
	}
	if _, err := d.Query(ctx, nil); err != nil {
		return fmt.Errorf("afterwards: %w", err)
	}
	_, err := d.listen(ctx, 0)
	return err
}
