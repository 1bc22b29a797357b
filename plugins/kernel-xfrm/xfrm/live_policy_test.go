//go:build linux

package xfrm

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/kernel/txn"
	"github.com/racoon-ike/racoon/core/sdk/plugintest/kernellive"
)

func TestPoliciesAreAddedReadChangedAndDeleted(t *testing.T) {
	b := live(t)
	next := kernellive.Subscribe(t, b)
	p := outPolicy()
	fwd := outPolicy()
	fwd.Key.Dir, fwd.Key.Mark, fwd.Key.IfID = kernel.Fwd, &kernel.Mark{Value: 1, Mask: 0xf}, 5
	kernellive.Apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddPolicy, Policy: p}, kernel.Op{Kind: kernel.AddPolicy, Policy: fwd})
	added := next(kernel.PolicyAdded)
	if added.Policy.Key.ID == 0 || len(added.Policy.Templates) != 1 || added.Policy.Templates[0].ReqID != 77 {
		t.Errorf("added %+v", added.Policy)
	}
	if got := next(kernel.PolicyAdded); got.Policy.Key.Dir != kernel.Fwd || got.Policy.Key.IfID != 5 || *got.Policy.Key.Mark != *fwd.Key.Mark {
		t.Errorf("added %+v", got.Policy)
	}
	if got := kernellive.Try(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddPolicy, Policy: p}); got[0].Err == nil || got[0].Err.Reason != errs.Exists {
		t.Errorf("adding it again: %v, want Exists", got[0].Err)
	}
	list := kernellive.Dump(t, b, kernel.DumpFilter{Policies: true})
	if len(list) != 2 || !slices.ContainsFunc(list, func(o kernel.Object) bool { return o.Policy.Key.ID == added.Policy.Key.ID }) {
		t.Fatalf("dump: %+v", list)
	}
	if got := kernellive.Dump(t, b, kernel.DumpFilter{Policies: true, ReqIDs: []uint32{78}}); len(got) != 0 {
		t.Errorf("dump of another reqid: %+v", got)
	}
	p.Priority = 12
	kernellive.Apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.UpdatePolicy, Policy: p})
	if got := next(kernel.PolicyUpdated); got.Policy.Priority != 12 {
		t.Errorf("updated to priority %d, want 12", got.Policy.Priority)
	}
	stats, err := b.Query(t.Context(), []kernel.Key{{Policy: &p.Key}, {Policy: &fwd.Key}, {Policy: &kernel.PolicyKey{Dir: kernel.In, ID: 800}}})
	if err != nil || !stats[0].Found || !stats[1].Found || stats[2].Found || stats[0].Added.IsZero() || !stats[0].LastUse.IsZero() {
		t.Errorf("query: %+v, %v", stats, err)
	}
	p.Key.ID = added.Policy.Key.ID // by index
	kernellive.Apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.DeletePolicy, Policy: p}, kernel.Op{Kind: kernel.DeletePolicy, Policy: fwd})
	if got := next(kernel.PolicyDeleted); got.Policy.Key.ID != added.Policy.Key.ID {
		t.Errorf("deleted %+v", got.Policy)
	}
	if got := kernellive.Try(t, b, kernel.Stop, kernel.Op{Kind: kernel.DeletePolicy, Policy: p}); got[0].Err == nil || got[0].Err.Reason != errs.NotFound {
		t.Errorf("deleting it again: %v, want NotFound", got[0].Err)
	}
}

func TestPoliciesOfOthersAreSeen(t *testing.T) {
	b := live(t)
	next := kernellive.Subscribe(t, b)
	kernellive.IP(t, "xfrm policy add dir in src 10.9.2.0/24 dst 10.9.1.0/24 proto tcp dport 80 tmpl src 10.9.3.1 dst 10.9.1.1 proto esp mode tunnel")
	ev := next(kernel.PolicyAdded)
	sel := kernel.Selector{Src: prefix("10.9.2.0/24"), Dst: prefix("10.9.1.0/24"), Proto: 6, DstPort: 80}
	if ev.Policy.Key.Sel != sel || ev.Policy.Key.Dir != kernel.In || ev.Policy.Action != kernel.ActionIPsec {
		t.Errorf("%+v", ev.Policy)
	}
	kernellive.IP(t, "xfrm policy delete dir in src 10.9.2.0/24 dst 10.9.1.0/24 proto tcp dport 80")
	if ev := next(kernel.PolicyDeleted); ev.Policy.Key.Sel != sel {
		t.Errorf("%+v", ev.Policy)
	}
	kernellive.IP(t, "xfrm policy add dir in src 10.9.2.0/24 dst 10.9.1.0/24") // flushing nothing is no event
	kernellive.IP(t, "xfrm policy flush")
	next(kernel.PolicyFlushed)
	kernellive.IP(t, "xfrm state allocspi src 10.9.2.1 dst 10.9.1.1 proto esp min 0x1000 max 0x1fff")
	kernellive.IP(t, "xfrm state flush")
	next(kernel.SAFlushed)
	kernellive.IP(t, "link add xtest0 type veth peer name xtest1")
	if ev := next(kernel.NetChanged); !strings.HasPrefix(ev.Iface, "xtest") {
		t.Errorf("link event of %q", ev.Iface)
	}
	kernellive.IP(t, "link delete xtest0")
	next(kernel.NetChanged)
}

