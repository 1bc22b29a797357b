package engine

import (
	"runtime"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/oakley"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

func TestAuthenticatedPeersComeFirstAndStrangersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newCPUPool(2, func(f func()) { go f() })
		hold := make(chan struct{})
		order := make(chan string, 100)
		for range runtime.GOMAXPROCS(0) { // all slots
			if err := p.run(false, func() { <-hold }); err != nil {
				t.Fatal(err)
			}
		}
		p.slots = 0
		work := func(name string) func() { return func() { order <- name } }
		var errs []error
		for _, s := range []struct {
			name    string
			trusted bool
		}{{"s1", false}, {"s2", false}, {"s3", false}, {"t1", true}, {"t2", true}, {"t3", true}} {
			errs = append(errs, p.run(s.trusted, work(s.name)))
		}
		if !slices.Equal(errs, []error{nil, nil, errCPUQueueFull, nil, nil, nil}) {
			t.Errorf("%v", errs)
		}
		hold <- struct{}{} // one slot: the order is certain
		synctest.Wait()
		close(order)
		var got []string
		for s := range order {
			got = append(got, s)
		}
		if !slices.Equal(got, []string{"t1", "t2", "t3", "s1", "s2"}) {
			t.Errorf("%v", got)
		}
		close(hold)
		synctest.Wait()
		if p.slots != runtime.GOMAXPROCS(0) {
			t.Errorf("%d slots are free at the end", p.slots)
		}
	})
}

func TestTwoMachinesAgreeOnASecretThroughThePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options{}).start(t)
		a, m := h.peer("p")
		for _, g := range []oakley.Group{oakley.X25519, oakley.ECP256, oakley.MODP1024} {
			m.set(func() { m.events = nil })
			h.calls(a, ike.DHGenerate{Group: g}, ike.DHGenerate{Group: g})
			synctest.Wait()
			rs := replies(m)
			one, two := rs[0].Value.(oakley.KeyPair), rs[1].Value.(oakley.KeyPair)
			h.calls(a, ike.DHShared{Key: one, PeerPublic: two.Public}, ike.DHShared{Key: two, PeerPublic: one.Public}, ike.DHShared{Key: one, PeerPublic: []byte{1}})
			synctest.Wait()
			rs = replies(m)[2:]
			slices.SortFunc(rs, func(a, b ike.Reply) int { return int(a.ID) - int(b.ID) })
			x, y := rs[0].Value.(secret.Bytes), rs[1].Value.(secret.Bytes)
			if !slices.Equal(x.Reveal(), y.Reveal()) || x.Len() == 0 {
				t.Errorf("%v: %d and %d octets differ", g, x.Len(), y.Len())
			}
			if rs[2].Err == nil {
				t.Errorf("%v: a bad public value was accepted", g)
			}
		}
	})
}

func TestAFullQueueIsAFailureThatPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options{Limits: Limits{CPUQueue: 1}}).start(t)
		h.receive(here, false, edit(0))
		synctest.Wait()
		stranger := h.registry.snapshot()[0]
		hold := make(chan struct{})
		for range runtime.GOMAXPROCS(0) + 1 {
			h.cpu.run(true, func() { <-hold })
		}
		h.calls(stranger, ike.DHGenerate{Group: oakley.X25519}, ike.DHGenerate{Group: oakley.X25519})
		synctest.Wait()
		rs := replies(h.machine(t, 0))
		if len(rs) != 1 || rs[0].ID != 2 {
			t.Fatalf("%+v", rs)
		}
		if un, ok := rs[0].Err.(*ike.Unavailable); !ok || un.Err != errCPUQueueFull {
			t.Errorf("%v", rs[0].Err)
		}
		close(hold)
		synctest.Wait()
		if _, reasons := h.Counters(); reasons[notice.CPUQueueFull] != 1 {
			t.Errorf("%v", reasons)
		}
	})
}
