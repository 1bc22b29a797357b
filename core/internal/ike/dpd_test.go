package ike_test

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/ike/iketest"
	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// dpd is a section that asks after so long.
func dpd(delay time.Duration) func(*policy.Remote) {
	return func(r *policy.Remote) {
		r.DPD, r.DPDDelay, r.DPDRetry, r.DPDMaxFail, r.DPDAlgorithm = true, delay, time.Second, 3, "default"
	}
}

// watch is a duel in which both ends can do dead peer detection and a asks.
func watch(t *testing.T, delay time.Duration) *duel {
	d := newDuel(t)
	o := iketest.Options{Proposals: []policy.Phase1Proposal{iketest.AES128SHA256X25519}, Remote: []func(*policy.Remote){dpd(delay)}}
	d.a.Configure(d.b, o)
	o.Remote = []func(*policy.Remote){dpd(0)}
	d.b.Configure(d.a, o)
	d.a.Acquire(d.b)
	d.Run(time.Second)
	return d
}

// drops lists why a host has thrown messages away.
func (d *duel) drops(h *iketest.Host) *[]notice.Reason {
	var all []notice.Reason
	h.Notices = func(_ *iketest.Machine, n ike.Notice) {
		if n.Event == notice.Dropped {
			all = append(all, n.Reason)
		}
	}
	return &all
}

func TestANumberIsTakenOnce(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 3))
	for range 200 {
		take := ike.NewWindow()
		taken := map[uint32]bool{}
		start := r.Uint32()
		highest := start
		for range 500 {
			n := highest + uint32(r.IntN(100)) - 60
			if r.IntN(50) == 0 {
				n += uint32(r.IntN(1 << 20))
			}
			first := len(taken) == 0
			got, ahead := take(n), int32(n-highest)
			if got && taken[n] {
				t.Fatalf("%d is taken twice", n)
			}
			if want := first || ahead > 0 || ahead > -32 && !taken[n]; got != want {
				t.Fatalf("%d, the highest being %d, taken before %v: taken %v", n, highest, taken[n], got)
			}
			if got {
				taken[n] = true
				if first || ahead > 0 {
					highest = n
				}
			}
		}
	}
}

// What has been recorded proves nothing later, at either end, and whatever order.
func TestRecordedProbesProveNothing(t *testing.T) {
	d := watch(t, 10*time.Second)
	before := map[string]int{"a": len(d.sent["a"]), "b": len(d.sent["b"])}
	d.Run(time.Minute)
	asked, answered := d.sent["a"][before["a"]:], d.sent["b"][before["b"]:]
	if len(asked) != 6 || len(answered) != 6 {
		t.Fatalf("%d messages and %d answers in a minute, want 6 probes, each answered", len(asked), len(answered))
	}
	dead := false
	d.a.Notices = func(_ *iketest.Machine, n ike.Notice) { dead = dead || n.Event == notice.PeerDead }
	d.Fault(iketest.Cut(1))
	for range 30 { // the peer is gone, its answers are played back, and what a says itself
		for _, msg := range slices.Concat(answered, asked) {
			d.arrive(d.b, d.a, msg)
		}
		d.Run(time.Second)
	}
	if !dead {
		t.Error("the peer has been gone for 30 s, and what was recorded of it keeps it alive")
	}
	sent := len(d.sent["b"])
	for range 20 {
		for _, msg := range slices.Concat(answered, asked) {
			d.arrive(d.a, d.b, msg)
		}
		d.Run(time.Second)
	}
	if n, most := len(d.sent["b"])-sent, policy.DefaultTimer().Counter; n > most {
		t.Errorf("%d answers to recorded probes, want %d to the last at most", n, most)
	}
}

// A peer whose probe was not answered may repeat it (RFC 3706 section 5.4): the answer
// may have been lost.
func TestTheLastProbeIsAnsweredAgain(t *testing.T) {
	d := watch(t, 0)
	st := d.a.Peer(d.b).Status(d.Now()).ISAKMP[0]
	n := isakmp.Notify{DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtoISAKMP, SPI: slices.Concat(st.CkyI[:], st.CkyR[:]), Type: isakmp.NotifyRUThere, Data: []byte{0, 0, 0, 9}}
	msg, sent, most := ike.ForgeNotify(d.a.Peer(d.b).Peer, n), len(d.sent["b"]), policy.DefaultTimer().Counter
	for i := range 3 * most { // as it was, or made anew
		if i%2 == 0 {
			msg = ike.ForgeNotify(d.a.Peer(d.b).Peer, n)
		}
		d.Net.Inject(d.a, d.b, msg)
		d.Run(time.Second)
		if got, want := len(d.sent["b"])-sent, min(i, most)+1; got != want {
			t.Fatalf("%d answers to %d probes, want %d", got, i+1, want)
		}
	}
}