func TestAPacketCausesAnAcquireThatSPIsAnswer(t *testing.T) {
	b := live(t)
	kernellive.Path(t)
	next := kernellive.Subscribe(t, b)
	p := outPolicy()
	kernellive.Apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddPolicy, Policy: p})
	id := next(kernel.PolicyAdded).Policy.Key.ID
	kernellive.Send(t, "10.9.2.9:7777")
	ev := next(kernel.Acquire)
	wantSel := kernel.Selector{Src: prefix("10.9.1.1/32"), Dst: prefix("10.9.2.9/32"), Proto: 17, DstPort: 7777}
	if ev.Sel == nil {
		t.Fatal("acquire without selector")
	}
	got := *ev.Sel
	got.SrcPort = 0 // the system's choice
	if got != wantSel {
		t.Errorf("selector %+v, want %+v", *ev.Sel, wantSel)
	}
	if ev.Key.Dst != addr("10.9.3.1") || ev.Key.Src != addr("10.9.1.1") || ev.Key.Proto != protoESP || ev.AcquireSeq == 0 {
		t.Errorf("acquire %d of %+v", ev.AcquireSeq, ev.Key)
	}
	if ev.Policy == nil || ev.Key.Policy.ID != id || ev.Policy.Key.Sel != p.Key.Sel {
		t.Errorf("policy %+v, want index %d", ev.Policy, id)
	}
	if !slices.Equal(ev.Templates, p.Templates) {
		t.Errorf("templates %+v, want %+v", ev.Templates, p.Templates)
	}
	spis, err := b.AllocateSPIs(t.Context(), []kernel.SPIRequest{
		{Src: ev.Key.Dst, Dst: ev.Key.Src, Proto: protoESP, ReqID: 77, Seq: ev.AcquireSeq},
		{Src: ev.Key.Dst, Dst: ev.Key.Src, Proto: protoAH, Min: 0x5000, Max: 0x50ff},
		{Src: ev.Key.Dst, Dst: ev.Key.Src, Proto: protoIPComp},
		{Src: ev.Key.Dst, Dst: ev.Key.Src, Proto: 17},
		{Src: ev.Key.Dst, Dst: ev.Key.Src, Proto: protoESP, Min: 0x6000, Max: 0x6000},
		{Src: ev.Key.Dst, Dst: ev.Key.Src, Proto: protoESP, Min: 0x6000, Max: 0x6000},
	})
	if err != nil {
		t.Fatal(err)
	}
	if spis[0].SPI < minSPI || spis[1].SPI&^0xff != 0x5000 || spis[2].SPI < minSPI || spis[2].SPI > maxCPI || spis[4].SPI != 0x6000 {
		t.Errorf("SPIs %+v", spis)
	}
	if spis[3].Err == nil || spis[3].Err.Reason != errs.Unsupported {
		t.Errorf("SPI for UDP: %v, want Unsupported", spis[3].Err)
	}
	if spis[5].Err == nil || spis[5].Err.Reason != errs.NotFound && spis[5].Err.Reason != errs.Exists {
		t.Errorf("the same SPI twice: %v", spis[5].Err)
	}
	var states []kernel.SAState
	for _, o := range kernellive.Dump(t, b, kernel.DumpFilter{SAs: true, ReqIDs: []uint32{77}}) {
		states = append(states, o.SA.State)
	}
	if !slices.Equal(states, []kernel.SAState{kernel.Larval, kernel.Larval}) {
		t.Errorf("states %v of the acquire's SA and ours, want two larval", states)
	}
	kernellive.Apply(t, b, kernel.Stop,
		kernel.Op{Kind: kernel.DeleteSA, SA: &kernel.SA{Key: kernel.Key{Dst: ev.Key.Src, Proto: protoESP, SPI: spis[0].SPI}}},
		kernel.Op{Kind: kernel.AcquireDone, Acquire: &kernel.AcquireResult{Seq: ev.AcquireSeq, Errno: int(syscall.EHOSTUNREACH)}},
	)
}

