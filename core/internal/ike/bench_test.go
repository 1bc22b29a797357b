package ike_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike/iketest"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// BenchmarkTunnel negotiates a tunnel between two machines, both ends counted, the
// world's own work and X25519 included.
func BenchmarkTunnel(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		newTunnel(iketest.New(1))
	}
}

func newTunnel(w *iketest.World) {
	a, h := w.AddHost("a"), w.AddHost("b")
	w.Connect(a, h, iketest.Options{Proposals: []policy.Phase1Proposal{iketest.AES128SHA256X25519}})
	a.Acquire(h)
	w.Run(2 * time.Minute) // what is kept for duplicates is gone
}

// BenchmarkEstablishedPeer reports the heap one machine with one tunnel holds,
// everything that only its configuration holds left out.
func BenchmarkEstablishedPeer(b *testing.B) {
	const peers = 200
	for b.Loop() {
		worlds := make([]*iketest.World, peers)
		for i := range worlds {
			worlds[i] = iketest.New(uint64(i))
			newTunnel(worlds[i])
		}
		with := heap()
		for _, w := range worlds {
			for _, h := range w.Hosts {
				if len(h.Machines) != 1 || len(h.Machines[0].Status(w.Now()).IPsec) != 1 {
					b.Fatal("no tunnel")
				}
				h.DropPeers()
			}
		}
		without := heap()
		b.ReportMetric(float64(with-without)/(2*peers), "B/peer")
		runtime.KeepAlive(worlds)
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
