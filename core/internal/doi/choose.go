package doi

import (
	"fmt"
	"slices"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/oakley"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
)

// ChooseIPsec picks from the peer's offer the first proposal, and in it the first
// transforms, that the templates and the sainfo accept.
func ChooseIPsec(offer isakmp.SA, our Side) (IPsecChoice, error) {
	m := match{Side: our}
	for _, b := range bundles(offer.Proposals) {
		if c, ok := m.bundle(b); ok {
			return c, nil
		}
	}
	return IPsecChoice{}, m.near.err("IPsec proposal")
}

// CheckIPsec decides whether answer is one of the alternatives we offered. Its
// lifetime may differ as far as proposal_check allows, its key be longer; not so
// the PFS group, since our public value of it has been sent.
func CheckIPsec(answer isakmp.SA, our Side) (IPsecChoice, error) {
	m := match{Side: our, initiator: true}
	b := bundles(answer.Proposals)
	if len(b) != 1 || slices.ContainsFunc(answer.Proposals, func(p isakmp.Proposal) bool { return len(p.Transforms) != 1 }) {
		return IPsecChoice{}, &Mismatch{What: "IPsec answer", Offer: "it", Why: "there is not exactly one transform for each protocol"}
	}
	c, ok := m.bundle(b[0])
	if !ok {
		return IPsecChoice{}, m.near.err("IPsec answer")
	}
	return c, nil
}

// bundles groups proposals by number: those of one number are wanted together,
// different numbers are alternatives (RFC 2408 section 4.2). They need not be
// neighbours, or half a bundle might be taken for an alternative.
func bundles(ps []isakmp.Proposal) (all [][]isakmp.Proposal) {
	for _, p := range ps {
		i := slices.IndexFunc(all, func(b []isakmp.Proposal) bool { return b[0].Number == p.Number })
		if i < 0 {
			all = append(all, []isakmp.Proposal{p})
		} else {
			all[i] = append(all[i], p)
		}
	}
	return all
}

// match is our side of a comparison.
type match struct {
	Side
	initiator bool
	near      closest
}

// bundle tries to serve every template from the proposals of one number.
func (m *match) bundle(props []isakmp.Proposal) (IPsecChoice, bool) {
	if m.Generate {
		var err error
		if m.Templates, err = generate(props, m.Side); err != nil {
			m.near.refuse(place{proposal: props[0].Number}, err.Error())
			return IPsecChoice{}, false
		}
	}
	c := IPsecChoice{Suites: make([]Suite, len(m.Templates)), Templates: m.Templates}
	if len(props) != len(m.Templates) {
		m.near.refuse(place{proposal: props[0].Number}, fmt.Sprintf("there are %d protocols, the policy asks for %d", len(props), len(m.Templates)))
		return c, false
	}
	for _, p := range props {
		if !m.proposal(p, &c) {
			return c, false
		}
	}
	return c, true
}

// proposal gives p to a template that is not served yet. Of several the outermost
// comes first, as in our own offers.
func (m *match) proposal(p isakmp.Proposal, c *IPsecChoice) bool {
	at := place{proposal: p.Number, protocol: p.Protocol}
	spi, ok := p.Protocol.ReadSPI(p.SPI)
	if !ok {
		m.near.refuse(at, fmt.Sprintf("there is an SPI of %d octets", len(p.SPI)))
		return false
	}
	if spi < 256 || p.Protocol == isakmp.ProtoIPComp && spi > 0xffff { // RFC 4303 section 2.1, RFC 4302 section 2.4, RFC 3173 section 3.3
		m.near.refuse(at, fmt.Sprintf("there is the reserved SPI %d", spi))
		return false
	}
	asked := false
	for i, t := range slices.Backward(m.Templates) {
		if protocols[t.Proto] != p.Protocol || slices.Contains(c.tmpl, i) {
			continue
		}
		asked = true
		if tr, ok := m.transform(p, t, c, i); ok {
			c.Suites[i].PeerSPI = spi
			p.Transforms = []isakmp.Transform{tr}
			c.answer, c.tmpl = append(c.answer, p), append(c.tmpl, i)
			return true
		}
	}
	if !asked {
		m.near.refuse(at, "there is a protocol the policy does not ask for")
	}
	return false
}

