package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/doi"
	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/oakley"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/plugintest/kerneltest"
)

var behind = policy.Selector{Local: prefix("10.2.0.0/16"), Remote: prefix("10.1.0.0/16")}

// onWish is the pair of policies a machine generates for traffic.
func onWish(sel policy.Selector, reqID uint32) spd.Pair {
	p := spd.PairFor(sel)
	p.Generated = true
	t := spd.Template{Proto: 50, Mode: spd.Tunnel, Level: spd.LevelUnique, ReqID: reqID, Src: here.Local.Addr(), Dst: here.Remote.Addr()}
	p.Out.Templates = []spd.Template{t}
	t.Src, t.Dst = t.Dst, t.Src
	p.In.Templates = []spd.Template{t}
	return p
}

// policyOps are the changes that make or remove a pair.
func policyOps(kind ike.OpKind, p spd.Pair) (ops []ike.SAOp) {
	fwd, _ := p.Forward()
	for _, q := range []spd.Policy{p.Out, p.In, fwd} {
		ops = append(ops, ike.SAOp{Kind: kind, Policy: &q})
	}
	return ops
}

// inKernel lists the policies of a kernel with their request IDs, in the ledger's words.
func inKernel(t *testing.T, k kernel.Backend) (all []string) {
	t.Helper()
	err := k.Dump(context.Background(), kernel.DumpFilter{Policies: true}, func(o kernel.Object) error {
		p := spdPolicy(o.Policy)
		all = append(all, formatPolicy(p.Key, reqIDOf(p)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

// generating is an engine over the SDK's fake kernel.
func generating(t *testing.T, k *kerneltest.Fake, dir string) *house {
	h := newHouse(t, Options{RunDir: dir})
	h.Engine.kernel = k
	return h
}

func lastReply(t *testing.T, m *script) ike.Reply {
	t.Helper()
	synctest.Wait()
	rs := replies(m)
	if len(rs) == 0 {
		t.Fatal("no reply")
	}
	return rs[len(rs)-1]
}

func TestGeneratedPoliciesAreOneMachinesFromReservationToTheirEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := kerneltest.New()
		h := generating(t, k, t.TempDir()).start(t)
		a, ma := h.peer("a")
		b, mb := h.peer("b")
		taken := func(m *script, want bool) {
			t.Helper()
			var none *ike.NoPolicyError
			if err := lastReply(t, m).Err; !errors.As(err, &none) || none.Taken != want {
				t.Errorf("%v, want one that is taken: %v", err, want)
			}
		}
		h.calls(a, ike.ReservePolicy{Selector: behind})
		id, _ := lastReply(t, ma).Value.(uint32)
		if id == 0 {
			t.Fatalf("%+v", lastReply(t, ma))
		}
		h.calls(b, ike.ReservePolicy{Selector: behind})
		taken(mb, true)

		pair := onWish(behind, id)
		h.calls(a, ike.Apply{Ops: append([]ike.SAOp{outbound(0x22)}, policyOps(ike.InstallPolicy, pair)...)})
		if err := lastReply(t, ma).Err; err != nil {
			t.Fatal(err)
		}
		want := []string{"fwd 10.1.0.0/16 0 10.2.0.0/16 0 0 1", "in 10.1.0.0/16 0 10.2.0.0/16 0 0 1", "out 10.2.0.0/16 0 10.1.0.0/16 0 0 1"}
		if diff := cmp.Diff(want, inKernel(t, k)); diff != "" {
			t.Errorf("in the kernel: %s", diff)
		}
		h.calls(a, ike.MatchPolicy{Path: here, Selector: behind})
		taken(ma, false) // it makes them anew
		narrow := policy.Selector{Local: behind.Local, Remote: prefix("10.1.7.0/24")}
		h.calls(b, ike.MatchPolicy{Path: here, Selector: narrow})
		taken(mb, true)
		h.calls(a, ike.ReservePolicy{Selector: behind})
		if r := lastReply(t, ma); r.Value != id {
			t.Errorf("the same again: %+v", r)
		}
		h.calls(b, ike.ReservePolicy{Selector: narrow})
		if taken(mb, true); lastReply(t, mb).Value != nil {
			t.Errorf("with an error the reply has %v", lastReply(t, mb).Value)
		}
		h.calls(b, ike.ReservePolicy{Selector: policy.Selector{Local: behind.Local, Remote: prefix("10.3.0.0/16")}})
		if r := lastReply(t, mb); r.Err != nil || r.Value == id || r.Value == nil {
			t.Errorf("the request ID of another selector: %+v", r)
		}

		// Another machine cannot remove them.
		h.calls(b, ike.Apply{Ops: policyOps(ike.DeletePolicy, pair)})
		lastReply(t, mb)
		if diff := cmp.Diff(want, inKernel(t, k)); diff != "" {
			t.Errorf("after the wrong machine's deletion: %s", diff)
		}
		h.calls(a, ike.Apply{Ops: append([]ike.SAOp{remove(outbound(0x22))}, policyOps(ike.DeletePolicy, pair)...)})
		if err := lastReply(t, ma).Err; err != nil || len(inKernel(t, k)) != 0 || len(h.ledger.allPolicies()) != 0 {
			t.Errorf("%v, in the kernel %v, in the ledger %v", err, inKernel(t, k), h.ledger.allPolicies())
		}
		h.calls(b, ike.ReservePolicy{Selector: behind})
		if err := lastReply(t, mb).Err; err != nil {
			t.Errorf("what nobody has any more: %v", err)
		}
	})
}

func TestTrafficIsNobodysWhileItsPoliciesAreBeingDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, hold := kerneltest.New(), make(chan struct{})
		held := false
		k.Before = func(_ context.Context, method string) error {
			if held && method == "Apply" {
				<-hold
			}
			return nil
		}
		h := generating(t, k, "").start(t)
		a, m := h.peer("a")
		h.calls(a, ike.ReservePolicy{Selector: behind})
		lastReply(t, m)
		pair := onWish(behind, 1)
		h.calls(a, ike.Apply{Ops: policyOps(ike.InstallPolicy, pair)})
		lastReply(t, m)
		held = true
		h.calls(a, ike.Apply{Ops: policyOps(ike.DeletePolicy, pair)})
		synctest.Wait()
		h.calls(a, ike.ReservePolicy{Selector: behind})
		if err := lastReply(t, m).Err; !errors.As(err, new(*ike.Unavailable)) {
			t.Errorf("%v", err)
		}
		close(hold)
		synctest.Wait()
		h.calls(a, ike.ReservePolicy{Selector: behind})
		if r := lastReply(t, m); r.Err != nil || len(inKernel(t, k)) != 0 {
			t.Errorf("%+v, in the kernel %v", r, inKernel(t, k))
		}
	})
}

