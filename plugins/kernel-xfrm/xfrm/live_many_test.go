//go:build linux

package xfrm

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/plugintest/kernellive"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// TestADumpGivesBackWhatWasInstalled compares all that an SA or a policy has.
func TestADumpGivesBackWhatWasInstalled(t *testing.T) {
	b, caps := liveESP(t)
	b.cfg.DumpKeys = true
	if marks := kernel.FeatMark | kernel.FeatIfID | kernel.FeatOutputMark; caps.Features&marks != marks {
		t.Errorf("features %b: this kernel ignores marks or interfaces", caps.Features)
	}
	want := map[kernel.Key]*kernel.SA{}
	for _, sa := range goldenSAs() {
		if sa.ESN && caps.Features&kernel.FeatESN == 0 {
			t.Fatal("this kernel has no extended sequence numbers")
		}
		kernellive.Apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddSA, SA: sa})
		sa.State = kernel.Mature
		if !b.knowsSADir() {
			sa.Dir = 0
		}
		if sa.ReplayWindow == 1 {
			sa.ReplayWindow = 32
		}
		if sa.Key.SPI == 0xc0ffee03 { // outbound
			sa.ReplayWindow = 0
		}
		for _, k := range []*kernel.AlgKey{sa.Encr, sa.Auth} {
			if k != nil && k.Trunc == 0 {
				k.Trunc = standardICV(k, k == sa.Encr)
			}
		}
		want[saName(sa)] = sa
	}
	options := []cmp.Option{
		cmp.Transformer("reveal", func(b secret.Bytes) string { return string(b.Reveal()) }),
		cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
		cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
		cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Current" }, cmp.Ignore()),
	}
	for _, o := range kernellive.Dump(t, b, kernel.DumpFilter{SAs: true, WithKeys: true}) {
		if d := cmp.Diff(want[saName(o.SA)], o.SA, options...); d != "" {
			t.Errorf("%s (-installed +dumped)\n%s", describeKey(o.SA.Key), d)
		}
		if o.SA.Current.HardTime > time.Minute || o.Stats.Added.IsZero() {
			t.Errorf("%s: %+v, added %v", describeKey(o.SA.Key), o.SA.Current, o.Stats.Added)
		}
		delete(want, saName(o.SA))
	}
	if len(want) != 0 {
		t.Errorf("%d SAs are missing in the dump", len(want))
	}
}

// saName is a key that can be compared.
func saName(sa *kernel.SA) kernel.Key {
	return kernel.Key{Dst: sa.Key.Dst, SPI: sa.Key.SPI, Proto: sa.Key.Proto}
}

func TestADumpGivesBackPolicies(t *testing.T) {
	b := live(t)
	want := map[kernel.Selector]*kernel.Policy{}
	for _, p := range goldenPolicies() {
		kernellive.Apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddPolicy, Policy: p})
		want[p.Key.Sel] = p
		if _, err := b.Query(t.Context(), []kernel.Key{{Policy: &p.Key}}); err != nil {
			t.Error(err)
		}
	}
	for _, o := range kernellive.Dump(t, b, kernel.DumpFilter{Policies: true}) {
		p := want[o.Policy.Key.Sel]
		if p == nil {
			t.Fatalf("unknown policy %+v", o.Policy)
		}
		p.Key.ID = o.Policy.Key.ID // the kernel's choice
		addrs := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
		prefixes := cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
		if d := cmp.Diff(p, o.Policy, addrs, prefixes); d != "" {
			t.Errorf("(-installed +dumped)\n%s", d)
		}
		delete(want, o.Policy.Key.Sel)
	}
	if len(want) != 0 {
		t.Errorf("%d policies are missing in the dump", len(want))
	}
}

