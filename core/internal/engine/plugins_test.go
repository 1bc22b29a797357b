package engine

import (
	"context"
	"log/slog"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/oakley"
	"github.com/racoon-ike/racoon/core/internal/pluginhost"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// A kernel plugin in a process of its own is killed in the middle of everything. This
// one takes its SAs with it, as a user-space ESP would: the engine finds them gone,
// tells the peer, and negotiates anew.
func TestAKernelPluginMayBeKilled(t *testing.T) {
	run, err := os.MkdirTemp("", "rk") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(run) })
	host, err := pluginhost.New(pluginhost.Options{RunDir: run, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { host.Close(context.Background()) })
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := freePort(t)
	one, two := addr("127.0.0.1"), addr("127.0.0.2")
	pol := tunnel("10.1.0.0/16", "10.2.0.0/16", "127.0.0.1", "127.0.0.2", 8)
	install := func(ctx context.Context, k kernel.Backend) error { // what somebody else keeps in the kernel
		_, err := k.Apply(ctx, []kernel.Transaction{{TxnID: "policies", Ops: []kernel.Op{
			{Kind: kernel.AddPolicy, Policy: pol}, {Kind: kernel.AddPolicy, Policy: reverse(pol)}}}})
		return err
	}
	var engine atomic.Pointer[Engine]
	kern, err := host.StartKernel(t.Context(), pluginhost.Spec{Name: "memory", Path: self, Env: []string{roleEnv + "=kernel"}},
		pluginhost.Hooks[kernel.Backend]{OnUp: func(ctx context.Context, k kernel.Backend) error {
			if err := install(ctx, k); err != nil {
				return err
			}
			if e := engine.Load(); e != nil {
				return e.Resync(ctx, k)
			}
			return nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	a := newEnd(t, one, p, endOptions{psk: onePSK{key: []byte("k")}, kernel: kern, remotes: []*policy.Remote{peerSection(two, p, oakley.X25519)}})
	b := newEnd(t, two, p, endOptions{psk: onePSK{key: []byte("k")}, remotes: []*policy.Remote{peerSection(one, p, oakley.X25519)}})
	back := tunnel("10.2.0.0/16", "10.1.0.0/16", "127.0.0.2", "127.0.0.1", 16)
	b.kern.policies = []*kernel.Policy{back, reverse(back)}
	a.up(t)
	b.up(t)
	engine.Store(a.Engine)

	up := func() {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := a.Establish(ctx, EstablishRequest{Remote: two}); err != nil {
			t.Fatal(err)
		}
	}
	pid := func() int {
		for _, s := range host.Status() {
			if s.PID != 0 && s.State == pluginhost.Healthy {
				return s.PID
			}
		}
		return 0
	}
	up()
	eventually(t, "the peer has both SAs", func() bool { return len(b.kern.spis()) == 2 })
	first := pid()
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the engine has compared with the new plugin and ended the lost pair", func() bool { return a.count(notice.Phase2Down) == 1 })
	eventually(t, "the peer was told", func() bool { return len(b.kern.spis()) == 0 })
	eventually(t, "the plugin is back", func() bool { n := pid(); return n != 0 && n != first })
	if got := ledgerSPIs(a.ledger); len(got) != 0 {
		t.Errorf("the ledger has %x", got)
	}
	up() // over the ISAKMP SA, which has not noticed

	// Killed while a negotiation wants something of it.
	syscall.Kill(pid(), syscall.SIGKILL)
	up()
	eventually(t, "what the kernel has is what the machines know", func() bool {
		sas := map[netip.Addr]int{}
		err := kern.Dump(t.Context(), kernel.DumpFilter{SAs: true}, func(o kernel.Object) error {
			if o.SA != nil && o.SA.State == kernel.Mature {
				sas[o.SA.Key.Dst]++
			}
			return nil
		})
		sts, e := a.Statuses(t.Context())
		if err != nil || e != nil || len(sts) != 1 {
			return false
		}
		n := len(sts[0].IPsec)
		return n > 0 && sas[one] == n && sas[two] == n && len(ledgerSPIs(a.ledger)) == 2*n && len(b.kern.spis()) == 2*n
	})
}
