package engine

import (
	"errors"
	"sync"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// generated says for which traffic machines make policies on their peers' wish. It is
// one machine's from ReservePolicy until its policies are gone from the kernel: of two
// clients that want the same, the second is told no.
type generated struct {
	mu     sync.Mutex
	by     map[policy.Selector]*reservation
	reqIDs map[uint32]bool
	last   uint32 // request ID
	large  bool   // those up to maxReqID have been used up once
}

type reservation struct {
	owner   *actor // nil: of a racoon before
	reqID   uint32
	leaving bool // its policies are being deleted
}

// maxReqID is the largest request ID a KAME kernel takes (IPSEC_MANUAL_REQID_MAX); what
// is above it is used when there are so many policies.
const maxReqID = 0x3fff

// reserve gives the traffic to an actor; the error says to whom else it belongs, or
// that it will be free in a moment. used tells the request IDs of other policies.
func (g *generated) reserve(a *actor, sel policy.Selector, used func(uint32) bool) (uint32, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch r := g.by[sel]; {
	case r == nil && g.crosses(a, sel):
		return 0, taken(sel)
	case r == nil:
		r = &reservation{owner: a, reqID: g.fresh(used)}
		g.put(sel, r)
		return r.reqID, nil
	case r.owner != a && r.owner != nil:
		return 0, taken(sel)
	case r.leaving:
		return 0, &ike.Unavailable{Err: errLeaving}
	default:
		return r.reqID, nil
	}
}

func (g *generated) put(sel policy.Selector, r *reservation) {
	if g.by == nil {
		g.by, g.reqIDs = map[policy.Selector]*reservation{}, map[uint32]bool{}
	}
	g.by[sel], g.reqIDs[r.reqID] = r, true
}

// orphan has the traffic of policies that are no machine's be nobody's to reserve until
// release. It reports false where it is somebody's, or is being deleted already.
func (g *generated) orphan(sel policy.Selector, reqID uint32) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.by[sel] != nil {
		return false
	}
	g.put(sel, &reservation{reqID: reqID, leaving: true})
	return true
}

// crosses reports whether a network has some of another machine's traffic in it: which
// of the two policies the kernel then takes depends on which came first, and after a
// renewal one client would have what is for the other. A host alone has nobody inside
// it; whose network it is in our copy of the policies says.
func (g *generated) crosses(a *actor, sel policy.Selector) bool {
	if sel.Remote.IsSingleIP() {
		return false
	}
	for o, r := range g.by {
		if r.owner != nil && r.owner != a && o.Remote.Overlaps(sel.Remote) && o.Local.Overlaps(sel.Local) && both(o.Proto, sel.Proto) &&
			both(o.LocalPort, sel.LocalPort) && both(o.RemotePort, sel.RemotePort) {
			return true
		}
	}
	return false
}

// both reports whether two numbers, 0 being any, have something in common.
func both[T uint8 | uint16](x, y T) bool { return x == 0 || y == 0 || x == y }

func (g *generated) fresh(used func(uint32) bool) uint32 {
	for tried := 0; ; tried++ {
		if tried > maxReqID {
			g.large = true
		}
		limit := uint32(maxReqID)
		if g.large {
			limit = 1<<31 - 1
		}
		if g.last = g.last%limit + 1; !g.reqIDs[g.last] && !used(g.last) {
			return g.last
		}
	}
}

// owner is whose traffic it is, nil if no policy is generated for it.
func (g *generated) owner(sel policy.Selector) *actor {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r := g.by[sel]; r != nil {
		return r.owner
	}
	return nil
}

// leave picks the policies that are an actor's to delete. From then on its traffic is
// nobody's to reserve until release.
func (g *generated) leave(a *actor, ps []spd.Policy) (own []spd.Policy) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var ending []*reservation
	for _, p := range ps {
		if r := g.by[p.Key.Selector()]; r != nil && r.owner == a && !r.leaving {
			own, ending = append(own, p), append(ending, r)
		}
	}
	for _, r := range ending {
		r.leaving = true
	}
	return own
}

// release forgets the traffic of policies that have been deleted.
func (g *generated) release(ps []spd.Policy) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range ps {
		if r := g.by[p.Key.Selector()]; r != nil && r.leaving {
			delete(g.reqIDs, r.reqID)
			delete(g.by, p.Key.Selector())
		}
	}
}

// clear forgets all: nobody is left.
func (g *generated) clear() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.by, g.reqIDs = nil, nil
}

// errLeaving: the policies of an earlier life are being deleted. It takes a moment.
var errLeaving = errors.New("the policies for this traffic are being deleted")

func taken(sel policy.Selector) error {
	return &ike.NoPolicyError{Selector: sel, Closest: "there is one, generated for another peer", Taken: true}
}

// pairOf completes an outbound policy of our copy; e.spdMu is held.
func (e *Engine) pairOf(out spd.Policy) spd.Pair {
	pair := e.spd.PairOf(out)
	pair.Generated = e.generated.owner(pair.Selector()) != nil
	return pair
}

func (e *Engine) reservePolicy(a *actor, req ike.ReservePolicy) (any, error) {
	e.spdMu.RLock()
	defer e.spdMu.RUnlock()
	id, err := e.generated.reserve(a, req.Selector, e.spd.UsesReqID)
	if err != nil {
		return nil, err
	}
	return id, nil
}

// matchPolicy answers from our copy of the kernel's policies.
func (e *Engine) matchPolicy(a *actor, req ike.MatchPolicy) (any, error) {
	e.spdMu.RLock()
	defer e.spdMu.RUnlock()
	pair, closest, ok := e.spd.Respond(req.Selector, req.Path.Local.Addr().WithZone(""), req.Path.Remote.Addr().WithZone(""))
	if !ok {
		return nil, &ike.NoPolicyError{Selector: req.Selector, Closest: closest, Taken: e.spd.Knows(req.Selector)}
	}
	switch e.generated.owner(pair.Selector()) {
	case nil:
		if err := e.shared(a, pair.Out, req.Path); err != nil {
			return nil, err
		}
		return pair, nil
	case a:
		return nil, &ike.NoPolicyError{Selector: req.Selector}
	}
	return nil, taken(req.Selector)
}

// putPolicies enters policies we have made into our copy; the kernel's own word of it
// comes later.
func (e *Engine) putPolicies(ps []spd.Policy) {
	if len(ps) > 0 {
		e.changeSPD(func(db *spd.DB) {
			for _, p := range ps {
				db.Put(p)
			}
		})
	}
}

// dropPolicies takes them out again.
func (e *Engine) dropPolicies(ps []spd.Policy) {
	if len(ps) > 0 {
		e.changeSPD(func(db *spd.DB) {
			for _, p := range ps {
				db.Remove(p.Key)
			}
		})
	}
}

func policyOp(kind kernel.OpKind, p spd.Policy) kernel.Op {
	k := p.Key
	op := kernel.Op{Kind: kind, Policy: &kernel.Policy{Action: kernel.ActionIPsec, Priority: p.Priority, Key: kernel.PolicyKey{Dir: kernel.Direction(k.Dir),
		Sel: kernel.Selector{Src: k.Src, Dst: k.Dst, SrcPort: k.SrcPort, DstPort: k.DstPort, Proto: k.Proto}, Mark: kernelMark(k.Mark), IfID: k.IfID}}}
	for _, t := range p.Templates {
		op.Policy.Templates = append(op.Policy.Templates, kernel.Template{Proto: t.Proto, Mode: uint8(t.Mode), Level: uint8(t.Level), ReqID: t.ReqID, Src: t.Src, Dst: t.Dst})
	}
	return op
}
