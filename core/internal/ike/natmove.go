package ike

import (
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/spd"
)

// moveInterval is how long a peer stays where it has been found: somebody who
// carries its messages along another way must not have us move SAs without end.
const moveInterval = time.Second

// proves reports whether only the peer can have made the message.
func (st *step) proves() bool { return st.hash != nil || slices.Contains(st.must, AUTH) }

// follow goes where a message has come from that only the peer can have made and
// that we have not seen before: an initiator has moved to the ports of NAT traversal,
// or a NAT has given its peer another mapping (RFC 3947 sections 4 and 6).
func (x *exchange) follow() {
	from, known := x.from, x.known
	x.known = true // once: the step may be played again when a later message has moved us on
	switch {
	case known || from == x.path || !x.sa.nat.found():
	case from.Local.Addr() != x.path.Local.Addr():
	case x.p1 == nil && (x.sa.nat.peer && from.Local == x.path.Local || x.floated(from)):
		x.path = from
		x.p.move(from)
	case x.role == responder && x.p1 != nil:
		x.path = from
	}
}

// floated reports whether the initiator has moved to the ports of NAT traversal only
// now, behind base mode.
func (x *exchange) floated(to Path) bool {
	return x.sa.role == responder && to.Local.Port() == x.p.setup.NAT.Local && x.path.Local.Port() != to.Local.Port()
}

// mapping follows the kernel, which has seen authentic ESP from another address or
// port.
func (p *Peer) mapping(ev Mapping) {
	q := p.findPair(func(s KernelSA) bool { return s.SPI == ev.SPI && s.Dst == p.natPath.Local.Addr().WithZone("") })
	if q != nil && q.nat.peer && ev.Remote.Addr().BitLen() == p.natPath.Remote.Addr().BitLen() {
		p.move(Path{p.natPath.Local, netip.AddrPortFrom(ev.Remote.Addr().WithZone(p.natPath.Remote.Addr().Zone()), ev.Remote.Port())})
	}
}

// found notes where a new ISAKMP SA has found a peer with a NAT in between.
func (p *Peer) found(sa *ISAKMPSA) {
	if was := p.natPath; sa.nat.found() && sa.Path != was {
		p.natPath = sa.Path
		p.readdress(was, sa.Path)
		p.out = append(p.out, Moved{sa.Path})
	}
}

// move has all that goes to a peer behind a NAT go to another address or port.
func (p *Peer) move(to Path) {
	was := p.natPath
	if to == was || p.now.Before(p.moveAgain) {
		return
	}
	p.natPath, p.moveAgain = to, p.now.Add(moveInterval)
	for _, sa := range p.sas {
		if sa.Path == was {
			sa.Path = to
		}
	}
	for _, x := range p.exchanges {
		if x.path == was {
			x.path = to
		}
	}
	p.readdress(was, to)
	if p.setup.Path == was {
		p.setup.Path = to
	}
	p.notice(notice.Notice{Event: notice.PeerMoved, Local: to.Local, Peer: to.Remote, Detail: "from " + was.Remote.String()})
	p.out = append(p.out, Moved{to})
}

// tryElsewhere has the next phase 1 begin where the section has the peer, if the last
// one was begun where a NAT had had it, and the other way round.
func (p *Peer) tryElsewhere() {
	if len(p.sas) == 0 && p.elsewhere != (Path{}) {
		p.setup.Path, p.elsewhere = p.elsewhere, p.setup.Path
	}
}

// readdress has what is for the peer at one address be for another. Where the kernel
// has the SAs changes behind that, in movePairs.
func (p *Peer) readdress(was, to Path) {
	from, now := was.plain().Remote.Addr(), to.plain().Remote.Addr()
	set := func(remote *netip.Addr) bool {
		if *remote != from || from == now {
			return false
		}
		*remote = now
		return true
	}
	for _, q := range p.pairs {
		if q.nat.found() {
			set(&q.remote)
		}
	}
	for _, w := range p.wants {
		if set(&w.remote) && w.policy.Generated {
			setEnds(&w.policy, w.local, now)
		}
	}
	for _, k := range p.kept {
		if set(&k.remote) && k.policy.Generated {
			setEnds(&k.policy, k.local, now)
		}
	}
	for _, x := range p.exchanges {
		q := x.qm
		if q == nil || x.over || !x.sa.nat.found() || !set(&q.remote) {
			continue
		}
		if q.want != nil {
			set(&q.want.remote)
		}
		if q.pair != nil { // it is being installed, or about to be taken into use
			set(&q.pair.remote)
		} else if q.policy.Generated {
			setEnds(&q.policy, q.local, now)
		}
	}
}

