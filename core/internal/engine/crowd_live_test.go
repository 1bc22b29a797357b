package engine

import (
	"os"
	"testing"
	"time"

	"github.com/racoon-ike/racoon/core/internal/pluginhost"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// livePluginEnv names the executable of the kernel plugin of a kernel with ESP. Whoever
// sets it lends that kernel: its SAs and policies are replaced.
const livePluginEnv = "RACOON_TEST_KERNEL_PLUGIN"

// The same with 2,000 SAs and policies in a real kernel, and its plugin. That kernel may
// be a process itself, on a machine that has more to do.
func TestAKilledPluginIsComparedWithARealKernel(t *testing.T) {
	path := os.Getenv(livePluginEnv)
	if path == "" {
		t.Skip(livePluginEnv + " names no plugin of a kernel with ESP: the lab does")
	}
	const size, limit = 2000, 5 * time.Second * 12
	s := startSurvivor(t, pluginhost.Spec{Name: "live", Path: path})
	flush := func() {
		ops := []kernel.Op{{Kind: kernel.FlushSAs}, {Kind: kernel.FlushPolicies}}
		if res, err := s.ApplyOne(t.Context(), kernel.Transaction{TxnID: newInstance(), Ops: ops}); err != nil || outcome(ops, res, false) != nil {
			t.Fatalf("flush: %v, %+v", err, res)
		}
	}
	flush()
	c := crowdIn(t, s, size)
	began := time.Now()
	c.fill(t)
	t.Logf("%d SAs installed in %v", size, time.Since(began).Round(time.Millisecond))
	has := func(what string, want, policies int) {
		t.Helper()
		began := time.Now()
		sas, ps := c.dump(t)
		t.Logf("%s: %d SAs and %d policies dumped in %v", what, sas, ps, time.Since(began).Round(time.Millisecond))
		if sas != want || ps != policies {
			t.Errorf("%s: the kernel has %d SAs and %d policies, want %d and %d", what, sas, ps, want, policies)
		}
	}
	report := func(what string, want, policies int) {
		t.Helper()
		wall, cpu := c.kill(t)
		t.Logf("%s: killed, back and compared in %v, %v of processor time", what, wall.Round(time.Millisecond), cpu.Round(time.Millisecond))
		if wall > limit {
			t.Errorf("%s: more than %v", what, limit)
		}
		has(what, want, policies)
	}
	has("after the installation", size, size)
	report("all SAs are still there", size, size)
	c.forgetHalf()
	report("half of them are left over", size/2, size)
	if n := c.lost.Load(); n != 0 {
		t.Errorf("%d SAs were said to be lost", n)
	}
	flush() // of which the plugin says nothing: it was asked to
	report("the rest is gone", 0, 0)
	within(t, limit, "the machines know", func() bool { return c.lost.Load() == size/2 && len(c.ledger.all()) == 0 })
}
