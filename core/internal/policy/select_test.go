package policy

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func literal(name, addr string, modes ...ExchangeMode) *Remote {
	return &Remote{Name: name, Addr: netip.MustParseAddr(addr), Modes: modes}
}

func network(name, net string, modes ...ExchangeMode) *Remote {
	return &Remote{Name: name, Net: netip.MustParsePrefix(net), Modes: modes}
}

func anonymous(name string, modes ...ExchangeMode) *Remote { return &Remote{Name: name, Modes: modes} }
func passive(r *Remote) *Remote                            { r.Passive = true; return r }
func onPort(r *Remote, port uint16) *Remote                { r.Port = port; return r }
func from(r *Remote, local string) *Remote {
	r.LocalAddr = netip.MustParseAddr(local)
	return r
}
func atLine(r *Remote, line int) *Remote { r.Where.Line = line; return r }

// verifying makes a section insist on identities; without one it takes anybody's.
func verifying(r *Remote, ids ...Identity) *Remote {
	r.VerifyIdentifier, r.PeerIDs = true, ids
	return r
}

// logging makes a section name identities it does not insist on.
func logging(r *Remote, ids ...Identity) *Remote { r.PeerIDs = ids; return r }

func fqdn(s string) Identity     { return Identity{Type: IDFQDN, Data: []byte(s)} }
func known(i Identity) *Identity { return &i }

// only is a predicate that is true for sections of these names.
func only(names ...string) func(*Remote) bool {
	return func(r *Remote) bool {
		for _, n := range names {
			if r.Name == n {
				return true
			}
		}
		return false
	}
}

