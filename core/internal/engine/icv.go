package engine

import (
	"fmt"
	"slices"

	"github.com/racoon-ike/racoon/core/internal/doi"
	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// How long the ICV of an authentication algorithm is, nobody negotiates: the section says
// it, the back end can do it or not.

// icvs are the lengths the back end can cut an algorithm to, in bits, the first unasked.
func (e *Engine) icvs(auth uint16) []uint16 {
	for _, a := range e.caps.Load().Algorithms {
		if a.Kind == kernel.AlgAuth && a.ID == auth && len(a.ICVs) > 0 {
			return a.ICVs
		}
	}
	return []uint16{doi.ICV(auth)}
}

// fit asks for the lengths of SAs in the back end's terms. The standard's is not refused
// where the back end has another one: two such ends understand each other, and the
// original knew nothing else. A peer is told off once.
func (e *Engine) fit(ops []kernel.Op, keys []ledgerKey) error {
	for _, op := range ops {
		if op.SA == nil || op.SA.Auth == nil || op.SA.Auth.Trunc == 0 {
			continue
		}
		k := op.SA.Auth
		can := e.icvs(k.ID)
		switch {
		case k.Trunc == can[0]:
			k.Trunc = 0
		case slices.Contains(can, k.Trunc):
		case k.Trunc == doi.ICV(k.ID):
			k.Trunc = 0
			e.warnCut(keys, op.SA.Key, can[0], doi.ICV(k.ID))
		default:
			return fmt.Errorf("the kernel back end cannot cut %s to %d bits, only to %d", isakmp.AuthAlgorithms.Name(uint32(k.ID)), k.Trunc, can[0])
		}
	}
	return nil
}

func (e *Engine) warnCut(keys []ledgerKey, k kernel.Key, does, standard uint16) {
	for _, known := range keys {
		if known.SAKey != saKey(k) {
			continue
		}
		if s, ok := e.registry.owner(known.SAKey); ok && !s.owner.cutSaid.Swap(true) {
			e.notify(notice.Notice{Event: notice.Finding, Reason: notice.Unsupported, Remote: s.owner.key.Block, Local: s.owner.path.Local, Peer: s.owner.path.Remote,
				Proto: k.Proto, Detail: fmt.Sprintf("the kernel back end cuts the ICV of its SAs to %d bits, the standard has %d: unless the peer cuts it too nothing will pass", does, standard)})
		}
	}
}
