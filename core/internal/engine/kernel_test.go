package engine

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// tunnel is an outbound policy whose SAs run from local to remote.
func tunnel(src, dst, local, remote string, id uint32) *kernel.Policy {
	t := kernel.Template{Proto: 50, Mode: kernel.ModeTunnel, Level: kernel.LevelUnique, ReqID: id}
	t.Src, _ = netip.ParseAddr(local)
	t.Dst, _ = netip.ParseAddr(remote)
	return &kernel.Policy{Key: kernel.PolicyKey{Dir: kernel.Out, ID: id, Sel: kernel.Selector{Src: prefix(src), Dst: prefix(dst)}},
		Action: kernel.ActionIPsec, Templates: []kernel.Template{t}}
}

// reverse is the inbound policy that mirrors it.
func reverse(p *kernel.Policy) *kernel.Policy {
	q := *p
	q.Key.Dir, q.Key.ID = kernel.In, p.Key.ID+1
	q.Key.Sel.Src, q.Key.Sel.Dst = p.Key.Sel.Dst, p.Key.Sel.Src
	q.Templates = slices.Clone(p.Templates)
	q.Templates[0].Src, q.Templates[0].Dst = p.Templates[0].Dst, p.Templates[0].Src
	return &q
}

func TestAComparisonFindsWhatIsMissingAndWhatIsLeftOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		before := newHouse(t, Options{RunDir: dir})
		lost := entry("192.0.2.9", 0x77) // from before, and gone
		if err := before.ledger.add([]ledgerKey{entry("192.0.2.9", 0x88), lost}); err != nil {
			t.Fatal(err)
		}

		h := newHouse(t, Options{RunDir: dir})
		foreign, orphan := outbound(0x55), outbound(0x88)
		orphan.SA.Dst = addr("192.0.2.9")
		h.kern.larval(foreign, orphan)
		h.start(t)
		if diff := cmp.Diff([]uint32{0x55}, h.kern.spis()); diff != "" {
			t.Errorf("after the start: %s", diff)
		}
		if got := ledgerSPIs(h.ledger); len(got) != 0 {
			t.Errorf("ledger %v", got)
		}

		a, m := h.peer("p")
		h.kern.larval(inbound(0x11), inbound(0x12))
		h.calls(a, ike.Apply{Ops: []ike.SAOp{inbound(0x11), outbound(0x22)}}, ike.Apply{Ops: []ike.SAOp{inbound(0x12)}})
		synctest.Wait()
		h.kern.set(func() { delete(h.kern.sas, key(outbound(0x22))) })
		h.kern.tell(kernel.Event{Kind: kernel.Overflow})
		synctest.Wait()
		if diff := cmp.Diff([]ike.SAKey{key(outbound(0x22))}, toldLost(m), comparable_); diff != "" {
			t.Errorf("lost: %s", diff)
		}
		if diff := cmp.Diff([]uint32{0x11, 0x12}, ledgerSPIs(h.ledger)); diff != "" {
			t.Errorf("ledger: %s", diff)
		}
		// A comparison once more finds nothing new.
		h.kern.tell(kernel.Event{Kind: kernel.SAFlushed})
		synctest.Wait()
		if got := slices.Compact(m.kinds()); !slices.Equal(got, []string{"Reply", "KernelLost"}) && !slices.Equal(got, []string{"Reply", "Reply", "KernelLost"}) {
			t.Errorf("%v", m.kinds())
		}
		want := "0 policies, 2 SAs; 0 of ours were missing, 1 left over from before were deleted"
		if got := h.said(notice.KernelResync); len(got) != 3 || got[0] != want {
			t.Errorf("%q", got)
		}
	})
}

// toldLost are the SAs a machine has been told that the kernel has no more.
func toldLost(m *script) (lost []ike.SAKey) {
	for _, ev := range m.told() {
		if l, ok := ev.(ike.KernelLost); ok {
			lost = append(lost, l.SAs...)
		}
	}
	return lost
}

// An SA that is put back while the kernel goes through its table is not in the dump,
// and not lost.
func TestWhatADumpHasMissedIsLookedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options{}).start(t)
		a, m := h.peer("p")
		h.calls(a, ike.Apply{Ops: []ike.SAOp{outbound(0x21), outbound(0x22)}})
		synctest.Wait()
		h.kern.set(func() {
			h.kern.skipped = key(outbound(0x21))
			delete(h.kern.sas, key(outbound(0x22)))
		})
		h.kern.tell(kernel.Event{Kind: kernel.Overflow})
		synctest.Wait()
		if diff := cmp.Diff([]ike.SAKey{key(outbound(0x22))}, toldLost(m), comparable_); diff != "" {
			t.Errorf("lost: %s", diff)
		}
	})
}

func TestASlowDumpIsReadToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options{})
		for i := range uint32(5) {
			h.kern.policies = append(h.kern.policies, tunnel(fmt.Sprintf("10.%d.0.0/16", i), "10.99.0.0/16", "192.0.2.1", "192.0.2.2", i+1))
		}
		h.kern.pace = dumpSilence / 2
		h.start(t)
		synctest.Wait()
		if got := h.said(notice.KernelResync); len(got) != 1 || !strings.Contains(got[0], "5 policies") {
			t.Errorf("%q", got)
		}
	})
}

func TestEventsReachWhomTheyConcern(t *testing.T) {
	in, out := inbound(0x11), outbound(0x22)
	saEvent := func(kind kernel.EventKind, op ike.SAOp) kernel.Event {
		return kernel.Event{Kind: kind, Key: kernel.Key{Src: op.SA.Src, Dst: op.SA.Dst, Proto: 50, SPI: op.SA.SPI}, NewRemote: port("192.0.2.2:1234")}
	}
	for _, tt := range []struct {
		name   string
		ev     kernel.Event
		told   ike.Event // nil: nothing
		ledger []uint32
	}{
		{"a soft expiry", saEvent(kernel.ExpireSoft, in), ike.Expire{Dst: in.SA.Dst, Proto: 50, SPI: 0x11}, []uint32{0x11, 0x22}},
		{"a hard expiry", saEvent(kernel.ExpireHard, out), ike.Expire{Dst: out.SA.Dst, Proto: 50, SPI: 0x22, Hard: true}, []uint32{0x11}},
		{"a deletion by somebody else", saEvent(kernel.SADeleted, in), ike.KernelLost{SAs: []ike.SAKey{key(in)}}, []uint32{0x22}},
		{"a moved NAT mapping", saEvent(kernel.Mapping, in), ike.Mapping{SPI: 0x11, Remote: port("192.0.2.2:1234")}, []uint32{0x11, 0x22}},
		{"an SA of somebody else", saEvent(kernel.ExpireSoft, inbound(0x99)), nil, []uint32{0x11, 0x22}},
		{"the same SPI at another address", saEvent(kernel.ExpireHard, outbound(0x11)), nil, []uint32{0x11, 0x22}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, Options{}).start(t)
				a, m := h.peer("p")
				h.kern.larval(in)
				h.calls(a, ike.Apply{Ops: []ike.SAOp{in, out}})
				synctest.Wait()
				h.kern.tell(tt.ev)
				synctest.Wait()
				var got ike.Event
				if evs := m.told(); len(evs) > 1 {
					got = evs[1]
				}
				if diff := cmp.Diff(tt.told, got, comparable_, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
					t.Error(diff)
				}
				if diff := cmp.Diff(tt.ledger, ledgerSPIs(h.ledger)); diff != "" {
					t.Errorf("ledger: %s", diff)
				}
			})
		})
	}
}

// What we delete ourselves is no loss, and neither is what an Apply under way rolls back.
func TestOurOwnDeletionsAreNotLosses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options{}).start(t)
		a, m := h.peer("p")
		out := outbound(0x22)
		ev := kernel.Event{Kind: kernel.SADeleted, Key: kernel.Key{Dst: out.SA.Dst, Proto: 50, SPI: 0x22}}
		h.registry.own(a, []ledgerKey{{SAKey: key(out)}}, installing)
		h.kern.tell(ev)
		h.kern.tell(kernel.Event{Kind: kernel.ExpireHard, Key: ev.Key})
		synctest.Wait()
		if got := m.kinds(); len(got) != 0 {
			t.Errorf("while it is being installed: %v", got)
		}
		h.registry.settle([]ledgerKey{{SAKey: key(out)}})
		h.calls(a, ike.Apply{Ops: []ike.SAOp{remove(out)}})
		h.kern.tell(ev)
		synctest.Wait()
		if got := m.kinds(); !slices.Equal(got, []string{"Reply"}) {
			t.Errorf("after our own deletion: %v", got)
		}
	})
}