func TestPoliciesOfADeadProcessAreDeletedAtTheNextStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, dir := kerneltest.New(), t.TempDir()
		dead := generating(t, k, dir)
		dead.start(t)
		a, m := dead.peer("a")
		other := policy.Selector{Local: prefix("2001:db8:2::/48"), Remote: prefix("2001:db8:1::/48"), LocalPort: 1701, Proto: 17}
		h := dead
		for i, sel := range []policy.Selector{behind, other} {
			h.calls(a, ike.ReservePolicy{Selector: sel})
			h.calls(a, ike.Apply{Ops: policyOps(ike.InstallPolicy, onWish(sel, uint32(i+1)))})
		}
		lastReply(t, m)
		file, err := os.ReadFile(filepath.Join(dir, "sas"))
		if err != nil || !strings.Contains(string(file), "+p out 2001:db8:2::/48 1701 2001:db8:1::/48 0 17 2\n") {
			t.Errorf("%v, the ledger says\n%s", err, file)
		}
		// Somebody has put a policy of its own in the place of one of them.
		theirs := onWish(behind, 99).Out
		if _, err := k.Apply(t.Context(), []kernel.Transaction{{Ops: []kernel.Op{policyOp(kernel.UpdatePolicy, theirs)}}}); err != nil {
			t.Fatal(err)
		}
		dead.stop()
		dead.end()

		next := generating(t, k, dir).start(t)
		if diff := cmp.Diff([]string{"out 10.2.0.0/16 0 10.1.0.0/16 0 0 99"}, inKernel(t, k)); diff != "" {
			t.Errorf("after the start: %s", diff)
		}
		if left := next.ledger.allPolicies(); len(left) != 0 {
			t.Errorf("ledger %v", left)
		}
	})
}

