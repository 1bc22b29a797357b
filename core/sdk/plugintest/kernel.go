package plugintest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/racoon-ike/racoon/core/internal/pluginhost"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// KernelWant describes the kernel behind the subject.
type KernelWant struct {
	// NoSAs: this kernel can reserve SPIs and hold policies, but not install SAs (a
	// build machine without ESP).
	NoSAs bool
}

// Kernel runs every check of the contract of a kernel plugin. It adds and removes
// SAs and policies between documentation addresses: not for a machine in use.
func Kernel(t *testing.T, s Subject, want KernelWant) {
	t.Helper()
	run(t, KernelChecks(s, want))
}

// KernelChecks are the checks that Kernel runs.
func KernelChecks(s Subject, want KernelWant) []Check {
	start := func(ctx context.Context, b *bench) (*pluginhost.Kernel, error) {
		return b.StartKernel(ctx, s.spec(pluginhost.KindKernel), pluginhost.Hooks[kernel.Backend]{})
	}
	on := func(name string, f func(context.Context, *pluginhost.Kernel) error) Check {
		return s.on(name, func(ctx context.Context, b *bench) error {
			k, err := start(ctx, b)
			if err != nil {
				return err
			}
			return f(ctx, k)
		})
	}
	checks := s.base(pluginhost.KindKernel, func(ctx context.Context, b *bench) (running, func(context.Context) error, error) {
		k, err := start(ctx, b)
		if err != nil {
			return nil, nil, err
		}
		return k, func(ctx context.Context) error { _, err := k.Capabilities(ctx); return err }, nil
	})
	if s.Refuses {
		return append(checks, on("everything else is UNSUPPORTED", kernelRefuses))
	}
	checks = append(checks,
		on("its capabilities make sense", sensible),
		on("it tells the socket options of each role and family", socketOptions),
		on("events begin with READY and have no gaps", readyFirst),
		on("SPIs are distinct, in range and one per request", allocates),
		on("a policy can be added, dumped, found, changed and deleted", policyLife),
		on("a policy change is announced, if it says so", policyEvents),
		on("what is not there is NOT_FOUND, or found to be false", absent),
		on("an op nobody defined is UNSUPPORTED", unknownOp),
		on("a transaction that comes again is not done again", idempotent),
		on("error rules stop, roll back and continue are kept", errorRules),
	)
	if want.NoSAs {
		return checks
	}
	return append(checks,
		on("an SA can be added, queried, dumped without keys and deleted", saLife),
		on("a reserved SPI becomes an SA by update", larvalToMature),
	)
}

var (
	here  = netip.MustParseAddr("192.0.2.1")
	there = netip.MustParseAddr("192.0.2.2")
)

// testPolicy is one between networks nobody uses, different at each call.
func testPolicy() *kernel.Policy {
	n := byte(rand.N(250))
	return &kernel.Policy{
		Key: kernel.PolicyKey{Dir: kernel.Out, Sel: kernel.Selector{
			Src: netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 51, 100, n}), 32),
			Dst: netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, 113, n}), 32),
		}},
		Action: kernel.ActionIPsec, Priority: 2000,
		Templates: []kernel.Template{{Proto: 50, Mode: kernel.ModeTunnel, Level: kernel.LevelRequire, ReqID: 16000 + uint32(n), Src: here, Dst: there}},
	}
}

func policyOp(kind kernel.OpKind, p *kernel.Policy) kernel.Op {
	return kernel.Op{Kind: kind, Policy: p}
}

// apply runs one transaction and returns its results.
func apply(ctx context.Context, k *pluginhost.Kernel, rule kernel.OnError, ops ...kernel.Op) ([]kernel.OpResult, error) {
	res, err := k.ApplyOne(ctx, kernel.Transaction{TxnID: fmt.Sprintf("conformance-%d", rand.Uint64()), OnError: rule, Ops: ops})
	return res.Ops, err
}

