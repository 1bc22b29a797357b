package ike

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/racoon-ike/racoon/core/internal/doi"
	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/oakley"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// natVersion is what a version of NAT traversal has of its own.
type natVersion struct {
	id       isakmp.VendorID
	natd     isakmp.PayloadType
	natoa    isakmp.PayloadType // 0: there is none
	encap    doi.Encap
	floats   bool // IKE moves to the port of ESP in UDP
	ownFirst bool // the first NAT-D is of the sender's own address, not of the receiver's
	ownOA    bool // there is one NAT-OA, of the sender's own address
}

// natVersions are the versions we speak, best first: the order we name them in, and
// that of our choice.
var natVersions = []natVersion{
	{isakmp.VendorNATT, isakmp.PayloadNATD, isakmp.PayloadNATOA, doi.EncapRFC, true, false, false},
	{isakmp.VendorNATTApple, isakmp.PayloadNATD04, 0, doi.EncapRFC, true, true, false},
	{isakmp.VendorNATT08, isakmp.PayloadNATD04, isakmp.PayloadNATOA04, doi.EncapRFC, true, false, false},
	{isakmp.VendorNATT07, isakmp.PayloadNATD04, isakmp.PayloadNATOA04, doi.EncapRFC, true, false, false},
	{isakmp.VendorNATT06, isakmp.PayloadNATD04, isakmp.PayloadNATOA04, doi.EncapRFC, true, false, false},
	{isakmp.VendorNATT05, isakmp.PayloadNATD04, isakmp.PayloadNATOA04, doi.EncapRFC, true, false, false},
	{isakmp.VendorNATT04, isakmp.PayloadNATD04, isakmp.PayloadNATOA04, doi.EncapRFC, true, false, true},
	{isakmp.VendorNATT03, isakmp.PayloadNATDDraft, isakmp.PayloadNATOADraft, doi.EncapDraft, true, false, true},
	{isakmp.VendorNATT02, isakmp.PayloadNATDDraft, isakmp.PayloadNATOADraft, doi.EncapDraft, true, false, true},
	{isakmp.VendorNATT02n, isakmp.PayloadNATDDraft, isakmp.PayloadNATOADraft, doi.EncapDraft, true, false, true},
	{isakmp.VendorNATT01, isakmp.PayloadNATDDraft, isakmp.PayloadNATOADraft, doi.EncapDraft, false, false, true},
	{isakmp.VendorNATT00, isakmp.PayloadNATDDraft, isakmp.PayloadNATOADraft, doi.EncapDraft, false, false, true},
}

// wire is the number that the payload types NATD and NATOA of the scripts have in
// this version. All others are the same in all.
func (v *natVersion) wire(t isakmp.PayloadType) isakmp.PayloadType {
	switch {
	case v == nil:
	case t == NATD:
		return v.natd
	case t == NATOA:
		return v.natoa
	}
	return t
}

// meaning is the inverse of wire. What another version calls NAT-D or NAT-OA means
// nothing.
func (v *natVersion) meaning(t isakmp.PayloadType) isakmp.PayloadType {
	switch {
	case v != nil && t == v.natd:
		return NATD
	case v != nil && t == v.natoa:
		return NATOA
	case t == NATD, t == NATOA:
		return isakmp.PayloadNone
	}
	return t
}

// nat is what phase 1 finds between the two ends (RFC 3947 section 3).
type nat struct {
	version  *natVersion // agreed on; nil: NAT traversal is not spoken
	us, peer bool        // who is behind a NAT
}

func (n nat) found() bool { return n.us || n.peer }

// ends names those behind a NAT, "" if NAT traversal is not spoken.
func (n nat) ends() string {
	switch {
	case n.version == nil:
		return ""
	case n.us && n.peer:
		return "both"
	case n.us:
		return "local"
	case n.peer:
		return "remote"
	}
	return "none"
}

// String says who is behind a NAT, and what is spoken.
func (n nat) String() string {
	return map[bool]string{true: "we are behind it", false: "we are not behind it"}[n.us] +
		map[bool]string{true: ", the peer is", false: ", the peer is not"}[n.peer] + ", " + n.version.id.String()
}

// NATPorts are the UDP ports IKE moves to where there is a NAT (RFC 3947 section 4):
// ours, 0 where there is no socket for it and NAT traversal is not spoken, and the
// port an initiator expects the peer at.
type NATPorts struct{ Local, Remote uint16 }

