package engine

import (
	"net/netip"
	"slices"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// A peer behind a NAT is where its NAT sends from. What follows it when that changes:
// its machine, the engine's books, the kernel's SAs.

// moved notes where the peer of a machine is now. Where another machine has found it
// there already, which it does when it has begun anew behind its new mapping, that one
// has it, and this one ends.
func (e *Engine) moved(a *actor, to ike.Path) {
	if !e.registry.move(a, to.Remote) {
		a.post(mail{ev: ike.Delete{All: true, ISAKMP: true}})
	}
}

// move gives a peer's actor the key of its new address and port. It reports false if
// another one has it.
func (r *registry) move(a *actor, to netip.AddrPort) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a.ended {
		return true
	}
	r.unplace(a)
	r.place(a, to.Addr())
	key := a.key
	if key.Addr = to; !a.key.Addr.IsValid() {
		return true
	}
	if there := r.peers[key]; there != nil {
		return there == a
	}
	r.unkey(a)
	a.key.Addr = to
	r.peers[key] = a
	if key.ID != "" {
		r.places[place(key)] = a
	}
	return true
}

// moveSAs gives SAs other end points, all or none. While it is not known which an SA
// has, registry and ledger have both.
func (e *Engine) moveSAs(a *actor, req ike.MoveSAs, reply func(any, error) bool) {
	if !e.has(kernel.FeatUpdateAddresses) {
		reply(nil, errs.Errorf(errs.Unsupported, "the kernel plugin cannot move SAs"))
		return
	}
	ops := make([]kernel.Op, len(req.Moves))
	var stay, from, to []ledgerKey // the keys that do not change, and those that do
	for i, m := range req.Moves {
		ops[i] = moveOp(m)
		moved := ledgerKey{m.Key(), where{m.Src, m.SA.Mark}}
		if m.Key() == m.SA.Key() {
			stay = append(stay, moved)
		} else {
			from, to = append(from, keyOf(m.SA)), append(to, moved)
		}
	}
	e.registry.own(a, slices.Concat(stay, from, to), installing)
	e.record(e.ledger.add(to))
	e.run(func() {
		err := e.move(ops)
		if err != nil { // what became of them the next comparison with the kernel will find
			from, to = to, from
		} else {
			e.record(e.ledger.remove(from))
		}
		e.registry.settle(slices.Concat(stay, to))
		for _, k := range from {
			e.registry.disown(k.SAKey)
		}
		reply(nil, err)
	})
}

func (e *Engine) move(ops []kernel.Op) error {
	res, again, err := e.transact(ops, kernel.Rollback, 0)
	if err == nil {
		err = outcome(ops, res, again)
	}
	return callError(err)
}

func moveOp(m ike.SAMove) kernel.Op {
	sa := &kernel.SA{Key: keyOf(m.SA).kernel(), Dir: kernel.Direction(m.SA.Dir), NewSrc: m.Src, NewDst: m.Dst}
	if m.Encap != nil {
		sa.Encap = &kernel.Encap{SrcPort: m.Encap.SrcPort, DstPort: m.Encap.DstPort, OrigDst: m.Encap.OrigDst}
	}
	return kernel.Op{Kind: kernel.UpdateSA, SA: sa}
}