// must runs ops that have to succeed.
func must(ctx context.Context, k *pluginhost.Kernel, ops ...kernel.Op) error {
	res, err := apply(ctx, k, kernel.Stop, ops...)
	if err != nil {
		return err
	}
	for i, r := range res {
		if !r.Done {
			return fmt.Errorf("op %d of %d (kind %d) was not done: %w", i, len(res), ops[i].Kind, r.Err.Err())
		}
	}
	return nil
}

// refuses runs one op that has to fail with a reason.
func refuses(ctx context.Context, k *pluginhost.Kernel, op kernel.Op, want errs.Reason) error {
	what := fmt.Sprintf("op of kind %d", op.Kind)
	res, err := apply(ctx, k, kernel.Stop, op)
	switch {
	case err != nil:
		return is(err, want, what)
	case res[0].Done:
		return fmt.Errorf("%s was done, want %s", what, want)
	}
	return is(res[0].Err.Err(), want, what)
}

func kernelRefuses(ctx context.Context, k *pluginhost.Kernel) error {
	_, spis := k.AllocateSPIs(ctx, []kernel.SPIRequest{{Src: here, Dst: there, Proto: 50, Min: 256, Max: 512}})
	if res, err := k.AllocateSPIs(ctx, []kernel.SPIRequest{{Src: here, Dst: there, Proto: 50, Min: 256, Max: 512}}); err == nil {
		spis = res[0].Err.Err()
	}
	dump := k.Dump(ctx, kernel.DumpFilter{SAs: true}, func(kernel.Object) error { return nil })
	return errors.Join(is(spis, errs.Unsupported, "AllocateSPIs"), is(dump, errs.Unsupported, "Dump"),
		refuses(ctx, k, policyOp(kernel.AddPolicy, testPolicy()), errs.Unsupported))
}

func sensible(ctx context.Context, k *pluginhost.Kernel) error {
	c, err := k.Capabilities(ctx)
	switch {
	case err != nil:
		return err
	case c.Platform == "":
		return errors.New("no platform")
	case c.Features&(kernel.FeatESP|kernel.FeatAH) == 0 || c.Features&(kernel.FeatTunnel|kernel.FeatTransport) == 0:
		return fmt.Errorf("features %b: neither ESP nor AH, or neither tunnel nor transport mode", c.Features)
	case c.SPIMin < 256 || c.SPIMax < c.SPIMin:
		return fmt.Errorf("SPIs from %#x to %#x: RFC 2406 section 2.1 reserves 1 to 255", c.SPIMin, c.SPIMax)
	case c.AcquireLifetime <= 0:
		return errors.New("reserved SPIs have no lifetime")
	}
	for _, a := range c.Algorithms {
		if a.Kind < kernel.AlgEncr || a.Kind > kernel.AlgComp || a.ID == 0 || a.MinKey > a.MaxKey {
			return fmt.Errorf("algorithm %+v", a)
		}
	}
	return nil
}

func socketOptions(ctx context.Context, k *pluginhost.Kernel) error {
	for _, r := range []kernel.SocketRole{kernel.SocketIKE, kernel.SocketNATT} {
		for _, f := range []kernel.Family{kernel.IPv4, kernel.IPv6} {
			setup, err := k.SocketOptions(ctx, r, f)
			if err != nil {
				return fmt.Errorf("role %d, family %d: %w", r, f, err)
			}
			for _, o := range setup.Options {
				if len(o.Value) == 0 || o.Doc == "" {
					return fmt.Errorf("role %d, family %d: option %+v without value or name", r, f, o)
				}
			}
		}
	}
	_, err := k.SocketOptions(ctx, kernel.SocketIKE, 9)
	return is(err, errs.Unsupported, "address family 9")
}

func readyFirst(ctx context.Context, k *pluginhost.Kernel) error {
	_, err := watch(ctx, k, func(ctx context.Context) error { return nil }, nil)
	return err
}

