package ike

import (
	"bytes"
	"errors"
	"slices"
	"time"

	"github.com/racoon-ike/racoon/core/internal/doi"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// IKEv1 cannot renew the keys of an ISAKMP SA: a new phase 1 makes another one, and
// the old one ends when the peer has had time to move over.

// wears sets when the successor of an ISAKMP SA is due: at the initiator of the old
// one first, as with IPsec SAs. Its cookies are chance enough.
func (sa *ISAKMPSA) wears() {
	life := doi.Life{Time: sa.Expires.Sub(sa.Since)}
	sa.renewAt = sa.Since.Add(softLife(life, sa.role == initiator, sa.CkyI[0]^sa.CkyR[0]).Time)
}

// ends is when an ISAKMP SA ends, if nothing ends it before.
func (sa *ISAKMPSA) ends() time.Time { return earliest(sa.Expires, sa.endAt) }

// renews reports whether an ISAKMP SA is to have a successor that nobody makes yet
// (racoon.conf(5), rekey).
func (p *Peer) renews(sa *ISAKMPSA) bool {
	if !p.mayBegin() || p.closing || sa != p.current() || p.negotiatingPhase1() {
		return false
	}
	return sa.Remote.Rekey == policy.Force || sa.Remote.Rekey == policy.On && len(p.pairs) > 0
}

// renewal is when the successor of an ISAKMP SA is to be begun, zero for never.
func (p *Peer) renewal(sa *ISAKMPSA) time.Time {
	if !p.renews(sa) {
		return time.Time{}
	}
	return sa.renewAt
}

// reauthenticate begins a new phase 1 beside an ISAKMP SA that is getting old.
func (p *Peer) reauthenticate(sa *ISAKMPSA) {
	p.notice(notice.Notice{Event: notice.Rekeying, Local: sa.Path.Local, Peer: sa.Path.Remote, CkyI: sa.CkyI, CkyR: sa.CkyR, Detail: "by a new phase 1"})
	p.startPhase1()
}

// reauthenticateLater tries again what has failed.
func (p *Peer) reauthenticateLater() {
	if sa := p.current(); sa != nil && due(sa.renewAt, p.now) {
		sa.renewAt = p.now.Add(p.cfg.Timer.Interval)
	}
}

// superseded ends our own phase 1 when the peer's has come first: until our last
// message is out nothing can come of ours at the peer either.
func (p *Peer) superseded() {
	for _, x := range p.exchanges {
		if x.p1 != nil && !x.over && x.role == initiator && x.unsaid() {
			x.fail(notice.Superseded, errors.New("the peer's own phase 1 came first"))
		}
	}
}

// unsaid reports whether a message of ours is still to come.
func (x *exchange) unsaid() bool {
	for i, st := range x.script[x.pc:] {
		if st.from == x.role && (i > 0 || !x.sent) {
			return true
		}
	}
	return false
}

// relieve marks the ISAKMP SA that n relieves, or that relieves n, and lets the peer
// have the time to repeat what was lost under it. The end that did not begin the
// one that stays waits twice as long for the delete, which may be lost too.
func (p *Peer) relieve(n *ISAKMPSA) {
	for _, o := range p.sas {
		if o == n || !o.endAt.IsZero() {
			continue
		}
		stays, goes := n, o
		if p.outlives(o, n) {
			stays, goes = o, n
		}
		goes.endAt = p.now.Add(p.patience())
		if stays.role == responder {
			goes.endAt = goes.endAt.Add(p.patience())
		}
	}
}

// outlives reports whether an older ISAKMP SA stays although a younger one is there:
// of two that were made at one time both ends keep the one with the larger cookie.
func (p *Peer) outlives(sa, n *ISAKMPSA) bool {
	return !p.knew(sa, n) && bytes.Compare(sa.CkyI[:], n.CkyI[:]) > 0
}

// flight is how long a message may be under way.
const flight = 3 * time.Second

// known reports whether the peer knew what was there since a time when it began the
// phase 1 of n: its first message may have been slower than all of another phase 1.
// What is as close as that counts as of one time, at both ends. A message 1 that is
// repeated later does not come from a peer whose own phase 1 has been overtaken.
func (p *Peer) known(since time.Time, n *ISAKMPSA) bool { return since.Add(flight).Before(n.began) }

// knew reports whether the peer had an ISAKMP SA behind it when it began the phase 1 of
// n. Who begins both begins the second when the first is there, or forgotten.
func (p *Peer) knew(sa, n *ISAKMPSA) bool {
	return sa.role == n.role && sa.began.Before(n.began) || p.known(sa.Since, n)
}

// serveAgain makes the youngest ISAKMP SA that is left serve again, when all others
// have ended.
func (p *Peer) serveAgain() {
	if len(p.sas) == 0 || slices.ContainsFunc(p.sas, func(sa *ISAKMPSA) bool { return sa.endAt.IsZero() }) {
		return
	}
	p.sas[len(p.sas)-1].endAt = time.Time{}
	p.reauthenticateLater()
}

// doubt ends an ISAKMP SA under which nothing has been heard while a quick mode of
// ours waited for its first answer: the peer has most likely lost it, by a restart or
// because our message 6 was. IPsec SAs stay; the wish is tried once more, with a new
// phase 1.
func (p *Peer) doubt(x *exchange) {
	if x.role == responder || x.pc != 1 || !x.sa.heardAt.Before(x.began) || !slices.Contains(p.sas, x.sa) {
		return
	}
	p.endISAKMP(x.sa, notice.TimedOut, true)
	if w := x.qm.want; w != nil && !w.again && p.mayBegin() {
		x.qm.want, w.again = nil, true
		p.want(w)
	}
}

// rewant takes the wish out of a quick mode whose ISAKMP SA ends before it, if
// there is another one to serve it.
func (x *exchange) rewant(reason notice.Reason) (w *want) {
	p := x.p
	sa := p.current()
	if x.qm == nil || x.qm.want == nil || sa == nil || sa == x.sa {
		return nil
	}
	switch reason {
	case notice.Replaced, notice.Expired, notice.PeerDeleted, notice.PeerRestarted:
		w, x.qm.want = x.qm.want, nil
	}
	return w
}
