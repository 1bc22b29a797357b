package ike

import (
	"net/netip"
	"slices"
	"time"

	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/spd"
)

// want is somebody's wish for SAs: the kernel's, an operator's, or a renewal.
type want struct {
	policy  spd.Pair
	isakmp  bool // only an ISAKMP SA is wanted
	local   netip.Addr
	remote  netip.Addr
	seqs    []uint32  // of the kernel's requests it answers
	command uint64    // of the operator's
	again   bool      // it has been tried under an ISAKMP SA the peer did not answer under
	renews  bool      // what is there is to be renewed
	until   time.Time // for an ISAKMP SA to come
}

func (w *want) traffic() traffic { return traffic{w.policy.Out.Key, w.local, w.remote} }

// seq is the kernel's first request, 0 if there was none.
func (w *want) seq() uint32 {
	if len(w.seqs) == 0 {
		return 0
	}
	return w.seqs[0]
}

// seqs is the list of one request; 0 is none.
func seqs(seq uint32) []uint32 {
	if seq == 0 {
		return nil
	}
	return []uint32{seq}
}

// want takes a wish; it is served, or waits for phase 1, in settle.
func (p *Peer) want(w *want) {
	if p.closing {
		p.wantFailed(w, notice.ShuttingDown, "shutting down")
		return
	}
	if p.down = p.down && w.command == 0; p.down {
		p.wantFailed(w, notice.TimedOut, "the peer was dead, and on_loss is down")
		return
	}
	if w.command == 0 && p.wanted(w) {
		return // asked for already
	}
	w.until = p.now.Add(p.cfg.Timer.Phase1)
	p.wants = append(p.wants, w)
}

// crossing is how late the kernel's request may be heard when it crossed on its way
// the outbound SAs that serve it: a responder's first answer meets its policy an
// instant before they are in.
const crossing = 2 * time.Second

// wanted reports whether the same is being waited for or negotiated, by whichever
// end, has just come, or is here but for its outbound SA, which then comes at once.
// The kernel's requests are answered together.
func (p *Peer) wanted(w *want) bool {
	for _, o := range p.wants {
		if !o.isakmp && o.traffic() == w.traffic() {
			o.seqs = append(o.seqs, w.seqs...)
			return true
		}
	}
	for _, x := range p.exchanges {
		if x.qm == nil || x.over || x.qm.up || x.qm.traffic() != w.traffic() {
			continue
		}
		if x.qm.want == nil {
			x.qm.want = w
		} else {
			x.qm.want.seqs = append(x.qm.want.seqs, w.seqs...)
		}
		return true
	}
	if w.renews {
		return false
	}
	for _, q := range p.pairsFor(w.traffic()) {
		if !q.outAt.IsZero() {
			q.outAt = p.now
		} else if !q.outbound || q.replaced || !p.now.Before(q.since.Add(crossing)) {
			continue
		}
		p.wantServed(w, "")
		return true
	}
	return false
}

// serveWants starts what can be started.
func (p *Peer) serveWants() {
	sa := p.current()
	if sa == nil && p.mayBegin() {
		if !p.negotiatingPhase1() {
			p.startPhase1()
		}
		return
	}
	wants := p.wants
	p.wants = nil
	for _, w := range wants {
		switch {
		case sa == nil:
			p.wantFailed(w, notice.NoRemote, "the remote section is passive: the peer has to begin")
		case w.isakmp:
			p.wantServed(w, "")
		default:
			p.startQuick(w, sa)
		}
	}
}

// mayBegin reports whether we may begin a phase 1 with the peer.
func (p *Peer) mayBegin() bool { return !p.setup.Remotes[0].Passive }

func (p *Peer) negotiatingPhase1() bool {
	return slices.ContainsFunc(p.exchanges, func(x *exchange) bool { return x.p1 != nil && !x.over })
}

// expireWants fails the wishes no phase 1 came for.
func (p *Peer) expireWants() {
	for _, w := range slices.Clone(p.wants) {
		if due(w.until, p.now) {
			p.wants = slices.DeleteFunc(p.wants, func(o *want) bool { return o == w })
			p.wantFailed(w, notice.TimedOut, "no ISAKMP SA came in time")
		}
	}
}

// wantServed ends a wish well.
func (p *Peer) wantServed(w *want, detail string) {
	if w == nil {
		return
	}
	p.acquireDone(w, false)
	p.commandDone(w.command, 0, detail)
}

func (p *Peer) acquireDone(w *want, failed bool) {
	for _, seq := range w.seqs {
		p.callFor(AcquireDone{Seq: seq, Failed: failed}, nil)
	}
}

// wantFailed ends a wish that cannot be served; a renewal is tried again.
func (p *Peer) wantFailed(w *want, reason notice.Reason, why string) {
	if w == nil {
		return
	}
	p.acquireDone(w, true)
	p.commandDone(w.command, reason, why)
	p.renewLater(w.traffic())
}

func (p *Peer) commandDone(command uint64, reason notice.Reason, detail string) {
	if command != 0 {
		p.notice(notice.Notice{Event: notice.CommandDone, Command: command, Reason: reason, Detail: detail,
			Local: p.setup.Path.Local, Peer: p.setup.Path.Remote})
	}
}
