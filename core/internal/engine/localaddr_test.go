package engine

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

func from(r *policy.Remote, local string) *policy.Remote {
	r.LocalAddr = addr(local)
	return r
}

func named(r *policy.Remote, name string) *policy.Remote {
	r.Name = name
	return r
}

// TestLocalAddressAsInitiator: who speaks from where, by the source of the SAs.
func TestLocalAddressAsInitiator(t *testing.T) {
	for _, tt := range []struct {
		name     string
		src, dst string // of the policy's template, src "" if it leaves it open
		section  string
		want     string // section, path, source of the SAs
		no       string
	}{
		{"the policy names the same", "192.0.2.1", "192.0.2.2", "", "one 192.0.2.1:500 192.0.2.1", ""},
		{"the policy leaves it open", "", "192.0.2.2", "", "one 192.0.2.1:500 192.0.2.1", ""},
		{"the policy leaves it open, as an unspecified address", "0.0.0.0", "192.0.2.2", "", "one 192.0.2.1:500 192.0.2.1", ""},
		{"the policy names another one", "192.0.2.10", "192.0.2.2", "", "",
			`wrong-address: the SAs for 192.0.2.2 are to begin at 192.0.2.10, but remote "one" has the local_address 192.0.2.1`},
		{"the policy chooses the section", "192.0.2.10", "192.0.2.3", "", "right 192.0.2.10:500 192.0.2.10", ""},
		{"the policy chooses the other", "192.0.2.1", "192.0.2.3", "", "left 192.0.2.1:500 192.0.2.1", ""},
		{"nothing chooses", "", "192.0.2.3", "", "", `ambiguous-remote: 192.0.2.3: 2 remote sections fit equally well: "left", "right"`},
		{"an operator chooses", "", "192.0.2.3", "right", "right 192.0.2.10:500 192.0.2.10", ""},
		{"an operator chooses what the policy does not", "192.0.2.1", "192.0.2.3", "right", "",
			`wrong-address: the SAs for 192.0.2.3 are to begin at 192.0.2.1, but remote "right" has the local_address 192.0.2.10`},
		{"an address we do not have", "", "192.0.2.4", "", "", `send-failed: 192.0.2.99, the local_address of remote "away", is not an address we listen on`},
		{"link-local, without scope in the file", "fe80::1", "fe80::2", "", "link [fe80::1%eth0]:500 fe80::1", ""},
		{"link-local, with scope in the file only", "fe80::1", "fe80::3", "", "scope [fe80::1%eth1]:500 fe80::1", ""},
		{"link-local, open, with scope", "", "fe80::3", "", "scope [fe80::1%eth1]:500 fe80::1", ""},
		{"link-local, open", "", "fe80::2", "", "link [fe80::1%eth0]:500 fe80::1", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t, Options{Config: configOf(named(from(literal("192.0.2.2"), "192.0.2.1"), "one"),
				named(from(literal("192.0.2.3"), "192.0.2.1"), "left"), named(from(literal("192.0.2.3"), "192.0.2.10"), "right"),
				named(from(literal("192.0.2.4"), "192.0.2.99"), "away"), named(from(literal("fe80::2"), "fe80::1"), "link"),
				named(from(literal("fe80::3"), "fe80::1%eth1"), "scope"))})
			h.wire.locals = append(h.wire.locals, addr("192.0.2.10"), addr("fe80::1%eth0"), addr("fe80::1%eth1"))
			var src netip.Addr
			if tt.src != "" {
				src = addr(tt.src)
			}
			d, err := h.destination(src, addr(tt.dst), tt.section)
			got, no := "", ""
			if err != nil {
				no = err.Error()
			} else {
				got = fmt.Sprint(d.remote.Name, " ", d.path.Local, " ", d.src)
			}
			if got != tt.want || no != tt.no {
				t.Errorf("%q %q, want %q %q", got, no, tt.want, tt.no)
			}
		})
	}
}

// TestAnAcquireIsToldWhyItsSourceIsWrong: the kernel sends from where its route says,
// SAs from elsewhere would be of no use to it.
func TestAnAcquireIsToldWhyItsSourceIsWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open := tunnel("10.0.0.0/16", "10.1.0.0/16", "0.0.0.0", "192.0.2.2", 8)
		h := newHouse(t, Options{Config: configOf(from(literal("192.0.2.2"), "192.0.2.10"))})
		h.wire.locals = append(h.wire.locals, addr("192.0.2.10"))
		h.kern.policies = []*kernel.Policy{open}
		h.start(t)
		h.kern.tell(kernel.Event{Kind: kernel.Acquire, AcquireSeq: 1, Policy: open, Key: kernel.Key{Src: addr("192.0.2.1"), Dst: addr("192.0.2.2")}})
		synctest.Wait()
		want := []string{`wrong-address: the SAs for 192.0.2.2 are to begin at 192.0.2.1, but remote "192.0.2.2" has the local_address 192.0.2.10`}
		if d := cmp.Diff(want, h.said(notice.NoAcquire)); d != "" {
			t.Error(d)
		}
		h.kern.tell(kernel.Event{Kind: kernel.Acquire, AcquireSeq: 2, Policy: open, Key: kernel.Key{Src: addr("192.0.2.10"), Dst: addr("192.0.2.2")}})
		synctest.Wait()
		if n := len(h.all()); n != 1 || h.machine(t, 0).setup.Path.Local.Addr() != addr("192.0.2.10") {
			t.Errorf("%d machines", n)
		}
	})
}

