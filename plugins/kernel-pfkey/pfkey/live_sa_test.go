//go:build linux

package pfkey

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/ipsec"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/plugintest/kernellive"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// keyFor is a key of an algorithm, of its greatest length.
func keyFor(a kernel.Algorithm) *kernel.AlgKey {
	bits := a.MaxKey
	if a.Kind == kernel.AlgEncr {
		bits += ipsec.Encr(a.ID).Salt
	}
	key := make([]byte, bits/8)
	for i := range key {
		key[i] = byte(i)
	}
	return &kernel.AlgKey{ID: a.ID, Key: secret.New(key)}
}

// What REGISTER lists can be used, and comes back from the dump as it went.
func TestEveryAlgorithmOfferedMakesAnSA(t *testing.T) {
	b, caps := live(t)
	if caps.ReplayWindowMax != 32 {
		t.Errorf("a replay window of %d: af_key has 32 bits", caps.ReplayWindowMax)
	}
	for i, a := range caps.Algorithms {
		sa := espSA(0x2000 + uint32(i))
		switch a.Kind {
		case kernel.AlgEncr:
			sa.Encr = keyFor(a)
			if slices.Contains([]uint16{18, 19, 20}, a.ID) {
				t.Errorf("AEAD %d is offered: af_key has none", a.ID)
			}
		case kernel.AlgAuth:
			sa.Auth = keyFor(a)
		default:
			sa.Key.Proto, sa.Encr, sa.Auth, sa.Comp = protoIPComp, nil, nil, a.ID
		}
		kernellive.Apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddSA, SA: sa})
		list := kernellive.Dump(t, b, kernel.DumpFilter{SAs: true, WithKeys: true})
		if len(list) != 1 {
			t.Fatalf("algorithm %+v: %d SAs", a, len(list))
		}
		got := list[0].SA
		same := func(x, y *kernel.AlgKey) bool {
			return x == nil && y == nil || x != nil && y != nil && x.ID == y.ID && bytes.Equal(x.Key.Reveal(), y.Key.Reveal())
		}
		if got.Key != sa.Key || got.State != kernel.Mature || got.ReqID != 7 || got.Mode != kernel.ModeTunnel ||
			!same(got.Encr, sa.Encr) || !same(got.Auth, sa.Auth) || got.Comp != sa.Comp || got.Life != sa.Life {
			t.Errorf("algorithm %+v: %+v, want %+v", a, got, sa)
		}
		kernellive.Apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.DeleteSA, SA: sa})
	}
}

// The reason for Algorithm.ICVs, as the kernel itself tells it.
func TestLinuxCutsSHA256To96Bits(t *testing.T) {
	b, caps := live(t)
	i := slices.IndexFunc(caps.Algorithms, func(a kernel.Algorithm) bool { return a.Kind == kernel.AlgAuth && a.ID == 5 })
	if i < 0 || !slices.Equal(caps.Algorithms[i].ICVs, []uint16{96}) {
		t.Fatalf("%+v", caps.Algorithms)
	}
	sa := espSA(0x2000)
	sa.Auth = keyFor(caps.Algorithms[i])
	for trunc, ok := range map[uint16]bool{0: true, 96: true, 128: false} {
		sa.Auth.Trunc = trunc
		r := kernellive.Try(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddSA, SA: sa})[0]
		if r.Done != ok {
			t.Errorf("trunc %d: %+v", trunc, r)
		}
		if !ok {
			continue
		}
		out := kernellive.IP(t, "xfrm state")
		if !strings.Contains(out, "hmac(sha256)") || !strings.Contains(out, " 96\n") {
			t.Errorf("the kernel has\n%s", out)
		}
		if !strings.Contains(out, "replay-window 32") {
			t.Errorf("the replay window: af_key counts packets\n%s", out)
		}
		kernellive.Apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.DeleteSA, SA: sa})
	}
}

