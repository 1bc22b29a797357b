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
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"

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
	case "relay":
		beRelay()
	case "kernel":
		k := newMemKernel()
		k.quiet = true
		plugin.Serve(plugin.Spec{Name: "memory", Version: "0", Vendor: "racoon", Processors: 1,
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

// usage is what one end has used so far.
type usage struct {
	Engine, Plugins time.Duration // CPU
	Calls           uint64        // RPCs to plugins
}

func (u usage) since(v usage) usage {
	return usage{u.Engine - v.Engine, u.Plugins - v.Plugins, u.Calls - v.Calls}
}

func (u usage) add(v usage) usage {
	return usage{u.Engine + v.Engine, u.Plugins + v.Plugins, u.Calls + v.Calls}
}

// build makes the end, its plugins included, and starts it.
func (s site) build(ctx context.Context, dir string) (e *Engine, used func() usage, stop func(), err error) {
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
	var host *pluginhost.Host
	stop = func() {}
	if s.PSK != "" {
		if host, err = s.plugins(ctx, dir, &o, k.policies); err != nil {
			return nil, nil, nil, err
		}
		stop = func() { host.Close(context.Background()) }
	}
	used = func() usage {
		u := usage{Engine: processCPU(os.Getpid())}
		if host != nil {
			for _, st := range host.Status() {
				u.Plugins += processCPU(st.PID)
				u.Calls += st.Calls
			}
		}
		return u
	}
	if e, err = New(o); err == nil {
		err = e.Start(ctx)
	}
	return e, used, stop, err
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

// processCPU is what a process has used, by the clock that Linux gives each.
func processCPU(pid int) time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|2), &t); err != nil { // MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED)
		panic(err)
	}
	return time.Duration(t.Nano())
}

// farEnd is the responder in a process of its own. It answers every line with the
// usage so far, and ends with its input.
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
	_, used, stop, err := s.build(context.Background(), dir)
	if err != nil {
		return err
	}
	defer stop()
	answer := json.NewEncoder(os.Stdout)
	err = answer.Encode(used())
	for in := bufio.NewScanner(os.Stdin); err == nil && in.Scan(); {
		err = answer.Encode(used())
	}
	return err
}

// BenchmarkTunnel brings tunnels up, main and quick mode without PFS, 64 at a time,
// each end in a process of its own, and prints what CPU time a tunnel costs each
// end: with authentication and kernel inside that process, and with both as plugin
// processes, which are counted. Instead of the kernel there is a map; what a
// kernel would take for the SAs comes on top.
func BenchmarkTunnel(b *testing.B) {
	if runtime.GOOS != "linux" {
		b.Skip("only Linux tells what another process has used")
	}
	psk := buildPSK(b)
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "CPU ms per tunnel\t\tinitiator\tof it plugins\tresponder\tof it plugins\tRPCs\t")
	for _, g := range []oakley.Group{oakley.MODP2048, oakley.ECP256, oakley.X25519} {
		for _, how := range []struct{ name, psk string }{{"in process", ""}, {"plugins", psk}} {
			var near, far usage
			n := 0
			b.Run(g.String()+"/"+how.name, func(b *testing.B) {
				near, far = benchTunnel(b, g, how.psk)
				n = b.N
			})
			if n > 0 {
				ms := func(d time.Duration) float64 { return d.Seconds() * 1000 / float64(n) }
				fmt.Fprintf(w, "%v\t%s\t%.3f\t%.3f\t%.3f\t%.3f\t%.2f + %.2f\t\n", g, how.name, ms(near.Engine+near.Plugins), ms(near.Plugins),
					ms(far.Engine+far.Plugins), ms(far.Plugins), float64(near.Calls)/float64(n), float64(far.Calls)/float64(n))
			}
		}
	}
	w.Flush()
	fmt.Print(table.String())
}

// buildPSK builds the plugin that holds pre-shared keys.
func buildPSK(b *testing.B) string {
	exe := filepath.Join(b.TempDir(), "racoon-auth-psk")
	out, err := exec.Command("go", "build", "-o", exe, "../../../plugins/auth-psk").CombinedOutput()
	if err != nil {
		b.Fatalf("cannot build auth-psk: %v\n%s", err, out)
	}
	return exe
}

const (
	maxPairs = 1000
	inFlight = 64
)

// benchTunnel brings b.N tunnels up, and returns what each end has used for it.
func benchTunnel(b *testing.B, g oakley.Group, psk string) (near, far usage) {
	s := site{Near: 1, Far: 2, Port: freePort(b), Group: g, Pairs: min(b.N, maxPairs), PSK: psk}
	other := s
	other.Near, other.Far = s.Far, s.Near
	theirs := startFarEnd(b, other)
	e, ours, stop, err := s.build(b.Context(), b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(stop)
	b.Cleanup(func() { _ = e.Shutdown(context.Background()) })
	b.ResetTimer()
	for done := 0; done < b.N; {
		n := min(s.Pairs, b.N-done)
		runtime.GC()
		near0, far0 := ours(), theirs()
		if err := tunnels(b.Context(), e, s, n); err != nil {
			b.Fatal(err)
		}
		near, far = near.add(ours().since(near0)), far.add(theirs().since(far0))
		b.StopTimer()
		if _, err := e.Delete(b.Context(), DeleteRequest{All: true, ISAKMP: true}); err != nil {
			b.Fatal(err)
		}
		done += n
		b.StartTimer()
	}
	b.StopTimer()
	per := func(u usage) float64 { return (u.Engine + u.Plugins).Seconds() * 1000 / float64(b.N) }
	b.ReportMetric(per(near), "initiator-cpu-ms/tunnel")
	b.ReportMetric(per(far), "responder-cpu-ms/tunnel")
	return near, far
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

func startFarEnd(b *testing.B, s site) (used func() usage) {
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
	answers := json.NewDecoder(out)
	next := func() (u usage) {
		if err := answers.Decode(&u); err != nil {
			b.Fatalf("the far end: %v", err)
		}
		return u
	}
	next() // it is ready
	return func() usage {
		fmt.Fprintln(in)
		return next()
	}
}
