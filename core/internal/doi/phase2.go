package doi

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/oakley"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
)

// Suite is what one SA of a quick mode is to be.
type Suite struct {
	Proto   uint8 // IP protocol: 50 ESP, 51 AH
	Mode    spd.Mode
	Encr    uint16 // ESP transform; 0 for AH
	KeyBits uint16 // as negotiated, 0 = the attribute was absent
	Auth    uint16 // 0 = none or AEAD
	PeerSPI uint32
}

// IPsecChoice is what both sides agreed on: a Suite for each template, in the
// templates' order.
type IPsecChoice struct {
	Suites   []Suite
	Group    uint16 // PFS, 0 = none
	Lifetime time.Duration
	Claim    bool // our shorter lifetime applies: the peer is told by RESPONDER-LIFETIME
	answer   []isakmp.Proposal
	tmpl     []int // template of each proposal of answer
}

// protocols maps IP protocols to the DOI's (RFC 2407 section 4.4.1).
var protocols = map[uint8]isakmp.Protocol{50: isakmp.ProtoESP, 51: isakmp.ProtoAH, 108: isakmp.ProtoIPComp}

// Encapsulation modes (RFC 2407 section 4.5).
var encapModes = map[spd.Mode]uint16{spd.Tunnel: 1, spd.Transport: 2}

// OfferIPsec builds the SA payload of quick mode's first message: one proposal
// with a protocol for each template, outermost first, and a transform for each
// pair of algorithms the sainfo allows. spis are ours, one for each template.
func OfferIPsec(tmpls []spd.Template, s *policy.SAInfo, spis []uint32) (isakmp.SA, error) {
	sa := isakmp.SA{DOI: isakmp.DOIIPsec, Situation: isakmp.SituationIdentityOnly}
	for i, t := range slices.Backward(tmpls) {
		ts := transforms(t, s)
		if len(ts) == 0 {
			return sa, fmt.Errorf("sainfo at %s:%d allows no algorithm for IP protocol %d", s.Where.File, s.Where.Line, t.Proto)
		}
		sa.Proposals = append(sa.Proposals, isakmp.Proposal{Number: 1, Protocol: protocols[t.Proto],
			SPI: binary.BigEndian.AppendUint32(nil, spis[i]), Transforms: ts})
	}
	return sa, nil
}

// transforms lists what the sainfo allows for one template, in its order:
// encryption outermost (racoon.conf(5), sainfo).
func transforms(t spd.Template, s *policy.SAInfo) (ts []isakmp.Transform) {
	add := func(id uint8, keyBits, auth uint16) {
		a := []isakmp.Attribute{
			isakmp.TV(isakmp.SAAttrLifeType, lifeSeconds),
			isakmp.UintAttr(isakmp.SAAttrLifeDuration, uint32(s.Lifetime/time.Second)),
			isakmp.TV(isakmp.SAAttrEncapMode, encapModes[t.Mode]),
		}
		if keyBits != 0 {
			a = append(a, isakmp.TV(isakmp.SAAttrKeyLength, keyBits))
		}
		if auth != 0 {
			a = append(a, isakmp.TV(isakmp.SAAttrAuth, auth))
		}
		if s.PFSGroup != 0 {
			a = append(a, isakmp.TV(isakmp.SAAttrGroup, s.PFSGroup))
		}
		ts = append(ts, isakmp.Transform{Number: uint8(len(ts) + 1), ID: id, Attrs: a})
	}
	for _, pair := range algorithms(t.Proto, s) {
		if len(ts) == 255 {
			break // transform numbers are octets
		}
		id := uint8(pair.encr.ID)
		if t.Proto == 51 {
			id = ahTransform[pair.auth]
		}
		add(id, pair.encr.KeyBits, pair.auth)
	}
	return ts
}

type algPair struct {
	encr policy.Algorithm
	auth uint16
}

// algorithms is the cross product of the sainfo's lists for one protocol, without
// the pairs that protect nothing or authenticate twice.
func algorithms(proto uint8, s *policy.SAInfo) (pairs []algPair) {
	switch proto {
	case 51:
		for _, a := range s.Auth {
			if _, ok := ahTransform[a.ID]; ok {
				pairs = append(pairs, algPair{auth: a.ID})
			}
		}
	case 50:
		for _, e := range s.Encryption {
			if AEAD(e.ID) {
				pairs = append(pairs, algPair{encr: e})
				continue
			}
			for _, a := range s.Auth {
				if a.ID != 0 { // ESP without authentication is never negotiated
					pairs = append(pairs, algPair{e, a.ID})
				}
			}
		}
	}
	return pairs
}

