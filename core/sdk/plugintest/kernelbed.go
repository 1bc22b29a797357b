package plugintest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"

	"github.com/racoon-ike/racoon/core/internal/pluginhost"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// opsPerTxn is how many ops the engine puts into one transaction at most.
const opsPerTxn = 64

const (
	esp    uint8 = 50
	ah     uint8 = 51
	ipcomp uint8 = 108
)

// Everything is between addresses of documentation, RFC 5737 and RFC 3849.
var (
	here   = netip.MustParseAddr("192.0.2.1")
	there  = netip.MustParseAddr("192.0.2.2")
	here6  = netip.MustParseAddr("2001:db8::1")
	there6 = netip.MustParseAddr("2001:db8::2")
)

// bed is the running subject of one check. It remembers what was made.
type bed struct {
	*pluginhost.Kernel
	bench *bench
	want  KernelWant
	caps  kernel.Capabilities

	mu     sync.Mutex
	made   []kernel.Op // the deletions of it
	number uint32      // of the last object
}

func newBed(ctx context.Context, b *bench, want KernelWant) (*bed, error) {
	k, err := b.startKernel(ctx, "subject")
	if err != nil {
		return nil, err
	}
	d := &bed{Kernel: k, bench: b, want: want, number: rand.Uint32N(1 << 16)}
	d.caps, err = k.Capabilities(ctx)
	d.want.NoSAs = d.want.NoSAs || !d.has(kernel.FeatESP)
	return d, err
}

// another is a second instance of the plugin on the same kernel.
func (d *bed) another(ctx context.Context) (*bed, error) {
	k, err := d.bench.startKernel(ctx, "another")
	if err != nil {
		return nil, err
	}
	return &bed{Kernel: k, bench: d.bench, want: d.want, caps: d.caps, number: d.next()}, nil
}

func (d *bed) has(f kernel.Feature) bool { return d.caps.Features&f == f }

func (d *bed) next() uint32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.number++
	return d.number
}

// remember notes how to delete what op makes.
func (d *bed) remember(ops []kernel.Op) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, op := range ops {
		switch op.Kind {
		case kernel.AddSA, kernel.UpdateSA:
			if op.SA == nil {
				continue
			}
			key := op.SA.Key
			d.made = append(d.made, deleteSA(key))
			if op.SA.NewDst.IsValid() {
				key.Src, key.Dst = op.SA.NewSrc, op.SA.NewDst
				d.made = append(d.made, deleteSA(key))
			}
		case kernel.AddPolicy, kernel.UpdatePolicy:
			if op.Policy != nil {
				p := *op.Policy
				d.made = append(d.made, policyOp(kernel.DeletePolicy, &p))
			}
		case kernel.AddAddress, kernel.AddRoute:
			d.made = append(d.made, kernel.Op{Kind: op.Kind + 1, Net: op.Net})
		}
	}
}

// tidy deletes what the check has left.
func (d *bed) tidy(ctx context.Context) {
	for ops := range slices.Chunk(d.made, opsPerTxn) {
		_, _ = d.applyAs(ctx, txnID(), kernel.Continue, ops...) // most of it is gone already
	}
}

func deleteSA(k kernel.Key) kernel.Op {
	return kernel.Op{Kind: kernel.DeleteSA, SA: &kernel.SA{Key: k}}
}

func policyOp(kind kernel.OpKind, p *kernel.Policy) kernel.Op {
	return kernel.Op{Kind: kind, Policy: p}
}

func saOp(kind kernel.OpKind, s *kernel.SA) kernel.Op { return kernel.Op{Kind: kind, SA: s} }

// txnID is one that was never used.
func txnID() string { return fmt.Sprintf("conformance-%016x", rand.Uint64()) }

// apply runs one transaction and returns its results.
func (d *bed) apply(ctx context.Context, rule kernel.OnError, ops ...kernel.Op) ([]kernel.OpResult, error) {
	return d.applyAs(ctx, txnID(), rule, ops...)
}

func (d *bed) applyAs(ctx context.Context, id string, rule kernel.OnError, ops ...kernel.Op) ([]kernel.OpResult, error) {
	d.remember(ops)
	res, err := d.Apply(ctx, []kernel.Transaction{{TxnID: id, OnError: rule, Ops: ops}})
	if err != nil {
		return nil, err
	}
	return res[0].Ops, nil
}

// Apply asks again where no answer came in time, as the engine does: a slow machine
// is not a plugin that breaks the contract.
func (d *bed) Apply(ctx context.Context, ts []kernel.Transaction) ([]kernel.TxnResult, error) {
	nameless := slices.ContainsFunc(ts, func(t kernel.Transaction) bool { return t.TxnID == "" })
	for {
		res, err := d.Kernel.Apply(ctx, ts)
		if nameless || err == nil || errs.From(err).Reason != errs.Timeout || ctx.Err() != nil {
			return res, err
		}
	}
}

