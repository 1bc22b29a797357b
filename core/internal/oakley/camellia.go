package oakley

import (
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
)

// Camellia (RFC 3713) is written here because no module with it could be had
// when this was; any cipher.Block constructor can take newCamellia's place. Like
// every table-driven cipher, Blowfish, CAST-128 and 3DES in the libraries
// included, it looks up its S-box by secret octets and so is not constant-time
// against someone who shares the processor's cache.

const camelliaBlock = 16

// sbox1 is SBOX1 of RFC 3713 section 2.4.1; the other three follow from it.
var sbox1 = [256]byte{
	112, 130, 44, 236, 179, 39, 192, 229, 228, 133, 87, 53, 234, 12, 174, 65,
	35, 239, 107, 147, 69, 25, 165, 33, 237, 14, 79, 78, 29, 101, 146, 189,
	134, 184, 175, 143, 124, 235, 31, 206, 62, 48, 220, 95, 94, 197, 11, 26,
	166, 225, 57, 202, 213, 71, 93, 61, 217, 1, 90, 214, 81, 86, 108, 77,
	139, 13, 154, 102, 251, 204, 176, 45, 116, 18, 43, 32, 240, 177, 132, 153,
	223, 76, 203, 194, 52, 126, 118, 5, 109, 183, 169, 49, 209, 23, 4, 215,
	20, 88, 58, 97, 222, 27, 17, 28, 50, 15, 156, 22, 83, 24, 242, 34,
	254, 68, 207, 178, 195, 181, 122, 145, 36, 8, 232, 168, 96, 252, 105, 80,
	170, 208, 160, 125, 161, 137, 98, 151, 84, 91, 30, 149, 224, 255, 100, 210,
	16, 196, 0, 72, 163, 247, 117, 219, 138, 3, 230, 218, 9, 63, 221, 148,
	135, 92, 131, 2, 205, 74, 144, 51, 115, 103, 246, 243, 157, 127, 191, 226,
	82, 155, 216, 38, 200, 55, 198, 59, 129, 150, 111, 75, 19, 190, 99, 46,
	233, 121, 167, 140, 159, 110, 188, 142, 41, 245, 249, 182, 47, 253, 180, 89,
	120, 152, 6, 106, 231, 70, 113, 186, 212, 37, 171, 66, 136, 162, 141, 250,
	114, 7, 185, 85, 248, 238, 172, 10, 54, 73, 42, 104, 60, 56, 241, 164,
	64, 40, 211, 123, 187, 201, 67, 193, 21, 227, 173, 244, 119, 199, 128, 158,
}

// u128 is a 128-bit value, most significant half first.
type u128 struct{ hi, lo uint64 }

func (x u128) rotl(n uint) u128 {
	if n >= 64 {
		x.hi, x.lo, n = x.lo, x.hi, n-64
	}
	return u128{x.hi<<n | x.lo>>(64-n), x.lo<<n | x.hi>>(64-n)}
}

// camelliaKey is the key schedule in order of use: two whitening keys, then six
// rounds and two FL keys in turn, at the end six rounds and two whitening keys.
type camelliaKey struct{ encrypt, decrypt []uint64 }

// The registers that subkeys are cut from, RFC 3713 section 2.2.
const (
	kL = iota
	kR
	kA
	kB
)

// subkeyPair says: rotate the register left, take both halves.
type subkeyPair struct {
	register int
	rotation uint
}

var (
	subkeys128 = []subkeyPair{
		{kL, 0}, {kA, 0}, {kL, 15}, {kA, 15}, {kA, 30}, {kL, 45}, {kA, 45}, {kA, 60},
		{kL, 77}, {kL, 94}, {kA, 94}, {kL, 111}, {kA, 111},
	}
	subkeys256 = []subkeyPair{
		{kL, 0}, {kB, 0}, {kR, 15}, {kA, 15}, {kR, 30}, {kB, 30}, {kL, 45}, {kA, 45},
		{kL, 60}, {kR, 60}, {kB, 60}, {kL, 77}, {kA, 77}, {kR, 94}, {kA, 94}, {kL, 111}, {kB, 111},
	}
)

