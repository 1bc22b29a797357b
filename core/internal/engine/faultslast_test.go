package engine

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/pluginhost"
)

// Faults that do not pass, by a clock of the test and without sockets: nothing is left,
// or what was there stays; it is said why, and the next attempt after the fault succeeds.
func TestFaultsThatLast(t *testing.T) {
	for _, tt := range []struct {
		exposure
		pairs int // while the fault lasts
		said  string
	}{
		{exposure{call: "AllocateSpis", do: (*rig).establish}, 0, "phase2-failed"},
		{exposure{call: "AllocateSpis", side: 1, do: (*rig).establish}, 0, "phase2-failed"},
		{exposure{call: "Apply: inbound", side: 1, do: (*rig).establish}, 0, "phase2-failed"},
		{exposure{call: "Apply: generated policies", side: 1, do: (*rig).establish}, 0, "phase2-failed"},
		{exposure{call: "Apply: outbound", side: 1, do: (*rig).establish}, 0, "phase2-failed"},
		{exposure{call: "Apply: both", do: (*rig).establish}, 0, "phase2-failed"},
		{exposure{call: "Apply: outbound", there: true, do: (*rig).renew}, 1, "local-failure"},
		{exposure{call: "Query", there: true, do: (*rig).probed}, 1, ""},
		{exposure{call: "Dump", there: true, do: (*rig).overflow}, 1, "follow the kernel: dump the kernel"},
		{exposure{call: "Events", do: (*rig).resubscribe}, 0, "follow the kernel"},
		{exposure{call: "LookupRoutes", do: (*rig).route}, 0, ""},
	} {
		for _, f := range faults {
			if f.dies || f.name == "is nearly too slow" || f.name == "loses events" || tt.call == "Events" && f.name != "never answers" && f.name != "panics" {
				continue // it is the host's, or passes
			}
			t.Run(fmt.Sprintf("%s of side %d %s", tt.call, tt.side, f.name), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, tt.exposure, f, func(k *faulty) *survivor { return &survivor{Kernel: pluginhost.DirectKernel("direct", k)} })
					r.wire()
					r.last(tt.pairs, tt.said)
				})
			})
		}
	}
}

// wire joins the ends without sockets.
func (r *rig) wire() {
	for i, n := range r.ends {
		other := r.ends[1-i]
		n.net = &wire{quiet: true, locals: []netip.Addr{n.addr}, carry: func(s ike.Send) {
			other.run(func() { other.receive(ike.Path{Local: s.Path.Remote, Remote: s.Path.Local}, false, s.Data) })
		}}
	}
}

// last has the fault happen until it has led to what it may lead to, and then no more.
func (r *rig) last(pairs int, said string) {
	k := r.kernels[r.side]
	for _, n := range r.ends {
		n.up(r)
	}
	if r.there {
		if err := r.establish(); err != nil {
			r.Fatal(err)
		}
		r.settle(1)
	}
	k.strike(r.call, r.fault, true)
	err := r.do(r)
	within(r, faultLimit, "the fault happens", k.struck.Load)
	if (err == nil) != (r.there || r.call == "Apply: outbound") { // an initiator has done its part before that
		r.Errorf("whoever asked was told %v", err)
	}
	time.Sleep(time.Minute)
	r.settle(pairs)
	if said != "" && len(r.ends[r.side].said(said)) == 0 {
		r.Error("nothing was said of it")
	}
	k.strike("", fault{}, false)
	time.Sleep(time.Minute)
	if err := r.establish(); err != nil {
		r.Errorf("the next attempt: %v", err)
	}
	r.settle(1)
	for _, n := range r.ends {
		if err := n.Shutdown(context.Background()); err != nil {
			r.Error(err)
		}
	}
	r.settle(0)
}
