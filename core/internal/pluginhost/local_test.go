package pluginhost

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/racoon-ike/racoon/core/sdk/auth"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/plugintest/authtest"
)

func TestInProcessAndDirectPluginsBehaveAlike(t *testing.T) {
	h, _ := newHost(t)
	spec := testAuth()
	over := startAuth(t, h, Spec{Name: "over-grpc", InProcess: &spec})
	direct := DirectAuth("direct", &authtest.Static{PSKs: map[string][][]byte{"192.0.2.1": {[]byte(psk)}}})
	for name, a := range map[string]*Auth{"over gRPC": over, "direct": direct} {
		t.Run(name, func(t *testing.T) {
			if err := a.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			if res, err := a.DeriveSKEYID(t.Context(), skeyidRequest("192.0.2.1")); err != nil || res.Candidates[0].SKEYID.Len() != 32 {
				t.Errorf("known peer: %v, %v", res, err)
			}
			if _, err := a.DeriveSKEYID(t.Context(), skeyidRequest("192.0.2.3")); errs.From(err).Reason != errs.NotFound {
				t.Errorf("unknown peer: %v", err)
			}
			if _, err := a.XAuth(t.Context(), auth.XAuthRequest{}); errs.From(err).Reason != errs.Unsupported {
				t.Errorf("XAuth of a plugin without: %v", err)
			}
			if c, err := a.Capabilities(t.Context()); err != nil || len(c.Methods) != 1 {
				t.Errorf("capabilities %+v, %v", c, err)
			}
			a.Close(t.Context())
		})
	}
}

func TestManyCallersShareCallsToThePlugin(t *testing.T) {
	h, _ := newHost(t)
	fake := &authtest.Static{PSKs: map[string][][]byte{"192.0.2.1": {[]byte(psk)}}}
	started, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	fake.Before = func(_ context.Context, method string) error {
		if method == "DeriveSKEYIDs" {
			once.Do(func() { close(started); <-release })
		}
		return nil
	}
	spec := fake.Spec("test")
	a := startAuth(t, h, Spec{Name: "test", InProcess: &spec})
	var wg sync.WaitGroup
	derive := func() {
		if _, err := a.DeriveSKEYID(t.Context(), skeyidRequest("192.0.2.1")); err != nil {
			t.Error(err)
		}
	}
	wg.Go(derive)
	<-started
	for range 40 {
		wg.Go(derive)
	}
	poll(t, "40 requests in the queue", func() bool {
		a.skeyids.mu.Lock()
		defer a.skeyids.mu.Unlock()
		return len(a.skeyids.queue) == 40
	})
	close(release)
	wg.Wait()
	if got := fake.Calls()["DeriveSKEYIDs"]; got != 2 {
		t.Errorf("%d calls for 41 requests, want 2", got)
	}
	if got := a.Status().Calls; got != 2 {
		t.Errorf("the status tells %d calls, want 2", got)
	}
}

func TestAPluginNeverHasMoreCallsThanItAllows(t *testing.T) {
	a := DirectAuth("test", &authtest.Static{})
	a.learn(auth.Capabilities{MaxConcurrent: 1})
	free, err := a.slot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.slot(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a second call beside the only one allowed: %v", err)
	}
	free()
	if _, err := a.slot(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAPluginDropsRootAndKeepsWhatItMay(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a process another uid")
	}
	h, _ := newHost(t)
	s := role("auth")
	s.UID, s.GID, s.Capabilities = 65534, 65534, []string{"CAP_NET_ADMIN"}
	a := startAuth(t, h, s)
	status, err := os.ReadFile("/proc/" + strconv.Itoa(a.Status().PID) + "/status")
	if err != nil {
		t.Skipf("no process status to look at: %v", err)
	}
	for _, line := range []string{
		"Uid:\t65534\t65534\t65534\t65534\n", "Gid:\t65534\t65534\t65534\t65534\n", "Groups:\t \n",
		"CapEff:\t0000000000001000\n", "CapPrm:\t0000000000001000\n",
	} {
		if !strings.Contains(string(status), line) {
			t.Errorf("no %q in\n%s", line, status)
		}
	}
	if _, err := a.DeriveSKEYID(t.Context(), skeyidRequest("192.0.2.1")); err != nil {
		t.Error(err)
	}
	s.Name, s.Capabilities = "greedy", []string{"CAP_SYS_ADMIN"}
	if _, err := h.StartAuth(t.Context(), s, Hooks[auth.Authenticator]{}); err == nil || !strings.Contains(err.Error(), "CAP_SYS_ADMIN") {
		t.Errorf("a capability no plugin may have: got %v", err)
	}
}

// BenchmarkRPC is one call at a time, over each kind of connection.
func BenchmarkRPC(b *testing.B) {
	h, _ := newHost(b)
	inProcess := testAuth()
	unix := role("auth")
	unix.Transport, unix.Name = TransportUnix, "unix"
	for name, a := range map[string]*Auth{
		"MTLS":    startAuth(b, h, role("auth")),
		"Unix":    startAuth(b, h, unix),
		"Bufconn": startAuth(b, h, Spec{Name: "bufconn", InProcess: &inProcess}),
		"Direct":  DirectAuth("direct", &authtest.Static{PSKs: map[string][][]byte{"192.0.2.1": {[]byte(psk)}}}),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := a.DeriveSKEYID(b.Context(), skeyidRequest("192.0.2.1")); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/64callers", func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(32)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := a.DeriveSKEYID(b.Context(), skeyidRequest("192.0.2.1")); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// BenchmarkApply is what one quick mode asks of a kernel plugin.
func BenchmarkApply(b *testing.B) {
	h, _ := newHost(b)
	k, err := h.StartKernel(b.Context(), role("kernel"), Hooks[kernel.Backend]{})
	if err != nil {
		b.Fatal(err)
	}
	src, dst := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	b.ReportAllocs()
	for b.Loop() {
		spis, err := k.AllocateSPIs(b.Context(), []kernel.SPIRequest{{Src: src, Dst: dst, Proto: 50, Min: 256, Max: 1<<32 - 1}})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := k.ApplyOne(b.Context(), kernel.Transaction{Ops: []kernel.Op{{
			Kind: kernel.DeleteSA, SA: &kernel.SA{Key: kernel.Key{Src: src, Dst: dst, SPI: spis[0].SPI, Proto: 50}},
		}}}); err != nil {
			b.Fatal(err)
		}
	}
}
