package ike

import (
	"slices"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
)

// datagram routes a message to its exchange (RFC 2408 section 2.4).
func (p *Peer) datagram(ev Datagram) {
	h, err := isakmp.ParseHeader(ev.Data)
	if err != nil {
		p.dropped(ev, isakmp.Header{}, notice.BadLength, err.Error())
		return
	}
	switch {
	case h.Major() != 1:
		p.dropped(ev, h, notice.BadVersion, "version "+h.String())
	case h.Next == isakmp.PayloadFragment:
		p.fragment(ev, h)
	case p.phase1[h.Exchange] != nil:
		p.phase1Message(ev, h)
	case h.Exchange == isakmp.Informational && h.Flags&isakmp.FlagEncryption == 0:
		p.overheard(ev, h)
	case h.Exchange == isakmp.QuickMode:
		p.phase2Message(ev, h, p.quick)
	case h.Exchange == isakmp.Informational:
		p.phase2Message(ev, h, p.informational)
	case h.Exchange == isakmp.Transaction:
		p.phase2Message(ev, h, p.transaction)
	default:
		p.dropped(ev, h, notice.BadExchange, "exchange "+h.Exchange.String()+" is not spoken here")
	}
}

func (p *Peer) phase1Message(ev Datagram, h isakmp.Header) {
	if h.MessageID != 0 {
		p.dropped(ev, h, notice.BadMessageID, "a phase 1 message has message ID 0")
		return
	}
	for _, x := range p.exchanges {
		if x.p1 == nil || x.sa.CkyI != h.CkyI {
			continue
		}
		switch {
		case x.kind != h.Exchange:
			p.dropped(ev, h, notice.BadExchange, "the exchange with these cookies is "+x.kind.String())
			return
		case x.role == initiator && x.pc <= 1:
			p.firstAnswer(x, ev, h)
			return
		case x.sa.CkyR == h.CkyR:
			x.deliver(ev)
			return
		case h.CkyR.IsZero() && x.duplicate(ev.Data): // message 1; any other shows our cookie
			return
		}
	}
	for _, sa := range p.sas {
		if sa.CkyI == h.CkyI && sa.CkyR == h.CkyR {
			if sa.lastExchange == nil || !sa.lastExchange.duplicate(ev.Data) {
				p.dropped(ev, h, notice.Duplicate, "phase 1 is over")
			}
			return
		}
	}
	if p.setup.Stranger && h.CkyR.IsZero() && len(p.exchanges) == 0 && !p.gone && !p.closing {
		p.answerPhase1(ev, h)
		return
	}
	p.dropped(ev, h, notice.UnknownSA, "no phase 1 has these cookies")
}

// firstAnswer takes the responder's cookie from message 2. A message that is then
// dropped takes its cookie with it: it may have been forged. With two equal cookies
// HASH_I could be played back as HASH_R.
func (p *Peer) firstAnswer(x *exchange, ev Datagram, h isakmp.Header) {
	if h.CkyR.IsZero() || h.CkyR == h.CkyI || x.pc == 0 {
		p.dropped(ev, h, notice.BadCookie, "an answer has a cookie of the responder's own")
		return
	}
	if x.inbox == nil {
		x.sa.CkyR = h.CkyR
	}
	x.deliver(ev)
}

// phase2Message routes a message under an ISAKMP SA, by its message ID.
func (p *Peer) phase2Message(ev Datagram, h isakmp.Header, s script) {
	if h.MessageID == 0 {
		p.dropped(ev, h, notice.BadMessageID, "message ID 0 belongs to phase 1")
		return
	}
	sa := p.under(h)
	if sa == nil {
		if !p.early(ev, h) {
			p.dropped(ev, h, notice.UnknownSA, "no ISAKMP SA has these cookies")
		}
		return
	}
	for _, x := range p.exchanges {
		if x.sa != sa || x.msgID != h.MessageID {
			continue
		}
		if x.kind == h.Exchange {
			x.deliver(ev)
		} else {
			p.dropped(ev, h, notice.BadExchange, "the exchange with this message ID is "+x.kind.String())
		}
		return
	}
	switch {
	case sa.spent(h.MessageID):
		p.dropped(ev, h, notice.Replayed, "this message ID has been used")
		return
	case sa.ending && h.Exchange != isakmp.Informational:
		p.dropped(ev, h, notice.UnknownSA, "the ISAKMP SA has ended")
		return
	case len(sa.used) >= maxMessageIDs:
		p.dropped(ev, h, notice.TooManyMessageIDs, "the ISAKMP SA has served its number of exchanges")
		return
	case due(sa.ends(), p.now) && h.Exchange != isakmp.Informational:
		p.dropped(ev, h, notice.Expired, "the ISAKMP SA only ends what it has begun")
		return
	case !p.room():
		p.dropped(ev, h, notice.Busy, "too many exchanges at a time")
		return
	}
	x := sa.exchange(h.Exchange, s, responder, h.MessageID)
	x.inbox, x.from = ev.Data, ev.Path
	switch h.Exchange {
	case isakmp.QuickMode:
		x.qm, x.expires = &quick{nr: p.nonce(sa.Remote)}, p.now.Add(p.cfg.Timer.Phase2)
	case isakmp.Transaction:
		x.cfgs = &configs{}
	default:
		x.info = &notes{}
	}
	p.start(x)
}

// under finds the ISAKMP SA a message is sent under.
func (p *Peer) under(h isakmp.Header) *ISAKMPSA {
	for _, sas := range [...][]*ISAKMPSA{p.sas, p.lingering} {
		for _, sa := range sas {
			if sa.CkyI == h.CkyI && sa.CkyR == h.CkyR {
				return sa
			}
		}
	}
	return nil
}

// early keeps what a peer says under an ISAKMP SA that it has and we are about to
// have: we still compute its keys, or its last message of phase 1 was overtaken or is
// lost. In case it is lost ours is said again, since nothing else makes the peer repeat its own.
// Whoever shows both cookies has received what we say.
func (p *Peer) early(ev Datagram, h isakmp.Header) bool {
	i := slices.IndexFunc(p.exchanges, func(x *exchange) bool {
		return x.p1 != nil && !x.over && x.sa.CkyI == h.CkyI && x.sa.CkyR == h.CkyR && x.pc == len(x.script)-1 && (x.theirTurn() || x.sent)
	})
	if i < 0 {
		return false
	}
	x := p.exchanges[i]
	if octets := len(ev.Data) + x.sa.early.octets; octets <= maxEarly && len(ev.Data)+x.holds()+p.fragmentOctets() <= roomOfProven {
		x.sa.early = held{append(x.sa.early.datagrams, ev), octets}
	} else {
		p.dropped(ev, h, notice.Busy, "phase 1 is not over yet")
	}
	if x.role == responder && x.theirTurn() && x.inbox == nil {
		x.repeat()
	}
	return true
}

// room reports whether the peer may begin one more exchange. The oldest that is
// over makes room for it.
func (p *Peer) room() bool {
	var over []*exchange
	for _, x := range p.exchanges {
		if x.over {
			over = append(over, x)
		}
	}
	if len(over) >= maxOver {
		over[0].gone = true
	}
	return len(p.exchanges)-len(over) < maxExchanges
}

func (p *Peer) dropped(ev Datagram, h isakmp.Header, r notice.Reason, why string) {
	p.notice(notice.Notice{Event: notice.Dropped, Reason: r, Local: ev.Path.Local, Peer: ev.Path.Remote,
		CkyI: h.CkyI, CkyR: h.CkyR, Exchange: h.Exchange, MsgID: h.MessageID, Detail: why})
}
