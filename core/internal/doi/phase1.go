package doi

import (
	"fmt"
	"slices"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/oakley"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// ISAKMPChoice is the transform both sides agreed on.
type ISAKMPChoice struct {
	Remote   *policy.Remote        // the section it was found in
	Proposal policy.Phase1Proposal // what is to be used; Method is the one on the wire
	Answer   isakmp.SA             // what the responder sends: the offer's transform, octet for octet
}

// OfferISAKMP builds the SA payload of the first message: one proposal, one
// transform for each proposal block, in the order written. There is room for
// isakmp.MaxTransforms blocks; later ones are not offered.
func OfferISAKMP(r *policy.Remote) isakmp.SA {
	ts := make([]isakmp.Transform, min(len(r.Proposals), isakmp.MaxTransforms))
	for i := range ts {
		p := meant(r.Proposals[i])
		a := phase1Classes.lifetime(Life{Time: p.Lifetime})
		a = present(a, isakmp.AttrEncryption, p.Encryption)
		a = present(a, isakmp.AttrKeyLength, p.KeyBits)
		a = present(a, isakmp.AttrAuthMethod, p.Method)
		a = present(a, isakmp.AttrHash, p.Hash)
		a = present(a, isakmp.AttrGroup, p.Group)
		ts[i] = isakmp.Transform{Number: uint8(i + 1), ID: isakmp.TransformKeyIKE, Attrs: a}
	}
	return isakmp.SA{DOI: isakmp.DOIIPsec, Situation: isakmp.SituationIdentityOnly,
		Proposals: []isakmp.Proposal{{Number: 1, Protocol: isakmp.ProtoISAKMP, Transforms: ts}}}
}

// ChooseISAKMP picks the first transform of the peer's offer that one of the
// candidate sections accepts; of several sections the earlier one.
func ChooseISAKMP(offer isakmp.SA, remotes []*policy.Remote) (ISAKMPChoice, error) {
	var near closest
	for _, prop := range offer.Proposals {
		for i, t := range prop.Transforms {
			at := place{prop.Number, prop.Protocol, i + 1}
			theirs, err := parsePhase1(prop.Protocol, t)
			if err != nil {
				near.refuse(at, err.Error())
				continue
			}
			for _, r := range remotes {
				if near.phase1(at, theirs, r.Proposals, r, false) {
					prop.Transforms = []isakmp.Transform{t}
					answer := isakmp.SA{DOI: offer.DOI, Situation: offer.Situation, Proposals: []isakmp.Proposal{prop}}
					return ISAKMPChoice{r, theirs, answer}, nil
				}
			}
		}
	}
	return ISAKMPChoice{}, near.err("phase 1 proposal")
}

// ISAKMPOfKE leaves of an offer the transforms that a public value of so many octets
// can be for: in aggressive mode it comes with the offer.
func ISAKMPOfKE(offer isakmp.SA, octets int) isakmp.SA {
	offer.Proposals = slices.Clone(offer.Proposals)
	for i, p := range offer.Proposals {
		offer.Proposals[i].Transforms = slices.DeleteFunc(slices.Clone(p.Transforms), func(t isakmp.Transform) bool {
			theirs, err := parsePhase1(p.Protocol, t)
			return err == nil && oakley.Group(theirs.Group).PublicLen() != octets
		})
	}
	return offer
}

// CheckISAKMP decides whether answer is one transform of our offer to r. Its
// lifetime may differ as far as proposal_check allows, its key be longer, all else
// may not differ. Proposal and transform numbers do not matter, some peers renumber.
func CheckISAKMP(offer, answer isakmp.SA, r *policy.Remote) (ISAKMPChoice, error) {
	var near closest
	if len(answer.Proposals) != 1 || len(answer.Proposals[0].Transforms) != 1 {
		return ISAKMPChoice{}, &Mismatch{What: "phase 1 answer", Offer: "it", Why: "there is not exactly one transform"}
	}
	prop := answer.Proposals[0]
	at := place{prop.Number, prop.Protocol, 1}
	theirs, err := parsePhase1(prop.Protocol, prop.Transforms[0])
	if err != nil {
		near.refuse(at, err.Error())
		return ISAKMPChoice{}, near.err("phase 1 answer")
	}
	var ours []policy.Phase1Proposal
	for _, p := range offer.Proposals {
		for _, t := range p.Transforms {
			if o, err := parsePhase1(p.Protocol, t); err == nil { // else it is one we could not use either
				ours = append(ours, o)
			}
		}
	}
	if !near.phase1(at, theirs, ours, r, true) {
		return ISAKMPChoice{}, near.err("phase 1 answer")
	}
	return ISAKMPChoice{r, theirs, answer}, nil
}

// phase1 reports whether one of our proposals accepts theirs. What is used then is
// theirs in every field: no level of proposal_check puts ours in its place.
func (c *closest) phase1(at place, theirs policy.Phase1Proposal, ours []policy.Phase1Proposal, r *policy.Remote, answer bool) bool {
	check := r.ProposalCheck
	where := func() string { return fmt.Sprintf("remote %s, proposal_check %v", r.Name, check) }
	for _, o := range ours {
		o = meant(o)
		if c.agree(at, where, []field{
			named("authentication method", theirs.Method, o.Method, isakmp.AuthMethods),
			named("DH group", theirs.Group, o.Group, isakmp.Groups),
			named("encryption algorithm", theirs.Encryption, o.Encryption, isakmp.EncryptionAlgorithms),
			named("hash algorithm", theirs.Hash, o.Hash, isakmp.HashAlgorithms),
			keyLength(theirs.KeyBits, o.KeyBits, keyBitsFit(check, answer, theirs.KeyBits, o.KeyBits)),
			lifetime(theirs.Lifetime, o.Lifetime, phase1LifeFits(check, theirs.Lifetime, o.Lifetime)),
		}) {
			return true
		}
	}
	return false
}

// parsePhase1 reads a transform of a peer.
func parsePhase1(proto isakmp.Protocol, t isakmp.Transform) (policy.Phase1Proposal, error) {
	var p policy.Phase1Proposal
	if proto != isakmp.ProtoISAKMP || t.ID != isakmp.TransformKeyIKE {
		return p, fmt.Errorf("%v %d is not KEY_IKE", proto, t.ID)
	}
	a, err := phase1Classes.read(t.Attrs)
	if err != nil {
		return p, err
	}
	if v := a.value[isakmp.AttrGroupType]; v > groupTypeMODP { // MODP, or absent as it should be: the group says it all
		return p, fmt.Errorf("group type %d is not supported", v)
	}
	p = policy.Phase1Proposal{
		Encryption: a.value[isakmp.AttrEncryption],
		KeyBits:    a.value[isakmp.AttrKeyLength],
		Hash:       a.value[isakmp.AttrHash],
		Method:     a.value[isakmp.AttrAuthMethod],
		Group:      a.value[isakmp.AttrGroup],
		Lifetime:   a.life.Time,
	}
	if c := oakley.Cipher(p.Encryption); c.Supported() {
		p.KeyBits, err = keyBits(c, p.KeyBits)
	}
	return p, err
}

const groupTypeMODP = 1 // RFC 2409 appendix A

// meant is a proposal of the configuration as it is on the wire.
func meant(p policy.Phase1Proposal) policy.Phase1Proposal {
	if m, ok := initiatorMethods[p.Method]; ok {
		p.Method = m
	}
	if bits, err := keyBits(oakley.Cipher(p.Encryption), p.KeyBits); err == nil {
		p.KeyBits = bits
	}
	return p
}

// initiatorMethods are the methods in which the responder of phase 1 is the user.
// Both sides of an offer name the initiator's variant, as the original does; who
// the user is the configuration says.
var initiatorMethods = map[uint16]uint16{
	isakmp.AuthHybridRespRSA: isakmp.AuthHybridInitRSA,
	isakmp.AuthHybridRespDSS: isakmp.AuthHybridInitDSS,
	isakmp.AuthXAuthRespPSK:  isakmp.AuthXAuthInitPSK,
	isakmp.AuthXAuthRespDSS:  isakmp.AuthXAuthInitDSS,
	isakmp.AuthXAuthRespRSA:  isakmp.AuthXAuthInitRSA,
}

// keyBits is the key length an attribute means, 0 for 3DES, which has no choice.
// The attribute is always sent where there is one: what its absence means differs
// between ciphers (RFC 2409 appendix B) and has been misread.
func keyBits(c oakley.Cipher, attr uint16) (uint16, error) {
	octets, err := c.KeyLen(attr)
	if err != nil || c == oakley.TripleDES {
		return 0, err
	}
	return uint16(8 * octets), nil
}