func TestOnlyTrafficWithoutAPolicyIsFreeToGenerateFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := kerneltest.New()
		h := generating(t, k, "").start(t)
		bypass := policyOp(kernel.AddPolicy, spd.Policy{Key: spd.PairFor(behind).In.Key})
		bypass.Policy.Action = kernel.ActionNone
		if _, err := k.Apply(t.Context(), []kernel.Transaction{{Ops: []kernel.Op{bypass}}}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for remote, want := range map[string]bool{"10.1.5.0/24": true, "10.9.0.0/16": false} {
			_, err := h.matchPolicy(new(actor), ike.MatchPolicy{Selector: policy.Selector{Local: behind.Local, Remote: prefix(remote)}})
			var none *ike.NoPolicyError
			if !errors.As(err, &none) || none.Taken != want {
				t.Errorf("%s: %v, taken should be %v", remote, err, want)
			}
		}
	})
}

func TestRequestIDsOfPoliciesAreUnique(t *testing.T) {
	var g generated
	inUse := func(id uint32) bool { return id <= maxReqID || id%2 == 0 }
	seen := map[uint32]bool{}
	for i := range 3 * maxReqID {
		sel := policy.Selector{Local: prefix("10.0.0.0/8"), Remote: prefix("10.1.0.1/32"), RemotePort: uint16(i), Proto: 6}
		id, err := g.reserve(nil, sel, inUse)
		if err != nil || id == 0 || inUse(id) || seen[id] {
			t.Fatalf("number %d: %d, %v", i, id, err)
		}
		seen[id] = true
	}
}

func TestLedgerLinesOfPoliciesReadBack(t *testing.T) {
	for _, bad := range []string{"", "out", "out 10.0.0.0/8 0 10.1.0.0/16 0 0", "over 10.0.0.0/8 0 10.1.0.0/16 0 0 1", "out 10.0.0.0/8 0 10.1.0.0 0 0 1",
		"out 10.0.0.0/8 0 10.1.0.0/16 0 0 1 2", "out 10.0.0.0/8 0 10.1.0.0/16 0 0 -1", "out 10.0.0.0/8 70000 10.1.0.0/16 0 0 1"} {
		if k, id, ok := parsePolicy(bad); ok {
			t.Errorf("%q is %v %d", bad, k, id)
		}
	}
	k := spd.PairFor(behind).In.Key
	if got, id, ok := parsePolicy(formatPolicy(k, 7)); !ok || got != k || id != 7 {
		t.Errorf("%v %d %v", got, id, ok)
	}
}