func newCamellia(key []byte) (cipher.Block, error) {
	var r [4]u128
	half := binary.BigEndian.Uint64
	switch len(key) {
	case 16:
	case 24:
		r[kR].hi = half(key[16:])
		r[kR].lo = ^r[kR].hi
	case 32:
		r[kR] = u128{half(key[16:]), half(key[24:])}
	default:
		return nil, fmt.Errorf("camellia key of %d octets: want 16, 24 or 32", len(key))
	}
	r[kL] = u128{half(key), half(key[8:])}

	// RFC 3713 section 2.2, Sigma1 to Sigma6.
	d := u128{r[kL].hi ^ r[kR].hi, r[kL].lo ^ r[kR].lo}
	d.lo ^= camelliaF(d.hi, 0xA09E667F3BCC908B)
	d.hi ^= camelliaF(d.lo, 0xB67AE8584CAA73B2)
	d.hi ^= r[kL].hi
	d.lo ^= r[kL].lo
	d.lo ^= camelliaF(d.hi, 0xC6EF372FE94F82BE)
	d.hi ^= camelliaF(d.lo, 0x54FF53A5F1D36F1C)
	r[kA] = d
	d.hi ^= r[kR].hi
	d.lo ^= r[kR].lo
	d.lo ^= camelliaF(d.hi, 0x10E527FADE682D1D)
	d.hi ^= camelliaF(d.lo, 0xB05688C2B3E6C1FD)
	r[kB] = d

	pairs := subkeys256
	if len(key) == 16 {
		pairs = subkeys128
	}
	k := make([]uint64, 0, 2*len(pairs))
	for _, p := range pairs {
		s := r[p.register].rotl(p.rotation)
		k = append(k, s.hi, s.lo)
	}
	if len(key) == 16 {
		k[13] = r[kL].rotl(60).lo // k10 alone breaks the pattern
	}

	// Section 2.3.3: decryption is encryption with the subkeys in reverse, but
	// each whitening pair stays in order.
	inverse := slices.Clone(k)
	slices.Reverse(inverse)
	n := len(inverse)
	inverse[0], inverse[1] = inverse[1], inverse[0]
	inverse[n-2], inverse[n-1] = inverse[n-1], inverse[n-2]
	return &camelliaKey{k, inverse}, nil
}

func (*camelliaKey) BlockSize() int            { return camelliaBlock }
func (c *camelliaKey) Encrypt(dst, src []byte) { camelliaCrypt(c.encrypt, dst, src) }
func (c *camelliaKey) Decrypt(dst, src []byte) { camelliaCrypt(c.decrypt, dst, src) }

func camelliaCrypt(k []uint64, dst, src []byte) {
	d1 := binary.BigEndian.Uint64(src) ^ k[0]
	d2 := binary.BigEndian.Uint64(src[8:]) ^ k[1]
	for k = k[2:]; ; k = k[8:] {
		d2 ^= camelliaF(d1, k[0])
		d1 ^= camelliaF(d2, k[1])
		d2 ^= camelliaF(d1, k[2])
		d1 ^= camelliaF(d2, k[3])
		d2 ^= camelliaF(d1, k[4])
		d1 ^= camelliaF(d2, k[5])
		if len(k) == 8 {
			break
		}
		d1 = camelliaFL(d1, k[6])
		d2 = camelliaFLInverse(d2, k[7])
	}
	binary.BigEndian.PutUint64(dst, d2^k[6])
	binary.BigEndian.PutUint64(dst[8:], d1^k[7])
}

// camelliaF is the F-function of section 2.4.1. Multiplying an S-box output by
// a word of 00 and 01 octets copies it to the places the P-function adds it to.
func camelliaF(x, k uint64) uint64 {
	x ^= k
	s2 := func(i uint64) byte { return bits.RotateLeft8(sbox1[byte(i)], 1) }
	s3 := func(i uint64) byte { return bits.RotateLeft8(sbox1[byte(i)], 7) }
	s4 := func(i uint64) byte { return sbox1[bits.RotateLeft8(byte(i), 1)] }
	return uint64(sbox1[x>>56])*0x0101010001000001 ^
		uint64(s2(x>>48))*0x0001010101010000 ^
		uint64(s3(x>>40))*0x0100010100010100 ^
		uint64(s4(x>>32))*0x0101000100000101 ^
		uint64(s2(x>>24))*0x0001010100010101 ^
		uint64(s3(x>>16))*0x0100010101000101 ^
		uint64(s4(x>>8))*0x0101000101010001 ^
		uint64(sbox1[byte(x)])*0x0101010001010100
}

// camelliaFL is the FL-function, camelliaFLInverse its inverse (section 2.4.2, 2.4.3).
func camelliaFL(x, k uint64) uint64 {
	x1, x2 := uint32(x>>32), uint32(x)
	k1, k2 := uint32(k>>32), uint32(k)
	x2 ^= bits.RotateLeft32(x1&k1, 1)
	x1 ^= x2 | k2
	return uint64(x1)<<32 | uint64(x2)
}

func camelliaFLInverse(y, k uint64) uint64 {
	y1, y2 := uint32(y>>32), uint32(y)
	k1, k2 := uint32(k>>32), uint32(k)
	y1 ^= y2 | k2
	y2 ^= bits.RotateLeft32(y1&k1, 1)
	return uint64(y1)<<32 | uint64(y2)
}
