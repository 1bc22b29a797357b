package iketest

import (
	"fmt"

	"github.com/racoon-ike/racoon/core/internal/ike"
)

// rename gives a machine the key of the peer's new address and port. If another one has
// it, this one ends.
func (h *Host) rename(m *Machine, to ike.Path) {
	m.path = to
	key := m.Key
	if !key.Addr.IsValid() {
		return
	}
	key.Addr = to.Remote
	switch h.byKey[key] {
	case m:
	case nil:
		delete(h.byKey, m.Key)
		m.Key, h.byKey[key] = key, m
	default:
		h.w.After(0, func() { m.Post(ike.Delete{All: true, ISAKMP: true}) })
	}
}

// move gives SAs other end points. One that is there already has been moved before.
func (k *Kernel) move(moves []ike.SAMove) error {
	for _, v := range moves {
		if k.SAs[v.SA.Key()] == nil && k.SAs[v.Key()] == nil {
			return fmt.Errorf("move %s: no such process", k.Name(v.SA.Key()))
		}
	}
	for _, v := range moves {
		sa := k.SAs[v.SA.Key()]
		if sa == nil {
			continue
		}
		delete(k.SAs, sa.Key())
		sa.Src, sa.Dst, sa.Encap = v.Src, v.Dst, v.Encap
		k.put(sa.Key(), sa)
	}
	return nil
}

// learnMoves keeps the engine's books: until it is known where an SA is, it may be at
// either place.
func (k *Kernel) learnMoves(m *Machine, moves []ike.SAMove) {
	for _, v := range moves {
		k.ours[v.SA.Key()] = owned{m, installing}
		k.ours[v.Key()] = owned{m, installing}
	}
}

func (k *Kernel) settleMoves(moves []ike.SAMove, done bool) {
	for _, v := range moves {
		is, was := v.Key(), v.SA.Key()
		if !done {
			is, was = was, is
		}
		o, ok := k.ours[is]
		delete(k.ours, was)
		if o.state = settled; ok {
			k.ours[is] = o
		}
	}
}