// Two engines and two kernels of the SDK: a tunnel of IPComp in ESP whose policies are
// generated at one end, with a limit of octets, and gone when the other end goes.
func TestATunnelWithGeneratedPoliciesComesUpAndGoesDown(t *testing.T) {
	p := freePort(t)
	one, two := addr("127.0.0.1"), addr("127.0.0.2")
	gateway := peerSection(one, p, oakley.X25519)
	gateway.GeneratePolicy = policy.GenerateUnique
	ka, kb := kerneltest.New(), kerneltest.New()
	dir := t.TempDir()
	a := newEnd(t, one, p, endOptions{psk: onePSK{key: []byte("k")}, kernel: ka, remotes: []*policy.Remote{peerSection(two, p, oakley.X25519)}})
	b := newEnd(t, two, p, endOptions{psk: onePSK{key: []byte("k")}, kernel: kb, remotes: []*policy.Remote{gateway}, dir: dir,
		remote: doi.SAID(doi.PrefixID(prefix("10.0.0.0/8"), 0, 0))})
	out := tunnel("10.1.0.0/16", "10.2.0.0/16", "127.0.0.1", "127.0.0.2", 8)
	out.Templates[0].Proto = kerneltest.IPComp
	out.Templates = append(out.Templates, kernel.Template{Proto: kerneltest.ESP, Mode: kernel.ModeTransport, Level: kernel.LevelRequire, ReqID: out.Templates[0].ReqID})
	if _, err := ka.Apply(t.Context(), []kernel.Transaction{{Ops: []kernel.Op{{Kind: kernel.AddPolicy, Policy: out}, {Kind: kernel.AddPolicy, Policy: reverse(out)}}}}); err != nil {
		t.Fatal(err)
	}
	a.up(t)
	b.up(t)
	if err := a.Establish(t.Context(), EstablishRequest{Remote: two}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both ends are up", func() bool { return a.count(notice.Phase2Up) == 1 && b.count(notice.Phase2Up) == 1 })
	want := []string{"fwd 10.1.0.0/16 0 10.2.0.0/16 0 0 1", "in 10.1.0.0/16 0 10.2.0.0/16 0 0 1", "out 10.2.0.0/16 0 10.1.0.0/16 0 0 1"}
	if diff := cmp.Diff(want, inKernel(t, kb)); diff != "" {
		t.Errorf("policies: %s", diff)
	}
	var protos []uint8
	err := kb.Dump(t.Context(), kernel.DumpFilter{SAs: true, Policies: true}, func(o kernel.Object) error {
		switch {
		case o.SA != nil:
			protos = append(protos, o.SA.Key.Proto)
			if l := o.SA.Life; l.HardBytes != 1000<<10 || l.SoftBytes < 900<<10 || l.SoftBytes >= l.HardBytes || o.SA.ReqID != 1 || (o.SA.Comp == 2) != (o.SA.Key.Proto == kerneltest.IPComp) {
				t.Errorf("%+v", o.SA)
			}
		case o.Policy.Key.Dir == kernel.In:
			if !slices.Equal(o.Policy.Templates, []kernel.Template{
				{Proto: kerneltest.IPComp, Mode: kernel.ModeTunnel, Level: kernel.LevelUse, ReqID: 1, Src: one, Dst: two},
				{Proto: kerneltest.ESP, Mode: kernel.ModeTransport, Level: kernel.LevelUnique, ReqID: 1}}) {
				t.Errorf("inbound: %+v", o.Policy.Templates)
			}
		}
		return nil
	})
	if slices.Sort(protos); err != nil || !slices.Equal(protos, []uint8{kerneltest.ESP, kerneltest.ESP, kerneltest.IPComp, kerneltest.IPComp}) {
		t.Errorf("SAs of %v, %v", protos, err)
	}
	if err := a.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	eventually(t, "the policies go with the SAs", func() bool { return len(inKernel(t, kb)) == 0 && len(b.ledger.allPolicies()) == 0 })
}

// A client's network must not have another one's traffic in it.
func TestAGeneratedPolicyCoversNobodyElse(t *testing.T) {
	sel := func(remote string, proto uint8, port uint16) policy.Selector {
		return policy.Selector{Local: prefix("0.0.0.0/0"), Remote: prefix(remote), Proto: proto, RemotePort: port}
	}
	first, second := &actor{}, &actor{}
	for _, tt := range []struct {
		has, wants policy.Selector
		ok         bool
	}{
		{sel("10.9.1.0/24", 0, 0), sel("10.9.0.0/16", 0, 0), false},
		{sel("10.9.1.1/32", 0, 0), sel("0.0.0.0/0", 0, 0), false},
		{sel("10.9.1.0/24", 6, 22), sel("10.9.0.0/16", 0, 0), false},
		{sel("10.9.1.0/24", 6, 22), sel("10.9.0.0/16", 6, 80), true},
		{sel("10.9.1.0/24", 6, 22), sel("10.9.0.0/16", 17, 0), true},
		{sel("10.9.1.0/24", 0, 0), sel("10.9.2.0/24", 0, 0), true},
		{sel("10.9.1.1/32", 0, 0), sel("10.9.1.2/32", 0, 0), true},
		{sel("10.9.1.0/24", 0, 0), sel("2001:db8::/32", 0, 0), true},
	} {
		var g generated
		free := func(uint32) bool { return false }
		if _, err := g.reserve(first, tt.has, free); err != nil {
			t.Fatal(err)
		}
		if _, err := g.reserve(second, tt.wants, free); (err == nil) != tt.ok {
			t.Errorf("%v beside %v: %v", tt.wants, tt.has, err)
		}
		if _, err := g.reserve(first, tt.wants, free); tt.ok == (err == nil) {
			t.Errorf("%v for who has %v: %v", tt.wants, tt.has, err)
		}
	}
}

// What the kernel plugin refuses to delete does not keep its traffic for ever: the next
// comparison with the kernel finds it by the ledger.
func TestTrafficIsFreeWhenTheDeletionIsRefused(t *testing.T) {
	h := newHouse(t, Options{})
	a, b := &actor{}, &actor{}
	if _, err := h.generated.reserve(a, behind, h.spd.UsesReqID); err != nil {
		t.Fatal(err)
	}
	h.kern.fault = func(kernel.Transaction) (before, after error) { return errs.Errorf(errs.Invalid, "no"), nil }
	ending := h.generated.leave(a, []spd.Policy{onWish(behind, 1).Out})
	if err := h.deleteSAs(nil, ending); len(ending) != 1 || err == nil {
		t.Fatalf("%d policies, %v", len(ending), err)
	}
	if _, err := h.generated.reserve(b, behind, h.spd.UsesReqID); err != nil {
		t.Error(err)
	}
}