func TestOurCopyOfThePoliciesFollowsTheKernel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options{})
		one, two := tunnel("10.0.0.0/16", "10.1.0.0/16", "192.0.2.1", "192.0.2.2", 8), tunnel("10.0.0.0/16", "10.2.0.0/16", "192.0.2.1", "192.0.2.3", 16)
		h.kern.policies = []*kernel.Policy{one, reverse(one)}
		h.start(t)
		match := func(remote string) string {
			v, err := h.matchPolicy(new(actor), ike.MatchPolicy{Path: here, Selector: policy.Selector{Local: prefix("10.0.0.0/24"), Remote: prefix(remote)}})
			if err != nil {
				return err.Error()
			}
			return v.(interface{ Selector() policy.Selector }).Selector().String()
		}
		for _, s := range []struct {
			name string
			ev   kernel.Event
			want string // for 10.2.0.0/24
		}{
			{"from the dump", kernel.Event{Kind: kernel.NetChanged}, "no policy for 10.0.0.0/24[any] 10.2.0.0/24[any] any; closest: in 10.1.0.0/16[any] 10.0.0.0/16[any] any: remote 10.2.0.0/24 is not in 10.1.0.0/16"},
			{"added", kernel.Event{Kind: kernel.PolicyAdded, Policy: reverse(two)}, "10.0.0.0/16[any] 10.2.0.0/16[any] any"},
			{"deleted by its number", kernel.Event{Kind: kernel.PolicyDeleted, Key: kernel.Key{Policy: &kernel.PolicyKey{ID: 17}}}, "no policy for 10.0.0.0/24[any] 10.2.0.0/24[any] any; closest: in 10.1.0.0/16[any] 10.0.0.0/16[any] any: remote 10.2.0.0/24 is not in 10.1.0.0/16"},
			{"updated without having been known", kernel.Event{Kind: kernel.PolicyUpdated, Policy: reverse(two)}, "10.0.0.0/16[any] 10.2.0.0/16[any] any"},
			{"deleted by its selector", kernel.Event{Kind: kernel.PolicyDeleted, Policy: &kernel.Policy{Key: reverse(one).Key}}, "10.0.0.0/16[any] 10.2.0.0/16[any] any"},
			{"flushed", kernel.Event{Kind: kernel.PolicyFlushed}, "no policy for 10.0.0.0/24[any] 10.2.0.0/24[any] any"},
		} {
			h.kern.tell(s.ev)
			synctest.Wait()
			if diff := cmp.Diff(s.want, match("10.2.0.0/24")); diff != "" {
				t.Errorf("%s: %s", s.name, diff)
			}
		}
	})
}

func TestABrokenStreamIsTakenUpAgainWithAComparison(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options{}).start(t)
		h.kern.set(func() { h.kern.noStream = errs.Errorf(errs.Unavailable, "down") })
		h.kern.breakStreams()
		time.Sleep(10 * time.Second)
		h.kern.set(func() { h.kern.noStream = nil })
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if h.kern.dumps != 2 || len(h.kern.subs) != 1 {
			t.Errorf("%d comparisons, %d subscriptions", h.kern.dumps, len(h.kern.subs))
		}
		// A plugin that was started again is subscribed to once.
		if err := h.KernelUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if h.kern.dumps != 3 || len(h.kern.subs) != 1 {
			t.Errorf("%d comparisons, %d subscriptions", h.kern.dumps, len(h.kern.subs))
		}
	})
}

func TestNothingStartsWithoutAKernel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options{})
		h.kern.noStream = errs.Errorf(errs.Permission, "no CAP_NET_ADMIN")
		if err := h.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "CAP_NET_ADMIN") {
			t.Errorf("%v", err)
		}
	})
}

func TestWaitingDeletesGoAsSoonAsTheKernelPluginIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options{}).start(t)
		a, m := h.peer("p")
		h.kern.larval(outbound(0x22))
		h.kern.set(func() {
			h.kern.fault = func(kernel.Transaction) (error, error) { return errs.Errorf(errs.Unavailable, "down"), nil }
		})
		h.calls(a, ike.Apply{Ops: []ike.SAOp{remove(outbound(0x22))}})
		time.Sleep(time.Hour)
		h.kern.set(func() { h.kern.fault = nil })
		start := time.Now()
		if err := h.KernelUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(replies(m)) != 1 || len(h.kern.spis()) != 0 || time.Since(start) != 0 {
			t.Errorf("%v after %v, kernel %v", m.kinds(), time.Since(start), h.kern.spis())
		}
	})
}

func TestShutdownTellsEveryoneAndLeavesNothingOfOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options{RunDir: t.TempDir()})
		h.step = func(m *script, ev ike.Event) []ike.Action {
			if _, ok := ev.(ike.Shutdown); ok {
				m.set(func() { m.done = m.setup.Path.Remote.Port() == 500 }) // one of them hangs
			}
			return nil
		}
		h.start(t)
		h.kern.larval(outbound(0x55)) // somebody else's
		good, m1 := h.peer("good")
		h.calls(good, ike.Apply{Ops: []ike.SAOp{outbound(0x22)}})
		stuck := h.newPeer(ike.PeerKey{Block: "stuck"}, destination{remote: literal("192.0.2.2"), path: path("192.0.2.1:500", "192.0.2.2:501")})
		h.registry.peer(stuck.key, stuck)
		h.calls(stuck, ike.Apply{Ops: []ike.SAOp{outbound(0x33)}})
		synctest.Wait()
		start := time.Now()
		if err := h.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if d := time.Since(start); d != shutdownPatience {
			t.Errorf("took %v", d)
		}
		if got := m1.kinds(); got[len(got)-1] != "Shutdown" {
			t.Errorf("%v", got)
		}
		if diff := cmp.Diff([]uint32{0x55}, h.kern.spis()); diff != "" {
			t.Error(diff)
		}
		if got := ledgerSPIs(h.ledger); len(got) != 0 {
			t.Errorf("ledger %v", got)
		}
		h.receive(here, false, edit(0))
		if len(h.all()) != 2 {
			t.Error("a stranger was admitted after the end")
		}
	})
}
