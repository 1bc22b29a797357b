package ike

import (
	"net/netip"
	"slices"
	"time"

	"github.com/racoon-ike/racoon/core/internal/spd"
)

// Between two attempts to have SAs that are to be kept up.
const (
	minBackOff = time.Second
	maxBackOff = 5 * time.Minute
)

// kept is traffic whose SAs are to be there without anybody asking for them.
type kept struct {
	policy        spd.Pair
	local, remote netip.Addr
	once          bool // until they are there, else for as long as KeepUp names it

	tried bool          // wait counts
	wait  time.Duration // before the next attempt
	at    time.Time     // of the next attempt, zero while the SAs are there or being made
	since time.Time     // when the SAs came
}

func (k *kept) traffic() traffic { return traffic{k.policy.Out.Key, k.local, k.remote} }

// keepUp takes the list of what is to be kept up. What has been on it goes on with
// its own back-off.
func (p *Peer) keepUp(ev KeepUp) {
	var list []*kept
	for _, w := range ev.SAs {
		k := &kept{policy: w.Pair, local: w.Src, remote: w.Dst}
		if i := p.keeps(k.traffic()); i >= 0 {
			p.kept[i].policy, p.kept[i].once, k = w.Pair, false, p.kept[i]
		}
		list = append(list, k)
	}
	for _, k := range p.kept {
		if k.once {
			list = append(list, k)
		}
	}
	p.kept = list
}

// bringBack has the SAs of a pair that was lost made again, until it succeeds.
func (p *Peer) bringBack(q *pair) {
	if p.keeps(q.traffic()) < 0 {
		p.kept = append(p.kept, &kept{policy: q.policy, local: q.local, remote: q.remote, once: true, tried: true, wait: minBackOff})
	}
}

// keeps finds traffic that is kept up, or returns -1.
func (p *Peer) keeps(t traffic) int {
	return slices.IndexFunc(p.kept, func(k *kept) bool { return k.traffic() == t })
}

// tendKept asks for what is to be there and is not.
func (p *Peer) tendKept() {
	if p.closing {
		p.kept = nil
	}
	for _, k := range slices.Clone(p.kept) {
		switch {
		case len(p.pairsFor(k.traffic())) > 0:
			k.up(p.now)
			if k.once {
				p.kept = slices.DeleteFunc(p.kept, func(o *kept) bool { return o == k })
			}
		case p.underWay(k.traffic()) || !p.mayBegin():
			k.at = time.Time{}
		default:
			p.tryAgain(k)
		}
	}
}

// tryAgain asks for SAs that are missing, when it is time.
func (p *Peer) tryAgain(k *kept) {
	if k.at.IsZero() {
		k.at = p.now.Add(k.backOff(p.now, p.randomByte))
	}
	if due(k.at, p.now) {
		k.at = time.Time{}
		p.want(&want{policy: k.policy, local: k.local, remote: k.remote})
	}
}

// up notes that the SAs are there.
func (k *kept) up(now time.Time) {
	if k.at = (time.Time{}); k.since.IsZero() {
		k.since = now
	}
}

// backOff is how long to wait for the next attempt: nothing at first, then a second,
// and twice as long each time up to five minutes, half of it by chance. SAs that have
// stayed that long begin again with a second: a peer that takes them down as soon as
// they are up is not asked at full speed.
func (k *kept) backOff(now time.Time, chance func() byte) time.Duration {
	if !k.since.IsZero() && now.Sub(k.since) >= maxBackOff {
		k.wait = minBackOff
	}
	k.since = time.Time{}
	if !k.tried {
		k.tried, k.wait = true, minBackOff
		return 0
	}
	wait := k.wait
	k.wait = min(2*wait, maxBackOff)
	return wait/2 + wait/2*time.Duration(chance())/255
}

// underWay reports whether SAs for a traffic are wanted or being negotiated.
func (p *Peer) underWay(t traffic) bool {
	return slices.ContainsFunc(p.wants, func(w *want) bool { return !w.isakmp && w.traffic() == t }) ||
		slices.ContainsFunc(p.exchanges, func(x *exchange) bool { return x.qm != nil && !x.over && x.qm.traffic() == t })
}
