package ike

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/oakley"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// Dead peer detection (RFC 3706). Whatever an authenticated peer says is a sign of
// life, and so is what the kernel receives from it; only where there is neither it is
// asked.

// life is what a machine knows of its peer's.
type life struct {
	lookAt time.Time // again; zero while the kernel is being asked
	missed int       // probes sent since the last sign of it
}

// probes are the sequence numbers of R-U-THERE under an ISAKMP SA (RFC 3706 section
// 6), and the message IDs we have spent on them.
type probes struct {
	said, acked uint32 // our last number, the last one acknowledged
	heard       window // the peer's numbers
	again       int    // answers to repetitions of its highest

	// Our message IDs for probes and answers follow each other, so that a year of them
	// needs no more memory than one. The peer's are not kept at all: its numbers do not
	// let a probe count twice.
	firstID, ids uint32
}

// window tells numbers that are new from those that are not: RFC 3706 section 6.2
// leaves its size open.
type window struct {
	open    bool
	highest uint32
	seen    uint32 // bit n: highest-n
}

// take accepts a number, once.
func (w *window) take(n uint32) bool {
	ahead := int32(n - w.highest)
	switch {
	case !w.open || ahead >= 32:
		*w = window{true, n, 1}
	case ahead > 0:
		w.highest, w.seen = n, w.seen<<ahead|1
	case ahead <= -32 || w.seen>>-ahead&1 != 0:
		return false
	default:
		w.seen |= 1 << -ahead
	}
	return true
}

// spent reports whether a message ID has been used under the SA.
func (sa *ISAKMPSA) spent(id uint32) bool {
	return sa.used[id] || id-sa.probes.firstID < sa.probes.ids
}

// probeID returns a message ID for a probe or an answer to one.
func (p *Peer) probeID(sa *ISAKMPSA) uint32 {
	b := &sa.probes
	if b.ids == 0 {
		b.firstID = p.messageID(sa)
		delete(sa.used, b.firstID)
	}
	for {
		id := b.firstID + b.ids
		b.ids++
		if id != 0 && !sa.used[id] {
			return id
		}
	}
}

// sayProbe sends R-U-THERE or its answer.
func (p *Peer) sayProbe(sa *ISAKMPSA, t isakmp.NotifyType, number uint32) {
	n := isakmp.Notify{DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtoISAKMP, SPI: sa.spi(), Type: t, Data: binary.BigEndian.AppendUint32(nil, number)}
	p.say(sa, notes{notifies: []isakmp.Notify{n}}, p.probeID(sa))
}

func isProbe(n isakmp.Notify) bool {
	return n.Type == isakmp.NotifyRUThere || n.Type == isakmp.NotifyRUThereAck
}

// onlyProbes reports whether an informational message has nothing else in it.
func (n notes) onlyProbes() bool {
	return len(n.deletes) == 0 && len(n.notifies) > 0 && !slices.ContainsFunc(n.notifies, func(n isakmp.Notify) bool { return !isProbe(n) })
}

// hearProbe acts on an authenticated R-U-THERE or answer to one. A number that is not
// new proves nothing: whoever recorded it may be playing it back. The last one is
// answered all the same, as often as a message is sent.
func (p *Peer) hearProbe(x *exchange, n isakmp.Notify) {
	drop := func(r notice.Reason, why string) {
		x.notice(notice.Notice{Event: notice.Dropped, Reason: r, Detail: n.Type.String() + " " + why})
	}
	sa := x.sa
	// Whoever has sent the vendor ID must answer, and only should look at the cookies
	// (RFC 3706 sections 5.2 and 6.1): old Ciscos have others there.
	if len(n.Data) != 4 || n.Type == isakmp.NotifyRUThereAck && !sa.named(n.SPI) {
		drop(notice.BadSPI, "is not about this ISAKMP SA")
		return
	}
	b, number := &sa.probes, binary.BigEndian.Uint32(n.Data)
	if n.Type == isakmp.NotifyRUThere {
		switch {
		case b.heard.take(number):
			b.again = 0
			x.counts()
		case number == b.heard.highest && b.again < x.cfg.Timer.Counter: // the answer may have been lost
			b.again++
		default:
			drop(notice.Replayed, "has a number that has been heard")
			return
		}
		p.sayProbe(sa, isakmp.NotifyRUThereAck, number)
		return
	}
	if int32(number-b.acked) <= 0 || int32(b.said-number) < 0 {
		drop(notice.Replayed, "has a number that is not asked for")
		return
	}
	b.acked = number
	x.counts()
}

// named reports whether an SPI is the SA's cookies; some write them the other way round.
func (sa *ISAKMPSA) named(spi []byte) bool {
	other := slices.Concat(sa.CkyR[:], sa.CkyI[:])
	return oakley.Equal(spi, sa.spi()) || oakley.Equal(spi, other)
}

