package plugintest

import (
	"context"
	"errors"
	"fmt"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

var dumpChecks = []kernelCheck{
	{name: "a dump has what was asked for and nothing else", run: dumpFilters,
		fix: "look at every field of DumpFilter; with ReqIDs only objects that have one of them"},
	{name: "a dump of many policies has each of them once", run: manyPolicies,
		fix: "stream what the kernel says and pass it on at once; where its dump can be cut short (a full socket buffer) notice it and begin anew, or fail: an engine that believes in a partial dump deletes tunnels"},
	{name: "a dump of many SAs has each of them once", sas: true, run: manySAs,
		fix: "as for policies; an SA that is missing from a dump is one the engine negotiates anew"},
	{name: "a dump that its caller leaves ends, and the plugin goes on", run: leftDump,
		fix: "return the error of the function Dump was given, and look at the context: a dump must not go on for nobody, nor hold a lock"},
}

// many is how many objects are in a big dump: more than any buffer of one read.
const many = 1000

func dumpFilters(ctx context.Context, d *bed) error {
	mine, other := d.policy(), d.policy()
	mine.Templates[0].ReqID, other.Templates[0].ReqID = 16380, 16381
	ops := []kernel.Op{policyOp(kernel.AddPolicy, mine), policyOp(kernel.AddPolicy, other)}
	sa, otherSA := d.newSA(), d.newSA()
	sa.ReqID, otherSA.ReqID = 16380, 16381
	if !d.want.NoSAs {
		ops = append(ops, saOp(kernel.AddSA, sa), saOp(kernel.AddSA, otherSA))
	}
	if err := d.must(ctx, ops...); err != nil {
		return err
	}
	for _, f := range []kernel.DumpFilter{{}, {SAs: true}, {Policies: true}, {Addresses: true}, {SAs: true, Policies: true, ReqIDs: []uint32{16380}}} {
		policies, sas := 0, 0
		err := d.Dump(ctx, f, func(o kernel.Object) error {
			switch {
			case o.SA != nil && f.SAs:
				if len(f.ReqIDs) > 0 && o.SA.ReqID != 16380 {
					return fmt.Errorf("filter %+v: an SA of request ID %d", f, o.SA.ReqID)
				}
				sas++
			case o.Policy != nil && f.Policies:
				if len(f.ReqIDs) > 0 && (len(o.Policy.Templates) == 0 || o.Policy.Templates[0].ReqID != 16380) {
					return fmt.Errorf("filter %+v: a policy with templates %+v", f, o.Policy.Templates)
				}
				policies++
			case o.SA == nil && o.Policy == nil && f.Addresses:
			default:
				return fmt.Errorf("filter %+v: it has %+v", f, o)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if f.Policies && policies == 0 || f.SAs && sas == 0 && !d.want.NoSAs {
			return fmt.Errorf("filter %+v: %d SAs and %d policies", f, sas, policies)
		}
	}
	return nil
}

func manyPolicies(ctx context.Context, d *bed) error {
	seen := map[kernel.PolicyKey]int{}
	name := func(k kernel.PolicyKey) kernel.PolicyKey { return kernel.PolicyKey{Dir: k.Dir, Sel: k.Sel} }
	var ops []kernel.Op
	for range many {
		p := d.policy()
		seen[name(p.Key)] = 0
		ops = append(ops, policyOp(kernel.AddPolicy, p))
	}
	if err := d.must(ctx, ops...); err != nil {
		return err
	}
	err := d.Dump(ctx, kernel.DumpFilter{Policies: true}, func(o kernel.Object) error {
		if _, ours := seen[name(o.Policy.Key)]; ours {
			seen[name(o.Policy.Key)]++
		}
		return nil
	})
	if err != nil {
		return err
	}
	return onceEach(seen)
}

func manySAs(ctx context.Context, d *bed) error {
	seen := map[uint32]int{}
	var ops []kernel.Op
	for range many {
		sa := d.newSA()
		seen[sa.Key.SPI] = 0
		ops = append(ops, saOp(kernel.AddSA, sa))
	}
	if err := d.must(ctx, ops...); err != nil {
		return err
	}
	err := d.Dump(ctx, kernel.DumpFilter{SAs: true}, func(o kernel.Object) error {
		if _, ours := seen[o.SA.Key.SPI]; ours {
			seen[o.SA.Key.SPI]++
		}
		return nil
	})
	if err != nil {
		return err
	}
	return onceEach(seen)
}

func onceEach[K comparable](seen map[K]int) error {
	missing, twice := 0, 0
	for _, n := range seen {
		switch {
		case n == 0:
			missing++
		case n > 1:
			twice++
		}
	}
	if missing+twice == 0 {
		return nil
	}
	return fmt.Errorf("of %d objects %d are missing from the dump and %d are in it more than once", len(seen), missing, twice)
}

func leftDump(ctx context.Context, d *bed) error {
	var ops []kernel.Op
	for range 2 * many {
		ops = append(ops, policyOp(kernel.AddPolicy, d.policy()))
	}
	if err := d.must(ctx, ops...); err != nil {
		return err
	}
	enough := errors.New("enough")
	if err := d.Dump(ctx, kernel.DumpFilter{Policies: true}, func(kernel.Object) error { return enough }); !errors.Is(err, enough) {
		return fmt.Errorf("a dump whose reader had enough: %w", err)
	}
	leaving, leave := context.WithCancel(ctx)
	err := d.Dump(leaving, kernel.DumpFilter{Policies: true}, func(kernel.Object) error { leave(); return nil })
	leave()
	if err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("a dump whose reader has gone: %w", err)
	}
	return d.policyIs(ctx, ops[0].Policy.Key, ops[0].Policy) // it still answers
}