// arrive brings a message in past all faults.
func (d *duel) arrive(from, to *iketest.Host, msg []byte) {
	path := ike.Path{Local: netip.AddrPortFrom(to.Addr, 500), Remote: netip.AddrPortFrom(from.Addr, 500)}
	if m := to.HasPeer(from); m != nil {
		m.Post(ike.Datagram{Path: path, Data: msg})
	}
}

func TestProbesThatAreNotAboutTheSA(t *testing.T) {
	d := watch(t, 0)
	st := d.a.Peer(d.b).Status(d.Now()).ISAKMP[0]
	spi, turned := slices.Concat(st.CkyI[:], st.CkyR[:]), slices.Concat(st.CkyR[:], st.CkyI[:])
	four := []byte{0, 0, 0, 9}
	for _, tt := range []struct {
		name string
		n    isakmp.Notify
		drop notice.Reason // 0: answered
	}{
		{"good", isakmp.Notify{SPI: spi, Type: isakmp.NotifyRUThere, Data: four}, 0},
		{"an older number", isakmp.Notify{SPI: spi, Type: isakmp.NotifyRUThere, Data: []byte{0, 0, 0, 8}}, 0},
		{"an older number again", isakmp.Notify{SPI: spi, Type: isakmp.NotifyRUThere, Data: []byte{0, 0, 0, 8}}, notice.Replayed},
		{"cookies the other way round", isakmp.Notify{SPI: turned, Type: isakmp.NotifyRUThere, Data: []byte{0, 0, 0, 10}}, 0},
		{"no cookies", isakmp.Notify{Type: isakmp.NotifyRUThere, Data: []byte{0, 0, 0, 11}}, 0},
		{"other cookies", isakmp.Notify{SPI: make([]byte, 16), Type: isakmp.NotifyRUThere, Data: []byte{0, 0, 0, 12}}, 0},
		{"other cookies, an older number again", isakmp.Notify{SPI: make([]byte, 16), Type: isakmp.NotifyRUThere, Data: []byte{0, 0, 0, 11}}, notice.Replayed},
		{"an answer with other cookies", isakmp.Notify{SPI: make([]byte, 16), Type: isakmp.NotifyRUThereAck, Data: []byte{0, 0, 0, 12}}, notice.BadSPI},
		{"no number", isakmp.Notify{SPI: spi, Type: isakmp.NotifyRUThere}, notice.BadSPI},
		{"a long number", isakmp.Notify{SPI: spi, Type: isakmp.NotifyRUThere, Data: make([]byte, 8)}, notice.BadSPI},
		{"an answer nobody asked for", isakmp.Notify{SPI: spi, Type: isakmp.NotifyRUThereAck, Data: []byte{0, 0, 0, 11}}, notice.Replayed},
	} {
		n := tt.n
		n.DOI, n.Protocol = isakmp.DOIIPsec, isakmp.ProtoISAKMP
		drops, sent := d.drops(d.b), len(d.sent["b"])
		d.Net.Inject(d.a, d.b, ike.ForgeNotify(d.a.Peer(d.b).Peer, n))
		d.Run(time.Second)
		answers := len(d.sent["b"]) - sent
		if tt.drop == 0 && (answers != 1 || len(*drops) != 0) || tt.drop != 0 && (answers != 0 || !slices.Equal(*drops, []notice.Reason{tt.drop})) {
			t.Errorf("%s: %d answers, dropped %v", tt.name, answers, *drops)
		}
	}
}

// A year of probes needs no more memory than a minute of them.
func TestProbesLeaveNothingBehind(t *testing.T) {
	d := newDuel(t)
	d.Net.Numbered = false
	o := iketest.Options{Proposals: []policy.Phase1Proposal{iketest.AES128SHA256X25519}, ISAKMPLife: 40 * 24 * time.Hour, IPsecLife: 40 * 24 * time.Hour,
		Remote: []func(*policy.Remote){dpd(10 * time.Second)}}
	d.Connect(d.a, d.b, o)
	d.OnAction = nil
	d.a.Acquire(d.b)
	d.Run(time.Minute)
	a, b := ike.MessageIDs(d.a.Peer(d.b).Peer), ike.MessageIDs(d.b.Peer(d.a).Peer)
	d.Run(24 * time.Hour)
	if x, y := ike.MessageIDs(d.a.Peer(d.b).Peer), ike.MessageIDs(d.b.Peer(d.a).Peer); x != a || y != b {
		t.Errorf("message IDs that are remembered: %d and %d after a minute, %d and %d after a day", a, b, x, y)
	}
	if n := len(d.a.Peer(d.b).Status(d.Now()).IPsec); n != 1 {
		t.Errorf("%d IPsec SAs", n)
	}
}