// ChooseIPsec picks from the peer's offer the first proposal, and in it the first
// transforms, that the templates and the sainfo accept.
func ChooseIPsec(offer isakmp.SA, tmpls []spd.Template, s *policy.SAInfo, check policy.Check) (IPsecChoice, error) {
	var near closest
	for rest := offer.Proposals; len(rest) > 0; {
		n := 1 // proposals with one number belong together (RFC 2408 section 4.2)
		for n < len(rest) && rest[n].Number == rest[0].Number {
			n++
		}
		if c, ok := chooseGroup(rest[:n], tmpls, s, check, &near); ok {
			return c, nil
		}
		rest = rest[n:]
	}
	m := near.err("IPsec proposal")
	if m.Where == "" {
		m.Where = fmt.Sprintf("sainfo at %s:%d", s.Where.File, s.Where.Line)
	}
	return IPsecChoice{}, m
}

// CheckIPsec decides whether answer is one of the alternatives we offered.
func CheckIPsec(answer isakmp.SA, tmpls []spd.Template, s *policy.SAInfo, check policy.Check) (IPsecChoice, error) {
	for _, p := range answer.Proposals {
		if len(p.Transforms) != 1 || p.Number != answer.Proposals[0].Number {
			return IPsecChoice{}, &Mismatch{What: "IPsec answer", Field: "number of transforms",
				Theirs: fmt.Sprint(countTransforms(answer)), Ours: "1 for each protocol"}
		}
	}
	c, err := ChooseIPsec(answer, tmpls, s, check)
	if err != nil {
		err.(*Mismatch).What = "IPsec answer"
	}
	return c, err
}

// chooseGroup tries to serve every template from the proposals of one number.
func chooseGroup(props []isakmp.Proposal, tmpls []spd.Template, s *policy.SAInfo, check policy.Check, near *closest) (IPsecChoice, bool) {
	c := IPsecChoice{Suites: make([]Suite, len(tmpls)), Lifetime: s.Lifetime}
	if len(props) != len(tmpls) {
		near.note(0, &Mismatch{Field: "number of protocols", Theirs: fmt.Sprint(len(props)), Ours: fmt.Sprint(len(tmpls))})
		return c, false
	}
	taken := make([]bool, len(tmpls))
	for pi, p := range props {
		ti := slices.IndexFunc(tmpls, func(t spd.Template) bool { return protocols[t.Proto] == p.Protocol })
		for ti >= 0 && ti < len(tmpls) && (taken[ti] || protocols[tmpls[ti].Proto] != p.Protocol) {
			ti++
		}
		if ti < 0 || ti >= len(tmpls) || len(p.SPI) != 4 {
			near.note(0, &Mismatch{Field: "protocol", Theirs: p.Protocol.String(), Ours: fmt.Sprintf("IP protocol %d", tmpls[min(pi, len(tmpls)-1)].Proto)})
			return c, false
		}
		taken[ti] = true
		if !c.choose(p, ti, tmpls[ti], s, check, pi == 0, near) {
			return c, false
		}
	}
	return c, true
}

// choose picks a transform of p for template ti and records it.
func (c *IPsecChoice) choose(p isakmp.Proposal, ti int, t spd.Template, s *policy.SAInfo, check policy.Check, first bool, near *closest) bool {
	spi := binary.BigEndian.Uint32(p.SPI)
	if spi < 256 { // RFC 4303 section 2.1: 0-255 are reserved
		near.note(0, &Mismatch{Field: "SPI", Theirs: fmt.Sprint(spi), Ours: "256 or more"})
		return false
	}
	for _, tr := range p.Transforms {
		theirs, err := parsePhase2(p.Protocol, tr)
		if err != nil {
			near.note(0, &Mismatch{Field: "transform", Theirs: err.Error(), Ours: "well-formed"})
			continue
		}
		depth, m := diffPhase2(theirs, t, s, check)
		if m == nil && !first && theirs.group != c.Group {
			m = &Mismatch{Field: "PFS group", Theirs: "different ones in one proposal", Ours: "one"}
		}
		if m != nil {
			near.note(depth, m)
			continue
		}
		if check == policy.Obey || theirs.lifetime <= s.Lifetime {
			c.Lifetime = theirs.lifetime
		} else {
			c.Lifetime, c.Claim = s.Lifetime, true
		}
		c.Group = theirs.group
		c.Suites[ti] = Suite{Proto: t.Proto, Mode: t.Mode, Encr: theirs.encr, KeyBits: theirs.keyBits, Auth: theirs.auth, PeerSPI: spi}
		p.Transforms = []isakmp.Transform{tr}
		c.answer = append(c.answer, p)
		c.tmpl = append(c.tmpl, ti)
		return true
	}
	return false
}

// Answer is the SA payload of quick mode's second message: the chosen transforms,
// octet for octet, under our SPIs (one for each template).
func (c IPsecChoice) Answer(offer isakmp.SA, spis []uint32) isakmp.SA {
	sa := isakmp.SA{DOI: offer.DOI, Situation: offer.Situation}
	for i, p := range c.answer {
		p.SPI = binary.BigEndian.AppendUint32(nil, spis[c.tmpl[i]])
		sa.Proposals = append(sa.Proposals, p)
	}
	return sa
}

// phase2Attrs are the attributes of an ESP or AH transform.
type phase2Attrs struct {
	encr, keyBits, auth uint16
	mode                uint16
	group               uint16
	lifetime            time.Duration
}