// TestChoosingARemoteSection: the rules of racoon-conf section 9.1, with the networks
// of 9.2. Each row is asked for all candidates and for the choice, of the list as it
// is and of the index.
func TestChoosingARemoteSection(t *testing.T) {
	gw := known(fqdn("gw"))
	for _, c := range []struct {
		name    string
		remotes []*Remote
		q       Query
		addr    string
		want    []string // candidates, best first
		choice  string   // "" none; "?" ambiguous
	}{
		// The caller's wishes.
		{name: "who forbids sections without an address gets none", remotes: []*Remote{anonymous("any", Main)},
			q: Query{Addressed: true}, addr: "192.0.2.1"},
		{name: "who forbids sections without an address gets literal ones and networks", remotes: []*Remote{anonymous("any"), network("n", "192.0.2.0/24"), literal("a", "192.0.2.1")},
			q: Query{Addressed: true}, addr: "192.0.2.1", want: []string{"a", "n"}, choice: "a"},
		{name: "who forbids sections without an address need not know the peer's", remotes: []*Remote{anonymous("any"), literal("a", "192.0.2.1")},
			q: Query{Addressed: true}, want: []string{"a"}, choice: "a"},
		{name: "passive sections do not initiate", remotes: []*Remote{passive(literal("a", "192.0.2.1", Main)), anonymous("any", Main)},
			q: Query{Initiating: true}, addr: "192.0.2.1", want: []string{"any"}, choice: "any"},
		{name: "passive sections answer", remotes: []*Remote{passive(literal("a", "192.0.2.1", Main))},
			q: Query{Mode: Main}, addr: "192.0.2.1", want: []string{"a"}, choice: "a"},
		{name: "an operator names one of several", remotes: []*Remote{anonymous("a"), anonymous("b")},
			q: Query{Section: "b", Initiating: true}, addr: "192.0.2.1", want: []string{"b"}, choice: "b"},
		{name: "an operator names one that is not the best", remotes: []*Remote{anonymous("b"), literal("a", "192.0.2.1")},
			q: Query{Section: "b"}, addr: "192.0.2.1", want: []string{"b"}, choice: "b"},
		{name: "the section an operator names must be the peer's all the same", remotes: []*Remote{literal("a", "192.0.2.1"), literal("b", "192.0.2.2")},
			q: Query{Section: "b"}, addr: "192.0.2.1"},
		{name: "a name that two sections have decides nothing", remotes: []*Remote{anonymous("any"), anonymous("any")},
			q: Query{Section: "any"}, addr: "192.0.2.1", want: []string{"any", "any"}, choice: "?"},

		// Bit 0x1: every section that is not ruled out.
		{name: "of a peer nothing is known of, every section", remotes: []*Remote{literal("a", "192.0.2.1"), network("n", "10.0.0.0/8"), anonymous("any")},
			want: []string{"a", "n", "any"}, choice: "?"},
		{name: "the only section there is", remotes: []*Remote{literal("a", "192.0.2.1")}, want: []string{"a"}, choice: "a"},
		{name: "nothing of nothing", addr: "192.0.2.1"},

		// Bit 0x2: the address.
		{name: "the section of the address", remotes: []*Remote{literal("a", "192.0.2.1"), literal("b", "192.0.2.2")},
			addr: "192.0.2.2", want: []string{"b"}, choice: "b"},
		{name: "the address before anonymous, wherever it stands", remotes: []*Remote{anonymous("any"), literal("a", "192.0.2.1")},
			addr: "192.0.2.1", want: []string{"a", "any"}, choice: "a"},
		{name: "anonymous where nothing names the address", remotes: []*Remote{literal("a", "192.0.2.1"), anonymous("any")},
			addr: "192.0.2.9", want: []string{"any"}, choice: "any"},
		{name: "nothing where nothing fits", remotes: []*Remote{literal("a", "192.0.2.1")}, addr: "192.0.2.9"},
		{name: "a named section without remote_address is anonymous", remotes: []*Remote{{Name: "office"}},
			addr: "192.0.2.9", want: []string{"office"}, choice: "office"},
		{name: "ports do not matter", remotes: []*Remote{onPort(literal("a", "192.0.2.1"), 4500)}, addr: "192.0.2.1", want: []string{"a"}, choice: "a"},
		{name: "two sections that differ in the port are ambiguous", remotes: []*Remote{onPort(literal("a", "192.0.2.1"), 500), onPort(literal("b", "192.0.2.1"), 4500)},
			addr: "192.0.2.1", want: []string{"a", "b"}, choice: "?"},
		{name: "families are not mixed", remotes: []*Remote{literal("six", "::1")}, addr: "127.0.0.1"},
		{name: "an IPv4 address inside IPv6 is that IPv4 address", remotes: []*Remote{literal("a", "192.0.2.1")}, addr: "::ffff:192.0.2.1", want: []string{"a"}, choice: "a"},
		{name: "the scope of a link-local address matters", remotes: []*Remote{literal("a", "fe80::1%eth0"), literal("b", "fe80::1%eth1")},
			addr: "fe80::1%eth1", want: []string{"b"}, choice: "b"},
		{name: "an address without scope is not one with", remotes: []*Remote{literal("a", "fe80::1")}, addr: "fe80::1%eth1"},

		// Networks, among sections with equal bits that matched by address.
		{name: "a literal address before a network of one", remotes: []*Remote{network("n32", "10.1.1.1/32"), literal("a", "10.1.1.1")},
			addr: "10.1.1.1", want: []string{"a", "n32"}, choice: "a"},
		{name: "the longer network before the shorter", remotes: []*Remote{network("n8", "10.0.0.0/8"), network("n24", "10.1.1.0/24"), anonymous("any")},
			addr: "10.1.1.1", want: []string{"n24", "n8", "any"}, choice: "n24"},
		{name: "a network of length zero before anonymous", remotes: []*Remote{anonymous("any"), network("n0", "0.0.0.0/0")},
			addr: "10.1.1.1", want: []string{"n0", "any"}, choice: "n0"},
		{name: "a network of the other family does not fit", remotes: []*Remote{network("n0", "::/0")}, addr: "10.1.1.1"},
		{name: "a network takes addresses with any scope", remotes: []*Remote{network("n", "fe80::/10")}, addr: "fe80::1%eth1", want: []string{"n"}, choice: "n"},
		{name: "a network with host bits is that network", remotes: []*Remote{network("n", "10.1.1.7/24")}, addr: "10.1.1.1", want: []string{"n"}, choice: "n"},
		{name: "two sections for one network are ambiguous", remotes: []*Remote{network("a", "10.0.0.0/8"), network("b", "10.0.0.0/8"), anonymous("any")},
			addr: "10.1.1.1", want: []string{"a", "b", "any"}, choice: "?"},
		{name: "without an address a longer network is not better", remotes: []*Remote{network("n8", "10.0.0.0/8"), network("n24", "10.1.1.0/24")},
			want: []string{"n8", "n24"}, choice: "?"},
		{name: "what else matched outweighs the length of a network", remotes: []*Remote{network("n24", "10.1.1.0/24"), verifying(network("n8", "10.0.0.0/8"), *gw)},
			q: Query{Peer: gw}, addr: "10.1.1.1", want: []string{"n8", "n24"}, choice: "n8"},

		// Our own address.
		{name: "a section for another address of ours does not fit", remotes: []*Remote{from(literal("a", "192.0.2.1"), "198.51.100.1"), anonymous("any")},
			q: Query{Local: netip.MustParseAddr("198.51.100.2")}, addr: "192.0.2.1", want: []string{"any"}, choice: "any"},
		{name: "our address tells equal sections apart", remotes: []*Remote{from(literal("a", "192.0.2.1"), "198.51.100.1"), from(literal("b", "192.0.2.1"), "198.51.100.2")},
			q: Query{Local: netip.MustParseAddr("198.51.100.2")}, addr: "192.0.2.1", want: []string{"b"}, choice: "b"},
		{name: "our address before none", remotes: []*Remote{literal("b", "192.0.2.1"), from(literal("a", "192.0.2.1"), "198.51.100.1")},
			q: Query{Local: netip.MustParseAddr("198.51.100.1")}, addr: "192.0.2.1", want: []string{"a", "b"}, choice: "a"},
		{name: "our address does not outweigh a longer network", remotes: []*Remote{from(network("n8", "10.0.0.0/8"), "198.51.100.1"), network("n9", "10.0.0.0/9")},
			q: Query{Local: netip.MustParseAddr("198.51.100.1")}, addr: "10.1.1.1", want: []string{"n9", "n8"}, choice: "n9"},
		{name: "where our address is not settled, sections for one of ours fit", remotes: []*Remote{from(literal("a", "192.0.2.1"), "198.51.100.1")},
			addr: "192.0.2.1", want: []string{"a"}, choice: "a"},
		{name: "a link-local address of ours needs no scope in the file", remotes: []*Remote{from(literal("a", "fe80::1%eth0"), "fe80::2"), from(literal("b", "fe80::1%eth0"), "fe80::2%eth1")},
			q: Query{Local: netip.MustParseAddr("fe80::2%eth0")}, addr: "fe80::1%eth0", want: []string{"a"}, choice: "a"},
		{name: "where our address has no scope, the file's is not compared", remotes: []*Remote{from(literal("a", "192.0.2.1"), "fe80::2%eth1")},
			q: Query{Local: netip.MustParseAddr("fe80::2")}, addr: "192.0.2.1", want: []string{"a"}, choice: "a"},
		{name: "an IPv4 address of ours inside IPv6 is that IPv4 address", remotes: []*Remote{from(literal("a", "192.0.2.1"), "198.51.100.1")},
			q: Query{Local: netip.MustParseAddr("::ffff:198.51.100.1")}, addr: "192.0.2.1", want: []string{"a"}, choice: "a"},

		// Bit 0x4: the exchange, and the transform agreed on.
		{name: "only sections that speak the exchange", remotes: []*Remote{literal("a", "192.0.2.1", Aggressive), literal("b", "192.0.2.1", Main, Aggressive)},
			q: Query{Mode: Main}, addr: "192.0.2.1", want: []string{"b"}, choice: "b"},
		{name: "anonymous if the closer one does not speak the exchange", remotes: []*Remote{literal("a", "192.0.2.1", Aggressive), anonymous("any", Main)},
			q: Query{Mode: Main}, addr: "192.0.2.1", want: []string{"any"}, choice: "any"},
		{name: "an exchange that is not known rules nothing out", remotes: []*Remote{literal("a", "192.0.2.1", Aggressive)}, addr: "192.0.2.1", want: []string{"a"}, choice: "a"},
		{name: "all that match by address and exchange are candidates, best first", remotes: []*Remote{anonymous("any", Main), literal("a", "10.1.1.1", Main), network("n", "10.0.0.0/8", Main), anonymous("other", Aggressive), literal("b", "10.1.1.1", Main)},
			q: Query{Mode: Main}, addr: "10.1.1.1", want: []string{"a", "b", "n", "any"}, choice: "?"},
		{name: "a section that does not accept the transform does not fit", remotes: []*Remote{literal("a", "192.0.2.1", Main), anonymous("any", Main)},
			q: Query{Mode: Main, Accepts: only("any")}, addr: "192.0.2.1", want: []string{"any"}, choice: "any"},
		{name: "the transform makes the choice unique", remotes: []*Remote{anonymous("a", Main), anonymous("b", Main)},
			q: Query{Mode: Main, Accepts: only("b")}, addr: "192.0.2.1", want: []string{"b"}, choice: "b"},
		{name: "without an exchange the transform is not looked at", remotes: []*Remote{anonymous("a", Main)},
			q: Query{Accepts: only()}, addr: "192.0.2.1", want: []string{"a"}, choice: "a"},

		// Bit 0x8: the identity.
		{name: "a section that verifies another identity does not fit", remotes: []*Remote{verifying(literal("a", "192.0.2.1"), fqdn("other")), anonymous("any")},
			q: Query{Peer: gw}, addr: "192.0.2.1", want: []string{"any"}, choice: "any"},
		{name: "the identity makes the choice unique", remotes: []*Remote{verifying(anonymous("a"), fqdn("other")), verifying(anonymous("b"), *gw)},
			q: Query{Peer: gw}, addr: "192.0.2.1", want: []string{"b"}, choice: "b"},
		{name: "a verified identity outweighs an address", remotes: []*Remote{literal("a", "192.0.2.1"), verifying(anonymous("any"), *gw)},
			q: Query{Peer: gw}, addr: "192.0.2.1", want: []string{"any", "a"}, choice: "any"},
		{name: "a verified identity outweighs address and exchange", remotes: []*Remote{literal("a", "192.0.2.1", Main), verifying(anonymous("any", Main), *gw)},
			q: Query{Mode: Main, Peer: gw}, addr: "192.0.2.1", want: []string{"any", "a"}, choice: "any"},
		{name: "with verify_identifier off a mismatch has no influence", remotes: []*Remote{logging(literal("a", "192.0.2.1"), fqdn("other"))},
			q: Query{Peer: gw}, addr: "192.0.2.1", want: []string{"a"}, choice: "a"},
		{name: "with verify_identifier off a match has no influence either", remotes: []*Remote{logging(anonymous("a"), *gw), anonymous("b")},
			q: Query{Peer: gw}, addr: "192.0.2.1", want: []string{"a", "b"}, choice: "?"},
		{name: "a section that verifies, and accepts anybody, has verified", remotes: []*Remote{anonymous("a"), verifying(anonymous("b"))},
			q: Query{Peer: gw}, addr: "192.0.2.1", want: []string{"b", "a"}, choice: "b"},
		{name: "an identity that is not known rules nothing out", remotes: []*Remote{verifying(anonymous("a"), fqdn("other")), anonymous("b")},
			addr: "192.0.2.1", want: []string{"a", "b"}, choice: "?"},
		{name: "two sections with the identity are told apart by the address", remotes: []*Remote{verifying(anonymous("any"), *gw), verifying(literal("a", "192.0.2.1"), *gw)},
			q: Query{Peer: gw}, addr: "192.0.2.1", want: []string{"a", "any"}, choice: "a"},
		{name: "two sections with the identity are ambiguous", remotes: []*Remote{verifying(anonymous("a"), *gw), verifying(anonymous("b"), *gw), anonymous("c")},
			q: Query{Peer: gw}, addr: "192.0.2.1", want: []string{"a", "b", "c"}, choice: "?"},

		// Bit 0x10: the certificate request.
		{name: "a section that cannot satisfy the peer's certificate request does not fit", remotes: []*Remote{literal("a", "192.0.2.1"), anonymous("any")},
			q: Query{Certifies: only("any")}, addr: "192.0.2.1", want: []string{"any"}, choice: "any"},
		{name: "without a request certificates have no influence", remotes: []*Remote{anonymous("any")}, addr: "192.0.2.1", want: []string{"any"}, choice: "any"},
		{name: "sections that satisfy the request are told apart by the rest", remotes: []*Remote{verifying(anonymous("id"), *gw), literal("a", "192.0.2.1"), anonymous("any")},
			q: Query{Peer: gw, Certifies: only("id", "a", "any")}, addr: "192.0.2.1", want: []string{"id", "a", "any"}, choice: "id"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.addr != "" {
				c.q.Addr = netip.MustParseAddr(c.addr)
			}
			names := func(rs []*Remote) (all []string) {
				for _, r := range rs {
					all = append(all, r.Name)
				}
				return all
			}
			s := NewSections(c.remotes)
			for how, got := range map[string][]string{"list": names(c.q.Candidates(c.remotes)), "index": names(s.Candidates(c.q))} {
				if d := cmp.Diff(c.want, got); d != "" {
					t.Errorf("candidates by %s (-want +got):\n%s", how, d)
				}
			}
			for how, choose := range map[string]func() (*Remote, error){"list": func() (*Remote, error) { return c.q.Choose(c.remotes) }, "index": func() (*Remote, error) { return s.Choose(c.q) }} {
				got := ""
				r, err := choose()
				switch {
				case errors.As(err, new(*AmbiguousError)) && r == nil:
					got = "?"
				case err == nil:
					got = r.Name
				case !errors.Is(err, ErrNoRemote):
					t.Error(err)
				}
				if got != c.choice {
					t.Errorf("choice by %s: %q, want %q", how, got, c.choice)
				}
			}
		})
	}
}