func TestARequestTheKernelCannotServeIsUnsupported(t *testing.T) {
	b := live(t)
	caps, err := b.Capabilities(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if caps.Features&kernel.FeatESP != 0 {
		t.Skip("this kernel has ESP; the test is for one without")
	}
	if len(caps.Algorithms) != 0 || caps.Features&(kernel.FeatTunnel|kernel.FeatTransport|kernel.FeatNATT) != 0 {
		t.Errorf("capabilities without ESP: %+v", caps)
	}
	for name, sa := range goldenSAs() {
		r := kernellive.Try(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddSA, SA: sa})[0]
		if r.Done || r.Err == nil || r.Err.Reason != errs.Unsupported {
			t.Fatalf("%s: %+v, want Unsupported", name, r.Err)
		}
		// All else of the message was right: the kernel looks for these last.
		if !strings.HasSuffix(r.Err.Msg, "Requested type not found") && !strings.HasSuffix(r.Err.Msg, "algorithm not found") {
			t.Errorf("%s: %q lacks the kernel's own sentence", name, r.Err.Msg)
		}
	}
}

func TestDirectionsAreSentToKernelsThatKnowThem(t *testing.T) {
	b := live(t)
	var major, minor int
	if _, err := fmt.Sscanf(release(), "%d.%d", &major, &minor); err != nil {
		t.Fatal(err)
	}
	if want := major > 6 || major == 6 && minor >= 10; b.knowsSADir() != want {
		t.Errorf("Linux %s knows XFRMA_SA_DIR: %v, want %v", release(), !want, want)
	}
	spis, err := b.AllocateSPIs(t.Context(), []kernel.SPIRequest{{Src: v4b, Dst: v4a, Proto: protoESP}})
	if err != nil || spis[0].Err != nil {
		t.Fatal(err, spis[0].Err)
	}
	list := kernellive.Dump(t, b, kernel.DumpFilter{SAs: true})
	if in := list[0].SA.Dir == kernel.In; len(list) != 1 || in != b.knowsSADir() {
		t.Errorf("direction %d of a larval SA", list[0].SA.Dir)
	}
}

