package doi

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
)

// Suite is what one SA of a quick mode is to be.
type Suite struct {
	Proto   uint8 // IP protocol: 50 ESP, 51 AH, 108 IPComp
	Mode    spd.Mode
	Encr    uint16 // ESP transform, else 0
	KeyBits uint16 // 0 for AH and for ciphers without a choice
	Auth    uint16 // 0 = AEAD, IPComp
	Comp    uint16 // IPComp transform, else 0
	ESN     bool   // sequence numbers of 64 bits
	PeerSPI uint32 // of IPComp its CPI
}

// IPsecChoice is what both sides agreed on: a Suite for each template, in the
// templates' order.
type IPsecChoice struct {
	Suites    []Suite
	Templates []spd.Template // what was asked for, or generated
	Group     uint16         // PFS, 0 = none
	Life      Life
	Claim     bool // our shorter lifetime applies: the peer is told by RESPONDER-LIFETIME
	answer    []isakmp.Proposal
	tmpl      []int // template of each proposal of answer
}

// IP protocols of templates.
const (
	ipESP  = 50
	ipAH   = 51
	ipComp = 108
)

// protocols maps IP protocols to the DOI's (RFC 2407 section 4.4.1).
var protocols = map[uint8]isakmp.Protocol{ipESP: isakmp.ProtoESP, ipAH: isakmp.ProtoAH, ipComp: isakmp.ProtoIPComp}

// Encap is how SAs are wrapped in UDP to pass a NAT: the version of NAT traversal
// decides how that is said.
type Encap uint8

// Values of Encap.
const (
	EncapNone  Encap = iota
	EncapDraft       // draft-ietf-ipsec-nat-t-ike-00 to -03
	EncapRFC         // RFC 3947 section 5.1, and the later drafts
)

var encapModes = map[Encap]map[spd.Mode]uint16{
	EncapNone:  {spd.Tunnel: isakmp.EncapTunnel, spd.Transport: isakmp.EncapTransport},
	EncapDraft: {spd.Tunnel: isakmp.EncapUDPTunnelDraft, spd.Transport: isakmp.EncapUDPTransportDraft},
	EncapRFC:   {spd.Tunnel: isakmp.EncapUDPTunnel, spd.Transport: isakmp.EncapUDPTransport},
}

// OffersTransport reports whether the first transform of an offer wants transport
// mode, in UDP or not.
func OffersTransport(offer isakmp.SA) bool {
	for _, p := range offer.Proposals {
		for _, t := range p.Transforms {
			a, err := phase2Classes.read(t.Attrs)
			mode := a.value[isakmp.SAAttrEncapMode]
			return err == nil && (mode == isakmp.EncapTransport || mode == isakmp.EncapUDPTransport || mode == isakmp.EncapUDPTransportDraft)
		}
	}
	return false
}

// ahThroughNAT: RFC 3947 section 5.1 has no mode for it.
const ahThroughNAT = "AH covers the addresses of a packet and cannot pass a NAT"

// Side is what one of the two ends, we, brings into a quick mode.
type Side struct {
	Templates []spd.Template // the SAs our policy asks for, outermost last
	SAInfo    *policy.SAInfo
	Check     policy.Check // how far the peer's values may differ from ours; OfferIPsec needs none
	Encap     Encap
	OneMode   bool // complex_bundle off: on the wire a bundle with one tunnel is all tunnel
	Generate  bool // there are no templates: the peer's offer says which there are to be
}

// mode is the encapsulation mode one SA is negotiated in, 0: there is none.
func (s Side) mode(t spd.Template) uint16 {
	if s.OneMode && slices.ContainsFunc(s.Templates, func(o spd.Template) bool { return o.Mode == spd.Tunnel }) {
		return encapModes[s.Encap][spd.Tunnel]
	}
	return encapModes[s.Encap][t.Mode]
}

