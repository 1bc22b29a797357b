package plugintest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

var lifeChecks = []kernelCheck{
	{name: "an SA expires softly, then hard, by time", sas: true, run: expiresByTime,
		fix: "send ExpireSoft and then ExpireHard, each once; at the hard limit the SA is gone from dump and query. A kernel that tells no soft limit of an unused SA needs a timer of the plugin's own"},
}

var packetChecks = []kernelCheck{
	{name: "a packet without SA is an acquire", run: acquires,
		fix: "send Acquire with the end points and protocol in Key, the policy in Policy with its index, the packet in Sel, and with FeatAcquireSeq a number that is not 0"},
	{name: "an acquire can be answered, and a packet passes", sas: true, run: acquireAnswered,
		fix: "AddSA of an outbound SA with Seq of the acquire ends it; Query counts what passes"},
	{name: "an SA expires softly, then hard, by octets", sas: true, run: expiresByOctets,
		fix: "hand SoftBytes and HardBytes to the kernel, and its expiries to the engine"},
}

var restartChecks = []kernelCheck{
	{name: "what the kernel has survives the plugin", run: survives,
		fix: "keep SAs and policies in the kernel, not in the plugin, and delete nothing at the end or at the start: the engine compares and says what goes. What died with the plugin (user-space ESP) must not be in its dumps"},
	{name: "an SA survives the plugin, and a retry does no harm", sas: true, run: saSurvives,
		fix: "the memory for TxnIDs may die with the process; then an SA that was made before is errs.Exists, which the engine takes for done"},
}

func expiresByTime(ctx context.Context, d *bed) error {
	sa := d.newSA()
	sa.Life = kernel.Lifetime{SoftTime: time.Second, HardTime: 5 * time.Second} // a kernel that was stopped for so long need not tell the soft limit
	l, err := d.listen(ctx, 0)
	if err != nil {
		return err
	}
	defer l.stop()
	began := time.Now()
	if err := d.must(ctx, saOp(kernel.AddSA, sa)); err != nil {
		return err
	}
	ofSA := func(e kernel.Event) bool {
		return (e.Kind == kernel.ExpireSoft || e.Kind == kernel.ExpireHard) && sameSA(e.Key, sa.Key)
	}
	for _, step := range []struct {
		kind  kernel.EventKind
		name  string
		after time.Duration
	}{{kernel.ExpireSoft, "ExpireSoft", sa.Life.SoftTime}, {kernel.ExpireHard, "ExpireHard", sa.Life.HardTime}} {
		e, err := l.awaitFor(ctx, step.after+l.patience, step.name, ofSA)
		if err != nil {
			return err
		}
		if e.Kind != step.kind {
			return fmt.Errorf("an event of kind %d came where %s was due", e.Kind, step.name)
		}
		// Kernels count in seconds, from one that has begun.
		if at := time.Since(began); at < step.after-time.Second/2 {
			return fmt.Errorf("%s came after %v, and is due after %v", step.name, at, step.after)
		}
	}
	return d.goneSoon(ctx, sa)
}

