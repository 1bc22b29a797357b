package iketest

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike"
)

// Epoch is when every world begins.
var Epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// World is hosts, a network and a clock.
type World struct {
	Hosts []*Host
	Net   Net
	Log   *Transcript // nil: nothing is written down

	// Service times: how long a Call takes, at least and at most.
	MinService, MaxService time.Duration
	// Flaky is the probability that a Call is answered with "unavailable"; half of
	// those have been carried out all the same.
	Flaky float64

	// FakeDH makes g^xy a hash of both public values, which costs the same in every
	// group, and next to nothing. Nothing is secret then, but the machines cannot know.
	FakeDH bool

	now    time.Duration
	queue  queue
	serial uint64
	rand   *rand.Rand
	byAddr map[netip.Addr]*Host // but those behind a box
	nats   []*NAT
	broken error

	secrets ledger
	// OnStep, if set, is called behind every step of a machine, OnAction with every
	// action before it is performed.
	OnStep   func(*Machine)
	OnAction func(*Machine, ike.Action)

	watches []func()
	flows   []*Flow
	changes int // of all kernels
	seen    int // of them, by watchFlows
}

// New makes an empty world; all its chances follow from the seed.
func New(seed uint64) *World {
	w := &World{rand: rand.New(rand.NewPCG(seed, 0x1ce)), byAddr: map[netip.Addr]*Host{},
		MinService: time.Millisecond, MaxService: time.Millisecond, changes: 1}
	w.Net = Net{w: w, MinDelay: 10 * time.Millisecond, MaxDelay: 10 * time.Millisecond}
	return w
}

// Now is the simulated time.
func (w *World) Now() time.Time { return Epoch.Add(w.now) }

// Since is the simulated time since the beginning.
func (w *World) Since() time.Duration { return w.now }

// Rand is the world's source of chance.
func (w *World) Rand() *rand.Rand { return w.rand }

// Break records that an invariant does not hold; the first one counts.
func (w *World) Break(format string, args ...any) {
	if w.broken == nil {
		w.broken = fmt.Errorf("at %v: %w", w.now, fmt.Errorf(format, args...))
		w.Log.line(w, "", "BROKEN %v", w.broken)
	}
}

// Err is the first invariant that did not hold.
func (w *World) Err() error { return w.broken }

// between draws a duration.
func (w *World) between(lo, hi time.Duration) time.Duration {
	if hi <= lo {
		return lo
	}
	return lo + time.Duration(w.rand.Int64N(int64(hi-lo)))
}

func (w *World) chance(p float64) bool { return p > 0 && w.rand.Float64() < p }

// After plans f.
func (w *World) After(d time.Duration, f func()) {
	w.serial++
	w.queue.push(task{w.now + d, w.serial, f})
}

// Watch calls f after everything that happens.
func (w *World) Watch(f func()) { w.watches = append(w.watches, f) }

// Run lets d pass.
func (w *World) Run(d time.Duration) {
	end := w.now + d
	for len(w.queue) > 0 && w.queue[0].at <= end && w.broken == nil {
		t := w.queue.pop()
		w.now = t.at
		t.f()
		w.watchFlows()
		for _, f := range w.watches {
			f()
		}
	}
	w.now = end
}

// chanceBytes makes a source of octets for one host.
func chanceBytes(r *rand.Rand) func([]byte) {
	return func(b []byte) {
		for len(b) >= 8 {
			binary.LittleEndian.PutUint64(b, r.Uint64())
			b = b[8:]
		}
		for i := range b {
			b[i] = byte(r.Uint32())
		}
	}
}

// Digest names a datagram.
func digest(b []byte) [8]byte {
	s := sha256.Sum256(b)
	return [8]byte(s[:])
}
