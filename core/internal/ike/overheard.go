package ike

import (
	"errors"
	"slices"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// overheard reads an unauthenticated informational message. It is a hint for a
// person and changes nothing, except where weak_phase1_check has us believe it: then
// it can end a phase 1 that has no keys yet, which could say it no other way.
func (p *Peer) overheard(ev Datagram, h isakmp.Header) {
	says, err := "unreadable", error(nil)
	_, ps, _ := isakmp.ParseMessage(ev.Data)
	for _, pl := range ps {
		if n, bad := isakmp.ParseNotify(pl.Body); pl.Type == N && bad == nil {
			if says = n.String(); n.Type.IsError() {
				err = &failure{notice.PeerRefused, errors.New("the peer refuses, or anybody: " + n.Type.String())}
			}
		}
		if d, bad := isakmp.ParseDelete(pl.Body); pl.Type == D && bad == nil {
			if says = d.String(); d.Protocol == isakmp.ProtoISAKMP {
				err = &failure{notice.PeerDeleted, errors.New("the peer deletes it, or anybody")}
			}
		}
	}
	if x := p.keyless(ev.Path, h); x != nil && err != nil && x.credulous() {
		x.notice(notice.Notice{Event: notice.Finding, Reason: notice.Unauthenticated,
			Detail: says + ", in clear, is believed because weak_phase1_check is on: anybody can end this negotiation"})
		x.fail(reasonOf(err), err)
		return
	}
	p.notice(notice.Notice{Event: notice.PeerNotify, Reason: notice.Unauthenticated, Local: ev.Path.Local, Peer: ev.Path.Remote,
		CkyI: h.CkyI, CkyR: h.CkyR, Exchange: h.Exchange, Detail: says + ", in clear: a hint, not acted on"})
}

// keyless finds the phase 1 a clear message is about, if it has no keys yet. To
// message 1 a peer may answer with any cookie; it comes from where the peer is.
func (p *Peer) keyless(from Path, h isakmp.Header) *exchange {
	i := slices.IndexFunc(p.exchanges, func(x *exchange) bool {
		return x.p1 != nil && !x.over && x.p1.keys == nil && x.path.Remote.Addr() == from.Remote.Addr() && x.sa.CkyI == h.CkyI && (x.sa.CkyR == h.CkyR || x.sa.CkyR.IsZero())
	})
	if i < 0 {
		return nil
	}
	return p.exchanges[i]
}

// credulous reports whether every section the peer may be has weak_phase1_check on.
func (x *exchange) credulous() bool {
	return !slices.ContainsFunc(x.p1.remotes, func(r *policy.Remote) bool { return !r.WeakPhase1Check })
}
