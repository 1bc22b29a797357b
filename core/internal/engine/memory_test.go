package engine

import (
	"context"
	"log/slog"
	"net/netip"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/logpipe"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/oakley"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
	"github.com/racoon-ike/racoon/core/sdk/auth"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// nowhere is a kernel that takes everything and keeps nothing.
type nowhere struct {
	*memKernel
	spi uint32
}

func (n *nowhere) AllocateSPIs(_ context.Context, qs []kernel.SPIRequest) ([]kernel.SPIResult, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	rs := make([]kernel.SPIResult, len(qs))
	for i := range rs {
		n.spi++
		rs[i].SPI = 0x1000 + n.spi
	}
	return rs, nil
}

func (*nowhere) Apply(_ context.Context, ts []kernel.Transaction) ([]kernel.TxnResult, error) {
	rs := make([]kernel.TxnResult, len(ts))
	for i, t := range ts {
		rs[i].Ops = make([]kernel.OpResult, len(t.Ops))
		for j := range rs[i].Ops {
			rs[i].Ops[j].Done = true
		}
	}
	return rs, nil
}

// An idle tunnel, with its ISAKMP SA, costs each end at most 8 kB, and no goroutine.
func TestATunnelIsCheapToKeep(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: this negotiates 2000 tunnels")
	}
	synctest.Test(t, func(t *testing.T) { keepTunnels(t, 2000) })
}

func keepTunnels(t *testing.T, tunnels int) {
	engines := [2]*Engine{}
	for side := range engines {
		cfg := configOf(&policy.Remote{Name: "all", Net: prefix("127.0.0.0/8"), Modes: []policy.ExchangeMode{policy.Main}, NonceSize: 16,
			Proposals: []policy.Phase1Proposal{proposal(oakley.X25519)}})
		cfg.SAInfos = []*policy.SAInfo{{Lifetime: time.Hour, Encryption: []policy.Algorithm{{ID: 12, KeyBits: 128}}, Auth: []policy.Algorithm{{ID: 5}}}}
		pipe := logpipe.New(nil, slog.LevelError+1)
		t.Cleanup(func() { _ = pipe.Close(context.Background()) })
		e, err := New(Options{Config: cfg, Auth: map[string]auth.Authenticator{"psk": onePSK{key: []byte("k")}}, Kernel: &nowhere{memKernel: newMemKernel()},
			Pipe: pipe, Limits: Limits{SourceRate: 1e9, SourceBurst: 1 << 30, HalfOpen: 1 << 20, CPUQueue: 1 << 20}})
		if err != nil {
			t.Fatal(err)
		}
		w := &wire{quiet: true}
		w.carry = func(s ike.Send) {
			engines[1-side].run(func() {
				engines[1-side].receive(ike.Path{Local: s.Path.Remote, Remote: s.Path.Local}, false, s.Data)
			})
		}
		e.net = w
		engines[side] = e
	}
	near, far := engines[0], engines[1]
	for i := range tunnels {
		p := tunnel(pairAddr(2, i).String()+"/32", pairAddr(1, i).String()+"/32", pairAddr(2, i).String(), pairAddr(1, i).String(), 2)
		far.changeSPD(func(db *spd.DB) { db.Put(spdPolicy(p)); db.Put(spdPolicy(reverse(p))) })
	}
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	goroutines, before := runtime.NumGoroutine(), heap()
	free := make(chan struct{}, 64)
	for i := range tunnels {
		free <- struct{}{}
		go func() {
			defer func() { <-free }()
			n, f := pairAddr(1, i), pairAddr(2, i)
			d := destination{near.config.Load().Remotes[0], ike.Path{Local: netip.AddrPortFrom(n, 500), Remote: netip.AddrPortFrom(f, 500)}, n, f, false}
			out := spdPolicy(tunnel(n.String()+"/32", f.String()+"/32", n.String(), f.String(), 2))
			if err := near.command(t.Context(), func(id uint64) {
				near.tell(d, ike.Establish{Command: id, HasPair: true, Pair: spd.Pair{Out: out}, Src: n, Dst: f})
			}); err != nil {
				t.Errorf("tunnel %d: %v", i, err)
			}
		}()
	}
	for range cap(free) {
		free <- struct{}{}
	}
	synctest.Wait()
	for side, e := range engines {
		if n, _ := e.Counters(); n[notice.Phase2Up] != uint64(tunnels) {
			t.Fatalf("%d tunnels are up at end %d", n[notice.Phase2Up], side)
		}
	}
	per := func() uint64 { return (heap() - before) / uint64(tunnels) / 2 }
	fresh := per()
	time.Sleep(5 * time.Minute) // what answered duplicates is forgotten
	synctest.Wait()
	idle := per()
	t.Logf("octets for each tunnel and end: %d fresh, %d idle", fresh, idle)
	if idle > 8<<10 {
		t.Errorf("%d octets for each tunnel and end, want at most 8 kB", idle)
	}
	if n := runtime.NumGoroutine() - goroutines; n > 2*maxParked {
		t.Errorf("%d goroutines for idle tunnels", n)
	}
	runtime.KeepAlive(engines)
	for _, e := range engines {
		e.stop()
		e.workers.close()
	}
}