// goneSoon checks that an SA at its hard limit is no longer there; the event may come
// an instant before.
func (d *bed) goneSoon(ctx context.Context, sa *kernel.SA) error {
	for until := time.Now().Add(eventPatience); ; {
		stats, err := d.Query(ctx, []kernel.Key{sa.Key})
		if err != nil {
			return err
		}
		if !stats[0].Found {
			return d.saIs(ctx, sa.Key, nil)
		}
		if time.Now().After(until) {
			return fmt.Errorf("an SA is still there %v after its hard limit", eventPatience)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// trafficTo is a policy for whatever is sent to one host, and what sends there.
func (d *bed) trafficTo(ctx context.Context) (p *kernel.Policy, send func() error, err error) {
	if d.want.Send == nil {
		return nil, nil, skip("nobody here can send a packet (KernelWant.Send, --traffic)")
	}
	if !d.has(kernel.FeatAcquire) {
		return nil, nil, skip("it does not announce FeatAcquire")
	}
	p = d.policy()
	to := netip.AddrFrom4([4]byte{203, 0, 113, byte(1 + d.next()%200)})
	p.Key.Sel = kernel.Selector{Src: netip.MustParsePrefix("0.0.0.0/0"), Dst: netip.PrefixFrom(to, 32)}
	return p, func() error { return d.want.Send(ctx, netip.AddrPortFrom(to, 9)) }, nil
}

// wish is an acquire, and what it takes to answer it.
type wish struct {
	kernel.Event
	policy *kernel.Policy
	send   func() error
}

// acquire adds a policy, sends a packet and returns what the kernel asks for.
func (d *bed) acquire(ctx context.Context) (wish, error) {
	p, send, err := d.trafficTo(ctx)
	if err != nil {
		return wish{}, err
	}
	l, err := d.listen(ctx, 0)
	if err != nil {
		return wish{}, err
	}
	defer l.stop()
	if err := d.must(ctx, policyOp(kernel.AddPolicy, p)); err != nil {
		return wish{}, err
	}
	if err := send(); err != nil {
		return wish{}, err
	}
	e, err := l.await(ctx, "Acquire", func(e kernel.Event) bool {
		return e.Kind == kernel.Acquire && e.Key.Dst == there && (e.Sel == nil || p.Key.Sel.Dst.Contains(e.Sel.Dst.Addr()))
	})
	return wish{e, p, send}, err
}

func acquires(ctx context.Context, d *bed) error {
	e, err := d.acquire(ctx)
	if err != nil {
		return err
	}
	switch {
	case e.Key.Src != here || e.Key.Dst != there || e.Key.Proto != esp:
		return fmt.Errorf("an acquire for protocol %d from %v to %v; the template says %d, %v, %v", e.Key.Proto, e.Key.Src, e.Key.Dst, esp, here, there)
	case e.Policy == nil:
		return errors.New("an acquire that does not say which policy asks")
	case e.Sel == nil && e.Policy.Key.ID == 0: // PF_KEY has no word for the packet
		return errors.New("an acquire that says neither which packet asks nor the index of the policy")
	case d.has(kernel.FeatAcquireSeq) && e.AcquireSeq == 0:
		return errors.New("it announces FeatAcquireSeq, and an acquire has no number")
	}
	if e.Policy.Key.Sel.Dst.IsValid() { // PF_KEY tells the index alone
		if !samePolicy(e.Policy.Key, e.policy.Key) {
			return fmt.Errorf("the acquire is of policy %+v, want %+v", e.Policy.Key, e.policy.Key)
		}
	} else if e.Policy.Key.ID == 0 {
		return errors.New("the acquire names its policy neither by selector nor by index")
	}
	if !d.has(kernel.FeatAcquireSeq) {
		return nil
	}
	return d.must(ctx, kernel.Op{Kind: kernel.AcquireDone, Acquire: &kernel.AcquireResult{Seq: e.AcquireSeq, Errno: 2}})
}

// outbound is the SA that an acquire asks for.
func (d *bed) outbound(p *kernel.Policy, seq uint32) *kernel.SA {
	sa := d.newSA()
	sa.Dir, sa.Key.Src, sa.Key.Dst, sa.ReqID, sa.Seq = kernel.Out, here, there, p.Templates[0].ReqID, seq
	return sa
}

func acquireAnswered(ctx context.Context, d *bed) error {
	e, err := d.acquire(ctx)
	if err != nil {
		return err
	}
	sa := d.outbound(e.policy, e.AcquireSeq)
	if err := d.must(ctx, saOp(kernel.AddSA, sa)); err != nil {
		return err
	}
	for until := time.Now().Add(eventPatience); ; {
		if err := e.send(); err != nil {
			return err
		}
		stats, err := d.Query(ctx, []kernel.Key{sa.Key, {Policy: &e.policy.Key}})
		switch used := stats; {
		case err != nil:
			return err
		case used[0].Packets > 0 && used[0].Bytes > 0:
			if d.has(kernel.FeatUseTime) && used[0].LastUse.IsZero() && used[1].LastUse.IsZero() {
				return fmt.Errorf("it announces FeatUseTime, and neither SA nor policy tells when it was used last: %+v", used)
			}
			return nil
		case time.Now().After(until):
			return fmt.Errorf("packets are sent and the SA counts none: %+v", used[0])
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func expiresByOctets(ctx context.Context, d *bed) error {
	p, send, err := d.trafficTo(ctx)
	if err != nil {
		return err
	}
	sa := d.outbound(p, 0)
	sa.Life.SoftBytes, sa.Life.HardBytes = 500, 1500
	l, err := d.listen(ctx, 0)
	if err != nil {
		return err
	}
	defer l.stop()
	if err := d.must(ctx, saOp(kernel.AddSA, sa), policyOp(kernel.AddPolicy, p)); err != nil {
		return err
	}
	for _, kind := range []kernel.EventKind{kernel.ExpireSoft, kernel.ExpireHard} {
		got, err := l.whileSending(ctx, send, func(e kernel.Event) bool {
			return (e.Kind == kernel.ExpireSoft || e.Kind == kernel.ExpireHard) && sameSA(e.Key, sa.Key)
		})
		if err != nil {
			return fmt.Errorf("waiting for an event of kind %d: %w", kind, err)
		}
		if got.Kind != kind {
			return fmt.Errorf("an event of kind %d came, want first ExpireSoft (%d) and then ExpireHard (%d)", got.Kind, kernel.ExpireSoft, kernel.ExpireHard)
		}
	}
	return d.goneSoon(ctx, sa)
}

// whileSending sends packets until an event comes.
func (l *listener) whileSending(ctx context.Context, send func() error, wanted func(kernel.Event) bool) (kernel.Event, error) {
	for range 100 {
		if err := send(); err != nil {
			return kernel.Event{}, err
		}
		if e, err := l.awaitFor(ctx, 50*time.Millisecond, "", wanted); err == nil {
			return e, nil
		}
	}
	return kernel.Event{}, errors.New("it did not come, though packets pass")
}

// crash kills the plugin and waits for its next life.
func (d *bed) crash(ctx context.Context) error {
	before := d.Status()
	victim, err := os.FindProcess(before.PID)
	if err != nil {
		return err
	}
	if err := victim.Kill(); err != nil {
		return err
	}
	for d.Status().Restarts == before.Restarts && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	return d.Wait(ctx)
}

func survives(ctx context.Context, d *bed) error {
	p, id := d.policy(), txnID()
	if _, err := d.applyAs(ctx, id, kernel.Rollback, policyOp(kernel.AddPolicy, p)); err != nil {
		return err
	}
	if err := d.crash(ctx); err != nil {
		return err
	}
	if _, err := d.listen(ctx, 0); err != nil {
		return fmt.Errorf("after kill -9: %w", err)
	}
	if err := d.policyIs(ctx, p.Key, onlyIf(!d.want.Volatile, p)); err != nil {
		return fmt.Errorf("after kill -9: %w", err)
	}
	return d.again(ctx, id, policyOp(kernel.AddPolicy, p))
}

// again sends a transaction a second time, to a new life of the plugin: it is done, or
// was.
func (d *bed) again(ctx context.Context, id string, op kernel.Op) error {
	res, err := d.applyAs(ctx, id, kernel.Continue, op)
	if err != nil || res[0].Done {
		return err
	}
	return is(res[0].Err.Err(), errs.Exists, "after kill -9 the same transaction again")
}

func saSurvives(ctx context.Context, d *bed) error {
	lowest, highest := d.spiRange(256)
	spis, err := d.reserve(ctx, spiRequests(1, lowest, highest))
	if err != nil {
		return err
	}
	sa, late, id := d.newSA(), d.newSA(), txnID()
	late.Key.SPI = spis[0]
	if res, err := d.applyAs(ctx, id, kernel.Rollback, saOp(kernel.AddSA, sa)); err != nil || !res[0].Done {
		return fmt.Errorf("%+v, %v", res, err)
	}
	if err := d.crash(ctx); err != nil {
		return err
	}
	if err := d.saIs(ctx, sa.Key, onlyIf(!d.want.Volatile, sa)); err != nil {
		return fmt.Errorf("after kill -9: %w", err)
	}
	if err := d.again(ctx, id, saOp(kernel.AddSA, sa)); err != nil {
		return err
	}
	res, err := d.apply(ctx, kernel.Rollback, saOp(kernel.UpdateSA, late))
	if err != nil || res[0].Done {
		return err
	}
	return is(res[0].Err.Err(), errs.NotFound, "after kill -9 an SPI that was reserved before")
}
