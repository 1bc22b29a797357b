package plugintest

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/racoon-ike/racoon/core/internal/plugingrpc"
	"github.com/racoon-ike/racoon/core/sdk/config"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/plugin"
	"github.com/racoon-ike/racoon/core/sdk/plugintest/kerneltest"
)

// A plugin's kernel is not in its process. That of the test binary as a plugin is in
// the test's own: it outlives the plugin, and several plugins have it.
const kernelKey = "RACOON_TEST_KERNEL"

// serveKernel serves a kernel on a socket and returns its path.
func serveKernel(t *testing.T, k kernel.Backend) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "rpk")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "kernel")
	lis, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- plugin.ServeListener(ctx, backend(k), lis, slog.New(slog.DiscardHandler)) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		os.RemoveAll(dir)
	})
	conn, err := grpc.NewClient("unix:"+path, append(plugingrpc.DialOptions(), grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, _, err := plugingrpc.NewBaseClient(conn).Configure(t.Context(), plugingrpc.Configuration{JSON: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	return path
}

// backend is a plugin whose instances are all k.
func backend(k kernel.Backend) plugin.Spec {
	return plugin.Spec{
		Name: "fake", Version: "0", Vendor: "racoon",
		Kernel: func(context.Context, config.Value, plugin.Env) (kernel.Backend, config.Diagnostics) { return k, nil },
	}
}

// remoteSpec is a plugin for the kernel behind a socket.
func remoteSpec(path string) plugin.Spec {
	s := backend(nil)
	s.Kernel = func(context.Context, config.Value, plugin.Env) (kernel.Backend, config.Diagnostics) {
		conn, err := grpc.NewClient("unix:"+path, append(plugingrpc.DialOptions(), grpc.WithTransportCredentials(insecure.NewCredentials()))...)
		if err != nil {
			return nil, config.Errorf(nil, "F002", "no kernel", "%v", err)
		}
		return plugingrpc.NewKernelClient(conn), nil
	}
	return s
}

// sending is the traffic of a machine whose kernel is f.
func sending(f *kerneltest.Fake) func(context.Context, netip.AddrPort) error {
	return func(_ context.Context, to netip.AddrPort) error {
		f.Packet(netip.MustParseAddrPort("198.51.100.1:1024"), to, 17, 100)
		return nil
	}
}

func newFake() *kerneltest.Fake {
	f := kerneltest.New()
	f.Timers = true
	return f
}

// whole is all a kernel can want of the checks.
func whole(f *kerneltest.Fake) KernelWant { return KernelWant{Exclusive: true, Send: sending(f)} }

func inProcess(k kernel.Backend) Subject {
	return Subject{Spec: func() plugin.Spec { return backend(k) }}
}

func TestTheFakeKernelKeepsTheContract(t *testing.T) {
	t.Run("in process", func(t *testing.T) {
		f := newFake()
		Kernel(t, inProcess(f), whole(f))
	})
	t.Run("process", func(t *testing.T) {
		f := newFake()
		env := []string{roleKey + "=kernel", kernelKey + "=" + serveKernel(t, f)}
		Kernel(t, Subject{Path: self(t), Env: env}, whole(f))
	})
	t.Run("on a machine so slow that each first answer comes too late", func(t *testing.T) {
		f := newFake()
		Kernel(t, inProcess(&late{Fake: f}), whole(f))
	})
	t.Run("with the least of features", func(t *testing.T) {
		f := newFake()
		f.Without = ^(kernel.FeatESP | kernel.FeatTunnel | kernel.FeatPolicyEvents | kernel.FeatSAEvents | kernel.FeatAcquire)
		Kernel(t, inProcess(f), whole(f))
	})
	t.Run("configured for setkey", func(t *testing.T) {
		f := newFake()
		f.DumpKeys = true
		for _, c := range KernelChecks(inProcess(f), KernelWant{DumpKeys: `{}`}) {
			if c.Name == "configured for setkey it gives out keys to who asks" {
				if err := c.Run(t.Context()); err != nil {
					t.Error(err)
				}
			}
		}
	})
	t.Run("not finished", func(t *testing.T) {
		f := kerneltest.New()
		f.Before = func(_ context.Context, method string) error {
			if method == "Capabilities" {
				return nil
			}
			return errs.Errorf(errs.Unsupported, "not yet")
		}
		s := inProcess(f)
		s.Refuses = true
		Kernel(t, s, KernelWant{})
	})
}

// What needs SAs is skipped on a kernel without, and nothing fails for that.
func TestAKernelWithoutESPFailsNoCheck(t *testing.T) {
	f := newFake()
	f.OpError = func(op kernel.Op) *errs.Error {
		if op.Kind == kernel.AddSA && op.SA != nil {
			return errs.Errorf(errs.Unsupported, "this kernel has no ESP")
		}
		return nil
	}
	bare := &mutant{Fake: f, caps: func(c *kernel.Capabilities) {
		c.Features &^= kernel.FeatESP | kernel.FeatAH | kernel.FeatTunnel | kernel.FeatTransport
	}}
	want := whole(f)
	want.DumpKeys = `{}`
	skipped := map[string]bool{}
	for _, c := range KernelChecks(inProcess(bare), want) {
		err := c.Run(t.Context())
		if why := (*Skipped)(nil); errors.As(err, &why) && why.Why == NoESP {
			skipped[c.Name] = true
		} else if err != nil {
			t.Errorf("%s: %v", c.Name, err)
		}
	}
	for _, name := range []string{"an SA expires softly, then hard, by time", "configured for setkey it gives out keys to who asks"} {
		if !skipped[name] {
			t.Errorf("%q is not skipped", name)
		}
	}
	for _, c := range saChecks {
		if !skipped[c.name] {
			t.Errorf("%q is not skipped", c.name)
		}
	}
}

// late does what it is told, and its first answer about a transaction is not heard.
type late struct {
	*kerneltest.Fake
	told sync.Map
}

func (l *late) Apply(ctx context.Context, ts []kernel.Transaction) ([]kernel.TxnResult, error) {
	res, err := l.Fake.Apply(ctx, ts)
	for _, t := range ts {
		if _, again := l.told.LoadOrStore(t.TxnID, true); !again && t.TxnID != "" {
			return nil, errs.Errorf(errs.Timeout, "too late")
		}
	}
	return res, err
}