// must runs ops that have to succeed, in as few transactions as may be.
func (d *bed) must(ctx context.Context, ops ...kernel.Op) error {
	for some := range slices.Chunk(ops, opsPerTxn) {
		res, err := d.apply(ctx, kernel.Stop, some...)
		if err != nil {
			return err
		}
		for i, r := range res {
			if !r.Done || r.Undone || r.Err != nil {
				return fmt.Errorf("%s was not done: %w", describe(some[i]), orNoReason(r.Err))
			}
		}
	}
	return nil
}

func orNoReason(e *errs.Error) error {
	if e == nil {
		return fmt.Errorf("its result has neither Done nor an error")
	}
	return e
}

// refuses runs one op that has to fail with a reason, without effect.
func (d *bed) refuses(ctx context.Context, op kernel.Op, want errs.Reason) error {
	res, err := d.apply(ctx, kernel.Stop, op)
	switch {
	case err != nil:
		return is(err, want, describe(op))
	case res[0].Done:
		return fmt.Errorf("%s was done, want %s", describe(op), want)
	}
	return is(res[0].Err.Err(), want, describe(op))
}

var opNames = map[kernel.OpKind]string{
	kernel.AddSA: "AddSA", kernel.UpdateSA: "UpdateSA", kernel.DeleteSA: "DeleteSA",
	kernel.AddPolicy: "AddPolicy", kernel.UpdatePolicy: "UpdatePolicy", kernel.DeletePolicy: "DeletePolicy",
	kernel.FlushSAs: "FlushSAs", kernel.FlushPolicies: "FlushPolicies",
	kernel.AddAddress: "AddAddress", kernel.DeleteAddress: "DeleteAddress", kernel.AddRoute: "AddRoute", kernel.DeleteRoute: "DeleteRoute",
	kernel.Bypass: "Bypass", kernel.AcquireDone: "AcquireDone",
}

// describe is op in a failure, without keys.
func describe(op kernel.Op) string {
	name := opNames[op.Kind]
	if name == "" {
		name = fmt.Sprintf("op %d", op.Kind)
	}
	switch {
	case op.SA != nil:
		name += fmt.Sprintf(" of protocol %d, SPI %#x to %v", op.SA.Key.Proto, op.SA.Key.SPI, op.SA.Key.Dst)
	case op.Policy != nil:
		name += fmt.Sprintf(" of direction %d from %v to %v", op.Policy.Key.Dir, op.Policy.Key.Sel.Src, op.Policy.Key.Sel.Dst)
	}
	return name
}

// sas finds an SA in a dump.
func (d *bed) sa(ctx context.Context, key kernel.Key) (found *kernel.SA, err error) {
	err = d.Dump(ctx, kernel.DumpFilter{SAs: true}, func(o kernel.Object) error {
		if o.SA != nil && sameSA(o.SA.Key, key) {
			if found != nil {
				return fmt.Errorf("the dump has the SA with SPI %#x to %v twice", key.SPI, key.Dst)
			}
			found = o.SA
		}
		return nil
	})
	return found, err
}

func sameSA(a, b kernel.Key) bool {
	return a.SPI == b.SPI && a.Dst.Unmap() == b.Dst.Unmap() && a.Proto == b.Proto
}

// inDump finds a policy in a dump.
func (d *bed) inDump(ctx context.Context, key kernel.PolicyKey) (found *kernel.Policy, err error) {
	err = d.Dump(ctx, kernel.DumpFilter{Policies: true}, func(o kernel.Object) error {
		if o.Policy != nil && samePolicy(o.Policy.Key, key) {
			if found != nil {
				return fmt.Errorf("the dump has the policy from %v to %v twice", key.Sel.Src, key.Sel.Dst)
			}
			found = o.Policy
		}
		return nil
	})
	return found, err
}

func samePolicy(a, b kernel.PolicyKey) bool {
	return a.Sel == b.Sel && a.Dir == b.Dir && a.IfID == b.IfID && deref(a.Mark) == deref(b.Mark)
}

func deref(m *kernel.Mark) kernel.Mark {
	if m == nil {
		return kernel.Mark{}
	}
	return *m
}

// SendUDP sends a datagram from an ordinary socket, which needs a route to it. For
// KernelWant.Send.
func SendUDP(ctx context.Context, to netip.AddrPort) error {
	var dialer net.Dialer
	c, err := dialer.DialContext(ctx, "udp", to.String())
	if err == nil {
		_, err = c.Write(make([]byte, 72))
		c.Close()
	}
	return noRoute(err)
}
