package pfkey

import (
	"slices"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// alg is one algorithm as the IPsec DOI knows it.
type alg struct {
	id       uint16
	name     string
	minBits  uint16 // of the key without salt
	maxBits  uint16
	stepBits uint16 // key lengths are minBits plus a multiple of this
	saltBits uint16 // at the end of the key: RFC 3686 nonce, RFC 4106 salt
	icvBits  uint16 // aead, auth: the standard's truncation
	aead     bool
}

// ESP transforms: RFC 2407 section 4.4.4 and the IANA registry "IPSEC ESP
// Transform Identifiers"; 253 is the customary private number of Twofish.
var encrAlgs = []alg{
	{id: 3, name: "3des-cbc", minBits: 192, maxBits: 192, stepBits: 64},
	{id: 6, name: "cast128-cbc", minBits: 40, maxBits: 128, stepBits: 8},
	{id: 7, name: "blowfish-cbc", minBits: 40, maxBits: 448, stepBits: 8},
	{id: espNull, name: "null"},
	{id: 12, name: "aes-cbc", minBits: 128, maxBits: 256, stepBits: 64},
	{id: 13, name: "aes-ctr", minBits: 128, maxBits: 256, stepBits: 64, saltBits: 32},
	{id: 18, name: "aes-gcm-8", minBits: 128, maxBits: 256, stepBits: 64, saltBits: 32, icvBits: 64, aead: true},
	{id: 19, name: "aes-gcm-12", minBits: 128, maxBits: 256, stepBits: 64, saltBits: 32, icvBits: 96, aead: true},
	{id: 20, name: "aes-gcm-16", minBits: 128, maxBits: 256, stepBits: 64, saltBits: 32, icvBits: 128, aead: true},
	{id: 22, name: "camellia-cbc", minBits: 128, maxBits: 256, stepBits: 64},
	{id: 253, name: "twofish-cbc", minBits: 128, maxBits: 256, stepBits: 64},
}

const (
	espNull    = 11
	authSHA384 = 6
	authSHA512 = 7
)

// Authentication algorithms: RFC 2407 section 4.5 and its registry. The
// truncations are those of RFC 2403, 2404, 2857, 3566 and 4868.
var authAlgs = []alg{
	{id: 1, name: "hmac-md5", minBits: 128, maxBits: 128, icvBits: 96},
	{id: 2, name: "hmac-sha1", minBits: 160, maxBits: 160, icvBits: 96},
	{id: 5, name: "hmac-sha256", minBits: 256, maxBits: 256, icvBits: 128},
	{id: 6, name: "hmac-sha384", minBits: 384, maxBits: 384, icvBits: 192},
	{id: 7, name: "hmac-sha512", minBits: 512, maxBits: 512, icvBits: 256},
	{id: 8, name: "hmac-ripemd160", minBits: 160, maxBits: 160, icvBits: 96},
	{id: 9, name: "aes-xcbc-mac", minBits: 128, maxBits: 128, icvBits: 96},
}

// deflate is the IPComp transform of RFC 2394, the only one that kernels have.
const deflate = 2

// find returns an algorithm and this system's number of it.
func (s *System) find(table []alg, own numbers, kind string, id uint16) (alg, uint8, error) {
	i := slices.IndexFunc(table, func(a alg) bool { return a.id == id })
	n, ok := own.own(id)
	if i < 0 || !ok {
		return alg{}, 0, unsupported("%s algorithm %d is not one that PF_KEY of %s has", kind, id, s.Name)
	}
	return table[i], uint8(n), nil
}

// checkKey says whether key may be used with a.
func (a alg) checkKey(key *kernel.AlgKey) error {
	bits := key.Key.Len() * 8
	body := bits - int(a.saltBits)
	if body < int(a.minBits) || body > int(a.maxBits) || a.stepBits != 0 && (body-int(a.minBits))%int(a.stepBits) != 0 {
		return invalid("%s: a key of %d bits, want %d to %d and %d of salt", a.name, bits, a.minBits, a.maxBits, a.saltBits)
	}
	return nil
}

// icv is the ICV length in bits that this system gives a: PF_KEY has no word for
// another.
func (s *System) icv(a alg) uint16 {
	if bits, ok := s.ICVs.own(a.id); ok && !a.aead {
		return bits
	}
	return a.icvBits
}

func (s *System) checkICV(a alg, key *kernel.AlgKey) error {
	if bits := s.icv(a); key.Trunc != 0 && key.Trunc != bits {
		return unsupported("%s truncated to %d bits: PF_KEY of %s always takes %d; kernel-xfrm can do what is asked on Linux", a.name, key.Trunc, s.Name, bits)
	}
	return nil
}

// saAlgorithms are the numbers of the algorithms of an SA, once it is clear that
// its protocol may have them.
func (s *System) saAlgorithms(sa *kernel.SA) (auth, encrypt uint8, err error) {
	switch sa.Key.Proto {
	case protoESP:
		return s.espAlgorithms(sa)
	case protoAH:
		if sa.Encr != nil || sa.Comp != 0 || sa.Auth == nil {
			return 0, 0, invalid("AH wants an authentication algorithm and nothing else")
		}
		auth, err = s.authAlgorithm(sa.Auth)
		return auth, 0, err
	case protoIPComp:
		if sa.Encr != nil || sa.Auth != nil {
			return 0, 0, invalid("IPComp with a key")
		}
		n, ok := s.Comp.own(sa.Comp)
		if !ok {
			return 0, 0, unsupported("IPComp algorithm %d is not one that PF_KEY of %s has", sa.Comp, s.Name)
		}
		return 0, uint8(n), nil
	}
	return 0, 0, unsupported("protocol %d: this backend knows ESP (50), AH (51) and IPComp (108)", sa.Key.Proto)
}

func (s *System) espAlgorithms(sa *kernel.SA) (auth, encrypt uint8, err error) {
	switch {
	case sa.Comp != 0:
		return 0, 0, invalid("ESP with a compression algorithm")
	case sa.Encr == nil:
		return 0, 0, invalid("ESP without an encryption algorithm; NULL is 11")
	}
	a, encrypt, err := s.find(encrAlgs, s.Encr, "ESP", sa.Encr.ID)
	if err != nil {
		return 0, 0, err
	}
	if err := a.checkKey(sa.Encr); err != nil {
		return 0, 0, err
	}
	switch {
	case a.aead && sa.Auth != nil:
		return 0, 0, invalid("%s authenticates by itself; it takes no other algorithm", a.name)
	case a.aead:
		return 0, encrypt, s.checkICV(a, sa.Encr)
	case sa.Auth == nil && a.id == espNull:
		return 0, 0, invalid("ESP NULL without authentication protects nothing") // RFC 2406 section 5
	case sa.Auth == nil:
		return 0, encrypt, nil
	}
	auth, err = s.authAlgorithm(sa.Auth)
	return auth, encrypt, err
}

func (s *System) authAlgorithm(key *kernel.AlgKey) (uint8, error) {
	a, n, err := s.find(authAlgs, s.Auth, "authentication", key.ID)
	if err != nil {
		return 0, err
	}
	if err := a.checkKey(key); err != nil {
		return 0, err
	}
	return n, s.checkICV(a, key)
}

// A supported is one algorithm of the answer to REGISTER.
type supported struct {
	id               uint8
	minBits, maxBits uint16
}

// algorithms are those that the kernel has registered and we know.
func (s *System) algorithms(encr, auth []supported, comp bool) (list []kernel.Algorithm) {
	add := func(kind kernel.AlgKind, table []alg, own numbers, have []supported) {
		for _, a := range table {
			n, ok := own.own(a.id)
			i := slices.IndexFunc(have, func(h supported) bool { return uint16(h.id) == n })
			if !ok || i < 0 {
				continue
			}
			have := have[i]
			c := kernel.Algorithm{Kind: kind, ID: a.id, MinKey: a.minBits, MaxKey: a.maxBits}
			if have.maxBits > a.saltBits && a.maxBits > 0 {
				c.MinKey, c.MaxKey = max(a.minBits, have.minBits-min(have.minBits, a.saltBits)), min(a.maxBits, have.maxBits-a.saltBits)
			}
			if c.MinKey > c.MaxKey {
				continue
			}
			if bits := s.icv(a); bits != 0 {
				c.ICVs = []uint16{bits}
			}
			list = append(list, c)
		}
	}
	add(kernel.AlgEncr, encrAlgs, s.Encr, encr)
	add(kernel.AlgAuth, authAlgs, s.Auth, auth)
	if comp {
		list = append(list, kernel.Algorithm{Kind: kernel.AlgComp, ID: deflate})
	}
	return list
}
