package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/spd"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

func inbound(spi uint32) ike.SAOp {
	return ike.SAOp{Kind: ike.InstallInbound, SA: ike.KernelSA{Dir: spd.In, Src: addr("192.0.2.2"), Dst: addr("192.0.2.1"), Proto: 50, SPI: spi,
		Mode: spd.Tunnel, Encr: 12, EncrKey: secret.New([]byte("encryption key k")), Auth: 5, AuthKey: secret.New([]byte("integrity key")), Soft: 8 * time.Minute, Hard: 10 * time.Minute}}
}

func outbound(spi uint32) ike.SAOp {
	return ike.SAOp{Kind: ike.InstallOutbound, SA: ike.KernelSA{Dir: spd.Out, Src: addr("192.0.2.1"), Dst: addr("192.0.2.2"), Proto: 50, SPI: spi,
		Mode: spd.Tunnel, Encr: 20, EncrKey: secret.New([]byte("sixteen octets, salt"))}}
}

func remove(op ike.SAOp) ike.SAOp {
	return ike.SAOp{Kind: ike.DeleteSA, SA: ike.KernelSA{Dst: op.SA.Dst, Proto: op.SA.Proto, SPI: op.SA.SPI}}
}

func key(op ike.SAOp) ike.SAKey { return op.SA.Key() }

// larval enters what AllocateSPIs would have.
func (k *memKernel) larval(ops ...ike.SAOp) {
	k.set(func() {
		for _, op := range ops {
			k.sas[key(op)] = &kernel.SA{Key: kernel.Key{Src: op.SA.Src, Dst: op.SA.Dst, SPI: op.SA.SPI, Proto: 50}, State: kernel.Larval}
		}
	})
}

// peer makes a machine that keeps the Replies it gets.
func (h *house) peer(name string) (*actor, *script) {
	h.mu.Lock()
	n := len(h.machines)
	h.mu.Unlock()
	a := h.newPeer(ike.PeerKey{Block: name}, destination{remote: literal("192.0.2.2"), path: here})
	h.registry.peer(a.key, a)
	return a, h.all()[n]
}

// ask has a machine call, and returns its replies so far.
func (h *house) calls(a *actor, reqs ...ike.Request) {
	for i, r := range reqs {
		h.call(a, ike.Call{ID: ike.CallID(i + 1), Req: r})
	}
}

func replies(m *script) (all []ike.Reply) {
	for _, ev := range m.told() {
		if r, ok := ev.(ike.Reply); ok {
			all = append(all, r)
		}
	}
	return all
}

func ledgerSPIs(l *ledger) (all []uint32) {
	for k := range l.all() {
		all = append(all, k.SPI)
	}
	slices.Sort(all)
	return all
}

