package ike

import (
	"errors"
	"fmt"
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
	gxi, gxr   []byte // bodies of the KE payloads
	idii, idir []byte // bodies of the ID payloads

	keyPair future[oakley.KeyPair]
	shared  future[secret.Bytes]
	skeyids future[[]SKEYIDCandidate]

	// keys are what the peer may have, one for each candidate SKEYID. A responder
	// finds out with message 5; an initiator has to choose before it and takes the first.
	keys           []candidate
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

func emitISAKMPSA(x *exchange) ([][]byte, error) {
	if x.role == initiator {
		x.p1.offer = doi.OfferISAKMP(x.p1.remotes[0])
		x.p1.saiB = x.p1.offer.Append(nil)
		return [][]byte{x.p1.saiB}, nil
	}
	return [][]byte{x.p1.choice.Answer.Append(nil)}, nil
}

func takeISAKMPSA(x *exchange, bodies [][]byte) error {
	f := x.p1
	if x.role == responder && len(bodies[0]) > maxOffer {
		return dropf(notice.BadPayload, "SA has %d octets, more than the %d kept for a stranger", len(bodies[0]), maxOffer)
	}
	body := slices.Clone(bodies[0]) // the choice will alias it
	sa, err := isakmp.ParseSA(body)
	if err != nil {
		return err
	}
	if x.role == initiator {
		f.choice, err = doi.CheckISAKMP(f.offer, sa, f.remotes[0])
		if err != nil {
			return drop{notice.BadAnswer, err.Error()}
		}
		return nil
	}
	choice, err := doi.ChooseISAKMP(sa, f.remotes)
	if err != nil {
		return &NotifyError{isakmp.NotifyNoProposalChosen, notice.NoProposal, err}
	}
	f.saiB, f.choice = body, choice
	// Sections that would not have accepted this transform are out of the game.
	one := isakmp.SA{DOI: sa.DOI, Situation: sa.Situation, Proposals: choice.Answer.Proposals}
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
	if len(bodies[0]) != group.PublicLen() {
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

// deriveKeys computes SKEYID and its children (RFC 2409 section 5). The two
// questions go out together; SKEYID of a pre-shared key needs no Diffie-Hellman.
func deriveKeys(x *exchange) error {
	f := x.p1
	hash, cipher, _ := f.suite()
	ask := x.skeyidRequest(hash)
	f.skeyids.ask(x, ask)
	gxy, err := f.shared.await(x, DHShared{f.keyPair.val, *x.peers(&f.gxi, &f.gxr)})
	if errors.Is(err, oakley.ErrPublicValue) {
		return drop{notice.BadKE, err.Error()}
	}
	if err != nil {
		return err
	}
	cands, err := f.skeyids.await(x, ask)
	if err != nil && !errors.Is(err, errWait) && !errors.As(err, new(*Unavailable)) {
		return failf(notice.PluginRefused, "find the pre-shared key: %w", err)
	}
	if err != nil {
		return err
	}
	if len(cands) == 0 {
		return failf(notice.NoKey, "no pre-shared key for %v", x.path.Remote.Addr())
	}
	octets, err := cipher.KeyLen(f.choice.Proposal.KeyBits)
	if err != nil {
		return failf(notice.Internal, "%w", err)
	}
	f.keys = make([]candidate, len(cands))
	for i, c := range cands {
		k := oakley.DeriveKeys(hash, c.SKEYID, gxy.Reveal(), x.sa.CkyI, x.sa.CkyR)
		key := oakley.CipherKey(hash, k.E, octets)
		cbc, err := oakley.NewCBC(cipher, key)
		key.Zero()
		if err != nil {
			return failf(notice.Internal, "%w", err)
		}
		f.keys[i] = candidate{k, cbc, c.CredentialID}
	}
	x.useKeys(f.keys[0])
	x.iv = oakley.Phase1IV(hash, cipher, f.gxi, f.gxr)
	return nil
}

func (x *exchange) skeyidRequest(hash oakley.Hash) DeriveSKEYIDs {
	names := make([]string, len(x.p1.remotes))
	for i, r := range x.p1.remotes {
		names[i] = r.Name
	}
	id := x.localID()
	return DeriveSKEYIDs{Remotes: names, Path: x.path, Initiator: x.role == initiator,
		LocalID: &Identity{uint8(id.Type), id.Data}, Expected: expectedIDs(x.p1.remotes), PRF: hash, Ni: x.p1.ni, Nr: x.p1.nr,
		ExchangeID: x.sa.CkyI.String()}
}

// expectedIDs are the identities the sections insist on; none if one of them
// would have anybody.
func expectedIDs(remotes []*policy.Remote) (ids []policy.Identity) {
	for _, r := range remotes {
		if !r.VerifyIdentifier || len(r.PeerIDs) == 0 {
			return nil
		}
		ids = append(ids, r.PeerIDs...)
	}
	return ids
}

// useKeys makes a candidate the SA's keys.
func (x *exchange) useKeys(c candidate) {
	x.sa.hash, x.sa.cipher, x.sa.group = x.p1.suite()
	x.sa.keys, x.sa.cbc, x.sa.credential = c.Keys, c.cbc, c.id
}

// openSealed opens message 5 or 6. With several keys the responder tries each:
// the right one decrypts to a chain with ID and HASH whose HASH_I verifies.
func (f *phase1) openSealed(x *exchange, h isakmp.Header) (message, error) {
	var first error
	for i, c := range f.keys {
		if x.role == initiator && i > 0 {
			break
		}
		m, err := openSealed(c.cbc, x.iv, h, x.inbox, x.cfg.Padding)
		if err == nil && (len(f.keys) == 1 || f.proves(x, c, m)) {
			x.useKeys(c)
			return m, nil
		}
		if first == nil {
			first = err
		}
	}
	if d := (drop{}); errors.As(first, &d) && x.pc == 4 {
		return message{}, drop{d.reason, d.why + "; the pre-shared keys probably differ"}
	}
	if first == nil {
		first = dropf(notice.BadHash, "HASH_I does not verify with any of %d pre-shared keys", len(f.keys))
	}
	return message{}, first
}

// proves reports whether the peer's message shows that it has the keys.
func (f *phase1) proves(x *exchange, c candidate, m message) bool {
	var id, auth []byte
	for _, p := range m.payloads {
		switch p.Type {
		case ID:
			id = p.Body
		case AUTH:
			auth = p.Body
		}
	}
	return id != nil && oakley.Equal(x.hashOf(x.role.other(), c.Keys, id), auth)
}

// hashOf is HASH_I or HASH_R (RFC 2409 section 5).
func (x *exchange) hashOf(by role, k oakley.Keys, id []byte) []byte {
	f := x.p1
	hash, _, _ := f.suite()
	if by == initiator {
		return oakley.HashI(hash, k, f.gxi, f.gxr, x.sa.CkyI, x.sa.CkyR, f.saiB, id)
	}
	return oakley.HashR(hash, k, f.gxi, f.gxr, x.sa.CkyI, x.sa.CkyR, f.saiB, id)
}

func emitID(x *exchange) ([][]byte, error) {
	b := x.localID().Append(nil)
	*x.own(&x.p1.idii, &x.p1.idir) = b
	return [][]byte{b}, nil
}

// localID is who we say we are: what is configured, else our address.
func (x *exchange) localID() isakmp.ID {
	id := x.p1.remotes[0].MyID
	if id.Type == 0 || id.Data == nil {
		// The original sends UDP port 500 with an address identity.
		return doi.AddrID(x.path.Local.Addr(), 17, 500)
	}
	return isakmp.ID{Type: isakmp.IDType(id.Type), Data: id.Data}
}

func takeID(x *exchange, bodies [][]byte) error {
	id, err := isakmp.ParseID(bodies[0])
	if err != nil {
		return err
	}
	*x.peers(&x.p1.idii, &x.p1.idir) = slices.Clone(bodies[0])
	x.sa.PeerID = isakmp.ID{Type: id.Type, Protocol: id.Protocol, Port: id.Port, Data: slices.Clone(id.Data)}
	return nil
}

func emitAuth(x *exchange) ([][]byte, error) {
	return [][]byte{x.hashOf(x.role, x.sa.keys, *x.own(&x.p1.idii, &x.p1.idir))}, nil
}

// takeAuth verifies the peer's proof; only then its identity means something.
func takeAuth(x *exchange, bodies [][]byte) error {
	want := x.hashOf(x.role.other(), x.sa.keys, *x.peers(&x.p1.idii, &x.p1.idir))
	if !oakley.Equal(want, bodies[0]) {
		return dropf(notice.BadHash, "HASH_%v does not verify", x.role.other())
	}
	return x.identify()
}

// identify makes the choice of a section final (racoon-conf section 9.1): the
// authenticated peer's identity is the last that is learnt.
func (x *exchange) identify() error {
	f := x.p1
	peer := policy.Identity{Type: uint8(x.sa.PeerID.Type), Data: x.sa.PeerID.Data}
	// All that are left speak the exchange and accept the transform: neither makes a
	// difference any more.
	q := policy.Query{Peer: &peer}
	if x.role == responder { // an initiator's section was chosen before, or named
		q.Addr, q.Local = x.path.Remote.Addr(), x.path.Local.Addr()
	}
	r, err := q.Choose(f.remotes)
	if errors.Is(err, policy.ErrNoRemote) {
		return &NotifyError{isakmp.NotifyInvalidIDInformation, notice.BadIdentity,
			errors.New("the peer's identity " + x.sa.PeerID.String() + " is none of the peers_identifier of remote " + f.remotes[0].Name)}
	}
	if err != nil {
		return &NotifyError{isakmp.NotifyInvalidIDInformation, notice.AmbiguousRemote,
			fmt.Errorf("the peer is %v, and %w", x.sa.PeerID, err)}
	}
	if key := KeyOf(r, x.sa.PeerID, x.path.Remote); !x.p.setup.Stranger && x.p.key.ID != "" && key.ID != x.p.key.ID {
		return &NotifyError{isakmp.NotifyInvalidIDInformation, notice.BadIdentity,
			errors.New("somebody else answers where the peer was: " + x.sa.PeerID.String())}
	}
	if !r.Identifies(peer) {
		x.notice(notice.Notice{Event: notice.Finding, Reason: notice.BadIdentity,
			Detail: "the peer's identity " + x.sa.PeerID.String() + " is no peers_identifier, accepted because verify_identifier is off"})
	}
	f.remotes = []*policy.Remote{r}
	return nil
}

// emitPhase1Notify says with message 5 that this is the first contact.
func emitPhase1Notify(x *exchange) ([][]byte, error) {
	p := x.p
	if x.role == responder || p.remembers() || !x.p1.remotes[0].InitialContact {
		return nil, nil
	}
	return [][]byte{x.sa.contactNotify().Append(nil)}, nil
}

// takePhase1Notify reads notifies beside the peer's proof: they count once
// establish runs.
func takePhase1Notify(x *exchange, bodies [][]byte) error {
	x.p1.initialContact = false
	for _, b := range bodies {
		n, err := isakmp.ParseNotify(b)
		if err != nil {
			return err
		}
		if n.Type == isakmp.NotifyInitialContact {
			x.p1.initialContact = true
		}
	}
	return nil
}

// zero wipes every key but those the SA lives on.
func (f *phase1) zero(sa *ISAKMPSA) {
	if !f.shared.pending() { // else its Reply does it
		f.keyPair.val.Zero()
	}
	wipe(f.shared.val)
	wipe(f.skeyids.val)
	for _, c := range f.keys {
		if c.cbc != sa.cbc || !sa.established {
			c.Zero()
		}
	}
}
