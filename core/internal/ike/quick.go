package ike

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/racoon-ike/racoon/core/internal/doi"
	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/oakley"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// quick is what a quick mode learns on its way to IPsec SAs.
type quick struct {
	want   *want // what it is for; nil as responder
	policy spd.Pair
	local  netip.Addr // end points of the SAs
	remote netip.Addr
	sainfo *policy.SAInfo

	ni, nr     []byte
	idci, idcr []byte // bodies of the ID payloads; nil: none are sent
	offer      isakmp.SA
	choice     doi.IPsecChoice
	peerKE     []byte
	theirs     [][]byte   // identities of the answer
	oai, oar   netip.Addr // the original addresses the peer has told

	match   future[spd.Pair]
	hasESN  future[bool]
	reqID   future[uint32] // of the policies to be generated
	spis    future[[]uint32]
	inbound AllocateSPIs // what spis was asked for
	keyPair future[oakley.KeyPair]
	shared  future[secret.Bytes]
	apply   future[any]           // inbound; for an initiator's first pair, both directions
	applyTo future[any]           // the responder's outbound
	commit  bool                  // the peer's last message has the commit bit
	pair    *pair                 // what has been, or is being, installed
	deleted []func(KernelSA) bool // SAs of the peer's it has deleted meanwhile, perhaps before it named them
	up      bool                  // the pair is in use; only CONNECTED is waited for
	out     bool                  // its outbound SAs are, or may be, in the kernel
}

func (q *quick) traffic() traffic { return traffic{q.policy.Out.Key, q.local, q.remote} }

func (q *quick) templates() []spd.Template { return q.policy.Out.Templates }

// startQuick begins a quick mode for a want.
func (p *Peer) startQuick(w *want, sa *ISAKMPSA) {
	q := &quick{want: w, policy: w.policy, local: w.local, remote: w.remote, ni: p.nonce(sa.Remote)}
	q.proposeIDs(sa.Remote.SupportProxy)
	x := sa.exchange(isakmp.QuickMode, p.quick, initiator, p.messageID(sa))
	x.qm, x.expires = q, p.now.Add(p.cfg.Timer.Phase2)
	x.p = p
	x.notice(notice.Notice{Event: notice.Phase2Start, Detail: q.policy.Selector().String()})
	p.start(x)
}

// proposeIDs sets the identities of the policy. Between two hosts in transport
// mode for any protocol they say nothing and are left out (RFC 2409 section 5.5), but
// where the SAs may have end points of their own (support_proxy).
func (q *quick) proposeIDs(proxy bool) {
	sel := q.policy.Selector()
	if q.transport() {
		sel.Local = netip.PrefixFrom(q.local, q.local.BitLen())
		sel.Remote = netip.PrefixFrom(q.remote, q.remote.BitLen())
		if !proxy && sel.Proto == 0 && sel.LocalPort == 0 && sel.RemotePort == 0 {
			return
		}
	}
	q.idci = doi.PrefixID(sel.Local, sel.Proto, sel.LocalPort).Append(nil)
	q.idcr = doi.PrefixID(sel.Remote, sel.Proto, sel.RemotePort).Append(nil)
}

// prepareOffer gathers what the initiator's first message needs.
func prepareOffer(x *exchange) error {
	q := x.qm
	if err := x.passesNAT(); err != nil {
		return err
	}
	if err := x.makeRoom(); err != nil {
		return err
	}
	if err := x.findSAInfo(); err != nil {
		return err
	}
	if err := x.fitESN(); err != nil {
		return err
	}
	if q.policy.Generated {
		if err := x.keepPolicy(); err != nil {
			return err
		}
	}
	group := oakley.Group(q.sainfo.PFSGroup)
	if group != 0 {
		q.keyPair.ask(x, DHGenerate{group})
	}
	if err := x.reserve(); err != nil {
		return err
	}
	if group != 0 {
		if _, err := q.keyPair.await(x, DHGenerate{group}); err != nil {
			return err
		}
	}
	var err error
	if q.offer, err = doi.OfferIPsec(x.ourSide(), q.spis.val); err != nil {
		return &failure{notice.NoProposal, err}
	}
	return nil
}

// ourSide is what we bring into the negotiation.
func (x *exchange) ourSide() doi.Side {
	return doi.Side{Templates: x.qm.templates(), SAInfo: x.qm.sainfo, Check: x.sa.Remote.ProposalCheck, Encap: x.sa.encap(), OneMode: !x.cfg.ComplexBundle,
		Generate: x.role == responder && x.qm.policy.Generated}
}

