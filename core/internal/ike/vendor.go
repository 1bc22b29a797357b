package ike

import (
	"slices"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// vendors is a set of vendor IDs.
type vendors uint32

func (s vendors) has(v isakmp.VendorID) bool { return s&(1<<v) != 0 }

func (s *vendors) add(v isakmp.VendorID) { *s |= 1 << v }

// sayings are the vendor IDs we say, in the order we say them.
var sayings = []struct {
	id    isakmp.VendorID
	wants func(r *policy.Remote) bool      // whether a section has us say it
	tail  func(isakmp.ExchangeType) []byte // what stands behind it
}{
	{isakmp.VendorFragmentation, takesFragments, fragmentCapability},
	{isakmp.VendorDPD, func(r *policy.Remote) bool { return r.DPD }, nothingBehind},
}

func nothingBehind(isakmp.ExchangeType) []byte { return nil }

// emitVendorIDs says in our first message what we can do. A responder says only what
// the peer has said before (architecture 3.13), and what one of the sections it may
// be wants.
func emitVendorIDs(x *exchange) (bodies [][]byte, err error) {
	if x.pc > 1 {
		return nil, nil
	}
	x.sa.said = 0
	for _, v := range sayings {
		if !slices.ContainsFunc(x.p1.remotes, v.wants) || x.role == responder && !x.sa.heard.has(v.id) {
			continue
		}
		x.sa.said.add(v.id)
		bodies = append(bodies, append(v.id.Append(nil), v.tail(x.kind)...))
	}
	return bodies, nil
}

// takeVendorIDs notes what the peer says it can do, in any message.
func takeVendorIDs(x *exchange, bodies [][]byte) error {
	for _, b := range bodies {
		v, tail := isakmp.ParseVendorID(b)
		if v == isakmp.VendorFragmentation && !fragmentsIn(x.kind, tail) {
			continue
		}
		x.sa.heard.add(v)
	}
	return nil
}

// agreed reports whether both ends have said that they can do something.
func (sa *ISAKMPSA) agreed(v isakmp.VendorID) bool { return sa.said.has(v) && sa.heard.has(v) }
