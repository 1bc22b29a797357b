package engine

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/logsink"
)

func TestStatusesAskEveryMachineOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options{}).start(t)
		const n = 500
		for i := range n {
			remote := netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)})
			a := h.newPeer(ike.PeerKey{Addr: netip.AddrPortFrom(remote, 500)}, destination{remote: anonymous(), path: ike.Path{Local: here.Local, Remote: netip.AddrPortFrom(remote, 500)}})
			h.registry.peer(a.key, a)
			m := h.all()[i]
			m.status = ike.Status{Path: a.path}
		}
		all, err := h.Statuses(t.Context())
		if err != nil || len(all) != n {
			t.Fatalf("%d statuses, %v", len(all), err)
		}
		if !slices.IsSortedFunc(all, func(a, b ike.Status) int { return a.Path.Remote.Compare(b.Path.Remote) }) {
			t.Error("not in order")
		}
		// A machine that hangs does not hang the question for ever.
		hold := make(chan struct{})
		h.all()[3].step = func(*script, ike.Event) []ike.Action { <-hold; return nil }
		for _, a := range h.registry.snapshot() {
			a.post(mail{ev: ike.Wake{}})
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := h.Statuses(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		close(hold)
	})
}

func TestEstablish(t *testing.T) {
	one, two := tunnel("10.0.0.0/16", "10.1.0.0/16", "192.0.2.1", "192.0.2.2", 8), tunnel("10.0.0.0/16", "10.2.0.0/16", "192.0.2.1", "192.0.2.2", 16)
	sel := func(local, remote string) *policy.Selector {
		return &policy.Selector{Local: prefix(local), Remote: prefix(remote)}
	}
	for _, tt := range []struct {
		name string
		req  EstablishRequest
		want []string // what machines are told: end points and policy
		err  string
		fail notice.Reason
	}{
		{"all policies that lead to a peer", EstablishRequest{Remote: addr("192.0.2.2")},
			[]string{"192.0.2.1-192.0.2.2 10.1.0.0/16", "192.0.2.1-192.0.2.2 10.2.0.0/16"}, "", 0},
		{"one policy", EstablishRequest{Selector: sel("10.0.0.0/16", "10.2.0.0/16")}, []string{"192.0.2.1-192.0.2.2 10.2.0.0/16"}, "", 0},
		{"an ISAKMP SA alone, from where the route says", EstablishRequest{Remote: addr("192.0.2.2"), ISAKMPOnly: true}, []string{"isakmp"}, "", 0},
		{"from another address than we have", EstablishRequest{Local: addr("192.0.2.50"), Remote: addr("192.0.2.2"), ISAKMPOnly: true}, nil, "192.0.2.50 is not an address we listen on", 0},
		{"nowhere to go", EstablishRequest{Remote: addr("192.0.2.3")}, nil, "no outbound IPsec policy leads to 192.0.2.3", 0},
		{"no such policy", EstablishRequest{Selector: sel("10.0.0.0/8", "10.2.0.0/16")}, nil, "local 10.0.0.0/8 is wider than 10.0.0.0/16", 0},
		{"one policy by its protocol", EstablishRequest{Selector: sel("10.0.0.0/16", "10.2.0.0/16"), Proto: 50}, []string{"192.0.2.1-192.0.2.2 10.2.0.0/16"}, "", 0},
		{"a protocol the policy does not ask for", EstablishRequest{Selector: sel("10.0.0.0/16", "10.2.0.0/16"), Proto: 51}, nil, "does not ask for AH", 0},
		{"a section that is not the peer's", EstablishRequest{Remote: addr("192.0.2.2"), Section: "x", ISAKMPOnly: true}, nil, `is called "x"`, 0},
		{"several that fail", EstablishRequest{Remote: addr("192.0.2.2")},
			[]string{"192.0.2.1-192.0.2.2 10.1.0.0/16", "192.0.2.1-192.0.2.2 10.2.0.0/16"}, "no-proposal: because; no-proposal: because", notice.NoProposal},
		{"a negotiation that fails", EstablishRequest{Selector: sel("10.0.0.0/16", "10.2.0.0/16")}, []string{"192.0.2.1-192.0.2.2 10.2.0.0/16"}, "no-proposal: because", notice.NoProposal},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, Options{})
				h.kern.policies = []*kernel.Policy{one, reverse(one), two, reverse(two)}
				h.kern.route = addr("192.0.2.1")
				h.step = func(m *script, ev ike.Event) []ike.Action {
					e, ok := ev.(ike.Establish)
					if !ok {
						return nil
					}
					return []ike.Action{ike.Notice{Notice: notice.Notice{Event: notice.CommandDone, Command: e.Command, Reason: tt.fail, Detail: "because"}}}
				}
				h.start(t)
				err := h.Establish(t.Context(), tt.req)
				if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, want %q", err, tt.err)
				}
				if e := errs.From(err); err != nil && (e.Reason == errs.Internal || !strings.Contains(e.Msg, tt.err)) {
					t.Errorf("a client is told %v", e)
				}
				var got []string
				for _, m := range h.all() {
					for _, ev := range m.told() {
						e := ev.(ike.Establish)
						if s := "isakmp"; !e.HasPair {
							got = append(got, s)
						} else {
							got = append(got, fmt.Sprintf("%v-%v %v", e.Src, e.Dst, e.Pair.Out.Key.Dst))
						}
					}
				}
				slices.Sort(got)
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Error(diff)
				}
				if len(h.commands.waiting) != 0 {
					t.Error("a command is still waited for")
				}
			})
		})
	}
}

