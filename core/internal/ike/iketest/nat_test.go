package iketest

import (
	"net/netip"
	"testing"
	"time"
)

// natted is two hosts behind a box, and one that is not.
func natted() (w *World, box *NAT, a, b, far *Host) {
	w = New(1)
	box = w.AddNAT()
	a, b, far = w.AddHost("a"), w.AddHost("b"), w.AddHost("far")
	a.Behind(box)
	b.Behind(box)
	return w, box, a, b, far
}

func ike500(h *Host) netip.AddrPort { return netip.AddrPortFrom(h.Addr, 500) }

func TestABoxGivesEachHostAPortAndLetsOnlyAnswersIn(t *testing.T) {
	w, box, a, b, far := natted()
	other := w.AddHost("other")
	srcA, srcB := a.leave(ike500(a), ike500(far)), b.leave(ike500(b), ike500(far))
	if srcA == srcB || srcA.Addr() != box.Addr || srcB.Addr() != box.Addr {
		t.Fatalf("a is seen at %v, b at %v, the box is %v", srcA, srcB, box.Addr)
	}
	if again := a.leave(ike500(a), ike500(other)); again != srcA {
		t.Errorf("towards another host a is seen at %v, not %v", again, srcA)
	}
	if h, at := far.reach(ike500(far), srcB); h != b || at != ike500(b) {
		t.Errorf("an answer to b reaches %v", at)
	}
	if h, _ := other.reach(ike500(other), srcB); h != nil {
		t.Error("somebody b has not spoken to gets in")
	}
	if h, _ := far.reach(ike500(far), ike500(a)); h != nil {
		t.Error("an address behind the box is reached from outside")
	}
	if h, at := a.reach(ike500(a), ike500(b)); h != b || at != ike500(b) {
		t.Error("neighbours do not reach each other")
	}
}

func TestAMappingEndsWithTimeAndWithTheBox(t *testing.T) {
	reaches := func(far *Host, to netip.AddrPort) bool {
		h, _ := far.reach(ike500(far), to)
		return h != nil
	}
	w, box, a, _, far := natted()
	box.Idle = 30 * time.Second
	src := a.leave(ike500(a), ike500(far))
	w.Run(20 * time.Second)
	a.leave(ike500(a), ike500(far))
	w.Run(20 * time.Second)
	if !reaches(far, src) {
		t.Error("a mapping in use has ended")
	}
	w.Run(20 * time.Second)
	if reaches(far, src) {
		t.Error("a mapping nobody uses has not ended")
	}
	src = a.leave(ike500(a), ike500(far))
	box.Forget()
	if reaches(far, src) || a.leave(ike500(a), ike500(far)) == src {
		t.Error("the box has not forgotten")
	}
	was := box.Addr
	box.Move()
	if now := a.leave(ike500(a), ike500(far)); now.Addr() == was || !reaches(far, now) {
		t.Errorf("behind the move a is seen at %v", now)
	}
}

func TestTasksComeInTheirOrder(t *testing.T) {
	w := New(7)
	last, n := time.Duration(-1), 0
	serial := 0
	for i := range 500 {
		d := time.Duration(w.rand.IntN(50)) * time.Second
		w.After(d, func() {
			if w.now < last || w.now == last && i < serial {
				t.Fatalf("task %d at %v comes behind task %d at %v", i, w.now, serial, last)
			}
			last, serial, n = w.now, i, n+1
		})
	}
	w.Run(time.Minute)
	if n != 500 {
		t.Errorf("%d tasks of 500", n)
	}
}

func TestWhatIsLargeDoesNotGetThroughANarrowLink(t *testing.T) {
	w, _, a, _, far := natted()
	for _, h := range []*Host{a, far} {
		h.Narrow = 100
		before := w.Net.InFlight
		w.Net.send(a, a.path(far.Addr), make([]byte, 100))
		w.Net.send(a, a.path(far.Addr), make([]byte, 101))
		sent := w.Net.InFlight - before
		w.Run(time.Second)
		if h == a && sent != 1 {
			t.Errorf("%d of two datagrams are on their way", sent)
		}
		h.Narrow = 0
	}
	if far.passes(make([]byte, 101)) != true {
		t.Error("without a limit nothing is too large")
	}
}
