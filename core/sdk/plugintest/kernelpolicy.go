package plugintest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

var policyChecks = []kernelCheck{
	{name: "a policy can be added, dumped, found, changed and deleted", run: policyLife,
		fix: "Dump, Query and Apply must speak of the same policies at any moment"},
	{name: "a policy comes back from the dump field by field", run: policyFields,
		fix: "keep every field, or refuse the op as UNSUPPORTED: what is dropped in silence leaves packets in clear, or waiting"},
	{name: "a policy that is there is not added again", run: policyTwice,
		fix: "AddPolicy of a selector, direction, mark and interface that exist is errs.Exists and changes nothing"},
	{name: "an update of a policy that is not there adds it", run: policyUpdateAdds,
		fix: "UpdatePolicy is add or replace: the engine makes generated policies with it"},
	{name: "marks and interface IDs are part of a policy's name, or refused", run: policyMarks,
		fix: "FeatMark and FeatIfID promise that policies that differ in them alone are two; without the feature the op is UNSUPPORTED"},
	{name: "a policy with an index is found by it", run: policyIndex,
		fix: "where dumps tell an index (PolicyKey.ID) a query for it finds the policy"},
	{name: "policies are flushed when told", run: flushPolicies,
		fix: "FlushPolicies removes every policy and announces PolicyFlushed; with none there it is no error"},
}

// policy is one between networks nobody uses, different at each call. It asks for no
// priority, which not every kernel has, and for a request ID below 16384: PF_KEY's
// kernels choose those above.
func (d *bed) policy() *kernel.Policy {
	n := d.next()
	src := netip.AddrFrom4([4]byte{198, 51, 100, byte(n)})
	dst := netip.AddrFrom4([4]byte{203, 0, 113, byte(n >> 8)})
	p := &kernel.Policy{
		Key:       kernel.PolicyKey{Dir: kernel.Out, Sel: kernel.Selector{Src: netip.PrefixFrom(src, 32), Dst: netip.PrefixFrom(dst, 32)}},
		Action:    kernel.ActionIPsec,
		Templates: []kernel.Template{{Proto: esp, Mode: kernel.ModeTunnel, Level: kernel.LevelUnique, ReqID: 12000 + n%4000, Src: here, Dst: there}},
	}
	if !d.want.NoSAs && !d.has(kernel.FeatTunnel) {
		p.Templates[0].Mode = kernel.ModeTransport
	}
	return p
}

// differs tells which fields of a policy are not as they were given.
func policyDiffers(got, want *kernel.Policy) error {
	var bad []string
	note := func(name string, got, want any) {
		if got != want {
			bad = append(bad, fmt.Sprintf("%s is %v, want %v", name, got, want))
		}
	}
	note("Key.Dir", got.Key.Dir, want.Key.Dir)
	note("Key.Sel", got.Key.Sel, want.Key.Sel)
	note("Key.Mark", deref(got.Key.Mark), deref(want.Key.Mark))
	note("Key.IfID", got.Key.IfID, want.Key.IfID)
	if got.Action != want.Action && !(passes(got.Action) && passes(want.Action)) { // none and bypass are the same to packets
		note("Action", got.Action, want.Action)
	}
	note("Priority", got.Priority, want.Priority)
	note("Life.HardTime", got.Life.HardTime, want.Life.HardTime)
	note("the number of templates", len(got.Templates), len(want.Templates))
	for i := range min(len(got.Templates), len(want.Templates)) {
		g, w := got.Templates[i], want.Templates[i]
		g.Src, g.Dst, w.Src, w.Dst = plain(g.Src), plain(g.Dst), plain(w.Src), plain(w.Dst)
		note(fmt.Sprintf("Templates[%d]", i), g, w)
	}
	return complain("the dump's policy", bad)
}

func complain(what string, bad []string) error {
	if bad == nil {
		return nil
	}
	return errors.New(what + ": " + strings.Join(bad, "; "))
}

func passes(action uint8) bool { return action == kernel.ActionNone || action == kernel.ActionBypass }

// plain is a without the ways of writing no address.
func plain(a netip.Addr) netip.Addr {
	if a = a.Unmap(); a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}

// policyIs checks that the dump has a policy as it was given, or with nil not at all.
func (d *bed) policyIs(ctx context.Context, key kernel.PolicyKey, want *kernel.Policy) error {
	got, err := d.inDump(ctx, key)
	switch {
	case err != nil:
		return err
	case want == nil && got != nil:
		return fmt.Errorf("the dump has the policy from %v to %v, which should not be there", key.Sel.Src, key.Sel.Dst)
	case want == nil:
		return nil
	case got == nil:
		return fmt.Errorf("the dump does not have the policy from %v to %v", key.Sel.Src, key.Sel.Dst)
	}
	return policyDiffers(got, want)
}