func TestTheEndOfAContextEndsOnlyTheWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options{}).start(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := h.Establish(ctx, EstablishRequest{Local: addr("192.0.2.1"), Remote: addr("192.0.2.2"), ISAKMPOnly: true})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		synctest.Wait()
		if got := h.machine(t, 0).kinds(); !slices.Equal(got, []string{"Establish"}) {
			t.Errorf("%v", got)
		}
	})
}

// A peer that does not answer has no SA, and retransmission must end all the same.
func TestDeletingAllEndsNegotiationsToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options{})
		h.step = func(m *script, ev ike.Event) []ike.Action {
			if d, ok := ev.(ike.Delete); ok {
				return []ike.Action{ike.Notice{Notice: notice.Notice{Event: notice.CommandDone, Command: d.Command}}}
			}
			return nil
		}
		h.start(t)
		key := ike.PeerKey{Block: "a"}
		h.registry.peer(key, h.newPeer(key, destination{remote: literal("192.0.2.2"), path: here}))
		h.machine(t, 0).status = ike.Status{Key: key, Path: here, Exchanges: make([]ike.ExchangeStatus, 1)}
		for _, r := range []DeleteRequest{{SPI: 7}, {All: true}, {Peer: &key, All: true, ISAKMP: true}} {
			if n, err := h.Delete(t.Context(), r); n != 0 || err != nil {
				t.Errorf("%d deleted, %v", n, err)
			}
		}
		if got := h.machine(t, 0).kinds(); !slices.Equal(got, []string{"Delete"}) {
			t.Errorf("the machine was told %v", got)
		}
	})
}

