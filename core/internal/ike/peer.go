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
	lingering []*ISAKMPSA // ended, and still heard for a moment; the longest ago first
	pairs     []*pair     // oldest first
	exchanges []*exchange
	wants     []*want
	life      life
	down      bool // the peer is dead, and not to be asked before it asks us (on_loss)
	kept      []*kept
	fragments []*fragments // of messages not whole yet, the one that moved last last

	restored    []KernelSA // inbound
	restoredEnd time.Time

	calls    map[CallID]*pendingCall
	lastCall CallID

	undeleted []SAOp    // SAs the kernel could not be told to remove
	deleteAt  time.Time // tell it again

	elsewhere Path      // where the peer may be instead, zero: nowhere
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
	if s.Key == (PeerKey{}) {
		s.Key = PeerKeyFor(s.Remotes[0], s.Path.Remote)
	}
	return &Peer{scripts: scripts{phase1Scripts, quickMode, informational, transaction, handlers}, setup: s, cfg: s.Config, key: s.Key, calls: map[CallID]*pendingCall{}}
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
	case KeepUp:
		p.keepUp(ev)
	case Restore:
		p.restore(ev)
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
		if l := sa.lastExchange; l != nil && due(l.resendAt, p.now) {
			l.resend()
		}
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
		ops := p.unneeded(p.undeleted)
		p.undeleted, p.deleteAt = nil, time.Time{}
		p.deleteSAs(ops)
	}
	p.movePairs()
	if due(p.lookAt(), p.now) {
		p.look()
	}
	p.expireFragments()
	if due(p.restoredEnd, p.now) {
		p.restoredEnd = time.Time{}
		p.endRestored(every, notice.Replaced)
	}
	p.expireWants()
	p.tendKept()
	if len(p.wants) > 0 {
		p.serveWants()
		p.tendKept() // of what has failed at once nothing else would remind us
	}
	p.keepNATOpen()
	p.exchanges = slices.DeleteFunc(p.exchanges, func(x *exchange) bool { return x.gone })
	p.endLingering()
}

// Deadline is when Step wants its next Wake, or zero.
func (p *Peer) Deadline() time.Time {
	t := earliest(earliest(p.deleteAt, p.keepAt), earliest(p.restoredEnd, p.lookAt()))
	for _, x := range p.exchanges {
		t = earliest(t, x.deadline())
	}
	for _, q := range p.pairs {
		t = earliest(t, q.deadline())
	}
	for _, sa := range p.sas {
		if l := sa.lastExchange; l != nil {
			t = earliest(t, l.resendAt)
		}
		if !p.inUse(sa) { // else it ends with the last exchange
			t = earliest(t, sa.ends())
		}
		t = earliest(t, p.renewal(sa))
	}
	for _, sa := range p.lingering {
		t = earliest(t, sa.endAt)
	}
	for _, w := range p.wants {
		t = earliest(t, w.until)
	}
	for _, k := range p.kept {
		t = earliest(t, k.at)
	}
	for _, s := range p.fragments {
		t = earliest(t, s.until)
	}
	return t
}

// Done reports whether nothing is left of the peer here: no SA, no exchange, no
// wish, no fragment, no question out. The machine may then be dropped.
func (p *Peer) Done() bool {
	return p.gone || !p.down && len(p.sas)+len(p.pairs)+len(p.exchanges)+len(p.restored)+len(p.wants)+len(p.kept)+len(p.fragments)+len(p.calls)+len(p.undeleted) == 0
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
	case ReservePolicy:
		if _, ok := ev.Value.(uint32); ok {
			p.deleteSAs(p.ungenerate(c.x.qm.policy))
		}
	case Apply:
		c.x.qm.pair.zero()
		var sas []KernelSA
		for _, op := range req.Ops {
			if op.Policy == nil && mayBeDone(ev.Err) {
				sas = append(sas, op.SA)
			}
		}
		p.deleteSAs(append(deletes(sas), p.ungenerate(c.x.qm.policy)...)) // the selector has been reserved in any case
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

// forget says that nothing is expected under these cookies any more.
func (p *Peer) forget(i, r isakmp.Cookie) { p.out = append(p.out, Forget{i, r}) }

func (p *Peer) randomByte() byte {
	var b [1]byte
	p.setup.Rand(b[:])
	return b[0]
}
