package ike

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/racoon-ike/racoon/core/internal/doi"
	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/spd"
)

// pair is the IPsec SAs of one quick mode: for each template one in each
// direction. They belong to the peer; the ISAKMP SA they were made under may end.
type pair struct {
	policy        spd.Pair
	local, remote netip.Addr
	in, out       []KernelSA
	initiator     bool
	renews        bool // when it was made another pair carried the traffic
	outbound      bool // the outbound SAs are installed
	replaced      bool // a younger pair carries the traffic
	worn          bool // its soft lifetime is over: it is to be renewed
	installing    bool // its outbound SAs are being installed: the keys are in use
	since         time.Time
	soft, hard    doi.Life
	suites        []doi.Suite
	credential    string // that authenticated the ISAKMP SA it was made under

	carried    carried // when dead peer detection looked
	replacedAt time.Time

	outAt   time.Time // install the outbound SAs
	endAt   time.Time // end a replaced pair: the peer has had all the time it needs
	rekeyAt time.Time // renewing failed, try again

	nat    nat       // found by the ISAKMP SA it was made under
	path   Path      // of its UDP
	moving bool      // the kernel is being asked to move it
	moveAt time.Time // it could not be asked, try again
}

// traffic is what SAs are for: one policy between two end points.
type traffic struct {
	policy        spd.Key
	local, remote netip.Addr
}

func (q *pair) traffic() traffic { return traffic{q.policy.Out.Key, q.local, q.remote} }

// algorithms names what the SAs are made of, the innermost first.
func (q *pair) algorithms() string {
	names := make([]string, len(q.suites))
	for i, s := range q.suites {
		names[i] = s.String()
	}
	return strings.Join(names, " + ")
}

// ops lists the changes that install a pair, a generated policy behind its SAs: no
// packet is to ask for what is about to come.
func (q *pair) ops(kinds ...OpKind) (ops []SAOp) {
	for _, k := range kinds {
		sas, policies := q.in, inbound(q.policy)
		if k == InstallOutbound {
			sas, policies = q.out, []*spd.Policy{&q.policy.Out}
		}
		for _, s := range sas {
			ops = append(ops, SAOp{Kind: k, SA: s})
		}
		if q.policy.Generated {
			for _, p := range policies {
				ops = append(ops, SAOp{Kind: InstallPolicy, Policy: p})
			}
		}
	}
	return ops
}

// deletes lists the changes that remove SAs.
func deletes(sas []KernelSA) (ops []SAOp) {
	for _, s := range sas {
		ops = append(ops, SAOp{Kind: DeleteSA, SA: KernelSA{Dir: s.Dir, Src: s.Src, Dst: s.Dst, Proto: s.Proto, SPI: s.SPI, Mark: s.Mark}})
	}
	return ops
}

// zero wipes the keys; the kernel has its own.
func (q *pair) zero() {
	for _, sas := range [][]KernelSA{q.in, q.out} {
		for _, s := range sas {
			s.zero()
		}
	}
}

// covers reports whether a pair for the same traffic is in use.
func (p *Peer) covers(n *pair) bool {
	return slices.ContainsFunc(p.pairs, func(q *pair) bool { return q.outbound && q.traffic() == n.traffic() })
}

// addPair takes a negotiated pair into use.
func (p *Peer) addPair(n *pair) {
	p.pairs = append(p.pairs, n)
	if n.soft.Time > 0 { // the kernel says so in time, unless nobody was there to hear it
		n.rekeyAt = n.since.Add(n.soft.Time + p.cfg.Timer.Interval)
	}
	p.pairNotice(n, notice.Notice{Event: notice.Phase2Up, Detail: n.policy.Selector().String() + " " + n.algorithms()})
	if n.outbound {
		p.carries(n)
	}
	// Whoever still waits for the same has it now.
	for _, w := range slices.Clone(p.wants) {
		if !w.isakmp && w.traffic() == n.traffic() {
			p.wants = slices.DeleteFunc(p.wants, func(o *want) bool { return o == w })
			p.wantServed(w, "")
		}
	}
	// At most two pairs for the same traffic; a third ends the oldest.
	if same := p.pairsFor(n.traffic()); len(same) > 2 {
		p.endPair(same[0], notice.Replaced, true)
	}
}

// moveOver is how long both ends surely need to send with a new pair once one of
// them does: a second until the initiator's outbound SAs are in, and some for messages.
const moveOver = 2 * time.Second

