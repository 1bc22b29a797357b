//go:build linux

package xfrm

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/plugintest/kernellive"
)

// liveSA is an SA of outPolicy's template.
func liveSA(spi uint32, dir kernel.Direction) *kernel.SA {
	sa := &kernel.SA{
		Key: kernel.Key{Src: addr("10.9.1.1"), Dst: addr("10.9.3.1"), Proto: protoESP, SPI: spi}, ReqID: 77,
		Mode: kernel.ModeTunnel, Dir: dir, Encr: counting(12, 16, 0), Auth: counting(5, 32, 0),
	}
	if dir == kernel.In {
		sa.Key.Src, sa.Key.Dst = sa.Key.Dst, sa.Key.Src
	}
	return sa
}

func TestEverySupportedAlgorithmMakesAnSA(t *testing.T) {
	b, caps := liveESP(t)
	for _, want := range []kernel.Algorithm{
		{Kind: kernel.AlgEncr, ID: 12}, {Kind: kernel.AlgEncr, ID: 3}, {Kind: kernel.AlgEncr, ID: 13}, {Kind: kernel.AlgEncr, ID: 20},
		{Kind: kernel.AlgAuth, ID: 1}, {Kind: kernel.AlgAuth, ID: 2}, {Kind: kernel.AlgAuth, ID: 5}, {Kind: kernel.AlgAuth, ID: 7},
	} {
		if !slices.ContainsFunc(caps.Algorithms, func(a kernel.Algorithm) bool { return a.Kind == want.Kind && a.ID == want.ID }) {
			t.Errorf("algorithm %+v is missing in %+v", want, caps.Algorithms)
		}
	}
	made := 0
	for name, sa := range goldenSAs() {
		r := kernellive.Try(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddSA, SA: sa})[0]
		if sa.ESN && caps.Features&kernel.FeatESN == 0 {
			if r.Err == nil || r.Err.Reason != errs.Unsupported {
				t.Errorf("%s: %v, want Unsupported: this kernel has no ESN", name, r.Err)
			}
			continue
		}
		made++
		if r.Err != nil {
			t.Errorf("%s: %v", name, r.Err)
		}
		if r := kernellive.Try(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddSA, SA: sa})[0]; r.Err == nil || r.Err.Reason != errs.Exists {
			t.Errorf("%s again: %v, want Exists", name, r.Err)
		}
	}
	if got := len(kernellive.Dump(t, b, kernel.DumpFilter{SAs: true})); got != made {
		t.Errorf("%d SAs in the dump, want %d: the probe must leave none behind", got, made)
	}
}

