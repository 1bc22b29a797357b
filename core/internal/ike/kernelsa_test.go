package ike_test

import (
	"testing"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike/iketest"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
)

// TestSAsOfAMarkedPolicy: both SAs are of its interface; the one for what is sent has its
// mark, and is found again under it when the pair ends.
func TestSAsOfAMarkedPolicy(t *testing.T) {
	w := iketest.New(1)
	a, b := w.AddHost("a"), w.AddHost("b")
	o := iketest.Options{Proposals: []policy.Phase1Proposal{iketest.AES128SHA256X25519}}
	a.Configure(b, o)
	b.Configure(a, o)
	mark := spd.Mark{Value: 7, Mask: 0xff}
	tmpl := spd.Template{Proto: 50, Mode: spd.Tunnel, Level: spd.LevelUnique, ReqID: 9, Src: a.Addr, Dst: b.Addr}
	back := tmpl
	back.Src, back.Dst = tmpl.Dst, tmpl.Src
	a.Protect(b, spd.Key{Dir: spd.Out, Src: a.Net, Dst: b.Net, Mark: mark, IfID: 3}, []spd.Template{tmpl}, []spd.Template{back})
	a.Acquire(b)
	w.Run(time.Minute)
	want := map[spd.Direction]spd.Mark{spd.In: {}, spd.Out: mark}
	for _, key := range a.Kernel.Keys() {
		sa := a.Kernel.SAs[key]
		if m, ok := want[sa.Dir]; !ok || sa.Mark != m || sa.IfID != 3 {
			t.Errorf("direction %d: mark %v, interface %d", sa.Dir, sa.Mark, sa.IfID)
		}
		delete(want, sa.Dir)
	}
	if len(want) > 0 {
		t.Errorf("no SA for directions %v", want)
	}
	a.Shutdown()
	w.Run(time.Minute)
	if left := a.Kernel.Keys(); len(left) > 0 {
		t.Errorf("still there: %v", left)
	}
	if err := w.Err(); err != nil {
		t.Error(err)
	}
}

// TestSequenceNumbersOf64Bits: the kernel is told what was agreed.
func TestSequenceNumbersOf64Bits(t *testing.T) {
	for _, there := range []policy.Toggle{policy.Off, policy.On} {
		w := iketest.New(1)
		a, b := w.AddHost("a"), w.AddHost("b")
		a.Configure(b, iketest.Options{ESN: policy.On})
		b.Configure(a, iketest.Options{ESN: there})
		a.Acquire(b)
		w.Run(5 * time.Second)
		if n := len(a.Kernel.SAs); n != 2 {
			t.Fatalf("a has %d SAs, want a pair", n)
		}
		for _, h := range w.Hosts {
			for key, sa := range h.Kernel.SAs {
				if sa.ESN != (there == policy.On) {
					t.Errorf("%s: ESN %v", h.Kernel.Name(key), sa.ESN)
				}
			}
		}
		if err := w.Err(); err != nil {
			t.Error(err)
		}
	}
}
