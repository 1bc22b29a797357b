package ike_test

import (
	"strings"
	"testing"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/ike/iketest"
	"github.com/racoon-ike/racoon/core/internal/notice"
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

// TestSequenceNumbersOf64Bits: both kernels are told what was agreed, which is nothing
// that one of them cannot do.
func TestSequenceNumbersOf64Bits(t *testing.T) {
	type end struct {
		esn  policy.Toggle
		lack bool // its kernel has none
	}
	const lacks = "esn force: the kernel back end has no sequence numbers of 64 bits"
	for _, tt := range []struct {
		name string
		a, b end    // a begins
		want bool   // ESN
		why  string // there are no SAs
	}{
		{"on there", end{policy.On, false}, end{policy.On, false}, true, ""},
		{"off there", end{policy.On, false}, end{policy.Off, false}, false, ""},
		{"force there", end{policy.On, false}, end{policy.Force, false}, true, ""},
		{"on, the initiator lacks them", end{policy.On, true}, end{policy.On, false}, false, ""},
		{"on, the responder lacks them", end{policy.On, false}, end{policy.On, true}, false, ""},
		{"off, both lack them", end{policy.Off, true}, end{policy.Off, true}, false, ""},
		{"force, the initiator lacks them", end{policy.Force, true}, end{policy.On, false}, false, "a: unsupported " + lacks},
		{"force, the responder lacks them", end{policy.On, false}, end{policy.Force, true}, false,
			"b: unsupported " + lacks + "; a: peer-refused the peer refuses: NO-PROPOSAL-CHOSEN"},
		{"force here, the responder lacks them", end{policy.Force, false}, end{policy.On, true}, false,
			"b: no-proposal no acceptable IPsec proposal: in proposal 1 ESP transform 1 the extended sequence number attribute is 64 bits, ours is none (sainfo b.conf:1, proposal_check strict); a: peer-refused the peer refuses: NO-PROPOSAL-CHOSEN"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := iketest.New(1)
			a, b := w.AddHost("a"), w.AddHost("b")
			var failed []string
			for _, h := range w.Hosts {
				h.Notices = func(_ *iketest.Machine, n ike.Notice) {
					if n.Event == notice.Phase2Failed {
						failed = append(failed, h.Name+": "+n.Reason.String()+" "+n.Detail)
					}
				}
			}
			a.Configure(b, iketest.Options{ESN: tt.a.esn})
			b.Configure(a, iketest.Options{ESN: tt.b.esn})
			a.Kernel.NoESN, b.Kernel.NoESN = tt.a.lack, tt.b.lack
			a.Acquire(b)
			w.Run(5 * time.Second)
			if got := strings.Join(failed, "; "); got != tt.why {
				t.Errorf("failed: %q, want %q", got, tt.why)
			}
			for _, h := range w.Hosts {
				if n := len(h.Kernel.SAs); n != 2 && tt.why == "" || n != 0 && tt.why != "" {
					t.Errorf("%s has %d SAs", h.Name, n)
				}
				for key, sa := range h.Kernel.SAs {
					if sa.ESN != tt.want {
						t.Errorf("%s: ESN %v", h.Kernel.Name(key), sa.ESN)
					}
				}
			}
			if err := w.Err(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestAKernelThatComesBackWithoutESN, and later with it: each renewal is what the kernel
// can do then.
func TestAKernelThatComesBackWithoutESN(t *testing.T) {
	for _, begins := range []string{"a", "b"} {
		t.Run(begins, func(t *testing.T) {
			w := iketest.New(1)
			a, b := w.AddHost("a"), w.AddHost("b")
			a.Configure(b, iketest.Options{ESN: policy.On})
			b.Configure(a, iketest.Options{ESN: policy.On})
			from, to := a, b
			if begins == "b" {
				from, to = b, a
			}
			from.Acquire(to)
			w.Run(2 * time.Minute)
			for i, lack := range []bool{false, true, false} {
				if i > 0 {
					a.Kernel.NoESN = lack
					from.SoftExpire(to)
					w.Run(2 * time.Minute)
				}
				if n := len(a.Kernel.SAs); n != 2 {
					t.Fatalf("renewal %d: a has %d SAs", i, n)
				}
				for key, sa := range a.Kernel.SAs {
					if sa.ESN == lack {
						t.Errorf("renewal %d: %s: ESN %v", i, a.Kernel.Name(key), sa.ESN)
					}
				}
			}
			if err := w.Err(); err != nil {
				t.Error(err)
			}
		})
	}
}
