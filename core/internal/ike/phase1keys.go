package ike

import (
	"errors"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/oakley"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// candidates asks for the SKEYIDs the peer may have.
func (x *exchange) candidates() ([]SKEYIDCandidate, error) {
	ask := x.skeyidRequest()
	cands, err := x.p1.skeyids.await(x, ask)
	switch {
	case errors.Is(err, errWait), errors.As(err, new(*Unavailable)):
		return nil, err
	case err != nil:
		return nil, failf(notice.PluginRefused, "find the pre-shared key: %w", err)
	case len(cands) > 0:
		return cands, nil
	}
	whose := x.path.Remote.Addr().String()
	if ask.PeerID != nil {
		whose = x.sa.PeerID.String() + " at " + whose
		if x.theirTurn() { // whoever says so
			return nil, dropf(notice.NoKey, "no pre-shared key for %s", whose)
		}
	}
	return nil, failf(notice.NoKey, "no pre-shared key for %s", whose)
}

// settle makes the candidate SKEYID that has proved right, or with which we prove
// who we are, the only one.
func (f *phase1) settle(i int) {
	all := f.skeyids.val
	for j, c := range all {
		if j != i {
			c.SKEYID.Zero()
		}
	}
	f.skeyids.val = all[i : i+1]
}

// deriveKeys computes SKEYID and its children (RFC 2409 section 5), once. The two
// questions go out together; SKEYID of a pre-shared key needs no Diffie-Hellman.
func deriveKeys(x *exchange) error {
	f := x.p1
	if f.keys != nil {
		return nil
	}
	hash, cipher, _ := f.suite()
	f.skeyids.ask(x, x.skeyidRequest())
	gxy, err := f.shared.await(x, DHShared{f.keyPair.val, *x.peers(&f.gxi, &f.gxr)})
	if errors.Is(err, oakley.ErrPublicValue) {
		return drop{notice.BadKE, err.Error()}
	}
	if err != nil {
		return err
	}
	cands, err := x.candidates()
	if err != nil {
		return err
	}
	octets, err := cipher.KeyLen(f.choice.Proposal.KeyBits)
	if err != nil {
		return failf(notice.Internal, "%w", err)
	}
	keys := make([]candidate, len(cands))
	for i, c := range cands {
		k := oakley.DeriveKeys(hash, c.SKEYID, gxy.Reveal(), x.sa.CkyI, x.sa.CkyR)
		key := oakley.CipherKey(hash, k.E, octets)
		cbc, err := oakley.NewCBC(cipher, key)
		key.Zero()
		if err != nil {
			return failf(notice.Internal, "%w", err)
		}
		keys[i] = candidate{k, cbc, c.CredentialID}
	}
	f.keys = keys
	x.useKeys(f.keys[0])
	x.iv = oakley.Phase1IV(hash, cipher, f.gxi, f.gxr)
	return nil
}

// skeyidRequest names the peer by all that is known of it: in main mode that is not
// who it says it is, since the keys are needed to read that.
func (x *exchange) skeyidRequest() DeriveSKEYIDs {
	hash, _, _ := x.p1.suite()
	names := make([]string, len(x.p1.remotes))
	for i, r := range x.p1.remotes {
		names[i] = r.Name
	}
	id := x.localID()
	var peer *Identity
	if x.kind != isakmp.IdentityProtection {
		peer = &Identity{uint8(x.sa.PeerID.Type), x.sa.PeerID.Data}
	}
	return DeriveSKEYIDs{Remotes: names, Path: x.path, Initiator: x.role == initiator, Aggressive: x.kind == isakmp.Aggressive,
		LocalID: &Identity{uint8(id.Type), id.Data}, PeerID: peer, Expected: expectedIDs(x.p1.remotes), PRF: hash, Ni: x.p1.ni, Nr: x.p1.nr,
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
	x.sa.keyBits = x.p1.choice.Proposal.KeyBits
	x.sa.keys, x.sa.cbc, x.sa.credential = c.Keys, c.cbc, c.id
}

// openSealed opens a sealed message of phase 1. With several keys the responder of
// main mode tries each: the right one decrypts to a chain with ID and HASH whose
// HASH_I verifies.
func (f *phase1) openSealed(x *exchange, h isakmp.Header) (message, error) {
	if err := deriveKeys(x); err != nil {
		return message{}, err
	}
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
	if d := (drop{}); errors.As(first, &d) && x.firstSealed() {
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
	return id != nil && oakley.Equal(hashOf(x, x.role.other(), c.SKEYID, id), auth)
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
