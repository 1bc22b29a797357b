//go:build linux

package pfkey

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/plugintest/kernellive"
)

func TestPoliciesOfOthersAreSeenAsTheyAre(t *testing.T) {
	b, _ := live(t)
	next := kernellive.Subscribe(t, b)
	kernellive.IP(t, "xfrm policy add src 10.1.0.0/16 dst 10.2.0.0/16 proto udp sport 53 dir fwd priority 100 tmpl src 192.0.2.1 dst 192.0.2.2 proto esp mode tunnel reqid 7 level use")
	sel := kernel.Selector{Src: netip.MustParsePrefix("10.1.0.0/16"), Dst: netip.MustParsePrefix("10.2.0.0/16"), SrcPort: 53, Proto: 17}
	ev := next(kernel.PolicyAdded)
	p := ev.Policy
	if p.Key.Dir != kernel.Fwd || p.Key.Sel != sel || p.Key.ID == 0 || p.Action != kernel.ActionIPsec || priorityToKernel(p.Priority) != 100 ||
		len(p.Templates) != 1 || p.Templates[0] != (kernel.Template{Proto: protoESP, Mode: kernel.ModeTunnel, Level: kernel.LevelUse, ReqID: 7, Src: own, Dst: peer}) {
		t.Errorf("%+v", p)
	}
	if list := kernellive.Dump(t, b, kernel.DumpFilter{Policies: true}); len(list) != 1 || list[0].Policy.Key.Sel != sel || list[0].Policy.Key.ID != p.Key.ID || list[0].Stats.Added.IsZero() {
		t.Errorf("%+v", list)
	}
	stats, err := b.Query(t.Context(), []kernel.Key{{Policy: &p.Key}, {Policy: &kernel.PolicyKey{Dir: kernel.Fwd, Sel: sel}}})
	if err != nil || !stats[0].Found || !stats[1].Found {
		t.Errorf("by index and by selector: %+v, %v", stats, err)
	}
	kernellive.Apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.DeletePolicy, Policy: &kernel.Policy{Key: kernel.PolicyKey{Dir: kernel.Fwd, ID: p.Key.ID}}})
	if ev := next(kernel.PolicyDeleted); ev.Policy == nil || ev.Policy.Key.Sel != sel {
		t.Errorf("%+v", ev)
	}
	kernellive.IP(t, "xfrm policy add src 10.1.0.0/16 dst 10.2.0.0/16 dir out action block")
	if ev := next(kernel.PolicyAdded); ev.Policy.Action != kernel.ActionDiscard {
		t.Errorf("%+v", ev.Policy)
	}
	kernellive.IP(t, "xfrm policy update src 10.1.0.0/16 dst 10.2.0.0/16 dir out action allow")
	if ev := next(kernel.PolicyUpdated); ev.Policy.Action != kernel.ActionNone {
		t.Errorf("%+v", ev.Policy)
	}
	kernellive.IP(t, "xfrm policy flush")
	next(kernel.PolicyFlushed)
}

// A bundle goes in and comes out, in every direction.
func TestPoliciesComeBackAsTheyWent(t *testing.T) {
	b, _ := live(t)
	for _, dir := range []kernel.Direction{kernel.In, kernel.Out, kernel.Fwd} {
		p := outPolicy()
		p.Key.Dir, p.Priority, p.Life.HardTime = dir, -1000, time.Hour
		p.Templates = append(p.Templates, kernel.Template{Proto: protoAH, Mode: kernel.ModeTransport, Level: kernel.LevelRequire})
		kernellive.Apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddPolicy, Policy: p})
		list := kernellive.Dump(t, b, kernel.DumpFilter{Policies: true})
		if len(list) != 1 {
			t.Fatalf("%+v", list)
		}
		got := list[0].Policy
		if got.Key.Sel != p.Key.Sel || got.Key.Dir != dir || got.Priority != -1000 || got.Life != p.Life || len(got.Templates) != 2 ||
			got.Templates[0] != p.Templates[0] || got.Templates[1] != p.Templates[1] {
			t.Errorf("%+v, want %+v", got, p)
		}
		kernellive.Apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.DeletePolicy, Policy: p})
	}
	mixed := outPolicy()
	mixed.Templates[0].Src, mixed.Templates[0].Dst = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	if r := kernellive.Try(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddPolicy, Policy: mixed})[0]; r.Err == nil || r.Err.Reason != errs.Unsupported {
		t.Errorf("a tunnel of mixed families: %+v", r)
	}
}

