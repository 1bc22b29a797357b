package ike_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/doi"
	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/ike/iketest"
	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
)

// refusals notes why quick modes fail, by host.
func refusals(w *iketest.World) map[string][]string {
	all := map[string][]string{}
	w.OnAction = func(m *iketest.Machine, act ike.Action) {
		if n, ok := act.(ike.Notice); ok && n.Event == notice.Phase2Failed {
			all[m.Host.Name] = append(all[m.Host.Name], n.Reason.String()+": "+n.Detail)
		}
	}
	return all
}

// sainfos gives a host these sections instead of its own.
func sainfos(h *iketest.Host, all ...*policy.SAInfo) {
	c := *h.Config
	like := *c.SAInfos[0]
	c.SAInfos = nil
	for i, s := range all {
		s.Lifetime, s.Encryption, s.Auth = like.Lifetime, like.Encryption, like.Auth
		s.Where = policy.Position{File: h.Name + ".conf", Line: i + 1}
		c.SAInfos = append(c.SAInfos, s)
	}
	h.Config = &c
}

func network(p string) *policy.SAID { return doi.SAID(doi.PrefixID(netip.MustParsePrefix(p), 0, 0)) }

// TestWhatTheSAInfoLetsAPeerHavePoliciesFor: a at 192.0.2.1 proposes 10.1.0.0/16, or
// another network, to 10.2.0.0/16 behind b.
func TestWhatTheSAInfoLetsAPeerHavePoliciesFor(t *testing.T) {
	const no = "no-policy: no policy is generated for "
	for _, c := range []struct {
		name     string
		net      string // of a
		sections []*policy.SAInfo
		want     string // why not, "": there are policies
	}{
		{name: "both networks are named", net: "10.1.0.0/16", sections: []*policy.SAInfo{{Local: network("10.2.0.0/16"), Remote: network("10.1.0.0/16")}}},
		{name: "a wider network is named", net: "10.1.0.0/16", sections: []*policy.SAInfo{{Remote: network("10.0.0.0/8")}}},
		{name: "any network is named", net: "10.1.0.0/16", sections: []*policy.SAInfo{{Remote: network("0.0.0.0/0")}}},
		{name: "behind an anonymous section one that names it", net: "10.1.0.0/16", sections: []*policy.SAInfo{{}, {Remote: network("10.0.0.0/8")}}},
		{name: "a narrower network is named", net: "10.1.0.0/16", sections: []*policy.SAInfo{{Remote: network("10.1.1.0/24")}},
			want: "no-sainfo: no sainfo for 10.2.0.0/16[any] 10.1.0.0/16[any] any"},
		{name: "another network of ours is named", net: "10.1.0.0/16", sections: []*policy.SAInfo{{Local: network("10.9.0.0/16"), Remote: network("10.1.0.0/16")}},
			want: "no-sainfo: no sainfo for 10.2.0.0/16[any] 10.1.0.0/16[any] any"},
		{name: "no network is named", net: "10.1.0.0/16", sections: []*policy.SAInfo{{}},
			want: no + "10.2.0.0/16[any] 10.1.0.0/16[any] any: the sainfo at b.conf:1 does not name a remote network, and 10.1.0.0/16 is not the peer's own address, 192.0.2.1"},
		{name: "somebody else's address", net: "192.0.2.9/32", sections: []*policy.SAInfo{{}},
			want: no + "10.2.0.0/16[any] 192.0.2.9/32[any] any: the sainfo at b.conf:1 does not name a remote network, and 192.0.2.9/32 is not the peer's own address, 192.0.2.1"},
		{name: "its own address", net: "192.0.2.1/32", sections: []*policy.SAInfo{{}}},
		{name: "clientaddr", net: "192.0.2.1/32", sections: []*policy.SAInfo{{ClientAddr: true}}},
		{name: "clientaddr, and another one", net: "192.0.2.9/32", sections: []*policy.SAInfo{{ClientAddr: true}},
			want: "no-sainfo: no sainfo for 10.2.0.0/16[any] 192.0.2.9/32[any] any"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := iketest.New(1)
			a, b := w.AddHost("a"), w.AddHost("b")
			a.Net = netip.MustParsePrefix(c.net)
			o := iketest.Options{Proposals: []policy.Phase1Proposal{iketest.AES128SHA256X25519}}
			a.Configure(b, o)
			o.Generate = policy.GenerateUnique
			b.Configure(a, o)
			sainfos(b, c.sections...)
			why := refusals(w)
			a.Acquire(b)
			w.Run(time.Minute)
			var want []string
			if c.want != "" {
				want = []string{c.want}
			}
			if diff := cmp.Diff(want, why["b"]); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got := len(b.Kernel.Generated); (got == 1) != (c.want == "") {
				t.Errorf("%d selectors have policies", got)
			}
			w.CheckKernel()
			w.CheckSymmetry()
			if err := w.Err(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestTwoPeersCannotHavePoliciesForTheSameTraffic: nor the second for a part of it.
func TestTwoPeersCannotHavePoliciesForTheSameTraffic(t *testing.T) {
	for _, second := range []string{"10.1.0.0/16", "10.1.7.0/24"} {
		w := iketest.New(1)
		a, b, c := w.AddHost("a"), w.AddHost("b"), w.AddHost("c")
		c.Net = netip.MustParsePrefix(second)
		o := iketest.Options{Proposals: []policy.Phase1Proposal{iketest.AES128SHA256X25519}}
		a.Configure(b, o)
		c.Configure(b, o)
		o.Generate = policy.GenerateUnique
		b.Configure(a, o)
		b.Configure(c, o)
		why := refusals(w)
		a.Acquire(b)
		w.Run(time.Minute)
		c.Acquire(b)
		w.Run(time.Minute)
		if n := len(why["b"]); n != 1 || !strings.HasSuffix(why["b"][0], "generated for another peer") || !strings.HasPrefix(why["b"][0], "no-policy: ") {
			t.Errorf("%s: %q", second, why["b"])
		}
		// The first one's are untouched, and once they are gone the second may have them.
		out, _ := b.SPD.Packet(policy.Selector{Local: netip.MustParsePrefix("10.2.0.1/32"), Remote: netip.MustParsePrefix("10.1.7.1/32")})
		if len(out.Templates) != 1 || out.Templates[0].Dst != a.Addr {
			t.Errorf("%s: %+v", second, out)
		}
		a.Delete(b, false, true)
		w.Run(time.Minute)
		c.Acquire(b)
		w.Run(time.Minute)
		out, _ = b.SPD.Packet(policy.Selector{Local: netip.MustParsePrefix("10.2.0.1/32"), Remote: netip.MustParsePrefix("10.1.7.1/32")})
		if len(why["b"]) != 1 || len(out.Templates) != 1 || out.Templates[0].Dst != c.Addr {
			t.Errorf("%s: %q, %+v", second, why["b"], out)
		}
		w.CheckKernel()
		if err := w.Err(); err != nil {
			t.Error(err)
		}
	}
}

// TestANameIsTheHostThatHasIt: identities that are no network choose the sainfo, and
// mean the host.
func TestANameIsTheHostThatHasIt(t *testing.T) {
	d := newDuel(t)
	d.Connect(d.a, d.b, iketest.Options{Proposals: []policy.Phase1Proposal{iketest.AES128SHA256X25519}, Transport: true})
	d.a.Establish(d.b, true)
	d.Run(10 * time.Second)
	m := d.a.Peer(d.b).Peer
	offer, err := doi.OfferIPsec(doi.Side{Templates: []spd.Template{{Proto: 50, Mode: spd.Transport}}, SAInfo: d.a.Config.SAInfos[0]}, []uint32{0xa1a1a1a1})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []isakmp.ID{
		{Type: isakmp.IDFQDN, Data: []byte("a.example")},
		{Type: isakmp.IDUserFQDN, Data: []byte("a@example")},
		{Type: isakmp.IDKeyID, Data: []byte{1, 2, 3}},
	} {
		said := doi.SAID(id)
		said.Text = "name"
		sainfos(d.b, &policy.SAInfo{Local: said, Remote: said})
		d.b.Peer(d.a).Post(ike.Reconfigure{Config: policy.NewCommon(d.b.Config), Remote: d.b.Config.Remotes[0]})
		before := len(d.b.Peer(d.a).Status(d.Now()).Exchanges)
		d.Net.Inject(d.a, d.b, ike.Forge(m, isakmp.QuickMode, []isakmp.Payload{
			{Type: isakmp.PayloadSA, Body: offer.Append(nil)}, {Type: isakmp.PayloadNONCE, Body: make([]byte, 16)},
			{Type: isakmp.PayloadID, Body: id.Append(nil)}, {Type: isakmp.PayloadID, Body: id.Append(nil)}}))
		d.Run(time.Second)
		if n := len(d.b.Peer(d.a).Status(d.Now()).Exchanges); n != before+1 {
			t.Errorf("%v: b has not answered", id)
		}
		d.Run(time.Minute)
	}
}

// TestIdentitiesAreEndPointsWithSupportProxy: in transport mode, and where a sainfo
// trusts the peer by its identity.
func TestIdentitiesAreEndPointsWithSupportProxy(t *testing.T) {
	home := netip.MustParseAddr("198.51.100.7")
	for _, c := range []struct {
		name        string
		proxy, from bool
		want        netip.Addr
	}{
		{"with support_proxy and from", true, true, home},
		{"without support_proxy", false, true, netip.MustParseAddr("192.0.2.1")},
		{"without from", true, false, netip.MustParseAddr("192.0.2.1")},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDuel(t)
			d.Connect(d.a, d.b, iketest.Options{Proposals: []policy.Phase1Proposal{iketest.AES128SHA256X25519}, Transport: true, Proxy: c.proxy})
			in := spd.PairFor(policy.Selector{Local: netip.PrefixFrom(d.b.Addr, 32), Remote: netip.PrefixFrom(home, 32)})
			for _, p := range []spd.Policy{in.In, in.Out} {
				p.Templates = []spd.Template{{Proto: 50, Mode: spd.Transport, ReqID: 9}}
				d.b.SPD.Put(p)
			}
			s := &policy.SAInfo{}
			if c.from {
				s.From = &policy.Identity{Type: policy.IDIPv4, Data: d.a.Addr.AsSlice(), Text: "a"}
			}
			sainfos(d.b, s)
			d.a.Establish(d.b, true)
			d.Run(10 * time.Second)
			offer, err := doi.OfferIPsec(doi.Side{Templates: []spd.Template{{Proto: 50, Mode: spd.Transport}}, SAInfo: d.a.Config.SAInfos[0]}, []uint32{0xa1a1a1a1})
			if err != nil {
				t.Fatal(err)
			}
			d.Net.Inject(d.a, d.b, ike.Forge(d.a.Peer(d.b).Peer, isakmp.QuickMode, []isakmp.Payload{
				{Type: isakmp.PayloadSA, Body: offer.Append(nil)}, {Type: isakmp.PayloadNONCE, Body: make([]byte, 16)},
				{Type: isakmp.PayloadID, Body: doi.AddrID(home, 0, 0).Append(nil)}, {Type: isakmp.PayloadID, Body: doi.AddrID(d.b.Addr, 0, 0).Append(nil)}}))
			d.Run(time.Second)
			var ends []netip.Addr
			for _, sa := range d.b.Kernel.SAs {
				ends = append(ends, sa.Src)
			}
			if !slices.Equal(ends, []netip.Addr{c.want}) {
				t.Errorf("SAs from %v, want %v", ends, c.want)
			}
			d.Run(time.Minute)
		})
	}
}

// TestShutdownAtAnyMomentOfARenewal: policies that are still being installed for the new
// SAs outlive the old ones, and go with the answer. A change that was asked for later may
// be done earlier.
func TestShutdownAtAnyMomentOfARenewal(t *testing.T) {
	for seed := range uint64(200) {
		w := iketest.New(seed)
		a, b := w.AddHost("a"), w.AddHost("b")
		o := iketest.Options{Proposals: []policy.Phase1Proposal{iketest.AES128SHA256X25519}}
		a.Configure(b, o)
		o.Generate = policy.GenerateUnique
		b.Configure(a, o)
		a.Acquire(b)
		w.Run(2 * time.Minute)
		w.MinService, w.MaxService = 10*time.Millisecond, 2*time.Second
		a.SoftExpire(b)
		w.Run(time.Duration(seed) * 50 * time.Millisecond)
		b.Shutdown()
		w.Run(time.Minute)
		b.CheckClean()
		if n := len(b.Kernel.Generated); n != 0 {
			t.Errorf("seed %d: %d selectors still have policies", seed, n)
		}
		if err := w.Err(); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
}
