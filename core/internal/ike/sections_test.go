package ike_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/ike/iketest"
	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// TestAResponderNarrowsItsSections: what is left of the candidates once the
// transform and the identity are known (racoon-conf section 9.1).
func TestAResponderNarrowsItsSections(t *testing.T) {
	x25519, modp := iketest.AES128SHA256X25519, iketest.AES128SHA256MODP2048
	type edit func(*policy.Remote)
	accepts := func(ps ...policy.Phase1Proposal) edit { return func(r *policy.Remote) { r.Proposals = ps } }
	literal := func(r *policy.Remote) { r.Addr = netip.MustParseAddr("192.0.2.1") }
	at := func(local string) edit { return func(r *policy.Remote) { r.LocalAddr = netip.MustParseAddr(local) } }
	verifies := func(typ uint8, id []byte) edit {
		return func(r *policy.Remote) {
			r.VerifyIdentifier, r.PeerIDs = true, []policy.Identity{{Type: typ, Data: id}}
		}
	}
	names := func(typ uint8, id []byte) edit {
		return func(r *policy.Remote) { r.PeerIDs = []policy.Identity{{Type: typ, Data: id}} }
	}
	own, other := []byte{192, 0, 2, 1}, []byte{192, 0, 2, 99} // the initiator sends its address
	type section struct {
		name  string
		edits []edit
	}
	for _, c := range []struct {
		name     string
		offer    []policy.Phase1Proposal
		sections []section
		want     string // the section, or why there is none
	}{
		{"the literal address, where nothing else is known", nil,
			[]section{{"any", nil}, {"a", []edit{literal}}}, "a"},
		{"a verified identity outweighs the address", nil,
			[]section{{"a", []edit{literal}}, {"vip", []edit{verifies(1, own)}}}, "vip"},
		{"a verified identity with the address outweighs one without", nil,
			[]section{{"vip", []edit{verifies(1, own)}}, {"a", []edit{literal, verifies(1, own)}}}, "a"},
		{"a section that verifies another identity is out", nil,
			[]section{{"a", []edit{literal, verifies(1, other)}}, {"any", nil}}, "any"},
		{"identities that are not verified have no influence", nil,
			[]section{{"any", []edit{names(1, own)}}, {"a", []edit{literal, names(1, other)}}}, "a"},
		{"the identity tells two sections apart", nil,
			[]section{{"x", []edit{verifies(1, other)}}, {"y", []edit{verifies(1, own)}}}, "y"},
		{"an identity of the type address, without value", nil,
			[]section{{"x", []edit{verifies(2, nil)}}, {"y", []edit{verifies(5, nil)}}}, "y"},
		{"the transform tells two sections apart", []policy.Phase1Proposal{x25519},
			[]section{{"x", []edit{accepts(modp)}}, {"y", []edit{accepts(x25519)}}}, "y"},
		{"a section that does not accept the transform is out, even a literal one", []policy.Phase1Proposal{x25519},
			[]section{{"a", []edit{literal, accepts(modp)}}, {"any", nil}}, "any"},
		{"the first transform that any section accepts wins", []policy.Phase1Proposal{x25519, modp},
			[]section{{"a", []edit{literal, accepts(modp)}}, {"any", []edit{accepts(x25519)}}}, "any"},
		{"of several sections that accept it the best is asked first", []policy.Phase1Proposal{modp, x25519},
			[]section{{"any", []edit{accepts(x25519)}}, {"a", []edit{literal, accepts(modp, x25519)}}}, "a"},
		{"two sections that fit equally well are none", nil,
			[]section{{"x", nil}, {"y", nil}}, `ambiguous-remote: the peer is ID{IPV4_ADDR 192.0.2.1 17/500}, and 2 remote sections fit equally well: "x", "y"`},
		{"nor are two that verify the identity", nil,
			[]section{{"a", []edit{literal}}, {"x", []edit{verifies(1, own)}}, {"y", []edit{verifies(1, own)}}}, `ambiguous-remote: the peer is ID{IPV4_ADDR 192.0.2.1 17/500}, and 2 remote sections fit equally well: "x", "y"`},
		{"an identity that no section accepts", nil,
			[]section{{"x", []edit{verifies(1, other)}}, {"y", []edit{verifies(1, other)}}}, "bad-identity: the peer's identity ID{IPV4_ADDR 192.0.2.1 17/500} is none of the peers_identifier of remote x"},
		{"our address tells two sections apart", nil,
			[]section{{"x", []edit{at("192.0.2.99")}}, {"y", []edit{at("192.0.2.2")}}}, "y"},
		{"our address tells equal sections apart, and no more", nil,
			[]section{{"x", []edit{at("192.0.2.2")}}, {"y", nil}, {"z", []edit{at("192.0.2.99"), literal}}}, "x"},
		{"a verified identity outweighs our address", nil,
			[]section{{"x", []edit{at("192.0.2.2")}}, {"y", []edit{verifies(1, own)}}}, "y"},
		{"a transform that no section accepts", []policy.Phase1Proposal{x25519},
			[]section{{"x", []edit{accepts(modp)}}, {"y", []edit{accepts(modp)}}}, "no-proposal"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDuel(t)
			if c.offer != nil {
				d.a.Configure(d.b, iketest.Options{Proposals: c.offer})
			}
			template := *d.b.Config.Remotes[0]
			cfg := *d.b.Config
			cfg.Remotes = nil
			for _, s := range c.sections {
				r := template
				r.Name, r.Addr, r.Proposals = s.name, netip.Addr{}, []policy.Phase1Proposal{x25519, modp}
				for _, e := range s.edits {
					e(&r)
				}
				r.Proposals = slices.Clone(r.Proposals)
				for i := range r.Proposals {
					r.Proposals[i].Lifetime = template.Proposals[0].Lifetime
				}
				cfg.Remotes = append(cfg.Remotes, &r)
			}
			d.b.Config = &cfg
			var got string
			d.b.Notices = func(_ *iketest.Machine, n ike.Notice) {
				switch {
				case n.Event == notice.Phase1Up:
					got = n.Remote
				case n.Event == notice.Phase1Failed && n.Reason == notice.NoProposal:
					got = n.Reason.String()
				case n.Event == notice.Phase1Failed:
					got = n.Reason.String() + ": " + n.Detail
				}
			}
			d.a.Acquire(d.b)
			d.Run(time.Second)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			for _, m := range d.b.Machines {
				if !m.Stranger && m.Key.Block != c.want {
					t.Errorf("there is a machine of section %q", m.Key.Block)
				}
			}
		})
	}
}