func TestADeadPeersSAsAllEnd(t *testing.T) {
	d := watch(t, 10*time.Second)
	d.Run(2 * time.Minute)
	d.a.SoftExpire(d.b) // a second pair
	d.Run(2 * time.Second)
	if n := len(d.a.Kernel.Keys()); n != 4 {
		t.Fatalf("%d SAs, want two pairs", n)
	}
	down := map[notice.Event]int{}
	d.a.Notices = func(_ *iketest.Machine, n ike.Notice) {
		if n.Reason == notice.TimedOut {
			down[n.Event]++
		}
	}
	d.Fault(iketest.Cut(1))
	d.Run(20 * time.Second)
	if down[notice.PeerDead] != 1 || down[notice.Phase1Down] != 1 || down[notice.Phase2Down] != 2 || len(d.a.Kernel.Keys()) != 0 || len(d.a.Machines) != 0 {
		t.Errorf("%v; left %d SAs in the kernel, %d machines", down, len(d.a.Kernel.Keys()), len(d.a.Machines))
	}
}

// A probe counts once by its number and not by its message ID. Played back from
// elsewhere, whatever has become of it, it must not take the peer's traffic there.
func TestARecordedProbeMovesNobody(t *testing.T) {
	w, a, b := natWorld(true, iketest.Options{Remote: []func(*policy.Remote){dpd(10 * time.Second)}})
	var said [][]byte
	moved := 0
	w.OnAction = func(m *iketest.Machine, act ike.Action) {
		switch act := act.(type) {
		case ike.Send:
			if h, err := isakmp.ParseHeader(act.Data); err == nil && h.Exchange == isakmp.Informational && m.Host == a {
				said = append(said, act.Data)
			}
		case ike.Moved:
			moved++
		}
	}
	a.Acquire(b)
	w.Run(2 * time.Minute)
	m, before := b.HasPeer(a), moved
	if len(said) < 3 || m == nil {
		t.Fatalf("%d probes have been recorded", len(said))
	}
	for _, msg := range said {
		m.Post(ike.Datagram{Path: ike.Path{Local: netip.AddrPortFrom(b.Addr, 4500), Remote: netip.MustParseAddrPort("203.0.113.66:4500")}, Data: msg})
		w.Run(2 * time.Second)
	}
	if moved != before {
		t.Errorf("what was recorded has moved the peer %d times", moved-before)
	}
}

// When the ISAKMP SA that is watched ends and an older one serves again, the peer is
// asked under that one.
func TestAnOlderSAIsWatchedToo(t *testing.T) {
	d := newDuel(t)
	o := iketest.Options{Proposals: []policy.Phase1Proposal{iketest.AES128SHA256X25519}, Rekey: policy.On, Remote: []func(*policy.Remote){dpd(10 * time.Second)}}
	d.Connect(d.a, d.b, o)
	d.a.Acquire(d.b)
	d.Run(5 * time.Second)
	deaf := false
	d.Fault(func(p *iketest.Packet) ([]time.Duration, bool) { return nil, deaf })
	ike.Wear(d.a.Peer(d.b).Peer, d.Now())
	d.a.Peer(d.b).Post(ike.Wake{})
	d.Run(5 * time.Second)
	if n := len(d.a.Peer(d.b).Status(d.Now()).ISAKMP); n != 2 {
		t.Fatalf("%d ISAKMP SAs, want two", n)
	}
	deaf = true // to IKE; what it sends through the tunnel arrives
	for range 20 {
		d.b.Carry(d.a, 100, false)
		d.Run(time.Second)
	}
	st := d.a.Peer(d.b).Status(d.Now()).ISAKMP
	if len(st) != 1 {
		t.Fatalf("%d ISAKMP SAs, want the old one", len(st))
	}
	dead := false
	d.a.Notices = func(_ *iketest.Machine, n ike.Notice) { dead = dead || n.Event == notice.PeerDead }
	d.Run(30 * time.Second)
	if !dead {
		t.Error("nothing is heard any more, and nobody asks")
	}
}