func TestALarvalSABecomesMatureAndPassesPackets(t *testing.T) {
	b, _ := liveESP(t)
	kernellive.Path(t)
	next := kernellive.Subscribe(t, b)
	kernellive.Apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddPolicy, Policy: outPolicy()})
	kernellive.Send(t, "10.9.2.9:7777")
	acq := next(kernel.Acquire)
	spis, err := b.AllocateSPIs(t.Context(), []kernel.SPIRequest{{Src: acq.Key.Dst, Dst: acq.Key.Src, Proto: protoESP, ReqID: 77, Seq: acq.AcquireSeq}})
	if err != nil || spis[0].Err != nil {
		t.Fatal(err, spis[0].Err)
	}
	in, out := liveSA(spis[0].SPI, kernel.In), liveSA(0xabc1, kernel.Out)
	out.Seq = acq.AcquireSeq
	out.Life.SoftPackets, out.Life.HardPackets = 2, 4
	kernellive.Apply(t, b, kernel.Rollback, kernel.Op{Kind: kernel.UpdateSA, SA: in}, kernel.Op{Kind: kernel.AddSA, SA: out})
	list := kernellive.Dump(t, b, kernel.DumpFilter{SAs: true})
	if len(list) != 2 || list[0].SA.State != kernel.Mature || list[1].SA.State != kernel.Mature {
		t.Fatalf("after the acquire was answered: %s; want two mature SAs and no larval one", describeAll(list))
	}
	for _, o := range list {
		if o.SA.Encr.Key.Len()+o.SA.Auth.Key.Len() != 0 {
			t.Error("a dump has keys")
		}
		if o.SA.Key.SPI == in.Key.SPI && o.SA.ReplayWindow != 64 {
			t.Errorf("replay window %d of the inbound SA, want the configured 64", o.SA.ReplayWindow)
		}
	}
	for range 3 { // the kernel looks at the limit before it counts
		kernellive.Send(t, "10.9.2.9:7777")
	}
	if ev := next(kernel.ExpireSoft, kernel.ExpireHard); ev.Kind != kernel.ExpireSoft || ev.Key.SPI != 0xabc1 || ev.Key.Dst != out.Key.Dst {
		t.Errorf("event %+v, want a soft expire of 0xabc1", ev)
	}
	stats, err := b.Query(t.Context(), []kernel.Key{out.Key, in.Key, {Dst: v4a, Proto: protoESP, SPI: 5}})
	if err != nil {
		t.Fatal(err)
	}
	if s := stats[0]; !s.Found || s.Packets < 2 || s.Bytes == 0 || s.FirstUse.IsZero() || s.Added.IsZero() {
		t.Errorf("outbound SA: %+v", s)
	}
	if !stats[1].Found || stats[1].Packets != 0 || stats[2].Found {
		t.Errorf("inbound SA %+v, unknown SA %+v", stats[1], stats[2])
	}
	for range 4 {
		kernellive.Send(t, "10.9.2.9:7777")
	}
	if ev := next(kernel.ExpireHard); ev.Key.SPI != 0xabc1 {
		t.Errorf("event %+v, want a hard expire of 0xabc1", ev)
	}
	kernellive.IP(t, fmt.Sprintf("xfrm state delete src 10.9.3.1 dst 10.9.1.1 proto esp spi %d", in.Key.SPI))
	if ev := next(kernel.SADeleted); ev.Key.SPI != in.Key.SPI || ev.Key.Src != in.Key.Src || ev.Key.Dst != in.Key.Dst {
		t.Errorf("event %+v, want the inbound SA deleted", ev)
	}
}

func describeAll(list []kernel.Object) string {
	var s []string
	for _, o := range list {
		s = append(s, fmt.Sprintf("%s state %d", describeKey(o.SA.Key), o.SA.State))
	}
	return strings.Join(s, ", ")
}

func TestTimeLimitsExpireAnSA(t *testing.T) {
	b, _ := liveESP(t)
	next := kernellive.Subscribe(t, b)
	sa := liveSA(0xabc2, kernel.Out)
	sa.Life.SoftTime, sa.Life.HardTime = time.Second, 6*time.Second // a kernel that was stopped for so long does not tell the soft limit
	kernellive.Apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddSA, SA: sa})
	next(kernel.ExpireSoft)
	if o := kernellive.Dump(t, b, kernel.DumpFilter{SAs: true}); len(o) == 1 && o[0].SA.State != kernel.Dying {
		t.Errorf("state %d after the soft limit, want Dying", o[0].SA.State)
	}
	next(kernel.ExpireHard)
	if o := kernellive.Dump(t, b, kernel.DumpFilter{SAs: true}); len(o) != 0 {
		t.Errorf("after the hard limit: %s", describeAll(o))
	}
}

func TestAFailedTransactionIsRolledBack(t *testing.T) {
	b, _ := liveESP(t)
	kept, victim, policy := liveSA(0xabc3, kernel.In), liveSA(0xabc4, kernel.Out), outPolicy()
	kernellive.Apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddSA, SA: victim}, kernel.Op{Kind: kernel.AddPolicy, Policy: policy})
	before := dumpKeys(t)
	changed := outPolicy()
	changed.Priority = 3
	res := kernellive.Try(t, b, kernel.Rollback,
		kernel.Op{Kind: kernel.AddSA, SA: kept},
		kernel.Op{Kind: kernel.DeleteSA, SA: victim},
		kernel.Op{Kind: kernel.UpdatePolicy, Policy: changed},
		kernel.Op{Kind: kernel.AddPolicy, Policy: policy}, // exists
		kernel.Op{Kind: kernel.FlushSAs},
	)
	for i, r := range res[:3] {
		if r.Done || !r.Undone || r.Err != nil {
			t.Errorf("op %d: %+v, want undone", i, r)
		}
	}
	if res[3].Done || res[3].Err == nil || res[3].Err.Reason != errs.Exists || res[3].Err.Op != 3 || res[4] != (kernel.OpResult{}) {
		t.Errorf("ops 3 and 4: %+v, %+v", res[3], res[4])
	}
	after := dumpKeys(t)
	if !slices.EqualFunc(before, after, sameSA) {
		t.Errorf("SAs before and after differ: %d, %d", len(before), len(after))
	}
	if p := kernellive.Dump(t, b, kernel.DumpFilter{Policies: true}); len(p) != 1 || p[0].Policy.Priority != 0 {
		t.Errorf("policies after: %+v", p[0].Policy)
	}
}