// watched is the ISAKMP SA the peer is asked under, nil if it is not to be asked.
func (p *Peer) watched() *ISAKMPSA {
	sa := p.current()
	if sa == nil || p.closing || !sa.Remote.DPD || sa.Remote.DPDDelay == 0 || !sa.agreed(isakmp.VendorDPD) {
		return nil
	}
	return sa
}

// lives notes a sign of life.
func (p *Peer) lives() {
	p.life.missed = 0
	p.lookLater()
}

func (p *Peer) lookLater() {
	p.life.lookAt = time.Time{}
	if sa := p.watched(); sa != nil {
		p.life.lookAt = p.now.Add(sa.Remote.DPDDelay)
	}
}

// lookAt is when the peer's life is looked at, zero for never.
func (p *Peer) lookAt() time.Time {
	if p.watched() == nil {
		return time.Time{}
	}
	return p.life.lookAt
}

// look asks the kernel what the peer's SAs have carried, if there are any.
func (p *Peer) look() {
	p.life.lookAt = time.Time{}
	var req ReadOctets
	pairs := slices.Clone(p.pairs)
	for _, q := range pairs {
		for _, s := range slices.Concat(q.in, q.out) {
			req.SAs = append(req.SAs, s.Key())
		}
	}
	if len(req.SAs) == 0 {
		p.judge(traffics{})
		return
	}
	p.callFor(req, func(v any, err error) {
		octets, ok := v.([]uint64)
		switch {
		case p.watched() == nil || !p.life.lookAt.IsZero(): // it has said something meanwhile
		case err != nil || !ok || len(octets) != len(req.SAs):
			p.judge(traffics{})
		default:
			p.judge(compare(pairs, octets))
		}
	})
}

// traffics is what has been carried since we remembered what had been, by pair.
type traffics struct {
	pairs []*pair
	now   []carried
	heard bool // something has been received
	sent  bool // something has been sent
}

// carried is the octets of a pair.
type carried struct{ in, out uint64 }

func compare(pairs []*pair, octets []uint64) traffics {
	t := traffics{pairs: pairs}
	take := func(sas []KernelSA) (sum uint64) {
		for range sas {
			sum, octets = sum+octets[0], octets[1:]
		}
		return sum
	}
	for _, q := range pairs {
		now := carried{take(q.in), take(q.out)}
		t.now = append(t.now, now)
		t.heard = t.heard || now.in > q.carried.in
		t.sent = t.sent || now.out > q.carried.out
	}
	return t
}

func (t traffics) remember() {
	for i, q := range t.pairs {
		q.carried = t.now[i]
	}
}

// judge decides what follows from it. From the first question on, what has been
// carried counts from there.
func (p *Peer) judge(t traffics) {
	sa, first := p.watched(), p.life.missed == 0
	counts := sa.Remote.DPDAlgorithm != "default"
	if first || t.heard && counts {
		t.remember()
	}
	switch {
	case t.heard && counts:
		p.lives()
	case first && sa.Remote.DPDAlgorithm == "blackhole_detect" && t.pairs != nil && !t.sent: // nor have we anything to say to it
		p.lookLater()
	case p.life.missed < sa.Remote.DPDMaxFail:
		p.ask(sa)
	case t.heard:
		p.outdated(sa)
	default:
		p.dies(sa)
	}
}

// ask sends a probe.
func (p *Peer) ask(sa *ISAKMPSA) {
	b := &sa.probes
	if b.said == 0 { // RFC 3706 section 6.1: by chance, the highest bit 0
		var c [4]byte
		p.setup.Rand(c[:])
		b.said = binary.BigEndian.Uint32(c[:]) >> 1
		b.acked = b.said
	}
	b.said++
	p.life.missed++
	p.life.lookAt = p.now.Add(max(sa.Remote.DPDRetry, time.Second))
	p.sayProbe(sa, isakmp.NotifyRUThere, b.said)
}

// outdated ends an ISAKMP SA under which the peer does not answer although it sends
// through its IPsec SAs: it does not know it any more, and another one is wanted.
func (p *Peer) outdated(sa *ISAKMPSA) {
	p.endISAKMP(sa, notice.UnknownSA, true)
	p.lives()
	if p.mayBegin() && p.current() == nil {
		p.want(&want{isakmp: true})
	}
}

// dies ends all there is with a peer that does not answer. It is told all the same:
// perhaps it is only we who hear nothing.
func (p *Peer) dies(sa *ISAKMPSA) {
	p.notice(notice.Notice{Event: notice.PeerDead, Reason: notice.TimedOut, Local: sa.Path.Local, Peer: sa.Path.Remote,
		CkyI: sa.CkyI, CkyR: sa.CkyR, Detail: "no R-U-THERE is answered"})
	lost := p.pairs
	p.endAll(notice.TimedOut)
	switch sa.Remote.OnLoss {
	case policy.Restart:
		for _, q := range lost {
			p.bringBack(q)
		}
	case policy.StayDown:
		p.down = p.mayBegin() && sa.Remote.Literal() // of the others the machine is not kept for it
	}
}
