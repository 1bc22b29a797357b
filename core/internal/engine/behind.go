package engine

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
)

// Several peers may be behind one NAT: one address, and nothing but the port to tell
// them apart.

// place enters where a peer has been found with a NAT in between.
func (r *registry) place(a *actor, addr netip.Addr) {
	a.at = addr.WithZone("")
	if r.natted[a.at] == nil {
		r.natted[a.at] = map[*actor]struct{}{}
	}
	r.natted[a.at][a] = struct{}{}
}

func (r *registry) unplace(a *actor) {
	if there := r.natted[a.at]; there != nil {
		if delete(there, a); len(there) == 0 {
			delete(r.natted, a.at)
		}
	}
}

// behind lists the peers that have been found at an address, where the section may have
// more than one there.
func (r *registry) behind(section *policy.Remote, addr netip.Addr) (all []*actor) {
	if section.Literal() {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for a := range r.natted[addr.WithZone("")] {
		if a.key.Block == section.Name && a.key.Local == section.LocalAddr {
			all = append(all, a)
		}
	}
	return all
}

// claim notes that an actor's peer is to have SAs for a policy, and returns another one
// at the same address that has them.
func (r *registry) claim(a *actor, policy spd.Key, addr netip.Addr) (rival *actor) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !a.at.IsValid() {
		return nil
	}
	if !slices.Contains(a.policies, policy) {
		a.policies = append(a.policies, policy)
	}
	for b := range r.natted[addr.WithZone("")] {
		if b != a && len(b.sas) > 0 && slices.Contains(b.policies, policy) {
			return b
		}
	}
	return nil
}

// shared decides what becomes of a policy for which two peers behind one NAT want SAs:
// the kernel cannot tell their traffic apart. With one identity they are taken for one
// peer that has begun again.
func (e *Engine) shared(a *actor, p spd.Policy, path ike.Path) error {
	b := e.registry.claim(a, p.Key, path.Remote.Addr())
	switch {
	case b == nil:
		return nil
	case b.key.ID == a.key.ID:
		e.notify(notice.Notice{Event: notice.Finding, Reason: notice.NoPolicy, Local: path.Local, Peer: path.Remote, Remote: a.key.Block,
			Detail: fmt.Sprintf("another peer with this identity behind the same NAT has SAs for %v: what is sent goes to this one", p.Key)})
		return nil
	}
	return &ike.NoPolicyError{Selector: policy.Selector{Local: p.Key.Src, Remote: p.Key.Dst, LocalPort: p.Key.SrcPort, RemotePort: p.Key.DstPort, Proto: p.Key.Proto},
		Closest: "another peer behind the same NAT has SAs for it, and the kernel could not tell their packets apart: give each a policy of its own", Taken: true}
}
