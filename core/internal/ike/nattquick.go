package ike

import (
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

// emitNATOA tells the peer, for transport mode, which addresses the packets had
// before a NAT changed them: what we know of either end (RFC 3947 section 5.2), up to
// draft 04 only our own.
func emitNATOA(x *exchange) ([][]byte, error) {
	q, n := x.qm, x.sa.nat
	if !n.found() || n.version.natoa == 0 || !q.transport() {
		return nil, nil
	}
	if n.version.ownOA {
		return [][]byte{isakmp.NATOA{Addr: q.local}.Append(nil)}, nil
	}
	i, r := q.local, q.remote
	if x.role == responder {
		i, r = r, i
	}
	return [][]byte{isakmp.NATOA{Addr: i}.Append(nil), isakmp.NATOA{Addr: r}.Append(nil)}, nil
}

// takeNATOA takes what the peer knows of either end. Only then its identities can be
// held against ours.
func takeNATOA(x *exchange, bodies [][]byte) error {
	q := x.qm
	q.oai, q.oar = netip.Addr{}, netip.Addr{}
	if !x.sa.nat.found() {
		bodies = nil
	}
	told := []*netip.Addr{&q.oai, &q.oar}
	switch own := x.sa.nat.found() && x.sa.nat.version.ownOA; {
	case own && len(bodies) == 1 && x.role == initiator:
		told = told[1:]
	case own && len(bodies) == 1: // the original racoon tells both all the same
	case len(bodies) != 0 && len(bodies) != 2:
		return &NotifyError{isakmp.NotifyPayloadMalformed, notice.BadPayload, fmt.Errorf("%d NAT-OA payloads instead of NAT-OAi and NAT-OAr", len(bodies))}
	}
	for i, b := range bodies {
		oa, err := isakmp.ParseNATOA(b)
		if err != nil {
			return err
		}
		*told[i] = oa.Addr
	}
	if x.role == initiator && !q.answered() {
		return &NotifyError{isakmp.NotifyInvalidIDInformation, notice.BadIdentity, errors.New("the peer answers with other identities than we proposed")}
	}
	return nil
}

// transport reports whether all SAs are to be in transport mode.
func (q *quick) transport() bool {
	return !slices.ContainsFunc(q.templates(), func(t spd.Template) bool { return t.Mode != spd.Transport })
}

// original is the peer's own address, where it has told.
func (x *exchange) original() netip.Addr {
	if x.role == initiator {
		return x.qm.oar
	}
	return x.qm.oai
}

// throughNAT makes of the selector a peer names in transport mode the one that this
// end sees. Such SAs carry only what is between their end points, so that an end
// behind a NAT means itself by an address that is unknown on the other side
// (RFC 3947 section 5.2). An address that is neither its own nor the NAT's is not
// the peer's to speak of.
func (x *exchange) throughNAT(sel policy.Selector) (policy.Selector, error) {
	q, n := x.qm, x.sa.nat
	if !n.found() || !doi.OffersTransport(q.offer) {
		return sel, nil
	}
	if n.peer && sel.Remote.IsSingleIP() {
		if a, own := sel.Remote.Addr(), x.original(); own.IsValid() && a != own && a != q.remote {
			return sel, fmt.Errorf("the peer proposes %v, but its addresses are %v and, behind the NAT, %v", a, q.remote, own)
		}
		sel.Remote = netip.PrefixFrom(q.remote, q.remote.BitLen())
	}
	if n.us && sel.Local.IsSingleIP() {
		sel.Local = netip.PrefixFrom(q.local, q.local.BitLen())
	}
	return sel, nil
}

// wrap puts a pair's SAs into UDP, where there is a NAT. Of a bundle only the
// outermost SA meets it.
func (x *exchange) wrap(n *pair) {
	if n.nat = x.sa.nat; !n.nat.found() {
		return
	}
	n.path = Path{netip.AddrPortFrom(n.local, x.path.Local.Port()), netip.AddrPortFrom(n.remote, x.path.Remote.Port())}
	var own netip.Addr
	if x.qm.transport() {
		own = x.original()
	}
	last := len(n.in) - 1
	n.in[last].Encap, n.out[last].Encap = n.path.encaps(own)
}

// encaps is how what comes and what goes on a path is wrapped.
func (p Path) encaps(own netip.Addr) (in, out *Encap) {
	l, r := p.Local.Port(), p.Remote.Port()
	return &Encap{SrcPort: r, DstPort: l, OrigDst: own}, &Encap{SrcPort: l, DstPort: r, OrigDst: own}
}
