package ike

import (
	"errors"
	"slices"
	"time"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/oakley"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// maxMessageIDs bounds the message IDs an ISAKMP SA remembers. Forgetting one
// would let an old message be replayed; an SA that has seen so many ends instead.
const maxMessageIDs = 1 << 16

// ISAKMPSA is an ISAKMP SA: a plain value without Calls pending, so that it can be
// handed from a stranger's machine to the peer's.
type ISAKMPSA struct {
	CkyI, CkyR isakmp.Cookie
	Remote     *policy.Remote
	Path       Path
	PeerID     isakmp.ID
	Since      time.Time
	Expires    time.Time

	began       time.Time // its phase 1
	role        role
	mode        policy.ExchangeMode // of its phase 1
	established bool
	hash        oakley.Hash
	cipher      oakley.Cipher
	keyBits     uint16 // of its Key Length attribute, 0: it has none
	group       oakley.Group
	keys        oakley.Keys
	cbc         *oakley.CBC
	lastBlock   []byte          // of phase 1: where every later exchange's IV starts
	used        map[uint32]bool // message IDs; each is good for one exchange
	said, heard vendors         // vendor IDs, ours and the peer's
	nat         nat
	probes      probes
	credential  string

	// lastExchange answers duplicates until the peer first uses the SA: what is left of
	// phase 1 with whoever sent its last message. An initiator repeats it till then.
	lastExchange *exchange
	early        held // to be read once the SA is there
	// initialContact: the peer says that it remembers nothing of us.
	initialContact bool

	heardAt time.Time // the peer last said something under it
	renewAt time.Time // begin the phase 1 of its successor
	endAt   time.Time // another has relieved it: end it, the peer has had its time
	ending  bool      // or ended, see linger

	// Of an initiator that did not know whom it would meet, until it is handed over.
	wants    []*want
	kept     []*kept
	restored []KernelSA
}

// maxEarly bounds what is kept for a peer that has not authenticated, but has
// received our cookie.
const maxEarly = 2048

// held are datagrams that came too early.
type held struct {
	datagrams []Datagram
	octets    int
}

// startPhase1 begins a phase 1 as initiator, with the section's first exchange.
func (p *Peer) startPhase1() {
	r := p.setup.Remotes[0]
	sa := &ISAKMPSA{Remote: r, Path: p.setup.Path, began: p.now, role: initiator, used: map[uint32]bool{}}
	p.setup.Rand(sa.CkyI[:])
	kind := isakmp.ExchangeType(r.Modes[0])
	x := &exchange{kind: kind, script: p.phase1[kind], role: initiator, sa: sa, path: p.setup.Path,
		p1: &phase1{remotes: p.setup.Remotes[:1], ni: p.nonce(r)}}
	p.began(x)
}

// answerPhase1 begins a phase 1 as responder, with the peer's first message.
func (p *Peer) answerPhase1(ev Datagram, h isakmp.Header) {
	sa := &ISAKMPSA{CkyI: h.CkyI, CkyR: p.setup.Cookie(ev.Path, h.CkyI), Path: ev.Path, began: p.now, role: responder, used: map[uint32]bool{}}
	x := &exchange{kind: h.Exchange, script: p.phase1[h.Exchange], role: responder, sa: sa, path: ev.Path,
		inbox: ev.Data, from: ev.Path, p1: &phase1{remotes: p.setup.Remotes, nr: p.nonce(p.setup.Remotes[0])}}
	p.began(x)
}

func (p *Peer) began(x *exchange) {
	x.p = p
	x.notice(notice.Notice{Event: notice.Phase1Start, Detail: "as " + map[role]string{initiator: "initiator", responder: "responder"}[x.role]})
	p.start(x)
}

// nonce draws a nonce of the configured size (RFC 2409 section 5: 8 to 256 octets).
func (p *Peer) nonce(r *policy.Remote) []byte {
	b := make([]byte, min(256, max(8, r.NonceSize)))
	p.setup.Rand(b)
	return b
}

// establish ends phase 1: the peer has proved who it is, and so have we.
func establish(x *exchange) error {
	if err := deriveKeys(x); err != nil {
		return err
	}
	sa, f, p := x.sa, x.p1, x.p
	_ = float(x) // base mode finds the NAT with its last message
	sa.Remote, sa.Path, sa.mode = f.remotes[0], x.path, policy.ExchangeMode(x.kind)
	sa.Since, sa.Expires = p.now, p.now.Add(f.choice.Proposal.Lifetime)
	sa.lastBlock = x.lastBlock()
	sa.established, sa.initialContact = true, f.initialContact
	if !x.theirTurn() {
		sa.lastExchange = &exchange{p: p, kind: x.kind, role: x.role, pc: x.pc, over: true, sa: sa, path: x.path, seen: x.seen, answer: x.answer}
		if x.role == initiator { // nobody has asked for it, and nobody would again
			sa.lastExchange.out, sa.lastExchange.tries, sa.lastExchange.resendAt = x.answer, 1, p.now.Add(p.cfg.Timer.Interval)
		}
	}
	x.notice(notice.Notice{Event: notice.Phase1Up, Remote: sa.Remote.Name, PeerID: sa.PeerID.Text(), Initiate: x.role == initiator,
		Detail: "with " + sa.PeerID.String()})
	if sa.nat.found() {
		x.notice(notice.Notice{Event: notice.NATFound, Remote: sa.Remote.Name, Detail: sa.nat.String()})
	}
	if key := KeyOf(sa.Remote, sa.PeerID, sa.Path.Remote); p.setup.Stranger || p.key.ID == "" && key.ID != "" {
		p.gone = true
		sa.wants, sa.kept, sa.restored = p.wants, p.kept, p.restored
		p.wants, p.kept, p.restored = nil, nil, nil
		p.out = append(p.out, Handover{key, sa.Remote, sa})
		return nil
	}
	p.adopt(sa)
	return nil
}

// lastBlock is the last cipher block of phase 1 (RFC 2409 appendix B), or its first
// IV if the last message, which we have just sent or are just taking, is in clear.
func (x *exchange) lastBlock() []byte {
	msg := x.inbox
	if !x.theirTurn() {
		msg = x.answer
	}
	h, err := isakmp.ParseHeader(msg)
	if err != nil || h.Flags&isakmp.FlagEncryption == 0 {
		return x.iv
	}
	return slices.Clone(msg[int(h.Length)-x.sa.cipher.BlockSize() : h.Length])
}

// adopt makes an ISAKMP SA this peer's own.
func (p *Peer) adopt(sa *ISAKMPSA) {
	if sa.lastExchange != nil {
		sa.lastExchange.p = p
	}
	sa.Remote = p.setup.Remotes[0] // there may be a younger snapshot than phase 1 began under
	p.restored, sa.restored = append(p.restored, sa.restored...), nil
	if p.closing { // the stranger's machine was quicker than our shutdown
		p.endISAKMP(sa, notice.ShuttingDown, true)
		p.endRestored(every, notice.ShuttingDown)
		for _, w := range sa.wants {
			p.wantFailed(w, notice.ShuttingDown, "shutting down")
		}
		return
	}
	if sa.initialContact {
		p.forgetPeer(sa)
	}
	if sa.role == responder {
		p.superseded()
	}
	first := !p.remembers()
	p.sas = append(p.sas, sa)
	sa.wears()
	p.relieve(sa)
	// At most two ISAKMP SAs to a peer; a third ends the oldest.
	for len(p.sas) > 2 {
		p.endISAKMP(p.sas[0], notice.Replaced, true)
	}
	if first && sa.role == initiator && sa.Remote.InitialContact {
		p.inform(sa, notes{notifies: []isakmp.Notify{sa.contactNotify()}})
	}
	p.setup.Path, p.elsewhere, p.down = sa.Path, p.setup.Home, false
	p.found(sa)
	p.lives()
	early := sa.early.datagrams
	sa.early = held{}
	for _, ev := range early {
		p.datagram(ev)
	}
	for _, w := range sa.wants {
		p.want(w)
	}
	p.kept = append(p.kept, slices.DeleteFunc(sa.kept, func(k *kept) bool { return p.keeps(k.traffic()) >= 0 })...)
	sa.wants, sa.kept = nil, nil
}

// contactNotify says that we remember nothing of the peer (RFC 2407 section
// 4.6.3.3). It goes out twice: in message 5, where strongSwan and Cisco look for
// it, and behind phase 1, where the original racoon does.
func (sa *ISAKMPSA) contactNotify() isakmp.Notify {
	return isakmp.Notify{DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtoISAKMP, SPI: sa.spi(), Type: isakmp.NotifyInitialContact}
}

// deletion tells the peer that an ISAKMP SA is gone.
func (sa *ISAKMPSA) deletion() isakmp.Delete {
	return isakmp.Delete{DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtoISAKMP, SPISize: 16, SPIs: [][]byte{sa.spi()}}
}

// spi names an ISAKMP SA in notify and delete payloads (RFC 2408 section 3.14).
func (sa *ISAKMPSA) spi() []byte { return slices.Concat(sa.CkyI[:], sa.CkyR[:]) }

// current is the ISAKMP SA new exchanges use: the youngest that is not relieved, or
// the youngest at all.
func (p *Peer) current() (relieved *ISAKMPSA) {
	for _, sa := range slices.Backward(p.sas) {
		switch {
		case len(sa.used) >= maxMessageIDs || due(sa.ends(), p.now):
		case sa.endAt.IsZero():
			return sa
		case relieved == nil:
			relieved = sa
		}
	}
	return relieved
}

// anyISAKMP is the ISAKMP SA the peer can be told under that IPsec SAs have ended: the
// current one, or one that only ends what it has begun.
func (p *Peer) anyISAKMP() *ISAKMPSA {
	if sa := p.current(); sa != nil || len(p.sas) == 0 {
		return sa
	}
	return p.sas[len(p.sas)-1]
}

// inUse reports whether exchanges go on under an ISAKMP SA. It ends behind the last
// of them, and until then takes no new one.
func (p *Peer) inUse(sa *ISAKMPSA) bool {
	return slices.ContainsFunc(p.exchanges, func(x *exchange) bool { return x.sa == sa && !x.gone })
}

// endISAKMP removes an ISAKMP SA; IPsec SAs belong to the peer and stay. With tell
// the peer hears of it, and before that of what was being negotiated.
func (p *Peer) endISAKMP(sa *ISAKMPSA, reason notice.Reason, tell bool) {
	if sa.ending { // a negotiation that fails with it may want the same
		return
	}
	sa.ending = true
	remove := func() {
		p.sas = slices.DeleteFunc(slices.Clone(p.sas), func(s *ISAKMPSA) bool { return s == sa })
	}
	if !tell {
		remove()
	}
	for _, x := range p.exchanges {
		switch {
		case x.sa != sa || x.info != nil: // an informational exchange ends by itself
		case x.over:
			x.gone = true
		case reason == notice.PeerDeleted && x.qm != nil && x.role == responder && x.pc == 2:
			x.lingers()
		default:
			w := x.rewant(reason)
			x.fail(reason, errors.New("its ISAKMP SA has ended"))
			if w != nil {
				p.want(w)
			}
		}
	}
	if tell {
		p.inform(sa, notes{deletes: []isakmp.Delete{sa.deletion()}})
		remove()
	}
	p.serveAgain()
	p.notice(notice.Notice{Event: notice.Phase1Down, Reason: reason, Remote: sa.Remote.Name,
		Local: sa.Path.Local, Peer: sa.Path.Remote, CkyI: sa.CkyI, CkyR: sa.CkyR})
	p.linger(sa)
}

// phase1Failed tells everyone who waits for an ISAKMP SA that it will not come.
func (p *Peer) phase1Failed(x *exchange, reason notice.Reason, err error) {
	if x.role != initiator {
		return
	}
	p.reauthenticateLater()
	if reason == notice.TimedOut {
		p.tryElsewhere()
	}
	wants := p.wants
	p.wants = nil
	for _, w := range wants {
		p.wantFailed(w, reason, "phase 1: "+err.Error())
	}
}