// makeRoom waits before a third pair is made for the same traffic until the oldest,
// which it ends, carries nothing any more at either end.
func (x *exchange) makeRoom() error {
	same := x.p.pairsFor(x.qm.traffic())
	if len(same) < 2 {
		return nil
	}
	at := x.p.now.Add(moveOver)
	if oldest := same[0]; oldest.replaced {
		at = oldest.replacedAt.Add(moveOver)
	}
	if !at.After(x.p.now) {
		return nil
	}
	x.retryAt = at
	return errWait
}

// pairsFor lists the pairs for a traffic, oldest first.
func (p *Peer) pairsFor(t traffic) (same []*pair) {
	for _, q := range p.pairs {
		if q.traffic() == t || q.nat.peer && q.policy.Out.Key == t.policy && q.local == t.local { // it may be about to follow the peer
			same = append(same, q)
		}
	}
	return same
}

// carries marks older pairs for the same traffic as replaced once a pair's
// outbound SAs are in. Whoever started the renewal ends them, when the peer has
// had time to repeat what was lost; the other end waits twice as long for the
// delete, which may be lost too.
func (p *Peer) carries(n *pair) {
	n.outAt = time.Time{}
	n.zero()
	p.relieveRestored()
	for _, q := range p.pairsFor(n.traffic()) {
		if q == n {
			break // what follows is younger
		}
		if q.replaced {
			continue
		}
		q.replaced, q.replacedAt, q.rekeyAt = true, p.now, time.Time{}
		q.endAt = p.now.Add(p.patience())
		if !n.initiator {
			q.endAt = q.endAt.Add(p.patience())
		}
	}
}

// installOutbound completes a renewed pair.
func (p *Peer) installOutbound(q *pair) {
	if q.moving { // where to is about to change
		q.outAt = p.now.Add(time.Second)
		return
	}
	q.outAt, q.installing = time.Time{}, true
	p.callFor(Apply{q.ops(InstallOutbound)}, func(_ any, err error) {
		q.installing = false
		switch {
		case !slices.Contains(p.pairs, q): // ended meanwhile
			q.zero()
			ops := p.ungenerate(q.policy)
			if mayBeDone(err) {
				ops = append(deletes(q.out), ops...)
			}
			p.deleteSAs(ops)
		case errors.As(err, new(*Unavailable)):
			q.outAt = p.now.Add(time.Second)
		case err != nil:
			p.pairNotice(q, notice.Notice{Event: notice.LocalFailure, Reason: notice.KernelRefused, Detail: "install the outbound SAs: " + err.Error()})
			p.endPair(q, notice.KernelRefused, true)
		default:
			q.outbound = true
			p.carries(q)
		}
	})
}

// endPair removes a pair from table and kernel, and tells the peer where it does
// not know.
func (p *Peer) endPair(q *pair, reason notice.Reason, tell bool) {
	p.pairs = slices.DeleteFunc(slices.Clone(p.pairs), func(o *pair) bool { return o == q })
	q.outAt, q.endAt, q.rekeyAt, q.moveAt = time.Time{}, time.Time{}, time.Time{}, time.Time{}
	if sa := p.anyISAKMP(); tell && sa != nil {
		p.inform(sa, notes{deletes: q.deletePayloads()})
	}
	ops := append(deletes(q.in), deletes(q.out)...)
	if !q.installing && !q.moving { // else the Reply does it
		ops = append(ops, p.ungenerate(q.policy)...)
	}
	if !q.installing {
		q.zero()
	}
	p.deleteSAs(ops)
	p.pairNotice(q, notice.Notice{Event: notice.Phase2Down, Reason: reason, Detail: q.policy.Selector().String()})
	p.fallBack(q.traffic())
}

// fallBack makes the youngest pair that is left for a traffic carry it again, as
// the kernel does by itself.
func (p *Peer) fallBack(t traffic) {
	same := p.pairsFor(t)
	if len(same) == 0 {
		return
	}
	q := same[len(same)-1]
	q.replaced, q.endAt = false, time.Time{}
	if !q.outAt.IsZero() {
		q.outAt = p.now
	}
	p.renewLater(t)
}

// renewLater tries again to renew what should have been renewed.
func (p *Peer) renewLater(t traffic) {
	for _, q := range p.pairsFor(t) {
		if q.worn && !q.replaced && !p.closing {
			q.rekeyAt = p.now.Add(p.cfg.Timer.Interval)
		}
	}
}

// deletePayloads names the SAs we receive with (RFC 2408 section 3.15), a payload
// for each protocol.
func (q *pair) deletePayloads() (ds []isakmp.Delete) {
	for _, s := range q.in {
		spi := doiProto(s.Proto).AppendSPI(nil, s.SPI)
		ds = append(ds, isakmp.Delete{DOI: isakmp.DOIIPsec, Protocol: doiProto(s.Proto), SPISize: uint8(len(spi)), SPIs: [][]byte{spi}})
	}
	return ds
}