func TestDeleteFindsWhatIsMeant(t *testing.T) {
	for _, tt := range []struct {
		name string
		req  DeleteRequest
		n    int
		told []string // machines
	}{
		{"one SA by its inbound SPI", DeleteRequest{SPI: 0x11}, 1, []string{"a"}},
		{"by its outbound SPI", DeleteRequest{SPI: 0x24}, 1, []string{"b"}},
		{"an SPI of one peer", DeleteRequest{SPI: 0x11, Peer: &ike.PeerKey{Block: "b"}}, 0, nil},
		{"everything of an address", DeleteRequest{All: true, Remote: addr("192.0.2.2")}, 2, []string{"a"}},
		{"with the ISAKMP SAs", DeleteRequest{All: true, ISAKMP: true}, 5, []string{"a", "b"}},
		{"an unknown SPI", DeleteRequest{SPI: 0x99}, 0, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, Options{})
				h.step = func(m *script, ev ike.Event) []ike.Action {
					if d, ok := ev.(ike.Delete); ok {
						return []ike.Action{ike.Notice{Notice: notice.Notice{Event: notice.CommandDone, Command: d.Command}}}
					}
					return nil
				}
				h.start(t)
				for i, s := range []ike.Status{
					{Key: ike.PeerKey{Block: "a"}, ISAKMP: make([]ike.ISAKMPStatus, 1), IPsec: []ike.IPsecStatus{{SPIIn: 0x11, SPIOut: 0x21}, {SPIIn: 0x12, SPIOut: 0x22}}},
					{Key: ike.PeerKey{Block: "b"}, ISAKMP: make([]ike.ISAKMPStatus, 1), IPsec: []ike.IPsecStatus{{SPIIn: 0x13, SPIOut: 0x24}}},
				} {
					s.Path = here
					if i == 1 {
						s.Path.Remote = port("192.0.2.3:500")
					}
					a := h.newPeer(s.Key, destination{remote: literal("192.0.2.2"), path: s.Path})
					h.registry.peer(s.Key, a)
					h.machine(t, i).status = s
					for _, p := range s.IPsec {
						h.registry.own(a, []ledgerKey{entry("192.0.2.1", p.SPIIn), entry("192.0.2.2", p.SPIOut)}, settled)
					}
				}
				n, err := h.Delete(t.Context(), tt.req)
				if err != nil || n != tt.n {
					t.Errorf("%d deleted, %v; want %d", n, err, tt.n)
				}
				var told []string
				for _, m := range h.all() {
					for _, ev := range m.told() {
						if d := ev.(ike.Delete); d.SPI != tt.req.SPI || d.All != tt.req.All || d.ISAKMP != tt.req.ISAKMP {
							t.Errorf("told %+v", d)
						}
						told = append(told, m.status.Key.Block)
					}
				}
				slices.Sort(told)
				if diff := cmp.Diff(tt.told, told); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
	h := newHouse(t, Options{})
	if _, err := h.Delete(t.Context(), DeleteRequest{Remote: addr("192.0.2.2")}); err == nil {
		t.Error("a request that names nothing was accepted")
	}
}

func TestASlowSubscriberDelaysNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options{})
		hold := make(chan struct{})
		var slow, fast int
		cancelSlow := h.Subscribe(func(notice.Notice) { <-hold; slow++ })
		cancelFast := h.Subscribe(func(notice.Notice) { fast++ })
		for range maxSubscription + 10 {
			h.Notify(notice.Notice{Event: notice.Finding})
			synctest.Wait()
		}
		close(hold)
		synctest.Wait()
		cancelSlow()
		cancelFast()
		h.Notify(notice.Notice{Event: notice.Finding})
		if slow != maxSubscription+1 || fast != maxSubscription+10 || h.subscribers.lost.Load() != 9 {
			t.Errorf("slow %d, fast %d, lost %d", slow, fast, h.subscribers.lost.Load())
		}
	})
}

// keeper is a log plugin that keeps what it is given.
type keeper struct {
	mu   sync.Mutex
	recs []logsink.Record
}

func (k *keeper) Write(_ context.Context, b logsink.Batch) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.recs = append(k.recs, b.Records...)
	return nil
}
func (*keeper) Flush(context.Context) error  { return nil }
func (*keeper) Reopen(context.Context) error { return nil }

func TestNoticesAreLoggedAtTheirLevelUntilTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &keeper{}
		cfg := configOf(literal("192.0.2.2"))
		cfg.Log = policy.LogNotify
		e, err := New(Options{Config: cfg, Kernel: newMemKernel(), Log: k})
		if err != nil {
			t.Fatal(err)
		}
		e.net = &wire{}
		if err := e.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		e.Notify(notice.Notice{Event: notice.Phase1Up})
		e.Notify(notice.Notice{Event: notice.Phase1Failed, Reason: notice.TimedOut, Peer: here.Remote, Detail: "no answer"})
		cfg = configOf(literal("192.0.2.2"))
		cfg.Log = policy.LogDebug
		if _, err := e.Reload(cfg); err != nil {
			t.Fatal(err)
		}
		e.Notify(notice.Notice{Event: notice.Queued})
		if err := e.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		var got []string
		for _, r := range k.recs {
			got = append(got, fmt.Sprintf("%d %s %s %v", r.Level, r.Source, r.Msg, r.Attrs))
		}
		want := []string{
			"4 engine phase 1 negotiation failed: no answer [{peer 192.0.2.2:500} {reason timed-out}]",
			"0 engine configuration loaded: changed too: log []",
			"-4 engine phase 2 request waits for phase 1 []",
			"0 engine racoon shutting down []",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}
