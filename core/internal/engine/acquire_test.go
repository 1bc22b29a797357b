package engine

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

func TestAcquiresFindTheirPeer(t *testing.T) {
	site := tunnel("10.0.0.0/16", "10.1.0.0/16", "192.0.2.1", "192.0.2.2", 8)
	dynamic := tunnel("10.0.0.0/16", "10.2.0.0/16", "0.0.0.0", "192.0.2.2", 16)
	host := tunnel("192.0.2.1/32", "192.0.2.7/32", "", "", 24)
	host.Templates[0].Mode = kernel.ModeTransport
	plain := tunnel("10.0.0.0/16", "10.3.0.0/16", "192.0.2.1", "192.0.2.2", 32)
	plain.Action = kernel.ActionBypass
	away := tunnel("10.0.0.0/16", "10.4.0.0/16", "192.0.2.99", "192.0.2.2", 40)
	nobody := tunnel("10.0.0.0/16", "10.5.0.0/16", "192.0.2.1", "192.0.2.66", 48)
	two := tunnel("10.0.0.0/16", "10.6.0.0/16", "192.0.2.1", "192.0.2.77", 56)
	unknown := tunnel("10.0.0.0/16", "10.7.0.0/16", "192.0.2.1", "192.0.2.2", 64)
	six := tunnel("2001:db8:1::/48", "2001:db8:2::/48", "2001:db8::1", "2001:db8::2", 72)

	cfg := configOf(literal("192.0.2.2"), literal("192.0.2.7"), literal("192.0.2.66"), literal("192.0.2.77"), literal("192.0.2.77"), literal("2001:db8::2"))
	cfg.Remotes[1].Port = 1500
	cfg.Remotes[2].Passive = true
	cfg.Remotes[4].Name = "another"

	key := func(p *kernel.Policy) *kernel.Policy { return &kernel.Policy{Key: p.Key} }
	for _, tt := range []struct {
		name string
		ev   kernel.Event
		want string // path, end points, pair
		no   string
	}{
		{"a tunnel goes between its end points", kernel.Event{Policy: key(site)},
			"192.0.2.1:500-192.0.2.2:500 192.0.2.1 192.0.2.2 10.0.0.0/16[any] 10.1.0.0/16[any] any in=true", ""},
		{"by the kernel's number", kernel.Event{Key: kernel.Key{Policy: &kernel.PolicyKey{ID: 8}}},
			"192.0.2.1:500-192.0.2.2:500 192.0.2.1 192.0.2.2 10.0.0.0/16[any] 10.1.0.0/16[any] any in=true", ""},
		{"by the packet", kernel.Event{Sel: &kernel.Selector{Src: prefix("10.0.0.5/32"), Dst: prefix("10.1.2.3/32"), DstPort: 80, Proto: 6}},
			"192.0.2.1:500-192.0.2.2:500 192.0.2.1 192.0.2.2 10.0.0.0/16[any] 10.1.0.0/16[any] any in=true", ""},
		{"an open source is the acquire's", kernel.Event{Policy: key(dynamic), Key: kernel.Key{Src: addr("192.0.2.1"), Dst: addr("192.0.2.2")}},
			"192.0.2.1:500-192.0.2.2:500 192.0.2.1 192.0.2.2 10.0.0.0/16[any] 10.2.0.0/16[any] any in=false", ""},
		{"transport mode goes between the hosts, to the section's port", kernel.Event{Policy: key(host), Key: kernel.Key{Src: addr("192.0.2.1"), Dst: addr("192.0.2.7")}},
			"192.0.2.1:500-192.0.2.7:1500 192.0.2.1 192.0.2.7 192.0.2.1/32[any] 192.0.2.7/32[any] any in=false", ""},
		{"IPv6", kernel.Event{Policy: key(six)},
			"[2001:db8::1]:500-[2001:db8::2]:500 2001:db8::1 2001:db8::2 2001:db8:1::/48[any] 2001:db8:2::/48[any] any in=false", ""},
		{"an event that was faster than its policy's", kernel.Event{Policy: unknown},
			"192.0.2.1:500-192.0.2.2:500 192.0.2.1 192.0.2.2 10.0.0.0/16[any] 10.7.0.0/16[any] any in=false", ""},
		{"no such policy", kernel.Event{Key: kernel.Key{Dst: addr("192.0.2.2")}}, "", "no-policy: the policy it belongs to is not known"},
		{"a policy without IPsec", kernel.Event{Policy: key(plain)}, "", "no-policy: the policy out 10.0.0.0/16[any] 10.3.0.0/16[any] any does not ask for IPsec"},
		{"an address we do not listen on", kernel.Event{Policy: key(away)}, "", "send-failed: 192.0.2.99 is not an address we listen on"},
		{"a passive section does not initiate", kernel.Event{Policy: key(nobody)}, "", "no-remote: no remote section for 192.0.2.66 that may initiate"},
		{"several sections are none", kernel.Event{Policy: key(two)}, "", `ambiguous-remote: 192.0.2.77: 2 remote sections fit equally well: "192.0.2.77", "another"`},
		{"multicast", kernel.Event{Policy: key(host), Key: kernel.Key{Src: addr("192.0.2.1"), Dst: addr("224.0.0.1")}}, "", "no-remote: the peer's address is not known"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, Options{Config: cfg})
				h.kern.policies = []*kernel.Policy{site, reverse(site), dynamic, host, plain, away, nobody, two, six}
				h.start(t)
				ev := tt.ev
				ev.Kind, ev.AcquireSeq = kernel.Acquire, 7
				h.kern.tell(ev)
				synctest.Wait()
				got := ""
				for _, m := range h.all() {
					for _, ev := range m.told() {
						a := ev.(ike.Acquire)
						got = fmt.Sprintf("%v-%v %v %v %v in=%v", m.setup.Path.Local, m.setup.Path.Remote, a.Src, a.Dst, a.Pair.Selector(), a.Pair.HasIn)
					}
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Error(diff)
				}
				var no string
				if all := h.said(notice.NoAcquire); len(all) > 0 {
					no = all[0]
				}
				if diff := cmp.Diff(tt.no, no); diff != "" {
					t.Error(diff)
				}
				// The kernel is told of a refusal at once.
				var want []string
				if tt.no != "" {
					want = []string{"acquire-done 7 errno 2 ok"}
				}
				if diff := cmp.Diff(want, h.kern.applied()); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

func TestRepeatedAcquiresOfOnePolicyAreMerged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options{})
		one, two := tunnel("10.0.0.0/16", "10.1.0.0/16", "192.0.2.1", "192.0.2.2", 8), tunnel("10.0.0.0/16", "10.2.0.0/16", "192.0.2.1", "192.0.2.2", 16)
		h.kern.policies = []*kernel.Policy{one, two}
		h.start(t)
		ask := func(p *kernel.Policy, seq uint32) {
			h.kern.tell(kernel.Event{Kind: kernel.Acquire, Policy: p, AcquireSeq: seq})
			synctest.Wait()
		}
		ask(one, 1)
		ask(one, 2)
		ask(two, 3)
		a := h.registry.snapshot()[0]
		h.calls(a, ike.AcquireDone{Seq: 1})
		synctest.Wait()
		ask(one, 4) // answered: this is a new one
		ask(two, 5)
		time.Sleep(acquireMemory)
		ask(two, 6) // never answered: not for ever
		var got []uint32
		for _, ev := range h.machine(t, 0).told() {
			if a, ok := ev.(ike.Acquire); ok {
				got = append(got, a.Seq)
			}
		}
		if !slices.Equal(got, []uint32{1, 3, 4, 6}) || len(h.all()) != 1 {
			t.Errorf("the machine was told %v; %d machines", got, len(h.all()))
		}
		if diff := cmp.Diff([]string{"acquire-done 1 errno 0 ok"}, h.kern.applied()); diff != "" {
			t.Error(diff)
		}
	})
}