// dumpKeys dumps as setkey would.
func dumpKeys(t *testing.T) []*kernel.SA {
	t.Helper()
	b, err := New(Config{ReplayWindow: 64, EventBuffer: 64, DumpKeys: true}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close(context.Background())
	var list []*kernel.SA
	for _, o := range kernellive.Dump(t, b, kernel.DumpFilter{SAs: true, WithKeys: true}) {
		list = append(list, o.SA)
	}
	return list
}

func sameSA(a, b *kernel.SA) bool {
	return a.Key == b.Key && a.ReqID == b.ReqID && a.Mode == b.Mode && a.ReplayWindow == b.ReplayWindow &&
		bytes.Equal(a.Encr.Key.Reveal(), b.Encr.Key.Reveal()) && bytes.Equal(a.Auth.Key.Reveal(), b.Auth.Key.Reveal()) &&
		a.Encr.Key.Len() > 0 && a.Life == b.Life
}

func TestAnSAMovesToNewEndpointsWithKeysAndCounters(t *testing.T) {
	b, _ := liveESP(t)
	kernellive.Path(t)
	sa := liveSA(0xabc5, kernel.Out)
	sa.Encap = &kernel.Encap{SrcPort: 4500, DstPort: 4500}
	sa.Life.HardTime = time.Hour
	kernellive.Apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddPolicy, Policy: outPolicy()}, kernel.Op{Kind: kernel.AddSA, SA: sa})
	kernellive.Send(t, "10.9.2.9:7777")
	before, err := b.Query(t.Context(), []kernel.Key{sa.Key})
	if err != nil || before[0].Packets == 0 {
		t.Fatal(err, before)
	}
	next := kernellive.Subscribe(t, b)
	move := &kernel.SA{Key: sa.Key, Mode: sa.Mode, NewDst: addr("10.9.3.2"), Encap: &kernel.Encap{SrcPort: 4500, DstPort: 31000}}
	kernellive.Apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.UpdateSA, SA: move})
	list := dumpKeys(t)
	if len(list) != 1 || list[0].Key.Dst != move.NewDst || list[0].Encap.DstPort != 31000 || list[0].Life.HardTime != time.Hour ||
		!bytes.Equal(list[0].Encr.Key.Reveal(), sa.Encr.Key.Reveal()) {
		t.Fatalf("moved: %+v", list)
	}
	moved := sa.Key
	moved.Dst = move.NewDst
	after, err := b.Query(t.Context(), []kernel.Key{moved})
	if err != nil || after[0].Packets != before[0].Packets || !after[0].Added.Equal(before[0].Added) {
		t.Errorf("counters %+v, before %+v, %v", after, before, err)
	}
	// Our own deletion of the old one is nobody's business; the next foreign one is.
	kernellive.IP(t, "xfrm state delete src 10.9.1.1 dst 10.9.3.2 proto esp spi 0xabc5")
	if ev := next(kernel.SADeleted); ev.Key.Dst != move.NewDst {
		t.Errorf("SADeleted %+v", ev.Key)
	}
}

// The loopback interface can do no ESP: a kernel that heeds the wish does it itself.
func TestOffloadIsAWish(t *testing.T) {
	b, caps := liveESP(t)
	sa := liveSA(0xabc7, kernel.In)
	sa.Offload = "lo"
	r := kernellive.Try(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddSA, SA: sa})[0]
	if caps.Features&kernel.FeatOffload == 0 {
		if r.Err == nil || r.Err.Reason != errs.Unsupported {
			t.Errorf("a kernel without offload: %v, want Unsupported", r.Err)
		}
		return
	}
	if list := kernellive.Dump(t, b, kernel.DumpFilter{SAs: true}); r.Err != nil || len(list) != 1 || list[0].SA.Offload != "" {
		t.Errorf("%v, dump %v; want an SA that is not offloaded", r.Err, list)
	}
}
