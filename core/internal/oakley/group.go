package oakley

import (
	"crypto/subtle"
	"errors"
	"fmt"

	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// Group is a value of the IKE attribute Group Description: a Diffie-Hellman
// group (RFC 2409 section 6, RFC 3526, RFC 5903, RFC 8031 for Curve25519).
type Group uint16

const (
	MODP768  Group = 1
	MODP1024 Group = 2
	MODP1536 Group = 5
	MODP2048 Group = 14
	MODP3072 Group = 15
	MODP4096 Group = 16
	MODP6144 Group = 17
	MODP8192 Group = 18
	ECP256   Group = 19
	ECP384   Group = 20
	ECP521   Group = 21
	X25519   Group = 31
)

var (
	// ErrDrawAgain: the random octets are no private key of the group, which
	// happens with a probability below 2^-32. Call GenerateKey with fresh ones.
	ErrDrawAgain = errors.New("oakley: random octets outside the group's range, draw again")

	// ErrPublicValue: the peer's public value has the wrong length or is not a
	// safe element of the group. The peer is broken or hostile.
	ErrPublicValue = errors.New("oakley: invalid Diffie-Hellman public value")
)

// dhGroup is what the two kinds of group have in common. keyPair keeps private
// and may change it; shared is called with peer of publicLen octets.
type dhGroup interface {
	publicLen() int
	randomLen() int
	keyPair(private []byte) (public []byte, shared sharedFunc, err error)
}

type sharedFunc func(peer []byte) ([]byte, error)

var groups = map[Group]struct {
	name string
	dh   dhGroup
}{
	MODP768:  {"modp768", newMODP(prime768, 256)},
	MODP1024: {"modp1024", newMODP(prime1024, 256)},
	MODP1536: {"modp1536", newMODP(prime1536, 256)},
	MODP2048: {"modp2048", newMODP(prime2048, 256)},
	MODP3072: {"modp3072", newMODP(prime3072, 272)},
	MODP4096: {"modp4096", newMODP(prime4096, 304)},
	MODP6144: {"modp6144", newMODP(prime6144, 352)},
	MODP8192: {"modp8192", newMODP(prime8192, 384)},
	ECP256:   {"ecp256", p256},
	ECP384:   {"ecp384", p384},
	ECP521:   {"ecp521", p521},
	X25519:   {"x25519", x25519},
}

// Supported reports whether this package has the group. PublicLen and RandomLen
// are 0 for a group it has not.
func (g Group) Supported() bool { return groups[g].dh != nil }

// PublicLen is the exact length of a public value, the body of a KE payload, in
// octets.
func (g Group) PublicLen() int {
	if !g.Supported() {
		return 0
	}
	return groups[g].dh.publicLen()
}

// RandomLen is the number of random octets GenerateKey takes.
func (g Group) RandomLen() int {
	if !g.Supported() {
		return 0
	}
	return groups[g].dh.randomLen()
}

func (g Group) String() string {
	if a, ok := groups[g]; ok {
		return a.name
	}
	return fmt.Sprintf("group(%d)", uint16(g))
}

// KeyPair is one side's ephemeral key.
type KeyPair struct {
	Group  Group
	Public []byte // as sent in the KE payload, PublicLen octets

	private secret.Bytes
	shared  sharedFunc
}

// Zero overwrites the private key; Shared fails from then on. The standard
// library's own copy of an ECP or Curve25519 key is left to the collector.
func (k KeyPair) Zero() { k.private.Zero() }

// GenerateKey makes the key pair that random determines; random is RandomLen
// octets from a cryptographic source, used for nothing else, and not retained.
// The error is ErrDrawAgain when random happens to be unusable.
func GenerateKey(g Group, random []byte) (KeyPair, error) {
	if !g.Supported() {
		return KeyPair{}, fmt.Errorf("oakley: %v is not supported", g)
	}
	return generateKey(g, random, groups[g].dh.keyPair)
}

// Generator makes the same key pairs as GenerateKey in less than half the time
// for a MODP group, from a table that takes three key generations to compute and
// 12 to 200 kB to keep. For the other groups it is GenerateKey. It never
// changes, so goroutines may share it. The zero Generator is of no use.
type Generator struct {
	group   Group
	keyPair keyPairFunc
}

type keyPairFunc func(private []byte) ([]byte, sharedFunc, error)

// NewGenerator computes the table.
func NewGenerator(g Group) (Generator, error) {
	if !g.Supported() {
		return Generator{}, fmt.Errorf("oakley: %v is not supported", g)
	}
	if m, ok := groups[g].dh.(modp); ok {
		return Generator{g, m.newComb().keyPair}, nil
	}
	return Generator{g, groups[g].dh.keyPair}, nil
}

// GenerateKey is as the function of that name, with the generator's group.
func (g Generator) GenerateKey(random []byte) (KeyPair, error) {
	return generateKey(g.group, random, g.keyPair)
}

func generateKey(g Group, random []byte, keyPair keyPairFunc) (KeyPair, error) {
	if want := g.RandomLen(); keyPair == nil || len(random) != want {
		return KeyPair{}, fmt.Errorf("oakley: %v key from %d random octets, want %d", g, len(random), want)
	}
	if allZero(random) {
		return KeyPair{}, ErrDrawAgain
	}
	private := append([]byte(nil), random...)
	public, shared, err := keyPair(private)
	if err != nil {
		return KeyPair{}, err
	}
	return KeyPair{g, public, secret.New(private), shared}, nil
}

func allZero(b []byte) bool { return subtle.ConstantTimeCompare(b, make([]byte, len(b))) == 1 }

// Shared is g^xy with the peer's public value, left-padded to the length of the
// group's field; for ECP groups the x coordinate (RFC 5903 section 7). A public
// value of the wrong length, outside 2 to p-2, not on the curve, or of low order
// is refused with ErrPublicValue.
func (k KeyPair) Shared(peerPublic []byte) (secret.Bytes, error) {
	if k.shared == nil || allZero(k.private.Reveal()) {
		return secret.Bytes{}, errors.New("oakley: shared secret of an empty or erased key pair")
	}
	if want := k.Group.PublicLen(); len(peerPublic) != want {
		return secret.Bytes{}, fmt.Errorf("%w: %v value of %d octets, want %d", ErrPublicValue, k.Group, len(peerPublic), want)
	}
	gxy, err := k.shared(peerPublic)
	if err != nil {
		return secret.Bytes{}, fmt.Errorf("%w: %v: %w", ErrPublicValue, k.Group, err)
	}
	return secret.New(gxy), nil
}
