package ike

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
)

// Policies generated on a peer's wish (generate_policy). The peer chooses traffic and
// protocols, within what the sainfo allows; the end points are those of the IKE
// messages. A policy is there as long as the SAs of its traffic are: the inbound one
// is installed with the inbound SAs, the outbound one behind the outbound SAs.

// reservePolicy makes sure that the traffic is the peer's to have, and this machine's.
func (x *exchange) reservePolicy() error {
	q := x.qm
	if err := x.mayGenerate(); err != nil {
		return &NotifyError{isakmp.NotifyInvalidIDInformation, notice.NoPolicy, err}
	}
	_, err := q.reqID.await(x, ReservePolicy{q.policy.Selector()})
	return noPolicy(err)
}

// keepPolicy is reservePolicy for SAs that we ask for, as somebody had the policies
// before: their last SA may be about to go, and they with it.
func (x *exchange) keepPolicy() error {
	q := x.qm
	id, err := q.reqID.await(x, ReservePolicy{q.policy.Selector()})
	var none *NoPolicyError
	if errors.As(err, &none) {
		return failf(notice.NoPolicy, "%w", none)
	}
	if err != nil {
		return err
	}
	for _, p := range []*spd.Policy{&q.policy.Out, &q.policy.In} {
		p.Templates = slices.Clone(p.Templates)
		for i := range p.Templates {
			p.Templates[i].ReqID = id
		}
	}
	return nil
}

// mayGenerate reports whether the sainfo lets the peer have a policy for what it
// proposes. Whoever the peer says is behind it, the section must name: else the peer
// could draw somebody else's packets to itself. Without that it speaks for its own
// address only. Our end it may choose: that is for our filters.
func (x *exchange) mayGenerate() error {
	q := x.qm
	sel := q.policy.Selector()
	if q.sainfo.Remote != nil || q.sainfo.ClientAddr || x.speaksFor(sel.Remote) {
		return nil
	}
	return fmt.Errorf("no policy is generated for %v: the sainfo at %s:%d does not name a remote network, and %v is not the peer's own address, %v",
		sel, q.sainfo.Where.File, q.sainfo.Where.Line, sel.Remote, q.remote)
}

// speaksFor reports whether a network is the peer alone.
func (x *exchange) speaksFor(net netip.Prefix) bool {
	return net.IsSingleIP() && (net.Addr() == x.qm.remote || net.Addr() == x.clientAddr())
}

// setTemplates completes the generated policies with what was chosen.
func (x *exchange) setTemplates(ts []spd.Template) error {
	q := x.qm
	sel := q.policy.Selector()
	tunnel := slices.ContainsFunc(ts, func(t spd.Template) bool { return t.Mode == spd.Tunnel })
	if own := netip.PrefixFrom(q.local, q.local.BitLen()); !tunnel && (sel.Local != own || !x.speaksFor(sel.Remote)) {
		return &NotifyError{isakmp.NotifyInvalidIDInformation, notice.NoPolicy,
			fmt.Errorf("no policy is generated for %v: in transport mode the SAs are for the two hosts only", sel)}
	}
	out, in := slices.Clone(ts), slices.Clone(ts)
	for i, t := range ts {
		level := spd.LevelRequire
		if x.sa.Remote.GeneratePolicy == policy.GenerateUnique {
			level = spd.LevelUnique
		}
		out[i].Level, in[i].Level = level, level
		if t.Proto == 108 {
			in[i].Level = spd.LevelUse // what does not become smaller comes as it is (RFC 3173 section 2.2)
		}
		out[i].ReqID, in[i].ReqID = q.reqID.val, q.reqID.val
	}
	q.policy.Out.Templates, q.policy.In.Templates = out, in
	setEnds(&q.policy, q.local, q.remote)
	return nil
}

// setEnds gives the tunnels of generated policies their end points.
func setEnds(pair *spd.Pair, local, remote netip.Addr) {
	pair.Out.Templates, pair.In.Templates = slices.Clone(pair.Out.Templates), slices.Clone(pair.In.Templates)
	for i, t := range pair.Out.Templates {
		if t.Mode == spd.Tunnel {
			pair.Out.Templates[i].Src, pair.Out.Templates[i].Dst = local, remote
			pair.In.Templates[i].Src, pair.In.Templates[i].Dst = remote, local
		}
	}
}

