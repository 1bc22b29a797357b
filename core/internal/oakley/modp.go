package oakley

import (
	"encoding/hex"
	"errors"

	"filippo.io/bigmod"
)

// modp is a group of RFC 2409 section 6 or RFC 3526: the powers of 2 modulo a
// safe prime. Exponentiation takes the same time for every exponent and base.
type modp struct {
	p        *bigmod.Modulus
	exponent int // octets: at least twice the group's strength, RFC 3526 section 8
}

func newMODP(prime string, exponentBits int) modp {
	p, err := hex.DecodeString(prime)
	if err == nil {
		var m *bigmod.Modulus
		if m, err = bigmod.NewModulus(p); err == nil {
			return modp{m, exponentBits / 8}
		}
	}
	panic(err) // a typing error in primes.go
}

func (g modp) publicLen() int { return g.p.Size() }
func (g modp) randomLen() int { return g.exponent }

func (g modp) public(private []byte) ([]byte, error) {
	two := bigmod.NewNat().SetUint(2).ExpandFor(g.p)
	public := bigmod.NewNat().Exp(two, private, g.p)
	if public.IsOne() == 1 {
		return nil, ErrDrawAgain // exponent 0
	}
	return public.Bytes(g.p), nil
}

// shared accepts 2 to p-2, what RFC 2631 section 2.1.5 calls range. Since p is
// 2q+1 with q prime, no value in there has a small order.
func (g modp) shared(private, peer []byte) ([]byte, error) {
	y, err := bigmod.NewNat().SetBytes(peer, g.p)
	if err != nil || y.IsZero()|y.IsOne()|y.IsMinusOne(g.p) == 1 {
		return nil, errors.New("not within 2 to p-2")
	}
	return bigmod.NewNat().Exp(y, private, g.p).Bytes(g.p), nil
}
