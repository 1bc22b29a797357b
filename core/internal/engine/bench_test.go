package engine

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/racoon-ike/racoon/core/internal/oakley"
	"github.com/racoon-ike/racoon/core/internal/pluginhost"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/sdk/auth"
	"github.com/racoon-ike/racoon/core/sdk/config"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/plugin"
)

// The test binary is also the other end of the benchmark, and its kernel plugin.
const (
	roleEnv   = "RACOON_TEST_ROLE"
	farEndEnv = "RACOON_TEST_FAR_END"
)

func TestMain(m *testing.M) {
	switch os.Getenv(roleEnv) {
	case "far end":
		if err := farEnd(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	case "kernel":
		k := newMemKernel()
		k.quiet = true
		plugin.Serve(plugin.Spec{Name: "memory", Version: "0", Vendor: "racoon",
			Kernel: func(context.Context, config.Value, plugin.Env) (kernel.Backend, config.Diagnostics) { return k, nil }})
	}
	os.Exit(m.Run())
}

// site describes one end of the benchmark: pairs addresses, each with its peer at
// the address with the same number at the other end.
type site struct {
	Near, Far int // second octet of the addresses
	Port      uint16
	Group     oakley.Group
	Pairs     int
	PSK       string // executable of auth-psk, "" = in our own process
}

func pairAddr(side, i int) netip.Addr {
	return netip.AddrFrom4([4]byte{127, byte(side), byte(i >> 8), byte(i)})
}

// build makes the end, its plugins included, and starts it. cpu is what end and
// plugins have used so far.
func (s site) build(ctx context.Context, dir string) (e *Engine, cpu func() time.Duration, stop func(), err error) {
	k := newMemKernel()
	k.quiet = true
	cfg := &policy.Config{Timer: policy.DefaultTimer(), Padding: policy.DefaultPadding(), Log: policy.LogError,
		SAInfos: []*policy.SAInfo{{Lifetime: time.Hour, Encryption: []policy.Algorithm{{ID: 12, KeyBits: 128}}, Auth: []policy.Algorithm{{ID: 5}}}}}
	for i := range s.Pairs {
		near, far := pairAddr(s.Near, i), pairAddr(s.Far, i)
		cfg.Listen.ISAKMP = append(cfg.Listen.ISAKMP, netip.AddrPortFrom(near, s.Port))
		cfg.Remotes = append(cfg.Remotes, peerSection(far, s.Port, s.Group))
		p := tunnel(near.String()+"/32", far.String()+"/32", near.String(), far.String(), uint32(2*i+2))
		k.policies = append(k.policies, p, reverse(p))
	}
	o := Options{Config: cfg, RunDir: dir, Auth: map[string]auth.Authenticator{"psk": onePSK{key: []byte("benchmark")}}, Kernel: k,
		Limits: Limits{SourceRate: 1e9, SourceBurst: 1 << 30, HalfOpen: 1 << 20, CPUQueue: 1 << 20}}
	cpu, stop = ownCPU, func() {}
	if s.PSK != "" {
		host, err := s.plugins(ctx, dir, &o, k.policies)
		if err != nil {
			return nil, nil, nil, err
		}
		stop = func() { host.Close(context.Background()) }
		cpu = func() time.Duration {
			all := ownCPU()
			for _, st := range host.Status() {
				all += processCPU(st.PID)
			}
			return all
		}
	}
	if e, err = New(o); err == nil {
		err = e.Start(ctx)
	}
	return e, cpu, stop, err
}

// plugins replaces authentication and kernel by processes.
func (s site) plugins(ctx context.Context, dir string, o *Options, policies []*kernel.Policy) (*pluginhost.Host, error) {
	run, err := os.MkdirTemp("", "rb") // a socket's path must be short
	if err != nil {
		return nil, err
	}
	host, err := pluginhost.New(pluginhost.Options{RunDir: run, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "psk.txt")
	if err := os.WriteFile(file, []byte("* benchmark-benchmark-benchmark\n"), 0o600); err != nil {
		return nil, err
	}
	psk, _ := json.Marshal(map[string]string{"file": file})
	a, err := host.StartAuth(ctx, pluginhost.Spec{Name: "psk", Path: s.PSK, Config: psk}, pluginhost.Hooks[auth.Authenticator]{})
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	kern, err := host.StartKernel(ctx, pluginhost.Spec{Name: "memory", Path: self, Env: []string{roleEnv + "=kernel"}}, pluginhost.Hooks[kernel.Backend]{})
	if err != nil {
		return nil, err
	}
	var txn kernel.Transaction
	for _, p := range policies {
		txn.Ops = append(txn.Ops, kernel.Op{Kind: kernel.AddPolicy, Policy: p})
	}
	txn.TxnID = "policies"
	if _, err := kern.ApplyOne(ctx, txn); err != nil {
		return nil, err
	}
	o.Auth, o.Kernel = map[string]auth.Authenticator{"psk": a}, kern
	return host, nil
}

func ownCPU() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// processCPU is what another process has used, in the kernel's ticks of 10 ms.
func processCPU(pid int) time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// farEnd is the responder in a process of its own. It answers "cpu" with what it
// has used, in nanoseconds, and "end" with an end of all its SAs.
func farEnd() error {
	var s site
	if err := json.Unmarshal([]byte(os.Getenv(farEndEnv)), &s); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "racoon-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	_, cpu, stop, err := s.build(context.Background(), dir)
	if err != nil {
		return err
	}
	defer stop()
	fmt.Println("ready")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		fmt.Println(cpu().Nanoseconds())
	}
	return nil
}

// BenchmarkTunnel brings tunnels up, main and quick mode without PFS, 64 at a time,
// and prints the CPU time each costs both ends together ("one process"), or each
// end, its plugins included.
func BenchmarkTunnel(b *testing.B) {
	for _, g := range []oakley.Group{oakley.MODP2048, oakley.ECP256, oakley.X25519} {
		b.Run(g.String(), func(b *testing.B) {
			b.Run("one process", func(b *testing.B) { benchTunnel(b, g, false, "") })
			b.Run("two processes", func(b *testing.B) { benchTunnel(b, g, true, "") })
			b.Run("with plugins", func(b *testing.B) { benchTunnel(b, g, true, buildPSK(b)) })
		})
	}
}

// buildPSK builds the plugin that holds pre-shared keys.
func buildPSK(b *testing.B) string {
	exe := filepath.Join(b.TempDir(), "racoon-auth-psk")
	out, err := exec.Command("go", "build", "-o", exe, "../../../plugins/auth-psk").CombinedOutput()
	if err != nil {
		b.Skipf("cannot build auth-psk: %v\n%s", err, out)
	}
	return exe
}

const (
	maxPairs = 1000
	inFlight = 64
)

func benchTunnel(b *testing.B, g oakley.Group, apart bool, psk string) {
	s := site{Near: 1, Far: 2, Port: freePort(b), Group: g, Pairs: min(b.N, maxPairs), PSK: psk}
	other := s
	other.Near, other.Far = s.Far, s.Near
	var theirs func() time.Duration
	if apart {
		theirs = startFarEnd(b, other)
	} else {
		_, _, stop, err := other.build(b.Context(), b.TempDir())
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(stop)
	}
	e, ours, stop, err := s.build(b.Context(), b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(stop)
	b.Cleanup(func() { _ = e.Shutdown(context.Background()) })
	var near, far time.Duration
	b.ResetTimer()
	for done := 0; done < b.N; {
		n := min(s.Pairs, b.N-done)
		runtime.GC()
		n0, f0 := ours(), time.Duration(0)
		if apart {
			f0 = theirs()
		}
		if err := tunnels(b.Context(), e, s, n); err != nil {
			b.Fatal(err)
		}
		near += ours() - n0
		if apart {
			far += theirs() - f0
		}
		b.StopTimer()
		if _, err := e.Delete(b.Context(), DeleteRequest{All: true, ISAKMP: true}); err != nil {
			b.Fatal(err)
		}
		done += n
		b.StartTimer()
	}
	b.StopTimer()
	per := func(d time.Duration) float64 { return d.Seconds() * 1000 / float64(b.N) }
	if apart {
		b.ReportMetric(per(near), "initiator-cpu-ms/tunnel")
		b.ReportMetric(per(far), "responder-cpu-ms/tunnel")
	} else {
		b.ReportMetric(per(near)/2, "cpu-ms/tunnel/role")
	}
}

// tunnels establishes n of them.
func tunnels(ctx context.Context, e *Engine, s site, n int) error {
	work := make(chan int)
	var mu sync.Mutex
	var bad []error
	var wg sync.WaitGroup
	for range inFlight {
		wg.Go(func() {
			for i := range work {
				sel := policy.Selector{Local: netip.PrefixFrom(pairAddr(s.Near, i), 32), Remote: netip.PrefixFrom(pairAddr(s.Far, i), 32)}
				if err := e.Establish(ctx, EstablishRequest{Selector: &sel}); err != nil {
					mu.Lock()
					bad = append(bad, fmt.Errorf("tunnel %d: %w", i, err))
					mu.Unlock()
				}
			}
		})
	}
	for i := range n {
		work <- i
	}
	close(work)
	wg.Wait()
	return errors.Join(bad...)
}

func startFarEnd(b *testing.B, s site) (cpu func() time.Duration) {
	b.Helper()
	env, err := json.Marshal(s)
	if err != nil {
		b.Fatal(err)
	}
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), roleEnv+"=far end", farEndEnv+"="+string(env))
	c.Stderr = os.Stderr
	in, err := c.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { in.Close(); _ = c.Wait() })
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "ready" {
		b.Fatalf("the far end says %q", lines.Text())
	}
	return func() time.Duration {
		fmt.Fprintln(in, "cpu")
		lines.Scan()
		n, err := strconv.ParseInt(lines.Text(), 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		return time.Duration(n)
	}
}