// TestEachBitOutweighsAllBelow: the numbers of racoon-conf section 9.1.
func TestEachBitOutweighsAllBelow(t *testing.T) {
	yes := func(*Remote) bool { return true }
	gw := known(fqdn("gw"))
	r := verifying(literal("a", "192.0.2.1", Main), *gw)
	for _, c := range []struct {
		name string
		q    Query
		want Rating
	}{
		{"nothing known", Query{}, 0x1},
		{"address", Query{Addr: r.Addr}, 0x3},
		{"exchange", Query{Mode: Main}, 0x5},
		{"identity", Query{Peer: gw}, 0x9},
		{"certificate request", Query{Certifies: yes}, 0x11},
		{"all", Query{Addr: r.Addr, Mode: Main, Accepts: yes, Peer: gw, Certifies: yes}, 0x1f},
	} {
		if got := c.q.Rate(r) >> 9; got != c.want {
			t.Errorf("%s: %#x, want %#x", c.name, got, c.want)
		}
	}
}

// TestAnAmbiguityNamesTheSections, with their lines where those are known.
func TestAnAmbiguityNamesTheSections(t *testing.T) {
	var rs []*Remote
	for i := range 7 {
		rs = append(rs, atLine(anonymous(fmt.Sprintf("r%d", i)), 10*i))
	}
	rs = append(rs, literal("other", "192.0.2.9"))
	_, err := Query{Addr: netip.MustParseAddr("192.0.2.1")}.Choose(rs)
	want := `7 remote sections fit equally well: "r0", "r1" of line 10, "r2" of line 20, "r3" of line 30, 3 more`
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	var a *AmbiguousError
	if !errors.As(err, &a) || len(a.Remotes) != 7 || a.Remotes[6] != rs[6] {
		t.Errorf("%+v", a)
	}
}

