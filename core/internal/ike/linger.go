package ike

import (
	"slices"
	"time"
)

// Who ends everything says so in several messages, and the delete of the ISAKMP SA may
// overtake those of the IPsec SAs made under it. Nothing is said or negotiated under an
// ISAKMP SA that has ended, by whichever end; but as long as a message may be under way
// the peer's deletes are still read, if there are IPsec SAs, made or being made, that they
// can be about. Else we would send until their lifetime ends into SAs the peer does not have.
//
// Message 3 of a quick mode may have been overtaken too. A responder waits for it as long:
// else the initiator alone would have SAs.

// maxLingering bounds those that linger: as many as may end at a time.
const maxLingering = 2

// linger lets an ISAKMP SA that has ended be heard a little longer.
func (p *Peer) linger(sa *ISAKMPSA) {
	sa.endAt = p.now.Add(flight)
	p.lingering = append(p.lingering, sa)
}

// endLingering forgets the ISAKMP SAs under which nothing can matter any more.
func (p *Peer) endLingering() {
	for len(p.lingering) > 0 {
		sa := p.lingering[0]
		if len(p.lingering) <= maxLingering && len(p.pairs)+len(p.exchanges) > 0 && !due(sa.endAt, p.now) {
			return
		}
		p.lingering = slices.Delete(p.lingering, 0, 1)
		p.forget(sa.CkyI, sa.CkyR)
		sa.keys.Zero()
	}
}

// lingers has a quick mode wait for what may be under way, and say nothing.
func (x *exchange) lingers() {
	x.expires, x.resendAt = earliest(x.expires, x.p.now.Add(flight)), time.Time{}
}
