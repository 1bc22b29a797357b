package ike

import (
	"errors"
	"slices"
	"time"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// Bounds of what a peer may have us negotiate at a time, and of the exchanges that
// are over and remembered for its duplicates.
const (
	maxExchanges = 64
	maxOver      = 512
)

// Peer is the machine of one peer: its ISAKMP SAs, its IPsec SAs, and the
// exchanges under way. It is not safe for concurrent use.
type Peer struct {
	scripts
	setup Setup
	cfg   *policy.Common
	key   PeerKey

	sas       []*ISAKMPSA // oldest first
	pairs     []*pair     // oldest first
	exchanges []*exchange
	wants     []*want

	calls    map[CallID]*pendingCall
	lastCall CallID

	undeleted []SAOp    // SAs the kernel could not be told to remove
	deleteAt  time.Time // tell it again

	natPath   Path      // where the other end of a NAT was found last
	moveAgain time.Time // another place is believed from then on
	keepAt    time.Time // the next keepalive

	closing bool // Shutdown was told
	gone    bool // a stranger that has been handed over

	// of the running Step
	now time.Time
	out []Action
}

// pendingCall is a question that is out.
type pendingCall struct {
	x      *exchange // nil: asked by the peer itself
	req    Request
	answer func(any, error)
}

// New makes a machine. Setup.Remotes is not empty.
func New(s Setup) *Peer {
	return &Peer{scripts: scripts{phase1Scripts, quickMode, informational, handlers}, setup: s, cfg: s.Config, key: PeerKeyFor(s.Remotes[0], s.Path.Remote), calls: map[CallID]*pendingCall{}}
}

// Step tells the machine one thing and returns what is now to be done. It never
// blocks, reads no clock and opens nothing: the same events give the same actions.
func (p *Peer) Step(now time.Time, ev Event) []Action {
	p.now = now
	switch ev := ev.(type) {
	case Datagram:
		p.datagram(ev)
	case Reply:
		p.reply(ev)
	case Wake: // what is due is done below
	case Acquire:
		p.notice(notice.Notice{Event: notice.Acquired, Detail: ev.Pair.Selector().String()})
		p.want(&want{policy: ev.Pair, local: ev.Src, remote: ev.Dst, seqs: seqs(ev.Seq)})
	case Expire:
		p.expire(ev)
	case Mapping:
		p.mapping(ev)
	case KernelLost:
		p.kernelLost(ev)
	case CredentialChanged:
		p.credentialChanged(ev)
	case Reconfigure:
		p.reconfigure(ev)
	case Adopt:
		p.adopt(ev.SA)
	case Establish:
		p.want(&want{policy: ev.Pair, isakmp: !ev.HasPair, local: ev.Src, remote: ev.Dst, command: ev.Command})
	case Delete:
		p.delete(ev)
	case Shutdown:
		p.shutdown()
	}
	p.settle()
	out := p.out
	p.out = nil // nothing of it stays with an idle peer
	return out
}

// settle does what is due, starts what can start and forgets what has ended.
func (p *Peer) settle() {
	for _, x := range slices.Clone(p.exchanges) {
		for !x.gone && due(x.deadline(), p.now) {
			x.wake(p.now)
		}
	}
	for _, q := range slices.Clone(p.pairs) {
		for due(q.deadline(), p.now) {
			p.wakePair(q)
		}
	}
	for _, sa := range slices.Clone(p.sas) {
		switch {
		case due(p.renewal(sa), p.now):
			p.reauthenticate(sa)
		case !due(sa.ends(), p.now) || p.inUse(sa):
		case due(sa.Expires, p.now):
			p.endISAKMP(sa, notice.Expired, true)
		default:
			p.endISAKMP(sa, notice.Replaced, true)
		}
	}
	if due(p.deleteAt, p.now) {
		ops := p.undeleted
		p.undeleted, p.deleteAt = nil, time.Time{}
		p.deleteSAs(ops)
	}
	p.movePairs()
	p.expireWants()
	p.serveWants()
	p.keepNATOpen()
	p.exchanges = slices.DeleteFunc(p.exchanges, func(x *exchange) bool { return x.gone })
}

// Deadline is when Step wants its next Wake, or zero.
func (p *Peer) Deadline() time.Time {
	t := earliest(p.deleteAt, p.keepAt)
	for _, x := range p.exchanges {
		t = earliest(t, x.deadline())
	}
	for _, q := range p.pairs {
		t = earliest(t, q.deadline())
	}
	for _, sa := range p.sas {
		if !p.inUse(sa) { // else it ends with the last exchange
			t = earliest(t, sa.ends())
		}
		t = earliest(t, p.renewal(sa))
	}
	for _, w := range p.wants {
		t = earliest(t, w.until)
	}
	return t
}

// Done reports whether nothing is left of the peer here: no SA, no exchange, no
// wish, no question out. The machine may then be dropped.
func (p *Peer) Done() bool {
	return p.gone || len(p.sas)+len(p.pairs)+len(p.exchanges)+len(p.wants)+len(p.calls)+len(p.undeleted) == 0
}

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
	case p.phase1[h.Exchange] != nil:
		p.phase1Message(ev, h)
	case h.Exchange == isakmp.Informational && h.Flags&isakmp.FlagEncryption == 0:
		p.overheard(ev, h)
	case h.Exchange == isakmp.QuickMode:
		p.phase2Message(ev, h, p.quick)
	case h.Exchange == isakmp.Informational:
		p.phase2Message(ev, h, p.informational)
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
		case x.role == initiator && x.sa.CkyR.IsZero():
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
	if h.CkyR.IsZero() || h.CkyR == h.CkyI {
		p.dropped(ev, h, notice.BadCookie, "an answer has a cookie of the responder's own")
		return
	}
	x.sa.CkyR = h.CkyR
	x.deliver(ev)
	if x.pc == 1 && !x.over {
		x.sa.CkyR = isakmp.Cookie{}
	}
}