// findSAInfo picks the sainfo section for the identities.
func (x *exchange) findSAInfo() error {
	q := x.qm
	local, remote := x.own(&q.idci, &q.idcr), x.peers(&q.idci, &q.idcr)
	ask := policy.SAInfoQuery{Local: x.said(*local, q.local), Remote: x.said(*remote, q.remote), Ph1ID: x.sa.Remote.Ph1ID,
		Peer: &policy.Identity{Type: uint8(x.sa.PeerID.Type), Data: x.sa.PeerID.Data}}
	if x.role == responder {
		ask.Client = x.clientAddr()
	} else if x.sa.role == initiator && x.p.setup.Ambiguous {
		ask.Ph1ID = 0
	}
	q.sainfo = x.cfg.SAInfoFor(ask)
	if ask.Within = q.policy.Generated; ask.Within && (q.sainfo == nil || x.mayGenerate() != nil) {
		q.sainfo = x.cfg.SAInfoFor(ask)
	}
	if q.sainfo == nil {
		return failf(notice.NoSAInfo, "no sainfo for %v", q.policy.Selector())
	}
	x.keepLifetime()
	return nil
}

// clientAddr is what clientaddr means in a sainfo (racoon-conf section 10.1): the
// address given to the client by mode config, and where none was, the peer's.
func (x *exchange) clientAddr() netip.Addr { return x.sa.Path.Remote.Addr() }

// keepLifetime proposes for a renewal no more than was agreed on before: the peer
// may insist on its own shorter lifetime.
func (x *exchange) keepLifetime() {
	q := x.qm
	if x.role == responder || !q.want.renews {
		return
	}
	s := *q.sainfo
	life := doi.Life{Time: s.Lifetime, KB: s.LifetimeKB}
	for _, old := range x.p.pairsFor(q.want.traffic()) {
		life = life.Shorter(old.hard)
	}
	s.Lifetime, s.LifetimeKB = life.Time, life.KB
	q.sainfo = &s
}

// said is an identity for the choice of a sainfo; without one it is the host.
func (x *exchange) said(body []byte, host netip.Addr) *policy.SAID {
	if id, err := isakmp.ParseID(body); err == nil {
		return doi.SAID(id)
	}
	return doi.SAID(doi.AddrID(host, 0, 0))
}

// spiRequests asks for one inbound SPI for each template.
func (x *exchange) spiRequests() AllocateSPIs {
	q := x.qm
	reqs := make([]SPIRequest, len(q.templates()))
	for i, t := range q.templates() {
		reqs[i] = SPIRequest{Src: q.remote, Dst: q.local, Proto: t.Proto, ReqID: q.inTemplate(i).ReqID}
		if q.want != nil {
			reqs[i].Seq = q.want.seq()
		}
	}
	return AllocateSPIs{reqs}
}

// askSPIs asks for our SPIs. What it asked for stays known when the step is played
// again and fails before it comes here.
func (x *exchange) askSPIs() {
	q := x.qm
	if q.spis.id == 0 {
		q.inbound = x.spiRequests()
	}
	q.spis.ask(x, q.inbound)
}

// reserve awaits our SPIs.
func (x *exchange) reserve() error {
	x.askSPIs()
	q := x.qm
	spis, err := q.spis.await(x, q.inbound)
	if err == nil && len(spis) != len(q.inbound.SPIs) {
		err = fmt.Errorf("%d SPIs instead of %d", len(spis), len(q.inbound.SPIs))
	}
	return x.kernelRefused("reserve SPIs", err)
}

// inTemplate is the inbound policy's template for SA i; without such a policy the
// outbound one's says the same.
func (q *quick) inTemplate(i int) spd.Template {
	if q.policy.HasIn && i < len(q.policy.In.Templates) {
		return q.policy.In.Templates[i]
	}
	return q.templates()[i]
}

func emitIPsecSA(x *exchange) ([][]byte, error) {
	q := x.qm
	if x.role == initiator {
		return [][]byte{q.offer.Append(nil)}, nil
	}
	return [][]byte{q.choice.Answer(q.offer, q.spis.val).Append(nil)}, nil
}

func takeIPsecSA(x *exchange, bodies [][]byte) (err error) {
	q := x.qm
	sa, err := isakmp.ParseSA(bodies[0])
	if err != nil {
		return err
	}
	if x.role == responder {
		q.offer = sa
		return nil
	}
	q.choice, err = doi.CheckIPsec(sa, x.ourSide())
	if err != nil {
		return &NotifyError{isakmp.NotifyNoProposalChosen, notice.BadAnswer, err}
	}
	return nil
}

func emitQuickNonce(x *exchange) ([][]byte, error) {
	return [][]byte{*x.own(&x.qm.ni, &x.qm.nr)}, nil
}

func takeQuickNonce(x *exchange, bodies [][]byte) error {
	n, err := isakmp.ParseNonce(bodies[0])
	if err == nil {
		*x.peers(&x.qm.ni, &x.qm.nr) = slices.Clone(n)
	}
	return err
}

