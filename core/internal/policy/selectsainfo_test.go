package policy

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
)

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
	other := func(typ uint8, s string) *SAID { return &SAID{Type: typ, Data: []byte(s)} }
	peer := func(typ uint8, s string) *Identity { return &Identity{Type: typ, Data: []byte(s)} }

	for _, c := range []struct {
		name          string
		section       SAInfo
		local, remote *SAID
		ph1id         uint32
		peer          *Identity
		client        string
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
		{name: "from is longer than the peer's identity", section: SAInfo{From: peer(2, "gw.example")}, peer: peer(2, "gw")},
		{name: "from any address, and a subnet", section: SAInfo{From: &Identity{Type: 1}}, peer: peer(4, "\x0a\x00\x00\x00\xff\x00\x00\x00"), want: true},
		{name: "from an address, and the same as a network of full length", section: SAInfo{From: peer(1, "\x0a\x00\x00\x01")}, peer: peer(4, "\x0a\x00\x00\x01\xff\xff\xff\xff"), want: true},
		{name: "from a type that cannot be compared", section: SAInfo{From: peer(10, "x")}, peer: peer(10, "x")},
		{name: "equal ranges", section: SAInfo{Local: other(7, "\x0a\x00\x00\x01\x0a\x00\x00\x09")}, local: other(7, "\x0a\x00\x00\x01\x0a\x00\x00\x09"), want: true},
		{name: "a range that begins the same", section: SAInfo{Local: other(7, "\x0a\x00\x00\x01\x0a\x00\x00\x09")}, local: other(7, "\x0a\x00\x00\x01\x0a\x00\x00\x08")},
		{name: "a range of one is no host", section: SAInfo{Local: host("10.0.0.1")}, local: other(7, "\x0a\x00\x00\x01\x0a\x00\x00\x01")},
		{name: "an IPv6 host is a network of full length", section: SAInfo{Local: &SAID{Type: 5, Data: netip.MustParseAddr("2001:db8::1").AsSlice()}}, local: subnet("2001:db8::1/128"), want: true},
		{name: "user names, key IDs and distinguished names are compared by octets", section: SAInfo{Local: other(3, "a@b"), Remote: other(11, "k")}, local: other(3, "a@b"), remote: other(11, "k"), want: true},
		{name: "distinguished names too", section: SAInfo{Local: other(9, "0\x00")}, local: other(9, "0\x00"), want: true},
		{name: "any other type never matches", section: SAInfo{Local: other(10, "x")}, local: other(10, "x")},
		{name: "protocols of names must be equal too", section: SAInfo{Local: with(fqdn("a"), 6, 0)}, local: fqdn("a")},
		{name: "one side anonymous, the other right", section: SAInfo{Remote: host("10.1.0.1")}, local: host("10.0.0.1"), remote: host("10.1.0.1"), want: true},
		{name: "one side right, the other wrong", section: SAInfo{Local: host("10.0.0.1"), Remote: host("10.1.0.1")}, local: host("10.0.0.1"), remote: host("10.1.0.2")},

		{name: "clientaddr is skipped where the client's address is not known", section: SAInfo{ClientAddr: true}, remote: host("192.0.2.2")},
		{name: "clientaddr is skipped even if the peer sent no identities", section: SAInfo{ClientAddr: true}},
		{name: "clientaddr: the remote identity is the client's address", section: SAInfo{ClientAddr: true}, local: subnet("10.0.0.0/8"), remote: host("192.0.2.2"), client: "192.0.2.2", want: true},
		{name: "clientaddr: another address", section: SAInfo{ClientAddr: true}, remote: host("192.0.2.3"), client: "192.0.2.2"},
		{name: "clientaddr: a network of full length", section: SAInfo{ClientAddr: true}, remote: with(subnet("192.0.2.2/32"), 17, 1701), client: "192.0.2.2", want: true},
		{name: "clientaddr: a network around the client", section: SAInfo{ClientAddr: true}, remote: subnet("192.0.2.0/24"), client: "192.0.2.2"},
		{name: "clientaddr: any protocol is not every protocol", section: SAInfo{ClientAddr: true}, remote: with(host("192.0.2.2"), 17, 1701), client: "192.0.2.2"},
		{name: "clientaddr: the local identity must match too", section: SAInfo{ClientAddr: true, Local: subnet("10.0.0.0/8")}, local: subnet("10.1.0.0/16"), remote: host("192.0.2.2"), client: "192.0.2.2"},
		{name: "clientaddr behind a local identity that matches", section: SAInfo{ClientAddr: true, Local: subnet("10.0.0.0/8")}, local: subnet("10.0.0.0/8"), remote: host("192.0.2.2"), client: "192.0.2.2", want: true},
		{name: "clientaddr: ph1id and from count as always", section: SAInfo{ClientAddr: true, RemoteID: 7}, remote: host("192.0.2.2"), client: "192.0.2.2"},
		{name: "clientaddr: IPv6, without its scope", section: SAInfo{ClientAddr: true}, remote: &SAID{Type: 5, Data: netip.MustParseAddr("fe80::2").AsSlice()}, client: "fe80::2%eth0", want: true},
		{name: "clientaddr: an IPv4 address inside IPv6 is that IPv4 address", section: SAInfo{ClientAddr: true}, remote: host("192.0.2.2"), client: "::ffff:192.0.2.2", want: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := &Config{SAInfos: []*SAInfo{&c.section}}
			q := SAInfoQuery{Local: c.local, Remote: c.remote, Ph1ID: c.ph1id, Peer: c.peer}
			if c.client != "" {
				q.Client = netip.MustParseAddr(c.client)
			}
			if got := cfg.SAInfoFor(q) != nil; got != c.want {
				t.Errorf("chosen: %v, want %v", got, c.want)
			}
		})
	}
}

