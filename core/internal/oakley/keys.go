package oakley

import (
	"encoding/binary"

	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// Keys are SKEYID and what is derived from it (RFC 2409 section 5), each as
// long as the hash.
type Keys struct {
	SKEYID secret.Bytes
	D      secret.Bytes // SKEYID_d: keys of other SAs are derived from it
	A      secret.Bytes // SKEYID_a: authenticates ISAKMP messages
	E      secret.Bytes // SKEYID_e: encrypts ISAKMP messages, through CipherKey
}

// Zero overwrites all four.
func (k Keys) Zero() {
	k.SKEYID.Zero()
	k.D.Zero()
	k.A.Zero()
	k.E.Zero()
}

// SKEYIDFromPSK is SKEYID = prf(pre-shared-key, Ni_b | Nr_b), RFC 2409 section 5.4.
func SKEYIDFromPSK(h Hash, psk, ni, nr []byte) secret.Bytes {
	return secret.New(h.PRF(psk, ni, nr))
}

// SKEYIDFromSignature is SKEYID = prf(Ni_b | Nr_b, g^xy), RFC 2409 section 5.1.
// Hybrid authentication and XAuth with certificates use it too.
func SKEYIDFromSignature(h Hash, ni, nr, gxy []byte) secret.Bytes {
	key := make([]byte, 0, len(ni)+len(nr))
	return secret.New(h.PRF(append(append(key, ni...), nr...), gxy))
}

// DeriveKeys computes SKEYID_d, SKEYID_a and SKEYID_e (RFC 2409 section 5).
// gxy is the shared secret, left-padded to the length of the group.
func DeriveKeys(h Hash, skeyid secret.Bytes, gxy []byte, ckyI, ckyR [8]byte) Keys {
	child := func(previous []byte, n byte) []byte {
		return h.PRF(skeyid.Reveal(), previous, gxy, ckyI[:], ckyR[:], []byte{n})
	}
	d := child(nil, 0)
	a := child(d, 1)
	e := child(a, 2)
	return Keys{skeyid, secret.New(d), secret.New(a), secret.New(e)}
}

// CipherKey is the encryption key of an ISAKMP SA, Ka in RFC 2409 Appendix B:
// the first octets of SKEYID_e, or, where that is too short, of K1 | K2 | ...
// with K1 = prf(SKEYID_e, 0) and Kn = prf(SKEYID_e, Kn-1).
func CipherKey(h Hash, skeyidE secret.Bytes, octets int) secret.Bytes {
	if e := skeyidE.Reveal(); octets <= len(e) {
		return secret.New(append([]byte(nil), e[:octets]...))
	}
	return expand(h, skeyidE, octets, []byte{0}, nil)
}

// KEYMAT is the keying material of one direction of an IPsec SA (RFC 2409
// section 5.5). gxy is the secret of the quick mode's own exchange, nil without
// PFS; protocol and spi are those of the SA's receiver; octets covers the
// encryption key followed by the integrity key.
func KEYMAT(h Hash, skeyidD secret.Bytes, gxy []byte, protocol uint8, spi []byte, ni, nr []byte, octets int) secret.Bytes {
	seed := make([]byte, 0, len(gxy)+1+len(spi)+len(ni)+len(nr))
	seed = append(seed, gxy...)
	seed = append(seed, protocol)
	seed = append(seed, spi...)
	seed = append(seed, ni...)
	seed = append(seed, nr...)
	defer clear(seed)
	return expand(h, skeyidD, octets, seed, seed)
}

// expand is octets of K1 | K2 | ..., where K1 = prf(key, first) and
// Kn = prf(key, Kn-1 | seed).
func expand(h Hash, key secret.Bytes, octets int, first, seed []byte) secret.Bytes {
	if !h.Supported() {
		return secret.Bytes{}
	}
	out := make([]byte, 0, octets+h.Size())
	for k := h.PRF(key.Reveal(), first); ; k = h.PRF(key.Reveal(), k, seed) {
		out = append(out, k...)
		if len(out) >= octets {
			clear(out[octets:])
			return secret.New(out[:octets])
		}
	}
}

// HashI is HASH_I, the initiator's proof of phase 1 (RFC 2409 section 5). gxi
// and gxr are the bodies of the KE payloads, saiB the body of the initiator's
// SA payload, idiiB that of the initiator's ID payload, octet for octet as on
// the wire.
func HashI(h Hash, skeyid secret.Bytes, gxi, gxr []byte, ckyI, ckyR [8]byte, saiB, idiiB []byte) []byte {
	return h.PRF(skeyid.Reveal(), gxi, gxr, ckyI[:], ckyR[:], saiB, idiiB)
}

// HashR is HASH_R, the responder's proof. The arguments are in the same order
// as HashI's, with the body of the responder's ID payload at the end.
func HashR(h Hash, skeyid secret.Bytes, gxi, gxr []byte, ckyI, ckyR [8]byte, saiB, idirB []byte) []byte {
	return h.PRF(skeyid.Reveal(), gxr, gxi, ckyR[:], ckyI[:], saiB, idirB)
}

// BaseHashI is HASH_I of base mode with a pre-shared key
// (draft-ietf-ipsec-ike-base-mode-02): prf(SKEYID, g^xi | CKY-I | CKY-R | SAi_b |
// IDii_b), since the responder has sent no public value yet. Its HASH_R is HashR.
func BaseHashI(h Hash, skeyid secret.Bytes, gxi []byte, ckyI, ckyR [8]byte, saiB, idiiB []byte) []byte {
	return h.PRF(skeyid.Reveal(), gxi, ckyI[:], ckyR[:], saiB, idiiB)
}

// Hash1 is HASH(1) of quick mode, prf(SKEYID_a, M-ID | rest), where rest is
// everything of the message after the hash payload, without padding (RFC 2409
// section 5.5). Informational (section 5.7) and transaction exchanges use it too.
func Hash1(h Hash, skeyidA secret.Bytes, msgid uint32, rest []byte) []byte {
	return h.PRF(skeyidA.Reveal(), messageID(msgid), rest)
}

// Hash2 is HASH(2) of quick mode: HASH(1) with the initiator's nonce after the
// message ID. ni is the body of the nonce payload.
func Hash2(h Hash, skeyidA secret.Bytes, msgid uint32, ni, rest []byte) []byte {
	return h.PRF(skeyidA.Reveal(), messageID(msgid), ni, rest)
}

// Hash3 is HASH(3) of quick mode, prf(SKEYID_a, 0 | M-ID | Ni_b | Nr_b).
func Hash3(h Hash, skeyidA secret.Bytes, msgid uint32, ni, nr []byte) []byte {
	return h.PRF(skeyidA.Reveal(), []byte{0}, messageID(msgid), ni, nr)
}

func messageID(msgid uint32) []byte { return binary.BigEndian.AppendUint32(nil, msgid) }
