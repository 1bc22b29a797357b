package engine

import (
	"net/netip"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/spd"
)

// keepUpDelay lets a burst of changes of the SPD end: setkey installs a file line by
// line.
const keepUpDelay = 100 * time.Millisecond

// refreshKept has the policies compared soon with what is to be kept up.
func (e *Engine) refreshKept() {
	select {
	case e.keeping <- struct{}{}:
	default:
	}
}

// followKept tells the machines which SAs are to be there without anybody asking:
// those of all outbound policies to a peer whose section says so.
func (e *Engine) followKept() {
	told := map[ike.PeerKey]destination{}
	for {
		select {
		case <-e.ctx.Done():
			return
		case <-e.keeping:
		}
		select {
		case <-e.ctx.Done():
			return
		case <-time.After(keepUpDelay):
		}
		told = e.tellKept(told)
	}
}

// tellKept tells every machine its list, and those of before that have none an empty
// one. It returns those that have one.
func (e *Engine) tellKept(before map[ike.PeerKey]destination) map[ike.PeerKey]destination {
	lists, where := map[ike.PeerKey]ike.KeepUp{}, map[ike.PeerKey]destination{}
	if !e.closing.Load() && e.config.Load().keepsUp {
		for _, p := range e.pairs(netip.Addr{}, netip.Addr{}) {
			src, dst, ok := p.Out.EndPoints()
			if !ok {
				src, dst = p.Out.Key.Src.Addr(), p.Out.Key.Dst.Addr()
			}
			d, err := e.destination(src, dst, "")
			if err != nil || !d.remote.KeepUp {
				continue
			}
			k := ike.PeerKeyFor(d.remote, d.path.Remote)
			list := lists[k]
			list.SAs = append(list.SAs, ike.Wanted{Pair: p, Src: d.src, Dst: d.dst})
			lists[k], where[k] = list, d
		}
	}
	for k, list := range lists {
		e.tell(where[k], list)
	}
	for k := range before {
		if _, still := lists[k]; still {
			continue
		}
		if a := e.registry.peer(k, nil); a != nil {
			a.post(mail{ev: ike.KeepUp{}})
		}
	}
	return where
}

// pairs lists the outbound policies whose SAs run from local to remote, either of
// which may be left out, with those that mirror them.
func (e *Engine) pairs(local, remote netip.Addr) []spd.Pair {
	e.spdMu.RLock()
	defer e.spdMu.RUnlock()
	var all []spd.Pair
	for _, out := range e.spd.Between(local, remote) {
		if pair := e.pairOf(out); !pair.Generated { // those the peer keeps up
			all = append(all, pair)
		}
	}
	return all
}