// TestSAInfoPriority: of several sections that fit the most particular one is taken,
// wherever it stands (racoon-conf section 10.1).
func TestSAInfoPriority(t *testing.T) {
	id := &SAID{Type: IDFQDN, Data: []byte("x")}
	gw := &Identity{Type: IDFQDN, Data: []byte("gw")}
	q := SAInfoQuery{Local: id, Remote: &SAID{Type: IDIPv4, Data: []byte{192, 0, 2, 2}}, Ph1ID: 7, Peer: gw, Client: netip.MustParseAddr("192.0.2.2")}
	plain := q
	plain.Ph1ID = 0
	remote := q.Remote
	for _, c := range []struct {
		name     string
		q        SAInfoQuery
		sections []*SAInfo
		want     int
	}{
		{"of equal ones the first", plain, []*SAInfo{{RemoteID: 1}, {Lifetime: 1}, {Lifetime: 2}}, 1},
		{"a local identity before none", plain, []*SAInfo{{}, {Local: id}}, 1},
		{"a remote identity before none", plain, []*SAInfo{{}, {Remote: remote}}, 1},
		{"clientaddr counts as a remote identity", plain, []*SAInfo{{}, {ClientAddr: true}}, 1},
		{"local and remote are worth the same, the first is taken", plain, []*SAInfo{{Remote: remote}, {Local: id}}, 0},
		{"clientaddr and a remote identity are worth the same, the first is taken", plain, []*SAInfo{{ClientAddr: true}, {Remote: remote}}, 0},
		{"both before one", plain, []*SAInfo{{Local: id}, {Local: id, Remote: remote}}, 1},
		{"from before both", plain, []*SAInfo{{Local: id, Remote: remote}, {From: gw}}, 1},
		{"from with an identity before from", plain, []*SAInfo{{From: gw}, {From: gw, Local: id}}, 1},
		{"remoteid and from before remoteid and both identities", q, []*SAInfo{{RemoteID: 7, Local: id, Remote: remote}, {RemoteID: 7, From: gw}}, 1},
		{"a section of higher priority that does not fit", plain, []*SAInfo{{}, {From: &Identity{Type: IDFQDN, Data: []byte("other")}}}, 0},
		{"from of a peer that is not known yet", SAInfoQuery{}, []*SAInfo{{}, {From: gw}}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := (&Config{SAInfos: c.sections}).SAInfoFor(c.q); got != c.sections[c.want] {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// FuzzSAIDMatches: any two identities are compared without a panic, the same in
// both directions, and each that can be compared equals itself.
func FuzzSAIDMatches(f *testing.F) {
	f.Add(uint8(1), []byte{10, 0, 0, 1}, uint8(4), []byte{10, 0, 0, 1, 255, 255, 255, 255})
	f.Add(uint8(1), []byte{10}, uint8(6), []byte{})
	f.Fuzz(func(t *testing.T, ta uint8, da []byte, tb uint8, db []byte) {
		a, b := &SAID{Type: ta, Data: da}, &SAID{Type: tb, Data: db}
		if a.matches(b) != b.matches(a) {
			t.Errorf("%+v and %+v: not symmetric", a, b)
		}
		if a.matches(a) != a.comparable() {
			if _, host := a.host(); !host {
				t.Errorf("%+v is not itself", a)
			}
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

// identities are few, so that they meet: each is what the same address or name may be
// spelled as, with another protocol, or of another type.
func identities() []*SAID {
	all := []*SAID{nil}
	for _, a := range []string{"10.0.0.1", "10.0.0.2"} {
		d := netip.MustParseAddr(a).AsSlice()
		all = append(all, &SAID{Type: IDIPv4, Data: d}, &SAID{Type: IDIPv4, Data: d, Proto: 17, Port: 1701},
			&SAID{Type: IDIPv4Subnet, Data: append(d[:4:4], 255, 255, 255, 255)}, &SAID{Type: IDIPv4Subnet, Data: append(d[:4:4], 255, 255, 255, 0)},
			&SAID{Type: IDIPv4Range, Data: append(d[:4:4], d...)})
	}
	six := netip.MustParseAddr("2001:db8::1").AsSlice()
	all = append(all, &SAID{Type: IDIPv6, Data: six}, &SAID{Type: IDIPv6Subnet, Data: append(six[:16:16], slices.Repeat([]byte{255}, 16)...)},
		&SAID{Type: IDIPv6Subnet, Data: append(six[:16:16], make([]byte, 16)...)})
	for _, typ := range []uint8{IDFQDN, IDUserFQDN, IDKeyID, IDDN, 10} {
		all = append(all, &SAID{Type: typ, Data: []byte("a")}, &SAID{Type: typ, Data: []byte{10, 0, 0, 1}})
	}
	// What nobody should send.
	return append(all, &SAID{Type: IDIPv4, Data: six}, &SAID{Type: IDIPv6, Data: []byte{10, 0, 0, 1}}, &SAID{Type: IDIPv4, Data: []byte{10}},
		&SAID{Type: IDIPv4Subnet}, &SAID{Type: IDFQDN, Data: []byte{}}, &SAID{})
}

func phase1(id *SAID) *Identity {
	if id == nil {
		return nil
	}
	return &Identity{Type: id.Type, Data: id.Data}
}

// TestTheIndexOfSAInfosFindsWhatTheListFinds, of random sections and queries.
func TestTheIndexOfSAInfosFindsWhatTheListFinds(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	ids := identities()
	any := func() *SAID { return ids[r.IntN(len(ids))] }
	clients := []netip.Addr{{}, netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("::ffff:10.0.0.1"), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("fe80::1%eth0")}
	found := 0
	for range 3000 {
		c := &Config{}
		for range r.IntN(30) {
			s := &SAInfo{Local: any(), Remote: any(), RemoteID: uint32(r.IntN(2)), Lifetime: 1}
			if r.IntN(3) == 0 {
				s.Remote, s.ClientAddr = nil, true
			}
			if r.IntN(3) == 0 {
				s.From = phase1(any())
			}
			if r.IntN(3) == 0 {
				s.Local = nil
			}
			c.SAInfos = append(c.SAInfos, s)
		}
		common := NewCommon(c)
		for range 30 {
			q := SAInfoQuery{Local: any(), Remote: any(), Ph1ID: uint32(r.IntN(2)), Peer: phase1(any()), Client: clients[r.IntN(len(clients))]}
			if n := len(c.SAInfos); n > 0 && r.IntN(2) == 0 { // what somebody has written
				s := c.SAInfos[r.IntN(n)]
				q.Local, q.Remote, q.Ph1ID = s.Local, s.Remote, s.RemoteID
			}
			list, index := c.SAInfoFor(q), common.SAInfoFor(q)
			if list != index {
				t.Fatalf("%+v: by list %+v, by index %+v", q, list, index)
			}
			if list != nil {
				found++
			}
		}
	}
	if found < 30000 {
		t.Errorf("only %d queries found something", found)
	}
}

// TestIdentitiesThatMatchHaveOneFilter: what the index rests on.
func TestIdentitiesThatMatchHaveOneFilter(t *testing.T) {
	for _, a := range identities() {
		for _, b := range identities() {
			if a != nil && b != nil && a.matches(b) && string(a.appendCanonical(nil)) != string(b.appendCanonical(nil)) {
				t.Errorf("%+v and %+v match", a, b)
			}
		}
	}
}

// FuzzSAInfoIndex: the index finds what looking at every section finds. Identities are
// cut from the input.
func FuzzSAInfoIndex(f *testing.F) {
	f.Add([]byte{1, 4, 10, 0, 0, 1, 4, 8, 10, 0, 0, 1, 255, 255, 255, 255}, []byte{0, 1, 1, 0, 0, 0})
	f.Add([]byte{2, 1, 'a', 11, 1, 'a', 1, 4, 10, 0, 0, 1}, []byte{2, 1, 0, 1, 2, 9, 3, 0, 1})
	f.Fuzz(func(t *testing.T, octets, recipe []byte) {
		ids := []*SAID{nil}
		for len(octets) >= 2 && len(ids) < 64 {
			id := &SAID{Type: octets[0] & 0x0f, Proto: octets[0] >> 4}
			n := min(int(octets[1]), len(octets)-2)
			id.Data, octets = octets[2:2+n], octets[2+n:]
			ids = append(ids, id)
		}
		pick := func(b byte) *SAID { return ids[int(b)%len(ids)] }
		c := &Config{}
		for i := 0; i+3 < len(recipe) && i < 400; i += 4 {
			s := &SAInfo{Local: pick(recipe[i]), Remote: pick(recipe[i+1]), From: phase1(pick(recipe[i+2])), RemoteID: uint32(recipe[i+3] & 1)}
			if recipe[i+3]&2 != 0 {
				s.Remote, s.ClientAddr = nil, true
			}
			if recipe[i+3]&4 != 0 {
				s.From = nil
			}
			c.SAInfos = append(c.SAInfos, s)
		}
		common := NewCommon(c)
		for i, id := range ids {
			for _, other := range ids[:min(len(ids), 8)] {
				q := SAInfoQuery{Local: id, Remote: other, Ph1ID: uint32(i & 1), Peer: phase1(ids[(i+1)%len(ids)])}
				if other != nil {
					q.Client, _ = netip.AddrFromSlice(other.Data)
				}
				if list, index := c.SAInfoFor(q), common.SAInfoFor(q); list != index {
					t.Errorf("%+v: by list %+v, by index %+v", q, list, index)
				}
			}
		}
	})
}

// BenchmarkSAInfoOfTenThousand is one look-up among ten thousand sections, where each
// has traffic of its own, and where each is for a peer of its own.
func BenchmarkSAInfoOfTenThousand(b *testing.B) {
	us := &SAID{Type: IDIPv4Subnet, Data: []byte{10, 0, 0, 0, 255, 0, 0, 0}}
	traffic, peers := &Config{}, &Config{}
	for i := range 10000 {
		traffic.SAInfos = append(traffic.SAInfos, &SAInfo{Local: us, Remote: &SAID{Type: IDIPv4Subnet, Data: []byte{172, byte(i >> 8), byte(i), 0, 255, 255, 255, 0}}})
		peers.SAInfos = append(peers.SAInfos, &SAInfo{From: &Identity{Type: IDFQDN, Data: fmt.Appendf(nil, "peer-%d.example", i)}})
	}
	anybody := &Identity{Type: IDFQDN, Data: []byte("peer-5000.example")}
	for _, c := range []struct {
		name string
		*Config
	}{{"traffic", traffic}, {"peers", peers}} {
		c.SAInfos = append(c.SAInfos, &SAInfo{})
		q := SAInfoQuery{Local: us, Remote: &SAID{Type: IDIPv4Subnet, Data: []byte{172, 5000 >> 8, 5000 & 0xff, 0, 255, 255, 255, 0}}, Peer: anybody}
		common := NewCommon(c.Config)
		for _, how := range []struct {
			name string
			find func(SAInfoQuery) *SAInfo
		}{{"list", c.Config.SAInfoFor}, {"index", common.SAInfoFor}} {
			b.Run(c.name+"/"+how.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if s := how.find(q); s != c.SAInfos[5000] {
						b.Fatalf("%+v", s)
					}
				}
			})
		}
		b.Run(c.name+"/make", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				NewCommon(c.Config)
			}
		})
	}
}
