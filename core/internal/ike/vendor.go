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

// saying is a vendor ID we say.
type saying struct {
	id    isakmp.VendorID
	wants func(r *policy.Remote) bool      // whether a section has us say it
	tail  func(isakmp.ExchangeType) []byte // what stands behind it
}

// sayings are the vendor IDs we say, in the order we say them, behind those of NAT
// traversal.
var sayings = []saying{
	{isakmp.VendorFragmentation, takesFragments, fragmentCapability},
	{isakmp.VendorDPD, func(r *policy.Remote) bool { return r.DPD }, nothingBehind},
}

func nothingBehind(isakmp.ExchangeType) []byte { return nil }

// emitVendorIDs says in our first message what we can do. A responder says only what
// the peer has said before (architecture 3.13), and what one of the sections it may
// be wants. To what the peer says only in message 3, as Cisco does with dead peer
// detection, the answer is in message 4.
func emitVendorIDs(x *exchange) (bodies [][]byte, err error) {
	heard := x.sa.heard
	switch {
	case x.pc <= 1:
		x.sa.said = 0
	case x.pc == 3:
		heard = x.p1.late
	default:
		return nil, nil
	}
	say := func(v saying) bool {
		if !slices.ContainsFunc(x.p1.remotes, v.wants) || x.role == responder && !heard.has(v.id) {
			return false
		}
		x.sa.said.add(v.id)
		bodies = append(bodies, append(v.id.Append(nil), v.tail(x.kind)...))
		return true
	}
	for _, v := range natVersions {
		if x.pc <= 1 && x.p.setup.NAT.Local != 0 && say(saying{v.id, traversesNAT, nothingBehind}) && x.role == responder {
			break // the best of those named is the answer
		}
	}
	for _, v := range sayings {
		say(v)
	}
	if x.pc <= 1 {
		x.sa.agreeNAT()
	}
	return bodies, nil
}

// hear notes what the peer says it can do, in any message. It comes before all other
// payloads: the numbers of some hang on it. Only the first message of each end
// counts for NAT traversal.
func (x *exchange) hear(ps []isakmp.Payload) {
	if x.pc <= 1 {
		x.sa.heard = 0
	}
	for _, p := range ps {
		v, tail := isakmp.ParseVendorID(p.Body)
		if p.Type != VID || v == isakmp.VendorFragmentation && !fragmentsIn(x.kind, tail) {
			continue
		}
		if x.pc > 1 && !x.sa.heard.has(v) {
			x.p1.late.add(v)
		}
		x.sa.heard.add(v)
	}
	if x.pc <= 1 {
		x.sa.agreeNAT()
	}
}

// agreed reports whether both ends have said that they can do something.
func (sa *ISAKMPSA) agreed(v isakmp.VendorID) bool { return sa.said.has(v) && sa.heard.has(v) }
