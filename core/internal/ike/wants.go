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
	policy   spd.Pair
	isakmp   bool // only an ISAKMP SA is wanted
	local    netip.Addr
	remote   netip.Addr
	seq      uint32 // of the kernel's request
	command  uint64 // of the operator's
	replaces *pair
	until    time.Time // for an ISAKMP SA to come
}

func (w *want) sameTraffic(o *want) bool {
	return !w.isakmp && !o.isakmp && w.policy.Out.Key == o.policy.Out.Key && w.local == o.local && w.remote == o.remote
}

// want takes a wish; it is served, or waits for phase 1, in settle.
func (p *Peer) want(w *want) {
	if p.closing {
		p.wantFailed(w, notice.ShuttingDown, "shutting down")
		return
	}
	if w.command == 0 && p.wanted(w) {
		return // asked for already
	}
	w.until = p.now.Add(p.cfg.Timer.Phase1)
	p.wants = append(p.wants, w)
}

// wanted reports whether the same is being waited for or negotiated, or is here
// but for its outbound SA, which then comes at once.
func (p *Peer) wanted(w *want) bool {
	if slices.ContainsFunc(p.wants, w.sameTraffic) {
		return true
	}
	for _, x := range p.exchanges {
		if x.qm != nil && !x.over && x.qm.want != nil && w.sameTraffic(x.qm.want) {
			return true
		}
	}
	for _, q := range p.pairs {
		if w.replaces == nil && !q.outAt.IsZero() && q.policy.Out.Key == w.policy.Out.Key && q.local == w.local && q.remote == w.remote {
			q.outAt = p.now
			return true
		}
	}
	return false
}

// serveWants starts what can be started.
func (p *Peer) serveWants() {
	if len(p.wants) == 0 {
		return
	}
	sa := p.current()
	if sa == nil {
		if !p.negotiatingPhase1() {
			p.startMain()
		}
		return
	}
	wants := p.wants
	p.wants = nil
	for _, w := range wants {
		if w.isakmp {
			p.wantServed(w, "")
		} else {
			p.startQuick(w, sa)
		}
	}
}

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
	if w.seq != 0 {
		p.callFor(AcquireDone{Seq: w.seq}, nil)
	}
	if w.replaces != nil {
		w.replaces.rekeying = false
	}
	p.commandDone(w.command, 0, detail)
}

// wantFailed ends a wish that cannot be served; a renewal is tried again.
func (p *Peer) wantFailed(w *want, reason notice.Reason, why string) {
	if w == nil {
		return
	}
	if w.seq != 0 {
		p.callFor(AcquireDone{Seq: w.seq, Failed: true}, nil)
	}
	if q := w.replaces; q != nil && !q.replaced && !p.closing {
		q.rekeying, q.rekeyAt = false, p.now.Add(p.cfg.Timer.Interval)
	}
	p.commandDone(w.command, reason, why)
}

func (p *Peer) commandDone(command uint64, reason notice.Reason, detail string) {
	if command != 0 {
		p.notice(notice.Notice{Event: notice.CommandDone, Command: command, Reason: reason, Detail: detail,
			Local: p.setup.Path.Local, Peer: p.setup.Path.Remote})
	}
}
