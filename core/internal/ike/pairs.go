package ike

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

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
	sa            *ISAKMPSA // made under
	initiator     bool
	renews        bool // when it was made another pair carried the traffic
	outbound      bool // the outbound SAs are installed
	replaced      bool // a younger pair carries the traffic
	rekeying      bool // its successor is being negotiated
	since         time.Time
	soft, hard    time.Duration
	encr, auth    string

	outAt   time.Time // install the outbound SAs
	endAt   time.Time // end a replaced pair: the peer has had all the time it needs
	rekeyAt time.Time // renewing failed, try again
}

// sameTraffic reports whether two pairs serve one policy between the same end points.
func (q *pair) sameTraffic(o *pair) bool {
	return q.policy.Out.Key == o.policy.Out.Key && q.local == o.local && q.remote == o.remote
}

// ops lists the changes that install a pair.
func (q *pair) ops(kinds ...OpKind) (ops []SAOp) {
	for _, k := range kinds {
		sas := q.in
		if k == InstallOutbound {
			sas = q.out
		}
		for _, s := range sas {
			ops = append(ops, SAOp{k, s})
		}
	}
	return ops
}

// deletes lists the changes that remove SAs.
func deletes(sas []KernelSA) (ops []SAOp) {
	for _, s := range sas {
		ops = append(ops, SAOp{DeleteSA, KernelSA{Dir: s.Dir, Src: s.Src, Dst: s.Dst, Proto: s.Proto, SPI: s.SPI}})
	}
	return ops
}

// zero wipes the keys; the kernel has its own.
func (q *pair) zero() {
	for _, sas := range [][]KernelSA{q.in, q.out} {
		for i := range sas {
			sas[i].EncrKey.Zero()
			sas[i].AuthKey.Zero()
		}
	}
}

// covers reports whether a pair for the same traffic is in use.
func (p *Peer) covers(n *pair) bool {
	return slices.ContainsFunc(p.pairs, func(q *pair) bool { return q.outbound && q.sameTraffic(n) })
}

// addPair takes a negotiated pair into use.
func (p *Peer) addPair(n *pair) {
	p.pairs = append(p.pairs, n)
	p.pairNotice(n, notice.Notice{Event: notice.Phase2Up, Detail: n.policy.Selector().String() + " " + n.encr + " " + n.auth})
	if n.outbound {
		p.carries(n)
	}
	// At most two pairs for the same traffic; a third ends the oldest.
	var same []*pair
	for _, q := range p.pairs {
		if q.sameTraffic(n) {
			same = append(same, q)
		}
	}
	if len(same) > 2 {
		p.endPair(same[0], notice.Replaced, true)
	}
}

// carries marks older pairs for the same traffic as replaced once a pair's
// outbound SAs are in. Whoever started the renewal ends them, when the peer has
// had time to repeat what was lost.
func (p *Peer) carries(n *pair) {
	n.outAt = time.Time{}
	n.zero()
	for _, q := range p.pairs {
		if q == n || !q.sameTraffic(n) || q.replaced {
			continue
		}
		q.replaced, q.rekeyAt = true, time.Time{}
		if n.initiator {
			q.endAt = p.now.Add(p.patience())
		}
	}
}

// installOutbound completes a renewed pair.
func (p *Peer) installOutbound(q *pair) {
	q.outAt = time.Time{}
	p.callFor(Apply{q.ops(InstallOutbound)}, func(_ any, err error) {
		switch {
		case !slices.Contains(p.pairs, q): // ended meanwhile
			if err == nil {
				p.deleteSAs(deletes(q.out))
			}
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
	if sa := p.current(); tell && sa != nil {
		p.inform(sa, notes{deletes: q.deletePayloads()})
	}
	p.deleteSAs(append(deletes(q.in), deletes(q.out)...))
	q.zero()
	p.pairNotice(q, notice.Notice{Event: notice.Phase2Down, Reason: reason, Detail: q.policy.Selector().String()})
}

// deletePayloads names the SAs we receive with (RFC 2408 section 3.15), a payload
// for each protocol.
func (q *pair) deletePayloads() (ds []isakmp.Delete) {
	for _, s := range q.in {
		ds = append(ds, isakmp.Delete{DOI: isakmp.DOIIPsec, Protocol: doiProto(s.Proto), SPISize: 4,
			SPIs: [][]byte{binary.BigEndian.AppendUint32(nil, s.SPI)}})
	}
	return ds
}

// deleteSAs removes SAs from the kernel; there is nothing to wait for.
func (p *Peer) deleteSAs(ops []SAOp) {
	if len(ops) == 0 {
		return
	}
	p.callFor(Apply{ops}, func(_ any, err error) {
		if err != nil {
			p.notice(notice.Notice{Event: notice.LocalFailure, Reason: notice.KernelRefused, Detail: "delete SAs: " + err.Error()})
		}
	})
}

// pairOut finds the pair we send to the peer's SPI with.
func (p *Peer) pairOut(proto uint8, spi uint32) *pair {
	return p.findPair(func(s KernelSA) bool { return s.Dir == spd.Out && s.Proto == proto && s.SPI == spi })
}

func (p *Peer) findPair(match func(KernelSA) bool) *pair {
	for _, q := range p.pairs {
		if slices.ContainsFunc(q.in, match) || slices.ContainsFunc(q.out, match) {
			return q
		}
	}
	return nil
}

// expire acts on a lifetime the kernel has seen running out.
func (p *Peer) expire(ev Expire) {
	q := p.findPair(func(s KernelSA) bool { return s.Key() == SAKey{ev.Dst, ev.Proto, ev.SPI} })
	switch {
	case q == nil:
	case ev.Hard:
		p.endPair(q, notice.Expired, true)
	default:
		p.rekey(q)
	}
}

// rekey starts the negotiation of a pair's successor.
func (p *Peer) rekey(q *pair) {
	if q.replaced || q.rekeying || p.closing {
		return
	}
	q.rekeying, q.rekeyAt = true, time.Time{}
	p.pairNotice(q, notice.Notice{Event: notice.Rekeying})
	p.want(&want{policy: q.policy, local: q.local, remote: q.remote, replaces: q})
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

// deadline is when the pair wants to be woken.
func (q *pair) deadline() time.Time { return earliest(q.outAt, earliest(q.endAt, q.rekeyAt)) }

// wake does what is due.
func (p *Peer) wakePair(q *pair) {
	switch {
	case due(q.endAt, p.now):
		p.endPair(q, notice.Replaced, true)
	case due(q.outAt, p.now):
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
