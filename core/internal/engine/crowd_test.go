package engine

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/spd"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// crowdSize is how many SAs, and how many policies, a crowd has.
const crowdSize = 50_000

// A crowd is an engine with many SAs in a kernel behind a plugin process. The machines
// are scripts that count what they are told is lost.
type crowd struct {
	*house
	size   int // SAs, and policies
	kernel *survivor
	peers  []*actor
	lost   atomic.Int64
}

// newCrowd makes the crowd in a kernel in memory.
func newCrowd(t testing.TB, size int) *crowd {
	t.Helper()
	k := newMemKernel()
	k.quiet = true
	c := crowdIn(t, newSurvivor(t, k), size)
	c.kern = k
	return c
}

// crowdIn makes the engine, and the policies in the kernel.
func crowdIn(t testing.TB, s *survivor, size int) *crowd {
	t.Helper()
	c := &crowd{size: size, kernel: s, house: newHouse(t, Options{Kernel: s, RunDir: t.TempDir()})}
	c.step = func(_ *script, ev ike.Event) []ike.Action {
		if l, ok := ev.(ike.KernelLost); ok {
			c.lost.Add(int64(len(l.SAs)))
		}
		return nil
	}
	var ops []kernel.Op
	for i := range c.size / 2 {
		p := tunnel(fmt.Sprintf("10.%d.%d.0/24", i>>8, i&0xff), fmt.Sprintf("11.%d.%d.0/24", i>>8, i&0xff), "192.0.2.1", "192.0.2.2", uint32(2*i+2))
		ops = append(ops, kernel.Op{Kind: kernel.AddPolicy, Policy: p}, kernel.Op{Kind: kernel.AddPolicy, Policy: reverse(p)})
	}
	for n := 0; len(ops) > 0; n++ {
		batch := ops[:min(64, len(ops))]
		ops = ops[len(batch):]
		res, err := c.kernel.ApplyOne(t.Context(), kernel.Transaction{TxnID: fmt.Sprintf("policies %d", n), Ops: batch})
		if err == nil {
			err = outcome(batch, res, false)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	c.start(t)
	c.kernel.engine.Store(c.Engine)
	return c
}

// fill makes the SAs, 50 of each peer, as many at once as negotiations would.
func (c *crowd) fill(t testing.TB) {
	t.Helper()
	const of = 50
	work, bad := make(chan []ike.SAOp), atomic.Int64{}
	var wg sync.WaitGroup
	for range inFlight {
		wg.Go(func() {
			for ops := range work {
				done := make(chan error, 1)
				c.apply(c.peers[int(ops[0].SA.SPI)/of%len(c.peers)], ike.Apply{Ops: ops}, func(_ any, err error) bool { done <- err; return true })
				if <-done != nil {
					bad.Add(1)
				}
			}
		})
	}
	for i := range c.size / of {
		a, _ := c.peer(fmt.Sprintf("peer %d", i))
		c.peers = append(c.peers, a)
	}
	for i := range c.size / 2 {
		here, there := addr("192.0.2.1"), netip.AddrFrom4([4]byte{203, 0, byte(i / 25 >> 8), byte(i / 25)})
		sa := ike.KernelSA{Proto: 50, SPI: uint32(0x10000 + 2*i), Mode: spd.Tunnel, Encr: 12, EncrKey: secret.New(make([]byte, 16)), Auth: 5, AuthKey: secret.New(make([]byte, 32)), Hard: time.Hour}
		out, in := sa, sa
		out.Dir, out.Src, out.Dst = spd.Out, here, there
		in.Dir, in.Src, in.Dst, in.SPI = spd.In, there, here, sa.SPI+1
		work <- []ike.SAOp{{Kind: ike.InstallOutbound, SA: out}, {Kind: ike.InstallOutbound, SA: in}}
	}
	close(work)
	wg.Wait()
	if n := bad.Load(); n > 0 {
		t.Fatalf("%d of %d pairs were not installed", n, c.size/2)
	}
}

// forgetHalf has racoon know half of the SAs no more.
func (c *crowd) forgetHalf() {
	for _, a := range c.peers[:len(c.peers)/2] {
		for _, k := range slices.Clone(a.sas) {
			c.registry.disown(k)
		}
	}
}

// dump counts what the kernel has.
func (c *crowd) dump(t testing.TB) (sas, policies int) {
	t.Helper()
	err := c.kernel.Dump(t.Context(), kernel.DumpFilter{SAs: true, Policies: true}, func(o kernel.Object) error {
		if o.SA != nil {
			sas++
		}
		if o.Policy != nil {
			policies++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return sas, policies
}

// compared is how many comparisons there have been.
func (c *crowd) compared() uint64 {
	events, _ := c.Counters()
	return events[notice.KernelResync]
}

// kill kills the plugin and returns what it took until the next one was compared with
// and served everybody: as a clock sees it, and in processor time of this process,
// which is engine and kernel, and of the new plugin.
func (c *crowd) kill(t testing.TB) (wall, cpu time.Duration) {
	t.Helper()
	n, began, used := c.compared(), time.Now(), processCPU(os.Getpid())
	c.kernel.killed(t)
	wall, cpu = time.Since(began), processCPU(os.Getpid())-used+processCPU(c.kernel.Status().PID)
	if c.compared() != n+1 {
		t.Errorf("%d comparisons for one restart", c.compared()-n)
	}
	return wall, cpu
}

// A plugin that is killed when the kernel has 50,000 SAs and policies is back, and
// everything compared, in less than 5 s on a machine that has nothing else to do. The
// test allows for one that has, and prints the figures; with the race detector it
// makes do with a tenth.
func TestAKilledPluginIsComparedWithSoonWhateverTheKernelHas(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: this installs 50,000 SAs")
	}
	const limit = 5 * time.Second * 6
	size := crowdSize
	if raced {
		size /= 10
	}
	c := newCrowd(t, size)
	began := time.Now()
	c.fill(t)
	t.Logf("%d SAs installed in %v", size, time.Since(began).Round(time.Millisecond))
	report := func(what string) {
		t.Helper()
		wall, cpu := c.kill(t)
		t.Logf("%s: killed, back and compared in %v, %v of processor time", what, wall.Round(time.Millisecond), cpu.Round(time.Millisecond))
		if min(wall, cpu) > limit {
			t.Errorf("%s: more than %v", what, limit)
		}
	}

	report("all SAs are still there")
	if got := len(c.kern.spis()); got != size || c.lost.Load() != 0 {
		t.Errorf("the kernel has %d SAs, %d were said to be lost", got, c.lost.Load())
	}

	c.forgetHalf()
	report("half of them are left over")
	if got := len(c.kern.spis()); got != size/2 || len(c.ledger.all()) != got || c.lost.Load() != 0 {
		t.Errorf("the kernel has %d SAs, the ledger %d, %d were said to be lost", got, len(c.ledger.all()), c.lost.Load())
	}

	c.kern.set(func() { clear(c.kern.sas) })
	report("the rest is gone")
	within(t, limit, "the machines know", func() bool { return int(c.lost.Load()) == size/2 })
	if got := len(c.ledger.all()); got != 0 {
		t.Errorf("the ledger has %d SAs", got)
	}
}

// BenchmarkKernelOf50000 measures what 50,000 SAs and as many policies in the
// kernel cost, through a plugin process and a socket to the kernel behind it.
func BenchmarkKernelOf50000(b *testing.B) {
	b.Run("add", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			c := newCrowd(b, crowdSize)
			b.StartTimer()
			c.fill(b)
		}
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/crowdSize, "µs/SA")
	})
	c := newCrowd(b, crowdSize)
	c.fill(b)
	b.Run("dump", func(b *testing.B) {
		for b.Loop() {
			if sas, policies := c.dump(b); sas != crowdSize || policies != crowdSize {
				b.Fatalf("%d SAs, %d policies", sas, policies)
			}
		}
	})
	b.Run("resync", func(b *testing.B) {
		for b.Loop() {
			if err := c.KernelUp(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("killed", func(b *testing.B) {
		var cpu time.Duration
		for b.Loop() {
			_, used := c.kill(b)
			cpu += used
		}
		b.ReportMetric(cpu.Seconds()*1000/float64(b.N), "cpu-ms/op")
	})
}