// TestPeersIdentifier: the rules of racoon-conf section 9.3.
func TestPeersIdentifier(t *testing.T) {
	addr := func(typ uint8, a string) Identity { return Identity{Type: typ, Data: netip.MustParseAddr(a).AsSlice()} }
	anyOf := func(typ uint8) Identity { return Identity{Type: typ} }
	name := func(typ uint8, s string) Identity { return Identity{Type: typ, Data: []byte(s)} }
	list := func(ids ...Identity) []Identity { return ids }
	for _, c := range []struct {
		name string
		ids  []Identity
		peer Identity
		want bool
	}{
		{"without peers_identifier everybody is accepted", nil, fqdn("gw"), true},
		{"equal names", list(fqdn("gw.example")), fqdn("gw.example"), true},
		{"a name is not its own beginning", list(fqdn("foo.example")), fqdn("foo.example.evil.org"), false},
		{"a name that is shorter", list(fqdn("foo.example")), fqdn("foo"), false},
		{"an empty name", list(fqdn("foo.example")), fqdn(""), false},
		{"case matters, octets are compared", list(fqdn("GW")), fqdn("gw"), false},
		{"types must agree", list(fqdn("gw")), name(IDUserFQDN, "gw"), false},
		{"key IDs", list(name(IDKeyID, "\x00\xff")), name(IDKeyID, "\x00\xff"), true},
		{"distinguished names of equal octets", list(name(IDDN, "0\x00")), name(IDDN, "0\x00"), true},
		{"one of several entries", list(fqdn("a"), fqdn("b")), fqdn("b"), true},
		{"none of several entries", list(fqdn("a"), fqdn("b")), fqdn("c"), false},
		{"an address", list(addr(IDIPv4, "192.0.2.1")), addr(IDIPv4, "192.0.2.1"), true},
		{"another address", list(addr(IDIPv4, "192.0.2.1")), addr(IDIPv4, "192.0.2.2"), false},
		{"an IPv6 address", list(addr(IDIPv6, "2001:db8::1")), addr(IDIPv6, "2001:db8::1"), true},
		{"an address is not one of the other family", list(addr(IDIPv4, "192.0.2.1")), addr(IDIPv6, "::ffff:192.0.2.1"), false},
		{"address without value is any IPv4 address", list(anyOf(IDIPv4)), addr(IDIPv4, "192.0.2.1"), true},
		{"address without value is any IPv6 address", list(anyOf(IDIPv4)), addr(IDIPv6, "2001:db8::1"), true},
		{"address without value is any subnet", list(anyOf(IDIPv4)), name(IDIPv4Subnet, "\x0a\x00\x00\x00\xff\x00\x00\x00"), true},
		{"address without value is any IPv6 subnet", list(anyOf(IDIPv4)), name(IDIPv6Subnet, string(make([]byte, 32))), true},
		{"address without value is no range", list(anyOf(IDIPv4)), name(IDIPv4Range, "\x0a\x00\x00\x00\x0a\x00\x00\x01"), false},
		{"address without value is no name", list(anyOf(IDIPv4)), fqdn("gw"), false},
		{"a type without value is any of that type", list(anyOf(IDFQDN)), fqdn("gw"), true},
		{"a type without value is none of another", list(anyOf(IDFQDN)), name(IDKeyID, "gw"), false},
		{"a distinguished name as text is nobody's yet", list(Identity{Type: IDDN, DN: "CN=*"}), name(IDDN, "der"), false},
		{"a value of no octets is a value", list(name(IDKeyID, "")), name(IDKeyID, "k"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := (&Remote{PeerIDs: c.ids}).Identifies(c.peer); got != c.want {
				t.Errorf("accepted: %v, want %v", got, c.want)
			}
		})
	}
}