func TestRoutesAreLookedUp(t *testing.T) {
	b := live(t)
	kernellive.Path(t)
	kernellive.IP(t, "route add unreachable 10.9.4.0/24")
	defer kernellive.IP(t, "route delete unreachable 10.9.4.0/24")
	routes, err := b.LookupRoutes(t.Context(), []kernel.RouteQuery{
		{Dst: addr("10.9.1.7")}, {Dst: addr("10.9.2.7")}, {Dst: addr("10.9.4.7")},
		{Dst: addr("2001:db8:9::7")}, {Dst: addr("10.9.1.1")}, {Dst: addr("10.9.2.7"), Src: addr("10.9.1.1")}, {Dst: addr("11.0.0.1")},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []kernel.Route{
		{Src: addr("10.9.1.1"), Iface: "path0", MTU: 1500},
		{Src: addr("10.9.1.1"), NextHop: addr("10.9.1.254"), Iface: "path0", MTU: 1400},
		{},
		{Src: addr("2001:db8:9::1"), Iface: "path0", MTU: 1500},
		{Src: addr("10.9.1.1"), Iface: "lo", MTU: 65536},
		{Src: addr("10.9.1.1"), NextHop: addr("10.9.1.254"), Iface: "path0", MTU: 1400},
		{},
	}
	for i, r := range routes {
		if wantErr := i == 2 || i == 6; wantErr != (r.Err != nil) || wantErr && r.Err.Reason != errs.NotFound {
			t.Errorf("route %d: %v", i, r.Err)
		}
		if r.Err = nil; r != want[i] {
			t.Errorf("route %d: %+v, want %+v", i, r, want[i])
		}
	}
	var found bool
	for _, o := range kernellive.Dump(t, b, kernel.DumpFilter{Addresses: true}) {
		found = found || o.Address == prefix("10.9.1.1/24") && o.Iface == "path0"
	}
	if !found {
		t.Error("10.9.1.1/24 on path0 is not in the dump of addresses")
	}
}

func TestSocketOptionsAreAccepted(t *testing.T) {
	b := live(t)
	kernellive.Path(t)
	kernellive.Apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddPolicy, Policy: &kernel.Policy{
		Key:    kernel.PolicyKey{Dir: kernel.Out, Sel: kernel.Selector{Src: prefix("0.0.0.0/0"), Dst: prefix("10.9.2.9/32")}},
		Action: kernel.ActionDiscard,
	}})
	send := func(options []kernel.SocketOption) error {
		s, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer syscall.Close(s)
		for _, o := range options {
			if err := syscall.SetsockoptString(s, o.Level, o.Name, string(o.Value)); err != nil {
				t.Errorf("%s: %v", o.Doc, err)
			}
		}
		return syscall.Sendto(s, []byte("ike"), 0, &syscall.SockaddrInet4{Port: 500, Addr: [4]byte{10, 9, 2, 9}})
	}
	if err := send(nil); err == nil {
		t.Error("a packet passed a policy that discards it")
	}
	for _, role := range []kernel.SocketRole{kernel.SocketIKE, kernel.SocketNATT} {
		setup, err := b.SocketOptions(t.Context(), role, kernel.IPv4)
		if err != nil {
			t.Fatal(err)
		}
		if err := send(setup.Options); err != nil {
			t.Errorf("role %d: IKE does not bypass the policy: %v", role, err)
		}
	}
	setup, err := b.SocketOptions(t.Context(), kernel.SocketIKE, kernel.IPv6)
	if err != nil {
		t.Fatal(err)
	}
	s, err := syscall.Socket(syscall.AF_INET6, syscall.SOCK_DGRAM, 0)
	if err != nil {
		t.Skip("no IPv6 here:", err)
	}
	defer syscall.Close(s)
	for _, o := range setup.Options {
		if err := syscall.SetsockoptString(s, o.Level, o.Name, string(o.Value)); err != nil {
			t.Errorf("%s: %v", o.Doc, err)
		}
	}
}

// TestManyPoliciesStreamAndSlowConsumersOverflow fills the kernel's event buffer
// of a consumer that does not read.
func TestManyPoliciesStreamAndSlowConsumersOverflow(t *testing.T) {
	b := live(t)
	b.cfg.EventBuffer = 64
	const n = 3000
	ready, hold, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	var kinds []kernel.EventKind
	go func() {
		ended <- b.Events(t.Context(), kernel.MaskOf(kernel.PolicyAdded, kernel.PolicyFlushed), func(ev kernel.Event) error {
			kinds = append(kinds, ev.Kind)
			switch ev.Kind {
			case kernel.Ready:
				close(ready)
			case kernel.PolicyAdded:
				<-hold
			case kernel.PolicyFlushed:
				return errEnough
			}
			return nil
		})
	}()
	<-ready
	var ops []kernel.Op
	for i := range n {
		p := outPolicy()
		p.Key.Sel.Dst = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 10, byte(i >> 8), byte(i)}), 32)
		ops = append(ops, kernel.Op{Kind: kernel.AddPolicy, Policy: p})
	}
	for chunk := range slices.Chunk(ops, txn.MaxOps) {
		kernellive.Apply(t, b, kernel.Stop, chunk...)
	}
	if got := len(kernellive.Dump(t, b, kernel.DumpFilter{Policies: true})); got != n {
		t.Errorf("dump of %d policies, want %d", got, n)
	}
	close(hold)
	// The consumer catches up; what happens then it gets.
	for flushed := false; !flushed; {
		kernellive.Apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.UpdatePolicy, Policy: outPolicy()}, kernel.Op{Kind: kernel.FlushPolicies})
		select {
		case err := <-ended:
			if !errors.Is(err, errEnough) {
				t.Fatal(err)
			}
			flushed = true
		case <-time.After(50 * time.Millisecond):
		}
	}
	if kinds[0] != kernel.Ready || !slices.Contains(kinds, kernel.Overflow) || len(kinds) >= n {
		t.Errorf("%d events begin with %d, and Overflow is one of them: %v", len(kinds), kinds[0], slices.Contains(kinds, kernel.Overflow))
	}
}