// deleteSAs removes SAs from the kernel. Nobody waits for it, but it is repeated
// until it is done.
func (p *Peer) deleteSAs(ops []SAOp) {
	if len(ops) == 0 {
		return
	}
	p.callFor(Apply{ops}, func(_ any, err error) {
		switch {
		case err == nil:
		case errors.As(err, new(*Unavailable)):
			p.undeleted, p.deleteAt = append(p.undeleted, ops...), p.now.Add(time.Second)
		default:
			p.notice(notice.Notice{Event: notice.LocalFailure, Reason: notice.KernelRefused, Detail: "delete SAs: " + err.Error()})
		}
	})
}

func (p *Peer) findPair(match func(KernelSA) bool) *pair {
	for _, q := range p.pairs {
		if q.has(match) {
			return q
		}
	}
	return nil
}

// making finds the quick mode that is installing a matching SA.
func (p *Peer) making(match func(KernelSA) bool) *exchange {
	for _, x := range p.exchanges {
		if x.qm != nil && !x.over && !x.qm.up && x.qm.pair != nil && x.qm.pair.has(match) {
			return x
		}
	}
	return nil
}

func (q *pair) has(match func(KernelSA) bool) bool {
	return slices.ContainsFunc(q.in, match) || slices.ContainsFunc(q.out, match)
}

// expire acts on a lifetime the kernel has seen running out.
func (p *Peer) expire(ev Expire) {
	match := func(s KernelSA) bool { return s.Key() == SAKey{ev.Dst, ev.Proto, ev.SPI} }
	q := p.findPair(match)
	switch {
	case q == nil && !ev.Hard:
	case q == nil:
		if x := p.making(match); x != nil {
			x.fail(notice.Expired, errors.New("an SA expired before the quick mode was over"))
		}
		p.endRestored(match, notice.Expired)
	case ev.Hard:
		p.endPair(q, notice.Expired, true)
	default:
		p.rekey(q)
	}
}

// rekey starts the negotiation of a pair's successor, unless there is one.
func (p *Peer) rekey(q *pair) {
	q.worn, q.rekeyAt = true, time.Time{}
	same := p.pairsFor(q.traffic())
	w := &want{policy: q.policy, local: q.local, remote: q.remote, renews: true}
	if p.closing || same[len(same)-1] != q || p.wanted(w) {
		return
	}
	if p.current() == nil && !p.mayBegin() {
		p.renewLater(q.traffic())
		return
	}
	p.pairNotice(q, notice.Notice{Event: notice.Rekeying})
	p.want(w)
}

// pairNotice fills in which pair a Notice is about.
func (p *Peer) pairNotice(q *pair, n notice.Notice) {
	if len(q.in) > 0 {
		n.Proto, n.SPI, n.SPIOut = q.in[0].Proto, q.in[0].SPI, q.out[0].SPI
	}
	path := p.setup.Path
	n.Local, n.Peer = netip.AddrPortFrom(q.local, path.Local.Port()), netip.AddrPortFrom(q.remote, path.Remote.Port())
	p.notice(n)
}

// deadline is when the pair wants to be woken. While it is being moved its outbound SAs
// wait, or they would go where it was.
func (q *pair) deadline() time.Time {
	t := earliest(q.endAt, earliest(q.rekeyAt, q.moveAt))
	if !q.moving {
		t = earliest(t, q.outAt)
	}
	return t
}

// wake does what is due.
func (p *Peer) wakePair(q *pair) {
	switch {
	case due(q.endAt, p.now):
		p.endPair(q, notice.Replaced, true)
	case due(q.moveAt, p.now):
		q.moveAt = time.Time{} // see movePairs
	case due(q.outAt, p.now) && !q.moving:
		p.installOutbound(q)
	case due(q.rekeyAt, p.now):
		p.rekey(q)
	}
}

// IP protocol numbers and the DOI's (RFC 2407 section 4.4.1).
func ipProto(d isakmp.Protocol) uint8 {
	switch d {
	case isakmp.ProtoESP:
		return 50
	case isakmp.ProtoAH:
		return 51
	case isakmp.ProtoIPComp:
		return 108
	}
	return 0
}

func doiProto(ip uint8) isakmp.Protocol {
	switch ip {
	case 50:
		return isakmp.ProtoESP
	case 51:
		return isakmp.ProtoAH
	}
	return isakmp.ProtoIPComp
}