func TestAPacketAsksForAnSAAndGetsIt(t *testing.T) {
	b, caps := live(t)
	kernellive.Path(t)
	next := kernellive.Subscribe(t, b)
	kernellive.Apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddPolicy, Policy: outPolicy()})
	id := next(kernel.PolicyAdded).Policy.Key.ID
	kernellive.Send(t, "10.9.2.7:9")
	ev := next(kernel.Acquire)
	if ev.Policy == nil || ev.Policy.Key.ID != id || ev.Policy.Key.Dir != kernel.Out || ev.AcquireSeq == 0 || ev.Key.Proto != protoESP ||
		ev.Key.Src != netip.MustParseAddr("10.9.1.1") || ev.Key.Dst != netip.MustParseAddr("10.9.3.1") {
		t.Fatalf("%+v", ev)
	}
	waiting := kernellive.Dump(t, b, kernel.DumpFilter{SAs: true})
	if len(waiting) != 1 || waiting[0].SA.State != kernel.Larval || waiting[0].SA.Key.SPI != 0 {
		t.Fatalf("the SA that is waited for: %+v", waiting)
	}
	sa := espSA(0x4000)
	sa.Key.Src, sa.Key.Dst, sa.Dir, sa.Seq, sa.ReqID = ev.Key.Src, ev.Key.Dst, kernel.Out, ev.AcquireSeq, 77
	kernellive.Apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddSA, SA: sa}, kernel.Op{Kind: kernel.AcquireDone, Acquire: &kernel.AcquireResult{Seq: ev.AcquireSeq}})
	if list := kernellive.Dump(t, b, kernel.DumpFilter{SAs: true}); len(list) != 1 || list[0].SA.Key.SPI != 0x4000 {
		t.Errorf("the larval SA is still there: %+v", list)
	}
	kernellive.Send(t, "10.9.2.7:9")
	stats, err := b.Query(t.Context(), []kernel.Key{sa.Key})
	if err != nil || stats[0].Packets == 0 || stats[0].Bytes == 0 || stats[0].FirstUse.IsZero() {
		t.Errorf("%+v, %v", stats, err)
	}
	if caps.AcquireLifetime <= 0 {
		t.Error(caps.AcquireLifetime)
	}
}

// Of a policy made through PF_KEY Linux names no algorithms in its wish, of one made
// through XFRM all it has.
func TestProposalsComeWithPoliciesOfXFRM(t *testing.T) {
	b, _ := live(t)
	kernellive.Path(t)
	next := kernellive.Subscribe(t, b)
	kernellive.IP(t, "xfrm policy add src 10.9.1.0/24 dst 10.9.2.0/24 dir out tmpl src 10.9.1.1 dst 10.9.3.1 proto esp mode tunnel reqid 7")
	kernellive.Send(t, "10.9.2.7:9")
	ev := next(kernel.Acquire)
	ok := false
	for _, p := range ev.Proposals {
		ok = ok || p.Proto == protoESP && p.Encr == 12 && p.Auth == 2 && p.EncrBits == 256 && p.AuthBits == 160
	}
	if !ok {
		t.Errorf("no AES-CBC with HMAC-SHA1 in %+v", ev.Proposals)
	}
}

// A request that was refused fails what waits for it at once, instead of for as long as
// the larval SA lives.
func TestARefusedAcquireIsToldToTheKernel(t *testing.T) {
	b, _ := live(t)
	kernellive.Path(t)
	next := kernellive.Subscribe(t, b)
	kernellive.Apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddPolicy, Policy: outPolicy()})
	kernellive.Send(t, "10.9.2.7:9")
	seq := next(kernel.Acquire).AcquireSeq
	kernellive.Apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.AcquireDone, Acquire: &kernel.AcquireResult{Seq: seq, Errno: int(syscall.ENOENT)}})
	// It has no answer; the next request is behind it in the kernel.
	list := kernellive.Dump(t, b, kernel.DumpFilter{SAs: true})
	if len(list) != 1 || list[0].SA.State != kernel.Dead {
		t.Errorf("%+v, want the larval SA as dead", list)
	}
}

