package ike_test

import (
	"bytes"
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

// newModeDuel is a duel whose hosts begin in this mode and accept it alone.
func newModeDuel(t *testing.T, m policy.ExchangeMode, faults ...iketest.Fault) *duel {
	d := newDuel(t, faults...)
	d.Connect(d.a, d.b, iketest.Options{Modes: []policy.ExchangeMode{m}, Proposals: []policy.Phase1Proposal{iketest.AES128SHA256X25519}})
	return d
}

// edit changes a host's only section.
func edit(h *iketest.Host, f func(*policy.Remote)) {
	cfg, r := *h.Config, *h.Config.Remotes[0]
	f(&r)
	cfg.Remotes = []*policy.Remote{&r}
	h.Config = &cfg
}

// outcome follows how the phase 1s of a host end.
func outcome(h *iketest.Host) *[]string {
	var all []string
	h.Notices = func(_ *iketest.Machine, n ike.Notice) {
		switch n.Event {
		case notice.Phase1Up:
			all = append(all, n.Remote)
		case notice.Phase1Failed:
			all = append(all, n.Reason.String())
		}
	}
	return &all
}

var modesInClear = []policy.ExchangeMode{policy.Aggressive, policy.Base}

// TestAnIdentityInClearChoosesTheSectionFirst: before the proposal is looked at
// (racoon-conf section 9.1).
func TestAnIdentityInClearChoosesTheSectionFirst(t *testing.T) {
	x25519, modp := iketest.AES128SHA256X25519, iketest.AES128SHA256MODP2048
	own, other := []policy.Identity{{Type: 1, Data: []byte{192, 0, 2, 1}}}, []policy.Identity{{Type: 1, Data: []byte{192, 0, 2, 9}}}
	section := func(name string, ids []policy.Identity, p policy.Phase1Proposal) *policy.Remote {
		return &policy.Remote{Name: name, PeerIDs: ids, VerifyIdentifier: ids != nil, Proposals: []policy.Phase1Proposal{p}}
	}
	for _, c := range []struct {
		name     string
		sections []*policy.Remote
		want     string
	}{
		{"the one that verifies it", []*policy.Remote{section("x", nil, x25519), section("y", own, x25519)}, "y"},
		{"not one that verifies another", []*policy.Remote{section("x", other, x25519), section("y", nil, x25519)}, "y"},
		{"even if only another one accepts the transform", []*policy.Remote{section("x", nil, x25519), section("y", own, modp)}, "no-proposal"},
		{"of equal ones none, even if the transform would tell them apart", []*policy.Remote{section("x", nil, x25519), section("y", nil, modp)}, "ambiguous-remote"},
		{"nobody's", []*policy.Remote{section("x", other, x25519)}, "bad-identity"},
	} {
		for _, mode := range modesInClear {
			t.Run(c.name+", "+mode.String()+" mode", func(t *testing.T) {
				d := newModeDuel(t, mode)
				cfg := *d.b.Config
				cfg.Remotes = nil
				for _, s := range c.sections {
					r := *d.b.Config.Remotes[0]
					r.Name, r.Addr, r.PeerIDs, r.VerifyIdentifier, r.Proposals = s.Name, netip.Addr{}, s.PeerIDs, s.VerifyIdentifier, slices.Clone(s.Proposals)
					r.Proposals[0].Lifetime = 8 * time.Hour
					cfg.Remotes = append(cfg.Remotes, &r)
				}
				d.b.Config = &cfg
				got := outcome(d.b)
				d.a.Acquire(d.b)
				d.Run(time.Second)
				if diff := cmp.Diff([]string{c.want}, *got); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

func TestMessage2HasAtMostThreeTimesTheOctetsItAnswers(t *testing.T) {
	for _, mode := range modesInClear {
		for name, id := range map[string]int{"a long identity": 100, "one that is too long": 2000} {
			t.Run(name+", "+mode.String()+" mode", func(t *testing.T) {
				d := newModeDuel(t, mode, iketest.Cut(2))
				edit(d.b, func(r *policy.Remote) {
					r.NonceSize, r.MyID = 64, policy.Identity{Type: policy.IDKeyID, Data: bytes.Repeat([]byte("i"), id)}
				})
				got := outcome(d.b)
				d.a.Acquire(d.b)
				d.Run(time.Second)
				asked, answered := len(d.sent["a"][0]), 0
				for _, m := range d.sent["b"] {
					answered += len(m)
				}
				refused := len(*got) == 1 && (*got)[0] == "unsupported"
				if answered > 3*asked || (answered == 0) != refused || refused != (id == 2000) {
					t.Errorf("%d octets are answered with %d, and %v", asked, answered, *got)
				}
			})
		}
	}
}

func TestAggressiveModeOffersTheGroupOfItsKEOnly(t *testing.T) {
	d := newDuel(t, iketest.Cut(1))
	d.Connect(d.a, d.b, iketest.Options{Modes: []policy.ExchangeMode{policy.Aggressive},
		Proposals: []policy.Phase1Proposal{iketest.AES128SHA256X25519, iketest.AES128SHA256MODP2048, iketest.AES128SHA256X25519}})
	d.a.Acquire(d.b)
	d.Run(time.Second)
	_, ps, err := isakmp.ParseMessage(d.sent["a"][0])
	if err != nil {
		t.Fatal(err)
	}
	sa, err := isakmp.ParseSA(ps[0].Body)
	if err != nil || len(sa.Proposals[0].Transforms) != 2 {
		t.Errorf("%v, %v", sa, err)
	}
}

// TestAKEThatFitsNoTransformIsRefused: of two groups that b would take, a's value
// belongs to neither, or to the second.
func TestAKEThatFitsNoTransformIsRefused(t *testing.T) {
	both := []policy.Phase1Proposal{iketest.AES128SHA256MODP2048, iketest.AES128SHA256X25519}
	for name, c := range map[string]struct {
		ke   int
		want string
	}{"31 octets": {31, "no-proposal"}, "32 octets: the second transform": {32, ""}, "256 octets: the first": {256, ""}} {
		t.Run(name, func(t *testing.T) {
			d := newDuel(t, iketest.Cut(1))
			d.Connect(d.a, d.b, iketest.Options{Modes: []policy.ExchangeMode{policy.Main, policy.Aggressive}, Proposals: both})
			d.a.Acquire(d.b)
			d.Run(time.Second)
			h, ps, err := isakmp.ParseMessage(d.sent["a"][0]) // with both transforms, as main mode has them
			if err != nil {
				t.Fatal(err)
			}
			d.NoFaults()
			got := outcome(d.b)
			h.Exchange, h.CkyI = isakmp.Aggressive, isakmp.Cookie{1}
			ps = append(ps, isakmp.Payload{Type: isakmp.PayloadKE, Body: bytes.Repeat([]byte{2}, c.ke)},
				isakmp.Payload{Type: isakmp.PayloadNONCE, Body: make([]byte, 16)},
				isakmp.Payload{Type: isakmp.PayloadID, Body: []byte{1, 0, 0, 0, 192, 0, 2, 1}})
			d.Net.Inject(d.a, d.b, isakmp.AppendMessage(nil, h, ps))
			d.Run(time.Second)
			if c.want != "" {
				if diff := cmp.Diff([]string{c.want}, *got); diff != "" {
					t.Error(diff)
				}
				return
			}
			_, ps, err = isakmp.ParseMessage(d.sent["b"][0])
			if err != nil || len(ps) < 2 || len(ps[1].Body) != c.ke {
				t.Errorf("%v, %v", ps, err)
			}
		})
	}
}

func TestAnExchangeIsNotContinuedAsAnother(t *testing.T) {
	for _, mode := range []policy.ExchangeMode{policy.Aggressive, policy.Base, policy.Main} {
		for _, as := range []policy.ExchangeMode{policy.Aggressive, policy.Base, policy.Main} {
			if mode == as {
				continue
			}
			t.Run(mode.String()+" as "+as.String(), func(t *testing.T) {
				d := newModeDuel(t, mode, iketest.Cut(2))
				d.a.Acquire(d.b)
				d.Run(time.Second)
				d.NoFaults()
				var why []notice.Reason
				d.a.Notices = func(_ *iketest.Machine, n ike.Notice) { why = append(why, n.Reason) }
				msg := slices.Clone(d.sent["b"][0])
				msg[18] = byte(as)
				d.Net.Inject(d.b, d.a, msg)
				d.Run(time.Second)
				if diff := cmp.Diff([]notice.Reason{notice.BadExchange}, why); diff != "" {
					t.Error(diff)
				}
				d.Run(time.Minute)
				if n := len(d.a.Peer(d.b).Status(d.Now()).ISAKMP); n != 1 {
					t.Errorf("%d ISAKMP SAs in the end", n)
				}
			})
		}
	}
}

// TestWhatComesTooEarlyIsBounded: a responder keeps little for whoever has not
// authenticated, and says message 2 again no more often than its counter says.
func TestWhatComesTooEarlyIsBounded(t *testing.T) {
	d := newModeDuel(t, policy.Aggressive, iketest.Cut(3))
	d.a.Acquire(d.b)
	d.Run(time.Second)
	d.NoFaults()
	third := d.sent["a"][1]
	d.b.Notices = func(_ *iketest.Machine, n ike.Notice) {}
	before := len(d.sent["b"])
	for i := range 100 {
		h, _ := isakmp.ParseHeader(third)
		h.Exchange, h.MessageID, h.Length = isakmp.QuickMode, uint32(i+1), 1024
		d.Net.Inject(d.a, d.b, append(h.Append(nil), make([]byte, 1024-isakmp.HeaderLen)...))
	}
	d.Run(time.Second)
	if n := len(d.sent["b"]) - before; n > d.b.Config.Timer.Counter {
		t.Errorf("message 2 was said %d times more", n)
	}
	if n := ike.Early(d.b.Machines[0].Peer); n > 2048 {
		t.Errorf("%d octets are kept", n)
	}
	d.Net.Inject(d.a, d.b, third)
	d.Run(time.Minute)
	if n := len(d.b.Peer(d.a).Status(d.Now()).ISAKMP); n != 1 {
		t.Errorf("%d ISAKMP SAs in the end", n)
	}
}

// TestAPluginThatIsBackIsAskedAtOnce, not at the end of the second.
func TestAPluginThatIsBackIsAskedAtOnce(t *testing.T) {
	d := newModeDuel(t, policy.Aggressive)
	d.b.AuthDown = true
	d.a.Acquire(d.b)
	d.Run(100 * time.Millisecond)
	d.b.AuthDown = false
	d.b.Machines[0].Post(ike.CredentialChanged{})
	d.Run(200 * time.Millisecond)
	if n := len(d.b.Peer(d.a).Status(d.Now()).ISAKMP); n != 1 {
		t.Errorf("%d ISAKMP SAs", n)
	}
}
