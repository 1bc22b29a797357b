package spd

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/racoon-ike/racoon/core/internal/policy"
)

func pfx(s string) netip.Prefix { return netip.MustParsePrefix(s) }

// sel is local[port] remote[port] proto.
func sel(local, remote string, lport, rport uint16, proto uint8) policy.Selector {
	return policy.Selector{Local: pfx(local), Remote: pfx(remote), LocalPort: lport, RemotePort: rport, Proto: proto}
}

// both is a tunnel between 192.0.2.1 and 192.0.2.2 for the selector.
func both(s policy.Selector, prio int32, index uint32) []Policy {
	local, remote := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	out := Policy{Key: outbound(s), Index: index, Priority: prio, Action: IPsec,
		Templates: []Template{{Proto: 50, Mode: Tunnel, Level: LevelUnique, ReqID: index, Src: local, Dst: remote}}}
	in := Policy{Key: out.Key.mirror(), Index: index + 1, Priority: prio, Action: IPsec,
		Templates: []Template{{Proto: 50, Mode: Tunnel, Level: LevelUnique, ReqID: index + 1, Src: remote, Dst: local}}}
	return []Policy{out, in}
}

var none netip.Addr

func db(lists ...[]Policy) *DB {
	d := new(DB)
	for _, l := range lists {
		for _, p := range l {
			d.Put(p)
		}
	}
	return d
}

func TestRespondMatchesOnlyWhatAPolicyContains(t *testing.T) {
	site := both(sel("10.0.0.0/16", "10.1.0.0/16", 0, 0, 0), 100, 10)
	web := both(sel("10.0.0.5/32", "10.1.0.0/16", 80, 0, 6), 50, 20)
	six := both(sel("2001:db8:1::/48", "2001:db8:2::/48", 0, 0, 0), 100, 30)
	plain := both(sel("10.9.0.0/16", "10.1.0.0/16", 0, 0, 0), 10, 40)
	for i := range plain {
		plain[i].Action = Bypass
	}
	d := db(site, web, six, plain)

	for _, tt := range []struct {
		name    string
		propose policy.Selector
		in      uint32 // index of the inbound policy, 0 = refused
		closest string
	}{
		{"the policy's own networks", sel("10.0.0.0/16", "10.1.0.0/16", 0, 0, 0), 11, ""},
		{"a network inside it", sel("10.0.7.0/24", "10.1.3.0/24", 0, 0, 0), 11, ""},
		{"one host and one port", sel("10.0.7.1/32", "10.1.3.1/32", 22, 4711, 6), 11, ""},
		{"the narrower policy of better priority first", sel("10.0.0.5/32", "10.1.3.1/32", 80, 1024, 6), 21, ""},
		{"any port is more than the port of the narrow policy", sel("10.0.0.5/32", "10.1.3.1/32", 0, 0, 6), 11, ""},
		{"exactly the narrow policy", sel("10.0.0.5/32", "10.1.0.0/16", 80, 0, 6), 21, ""},
		{"IPv6", sel("2001:db8:1:9::/64", "2001:db8:2::7/128", 0, 0, 0), 31, ""},
		{"IPv4 in IPv6 clothes", policy.Selector{Local: netip.PrefixFrom(netip.MustParseAddr("::ffff:10.0.0.0"), 112), Remote: pfx("10.1.0.0/16")}, 11, ""},
		{"a wider remote network is refused", sel("10.0.0.0/16", "10.0.0.0/8", 0, 0, 0), 0,
			"in 10.1.0.0/16[any] 10.0.0.0/16[any] any: remote 10.0.0.0/8 is wider than 10.1.0.0/16"},
		{"a wider local network is refused", sel("0.0.0.0/0", "10.1.0.0/16", 0, 0, 0), 0,
			"in 10.1.0.0/16[any] 10.0.0.0/16[any] any: local 0.0.0.0/0 is wider than 10.0.0.0/16"},
		{"a foreign network is refused", sel("10.0.0.0/16", "172.16.0.0/12", 0, 0, 0), 0,
			"in 10.1.0.0/16[any] 10.0.0.0/16[any] any: remote 172.16.0.0/12 is not in 10.1.0.0/16"},
		{"traffic that is to pass in clear is refused", sel("10.9.0.0/16", "10.1.0.0/16", 0, 0, 0), 0,
			"in 10.1.0.0/16[any] 10.9.0.0/16[any] any does not ask for IPsec"},
		{"no address is refused", policy.Selector{}, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pair, closest, ok := d.Respond(tt.propose, none, none)
			if ok != (tt.in != 0) || pair.In.Index != tt.in || closest != tt.closest {
				t.Fatalf("Respond(%v) = in %d, %q, %v; want in %d, %q", tt.propose, pair.In.Index, closest, ok, tt.in, tt.closest)
			}
			if ok && (!pair.HasIn || pair.Out.Index != tt.in-1) {
				t.Errorf("outbound policy %d, want %d", pair.Out.Index, tt.in-1)
			}
		})
	}
}