// transform picks the first transform of p that template i accepts, and records
// what it means.
func (m *match) transform(p isakmp.Proposal, t spd.Template, c *IPsecChoice, i int) (isakmp.Transform, bool) {
	if t.Proto == ipAH && m.Encap != EncapNone {
		m.near.refuse(place{proposal: p.Number, protocol: p.Protocol}, "there is AH, which covers the addresses and cannot pass a NAT")
		return isakmp.Transform{}, false
	}
	ours, err := suites(t.Proto, m.SAInfo)
	if err != nil {
		m.near.refuse(place{proposal: p.Number, protocol: p.Protocol}, fmt.Sprintf("nothing is accepted, %s: %v", sainfo(m.SAInfo), err))
		return isakmp.Transform{}, false
	}
	for n, tr := range p.Transforms {
		at := place{p.Number, p.Protocol, n + 1}
		theirs, err := parsePhase2(p.Protocol, tr)
		if err != nil {
			m.near.refuse(at, err.Error())
			continue
		}
		for _, o := range ours {
			if !m.near.agree(at, m.where, m.fields(theirs, o, t, c)) {
				continue
			}
			life := theirs.life
			if m.Check == policy.Claim {
				life = life.Shorter(lifeOf(m.SAInfo))
				c.Claim = c.Claim || life != theirs.life
			}
			if len(c.answer) > 0 {
				life = life.Shorter(c.Life)
			}
			c.Life, c.Group = life, theirs.group
			c.Suites[i] = Suite{Proto: t.Proto, Mode: t.Mode, Encr: theirs.encr, KeyBits: theirs.keyBits, Auth: theirs.auth, Comp: theirs.comp, ESN: theirs.esn != 0}
			return tr, true
		}
	}
	return isakmp.Transform{}, false
}

func (m *match) where() string {
	return fmt.Sprintf("%s, proposal_check %v", sainfo(m.SAInfo), m.Check)
}

// fields are the comparisons of racoon.conf(5), proposal_check. c has what the
// bundle's earlier protocols agreed on.
func (m *match) fields(theirs phase2Transform, ours Suite, t spd.Template, c *IPsecChoice) []field {
	s := m.SAInfo
	pfs := named("PFS group", theirs.group, s.PFSGroup, isakmp.Groups)
	if len(c.answer) > 0 {
		pfs = named("PFS group", theirs.group, c.Group, isakmp.Groups) // one KE payload serves all
	} else if !m.initiator {
		pfs.fits = groupFits(m.Check, theirs.group, s.PFSGroup)
	}
	pfs.fits = pfs.fits && (theirs.group == 0 || oakley.Group(theirs.group).Supported())
	return []field{
		named("encapsulation mode", theirs.mode, m.mode(t), isakmp.EncapModes),
		named("compression algorithm", theirs.comp, ours.Comp, isakmp.IPCompTransforms),
		named("encryption algorithm", theirs.encr, ours.Encr, isakmp.ESPTransforms),
		named("authentication algorithm", theirs.auth, ours.Auth, isakmp.AuthAlgorithms),
		keyLength(theirs.keyBits, ours.KeyBits, keyBitsFit(m.Check, m.initiator, theirs.keyBits, ours.KeyBits)),
		pfs,
		named("extended sequence number attribute", theirs.esn, ours.esn(), isakmp.ESNs),
		lifetime(theirs.life.Time, s.Lifetime, lifeFits(m.Check, theirs.life.Time, s.Lifetime)),
		kilobytes(theirs.life.KB, s.LifetimeKB, lifeFits(m.Check, octets(theirs.life.KB), octets(s.LifetimeKB))),
	}
}

// phase2Transform is what a transform of a peer says.
type phase2Transform struct {
	mode, encr, keyBits, auth, comp, group, esn uint16
	life                                        Life
}

func parsePhase2(proto isakmp.Protocol, t isakmp.Transform) (p phase2Transform, err error) {
	a, err := phase2Classes.read(t.Attrs)
	if err != nil {
		return p, err
	}
	p = phase2Transform{a.value[isakmp.SAAttrEncapMode], 0, a.value[isakmp.SAAttrKeyLength], a.value[isakmp.SAAttrAuth],
		0, a.value[isakmp.SAAttrGroup], a.value[isakmp.SAAttrESN], a.life}
	switch {
	case p.mode == 0: // RFC 2407 section 4.5: "host-dependent", so nobody can know
		return p, fmt.Errorf("the encapsulation mode is missing")
	case proto == isakmp.ProtoESP:
		p.encr = uint16(t.ID)
		if slices.Contains(ciphers, p.encr) {
			p.keyBits, err = espKeyBits(p.encr, p.keyBits)
		}
	case proto == isakmp.ProtoIPComp:
		p.comp = uint16(t.ID)
		if p.auth != 0 || p.keyBits != 0 || p.esn != 0 {
			err = fmt.Errorf("IPComp has an authentication algorithm, a key length or sequence numbers")
		}
	case auths[p.auth] != t.ID || p.keyBits != 0:
		err = fmt.Errorf("AH transform %s does not go with authentication algorithm %s and a key length of %d",
			word(isakmp.AHTransforms, uint16(t.ID)), AuthName(p.auth), p.keyBits)
	}
	return p, err
}