// traversesNAT reports whether a section has NAT traversal offered.
func traversesNAT(r *policy.Remote) bool { return r.NATTraversal != policy.Off }

// agreeNAT picks the best version both ends have named.
func (sa *ISAKMPSA) agreeNAT() {
	sa.nat = nat{}
	for i, v := range natVersions {
		if sa.agreed(v.id) {
			sa.nat.version = &natVersions[i]
			return
		}
	}
}

// forcesNAT reports whether we pretend that there is a NAT.
func (x *exchange) forcesNAT() bool {
	return slices.ContainsFunc(x.p1.remotes, func(r *policy.Remote) bool { return r.NATTraversal == policy.Force })
}

// natHash is the body of a NAT-D payload (RFC 3947 section 3.2).
func (x *exchange) natHash(a netip.AddrPort) []byte {
	hash, _, _ := x.p1.suite()
	return hash.Sum(x.sa.CkyI[:], x.sa.CkyR[:], a.Addr().AsSlice(), binary.BigEndian.AppendUint16(nil, a.Port()))
}

// emitNATD says from where to where we believe to send. To force a NAT it says of
// both ends what cannot be true.
func emitNATD(x *exchange) ([][]byte, error) {
	v := x.sa.nat.version
	if v == nil {
		return nil, nil
	}
	to, from := x.path.Remote, x.path.Local
	if x.forcesNAT() {
		to, from = nowhere(to), nowhere(from)
	}
	bodies := [][]byte{x.natHash(to), x.natHash(from)}
	if v.ownFirst {
		slices.Reverse(bodies)
	}
	return bodies, nil
}

// nowhere is the unspecified address with the same port.
func nowhere(a netip.AddrPort) netip.AddrPort {
	if a.Addr().Is4() {
		return netip.AddrPortFrom(netip.IPv4Unspecified(), a.Port())
	}
	return netip.AddrPortFrom(netip.IPv6Unspecified(), a.Port())
}

// takeNATD compares what the peer believes with what we see: one payload is of our
// address, the others are of those the peer may be sending from. Nothing
// authenticates them: a forger can have ESP wrapped in UDP for nothing, or not
// wrapped where it should be.
func takeNATD(x *exchange, bodies [][]byte) error {
	n := &x.sa.nat
	n.us, n.peer = false, false
	switch {
	case n.version == nil || len(bodies) == 0:
		return nil
	case len(bodies) == 1:
		return dropf(notice.MissingPayload, "there is one NAT-D payload, which tells only of one end")
	case x.forcesNAT():
		n.us, n.peer = true, true
		return nil
	}
	ours, theirs := bodies[:1], bodies[1:]
	if n.version.ownFirst {
		last := len(bodies) - 1
		ours, theirs = bodies[last:], bodies[:last]
	}
	n.us = !holds(ours, x.natHash(x.from.Local))
	n.peer = !holds(theirs, x.natHash(x.from.Remote))
	return nil
}

func holds(hashes [][]byte, h []byte) bool {
	return slices.ContainsFunc(hashes, func(b []byte) bool { return oakley.Equal(b, h) })
}

// float moves an initiator to the ports of NAT traversal, with the first message
// behind that which has shown the NAT (RFC 3947 section 4).
func float(x *exchange) error {
	n, ports := x.sa.nat, x.p.setup.NAT
	if x.role == initiator && n.found() && n.version.floats && x.path.Local.Port() != ports.Local {
		x.path = Path{netip.AddrPortFrom(x.path.Local.Addr(), ports.Local), netip.AddrPortFrom(x.path.Remote.Addr(), ports.Remote)}
	}
	return nil
}

// deriveAndFloat is what comes before the last message of aggressive mode.
func deriveAndFloat(x *exchange) error {
	if err := deriveKeys(x); err != nil {
		return err
	}
	return float(x)
}

// passesNAT refuses IPsec SAs that would not get through: the first two drafts keep
// port 500 and put a marker in front of ESP that no kernel knows any more.
func (x *exchange) passesNAT() error {
	if n := x.sa.nat; n.found() && !n.version.floats {
		return failf(notice.Unsupported, "there is a NAT, and the peer speaks only %v, which has ESP on port 500", n.version.id)
	}
	return nil
}

// encap is how the SAs of a quick mode are wrapped.
func (sa *ISAKMPSA) encap() doi.Encap {
	if !sa.nat.found() {
		return doi.EncapNone
	}
	return sa.nat.version.encap
}