func TestALarvalSABecomesMatureWithItsPorts(t *testing.T) {
	b, _ := live(t)
	res, err := b.AllocateSPIs(t.Context(), []kernel.SPIRequest{{Src: peer, Dst: own, Proto: protoESP, Min: 0x3000, Max: 0x3000, ReqID: 7}})
	if err != nil || res[0].Err != nil || res[0].SPI != 0x3000 {
		t.Fatalf("%+v, %v", res, err)
	}
	if list := kernellive.Dump(t, b, kernel.DumpFilter{SAs: true}); len(list) != 1 || list[0].SA.State != kernel.Larval || list[0].SA.Encr != nil {
		t.Fatalf("%+v", list)
	}
	sa := espSA(0x3000)
	sa.Encap = &kernel.Encap{SrcPort: 30001, DstPort: 4500}
	kernellive.Apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.UpdateSA, SA: sa})
	list := kernellive.Dump(t, b, kernel.DumpFilter{SAs: true})
	if len(list) != 1 || list[0].SA.State != kernel.Mature || *list[0].SA.Encap != *sa.Encap {
		t.Errorf("%+v", list)
	}
	if res, err = b.AllocateSPIs(t.Context(), []kernel.SPIRequest{{Src: peer, Dst: own, Proto: protoESP, Min: 0x3000, Max: 0x3000}}); err != nil || res[0].Err == nil {
		t.Errorf("the only SPI of the range once more: %+v, %v", res, err)
	}
	if r := kernellive.Try(t, b, kernel.Stop, kernel.Op{Kind: kernel.UpdateSA, SA: espSA(0x3001)})[0]; r.Err == nil || r.Err.Reason != errs.NotFound {
		t.Errorf("update of nothing: %+v", r)
	}
}

func TestSAsOfIPv6AndOfAllProtocols(t *testing.T) {
	b, caps := live(t)
	if want := kernel.FeatESP | kernel.FeatAH | kernel.FeatIPComp | kernel.FeatTunnel | kernel.FeatTransport; caps.Features&want != want || caps.Features&kernel.FeatUpdateAddresses != 0 {
		t.Errorf("features %b", caps.Features)
	}
	six := espSA(0x2001)
	six.Key.Src, six.Key.Dst, six.Mode = netip.MustParseAddr("2001:db8::2"), netip.MustParseAddr("2001:db8::1"), kernel.ModeTransport
	ah := espSA(0x2002)
	ah.Key.Proto, ah.Encr = protoAH, nil
	packets := espSA(0x2004)
	packets.Life.SoftPackets, packets.Life.HardPackets = 80, 100
	for _, sa := range []*kernel.SA{six, ah, packets} {
		kernellive.Apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddSA, SA: sa})
		list := kernellive.Dump(t, b, kernel.DumpFilter{SAs: true})
		if len(list) != 1 || list[0].SA.Key != sa.Key || list[0].SA.Mode != sa.Mode || list[0].SA.Life != sa.Life {
			t.Errorf("%+v, want %+v", list, sa)
		}
		if stats, err := b.Query(t.Context(), []kernel.Key{sa.Key}); err != nil || !stats[0].Found || stats[0].Added.IsZero() {
			t.Errorf("%+v, %v", stats, err)
		}
		kernellive.Apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.DeleteSA, SA: sa})
	}
}

func TestTimeLimitsExpireAnSA(t *testing.T) {
	b, _ := live(t)
	next := kernellive.Subscribe(t, b)
	sa := espSA(0x2000)
	sa.Life = kernel.Lifetime{SoftTime: time.Second, HardTime: 6 * time.Second} // a kernel that was stopped for so long does not tell the soft limit
	kernellive.Apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddSA, SA: sa})
	for _, kind := range []kernel.EventKind{kernel.ExpireSoft, kernel.ExpireHard} {
		if ev := next(kernel.ExpireSoft, kernel.ExpireHard); ev.Kind != kind || ev.Key != sa.Key {
			t.Errorf("%+v, want kind %d", ev, kind)
		}
	}
}