// plain is a path as SAs have it: without zones.
func (p Path) plain() Path {
	strip := func(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().WithZone(""), a.Port()) }
	return Path{strip(p.Local), strip(p.Remote)}
}

// movePairs has the kernel send to where the peer is now.
func (p *Peer) movePairs() {
	for _, q := range slices.Clone(p.pairs) {
		to := p.natPath.plain()
		switch {
		case !q.nat.found() || q.path == to || q.moving || q.installing || !q.moveAt.IsZero():
		case q.bound(to.Remote.Addr()):
			p.endPair(q, notice.NoPolicy, true)
		default:
			p.movePair(q, to)
		}
	}
}

// bound reports whether the pair's policy has it end at another address than a: the
// kernel would not use it. A generated one moves along.
func (q *pair) bound(a netip.Addr) bool {
	return !q.policy.Generated && slices.ContainsFunc(q.policy.Out.Templates, func(t spd.Template) bool { return t.Mode == spd.Tunnel && names(t.Dst, a) })
}

func (p *Peer) movePair(q *pair, to Path) {
	var req MoveSAs
	in, out := slices.Clone(q.in), slices.Clone(q.out)
	for i := range q.in {
		in[i].Src, in[i].Dst = to.Remote.Addr(), to.Local.Addr()
		out[i].Src, out[i].Dst = to.Local.Addr(), to.Remote.Addr()
		if q.in[i].Encap != nil {
			in[i].Encap, out[i].Encap = to.encaps(q.in[i].Encap.OrigDst)
		}
		req.Moves = append(req.Moves, SAMove{q.in[i], in[i].Src, in[i].Dst, in[i].Encap})
		if q.outbound {
			req.Moves = append(req.Moves, SAMove{q.out[i], out[i].Src, out[i].Dst, out[i].Encap})
		}
	}
	q.moving = true
	p.callFor(req, func(_ any, err error) {
		q.moving = false
		switch {
		case !slices.Contains(p.pairs, q): // ended meanwhile
			ops := p.ungenerate(q.policy)
			if mayBeDone(err) {
				ops = slices.Concat(deletes(in), deletes(out), ops)
			}
			p.deleteSAs(ops)
		case errors.As(err, new(*Unavailable)):
			q.moveAt = p.now.Add(time.Second)
		default:
			if err == nil {
				q.in, q.out = in, out
			}
			q.path, q.local, q.remote = to, to.Local.Addr(), to.Remote.Addr()
			if err != nil { // new SAs go to the new place
				p.pairNotice(q, notice.Notice{Event: notice.LocalFailure, Reason: notice.KernelRefused, Detail: "move the SAs: " + err.Error()})
				p.rekey(q)
			} else if q.policy.Generated {
				p.movePolicies(q)
			}
		}
	})
}

// keepNATOpen sends a keepalive when a NAT in front of us has seen nothing of us for
// a while (RFC 3948 section 4). What the kernel sends we do not see.
func (p *Peer) keepNATOpen() {
	every := p.cfg.Timer.NATTKeepalive
	spoken := slices.ContainsFunc(p.out, func(a Action) bool {
		s, ok := a.(Send)
		return ok && s.Path == p.natPath
	})
	switch {
	case every == 0 || !p.behindNAT() || !p.setup.Remotes[0].NATTKeepalive:
		p.keepAt = time.Time{}
	case spoken, p.keepAt.IsZero():
		p.keepAt = p.now.Add(every)
	case due(p.keepAt, p.now):
		p.out = append(p.out, Keepalive{p.natPath})
		p.keepAt = p.now.Add(every)
	}
}

// behindNAT reports whether there are SAs that have found us behind a NAT.
func (p *Peer) behindNAT() bool {
	return slices.ContainsFunc(p.sas, func(sa *ISAKMPSA) bool { return sa.nat.us && sa.Path == p.natPath }) ||
		slices.ContainsFunc(p.pairs, func(q *pair) bool { return q.nat.us })
}