func policyLife(ctx context.Context, d *bed) error {
	p := d.policy()
	if err := d.must(ctx, policyOp(kernel.AddPolicy, p)); err != nil {
		return err
	}
	if err := d.policyIs(ctx, p.Key, p); err != nil {
		return err
	}
	stats, err := d.Query(ctx, []kernel.Key{{Policy: &p.Key}})
	if err != nil || !stats[0].Found {
		return fmt.Errorf("a query does not find the policy: %+v, %v", stats, err)
	}
	p.Templates[0].ReqID++
	if err := d.must(ctx, policyOp(kernel.UpdatePolicy, p)); err != nil {
		return err
	}
	if err := d.policyIs(ctx, p.Key, p); err != nil {
		return fmt.Errorf("after an update: %w", err)
	}
	if err := d.must(ctx, policyOp(kernel.DeletePolicy, p)); err != nil {
		return err
	}
	if err := d.policyIs(ctx, p.Key, nil); err != nil {
		return fmt.Errorf("after the delete: %w", err)
	}
	if stats, err = d.Query(ctx, []kernel.Key{{Policy: &p.Key}}); err != nil || stats[0].Found {
		return fmt.Errorf("after the delete a query says %+v, %v", stats, err)
	}
	return d.refuses(ctx, policyOp(kernel.DeletePolicy, p), errs.NotFound)
}

// policyKinds are policies a back end has as they are, or refuses. required: every
// one has it.
var policyKinds = []struct {
	name     string
	required bool
	change   func(*kernel.Policy)
}{
	{"outbound", true, func(*kernel.Policy) {}},
	{"inbound", true, func(p *kernel.Policy) { p.Key.Dir = kernel.In }},
	{"forwarded", false, func(p *kernel.Policy) { p.Key.Dir = kernel.Fwd }},
	{"between networks", true, func(p *kernel.Policy) {
		p.Key.Sel.Dst = netip.PrefixFrom(p.Key.Sel.Dst.Addr(), 25).Masked()
		p.Key.Sel.Src = netip.PrefixFrom(p.Key.Sel.Src.Addr(), 26).Masked()
	}},
	{"of one protocol", true, func(p *kernel.Policy) { p.Key.Sel.Proto = 6 }},
	{"of one service", true, func(p *kernel.Policy) { p.Key.Sel.Proto, p.Key.Sel.DstPort = 6, 443 }},
	{"from one port to another", true, func(p *kernel.Policy) {
		p.Key.Sel.Proto, p.Key.Sel.SrcPort, p.Key.Sel.DstPort = 17, 1701, 1701
	}},
	{"that discards", true, func(p *kernel.Policy) { p.Action, p.Templates = kernel.ActionDiscard, nil }},
	{"that lets pass in clear", true, func(p *kernel.Policy) { p.Action, p.Templates = kernel.ActionNone, nil }},
	{"of transport mode", false, func(p *kernel.Policy) {
		p.Templates = []kernel.Template{{Proto: esp, Mode: kernel.ModeTransport, Level: kernel.LevelUnique, ReqID: 16379}}
	}},
	{"of BEET mode", false, func(p *kernel.Policy) { p.Templates[0].Mode = kernel.ModeBEET }},
	{"that asks for any SA", true, func(p *kernel.Policy) { p.Templates[0].Level, p.Templates[0].ReqID = kernel.LevelRequire, 0 }},
	{"that takes SAs if there are any", true, func(p *kernel.Policy) {
		p.Key.Dir = kernel.In // Linux wants no optional tunnel on the way out
		p.Templates[0].Level, p.Templates[0].ReqID = kernel.LevelUse, 0
	}},
	{"with AH outside ESP", false, func(p *kernel.Policy) {
		inner := p.Templates[0]
		inner.Mode, inner.Src, inner.Dst = kernel.ModeTransport, netip.Addr{}, netip.Addr{}
		p.Templates = []kernel.Template{p.Templates[0], inner}
		p.Templates[1].Proto = ah
	}},
	{"with IPComp inside ESP", false, func(p *kernel.Policy) {
		p.Key.Dir = kernel.In
		outer := p.Templates[0]
		outer.Mode, outer.Src, outer.Dst = kernel.ModeTransport, netip.Addr{}, netip.Addr{}
		p.Templates[0].Proto, p.Templates[0].Level, p.Templates[0].ReqID = ipcomp, kernel.LevelUse, 0
		p.Templates = append(p.Templates, outer)
	}},
	{"of a lower priority number", false, func(p *kernel.Policy) { p.Priority = -7 }},
	{"of a higher priority number", false, func(p *kernel.Policy) { p.Priority = 2000 }},
	{"for a time", false, func(p *kernel.Policy) { p.Life.HardTime = time.Hour }},
	{"of IPv6", false, func(p *kernel.Policy) {
		p.Key.Sel.Src, p.Key.Sel.Dst = netip.MustParsePrefix("2001:db8:a::/48"), netip.MustParsePrefix("2001:db8:b::/48")
		p.Templates[0].Src, p.Templates[0].Dst = here6, there6
	}},
	{"of IPv6 inside IPv4", false, func(p *kernel.Policy) {
		p.Key.Sel.Src, p.Key.Sel.Dst = netip.MustParsePrefix("2001:db8:c::/48"), netip.MustParsePrefix("2001:db8:d::/48")
	}},
}