// watch subscribes, runs f once READY came, and returns the first event that stop
// accepts (READY itself, if stop is nil). Sequence numbers must have no gaps.
func watch(ctx context.Context, k *pluginhost.Kernel, f func(context.Context) error, stop func(kernel.Event) bool) (kernel.Event, error) {
	done := errors.New("seen")
	var last, found kernel.Event
	err := k.Events(ctx, 0, func(e kernel.Event) error {
		if e.Seq != last.Seq+1 {
			return fmt.Errorf("event %d after %d", e.Seq, last.Seq)
		}
		if e.Seq == 1 && e.Kind != kernel.Ready {
			return fmt.Errorf("the first event is of kind %d, want READY", e.Kind)
		}
		if last = e; e.Kind == kernel.Ready {
			if err := f(ctx); err != nil {
				return err
			}
		}
		if stop == nil || stop(e) {
			found = e
			return done
		}
		return nil
	})
	if errors.Is(err, done) {
		return found, nil
	}
	if err == nil {
		err = errors.New("the stream ended")
	}
	return found, err
}

func allocates(ctx context.Context, k *pluginhost.Kernel) error {
	const lowest, highest = 0x4000, 0x40ff
	reqs := make([]kernel.SPIRequest, 16)
	for i := range reqs {
		reqs[i] = kernel.SPIRequest{Src: there, Dst: here, Proto: 50, Min: lowest, Max: highest}
	}
	reqs[7].Min, reqs[7].Max = 10, 5
	res, err := k.AllocateSPIs(ctx, reqs)
	if err != nil {
		return err
	}
	seen := map[uint32]bool{}
	for i, r := range res {
		if i == 7 {
			if r.Err == nil {
				return fmt.Errorf("an SPI (%#x) from an empty range", r.SPI)
			}
			continue
		}
		if r.Err != nil {
			return fmt.Errorf("request %d: %w", i, r.Err)
		}
		if seen[r.SPI] || r.SPI < lowest || r.SPI > highest {
			return fmt.Errorf("request %d: SPI %#x is out of range or taken", i, r.SPI)
		}
		seen[r.SPI] = true
	}
	return nil
}

// policies finds p in a dump.
func policies(ctx context.Context, k *pluginhost.Kernel, p *kernel.Policy) (*kernel.Policy, error) {
	var found *kernel.Policy
	err := k.Dump(ctx, kernel.DumpFilter{Policies: true}, func(o kernel.Object) error {
		if o.Policy != nil && o.Policy.Key.Sel == p.Key.Sel && o.Policy.Key.Dir == p.Key.Dir {
			found = o.Policy
		}
		return nil
	})
	return found, err
}

func policyLife(ctx context.Context, k *pluginhost.Kernel) error {
	p := testPolicy()
	if err := must(ctx, k, policyOp(kernel.AddPolicy, p)); err != nil {
		return err
	}
	if err := refuses(ctx, k, policyOp(kernel.AddPolicy, p), errs.Exists); err != nil {
		return err
	}
	got, err := policies(ctx, k, p)
	switch {
	case err != nil:
		return err
	case got == nil:
		return errors.New("the dump does not have the policy")
	case got.Action != p.Action || len(got.Templates) != 1 || got.Templates[0].ReqID != p.Templates[0].ReqID:
		return fmt.Errorf("the dump has %+v, want %+v", *got, *p)
	}
	stats, err := k.Query(ctx, []kernel.Key{{Policy: &p.Key}})
	if err != nil || !stats[0].Found {
		return fmt.Errorf("query: %+v, %w", stats, err)
	}
	p.Templates[0].ReqID++
	if err := must(ctx, k, policyOp(kernel.UpdatePolicy, p)); err != nil {
		return err
	}
	if got, err = policies(ctx, k, p); err != nil || got == nil || got.Templates[0].ReqID != p.Templates[0].ReqID {
		return fmt.Errorf("after the update the dump has %+v, %w", got, err)
	}
	if err := must(ctx, k, policyOp(kernel.DeletePolicy, p)); err != nil {
		return err
	}
	if got, err = policies(ctx, k, p); err != nil || got != nil {
		return fmt.Errorf("after the delete the dump has %+v, %w", got, err)
	}
	return nil
}