// TestAnAmbiguousPeerIsToldThatItsIdentityDecidesNothing.
func TestAnAmbiguousPeerIsToldThatItsIdentityDecidesNothing(t *testing.T) {
	d := newDuel(t)
	cfg := *d.b.Config
	x, y := *cfg.Remotes[0], *cfg.Remotes[0]
	x.Name, y.Name = "x", "y"
	cfg.Remotes = []*policy.Remote{&x, &y}
	d.b.Config = &cfg
	d.a.Acquire(d.b)
	d.Run(time.Second)
	sent := d.sent["b"]
	if h, err := isakmp.ParseHeader(sent[len(sent)-1]); err != nil || h.Exchange != isakmp.Informational {
		t.Errorf("the last message is %v, %v", h, err)
	}
	if n := len(d.a.Peer(d.b).Status(d.Now()).ISAKMP); n != 0 {
		t.Errorf("the initiator has %d ISAKMP SAs", n)
	}
}

// TestClientaddrMeansThePeerOfAResponder, and nobody to an initiator.
func TestClientaddrMeansThePeerOfAResponder(t *testing.T) {
	w := iketest.New(1)
	a, b := w.AddHost("a"), w.AddHost("b")
	w.Connect(a, b, iketest.Options{Proposals: []policy.Phase1Proposal{iketest.AES128SHA256X25519}, Transport: true})
	cfg := *b.Config
	s := *cfg.SAInfos[0]
	s.Local, s.Remote, s.ClientAddr = nil, nil, true
	cfg.SAInfos = []*policy.SAInfo{&s}
	b.Config = &cfg
	var why string
	b.Notices = func(_ *iketest.Machine, n ike.Notice) {
		if n.Event == notice.Phase2Failed {
			why = n.Reason.String()
		}
	}
	b.Acquire(a)
	w.Run(time.Second)
	if why != "no-sainfo" {
		t.Errorf("as initiator: %q", why)
	}
	a.Acquire(b)
	w.Run(time.Second)
	if n := len(b.Peer(a).Status(w.Now()).IPsec); n != 1 {
		t.Errorf("as responder: %d pairs of SAs", n)
	}
	if err := w.Err(); err != nil {
		t.Error(err)
	}
}