// phase2Message routes a message under an ISAKMP SA, by its message ID.
func (p *Peer) phase2Message(ev Datagram, h isakmp.Header, s script) {
	if h.MessageID == 0 {
		p.dropped(ev, h, notice.BadMessageID, "message ID 0 belongs to phase 1")
		return
	}
	i := slices.IndexFunc(p.sas, func(sa *ISAKMPSA) bool { return sa.CkyI == h.CkyI && sa.CkyR == h.CkyR })
	if i < 0 {
		p.dropped(ev, h, notice.UnknownSA, "no ISAKMP SA has these cookies")
		return
	}
	sa := p.sas[i]
	for _, x := range p.exchanges {
		if x.sa == sa && x.msgID == h.MessageID {
			x.deliver(ev)
			return
		}
	}
	switch {
	case sa.used[h.MessageID]:
		p.dropped(ev, h, notice.Replayed, "this message ID has been used")
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
	if h.Exchange == isakmp.QuickMode {
		x.qm, x.expires = &quick{nr: p.nonce(sa.Remote)}, p.now.Add(p.cfg.Timer.Phase2)
	} else {
		x.info = &notes{}
	}
	p.start(x)
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

// reply answers a Call. Of an exchange that has failed meanwhile, what the kernel
// did is undone.
func (p *Peer) reply(ev Reply) {
	c, ok := p.calls[ev.ID]
	if !ok {
		return
	}
	delete(p.calls, ev.ID)
	switch {
	case c.x == nil:
		if c.answer != nil {
			c.answer(ev.Value, ev.Err)
		}
	case c.x.over, c.answer == nil:
		p.undo(c, ev)
	default:
		c.answer(ev.Value, ev.Err)
		c.x.play()
	}
}

// undo reverses what was done for an exchange that is no more, and wipes what was
// kept for as long as somebody might be working with it.
func (p *Peer) undo(c *pendingCall, ev Reply) {
	wipe(ev.Value)
	switch req := c.req.(type) {
	case DHShared:
		req.Key.Zero()
	case AllocateSPIs:
		spis, _ := ev.Value.([]uint32)
		p.deleteSAs(req.giveBack(spis))
	case Apply:
		c.x.qm.pair.zero()
		if mayBeDone(ev.Err) {
			var sas []KernelSA
			for _, op := range req.Ops {
				sas = append(sas, op.SA)
			}
			p.deleteSAs(deletes(sas))
		}
	}
}

// mayBeDone reports whether a change was or may have been made in spite of err: a
// kernel that refuses has changed nothing, one that does not answer perhaps has.
func mayBeDone(err error) bool { return err == nil || errors.As(err, new(*Unavailable)) }

// callFor asks for something on behalf of the peer itself.
func (p *Peer) callFor(req Request, answer func(any, error)) {
	p.lastCall++
	p.calls[p.lastCall] = &pendingCall{req: req, answer: answer}
	p.out = append(p.out, Call{p.lastCall, req})
}

func (p *Peer) notice(n notice.Notice) {
	if n.Remote == "" && !p.setup.Stranger {
		n.Remote = p.setup.Remotes[0].Name
	}
	p.out = append(p.out, Notice{n})
}

func (p *Peer) dropped(ev Datagram, h isakmp.Header, r notice.Reason, why string) {
	p.notice(notice.Notice{Event: notice.Dropped, Reason: r, Local: ev.Path.Local, Peer: ev.Path.Remote,
		CkyI: h.CkyI, CkyR: h.CkyR, Exchange: h.Exchange, MsgID: h.MessageID, Detail: why})
}

func (p *Peer) randomByte() byte {
	var b [1]byte
	p.setup.Rand(b[:])
	return b[0]
}

// kernelLost drops the pairs, made or being made, of SAs that are no longer in the kernel.
func (p *Peer) kernelLost(ev KernelLost) {
	for _, k := range ev.SAs {
		match := func(s KernelSA) bool { return s.Key() == k }
		if q := p.findPair(match); q != nil {
			p.endPair(q, notice.KernelLost, true)
		} else if x := p.making(match); x != nil {
			x.fail(notice.KernelLost, errors.New("the kernel has lost an SA being negotiated"))
		}
	}
}

// credentialChanged ends the SAs made with a revoked key.
func (p *Peer) credentialChanged(ev CredentialChanged) {
	for _, q := range slices.Clone(p.pairs) {
		if ev.Revoked && q.credential == ev.Credential {
			p.endPair(q, notice.LocalDeleted, true)
		}
	}
	for _, sa := range slices.Clone(p.sas) {
		if ev.Revoked && sa.credential == ev.Credential {
			p.endISAKMP(sa, notice.LocalDeleted, true)
		}
	}
}

// reconfigure takes a new snapshot. A peer whose section is gone ends.
func (p *Peer) reconfigure(ev Reconfigure) {
	p.cfg = ev.Config
	if ev.Remote == nil {
		p.endAll(notice.Reloaded)
		return
	}
	p.setup.Remotes = []*policy.Remote{ev.Remote}
	for _, sa := range p.sas {
		sa.Remote = ev.Remote
	}
}

// delete is an operator's command.
func (p *Peer) delete(ev Delete) {
	if ev.All && ev.ISAKMP { // also what is still being negotiated
		p.endAll(notice.LocalDeleted)
	}
	named := func(s KernelSA) bool { return s.SPI == ev.SPI }
	for _, q := range slices.Clone(p.pairs) {
		if ev.All || q.has(named) {
			p.endPair(q, notice.LocalDeleted, true)
		}
	}
	if ev.ISAKMP {
		for _, sa := range slices.Clone(p.sas) {
			p.endISAKMP(sa, notice.LocalDeleted, true)
		}
	}
	p.commandDone(ev.Command, 0, "")
}

// shutdown ends everything and tells the peer.
func (p *Peer) shutdown() {
	p.closing = true
	p.endAll(notice.ShuttingDown)
}

func (p *Peer) endAll(reason notice.Reason) {
	for _, x := range slices.Clone(p.exchanges) {
		if !x.over {
			x.fail(reason, errors.New(reason.String()))
		}
		x.gone = true
	}
	for _, w := range p.wants {
		p.wantFailed(w, reason, reason.String())
	}
	p.wants = nil
	for _, q := range slices.Clone(p.pairs) {
		p.endPair(q, reason, true)
	}
	for _, sa := range slices.Clone(p.sas) {
		p.endISAKMP(sa, reason, true)
	}
}