func policyEvents(ctx context.Context, k *pluginhost.Kernel) error {
	c, err := k.Capabilities(ctx)
	if err != nil || c.Features&kernel.FeatPolicyEvents == 0 {
		return err
	}
	p := testPolicy()
	_, err = watch(ctx, k, func(ctx context.Context) error { return must(ctx, k, policyOp(kernel.AddPolicy, p)) }, func(e kernel.Event) bool {
		return e.Kind == kernel.PolicyAdded && e.Policy != nil && e.Policy.Key.Sel == p.Key.Sel
	})
	return errors.Join(err, must(ctx, k, policyOp(kernel.DeletePolicy, p)))
}

func absent(ctx context.Context, k *pluginhost.Kernel) error {
	key := kernel.Key{Src: there, Dst: here, SPI: 0x7fff0001, Proto: 50}
	stats, err := k.Query(ctx, []kernel.Key{key})
	if err != nil {
		return err
	}
	if stats[0].Found {
		return fmt.Errorf("it found %+v", key)
	}
	return errors.Join(
		refuses(ctx, k, kernel.Op{Kind: kernel.DeleteSA, SA: &kernel.SA{Key: key}}, errs.NotFound),
		refuses(ctx, k, policyOp(kernel.DeletePolicy, testPolicy()), errs.NotFound),
	)
}

func unknownOp(ctx context.Context, k *pluginhost.Kernel) error {
	p := testPolicy()
	p.Action = 99
	return errors.Join(refuses(ctx, k, kernel.Op{}, errs.Unsupported), refuses(ctx, k, kernel.Op{Kind: 99}, errs.Unsupported), refuses(ctx, k, policyOp(kernel.AddPolicy, p), errs.Unsupported))
}

func idempotent(ctx context.Context, k *pluginhost.Kernel) error {
	p := testPolicy()
	txn := kernel.Transaction{TxnID: fmt.Sprintf("twice-%d", rand.Uint64()), Ops: []kernel.Op{policyOp(kernel.AddPolicy, p)}}
	for i := range 2 {
		res, err := k.ApplyOne(ctx, txn)
		if err != nil {
			return err
		}
		if !res.Ops[0].Done {
			return fmt.Errorf("time %d: not done: %w", i+1, res.Ops[0].Err.Err())
		}
	}
	return must(ctx, k, policyOp(kernel.DeletePolicy, p))
}

func errorRules(ctx context.Context, k *pluginhost.Kernel) error {
	for rule, want := range map[kernel.OnError]struct{ first, third bool }{
		kernel.Stop: {true, false}, kernel.Rollback: {false, false}, kernel.Continue: {true, true},
	} {
		first, third := testPolicy(), testPolicy()
		third.Key.Dir = kernel.In
		missing := testPolicy()
		missing.Key.Sel.Proto = 253
		res, err := apply(ctx, k, rule, policyOp(kernel.AddPolicy, first), policyOp(kernel.DeletePolicy, missing), policyOp(kernel.AddPolicy, third))
		if err != nil {
			return err
		}
		if res[1].Done || res[0].Done != want.first || res[2].Done != want.third || rule == kernel.Rollback && !res[0].Undone {
			return fmt.Errorf("rule %d: results %+v", rule, res)
		}
		for _, c := range []struct {
			p    *kernel.Policy
			want bool
		}{{first, want.first}, {third, want.third}} {
			got, err := policies(ctx, k, c.p)
			if err != nil || (got != nil) != c.want {
				return fmt.Errorf("rule %d: policy there: %v, want %v (%w)", rule, got != nil, c.want, err)
			}
			if got != nil {
				if err := must(ctx, k, policyOp(kernel.DeletePolicy, c.p)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