// A request that waited while nobody heard it says what it is for, but not by which
// policy: of two interfaces each has one for all traffic.
func TestAWaitingRequestIsOfItsInterfaceAndMark(t *testing.T) {
	h := newHouse(t, Options{})
	for i, k := range []kernel.PolicyKey{{}, {IfID: 1}, {IfID: 2}, {Mark: &kernel.Mark{Value: 1, Mask: 0xff}}, {IfID: 2, Mark: &kernel.Mark{Value: 1, Mask: 0xff}}} {
		p := tunnel("0.0.0.0/0", "0.0.0.0/0", "192.0.2.1", fmt.Sprint("192.0.2.", 2+i), uint32(8*(i+1)))
		p.Key.IfID, p.Key.Mark = k.IfID, k.Mark
		h.spd.Put(spdPolicy(p))
		ev := kernel.Event{Key: kernel.Key{IfID: k.IfID, Mark: k.Mark}, Sel: &kernel.Selector{Src: prefix("10.1.0.1/32"), Dst: prefix("10.2.0.1/32"), Proto: 17}}
		got, ok := h.acquiredPolicy(ev)
		if !ok || got.Index != p.Key.ID {
			t.Errorf("interface %d, mark %v: policy %d, want %d", k.IfID, k.Mark, got.Index, p.Key.ID)
		}
	}
}

// An operator may name the section, where the address decides and where it does not.
func TestASectionMayBeNamed(t *testing.T) {
	office, home, passive, away := anonymous(), anonymous(), anonymous(), literal("192.0.2.9")
	office.Name, home.Name, passive.Name, passive.Passive, away.Name = "office", "home", "passive", true, "away"
	twice := literal("192.0.2.8")
	for _, tt := range []struct {
		name, to, section string
		want              string // section, and whether it would have been ambiguous
		no                string
	}{
		{"one of two", "192.0.2.2", "home", "home true", ""},
		{"none of two", "192.0.2.2", "", "", `ambiguous-remote: 192.0.2.2: 2 remote sections fit equally well: "office", "home"`},
		{"the one that is the best", "192.0.2.9", "away", "away false", ""},
		{"one that is not the best", "192.0.2.9", "home", "home false", ""},
		{"one for another address", "192.0.2.2", "away", "", `no-remote: no remote section for 192.0.2.2 that may initiate is called "away"`},
		{"one that does not exist", "192.0.2.2", "nobody", "", `no-remote: no remote section for 192.0.2.2 that may initiate is called "nobody"`},
		{"a passive one", "192.0.2.2", "passive", "", `no-remote: no remote section for 192.0.2.2 that may initiate is called "passive"`},
		{"a name that two have", "192.0.2.8", "192.0.2.8", "", `ambiguous-remote: 192.0.2.8: 2 remote sections fit equally well: "192.0.2.8", "192.0.2.8"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t, Options{Config: configOf(office, home, passive, away, twice, literal("192.0.2.8"))})
			d, err := h.destination(addr("192.0.2.1"), addr(tt.to), tt.section)
			got, no := "", ""
			if err != nil {
				no = err.Error()
			} else {
				got = fmt.Sprint(d.remote.Name, " ", d.ambiguous)
				if m := h.tell(d, ike.Mapping{}); m.ambiguous != d.ambiguous || h.machine(t, 0).setup.Ambiguous != d.ambiguous {
					t.Error("the machine does not know")
				}
			}
			if got != tt.want || no != tt.no {
				t.Errorf("%q %q, want %q %q", got, no, tt.want, tt.no)
			}
		})
	}
}