// What the kernel is told, what it has in the end, what the ledger says and what
// the machine hears, for everything that can go wrong.
func TestKernelWrites(t *testing.T) {
	gone := &errs.Error{Reason: errs.Unavailable, Msg: "plugin died", PluginGone: true}
	slow := errs.Errorf(errs.Timeout, "no answer")
	both := ike.Apply{Ops: []ike.SAOp{inbound(0x11), outbound(0x22)}}
	// times makes a fault that strikes n times.
	times := func(n int, before, after error) func(h *house) func(kernel.Transaction) (error, error) {
		return func(*house) func(kernel.Transaction) (error, error) {
			return func(kernel.Transaction) (error, error) {
				if n--; n >= 0 {
					return before, after
				}
				return nil, nil
			}
		}
	}
	for _, tt := range []struct {
		name   string
		larval []ike.SAOp
		there  []ike.SAOp // somebody else's
		fault  func(h *house) func(kernel.Transaction) (before, after error)
		req    ike.Apply
		log    string
		spis   []uint32 // in the kernel at the end
		ledger []uint32
		err    string
		wait   time.Duration
	}{
		{name: "both directions in one transaction", larval: both.Ops[:1], req: both,
			log: "update 0x11 ok, add 0x22 ok", spis: []uint32{0x11, 0x22}, ledger: []uint32{0x11, 0x22}},
		{name: "a reserved SPI that has expired is made anew", req: both,
			log: "update 0x11 NOT_FOUND, add 0x11 ok, add 0x22 ok", spis: []uint32{0x11, 0x22}, ledger: []uint32{0x11, 0x22}},
		{name: "a refused second SA takes the first back", larval: both.Ops[:1], there: both.Ops[1:], req: both,
			log: "update 0x11 ok, add 0x22 EXISTS", spis: []uint32{0x11, 0x22}, err: "EXISTS"},
		{name: "the plugin dies before it did anything", larval: both.Ops[:1], req: both, fault: times(1, gone, nil), wait: time.Second,
			log: "update 0x11 ok, add 0x22 ok", spis: []uint32{0x11, 0x22}, ledger: []uint32{0x11, 0x22}},
		{name: "no answer, but it was done: the plugin knows the transaction", larval: both.Ops[:1], req: both, fault: times(2, nil, slow), wait: time.Second,
			log: "update 0x11 ok, add 0x22 ok", spis: []uint32{0x11, 0x22}, ledger: []uint32{0x11, 0x22}},
		{name: "done, then the plugin dies with its memory", larval: both.Ops[:1], req: both, wait: time.Second,
			fault: func(h *house) func(kernel.Transaction) (error, error) {
				n := 0
				return func(kernel.Transaction) (error, error) {
					if n++; n == 1 {
						return nil, gone
					}
					clear(h.kern.txns)
					return nil, nil
				}
			},
			log:  "update 0x11 ok, add 0x22 ok, update 0x11 ok, add 0x22 EXISTS",
			spis: []uint32{0x11, 0x22}, ledger: []uint32{0x11, 0x22}},
		{name: "a plugin that stays away: failed, and undone when it is back", larval: both.Ops[:1], req: both, wait: time.Minute,
			fault: times(12, slow, nil),
			log:   "delete 0x11 ok, delete 0x22 NOT_FOUND", err: "TIMEOUT"},
		{name: "done, but the kernel's answer to the plugin was lost", larval: both.Ops[:1], req: both, wait: time.Second,
			fault: func(h *house) func(kernel.Transaction) (error, error) {
				h.kern.set(func() { h.kern.mute = 1 })
				return nil
			},
			log:  "update 0x11 ok, add 0x22 ok, update 0x11 ok, add 0x22 EXISTS",
			spis: []uint32{0x11, 0x22}, ledger: []uint32{0x11, 0x22}},
		{name: "a refused request is not repeated", larval: both.Ops[:1], req: both, fault: times(1, errs.Errorf(errs.Permission, "no CAP_NET_ADMIN"), nil), wait: time.Second,
			log: "delete 0x11 ok, delete 0x22 NOT_FOUND", err: "PERMISSION"},
		{name: "deleting what is not there is success", there: both.Ops[1:], req: ike.Apply{Ops: []ike.SAOp{remove(both.Ops[0]), remove(both.Ops[1])}},
			log: "delete 0x11 NOT_FOUND, delete 0x22 ok"},
		{name: "deletes wait for the plugin as long as it takes", there: both.Ops, req: ike.Apply{Ops: []ike.SAOp{remove(both.Ops[0])}},
			fault: times(100, gone, nil), wait: time.Hour, log: "delete 0x11 ok", spis: []uint32{0x22}},
		{name: "nothing to do is done", req: ike.Apply{}},
		{name: "a mixed request deletes only after the install", larval: both.Ops[:1], there: both.Ops[1:],
			req: ike.Apply{Ops: []ike.SAOp{remove(both.Ops[1]), both.Ops[0]}},
			log: "update 0x11 ok, delete 0x22 ok", spis: []uint32{0x11}, ledger: []uint32{0x11}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, Options{}).start(t)
				a, m := h.peer("p")
				h.kern.larval(tt.larval...)
				h.kern.larval(tt.there...)
				if tt.fault != nil {
					f := tt.fault(h)
					h.kern.set(func() { h.kern.fault = f })
				}
				h.calls(a, tt.req)
				for _, op := range tt.req.Ops { // the machine may wipe its keys at once
					op.SA.EncrKey.Zero()
				}
				time.Sleep(tt.wait)
				synctest.Wait()
				if diff := cmp.Diff(tt.log, strings.Join(h.kern.applied(), ", ")); diff != "" {
					t.Errorf("the kernel was asked: %s", diff)
				}
				if diff := cmp.Diff(tt.spis, h.kern.spis()); diff != "" {
					t.Errorf("the kernel has: %s", diff)
				}
				if diff := cmp.Diff(tt.ledger, ledgerSPIs(h.ledger)); diff != "" {
					t.Errorf("the ledger has: %s", diff)
				}
				rs := replies(m)
				if len(rs) != 1 || (rs[0].Err == nil) != (tt.err == "") || rs[0].Err != nil && !strings.Contains(rs[0].Err.Error(), tt.err) {
					t.Errorf("replies %+v, want error %q", rs, tt.err)
				}
				if len(rs) == 1 && errors.As(rs[0].Err, new(*ike.Unavailable)) {
					t.Error("an install that was undone must not be asked again")
				}
				n := 0
				for _, k := range tt.ledger {
					if s, ok := h.registry.owner(ike.SAKey{Dst: addr("192.0.2.1"), Proto: 50, SPI: k}); ok && s.owner == a && s.state == settled {
						n++
					} else if s, ok := h.registry.owner(ike.SAKey{Dst: addr("192.0.2.2"), Proto: 50, SPI: k}); ok && s.owner == a && s.state == settled {
						n++
					}
				}
				if n != len(tt.ledger) || len(h.registry.sas) != n {
					t.Errorf("the registry has %v", h.registry.sas)
				}
				for k, sa := range h.kern.sas {
					if sa.State == kernel.Mature && string(sa.Encr.Key.Reveal()[:3]) == "\x00\x00\x00" {
						t.Errorf("%v was installed with a wiped key", k)
					}
				}
				for _, op := range both.Ops { // for the next row
					copy(op.SA.EncrKey.Reveal(), "sixteen octets, ....")
				}
			})
		})
	}
}

