// Package ipsec has what the standards say of the algorithms of IPsec SAs, by the
// numbers of the IPsec DOI that kernel.AlgKey and kernel.Algorithm have: their keys
// and their integrity check values. What a kernel calls them, and which it has, its
// plugin knows.
//
//	a := ipsec.Encr(12) // AES-CBC
//	key := make([]byte, a.MinKey/8)
package ipsec

import (
	"fmt"
	"slices"
)

// Algorithm is one algorithm. All lengths are in bits.
type Algorithm struct {
	ID   uint16 // 0: nobody knows this one
	Name string // as in setkey(8)
	// The lengths of the key, without its salt: MinKey and whole Steps more, up to MaxKey.
	// An algorithm with MaxKey 0 has no key.
	MinKey, MaxKey, Step uint16
	// Salt is what follows the key in AlgKey.Key: the nonce of RFC 3686 section 5.1 or the
	// salt of RFC 4106 section 8.1 and RFC 4309 section 7.1.
	Salt uint16
	ICV  uint16 // integrity check value, as its standard cuts it; 0: it has none
	AEAD bool   // an ESP transform that needs no authentication algorithm, and takes none
}

// encrs are ESP transforms: RFC 2407 section 4.4.4 and its registry; RFC 2405, 2451, 2410,
// 3602, 3686, 4309, 4106 and 4312. 253 is the customary private number of Twofish.
var encrs = []Algorithm{
	{ID: 2, Name: "des-cbc", MinKey: 64, MaxKey: 64},
	{ID: 3, Name: "3des-cbc", MinKey: 192, MaxKey: 192},
	{ID: 6, Name: "cast128-cbc", MinKey: 40, MaxKey: 128, Step: 8},
	{ID: 7, Name: "blowfish-cbc", MinKey: 40, MaxKey: 448, Step: 8},
	{ID: Null, Name: "null"},
	{ID: 12, Name: "aes-cbc", MinKey: 128, MaxKey: 256, Step: 64},
	{ID: 13, Name: "aes-ctr", MinKey: 128, MaxKey: 256, Step: 64, Salt: 32},
	{ID: 14, Name: "aes-ccm-8", MinKey: 128, MaxKey: 256, Step: 64, Salt: 24, ICV: 64, AEAD: true},
	{ID: 15, Name: "aes-ccm-12", MinKey: 128, MaxKey: 256, Step: 64, Salt: 24, ICV: 96, AEAD: true},
	{ID: 16, Name: "aes-ccm-16", MinKey: 128, MaxKey: 256, Step: 64, Salt: 24, ICV: 128, AEAD: true},
	{ID: 18, Name: "aes-gcm-8", MinKey: 128, MaxKey: 256, Step: 64, Salt: 32, ICV: 64, AEAD: true},
	{ID: 19, Name: "aes-gcm-12", MinKey: 128, MaxKey: 256, Step: 64, Salt: 32, ICV: 96, AEAD: true},
	{ID: 20, Name: "aes-gcm-16", MinKey: 128, MaxKey: 256, Step: 64, Salt: 32, ICV: 128, AEAD: true},
	{ID: 22, Name: "camellia-cbc", MinKey: 128, MaxKey: 256, Step: 64},
	{ID: 253, Name: "twofish-cbc", MinKey: 128, MaxKey: 256, Step: 64},
}

// Null is ESP_NULL of RFC 2410, the transform without encryption.
const Null = 11

// auths are authentication algorithms: RFC 2407 section 4.5 and its registry; RFC 2403,
// 2404, 4868, 2857 and 3566.
var auths = []Algorithm{
	{ID: 1, Name: "hmac-md5", MinKey: 128, MaxKey: 128, ICV: 96},
	{ID: 2, Name: "hmac-sha1", MinKey: 160, MaxKey: 160, ICV: 96},
	{ID: 5, Name: "hmac-sha256", MinKey: 256, MaxKey: 256, ICV: 128},
	{ID: 6, Name: "hmac-sha384", MinKey: 384, MaxKey: 384, ICV: 192},
	{ID: 7, Name: "hmac-sha512", MinKey: 512, MaxKey: 512, ICV: 256},
	{ID: 8, Name: "hmac-ripemd160", MinKey: 160, MaxKey: 160, ICV: 96},
	{ID: 9, Name: "aes-xcbc-mac", MinKey: 128, MaxKey: 128, ICV: 96},
}

// comps are IPComp transforms, RFC 2407 section 4.4.5.
var comps = []Algorithm{{ID: 1, Name: "oui"}, {ID: 2, Name: "deflate"}, {ID: 3, Name: "lzs"}}

// Encr is an ESP transform; of a number that is not known the zero Algorithm.
func Encr(id uint16) Algorithm { return find(encrs, id) }

// Auth is an authentication algorithm; of a number that is not known the zero Algorithm.
func Auth(id uint16) Algorithm { return find(auths, id) }

// Comp is an IPComp transform; of a number that is not known the zero Algorithm.
func Comp(id uint16) Algorithm { return find(comps, id) }

func find(table []Algorithm, id uint16) Algorithm {
	if i := slices.IndexFunc(table, func(a Algorithm) bool { return a.ID == id }); i >= 0 {
		return table[i]
	}
	return Algorithm{}
}

// Takes reports whether a key, without its salt, may have so many bits.
func (a Algorithm) Takes(bits int) bool {
	least, most := int(a.MinKey), int(a.MaxKey)
	return bits >= least && bits <= most && (bits-least)%max(int(a.Step), 8) == 0
}

// CheckKey says what is wrong with a key of so many octets, salt included.
func (a Algorithm) CheckKey(octets int) error {
	if !a.Takes(8*octets - int(a.Salt)) {
		return fmt.Errorf("a key of %d bits, want %d to %d and %d of salt", 8*octets, a.MinKey, a.MaxKey, a.Salt)
	}
	return nil
}
