package engine

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/racoon-ike/racoon/core/internal/pluginhost"
	"github.com/racoon-ike/racoon/core/sdk/errs"
)

// What a fault of a kernel plugin may lead to.
type result string

const (
	up     result = "up"     // the tunnel is there, and all tables and both kernels agree about it
	none   result = "none"   // nothing is there and it was said why; the next attempt succeeds
	failed result = "failed" // as none, and whoever asked was given the error instead
)

const faultLimit = 3 * time.Minute // real time, for a machine in trouble

// An exposure is a call and how to have an engine make it.
type exposure struct {
	call   string // as faulty names it
	side   int    // whose kernel is faulty: 0 the initiator's, 1 the responder's
	begins bool   // before the engine has started
	there  bool   // the tunnel is up before
	do     func(*rig) error
	want   result            // of each fault
	except map[string]result // but of these
}

// Faults that pass are survived. What the kernel refuses leaves nothing.
var (
	refusedOps   = map[string]result{"has no buffers": none, "is not permitted": none}
	refusedCalls = map[string]result{"is not permitted": none, "panics": none}
	delayed      = map[string]result{"is nearly too slow": up, "loses events": up}
)

var exposures = []exposure{
	{call: "GetCapabilities", there: true, do: (*rig).killed, want: up},
	{call: "GetSocketOptions", begins: true, do: (*rig).begin, want: failed, except: delayed},
	{call: "AllocateSpis", do: (*rig).establish, want: up, except: refusedCalls},
	{call: "AllocateSpis", side: 1, do: (*rig).establish, want: up, except: refusedCalls},
	{call: "Apply: inbound", side: 1, do: (*rig).establish, want: up, except: refusedOps},
	{call: "Apply: generated policies", side: 1, do: (*rig).establish, want: up, except: refusedOps},
	{call: "Apply: outbound", side: 1, do: (*rig).establish, want: up, except: refusedOps},
	{call: "Apply: both", do: (*rig).establish, want: up, except: refusedOps},
	{call: "Apply: outbound", there: true, do: (*rig).renew, want: up},
	{call: "Apply: delete", there: true, do: (*rig).delete, want: none},
	{call: "Apply: delete", side: 1, there: true, do: (*rig).delete, want: none},
	{call: "Apply: delete", there: true, do: (*rig).leftOver, want: up},
	{call: "Apply: acquire done", do: (*rig).packet, want: up},
	{call: "Query", there: true, do: (*rig).probed, want: up},
	{call: "Dump", there: true, do: (*rig).overflow, want: up},
	{call: "Events", do: (*rig).resubscribe, want: up},
	{call: "LookupRoutes", do: (*rig).route, want: failed, except: delayed},
}

// Everything that can happen to every call of a kernel plugin, while two engines
// negotiate over sockets and the plugin is a process: a tunnel that is up within the
// peer's retransmissions, or no trace and a Notice that says why.
func TestFaultsOfAKernelPlugin(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: these are some 160 tunnels")
	}
	before := runtime.NumGoroutine()
	var rows sync.WaitGroup
	turn := make(chan struct{}, rowsAtOnce)
	for _, x := range exposures {
		for _, f := range faults {
			want := x.want
			if w, ok := x.except[f.name]; ok {
				want = w
			}
			turn <- struct{}{}
			rows.Go(func() {
				t.Run(fmt.Sprintf("%s of side %d %s", x.call, x.side, f.name), func(t *testing.T) {
					newRig(t, x, f, func(k *faulty) *survivor { return newSurvivor(t, k) }).suffer(want)
				})
				<-turn
			})
		}
	}
	rows.Wait()
	within(t, faultLimit, "all goroutines have ended", func() bool { return runtime.NumGoroutine() <= before })
}

// rowsAtOnce is how many rows are played at a time: they mostly wait.
const rowsAtOnce = 16

// suffer has the fault happen and waits for what it may lead to.
func (r *rig) suffer(want result) {
	f := r.fault
	for i, n := range r.ends {
		if !r.begins || i != r.side {
			n.up(r)
		}
	}
	if !r.begins {
		r.kernels[r.side].plugin.engine.Store(r.ends[r.side].Engine)
	}
	if r.there {
		if err := r.establish(); err != nil {
			r.Fatal(err)
		}
		within(r, faultLimit, "up", func() bool { return r.trouble(1) == "" })
	}
	k := r.kernels[r.side]
	k.strike(r.call, f, false)
	err := r.do(r)
	within(r, faultLimit, "the fault happens", k.struck.Load)
	if r.call == "Apply: delete" && f.op == errs.Permission {
		within(r, faultLimit, "it is said", func() bool { return len(r.ends[r.side].said("delete SAs")) > 0 })
		k.Lose() // what was refused is found by the next comparison
	}
	if (err != nil) != (want == failed) && want != none {
		r.Errorf("whoever asked was told %v", err)
	}
	pairs := 0
	if want == up {
		pairs = 1
	}
	r.settle(pairs)
	if want == none && r.call != "Apply: delete" {
		within(r, faultLimit, "it is said", func() bool { return len(r.ends[r.side].said("phase2-failed", "local-failure")) > 0 })
	}
	dies := f.dies || r.call == "GetCapabilities"
	within(r, faultLimit, "the plugin is up", func() bool {
		s := k.plugin.Status()
		return s.State == pluginhost.Healthy && (!dies || s.Restarts > 0)
	})
	if want == failed || want == none {
		again := r.establish
		if r.begins {
			again = r.begin
		}
		if err := again(); err != nil {
			r.Errorf("the next attempt: %v", err)
		}
		r.settle(1)
	}
	for _, n := range r.ends {
		if err := n.Shutdown(context.Background()); err != nil {
			r.Error(err)
		}
	}
	r.settle(0)
}
