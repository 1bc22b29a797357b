package ike

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/oakley"
	"github.com/racoon-ike/racoon/core/internal/spd"
)

// notes is the content of an informational exchange, ours or the peer's.
type notes struct {
	notifies []isakmp.Notify
	deletes  []isakmp.Delete
}

// inform sends notifies and deletes under an ISAKMP SA: one message, no answer.
func (p *Peer) inform(sa *ISAKMPSA, n notes) { p.say(sa, n, p.messageID(sa)) }

// say is inform under a message ID of the caller's.
func (p *Peer) say(sa *ISAKMPSA, n notes, msgID uint32) {
	x := sa.exchange(isakmp.Informational, p.informational, initiator, msgID)
	x.info = &n
	p.start(x)
}

// exchange makes one under the SA, with its own IV (RFC 2409 appendix B).
func (sa *ISAKMPSA) exchange(kind isakmp.ExchangeType, s script, r role, msgID uint32) *exchange {
	return &exchange{kind: kind, script: s, role: r, sa: sa, path: sa.Path, msgID: msgID,
		iv: oakley.Phase2IV(sa.hash, sa.cipher, sa.lastBlock, msgID)}
}

// messageID draws a message ID not used yet, and uses it.
func (p *Peer) messageID(sa *ISAKMPSA) uint32 {
	for {
		var b [4]byte
		p.setup.Rand(b[:])
		if id := binary.BigEndian.Uint32(b[:]); id != 0 && !sa.spent(id) {
			sa.used[id] = true
			return id
		}
	}
}

func emitNotify(x *exchange) ([][]byte, error) {
	var bodies [][]byte
	for _, n := range x.info.notifies {
		bodies = append(bodies, n.Append(nil))
	}
	return bodies, nil
}

func emitDelete(x *exchange) ([][]byte, error) {
	var bodies [][]byte
	for _, d := range x.info.deletes {
		bodies = append(bodies, d.Append(nil))
	}
	return bodies, nil
}

func takeNotify(x *exchange, bodies [][]byte) error {
	x.info.notifies = nil
	for _, b := range bodies {
		n, err := isakmp.ParseNotify(b)
		if err != nil {
			return dropf(notice.BadPayload, "%v", err)
		}
		x.info.notifies = append(x.info.notifies, n)
	}
	return nil
}

func takeDelete(x *exchange, bodies [][]byte) error {
	x.info.deletes = nil
	for _, b := range bodies {
		d, err := isakmp.ParseDelete(b)
		if err != nil {
			return dropf(notice.BadPayload, "%v", err)
		}
		x.info.deletes = append(x.info.deletes, d)
	}
	return nil
}

// informed acts on what an authenticated peer told us. Notifies come first: what
// stands behind the delete of its own SA no longer counts, and under one that has
// ended only deletes do.
func informed(x *exchange) error {
	if x.role == initiator {
		return nil
	}
	if !x.sa.ending {
		x.heed()
	}
	for _, d := range x.info.deletes {
		x.p.peerDeletes(x.sa, d)
	}
	return nil
}

// heed acts on the notifies of a message, which is a sign of life.
func (x *exchange) heed() {
	if x.info.onlyProbes() {
		delete(x.sa.used, x.msgID)
	} else {
		x.counts()
	}
	for _, n := range x.info.notifies {
		x.p.heard(x, n)
	}
}

// counts notes that an informational message of the peer's is not a recorded one: it is
// a sign of life, and the peer is where it came from.
func (x *exchange) counts() {
	x.sa.heardAt = x.p.now
	x.follow()
	x.p.lives()
}

// heard acts on one authenticated notify.
func (p *Peer) heard(x *exchange, n isakmp.Notify) {
	if isProbe(n) {
		p.hearProbe(x, n)
		return
	}
	x.notice(notice.Notice{Event: notice.PeerNotify, Detail: n.String()})
	switch {
	case n.Type == isakmp.NotifyInitialContact:
		p.forgetPeer(x.sa)
	case n.Type.IsError():
		if q := p.refused(x.sa, n); q != nil {
			q.fail(notice.PeerRefused, fmt.Errorf("the peer refuses: %v", n.Type))
		}
	}
}

// refused finds the quick mode of ours an error notify is about: the one with its
// SPI, or the only one under way. INVALID-SPI is about SAs that were there before.
func (p *Peer) refused(sa *ISAKMPSA, n isakmp.Notify) *exchange {
	var all []*exchange
	for _, x := range p.exchanges {
		if x.sa != sa || x.qm == nil || x.over || x.role != initiator {
			continue
		}
		if x.qm.hasSPI(n.SPI) {
			return x
		}
		all = append(all, x)
	}
	if len(all) != 1 || n.Type == isakmp.NotifyInvalidSPI {
		return nil
	}
	return all[0]
}