func TestAnSAIsTranslatedWhole(t *testing.T) {
	op := install(ike.InstallInbound, inbound(0x11).SA)
	want := "kind 2 src 192.0.2.2 dst 192.0.2.1 spi 17 proto 50 mode 2 dir 1 soft 8m0s hard 10m0s window 0 encr 12/16 auth 5/13"
	got := func(op kernel.Op) string {
		sa := op.SA
		s := fmt.Sprintf("kind %d src %v dst %v spi %d proto %d mode %d dir %d soft %v hard %v window %d", op.Kind, sa.Key.Src, sa.Key.Dst, sa.Key.SPI,
			sa.Key.Proto, sa.Mode, sa.Dir, sa.Life.SoftTime, sa.Life.HardTime, sa.ReplayWindow)
		if sa.Encr != nil {
			s += fmt.Sprintf(" encr %d/%d", sa.Encr.ID, sa.Encr.Key.Len())
		}
		if sa.Auth != nil {
			s += fmt.Sprintf(" auth %d/%d", sa.Auth.ID, sa.Auth.Key.Len())
		}
		return s
	}
	if diff := cmp.Diff(want, got(op)); diff != "" {
		t.Error(diff)
	}
	if aead := install(ike.InstallOutbound, outbound(0x22).SA); aead.Kind != kernel.AddSA || aead.SA.Auth != nil {
		t.Errorf("an AEAD SA: %s", got(aead))
	}
	wipe([]kernel.Op{op})
	if b := op.SA.Encr.Key.Reveal(); b[0] != 0 {
		t.Error("the copy of the key was not wiped")
	}
	if b := inbound(0x11).SA.EncrKey.Reveal(); b[0] == 0 {
		t.Error("the machine's key was wiped")
	}
}

func TestSPIsOfAMachineThatHasEndedAreReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options{}).start(t)
		a, m := h.peer("p")
		req := ike.AllocateSPIs{SPIs: []ike.SPIRequest{{Src: addr("192.0.2.2"), Dst: addr("192.0.2.1"), Proto: 50}, {Src: addr("192.0.2.2"), Dst: addr("192.0.2.1"), Proto: 51}}}
		h.calls(a, req)
		synctest.Wait()
		rs := replies(m)
		if len(rs) != 1 || len(rs[0].Value.([]uint32)) != 2 || len(h.kern.spis()) != 2 || len(ledgerSPIs(h.ledger)) != 0 {
			t.Fatalf("%+v, kernel %v, ledger %v", rs, h.kern.spis(), ledgerSPIs(h.ledger))
		}
		m.set(func() { m.done = true })
		a.post(mail{ev: ike.Wake{}})
		synctest.Wait()
		h.calls(a, req, ike.Apply{Ops: []ike.SAOp{outbound(0x99)}})
		synctest.Wait()
		if n := len(h.kern.spis()); n != 2 {
			t.Errorf("%d SAs in the kernel, want the 2 of before: %v", n, h.kern.applied())
		}
		if len(replies(m)) != 1 || len(ledgerSPIs(h.ledger)) != 0 {
			t.Errorf("replies %d, ledger %v", len(replies(m)), ledgerSPIs(h.ledger))
		}
	})
}

func TestTheMachineLearnsWhichFailuresMayPass(t *testing.T) {
	for _, tt := range []struct {
		err    error
		passes bool
	}{
		{errs.Errorf(errs.Unavailable, "x"), true},
		{errs.Errorf(errs.Busy, "x"), true},
		{errs.Errorf(errs.Timeout, "x"), true},
		{fmt.Errorf("wrapped: %w", errs.Errorf(errs.Busy, "x")), true},
		{errs.Errorf(errs.Permission, "x"), false},
		{errs.Errorf(errs.Unsupported, "x"), false},
		{errors.New("x"), false},
	} {
		if got := errors.As(callError(tt.err), new(*ike.Unavailable)); got != tt.passes {
			t.Errorf("%v: passes %v, want %v", tt.err, got, tt.passes)
		}
	}
	if callError(nil) != nil {
		t.Error("no error is an error")
	}
}

func TestALedgerThatCannotBeWrittenIsSaidAndTunnelsGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options{RunDir: t.TempDir()}).start(t)
		a, m := h.peer("p")
		h.ledger.file.Close()
		h.calls(a, ike.Apply{Ops: []ike.SAOp{outbound(0x22)}})
		synctest.Wait()
		if rs := replies(m); len(rs) != 1 || rs[0].Err != nil {
			t.Errorf("%+v", rs)
		}
		if got := h.said(notice.LocalFailure); len(got) != 1 || !strings.Contains(got[0], "ledger") {
			t.Errorf("%q", got)
		}
	})
}