func TestAnOperatorNeedsNoRouteWhereTheSectionNamesOurAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options{Config: configOf(from(literal("192.0.2.2"), "192.0.2.10"), literal("192.0.2.3"))})
		h.wire.locals = append(h.wire.locals, addr("192.0.2.10"))
		h.kern.route = addr("192.0.2.1")
		h.start(t)
		for to, want := range map[string]string{"192.0.2.2": "192.0.2.10", "192.0.2.3": "192.0.2.1"} {
			d, err := h.isakmpDestination(t.Context(), EstablishRequest{Remote: addr(to)})
			if err != nil || d.path.Local.Addr() != addr(want) {
				t.Errorf("to %s from %v, %v; want %s", to, d.path.Local, err, want)
			}
		}
		if _, err := h.isakmpDestination(t.Context(), EstablishRequest{Local: addr("192.0.2.1"), Remote: addr("192.0.2.2")}); err == nil {
			t.Error("an operator's address does not count")
		}
	})
}

// TestLocalAddressAsResponder: a section answers at its address only.
func TestLocalAddressAsResponder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left, right, any := named(from(literal("192.0.2.2"), "192.0.2.1"), "left"), named(from(literal("192.0.2.2"), "192.0.2.10"), "right"), named(literal("192.0.2.2"), "any")
		h := newHouse(t, Options{Config: configOf(left, right)}).start(t)
		at := func(local string) ike.Path {
			return ike.Path{Local: netip.AddrPortFrom(addr(local), 500), Remote: here.Remote}
		}
		for i, tt := range []struct {
			local string
			also  bool // the section without local_address
			want  []string
		}{
			{"192.0.2.1", false, []string{"left"}},
			{"192.0.2.10", false, []string{"right"}},
			{"192.0.2.20", false, nil},
			{"192.0.2.10", true, []string{"right", "any"}},
			{"192.0.2.20", true, []string{"any"}},
		} {
			cfg := configOf(left, right)
			if tt.also {
				cfg.Remotes = append(cfg.Remotes, any)
			}
			if _, err := h.Reload(cfg); err != nil {
				t.Fatal(err)
			}
			before := len(h.all())
			h.receive(at(tt.local), false, edit(6, byte(i+1)))
			synctest.Wait()
			var got []string
			if all := h.all(); len(all) > before {
				for _, r := range all[before].setup.Remotes {
					got = append(got, r.Name)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("at %s: %v, want %v", tt.local, got, tt.want)
			}
		}
		want := []string{"unknown-peer: no remote section for 192.0.2.2 answers main mode at 192.0.2.20: those there are have another local_address"}
		if d := cmp.Diff(want, h.said(notice.Dropped)); d != "" {
			t.Error(d)
		}
	})
}

// TestSectionsOfOneNameAreOtherPeersByTheirLocalAddress: `remote 192.0.2.2` may stand
// in a file twice.
func TestSectionsOfOneNameAreOtherPeersByTheirLocalAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		both := func() *policy.Config {
			return configOf(from(literal("192.0.2.2"), "192.0.2.1"), from(literal("192.0.2.2"), "192.0.2.10"))
		}
		h := newHouse(t, Options{Config: both()})
		h.wire.locals = append(h.wire.locals, addr("192.0.2.10"))
		h.start(t)
		for _, src := range []string{"192.0.2.1", "192.0.2.10"} {
			d, err := h.destination(addr(src), addr("192.0.2.2"), "")
			if err != nil {
				t.Fatal(err)
			}
			h.tell(d, ike.Mapping{})
		}
		synctest.Wait()
		if len(h.all()) != 2 {
			t.Fatalf("%d machines", len(h.all()))
		}
		// One section changes: its peer is told, the other is not.
		for _, tt := range []struct {
			edit func(*policy.Config)
			want [2]string
		}{
			{func(c *policy.Config) {}, [2]string{"", ""}},
			{func(c *policy.Config) { c.Remotes[1].DPD = true }, [2]string{"", "192.0.2.2"}},
			{func(c *policy.Config) { c.Remotes[0].LocalAddr = netip.Addr{} }, [2]string{"gone", "192.0.2.2"}},
		} {
			cfg := both()
			tt.edit(cfg)
			if _, err := h.Reload(cfg); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if got := [2]string{told(h.machine(t, 0)), told(h.machine(t, 1))}; got != tt.want {
				t.Errorf("told %q, want %q", got, tt.want)
			}
		}
	})
}

func TestALocalAddressThatNothingListensOnIsSaidAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options{Config: configOf(from(literal("192.0.2.2"), "192.0.2.99"), from(literal("192.0.2.3"), "192.0.2.99"), from(literal("192.0.2.4"), "192.0.2.1"))}).start(t)
		synctest.Wait()
		text := func(a string) string {
			return "send-failed: local_address " + a + " is not an address we listen on: while it is not, the section is of no use"
		}
		if d := cmp.Diff([]string{text("192.0.2.99")}, h.said(notice.Finding)); d != "" {
			t.Error(d)
		}
		if _, err := h.Reload(configOf(from(literal("192.0.2.2"), "192.0.2.98"))); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if d := cmp.Diff([]string{text("192.0.2.99"), text("192.0.2.98")}, h.said(notice.Finding)); d != "" {
			t.Error(d)
		}
	})
}
