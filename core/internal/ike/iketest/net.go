package iketest

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/isakmp"
)

// Net is the network between all hosts.
type Net struct {
	Loss, Duplicate    float64 // probabilities
	LoseOnce           float64 // that the first transmission of a message is lost; others are not
	MinDelay, MaxDelay time.Duration

	Sent     int  // datagrams put on the wire
	InFlight int  // that have not arrived yet
	Numbered bool // messages are counted and kept from the first on, for faults and replays

	w      *World
	faults []Fault
	seen   map[[8]byte]int // number of a message, from 1
	recent []Packet        // the last ones
	last   []Packet        // first transmission of each message, if there is a Log
}

// Packet is a datagram on the wire.
type Packet struct {
	N     int // of the message, from 1; a retransmission has the number of the first
	Again bool
	From  *Host
	Path  ike.Path // the sender's
	Data  []byte

	src netip.AddrPort // as others see it
}

// A Fault may change what becomes of a packet: it returns the delays after which
// copies arrive, none if it is lost. ok is false if the fault is not about p.
type Fault func(p *Packet) (delays []time.Duration, ok bool)

// Fault adds a fault.
func (w *World) Fault(f Fault) { w.Net.faults = append(w.Net.faults, f) }

// NoFaults takes all faults back.
func (w *World) NoFaults() { w.Net.faults = nil }

// Lose loses the first transmission of message n.
func Lose(n int) Fault {
	return func(p *Packet) ([]time.Duration, bool) { return nil, p.N == n && !p.Again }
}

// LoseEvery loses every transmission of message n.
func LoseEvery(n int) Fault {
	return func(p *Packet) ([]time.Duration, bool) { return nil, p.N == n }
}

// Cut loses message n and all that follow.
func Cut(n int) Fault {
	return func(p *Packet) ([]time.Duration, bool) { return nil, p.N >= n }
}

// Duplicate delivers message n again half a second later.
func Duplicate(n int) Fault {
	return func(p *Packet) ([]time.Duration, bool) {
		return []time.Duration{10 * time.Millisecond, 510 * time.Millisecond}, p.N == n && !p.Again
	}
}

// Reorder delivers message n after those of the next second.
func Reorder(n int) Fault {
	return func(p *Packet) ([]time.Duration, bool) {
		return []time.Duration{time.Second}, p.N == n && !p.Again
	}
}

// Corrupt flips a bit of one octet in every transmission of message n; a negative
// offset counts from the end.
func Corrupt(n, offset int) Fault {
	return func(p *Packet) ([]time.Duration, bool) {
		if p.N != n {
			return nil, false
		}
		at := offset
		if at < 0 {
			at += len(p.Data)
		}
		p.Data = slices.Clone(p.Data)
		p.Data[at] ^= 0x01
		return []time.Duration{10 * time.Millisecond}, true
	}
}

// Mutate xors one octet, counted around the end, of every transmission of message n.
func Mutate(n, offset int, mask byte) Fault {
	return func(p *Packet) ([]time.Duration, bool) {
		if p.N != n {
			return nil, false
		}
		p.Data = slices.Clone(p.Data)
		p.Data[offset%len(p.Data)] ^= mask
		return []time.Duration{10 * time.Millisecond}, true
	}
}

// Messages is how many different messages have been sent.
func (n *Net) Messages() int { return len(n.seen) }

// CorruptHash spoils the HASH(n) of message n, sealed with AES and a hash of 256
// bits, and nothing else: it changes the second cipher block, and with it the
// second plain block and a bit of the third, which HASH(n) fills.
func CorruptHash(n int) Fault { return Corrupt(n, 28+16) }

// ZeroKE replaces the public value in clear message n by zeros, which no group takes.
func ZeroKE(n int) Fault {
	return func(p *Packet) ([]time.Duration, bool) {
		if p.N != n {
			return nil, false
		}
		p.Data = slices.Clone(p.Data)
		if _, ps, err := isakmp.ParseMessage(p.Data); err == nil {
			for _, pl := range ps { // bodies alias the datagram
				if pl.Type == isakmp.PayloadKE {
					clear(pl.Body)
				}
			}
		}
		return []time.Duration{10 * time.Millisecond}, true
	}
}

// Inject puts a forged datagram on the wire, as if from one host to another.
func (n *Net) Inject(from, to *Host, data []byte) { n.send(from, from.path(to.Outside()), data) }

// send puts a datagram on the wire.
func (n *Net) send(from *Host, path ike.Path, data []byte) {
	w := n.w
	n.Sent++
	p := Packet{From: from, Path: path, Data: data, src: from.leave(path.Local, path.Remote)}
	if n.recent = append(n.recent, p); len(n.recent) > 64 {
		n.recent = append(n.recent[:0], n.recent[32:]...)
	}
	if n.Numbered || n.LoseOnce > 0 || n.faults != nil || w.Log != nil {
		n.number(&p)
	}
	delays := []time.Duration{w.between(n.MinDelay, n.MaxDelay)}
	named := false
	for _, f := range n.faults {
		if d, ok := f(&p); ok {
			delays, named = d, true
			break
		}
	}
	if !named {
		if w.chance(n.Duplicate) {
			delays = append(delays, w.between(n.MinDelay, n.MaxDelay))
		}
		if w.chance(n.Loss) || !p.Again && w.chance(n.LoseOnce) {
			delays = delays[1:]
		}
		if !from.passes(data) {
			delays = nil
		}
	}
	if w.Log != nil {
		w.Log.packet(w, p, len(delays) == 0)
	}
	for i, d := range delays {
		n.InFlight++
		w.After(d, func() {
			n.InFlight--
			if w.Log != nil && i > 0 {
				w.Log.line(w, "", "~ message %d arrives again", p.N)
			}
			n.arrive(p)
		})
	}
}

func (n *Net) number(p *Packet) {
	if n.seen == nil {
		n.seen = map[[8]byte]int{}
	}
	d := digest(p.Data)
	p.N, p.Again = n.seen[d], true
	if p.N == 0 {
		p.N, p.Again = len(n.seen)+1, false
		n.seen[d] = p.N
		n.last = append(n.last, *p)
	}
}

// arrive gives a datagram to the host it is for.
func (n *Net) arrive(p Packet) {
	if h, at := p.From.reach(p.src, p.Path.Remote); h != nil && h.passes(p.Data) {
		h.receive(ike.Path{Local: at, Remote: p.src}, p.Data)
	}
}

// passes reports whether a datagram fits through the host's link.
func (h *Host) passes(data []byte) bool { return h.Narrow == 0 || len(data) <= h.Narrow }

// ReplayAny delivers one of the last messages once more.
func (n *Net) ReplayAny(r *rand.Rand) {
	if len(n.recent) > 0 {
		p := n.recent[r.IntN(len(n.recent))]
		n.w.After(0, func() { n.arrive(p) })
	}
}

// Replay delivers message n once more, and says whether there was one.
func (n *Net) Replay(i int) bool {
	if i < 1 || i > len(n.last) {
		return false
	}
	n.w.After(0, func() { n.arrive(n.last[i-1]) })
	return true
}
