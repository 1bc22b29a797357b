// Package oakley is the cryptography of RFC 2409: Diffie-Hellman groups, the
// prf, SKEYID and its children, HASH_I and HASH_R, HASH(1) to HASH(3), KEYMAT,
// and CBC encryption with its chained IVs.
//
// It knows no payloads, no peers and no configuration: numbers and octets go
// in, octets come out. It draws no randomness (the caller hands it in) and keeps
// no state. A responder with a pre-shared key, after message 3 of main mode:
//
//	kp, err := GenerateKey(MODP2048, random)
//	gxy, err := kp.Shared(gxi)
//	keys := DeriveKeys(SHA256, SKEYIDFromPSK(SHA256, psk, ni, nr), gxy.Reveal(), ckyI, ckyR)
//	cbc, err := NewCBC(AES, CipherKey(SHA256, keys.E, 16))
//	plain, iv, err := cbc.Decrypt(Phase1IV(SHA256, AES, gxi, kp.Public), message5)
package oakley

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"fmt"
	"hash"
)

// Hash is a value of the IKE attribute Hash Algorithm (RFC 2409 Appendix A,
// SHA-2 by the IANA registry). It also selects the prf: HMAC with that hash,
// since no prf was ever negotiable (RFC 2409 section 4).
type Hash uint16

const (
	MD5    Hash = 1
	SHA1   Hash = 2
	SHA256 Hash = 4
	SHA384 Hash = 5
	SHA512 Hash = 6
)

var hashes = map[Hash]struct {
	name string
	size int
	new  func() hash.Hash
}{
	MD5:    {"md5", md5.Size, md5.New},
	SHA1:   {"sha1", sha1.Size, sha1.New},
	3:      {name: "tiger"},
	SHA256: {"sha256", sha256.Size, sha256.New},
	SHA384: {"sha384", sha512.Size384, sha512.New384},
	SHA512: {"sha512", sha512.Size, sha512.New},
}

// Supported reports whether this package computes h. The other methods give
// zero or nil for a hash it does not.
func (h Hash) Supported() bool { return hashes[h].new != nil }

// Size is the length of a digest, and of a prf output, in octets.
func (h Hash) Size() int { return hashes[h].size }

func (h Hash) String() string {
	if a, ok := hashes[h]; ok {
		return a.name
	}
	return fmt.Sprintf("hash(%d)", uint16(h))
}

// Sum is the digest of the concatenated parts.
func (h Hash) Sum(parts ...[]byte) []byte {
	if !h.Supported() {
		return nil
	}
	return digest(hashes[h].new(), parts)
}

// PRF is prf(key, parts...): HMAC of the concatenated parts (RFC 2104).
func (h Hash) PRF(key []byte, parts ...[]byte) []byte {
	if !h.Supported() {
		return nil
	}
	return digest(hmac.New(hashes[h].new, key), parts)
}

func digest(d hash.Hash, parts [][]byte) []byte {
	for _, p := range parts {
		d.Write(p)
	}
	return d.Sum(nil)
}

// Equal compares two digests in time that depends on their lengths only. Two
// empty digests are not equal: an empty one proves nothing.
func Equal(a, b []byte) bool {
	return len(a) > 0 && len(a) == len(b) && subtle.ConstantTimeCompare(a, b) == 1
}