func TestPortsAndProtocolsAreNamedWhenTheyAreInTheWay(t *testing.T) {
	d := db(both(sel("10.0.0.1/32", "10.1.0.1/32", 80, 1024, 6), 0, 10))
	for _, tt := range []struct {
		propose policy.Selector
		want    string
	}{
		{sel("10.0.0.1/32", "10.1.0.1/32", 80, 1024, 17), "protocol is 17, not 6"},
		{sel("10.0.0.1/32", "10.1.0.1/32", 80, 0, 6), "remote port is any, not 1024"},
		{sel("10.0.0.1/32", "10.1.0.1/32", 443, 1, 6), "remote port is 1, not 1024, local port is 443, not 80"},
		{sel("10.0.0.1/32", "10.1.0.1/32", 443, 1, 17), ""}, // three fields: not close
	} {
		if tt.want != "" {
			tt.want = "in 10.1.0.1/32[1024] 10.0.0.1/32[80] 6: " + tt.want
		}
		if _, closest, ok := d.Respond(tt.propose, none, none); ok || closest != tt.want {
			t.Errorf("Respond(%v): %v, %q; want %q", tt.propose, ok, closest, tt.want)
		}
	}
}

func TestPairs(t *testing.T) {
	site := both(sel("10.0.0.0/16", "10.1.0.0/16", 0, 0, 0), 100, 10)

	t.Run("an outbound policy finds its mirror", func(t *testing.T) {
		want := Pair{Out: site[0], In: site[1], HasIn: true}
		if diff := cmp.Diff(want, db(site).PairOf(site[0]), cmpopts.EquateComparable(netip.Prefix{}, netip.Addr{})); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("a missing inbound policy is legal", func(t *testing.T) {
		if p := db(site[:1]).PairOf(site[0]); p.HasIn {
			t.Errorf("found %v", p.In.Key)
		}
	})
	t.Run("marks may differ, interfaces may not", func(t *testing.T) {
		marked := site[1]
		marked.Key.Mark = Mark{7, 0xff}
		if p := db(site[:1], []Policy{marked}).PairOf(site[0]); !p.HasIn {
			t.Error("the marked mirror was not found")
		}
		marked.Key.IfID = 3
		if p := db(site[:1], []Policy{marked}).PairOf(site[0]); p.HasIn {
			t.Error("the mirror of another interface was found")
		}
	})
	t.Run("a responder without outbound policy gets the mirror without request IDs", func(t *testing.T) {
		p, _, ok := db(site[1:]).Respond(sel("10.0.0.0/16", "10.1.0.0/16", 0, 0, 0), none, none)
		if !ok || p.Out.Key != site[0].Key || p.Out.Templates[0].ReqID != 0 || p.Out.Templates[0].Src != site[0].Templates[0].Src {
			t.Errorf("%v %+v", ok, p.Out)
		}
		if site[1].Templates[0].ReqID != 11 {
			t.Error("the inbound policy was changed")
		}
	})
}

// Two route-based tunnels for all traffic, and one more that the first hides.
func TestPoliciesOfSeveralInterfaces(t *testing.T) {
	all := sel("0.0.0.0/0", "0.0.0.0/0", 0, 0, 0)
	tunnel := func(index uint32, remote string, tag func(*Key)) []Policy {
		ps := both(all, 0, index)
		for i := range ps {
			tag(&ps[i].Key)
		}
		ps[0].Templates[0].Dst, ps[1].Templates[0].Src = netip.MustParseAddr(remote), netip.MustParseAddr(remote)
		return ps
	}
	by := map[string]func(n uint32) func(*Key){
		"interface":                        func(n uint32) func(*Key) { return func(k *Key) { k.IfID = n } },
		"mark":                             func(n uint32) func(*Key) { return func(k *Key) { k.Mark = Mark{n, 0xff} } },
		"mark, another for each direction": func(n uint32) func(*Key) { return func(k *Key) { k.Mark = Mark{2*n + uint32(k.Dir), 0xff} } },
	}
	here := netip.MustParseAddr("192.0.2.1")
	for name, tag := range by {
		t.Run(name, func(t *testing.T) {
			d := db(tunnel(10, "192.0.2.2", tag(1)), tunnel(20, "192.0.2.3", tag(2)))
			for remote, want := range map[string]uint32{"192.0.2.2": 10, "192.0.2.3": 20, "192.0.2.4": 10} {
				for _, s := range []policy.Selector{all, sel("10.0.0.0/8", "10.1.0.0/16", 0, 0, 0)} {
					p, _, ok := d.Respond(s, here, netip.MustParseAddr(remote))
					if !ok || p.Out.Index != want || p.In.Index != want+1 {
						t.Errorf("%v from %s: out %d, in %d, want %d", s, remote, p.Out.Index, p.In.Index, want)
					}
				}
			}
		})
	}
	hidden := tunnel(30, "192.0.2.3", func(k *Key) { k.Proto = 17 })
	d := db(tunnel(10, "192.0.2.2", func(*Key) {}), hidden)
	if p, _, _ := d.Respond(sel("10.0.0.0/8", "10.1.0.0/16", 0, 0, 17), here, netip.MustParseAddr("192.0.2.3")); p.In.Index != 11 {
		t.Errorf("policy %d was found, which the kernel does not come to", p.In.Index)
	}
}

func TestPacketFollowsPriorityThenArrival(t *testing.T) {
	wide := both(sel("0.0.0.0/0", "0.0.0.0/0", 0, 0, 0), 200, 10)[:1]
	first := both(sel("10.0.0.0/8", "10.0.0.0/8", 0, 0, 0), 100, 20)[:1]
	second := both(sel("10.0.0.0/9", "10.0.0.0/8", 0, 0, 0), 100, 30)[:1]
	packet := sel("10.1.1.1/32", "10.2.2.2/32", 1, 2, 17)

	d := db(wide, first, second)
	want := func(index uint32) {
		t.Helper()
		if p, _ := d.Packet(packet); p.Index != index {
			t.Errorf("policy %d applies, want %d", p.Index, index)
		}
	}
	want(20)
	d.Put(first[0]) // an update keeps its place
	want(20)
	second[0].Priority = 50
	d.Put(second[0])
	want(30)
	d.Remove(second[0].Key)
	d.RemoveIndex(20)
	want(10)
	d.RemoveIndex(0)
	d.Remove(wide[0].Key)
	want(0)
	if d.Len() != 0 || len(d.byNets) != 0 || len(d.shapes) != 0 || len(d.byIndex) != 0 {
		t.Errorf("an emptied data base keeps %+v", d)
	}
}

func TestBetweenFindsTunnelsByEndPointAndTransportBySelector(t *testing.T) {
	tunnel := both(sel("10.0.0.0/16", "10.1.0.0/16", 0, 0, 0), 0, 10)
	host := both(sel("192.0.2.1/32", "192.0.2.9/32", 0, 0, 0), 0, 20)
	for i := range host {
		host[i].Templates = []Template{{Proto: 50, Mode: Transport}}
	}
	d := db(tunnel, host)
	for _, tt := range []struct {
		local, remote string
		want          []uint32
	}{
		{"192.0.2.1", "192.0.2.2", []uint32{10}},
		{"", "192.0.2.9", []uint32{20}},
		{"192.0.2.77", "192.0.2.2", nil},
	} {
		local, _ := netip.ParseAddr(tt.local)
		var got []uint32
		for _, p := range d.Between(local, netip.MustParseAddr(tt.remote)) {
			got = append(got, p.Index)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("between %s and %s: %v, want %v", tt.local, tt.remote, got, tt.want)
		}
	}
}

// The hash of prefix lengths must say what a plain walk in kernel order says.
func TestSearchAgreesWithALinearWalk(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	prefix := func() netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(r.IntN(2)), byte(r.IntN(2)), byte(r.IntN(2))}), 8*r.IntN(5)).Masked()
	}
	key := func() Key {
		return Key{Dir: Direction(1 + r.IntN(2)), Src: prefix(), Dst: prefix(), SrcPort: uint16(r.IntN(2)), DstPort: uint16(r.IntN(2)), Proto: uint8(r.IntN(2))}
	}
	d := new(DB)
	for range 3000 {
		if r.IntN(3) == 0 {
			d.Remove(key())
		} else {
			d.Put(Policy{Key: key(), Priority: int32(r.IntN(3))})
		}
		want, k := (*entry)(nil), key()
		for _, e := range d.byKey {
			if e.Key.Dir == k.Dir && len(differences(e.Key, k)) == 0 && (want == nil || order(e, want) < 0) {
				want = e
			}
		}
		if got := d.search(k); got != want {
			t.Fatalf("search(%v) = %v, a walk finds %v", k, got, want)
		}
	}
}

