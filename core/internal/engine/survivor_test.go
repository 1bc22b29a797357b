package engine

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/racoon-ike/racoon/core/internal/plugingrpc"
	"github.com/racoon-ike/racoon/core/internal/pluginhost"
	"github.com/racoon-ike/racoon/core/sdk/config"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/plugin"
)

// A survivor is a kernel that outlives its plugin, as real ones do: it is in the test,
// behind a socket, and the plugin is a process that passes calls on to it. What only
// the plugin knows, which transactions it has done, dies with it.
type survivor struct {
	*pluginhost.Kernel
	host   *pluginhost.Host
	engine atomic.Pointer[Engine] // that compares when the plugin is back
}

const kernelEnv = "RACOON_TEST_KERNEL" // the socket

// starting is held by a test that starts its plugin: many at once would be too slow for
// the host's patience.
var starting sync.Mutex

// newSurvivor starts the plugin of k.
func newSurvivor(t testing.TB, k kernel.Backend) *survivor {
	t.Helper()
	dir, err := os.MkdirTemp("", "rk") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "kernel")
	lis, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(plugingrpc.ServerOptions()...)
	plugingrpc.RegisterKernel(server, plugingrpc.Fixed(k))
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(lis) }()
	t.Cleanup(func() { server.Stop(); <-served })

	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return startSurvivor(t, pluginhost.Spec{Name: "relay", Path: self, Env: []string{roleEnv + "=relay", kernelEnv + "=" + socket, "GORACE=atexit_sleep_ms=0"}})
}

// startSurvivor starts a plugin whose kernel is elsewhere.
func startSurvivor(t testing.TB, spec pluginhost.Spec) *survivor {
	t.Helper()
	dir, err := os.MkdirTemp("", "rh") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &survivor{}
	if s.host, err = pluginhost.New(pluginhost.Options{RunDir: dir, Logger: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.host.Close(context.Background()) })
	starting.Lock()
	defer starting.Unlock()
	s.Kernel, err = s.host.StartKernel(t.Context(), spec, pluginhost.Hooks[kernel.Backend]{OnUp: func(ctx context.Context, client kernel.Backend) error {
		if e := s.engine.Load(); e != nil {
			return e.Resync(ctx, client)
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// kill ends the plugin's process, if it runs.
func (s *survivor) kill() {
	if pid := s.Status().PID; pid != 0 {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// killed ends the plugin's process and waits until the next one is up.
func (s *survivor) killed(t testing.TB) {
	t.Helper()
	n := s.Status().Restarts
	s.kill()
	within(t, time.Minute, "the plugin is back", func() bool { return s.Status().Restarts > n && s.Status().State == pluginhost.Healthy })
}

// beRelay is the plugin.
func beRelay() {
	cc, err := grpc.NewClient("unix:"+os.Getenv(kernelEnv), append(plugingrpc.DialOptions(), grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	plugin.Serve(plugin.Spec{Name: "relay", Version: "0", Vendor: "racoon", Kernel: func(context.Context, config.Value, plugin.Env) (kernel.Backend, config.Diagnostics) {
		return relay{plugingrpc.NewKernelClient(cc)}, nil
	}})
}

// relay passes everything on. A transaction's ID is one of this process.
type relay struct{ kernel.Backend }

func (r relay) Apply(ctx context.Context, ts []kernel.Transaction) ([]kernel.TxnResult, error) {
	for i := range ts {
		ts[i].TxnID = fmt.Sprintf("%d/%s", os.Getpid(), ts[i].TxnID)
	}
	return r.Backend.Apply(ctx, ts)
}

// within waits in real time, with a limit that only a machine in trouble reaches.
func within(t testing.TB, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in %v: %s", limit, what)
		}
	}
}

// said lists what an end has said of some events.
func (n *end) said(words ...string) (all []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, x := range n.notices {
		s := fmt.Sprintf("%v %v: %s", x.Event, x.Reason, x.Detail)
		for _, w := range words {
			if strings.Contains(s, w) {
				all = append(all, s)
				break
			}
		}
	}
	return all
}