// inbound are the policies for what comes from the peer.
func inbound(pair spd.Pair) []*spd.Policy {
	if fwd, ok := pair.Forward(); ok {
		return []*spd.Policy{&pair.In, &fwd}
	}
	return []*spd.Policy{&pair.In}
}

// movePolicies gives the generated policies of a pair that has moved its end points.
func (p *Peer) movePolicies(q *pair) {
	setEnds(&q.policy, q.local, q.remote)
	kinds := []OpKind{InstallInbound, InstallOutbound}
	if !q.outbound {
		kinds = kinds[:1]
	}
	ops := slices.DeleteFunc(q.ops(kinds...), func(op SAOp) bool { return op.Kind != InstallPolicy })
	q.moving = true
	p.callFor(Apply{ops}, func(_ any, err error) {
		q.moving = false
		switch {
		case !slices.Contains(p.pairs, q): // ended meanwhile
			p.deleteSAs(p.ungenerate(q.policy))
		case err != nil: // a renewal installs them again
			p.pairNotice(q, notice.Notice{Event: notice.LocalFailure, Reason: notice.KernelRefused, Detail: "move the policies: " + err.Error()})
			p.rekey(q)
		}
	})
}

// ungenerate lists the changes that remove generated policies that nothing needs any
// more. The SAs go first: in between a packet waits, and does not leave in clear.
func (p *Peer) ungenerate(pair spd.Pair) (ops []SAOp) {
	if sel := pair.Selector(); !pair.Generated || p.needs(sel) || p.negotiates(sel, (*quick).asking) {
		return nil
	}
	for _, q := range append([]*spd.Policy{&pair.Out}, inbound(pair)...) {
		ops = append(ops, SAOp{Kind: DeletePolicy, Policy: q})
	}
	return ops
}

// unneeded leaves out of what could not be deleted the policies that have come into use
// again since.
func (p *Peer) unneeded(ops []SAOp) []SAOp {
	return slices.DeleteFunc(ops, func(op SAOp) bool { return op.Kind == DeletePolicy && p.needs(op.Policy.Key.Selector()) })
}

// needs reports whether a pair has generated policies for the traffic, or a negotiation
// has reserved it, or they are being installed: then the Reply removes them.
func (p *Peer) needs(sel policy.Selector) bool {
	return slices.ContainsFunc(p.pairs, func(q *pair) bool { return q.policy.Generated && q.policy.Selector() == sel }) ||
		p.negotiates(sel, (*quick).reserved) || p.installs(sel)
}

// installs reports whether the kernel is being asked for policies for the traffic.
func (p *Peer) installs(sel policy.Selector) bool {
	for _, c := range p.calls {
		if req, ok := c.req.(Apply); ok && slices.ContainsFunc(req.Ops, func(op SAOp) bool { return op.Kind == InstallPolicy && op.Policy.Key.Selector() == sel }) {
			return true
		}
	}
	return false
}

// negotiates reports whether a quick mode under way, of which more is true, is to
// generate policies for the traffic.
func (p *Peer) negotiates(sel policy.Selector, more func(*quick) bool) bool {
	return slices.ContainsFunc(p.exchanges, func(x *exchange) bool {
		return x.qm != nil && !x.over && x.qm.policy.Generated && x.qm.policy.Selector() == sel && more(x.qm)
	})
}

// reserved reports whether the traffic is this machine's for the policies to be generated.
func (q *quick) reserved() bool { return q.reqID.done && q.reqID.err == nil }

// asking reports whether it is about to know.
func (q *quick) asking() bool { return q.reqID.pending() }

// noPolicy is what the peer is told where there is none.
func noPolicy(err error) error {
	var none *NoPolicyError
	if errors.As(err, &none) {
		return &NotifyError{isakmp.NotifyInvalidIDInformation, notice.NoPolicy, none}
	}
	return err
}