func BenchmarkRespond(b *testing.B) {
	for _, n := range []int{1000, 50000} {
		d := new(DB)
		for i := range n {
			for _, p := range both(sel("10.0.0.0/8", fmt.Sprintf("172.%d.%d.%d/32", i>>16, i>>8&255, i&255), 0, 0, 0), 0, uint32(2*i+2)) {
				d.Put(p)
			}
		}
		want := sel("10.0.0.0/8", "172.0.1.7/32", 0, 0, 0)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				if _, _, ok := d.Respond(want, none, none); !ok {
					b.Fatal("not found")
				}
			}
		})
	}
}

func TestPoliciesToBeGenerated(t *testing.T) {
	want := sel("10.0.5.7/16", "10.1.0.0/16", 80, 0, 6)
	p := PairFor(want)
	if got := p.Selector(); got != sel("10.0.0.0/16", "10.1.0.0/16", 80, 0, 6) || p.In.Key.Selector() != got || !p.HasIn || p.In.Key.Dir != In {
		t.Errorf("%+v is for %v", p, got)
	}
	if _, ok := p.Forward(); ok {
		t.Error("a forward policy without a tunnel")
	}
	p.In.Templates = []Template{{Proto: 50, Mode: Tunnel, ReqID: 7}}
	fwd, ok := p.Forward()
	if !ok || fwd.Key.Dir != Fwd || fwd.Key.Src != p.In.Key.Src || fwd.Key.Selector() != p.Selector() {
		t.Errorf("%v %+v", ok, fwd)
	}

	d := new(DB)
	knows := func(want bool) {
		t.Helper()
		if got := d.Knows(sel("10.0.0.3/32", "10.1.0.3/32", 80, 0, 6)); got != want || d.Knows(sel("10.0.0.3/32", "10.2.0.3/32", 80, 0, 6)) || d.Knows(policy.Selector{}) {
			t.Errorf("knows %v, want %v", got, want)
		}
		if d.UsesReqID(7) != want || d.UsesReqID(8) {
			t.Errorf("request ID 7: %v, 8: %v", d.UsesReqID(7), d.UsesReqID(8))
		}
	}
	knows(false)
	d.Put(p.In)
	d.Put(fwd)
	d.Put(p.In)
	knows(true)
	d.Remove(fwd.Key)
	knows(true)
	d.Remove(p.In.Key)
	knows(false)
}