// TestTwoThousandSAsAndPolicies adds, dumps, asks for and deletes them.
func TestTwoThousandSAsAndPolicies(t *testing.T) {
	b, _ := liveESP(t)
	next := kernellive.Subscribe(t, b)
	const n = 2000
	var txns []kernel.Transaction
	var keys []kernel.Key
	for i := range n {
		sa, policy := liveSA(0x1000+uint32(i), kernel.In), outPolicy()
		sa.ReqID = 1 + uint32(i)
		policy.Key.Sel.Dst = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 10, byte(i >> 8), byte(i)}), 32)
		policy.Templates[0].ReqID = sa.ReqID
		txns = append(txns, kernel.Transaction{
			TxnID: fmt.Sprint("many ", i), OnError: kernel.Rollback,
			Ops: []kernel.Op{{Kind: kernel.AddSA, SA: sa}, {Kind: kernel.AddPolicy, Policy: policy}},
		})
		keys = append(keys, sa.Key, kernel.Key{Policy: &policy.Key})
	}
	timed := func(what string, f func()) {
		begin := time.Now()
		f()
		t.Logf("%s: %v", what, time.Since(begin).Round(time.Millisecond))
	}
	run := func() {
		res, err := b.Apply(t.Context(), txns)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range res {
			for _, op := range r.Ops {
				if !op.Done {
					t.Fatalf("transaction %d: %v", i, op.Err)
				}
			}
		}
	}
	timed("add", run)
	timed("the same again", run)
	var objects []kernel.Object
	timed("dump", func() { objects = kernellive.Dump(t, b, kernel.DumpFilter{SAs: true, Policies: true}) })
	if len(objects) != 2*n {
		t.Errorf("%d objects in the dump, want %d", len(objects), 2*n)
	}
	timed("query", func() {
		stats, err := b.Query(t.Context(), keys)
		if err != nil {
			t.Fatal(err)
		}
		if i := slices.IndexFunc(stats, func(s kernel.Stats) bool { return !s.Found }); i >= 0 {
			t.Errorf("object %d is not found", i)
		}
	})
	one := kernellive.Dump(t, b, kernel.DumpFilter{SAs: true, Policies: true, ReqIDs: []uint32{1500}})
	if len(one) != 2 || one[0].SA == nil || one[0].SA.ReqID != 1500 || one[1].Policy == nil {
		t.Errorf("the dump of one reqid has %d objects", len(one))
	}
	for i := range txns {
		txns[i].TxnID = ""
		txns[i].Ops[0].Kind, txns[i].Ops[1].Kind = kernel.DeleteSA, kernel.DeletePolicy
	}
	timed("delete", run)
	if left := len(kernellive.Dump(t, b, kernel.DumpFilter{SAs: true, Policies: true})); left != 0 {
		t.Errorf("%d objects are left", left)
	}
	for range n {
		next(kernel.PolicyDeleted)
	}
}

// TestThePolicyOfSmallestPriorityAsks has two policies for one packet.
func TestThePolicyOfSmallestPriorityAsks(t *testing.T) {
	b := live(t)
	kernellive.Path(t)
	next := kernellive.Subscribe(t, b)
	wide, narrow := outPolicy(), outPolicy()
	wide.Key.Sel.Dst, wide.Priority, wide.Templates[0].ReqID = prefix("10.9.0.0/16"), -5, 78
	narrow.Priority = 5
	kernellive.Apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddPolicy, Policy: narrow}, kernel.Op{Kind: kernel.AddPolicy, Policy: wide})
	kernellive.Send(t, "10.9.2.9:7777")
	if ev := next(kernel.Acquire); ev.Templates[0].ReqID != 78 || ev.Policy.Priority != -5 {
		t.Errorf("policy %+v asks, want that of priority -5", ev.Policy)
	}
	narrow.Priority = -6
	kernellive.Apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.UpdatePolicy, Policy: narrow})
	kernellive.Send(t, "10.9.2.9:7777")
	if ev := next(kernel.Acquire); ev.Templates[0].ReqID != 77 || ev.Policy.Priority != -6 {
		t.Errorf("policy %+v asks, want that of priority -6", ev.Policy)
	}
}

func TestOctetLimitsExpireAnSA(t *testing.T) {
	b, _ := liveESP(t)
	kernellive.Path(t)
	next := kernellive.Subscribe(t, b)
	sa := liveSA(0xabc6, kernel.Out)
	sa.Life.SoftBytes, sa.Life.HardBytes = 1, 100
	kernellive.Apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddPolicy, Policy: outPolicy()}, kernel.Op{Kind: kernel.AddSA, SA: sa})
	for range 2 { // the kernel looks at the limit before it counts
		kernellive.Send(t, "10.9.2.9:7777")
	}
	if ev := next(kernel.ExpireSoft, kernel.ExpireHard); ev.Kind != kernel.ExpireSoft || ev.Key.SPI != 0xabc6 {
		t.Errorf("event %+v, want a soft expire of 0xabc6", ev)
	}
	if list := kernellive.Dump(t, b, kernel.DumpFilter{SAs: true}); len(list) != 1 || list[0].SA.State != kernel.Dying {
		t.Errorf("between the limits: %s, want it dying", describeAll(list))
	}
	for range 6 {
		kernellive.Send(t, "10.9.2.9:7777")
	}
	if ev := next(kernel.ExpireSoft, kernel.ExpireHard); ev.Kind != kernel.ExpireHard || ev.Key.SPI != 0xabc6 {
		t.Errorf("event %+v, want a hard expire of 0xabc6", ev)
	}
}
