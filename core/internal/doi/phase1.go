package doi

import (
	"fmt"
	"time"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/oakley"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// keyIKE is the only transform identifier of protocol ISAKMP (RFC 2407 section 4.4.2).
const keyIKE = 1

// Life types (RFC 2407 section 4.5, RFC 2409 appendix A).
const (
	lifeSeconds   = 1
	lifeKilobytes = 2
)

// ISAKMPChoice is the transform both sides agreed on.
type ISAKMPChoice struct {
	Remote   *policy.Remote        // the section it was found in
	Proposal policy.Phase1Proposal // with the lifetime and key length to be used
	Answer   isakmp.SA             // what the responder sends: the offer's transform, octet for octet
}

// OfferISAKMP builds the SA payload of the first message: one proposal, one
// transform for each proposal block, in the order written.
func OfferISAKMP(r *policy.Remote) isakmp.SA {
	ts := make([]isakmp.Transform, len(r.Proposals))
	for i, p := range r.Proposals {
		a := []isakmp.Attribute{
			isakmp.TV(isakmp.AttrLifeType, lifeSeconds),
			isakmp.UintAttr(isakmp.AttrLifeDuration, uint32(p.Lifetime/time.Second)),
			isakmp.TV(isakmp.AttrEncryption, p.Encryption),
		}
		if p.KeyBits != 0 {
			a = append(a, isakmp.TV(isakmp.AttrKeyLength, p.KeyBits))
		}
		a = append(a,
			isakmp.TV(isakmp.AttrAuthMethod, p.Method),
			isakmp.TV(isakmp.AttrHash, p.Hash),
			isakmp.TV(isakmp.AttrGroup, p.Group))
		ts[i] = isakmp.Transform{Number: uint8(i + 1), ID: keyIKE, Attrs: a}
	}
	return isakmp.SA{DOI: isakmp.DOIIPsec, Situation: isakmp.SituationIdentityOnly,
		Proposals: []isakmp.Proposal{{Number: 1, Protocol: isakmp.ProtoISAKMP, Transforms: ts}}}
}

// ChooseISAKMP picks the first transform of the peer's offer that one of the
// candidate sections accepts; of several sections the earlier one.
func ChooseISAKMP(offer isakmp.SA, remotes []*policy.Remote) (ISAKMPChoice, error) {
	var near closest
	for _, prop := range offer.Proposals {
		if prop.Protocol != isakmp.ProtoISAKMP {
			continue
		}
		for _, t := range prop.Transforms {
			for _, r := range remotes {
				if p, ok := matchPhase1(t, r, &near); ok {
					prop.Transforms = []isakmp.Transform{t}
					return ISAKMPChoice{Remote: r, Proposal: p,
						Answer: isakmp.SA{DOI: offer.DOI, Situation: offer.Situation, Proposals: []isakmp.Proposal{prop}}}, nil
				}
			}
		}
	}
	return ISAKMPChoice{}, near.err("phase 1 proposal")
}

// CheckISAKMP decides whether answer is one transform of our offer. Its lifetime
// and key length may differ as far as proposal_check allows, all else may not.
func CheckISAKMP(offer, answer isakmp.SA, r *policy.Remote) (ISAKMPChoice, error) {
	if len(answer.Proposals) != 1 || len(answer.Proposals[0].Transforms) != 1 {
		return ISAKMPChoice{}, &Mismatch{What: "phase 1 answer", Field: "number of transforms", Ours: "1",
			Theirs: fmt.Sprint(countTransforms(answer))}
	}
	// Peers renumber proposals and transforms; what counts is the content.
	choice, err := ChooseISAKMP(answer, []*policy.Remote{r})
	if err != nil {
		err.(*Mismatch).What = "phase 1 answer"
	}
	return choice, err
}

func countTransforms(sa isakmp.SA) (n int) {
	for _, p := range sa.Proposals {
		n += len(p.Transforms)
	}
	return n
}

// matchPhase1 compares one transform with the proposals of one section.
func matchPhase1(t isakmp.Transform, r *policy.Remote, near *closest) (policy.Phase1Proposal, bool) {
	theirs, err := parsePhase1(t)
	if err != nil {
		near.note(0, &Mismatch{Field: "transform", Theirs: err.Error(), Ours: "well-formed", Where: "remote " + r.Name})
		return theirs, false
	}
	for _, ours := range r.Proposals {
		depth, m := diffPhase1(theirs, ours, r.ProposalCheck)
		if m == nil {
			used := theirs
			switch r.ProposalCheck {
			case policy.Obey: // the peer's word
			default:
				used.Lifetime = min(theirs.Lifetime, ours.Lifetime)
			}
			return used, true
		}
		m.Where = "remote " + r.Name
		near.note(depth, m)
	}
	return theirs, false
}

// diffPhase1 returns the first difference that matters and how many fields agreed
// before it (racoon.conf(5), proposal_check).
func diffPhase1(theirs, ours policy.Phase1Proposal, check policy.Check) (int, *Mismatch) {
	differ := func(field string, t, o any) *Mismatch {
		return &Mismatch{Field: field, Theirs: fmt.Sprint(t), Ours: fmt.Sprint(o)}
	}
	keyOK := theirs.KeyBits == ours.KeyBits ||
		check == policy.Obey || check != policy.Exact && theirs.KeyBits > ours.KeyBits
	lifeOK := theirs.Lifetime == ours.Lifetime ||
		check == policy.Obey || check != policy.Exact && theirs.Lifetime < ours.Lifetime
	switch {
	case theirs.Method != ours.Method:
		return 1, differ("authentication method", MethodName(theirs.Method), MethodName(ours.Method))
	case theirs.Group != ours.Group:
		return 2, differ("DH group", oakley.Group(theirs.Group), oakley.Group(ours.Group))
	case theirs.Encryption != ours.Encryption:
		return 3, differ("encryption algorithm", oakley.Cipher(theirs.Encryption), oakley.Cipher(ours.Encryption))
	case theirs.Hash != ours.Hash:
		return 4, differ("hash algorithm", oakley.Hash(theirs.Hash), oakley.Hash(ours.Hash))
	case !keyOK:
		return 5, differ("key length", theirs.KeyBits, ours.KeyBits)
	case !lifeOK:
		m := differ("lifetime", theirs.Lifetime, fmt.Sprintf("%v with proposal_check %v", ours.Lifetime, check))
		m.Lifetime = true
		return 6, m
	}
	return 7, nil
}

// parsePhase1 reads the attributes of a transform, in any order; only a life
// duration must follow its type (RFC 2409 appendix A).
func parsePhase1(t isakmp.Transform) (policy.Phase1Proposal, error) {
	p := policy.Phase1Proposal{Lifetime: policy.DefaultLifetime}
	if t.ID != keyIKE {
		return p, fmt.Errorf("transform id %d instead of KEY_IKE", t.ID)
	}
	lifeType := uint64(0)
	for _, a := range t.Attrs {
		v, ok := a.Uint()
		if !ok && a.Type != isakmp.AttrGroupPrime && a.Type != isakmp.AttrGroupGenOne {
			return p, fmt.Errorf("attribute %d has no number for a value", a.Type)
		}
		switch a.Type {
		case isakmp.AttrEncryption:
			p.Encryption = uint16(v)
		case isakmp.AttrHash:
			p.Hash = uint16(v)
		case isakmp.AttrAuthMethod:
			p.Method = uint16(v)
		case isakmp.AttrGroup:
			p.Group = uint16(v)
		case isakmp.AttrKeyLength:
			p.KeyBits = uint16(v)
		case isakmp.AttrLifeType:
			lifeType = v
		case isakmp.AttrLifeDuration:
			if v == 0 {
				return p, fmt.Errorf("life duration 0")
			}
			if lifeType == lifeSeconds {
				p.Lifetime = seconds(v)
			}
		case isakmp.AttrGroupType, isakmp.AttrPRF: // the named group and the hash say it all
		default:
			return p, fmt.Errorf("attribute %d is not supported", a.Type)
		}
	}
	return p, nil
}

// seconds converts a life duration, cut off at what a Duration of years can hold.
func seconds(v uint64) time.Duration {
	return time.Duration(min(v, 1<<32-1)) * time.Second
}

// MethodName names an authentication method (RFC 2409 appendix A, XAUTH drafts).
func MethodName(m uint16) string {
	switch m {
	case 1:
		return "pre_shared_key"
	case 2:
		return "dsssig"
	case 3:
		return "rsasig"
	case 4:
		return "rsaenc"
	case 5:
		return "rsarev"
	case 9:
		return "ecdsa256"
	case 10:
		return "ecdsa384"
	case 11:
		return "ecdsa521"
	case 64221:
		return "hybrid_rsa"
	case 65001:
		return "xauth_psk"
	case 65005:
		return "xauth_rsa"
	}
	return fmt.Sprintf("method %d", m)
}