func policyFields(ctx context.Context, d *bed) error {
	var all error
	for _, k := range policyKinds {
		p := d.policy()
		k.change(p)
		if err := d.keepsPolicy(ctx, p, k.required); err != nil {
			all = errors.Join(all, fmt.Errorf("a policy %s: %w", k.name, err))
		}
	}
	return all
}

// keepsPolicy adds a policy, reads it back and deletes it; a refusal is fine where
// it is not required.
func (d *bed) keepsPolicy(ctx context.Context, p *kernel.Policy, required bool) error {
	res, err := d.apply(ctx, kernel.Stop, policyOp(kernel.AddPolicy, p))
	switch {
	case err != nil:
		return err
	case !res[0].Done && !required:
		if err := is(res[0].Err.Err(), errs.Unsupported, "it is not there, and the reason"); err != nil {
			return err
		}
		return d.policyIs(ctx, p.Key, nil)
	case !res[0].Done:
		return orNoReason(res[0].Err)
	}
	return errors.Join(d.policyIs(ctx, p.Key, p), d.must(ctx, policyOp(kernel.DeletePolicy, p)), d.policyIs(ctx, p.Key, nil))
}

func policyTwice(ctx context.Context, d *bed) error {
	p := d.policy()
	again := *p
	again.Action, again.Templates = kernel.ActionDiscard, nil
	if err := d.must(ctx, policyOp(kernel.AddPolicy, p)); err != nil {
		return err
	}
	return errors.Join(d.refuses(ctx, policyOp(kernel.AddPolicy, &again), errs.Exists), d.policyIs(ctx, p.Key, p))
}

func policyUpdateAdds(ctx context.Context, d *bed) error {
	p := d.policy()
	if err := d.must(ctx, policyOp(kernel.UpdatePolicy, p)); err != nil {
		return err
	}
	return d.policyIs(ctx, p.Key, p)
}

func policyMarks(ctx context.Context, d *bed) error {
	plain, marked, bound := d.policy(), d.policy(), d.policy()
	marked.Key, bound.Key = plain.Key, plain.Key
	marked.Key.Mark = &kernel.Mark{Value: 0x17, Mask: 0xff}
	bound.Key.IfID = 23
	all := []*kernel.Policy{plain}
	for _, v := range []struct {
		feature kernel.Feature
		p       *kernel.Policy
	}{{kernel.FeatMark, marked}, {kernel.FeatIfID, bound}} {
		if d.has(v.feature) {
			all = append(all, v.p)
		} else if err := d.refuses(ctx, policyOp(kernel.AddPolicy, v.p), errs.Unsupported); err != nil {
			return err
		}
	}
	for _, p := range all {
		if err := d.must(ctx, policyOp(kernel.AddPolicy, p)); err != nil {
			return err
		}
	}
	for i, p := range all { // each is found and deleted alone
		for _, q := range all[i:] {
			if err := d.policyIs(ctx, q.Key, q); err != nil {
				return err
			}
		}
		if err := d.must(ctx, policyOp(kernel.DeletePolicy, p)); err != nil {
			return err
		}
	}
	return nil
}

func policyIndex(ctx context.Context, d *bed) error {
	p := d.policy()
	if err := d.must(ctx, policyOp(kernel.AddPolicy, p)); err != nil {
		return err
	}
	got, err := d.inDump(ctx, p.Key)
	if err != nil || got == nil {
		return fmt.Errorf("the dump has %+v, %v", got, err)
	}
	if got.Key.ID == 0 {
		return skip("its dumps tell no index")
	}
	stats, err := d.Query(ctx, []kernel.Key{{Policy: &got.Key}})
	if err != nil || !stats[0].Found {
		return fmt.Errorf("a query for policy index %d: %+v, %v", got.Key.ID, stats, err)
	}
	return nil
}

func flushPolicies(ctx context.Context, d *bed) error {
	if !d.want.Exclusive {
		return skip("this kernel may be somebody else's too (KernelWant.Exclusive, --flush)")
	}
	p := d.policy()
	if err := d.must(ctx, policyOp(kernel.AddPolicy, p)); err != nil {
		return err
	}
	l, err := d.listen(ctx, 0)
	if err != nil {
		return err
	}
	flush := kernel.Op{Kind: kernel.FlushPolicies}
	if err := d.must(ctx, flush, flush); err != nil {
		return err
	}
	if err := d.policyIs(ctx, p.Key, nil); err != nil || !d.has(kernel.FeatPolicyEvents) {
		return err
	}
	_, err = l.await(ctx, "PolicyFlushed", func(e kernel.Event) bool { return e.Kind == kernel.PolicyFlushed })
	return err
}