// Deletions of others are events, our own are not.
func TestDeletionsOfOthersAreReported(t *testing.T) {
	b, _ := live(t)
	next := kernellive.Subscribe(t, b)
	first, second := espSA(0x2000), espSA(0x2001)
	kernellive.Apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddSA, SA: first}, kernel.Op{Kind: kernel.AddSA, SA: second}, kernel.Op{Kind: kernel.DeleteSA, SA: first})
	kernellive.IP(t, "xfrm state delete src 192.0.2.2 dst 192.0.2.1 proto esp spi 0x2001")
	if ev := next(kernel.SADeleted, kernel.SAFlushed); ev.Kind != kernel.SADeleted || ev.Key != second.Key {
		t.Errorf("%+v", ev)
	}
	kernellive.Apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddSA, SA: first}, kernel.Op{Kind: kernel.FlushSAs}, kernel.Op{Kind: kernel.AddSA, SA: second})
	kernellive.IP(t, "xfrm state flush")
	if ev := next(kernel.SADeleted, kernel.SAFlushed); ev.Kind != kernel.SAFlushed {
		t.Errorf("%+v", ev)
	}
}

func TestAFailedTransactionOnTheKernelIsTakenBack(t *testing.T) {
	b, _ := live(t)
	old := outPolicy()
	kernellive.Apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddPolicy, Policy: old})
	changed := outPolicy()
	changed.Templates[0].ReqID, changed.Priority = 78, 9
	ops := kernellive.Try(t, b, kernel.Rollback,
		kernel.Op{Kind: kernel.AddSA, SA: espSA(0x2000)},
		kernel.Op{Kind: kernel.UpdatePolicy, Policy: changed},
		kernel.Op{Kind: kernel.AddSA, SA: espSA(0x2000)})
	if !ops[0].Undone || !ops[1].Undone || ops[2].Err == nil || ops[2].Err.Reason != errs.Exists {
		t.Errorf("%+v", ops)
	}
	list := kernellive.Dump(t, b, kernel.DumpFilter{SAs: true, Policies: true})
	if len(list) != 1 || list[0].Policy == nil || list[0].Policy.Templates[0].ReqID != 77 || list[0].Policy.Priority != 0 {
		t.Errorf("%+v", list)
	}
}

// More than fits a buffer; the kernel hands a dump out in pieces.
func TestALargeDumpIsWhole(t *testing.T) {
	b, _ := live(t)
	const n = 2000
	for at := 0; at < n; at += 500 {
		var ops []kernel.Op
		for i := range 500 {
			sa := espSA(0x10000 + uint32(at+i))
			sa.Seq = 0
			ops = append(ops, kernel.Op{Kind: kernel.AddSA, SA: sa})
		}
		kernellive.Apply(t, b, kernel.Stop, ops...)
	}
	start := time.Now()
	seen := map[uint32]bool{}
	for _, o := range kernellive.Dump(t, b, kernel.DumpFilter{SAs: true}) {
		seen[o.SA.Key.SPI] = true
	}
	if len(seen) != n {
		t.Errorf("%d SAs, want %d", len(seen), n)
	}
	t.Logf("%d SAs in %v", n, time.Since(start))
}

// The kernel says nothing when it drops events for a reader that is slow.
func TestAFloodOfEventsIsAnOverflow(t *testing.T) {
	b, _ := live(t)
	b.cfg.Buffer = 64
	release := make(chan struct{})
	events := make(chan kernel.EventKind, 1<<16)
	ended := make(chan error, 1)
	go func() {
		first := true
		ended <- b.Events(t.Context(), 0, func(ev kernel.Event) error {
			events <- ev.Kind
			if ev.Kind == kernel.PolicyAdded && first { // a slow engine
				first = false
				<-release
			}
			if ev.Kind == kernel.Overflow {
				return errEnough
			}
			return nil
		})
	}()
	if kind := <-events; kind != kernel.Ready {
		t.Fatalf("the first event is %d", kind)
	}
	var ops []kernel.Op
	for i := range 500 {
		p := outPolicy()
		p.Key.Sel.Dst = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 99, byte(i >> 8), byte(i)}), 32)
		ops = append(ops, kernel.Op{Kind: kernel.AddPolicy, Policy: p})
	}
	kernellive.Apply(t, b, kernel.Stop, ops...)
	close(release)
	if err := <-ended; err != errEnough {
		t.Fatalf("Events ended with %v", err)
	}
	close(events)
	added := 0
	for kind := range events {
		if kind == kernel.PolicyAdded {
			added++
		}
	}
	if added >= 500 {
		t.Errorf("all %d events came: nothing was proved", added)
	}
}