// FuzzSections: the index finds what looking at every section finds.
func FuzzSections(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, []byte{10, 1, 1, 1})
	f.Add([]byte{3, 3, 3, 24, 9, 9, 128, 200, 17}, []byte{0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, recipe, addr []byte) {
		a, ok := netip.AddrFromSlice(addr)
		if !ok || len(recipe) > 256 {
			return
		}
		var rs []*Remote
		for i, b := range recipe {
			r := &Remote{Name: fmt.Sprint(i), Modes: []ExchangeMode{Main}, Passive: b&0x80 != 0}
			switch p := a.Unmap(); b % 4 {
			case 0:
				r.Addr = p
			case 1:
				r.Addr = p.Next()
			case 2:
				r.Net = netip.PrefixFrom(p, int(b)%(p.BitLen()+1))
			}
			if b&0x40 != 0 {
				r.LocalAddr = a.Next()
			}
			rs = append(rs, r)
		}
		for _, q := range []Query{{Addr: a}, {Addr: a, Initiating: true}, {Addr: a, Local: a}, {Addr: a, Local: a.Next()}, {Addr: a, Mode: Aggressive}, {Addressed: true}} {
			if list, index := q.Candidates(rs), NewSections(rs).Candidates(q); !slices.Equal(list, index) {
				t.Errorf("%+v: by list %v, by index %v", q, list, index)
			}
		}
	})
}

// BenchmarkChooseOfTenThousand is one look-up among ten thousand sections.
func BenchmarkChooseOfTenThousand(b *testing.B) {
	var rs []*Remote
	for i := range 10000 {
		rs = append(rs, &Remote{Name: fmt.Sprint(i), Addr: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), Modes: []ExchangeMode{Main}})
	}
	rs = append(rs, network("n", "10.0.0.0/8", Main), anonymous("any", Main))
	s, q := NewSections(rs), Query{Addr: rs[5000].Addr, Mode: Main}
	for b.Loop() {
		if r, err := s.Choose(q); r != rs[5000] {
			b.Fatal(err)
		}
	}
}