// The kernel takes the options on real sockets, and IKE then passes a policy that
// wants IPsec.
func TestSocketsBypassPolicies(t *testing.T) {
	b, _ := live(t)
	kernellive.Path(t)
	all := outPolicy()
	all.Key.Sel.Src = netip.MustParsePrefix("0.0.0.0/0")
	all.Key.Sel.Dst = netip.MustParsePrefix("0.0.0.0/0")
	all.Action, all.Templates = kernel.ActionDiscard, nil
	kernellive.Apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddPolicy, Policy: all})
	for _, family := range []kernel.Family{kernel.IPv4, kernel.IPv6} {
		for _, role := range []kernel.SocketRole{kernel.SocketIKE, kernel.SocketNATT} {
			setup, err := b.SocketOptions(t.Context(), role, family)
			if err != nil {
				t.Fatal(err)
			}
			lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
				return c.Control(func(fd uintptr) {
					for _, o := range setup.Options {
						if err := syscall.SetsockoptString(int(fd), o.Level, o.Name, string(o.Value)); err != nil {
							t.Errorf("family %d, role %d: %s: %v", family, role, o.Doc, err)
						}
					}
				})
			}}
			network := map[kernel.Family]string{kernel.IPv4: "udp4", kernel.IPv6: "udp6"}[family]
			c, err := lc.ListenPacket(context.Background(), network, "")
			if err != nil {
				t.Fatal(err)
			}
			if family == kernel.IPv4 {
				if _, err := c.WriteTo([]byte{0, 0, 0, 0, 1}, net.UDPAddrFromAddrPort(netip.MustParseAddrPort("10.9.3.1:500"))); err != nil {
					t.Errorf("with bypass: %v", err)
				}
			}
			c.Close()
		}
	}
	c, err := net.Dial("udp4", "10.9.3.1:500")
	if err == nil {
		_, err = c.Write([]byte{1})
		c.Close()
	}
	if err == nil {
		t.Error("without bypass: the policy does not hold, so nothing was proved")
	}
	routes, err := b.LookupRoutes(t.Context(), []kernel.RouteQuery{{Dst: netip.MustParseAddr("10.9.3.1")}})
	if err != nil || routes[0].Err != nil || routes[0].Src != netip.MustParseAddr("10.9.1.1") {
		t.Errorf("a route through the policy: %+v, %v", routes, err)
	}
}

func TestLinksAndAddressesAreWatched(t *testing.T) {
	b, _ := live(t)
	next := kernellive.Subscribe(t, b)
	kernellive.Path(t)
	next(kernel.NetChanged)
	var found bool
	for _, o := range kernellive.Dump(t, b, kernel.DumpFilter{Addresses: true}) {
		found = found || o.Address == netip.MustParsePrefix("10.9.1.1/24") && o.Iface == "path0"
	}
	if !found {
		t.Error("10.9.1.1/24 is not in the dump")
	}
}

// No PF_KEY is needed for this one.
func TestRoutesAreLookedUp(t *testing.T) {
	b := newBackend(linux(), Config{}, nil, nil, nil)
	routes, err := b.LookupRoutes(t.Context(), []kernel.RouteQuery{
		{Dst: netip.MustParseAddr("127.0.0.1")}, {Dst: netip.MustParseAddr("240.0.0.1"), Src: netip.MustParseAddr("203.0.113.77")}, {},
	})
	if err != nil {
		t.Fatal(err)
	}
	if r := routes[0]; r.Err != nil || r.Src != netip.MustParseAddr("127.0.0.1") || r.Iface != "lo" || r.MTU == 0 {
		t.Errorf("%+v", r)
	}
	if routes[1].Err == nil {
		t.Errorf("from an address that is not ours: %+v", routes[1])
	}
	if !errors.Is(routes[2].Err, &errs.Error{Reason: errs.Invalid}) {
		t.Errorf("%+v", routes[2])
	}
}