// OfferIPsec builds the SA payload of quick mode's first message: one proposal
// with a protocol for each template, outermost first, and a transform for each
// pair of algorithms the sainfo allows. spis are ours, one for each template. The
// error says what of the policy or the sainfo cannot be offered.
func OfferIPsec(our Side, spis []uint32) (isakmp.SA, error) {
	tmpls, s := our.Templates, our.SAInfo
	sa := isakmp.SA{DOI: isakmp.DOIIPsec, Situation: isakmp.SituationIdentityOnly}
	if n := len(tmpls); n == 0 || n > isakmp.MaxProposals || n != len(spis) {
		return sa, fmt.Errorf("an offer of %d SAs with %d SPIs: want an SPI for each, 1 to %d SAs", n, len(spis), isakmp.MaxProposals)
	}
	for i, t := range slices.Backward(tmpls) {
		ts, err := transforms(t, our)
		if err != nil {
			return sa, fmt.Errorf("%s: %w", sainfo(s), err)
		}
		sa.Proposals = append(sa.Proposals, isakmp.Proposal{Number: 1, Protocol: protocols[t.Proto],
			SPI: protocols[t.Proto].AppendSPI(nil, spis[i]), Transforms: ts})
	}
	return sa, nil
}

// transforms lists what the sainfo allows for one template, in its order.
func transforms(t spd.Template, our Side) ([]isakmp.Transform, error) {
	s, mode := our.SAInfo, our.mode(t)
	allowed, err := suites(t.Proto, s)
	switch {
	case err != nil:
		return nil, err
	case mode == 0:
		return nil, fmt.Errorf("mode %d of an SA is neither tunnel nor transport", t.Mode)
	case t.Proto == ipAH && our.Encap != EncapNone:
		return nil, errors.New(ahThroughNAT)
	case len(allowed) == 0:
		return nil, fmt.Errorf("no algorithms for %v: ESP needs an encryption and, but for AES-GCM, an authentication algorithm, AH an authentication algorithm, IPComp a compression algorithm",
			protocols[t.Proto])
	case len(allowed) > isakmp.MaxTransforms:
		return nil, fmt.Errorf("%d combinations of algorithms for %v, an offer has room for %d", len(allowed), protocols[t.Proto], isakmp.MaxTransforms)
	}
	ts := make([]isakmp.Transform, len(allowed))
	for i, one := range allowed {
		a := phase2Classes.lifetime(lifeOf(s))
		a = present(a, isakmp.SAAttrEncapMode, mode)
		a = present(a, isakmp.SAAttrKeyLength, one.KeyBits)
		a = present(a, isakmp.SAAttrAuth, one.Auth)
		a = present(a, isakmp.SAAttrGroup, s.PFSGroup)
		a = present(a, isakmp.SAAttrESN, one.esn())
		ts[i] = isakmp.Transform{Number: uint8(i + 1), ID: one.transform(), Attrs: a}
	}
	return ts, nil
}

// esn is the value of the attribute for it, 0: it is absent (RFC 4304 section 2).
func (s Suite) esn() uint16 {
	if s.ESN {
		return isakmp.ESNExtended
	}
	return 0
}

// transform is the identifier of the suite's transform (RFC 2407 section 4.4).
func (s Suite) transform() uint8 {
	switch s.Proto {
	case ipAH:
		return auths[s.Auth]
	case ipComp:
		return uint8(s.Comp)
	}
	return uint8(s.Encr)
}

func sainfo(s *policy.SAInfo) string { return fmt.Sprintf("sainfo %s:%d", s.Where.File, s.Where.Line) }

// Answer is the SA payload of quick mode's second message: the chosen transforms,
// octet for octet, under our SPIs (one for each template).
func (c IPsecChoice) Answer(offer isakmp.SA, spis []uint32) isakmp.SA {
	sa := isakmp.SA{DOI: offer.DOI, Situation: offer.Situation}
	for i, p := range c.answer {
		spi := binary.BigEndian.AppendUint32(nil, spis[c.tmpl[i]])
		p.SPI = spi[4-len(p.SPI):] // a CPI in as many octets as the peer writes its own
		sa.Proposals = append(sa.Proposals, p)
	}
	return sa
}
