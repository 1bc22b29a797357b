package policy

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRemotesForAnAddress: the rules by which a peer's section is chosen
// (racoon-conf section 9).
func TestRemotesForAnAddress(t *testing.T) {
	literal := func(name, addr string, modes ...ExchangeMode) *Remote {
		return &Remote{Name: name, Addr: netip.MustParseAddr(addr), Modes: modes}
	}
	network := func(name, net string, modes ...ExchangeMode) *Remote {
		return &Remote{Name: name, Net: netip.MustParsePrefix(net), Modes: modes}
	}
	anonymous := func(name string, modes ...ExchangeMode) *Remote { return &Remote{Name: name, Modes: modes} }
	passive := func(r *Remote) *Remote { r.Passive = true; return r }
	onPort := func(r *Remote, port uint16) *Remote { r.Port = port; return r }

	for _, c := range []struct {
		name       string
		remotes    []*Remote
		addr       string
		mode       ExchangeMode
		initiating bool
		want       []string
	}{
		{name: "the section of the address", remotes: []*Remote{literal("a", "192.0.2.1", Main), literal("b", "192.0.2.2", Main)}, addr: "192.0.2.2", want: []string{"b"}},
		{name: "the address before anonymous, wherever it stands", remotes: []*Remote{anonymous("any", Main), literal("a", "192.0.2.1", Main)}, addr: "192.0.2.1", want: []string{"a"}},
		{name: "anonymous where nothing names the address", remotes: []*Remote{literal("a", "192.0.2.1", Main), anonymous("any", Main)}, addr: "192.0.2.9", want: []string{"any"}},
		{name: "nothing where nothing fits", remotes: []*Remote{literal("a", "192.0.2.1", Main)}, addr: "192.0.2.9"},
		{name: "the longer network before the shorter", remotes: []*Remote{network("n8", "10.0.0.0/8", Main), network("n24", "10.1.1.0/24", Main), anonymous("any", Main)}, addr: "10.1.1.1", want: []string{"n24"}},
		{name: "an address before a network of one", remotes: []*Remote{network("n32", "10.1.1.1/32", Main), literal("a", "10.1.1.1", Main)}, addr: "10.1.1.1", want: []string{"a"}},
		{name: "a network of length zero before anonymous", remotes: []*Remote{anonymous("any", Main), network("n0", "0.0.0.0/0", Main)}, addr: "10.1.1.1", want: []string{"n0"}},
		{name: "a network of the other family does not fit", remotes: []*Remote{network("n0", "::/0", Main)}, addr: "10.1.1.1"},
		{name: "several that fit equally well, in the order of the file", remotes: []*Remote{literal("b", "192.0.2.1", Main), literal("a", "192.0.2.1", Main)}, addr: "192.0.2.1", want: []string{"b", "a"}},
		{name: "ports do not matter", remotes: []*Remote{onPort(literal("a", "192.0.2.1", Main), 4500)}, addr: "192.0.2.1", want: []string{"a"}},
		{name: "an IPv4 address inside IPv6 is that IPv4 address", remotes: []*Remote{literal("a", "192.0.2.1", Main)}, addr: "::ffff:192.0.2.1", want: []string{"a"}},
		{name: "the scope of a link-local address matters", remotes: []*Remote{literal("a", "fe80::1%eth0", Main), literal("b", "fe80::1%eth1", Main)}, addr: "fe80::1%eth1", want: []string{"b"}},
		{name: "a network takes addresses with any scope", remotes: []*Remote{network("n", "fe80::/10", Main)}, addr: "fe80::1%eth1", want: []string{"n"}},
		{name: "only sections that speak the exchange", remotes: []*Remote{literal("a", "192.0.2.1", Aggressive), literal("b", "192.0.2.1", Main, Aggressive)}, addr: "192.0.2.1", mode: Main, want: []string{"b"}},
		{name: "anonymous if the closer one does not speak the exchange", remotes: []*Remote{literal("a", "192.0.2.1", Aggressive), anonymous("any", Main)}, addr: "192.0.2.1", mode: Main, want: []string{"any"}},
		{name: "passive sections answer", remotes: []*Remote{passive(literal("a", "192.0.2.1", Main))}, addr: "192.0.2.1", mode: Main, want: []string{"a"}},
		{name: "passive sections do not initiate", remotes: []*Remote{passive(literal("a", "192.0.2.1", Main)), anonymous("any", Main)}, addr: "192.0.2.1", initiating: true, want: []string{"any"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, r := range (&Config{Remotes: c.remotes}).RemotesFor(netip.MustParseAddr(c.addr), c.mode, c.initiating) {
				got = append(got, r.Name)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// TestSAInfoForIdentities: the rules by which a sainfo section is chosen (racoon-conf
// section 10).
func TestSAInfoForIdentities(t *testing.T) {
	host := func(a string) *SAID { return &SAID{Type: 1, Data: netip.MustParseAddr(a).AsSlice()} }
	subnet := func(p string) *SAID {
		n := netip.MustParsePrefix(p)
		data := n.Addr().AsSlice()
		for i := range len(data) {
			data = append(data, byte(uint16(0xff00)>>min(max(n.Bits()-8*i, 0), 8)))
		}
		id := &SAID{Type: 4, Data: data}
		if n.Addr().Is6() {
			id.Type = 6
		}
		return id
	}
	with := func(id *SAID, proto uint8, port uint16) *SAID { id.Proto, id.Port = proto, port; return id }
	fqdn := func(s string) *SAID { return &SAID{Type: 2, Data: []byte(s)} }
	peer := func(typ uint8, s string) *Identity { return &Identity{Type: typ, Data: []byte(s)} }

	for _, c := range []struct {
		name          string
		section       SAInfo
		local, remote *SAID
		ph1id         uint32
		peer          *Identity
		want          bool
	}{
		{name: "anonymous fits everything", local: host("10.0.0.1"), remote: subnet("10.1.0.0/16"), want: true},
		{name: "equal networks", section: SAInfo{Local: subnet("10.0.0.0/8"), Remote: subnet("10.1.0.0/16")}, local: subnet("10.0.0.0/8"), remote: subnet("10.1.0.0/16"), want: true},
		{name: "a network does not contain a smaller one", section: SAInfo{Local: subnet("10.0.0.0/8")}, local: subnet("10.1.0.0/16")},
		{name: "the sides are not exchanged", section: SAInfo{Local: subnet("10.0.0.0/8"), Remote: subnet("10.1.0.0/16")}, local: subnet("10.1.0.0/16"), remote: subnet("10.0.0.0/8")},
		{name: "a peer without identities", section: SAInfo{Local: subnet("10.0.0.0/8"), Remote: subnet("10.1.0.0/16")}, want: true},
		{name: "a host is a network of full length", section: SAInfo{Local: host("10.0.0.1")}, local: subnet("10.0.0.1/32"), want: true},
		{name: "and the other way round", section: SAInfo{Local: subnet("10.0.0.1/32")}, local: host("10.0.0.1"), want: true},
		{name: "then without regard to the protocol", section: SAInfo{Local: with(host("10.0.0.1"), 6, 80)}, local: subnet("10.0.0.1/32"), want: true},
		{name: "another host", section: SAInfo{Local: host("10.0.0.1")}, local: subnet("10.0.0.2/32")},
		{name: "a host is no shorter network", section: SAInfo{Local: host("10.0.0.0")}, local: subnet("10.0.0.0/24")},
		{name: "protocols must be equal", section: SAInfo{Local: with(host("10.0.0.1"), 6, 0)}, local: with(host("10.0.0.1"), 17, 0)},
		{name: "any protocol is not every protocol", section: SAInfo{Local: host("10.0.0.1")}, local: with(host("10.0.0.1"), 17, 0)},
		{name: "ports are never compared", section: SAInfo{Local: with(host("10.0.0.1"), 6, 80)}, local: with(host("10.0.0.1"), 6, 443), want: true},
		{name: "IPv6 networks", section: SAInfo{Local: subnet("2001:db8::/32")}, local: subnet("2001:db8::/32"), want: true},
		{name: "names of equal length and octets", section: SAInfo{Remote: fqdn("a.example")}, remote: fqdn("a.example"), want: true},
		{name: "a name is not its own prefix", section: SAInfo{Remote: fqdn("a.example")}, remote: fqdn("a.example.org")},
		{name: "types must be equal", section: SAInfo{Remote: fqdn("a.example")}, remote: &SAID{Type: 11, Data: []byte("a.example")}},
		{name: "remoteid equals ph1id", section: SAInfo{RemoteID: 7}, ph1id: 7, want: true},
		{name: "remoteid is no wildcard", section: SAInfo{}, ph1id: 7},
		{name: "a section for another ph1id", section: SAInfo{RemoteID: 7}},
		{name: "from names the peer", section: SAInfo{From: peer(2, "gw")}, peer: peer(2, "gw"), want: true},
		{name: "from names another peer", section: SAInfo{From: peer(2, "gw")}, peer: peer(2, "other")},
		{name: "from is of another type", section: SAInfo{From: peer(2, "gw")}, peer: peer(11, "gw")},
		{name: "from before the peer is known", section: SAInfo{From: peer(2, "gw")}, want: true},
		{name: "from any address", section: SAInfo{From: &Identity{Type: 1}}, peer: &Identity{Type: 5, Data: make([]byte, 16)}, want: true},
		{name: "from any address, and a name", section: SAInfo{From: &Identity{Type: 1}}, peer: peer(2, "gw")},
		{name: "clientaddr fits nobody yet", section: SAInfo{ClientAddr: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := &Config{SAInfos: []*SAInfo{&c.section}}
			if got := cfg.SAInfoFor(c.local, c.remote, c.ph1id, c.peer) != nil; got != c.want {
				t.Errorf("chosen: %v, want %v", got, c.want)
			}
		})
	}
	t.Run("the first that fits is taken", func(t *testing.T) {
		list := []*SAInfo{{RemoteID: 1}, {Lifetime: 1}, {Lifetime: 2}}
		if got := (&Config{SAInfos: list}).SAInfoFor(nil, nil, 0, nil); got != list[1] {
			t.Errorf("got %+v", got)
		}
	})
}

// TestSelectorReadsAsInSetkey for both directions.
func TestSelectorReadsAsInSetkey(t *testing.T) {
	s := Selector{Local: netip.MustParsePrefix("10.0.0.0/8"), Remote: netip.MustParsePrefix("10.1.0.0/16"), RemotePort: 80, Proto: 6}
	if got, want := s.String(), "10.0.0.0/8[any] 10.1.0.0/16[80] 6"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// FuzzSAIDMatches: any two identities are compared without a panic, the same in
// both directions, and each equals itself.
func FuzzSAIDMatches(f *testing.F) {
	f.Add(uint8(1), []byte{10, 0, 0, 1}, uint8(4), []byte{10, 0, 0, 1, 255, 255, 255, 255})
	f.Add(uint8(1), []byte{10}, uint8(6), []byte{})
	f.Fuzz(func(t *testing.T, ta uint8, da []byte, tb uint8, db []byte) {
		a, b := &SAID{Type: ta, Data: da}, &SAID{Type: tb, Data: db}
		if a.matches(b) != b.matches(a) {
			t.Errorf("%+v and %+v: not symmetric", a, b)
		}
		if !a.matches(a) {
			t.Errorf("%+v is not itself", a)
		}
	})
}