func emitQuickKE(x *exchange) ([][]byte, error) {
	if pub := x.qm.keyPair.val.Public; pub != nil {
		return [][]byte{pub}, nil
	}
	return nil, nil
}

func takeQuickKE(x *exchange, bodies [][]byte) error {
	x.qm.peerKE = nil
	if len(bodies) > 1 {
		return &NotifyError{isakmp.NotifyPayloadMalformed, notice.RepeatedPayload, errors.New("more than one KE payload")}
	}
	if len(bodies) == 1 {
		x.qm.peerKE = slices.Clone(bodies[0])
	}
	return nil
}

func emitQuickID(x *exchange) ([][]byte, error) {
	if x.qm.idci == nil {
		return nil, nil
	}
	return [][]byte{x.qm.idci, x.qm.idcr}, nil
}

// takeQuickID takes IDci and IDcr, always in this order. An answer must repeat
// what we proposed.
func takeQuickID(x *exchange, bodies [][]byte) error {
	q := x.qm
	bad := func(why string) error {
		return &NotifyError{isakmp.NotifyInvalidIDInformation, notice.BadIdentity, errors.New(why)}
	}
	switch {
	case len(bodies) != 0 && len(bodies) != 2:
		return bad(fmt.Sprintf("%d ID payloads instead of IDci and IDcr", len(bodies)))
	case x.role == responder && len(bodies) == 0:
		q.idci, q.idcr = nil, nil
	case x.role == responder:
		q.idci, q.idcr = slices.Clone(bodies[0]), slices.Clone(bodies[1])
	default:
		q.theirs = bodies // see takeNATOA
	}
	return nil
}

// answered reports whether an answer's identities mean what we proposed: some peers
// write a host as a network, or name the address they have behind a NAT.
func (q *quick) answered() bool {
	if q.idci == nil || len(q.theirs) == 0 {
		return true // host to host: the SAs are bound to the end points anyway
	}
	for i, want := range [2][]byte{q.idci, q.idcr} {
		if slices.Equal(q.theirs[i], want) {
			continue
		}
		a, errA := isakmp.ParseID(q.theirs[i])
		b, errB := isakmp.ParseID(want)
		if errA != nil || errB != nil || a.Protocol != b.Protocol || a.Port != b.Port {
			return false
		}
		pa, errA := doi.Prefix(a)
		pb, errB := doi.Prefix(b)
		if i == 1 && q.oar.IsValid() && pb.IsSingleIP() && pa == netip.PrefixFrom(q.oar, q.oar.BitLen()) {
			continue
		}
		if errA != nil || errB != nil || pa != pb {
			return false
		}
	}
	return true
}

// emitQuickNotify tells an initiator that our lifetime is the shorter one
// (RESPONDER-LIFETIME, RFC 2407 section 4.6.3.1: the SPI is the sender's).
func emitQuickNotify(x *exchange) ([][]byte, error) {
	q := x.qm
	if x.role == initiator || !q.choice.Claim {
		return nil, nil
	}
	ours := q.choice.Answer(q.offer, q.spis.val).Proposals[0]
	return [][]byte{isakmp.Notify{DOI: isakmp.DOIIPsec, Protocol: ours.Protocol, SPI: ours.SPI, Type: isakmp.NotifyResponderLifetime,
		Data: doi.ResponderLifetime(q.choice.Life)}.Append(nil)}, nil
}

func takeQuickNotify(x *exchange, bodies [][]byte) error {
	for _, b := range bodies {
		n, err := isakmp.ParseNotify(b)
		if err != nil {
			return err
		}
		x.notice(notice.Notice{Event: notice.PeerNotify, Detail: n.String()})
		switch {
		case n.Type == isakmp.NotifyInitialContact:
			x.p.forgetPeer(x.sa) // it may be said in any first message under the SA
		case n.Type == isakmp.NotifyResponderLifetime && x.role == initiator:
			x.qm.choice.Life, _ = doi.TakeResponderLifetime(n.Data, x.qm.choice.Life, x.sa.Remote.ProposalCheck)
		}
	}
	return nil
}

// hasSPI reports whether a notify's SPI is one of our offer.
func (q *quick) hasSPI(spi []byte) bool {
	return slices.ContainsFunc(q.offer.Proposals, func(p isakmp.Proposal) bool { return bytes.Equal(p.SPI, spi) })
}

// peerSPI names the peer's first SA, for a notify about it.
func (q *quick) peerSPI() (isakmp.Protocol, []byte) {
	if len(q.offer.Proposals) == 0 {
		return isakmp.ProtoISAKMP, nil
	}
	return q.offer.Proposals[0].Protocol, q.offer.Proposals[0].SPI
}

// zero wipes the secrets; the pair owns its keys.
func (q *quick) zero() {
	if !q.shared.pending() { // else its Reply does it
		q.keyPair.val.Zero()
	}
	wipe(q.shared.val)
}