func parsePhase2(proto isakmp.Protocol, t isakmp.Transform) (phase2Attrs, error) {
	p := phase2Attrs{lifetime: policy.DefaultLifetime} // RFC 2407 section 4.5: 28800 s
	lifeType := uint64(0)
	for _, a := range t.Attrs {
		v, ok := a.Uint()
		if !ok {
			return p, fmt.Errorf("attribute %d has no number for a value", a.Type)
		}
		switch a.Type {
		case isakmp.SAAttrLifeType:
			lifeType = v
		case isakmp.SAAttrLifeDuration:
			if v == 0 {
				return p, fmt.Errorf("life duration 0")
			}
			if lifeType == lifeSeconds {
				p.lifetime = seconds(v)
			}
		case isakmp.SAAttrGroup:
			p.group = uint16(v)
		case isakmp.SAAttrEncapMode:
			p.mode = uint16(v)
		case isakmp.SAAttrAuth:
			p.auth = uint16(v)
		case isakmp.SAAttrKeyLength:
			p.keyBits = uint16(v)
		default:
			return p, fmt.Errorf("attribute %d is not supported", a.Type)
		}
	}
	switch proto {
	case isakmp.ProtoESP:
		p.encr = uint16(t.ID)
	case isakmp.ProtoAH:
		if want, ok := ahTransform[p.auth]; !ok || want != t.ID {
			return p, fmt.Errorf("AH transform %d with authentication algorithm %d", t.ID, p.auth)
		}
	default:
		return p, fmt.Errorf("protocol %v is not supported", proto)
	}
	return p, nil
}

// diffPhase2 returns the first difference that matters and how many fields agreed
// before it (racoon.conf(5), proposal_check).
func diffPhase2(theirs phase2Attrs, t spd.Template, s *policy.SAInfo, check policy.Check) (int, *Mismatch) {
	differ := func(field string, t, o any) *Mismatch {
		return &Mismatch{Field: field, Theirs: fmt.Sprint(t), Ours: fmt.Sprint(o)}
	}
	if theirs.mode != encapModes[t.Mode] {
		return 1, differ("encapsulation mode", modeName(theirs.mode), modeName(encapModes[t.Mode]))
	}
	if depth, m := diffAlgorithms(theirs, algorithms(t.Proto, s), check); m != nil {
		return depth, m
	}
	if s.PFSGroup != 0 && theirs.group != s.PFSGroup && check != policy.Obey || check == policy.Exact && theirs.group != s.PFSGroup {
		return 4, differ("PFS group", groupName(theirs.group), groupName(s.PFSGroup))
	}
	if g := oakley.Group(theirs.group); theirs.group != 0 && !g.Supported() {
		return 4, differ("PFS group", g, "a supported one")
	}
	if theirs.lifetime > s.Lifetime && check == policy.Strict || theirs.lifetime != s.Lifetime && check == policy.Exact {
		m := differ("lifetime", theirs.lifetime, fmt.Sprintf("%v with proposal_check %v", s.Lifetime, check))
		m.Lifetime = true
		return 5, m
	}
	return 6, nil
}

// diffAlgorithms looks for a pair of ours that equals the peer's.
func diffAlgorithms(theirs phase2Attrs, pairs []algPair, check policy.Check) (depth int, m *Mismatch) {
	for _, ours := range pairs {
		bits := ours.encr.KeyBits
		switch {
		case theirs.encr != ours.encr.ID:
			if depth < 2 {
				depth, m = 2, &Mismatch{Field: "encryption algorithm", Theirs: EncrName(theirs.encr, theirs.keyBits), Ours: EncrName(ours.encr.ID, bits)}
			}
		case theirs.keyBits != bits && (check == policy.Exact || check != policy.Obey && theirs.keyBits < bits):
			depth, m = 3, &Mismatch{Field: "key length", Theirs: fmt.Sprint(theirs.keyBits), Ours: fmt.Sprint(bits)}
		case theirs.auth != ours.auth:
			depth, m = 3, &Mismatch{Field: "authentication algorithm", Theirs: AuthName(theirs.auth), Ours: AuthName(ours.auth)}
		default:
			if _, err := EncrKeyOctets(theirs.encr, theirs.keyBits); theirs.encr != 0 && err != nil {
				depth, m = 3, &Mismatch{Field: "key length", Theirs: err.Error(), Ours: fmt.Sprint(bits)}
				continue
			}
			return 4, nil
		}
	}
	if m == nil {
		m = &Mismatch{Field: "algorithms", Theirs: "any", Ours: "none configured"}
	}
	return depth, m
}

func modeName(m uint16) string {
	switch m {
	case 1:
		return "tunnel"
	case 2:
		return "transport"
	case 3, 61443:
		return "udp-tunnel"
	case 4, 61444:
		return "udp-transport"
	}
	return fmt.Sprintf("mode %d", m)
}

func groupName(g uint16) string {
	if g == 0 {
		return "none"
	}
	return oakley.Group(g).String()
}