// TestWhatIsLostAfterAnOverflowIsNotSilent has a consumer compare with the kernel when
// it is told of an overflow: what happens after that is an event, or another overflow.
func TestWhatIsLostAfterAnOverflowIsNotSilent(t *testing.T) {
	b := live(t)
	b.cfg.EventBuffer = 64
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	told := make(chan kernel.Event)
	go func() {
		defer close(told)
		b.Events(ctx, kernel.MaskOf(kernel.PolicyAdded), func(ev kernel.Event) error {
			select {
			case told <- ev:
			case <-ctx.Done():
			}
			return ctx.Err()
		})
	}()
	var n uint32
	add := func() netip.Prefix {
		p := outPolicy()
		n++
		p.Key.Sel.Dst = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), 32)
		kernellive.Apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddPolicy, Policy: p})
		return p.Key.Sel.Dst
	}
	if ev := <-told; ev.Kind != kernel.Ready {
		t.Fatalf("the first event is %d, want Ready", ev.Kind)
	}
	for range 1000 { // the reader holds one of them, the buffer some, the others are lost
		add()
	}
	for ev := range told {
		if ev.Kind == kernel.Overflow {
			break
		}
	}
	// The consumer reads the kernel's tables now. What comes next is not in them.
	want, later := add(), map[netip.Prefix]bool{}
	for {
		later[add()] = true
		ev := <-told
		if ev.Kind == kernel.Overflow || ev.Policy.Key.Sel.Dst == want {
			break
		}
		if later[ev.Policy.Key.Sel.Dst] {
			t.Fatalf("the policy for %v, added after the overflow was told, is known to nobody; a later one is", want)
		}
	}
}

func TestAPolicyThatExpiresIsDeleted(t *testing.T) {
	b := live(t)
	next := kernellive.Subscribe(t, b)
	p := outPolicy()
	p.Life.HardTime = time.Second
	kernellive.Apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddPolicy, Policy: p})
	if ev := next(kernel.PolicyDeleted); ev.Policy.Key.Sel != p.Key.Sel || len(ev.Policy.Templates) != 1 {
		t.Errorf("deleted %+v", ev.Policy)
	}
}

// TestALarvalSAExpires is an SPI that nobody used, and an acquire nobody answered.
func TestALarvalSAExpires(t *testing.T) {
	b := live(t)
	kernellive.Path(t)
	const sysctl = "/proc/sys/net/core/xfrm_acq_expires"
	if err := os.WriteFile(sysctl, []byte("1"), 0); err != nil {
		t.Skip("larval SAs live 30 s here, and that cannot be changed in a user namespace: ", err)
	}
	t.Cleanup(func() { os.WriteFile(sysctl, []byte("30"), 0) })
	if got := acquireLifetime(); got != time.Second {
		t.Errorf("larval SAs are said to live %v, want 1s", got)
	}
	next := kernellive.Subscribe(t, b)
	spis, err := b.AllocateSPIs(t.Context(), []kernel.SPIRequest{{Src: addr("10.9.3.1"), Dst: addr("10.9.1.1"), Proto: protoESP}})
	if err != nil || spis[0].Err != nil {
		t.Fatal(err, spis[0].Err)
	}
	if ev := next(kernel.ExpireHard, kernel.ExpireSoft); ev.Kind != kernel.ExpireHard || ev.Key.SPI != spis[0].SPI || ev.Key.Dst != addr("10.9.1.1") {
		t.Errorf("event %+v, want the hard expire of SPI %#x", ev, spis[0].SPI)
	}
	if list := kernellive.Dump(t, b, kernel.DumpFilter{SAs: true}); len(list) != 0 {
		t.Errorf("left: %s", describeAll(list))
	}
	late := liveSA(spis[0].SPI, kernel.In)
	if r := kernellive.Try(t, b, kernel.Stop, kernel.Op{Kind: kernel.UpdateSA, SA: late})[0]; r.Err == nil {
		t.Error("a larval SA that had expired became mature")
	}
	kernellive.Apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddPolicy, Policy: outPolicy()})
	kernellive.Send(t, "10.9.2.9:7777")
	first := next(kernel.Acquire)
	if ev := next(kernel.ExpireHard); ev.Key.SPI != 0 || ev.AcquireSeq != first.AcquireSeq {
		t.Errorf("event %+v, want the hard expire of acquire %d", ev, first.AcquireSeq)
	}
	kernellive.Send(t, "10.9.2.9:7777")
	if second := next(kernel.Acquire); second.AcquireSeq == first.AcquireSeq {
		t.Errorf("acquire %d again", first.AcquireSeq)
	}
}
