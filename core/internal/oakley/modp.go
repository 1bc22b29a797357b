package oakley

import (
	"crypto/subtle"
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

func (g modp) keyPair(private []byte) ([]byte, sharedFunc, error) {
	two := bigmod.NewNat().SetUint(2).ExpandFor(g.p)
	public := bigmod.NewNat().Exp(two, private, g.p)
	return public.Bytes(g.p), g.shared(private), nil
}

// shared accepts 2 to p-2 (RFC 2631 section 2.1.5). Since p is 2q+1 with q
// prime, no value in there has a small order.
func (g modp) shared(private []byte) sharedFunc {
	return func(peer []byte) ([]byte, error) {
		y, err := bigmod.NewNat().SetBytes(peer, g.p)
		if err != nil || y.IsZero()|y.IsOne()|y.IsMinusOne(g.p) == 1 {
			return nil, errors.New("not within 2 to p-2")
		}
		return bigmod.NewNat().Exp(y, private, g.p).Bytes(g.p), nil
	}
}

// comb is a table of powers of 2 for fixed-base exponentiation (Lim and Lee,
// CRYPTO '94). The exponent is cut into combRows rows, and each row into blocks
// of combBlock bits; for each block the table has the products of every choice
// of rows. That leaves one multiplication for four bits and combBlock-1
// squarings, and like Exp takes the same time for every exponent.
type comb struct {
	modp
	row   int    // bits
	table []uint // limbs of entry [block][choice of rows]
}

const (
	combRows  = 4
	combBlock = 8
)

func (g modp) newComb() *comb {
	c := &comb{modp: g, row: g.exponent * 8 / combRows}
	x := bigmod.NewNat().SetUint(2).ExpandFor(g.p)
	bases := make([][combRows][]uint, c.blocks())
	for bit := range combRows * c.row { // x is 2 to the power 2^bit
		if row, at := bit/c.row, bit%c.row; at%combBlock == 0 {
			bases[at/combBlock][row] = append([]uint(nil), x.Bits()...)
		}
		x.Mul(x, g.p)
	}
	factor := bigmod.NewNat().ExpandFor(g.p)
	for _, base := range bases {
		for choice := range 1 << combRows {
			product := bigmod.NewNat().SetUint(1).ExpandFor(g.p)
			for row := range combRows {
				if choice>>row&1 == 1 {
					copy(factor.Bits(), base[row])
					product.Mul(factor, g.p)
				}
			}
			c.table = append(c.table, product.Bits()...)
		}
	}
	return c
}

func (c *comb) blocks() int { return (c.row + combBlock - 1) / combBlock }

func (c *comb) keyPair(private []byte) ([]byte, sharedFunc, error) {
	y := bigmod.NewNat().SetUint(1).ExpandFor(c.p)
	factor := bigmod.NewNat().ExpandFor(c.p)
	defer clear(factor.Bits())
	for k := combBlock - 1; k >= 0; k-- {
		y.Mul(y, c.p)
		for block := range c.blocks() {
			c.pick(factor.Bits(), block, c.choice(private, block*combBlock+k))
			y.Mul(factor, c.p)
		}
	}
	return y.Bytes(c.p), c.shared(private), nil
}

// choice gathers the exponent's bit number at of every row.
func (c *comb) choice(private []byte, at int) (choice int32) {
	if at >= c.row { // the last block may be longer than what is left
		return 0
	}
	for row := range combRows {
		bit := row*c.row + at
		choice |= int32(private[len(private)-1-bit/8]>>(bit%8)&1) << row
	}
	return choice
}

// pick copies a table entry, touching all entries of the block alike.
func (c *comb) pick(into []uint, block int, choice int32) {
	clear(into)
	entries := c.table[block<<combRows*len(into):]
	for i := range int32(1 << combRows) {
		mask := -uint(subtle.ConstantTimeEq(i, choice))
		for j, limb := range entries[:len(into)] {
			into[j] |= mask & limb
		}
		entries = entries[len(into):]
	}
}
