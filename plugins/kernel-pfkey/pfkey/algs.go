package pfkey

import (
	"slices"

	"github.com/racoon-ike/racoon/core/sdk/ipsec"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

const (
	authSHA384 = 6
	authSHA512 = 7
)

// deflate is the IPComp transform of RFC 2394, the only one that kernels have.
const deflate = 2

// number is this system's number of an algorithm, which key must fit.
func (s *System) number(a ipsec.Algorithm, own numbers, kind string, key *kernel.AlgKey) (uint8, error) {
	n, ok := own.own(key.ID)
	if !ok {
		return 0, unsupported("%s algorithm %d is not one that PF_KEY of %s has", kind, key.ID, s.Name)
	}
	if err := a.CheckKey(key.Key.Len()); err != nil {
		return 0, invalid("%s: %v", a.Name, err)
	}
	return uint8(n), nil
}

// icv is the ICV length in bits that this system gives a: PF_KEY has no word for
// another.
func (s *System) icv(a ipsec.Algorithm) uint16 {
	if bits, ok := s.ICVs.own(a.ID); ok && !a.AEAD {
		return bits
	}
	return a.ICV
}

func (s *System) checkICV(a ipsec.Algorithm, key *kernel.AlgKey) error {
	if bits := s.icv(a); key.Trunc != 0 && key.Trunc != bits {
		return unsupported("%s truncated to %d bits: PF_KEY of %s always takes %d; kernel-xfrm can do what is asked on Linux", a.Name, key.Trunc, s.Name, bits)
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
	a := ipsec.Encr(sa.Encr.ID)
	if encrypt, err = s.number(a, s.Encr, "ESP", sa.Encr); err != nil {
		return 0, 0, err
	}
	switch {
	case a.AEAD && sa.Auth != nil:
		return 0, 0, invalid("%s authenticates by itself; it takes no other algorithm", a.Name)
	case a.AEAD:
		return 0, encrypt, s.checkICV(a, sa.Encr)
	case sa.Auth == nil && a.ID == ipsec.Null:
		return 0, 0, invalid("ESP NULL without authentication protects nothing") // RFC 2406 section 5
	case sa.Auth == nil:
		return 0, encrypt, nil
	}
	auth, err = s.authAlgorithm(sa.Auth)
	return auth, encrypt, err
}

func (s *System) authAlgorithm(key *kernel.AlgKey) (uint8, error) {
	a := ipsec.Auth(key.ID)
	n, err := s.number(a, s.Auth, "authentication", key)
	if err != nil {
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
	add := func(kind kernel.AlgKind, standard func(uint16) ipsec.Algorithm, own numbers, have []supported) {
		for _, n := range own {
			i := slices.IndexFunc(have, func(h supported) bool { return uint16(h.id) == n.Own })
			if i < 0 {
				continue
			}
			a, have := standard(n.DOI), have[i]
			c := kernel.Algorithm{Kind: kind, ID: a.ID, MinKey: a.MinKey, MaxKey: a.MaxKey}
			if have.maxBits > a.Salt && a.MaxKey > 0 {
				c.MinKey, c.MaxKey = max(a.MinKey, have.minBits-min(have.minBits, a.Salt)), min(a.MaxKey, have.maxBits-a.Salt)
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
	add(kernel.AlgEncr, ipsec.Encr, s.Encr, encr)
	add(kernel.AlgAuth, ipsec.Auth, s.Auth, auth)
	if comp {
		list = append(list, kernel.Algorithm{Kind: kernel.AlgComp, ID: deflate})
	}
	return list
}
