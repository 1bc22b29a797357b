package ike

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/racoon-ike/racoon/core/internal/doi"
	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
)

// prepareAnswer turns the peer's first message into what we answer: the policy it
// is about, the sainfo, the proposal, our SPIs, keys, and the inbound SAs
// installed, since the peer may send as soon as it has message 2.
func prepareAnswer(x *exchange) error {
	q := x.qm
	if err := x.passesNAT(); err != nil {
		return &NotifyError{isakmp.NotifyNoProposalChosen, notice.Unsupported, err}
	}
	if err := x.matchPolicy(); err != nil {
		return err
	}
	if err := x.findSAInfo(); err != nil {
		return &NotifyError{isakmp.NotifyInvalidIDInformation, notice.NoSAInfo, err}
	}
	if err := x.fitESN(); err != nil {
		return err
	}
	if err := x.endPoints(); err != nil {
		return err
	}
	if err := x.collide(); err != nil {
		return err
	}
	if err := x.makeRoom(); err != nil {
		return err
	}
	if q.policy.Generated {
		if err := x.reservePolicy(); err != nil {
			return err
		}
	}
	var err error
	if q.choice, err = doi.ChooseIPsec(q.offer, x.ourSide()); err != nil {
		return &NotifyError{isakmp.NotifyNoProposalChosen, notice.NoProposal, err}
	}
	if q.policy.Generated {
		if err := x.setTemplates(q.choice.Templates); err != nil {
			return err
		}
	}
	if err := q.checkPFS(); err != nil {
		return err
	}
	x.askSPIs()
	gxy, err := x.quickSecret()
	if err != nil {
		return err
	}
	if err := x.reserve(); err != nil {
		return err
	}
	if err := x.makePair(gxy); err != nil {
		return err
	}
	return x.install(&q.apply, InstallInbound)
}

// matchPolicy finds the policy the peer's identities mean.
func (x *exchange) matchPolicy() error {
	q := x.qm
	q.local, q.remote = x.path.Local.Addr().WithZone(""), x.path.Remote.Addr().WithZone("")
	sel := policy.Selector{Local: netip.PrefixFrom(q.local, q.local.BitLen()), Remote: netip.PrefixFrom(q.remote, q.remote.BitLen())}
	if q.idci != nil {
		var err error
		if sel, err = x.selector(); err != nil {
			return &NotifyError{isakmp.NotifyInvalidIDInformation, notice.BadIdentity, err}
		}
		if sel, err = x.throughNAT(sel); err != nil {
			return &NotifyError{isakmp.NotifyInvalidIDInformation, notice.BadIdentity, err}
		}
	}
	match, err := q.match.await(x, MatchPolicy{x.path, sel})
	var none *NoPolicyError
	if errors.As(err, &none) && !none.Taken && x.sa.Remote.GeneratePolicy != policy.GenerateOff {
		q.policy = spd.PairFor(sel)
		q.policy.Generated = true
		return nil
	}
	q.policy = match
	return noPolicy(err)
}

// endPoints decides between which addresses the SAs run: those of the IKE messages, but
// in transport mode with support_proxy, where a sainfo trusts this peer by its
// identity, those it proposes traffic for, both hosts. A policy belongs to the peer its
// templates name; nobody else gets its SAs.
func (x *exchange) endPoints() error {
	q := x.qm
	sel := q.policy.Selector()
	tunnel := slices.ContainsFunc(q.templates(), func(t spd.Template) bool { return t.Mode == spd.Tunnel })
	if x.sa.Remote.SupportProxy && q.sainfo.From != nil && !tunnel && !q.policy.Generated && sel.Local.IsSingleIP() && sel.Remote.IsSingleIP() {
		q.local, q.remote = sel.Local.Addr(), sel.Remote.Addr()
	}
	for _, t := range q.templates() {
		if t.Mode == spd.Tunnel && (names(t.Dst, q.remote) || names(t.Src, q.local)) {
			return &NotifyError{isakmp.NotifyInvalidIDInformation, notice.NoPolicy,
				fmt.Errorf("the policy for %v names the tunnel %v-%v, not %v-%v", sel, t.Src, t.Dst, q.local, q.remote)}
		}
	}
	return nil
}

// collide settles that both ends negotiate for one traffic at a time: the exchange
// with the larger cookies and message ID goes on, at both ends. Ours no longer
// yields once the peer has answered it.
func (x *exchange) collide() error {
	i := slices.IndexFunc(x.p.exchanges, func(o *exchange) bool {
		return o.qm != nil && o.role == initiator && !o.over && o.pc <= 1 && o.qm.traffic() == x.qm.traffic()
	})
	if i < 0 {
		return nil
	}
	own := x.p.exchanges[i]
	if own.precedes(x) {
		if own.out != nil {
			own.resend() // the peer has not seen it when it began
		}
		return failf(notice.Superseded, "our own quick mode for %v goes on instead", x.qm.policy.Selector())
	}
	if x.qm.want == nil {
		x.qm.want, own.qm.want = own.qm.want, nil
	}
	own.fail(notice.Superseded, errors.New("the peer's quick mode for the same traffic goes on instead"))
	return nil
}

// precedes compares what both ends know of two exchanges. An ISAKMP SA that is older
// than the other may be one that the peer has lost.
func (x *exchange) precedes(o *exchange) bool {
	switch p := x.p; {
	case p.knew(o.sa, x.sa):
		return true
	case p.knew(x.sa, o.sa):
		return false
	}
	return cmp.Or(bytes.Compare(x.sa.CkyI[:], o.sa.CkyI[:]), bytes.Compare(x.sa.CkyR[:], o.sa.CkyR[:]), cmp.Compare(x.msgID, o.msgID)) > 0
}

// names reports whether a template's end point is set, and is not a.
func names(end, a netip.Addr) bool { return end.IsValid() && !end.IsUnspecified() && end != a }

// selector is the traffic the peer proposes. A name is for the choice of a sainfo; who
// has it is the host.
func (x *exchange) selector() (policy.Selector, error) {
	q := x.qm
	l, err := isakmp.ParseID(q.idcr)
	if err != nil {
		return policy.Selector{}, err
	}
	r, err := isakmp.ParseID(q.idci)
	if err != nil {
		return policy.Selector{}, err
	}
	return doi.Selector(doi.OfHost(l, q.local), doi.OfHost(r, q.remote))
}