// peerDeletes removes what the peer has removed (RFC 2408 section 3.15). It names
// the SAs it receives with, i.e. those we send with.
func (p *Peer) peerDeletes(sa *ISAKMPSA, d isakmp.Delete) {
	if d.DOI != isakmp.DOIIPsec && (d.DOI != 0 || d.Protocol != isakmp.ProtoISAKMP) { // RFC 2408 section 2.1: 0 is ISAKMP's own
		p.notice(notice.Notice{Event: notice.Dropped, Reason: notice.UnexpectedPayload, Local: sa.Path.Local, Peer: sa.Path.Remote,
			CkyI: sa.CkyI, CkyR: sa.CkyR, Exchange: isakmp.Informational, Detail: fmt.Sprintf("%v is of DOI %d", d, d.DOI)})
		return
	}
	for _, spi := range d.SPIs {
		switch {
		case d.Protocol == isakmp.ProtoISAKMP && len(spi) == 16:
			for _, s := range p.sas {
				if string(spi[:8]) == string(s.CkyI[:]) && string(spi[8:]) == string(s.CkyR[:]) {
					p.endISAKMP(s, notice.PeerDeleted, false)
					break
				}
			}
		case d.Protocol != isakmp.ProtoISAKMP:
			if n, ok := d.Protocol.ReadSPI(spi); ok {
				p.peerDeletesOut(ipProto(d.Protocol), n)
			}
		}
	}
}

// peerDeletesOut removes the pair we send to the peer's SPI with. It may not be
// whole yet: the delete may have overtaken message 3.
func (p *Peer) peerDeletesOut(proto uint8, spi uint32) {
	match := func(s KernelSA) bool { return s.Dir == spd.Out && s.Proto == proto && s.SPI == spi }
	if x := p.making(match); x != nil {
		x.fail(notice.PeerDeleted, errors.New("the peer deletes the SAs being negotiated"))
	} else if q := p.findPair(match); q != nil {
		p.endPair(q, notice.PeerDeleted, false)
	} else {
		p.noteDeleted(match)
	}
}

// maxDeleted bounds the unknown SAs whose delete a quick mode remembers.
const maxDeleted = 16

// noteDeleted has the quick modes that wait for message 2 know of a delete that may have
// overtaken it.
func (p *Peer) noteDeleted(match func(KernelSA) bool) {
	for _, x := range p.exchanges {
		if x.qm != nil && x.role == initiator && !x.over && x.qm.pair == nil && len(x.qm.deleted) < maxDeleted {
			x.qm.deleted = append(x.qm.deleted, match)
		}
	}
}

// tellPeer sends an error notify about an exchange that cannot go on: sealed where
// there are keys, in clear before, and then never more than the peer sent.
func (x *exchange) tellPeer(t isakmp.NotifyType) {
	n := isakmp.Notify{DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtoISAKMP, Type: t}
	switch {
	case x.p1 == nil:
		if x.qm != nil {
			n.Protocol, n.SPI = x.qm.peerSPI()
		}
		x.p.inform(x.sa, notes{notifies: []isakmp.Notify{n}})
		return
	case x.p1.keys != nil && x.theirTurn() && x.pc == len(x.script)-1: // the peer has an ISAKMP SA, and shall not keep it
		x.sa.lastBlock = x.lastBlock()
		x.p.inform(x.sa, notes{[]isakmp.Notify{n}, []isakmp.Delete{x.sa.deletion()}})
		return
	}
	var id [4]byte
	x.p.setup.Rand(id[:])
	msg := isakmp.AppendMessage(nil, isakmp.Header{CkyI: x.sa.CkyI, CkyR: x.sa.CkyR, Version: isakmp.Version1,
		Exchange: isakmp.Informational, MessageID: binary.BigEndian.Uint32(id[:])},
		[]isakmp.Payload{{Type: N, Body: n.Append(nil)}})
	if x.role == initiator || len(msg) <= len(x.inbox) {
		x.send(msg)
	}
}

// forgetPeer removes everything an earlier life of the peer had with us
// (INITIAL-CONTACT, RFC 2407 section 4.6.3.3): all that was there when the phase 1
// that says so began. What is younger the peer knows, or is about to: two ends
// that begin at one moment both say it, and in aggressive mode the one may be done
// before the other's first message has come.
func (p *Peer) forgetPeer(by *ISAKMPSA) {
	for _, q := range slices.Clone(p.pairs) {
		if p.known(q.since, by) {
			p.endPair(q, notice.PeerRestarted, false)
		}
	}
	p.endRestored(every, notice.PeerRestarted)
	for _, sa := range slices.Clone(p.sas) {
		if sa != by && p.knew(sa, by) {
			p.endISAKMP(sa, notice.PeerRestarted, false)
		}
	}
}
