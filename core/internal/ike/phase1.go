package ike

import (
	"errors"
	"slices"

	"github.com/racoon-ike/racoon/core/internal/doi"
	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/oakley"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// phase1 is what a phase 1 exchange learns on its way to an ISAKMP SA.
type phase1 struct {
	remotes []*policy.Remote // sections the peer may still be, best first
	offer   isakmp.SA
	saiB    []byte // body of the initiator's SA payload, octet for octet
	choice  doi.ISAKMPChoice

	ni, nr     []byte
	gxi, gxr   []byte  // bodies of the KE payloads
	idii, idir []byte  // bodies of the ID payloads
	late       vendors // what the peer has said only behind its first message

	keyPair future[oakley.KeyPair]
	shared  future[secret.Bytes]

	// skeyids are what the peer may have, best first, until one proves right: who
	// sends its own proof first has to choose, and takes the first.
	skeyids        future[[]SKEYIDCandidate]
	keys           []candidate // one for each of skeyids at the time g^xy is known
	initialContact bool
}

// candidate is one set of keys the ISAKMP SA may have.
type candidate struct {
	oakley.Keys
	cbc *oakley.CBC
	id  string // of the credential
}

// suite returns the algorithms of the chosen transform.
func (f *phase1) suite() (oakley.Hash, oakley.Cipher, oakley.Group) {
	c := f.choice.Proposal
	return oakley.Hash(c.Hash), oakley.Cipher(c.Encryption), oakley.Group(c.Group)
}

// maxOffer bounds the SAi_b a responder keeps of somebody who has not even returned
// its cookie: some fifty transforms.
const maxOffer = 2048

// withKE reports whether the exchange's first message has the initiator's public
// value, so that the group is not up for negotiation (RFC 2409 section 5.4).
func (x *exchange) withKE() bool { return slices.Contains(x.script[0].must, KE) }

func emitISAKMPSA(x *exchange) ([][]byte, error) {
	f := x.p1
	if x.role == responder {
		return [][]byte{f.choice.Answer.Append(nil)}, nil
	}
	r := *f.remotes[0]
	if x.withKE() {
		f.choice.Proposal = r.Proposals[0] // as long as the peer has not chosen
		r.Proposals = slices.DeleteFunc(slices.Clone(r.Proposals), func(p policy.Phase1Proposal) bool { return p.Group != r.Proposals[0].Group })
	}
	f.offer = doi.OfferISAKMP(&r)
	f.saiB = f.offer.Append(nil)
	return [][]byte{f.saiB}, nil
}

func takeISAKMPSA(x *exchange, bodies [][]byte) error {
	f := x.p1
	if x.role == responder && len(bodies[0]) > maxOffer {
		return dropf(notice.BadPayload, "SA has %d octets, more than the %d kept for a stranger", len(bodies[0]), maxOffer)
	}
	body := slices.Clone(bodies[0]) // the choice will alias it
	sa, err := isakmp.ParseSA(body)
	if syn := (*isakmp.SyntaxError)(nil); x.role == responder && errors.As(err, &syn) && syn.Code != 0 {
		return &NotifyError{syn.Code, notice.NoProposal, syn} // DOI-NOT-SUPPORTED and the like
	}
	if err != nil {
		return err
	}
	if x.role == responder {
		f.saiB, f.offer = body, sa
		return nil
	}
	f.choice, err = doi.CheckISAKMP(f.offer, sa, f.remotes[0])
	if err != nil {
		return drop{notice.BadAnswer, err.Error()}
	}
	return nil
}

// chooseISAKMP is the responder's choice of a transform, once it has read the whole
// of message 1. An identity in it decides the section before the proposal is looked
// at; a public value in it, the group.
func chooseISAKMP(x *exchange) error {
	f := x.p1
	if x.role == initiator {
		return nil
	}
	if f.idii != nil {
		r, err := x.section()
		if err != nil {
			return err
		}
		f.remotes = []*policy.Remote{r}
	}
	offer := f.offer
	if x.withKE() {
		offer = doi.ISAKMPOfKE(offer, len(f.gxi))
	}
	choice, err := doi.ChooseISAKMP(offer, f.remotes)
	if err != nil {
		return &NotifyError{isakmp.NotifyNoProposalChosen, notice.NoProposal, err}
	}
	f.choice = choice
	// Sections that would not have accepted this transform are out of the game.
	one := isakmp.SA{DOI: offer.DOI, Situation: offer.Situation, Proposals: choice.Answer.Proposals}
	f.remotes = slices.DeleteFunc(slices.Clone(f.remotes), func(r *policy.Remote) bool {
		_, err := doi.ChooseISAKMP(one, []*policy.Remote{r})
		return err != nil
	})
	return nil
}

func emitKE(x *exchange) ([][]byte, error) {
	_, _, group := x.p1.suite()
	kp, err := x.p1.keyPair.await(x, DHGenerate{group})
	if err != nil {
		return nil, err
	}
	*x.own(&x.p1.gxi, &x.p1.gxr) = kp.Public
	return [][]byte{kp.Public}, nil
}

func takeKE(x *exchange, bodies [][]byte) error {
	_, _, group := x.p1.suite()
	if group != 0 && len(bodies[0]) != group.PublicLen() { // else the group is still to be chosen, by this length
		return dropf(notice.BadKE, "KE has %d octets, group %v has %d", len(bodies[0]), group, group.PublicLen())
	}
	if slices.Equal(bodies[0], *x.own(&x.p1.gxi, &x.p1.gxr)) {
		return dropf(notice.BadKE, "KE is our own")
	}
	*x.peers(&x.p1.gxi, &x.p1.gxr) = slices.Clone(bodies[0])
	return nil
}

func emitNonce(x *exchange) ([][]byte, error) {
	return [][]byte{*x.own(&x.p1.ni, &x.p1.nr)}, nil
}

func takeNonce(x *exchange, bodies [][]byte) error {
	n, err := isakmp.ParseNonce(bodies[0])
	if err != nil {
		return err
	}
	*x.peers(&x.p1.ni, &x.p1.nr) = slices.Clone(n)
	return nil
}

// own picks our value of a pair (initiator's, responder's), peers the other's.
func (x *exchange) own(i, r *[]byte) *[]byte {
	if x.role == initiator {
		return i
	}
	return r
}

func (x *exchange) peers(i, r *[]byte) *[]byte { return x.own(r, i) }
