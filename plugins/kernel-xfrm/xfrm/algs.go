//go:build linux

package xfrm

import (
	"strings"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// alg is one algorithm as IPsec DOI and the kernel's crypto API call it.
type alg struct {
	id       uint16
	name     string // crypto API
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
	{id: 3, name: "cbc(des3_ede)", minBits: 192, maxBits: 192, stepBits: 64},
	{id: 6, name: "cbc(cast5)", minBits: 40, maxBits: 128, stepBits: 8},
	{id: 7, name: "cbc(blowfish)", minBits: 40, maxBits: 448, stepBits: 8},
	nullEncr,
	{id: 12, name: "cbc(aes)", minBits: 128, maxBits: 256, stepBits: 64},
	{id: 13, name: "rfc3686(ctr(aes))", minBits: 128, maxBits: 256, stepBits: 64, saltBits: 32},
	{id: 18, name: "rfc4106(gcm(aes))", minBits: 128, maxBits: 256, stepBits: 64, saltBits: 32, icvBits: 64, aead: true},
	{id: 19, name: "rfc4106(gcm(aes))", minBits: 128, maxBits: 256, stepBits: 64, saltBits: 32, icvBits: 96, aead: true},
	{id: 20, name: "rfc4106(gcm(aes))", minBits: 128, maxBits: 256, stepBits: 64, saltBits: 32, icvBits: 128, aead: true},
	{id: 22, name: "cbc(camellia)", minBits: 128, maxBits: 256, stepBits: 64},
	{id: 253, name: "cbc(twofish)", minBits: 128, maxBits: 256, stepBits: 64},
}

var nullEncr = alg{id: 11, name: "ecb(cipher_null)"}

// Authentication algorithms: RFC 2407 section 4.5 and its registry. The
// truncations are those of RFC 2403, 2404 and 4868.
var authAlgs = []alg{
	{id: 1, name: "hmac(md5)", minBits: 128, maxBits: 128, stepBits: 8, icvBits: 96},
	hmacSHA1,
	{id: 5, name: "hmac(sha256)", minBits: 256, maxBits: 256, stepBits: 8, icvBits: 128},
	{id: 6, name: "hmac(sha384)", minBits: 384, maxBits: 384, stepBits: 8, icvBits: 192},
	{id: 7, name: "hmac(sha512)", minBits: 512, maxBits: 512, stepBits: 8, icvBits: 256},
}

var hmacSHA1 = alg{id: 2, name: "hmac(sha1)", minBits: 160, maxBits: 160, stepBits: 8, icvBits: 96}

// IPComp transforms: RFC 2407 section 4.4.5. The kernel has deflate only.
var compAlgs = []alg{deflate}

var deflate = alg{id: 2, name: "deflate"}

func algByID(table []alg, kind string, id uint16) (alg, error) {
	for _, a := range table {
		if a.id == id {
			return a, nil
		}
	}
	return alg{}, unsupported("%s algorithm %d is not one this backend knows", kind, id)
}

// algByName finds what a dump names; icv tells the AEADs of one name apart.
// An algorithm we do not know has number 0.
func algByName(table []alg, name string, icv uint32) uint16 {
	for _, a := range table {
		if a.name == name && (!a.aead || uint32(a.icvBits) == icv) {
			return a.id
		}
	}
	return 0
}

// checkKey says whether key may be used with a.
func (a alg) checkKey(key *kernel.AlgKey) error {
	bits := key.Key.Len() * 8
	body := bits - int(a.saltBits)
	if body < int(a.minBits) || body > int(a.maxBits) ||
		a.stepBits != 0 && (body-int(a.minBits))%int(a.stepBits) != 0 {
		return invalid("%s: a key of %d bits, want %d to %d and %d of salt", a.name, bits, a.minBits, a.maxBits, a.saltBits)
	}
	return nil
}

// icv returns the ICV length in bits. Only an authentication algorithm may be
// truncated otherwise than its standard says; an old peer may need it.
func (a alg) icv(key *kernel.AlgKey) (uint32, error) {
	t := key.Trunc
	switch {
	case t == 0 || t == a.icvBits:
		return uint32(a.icvBits), nil
	case a.aead || t%8 != 0 || t < 96 || t > a.maxBits:
		return 0, invalid("%s cannot be truncated to %d bits", a.name, t)
	}
	return uint32(t), nil
}

// icvs are the lengths that icv takes, in bits, the standard's first.
func (a alg) icvs() []uint16 {
	if a.icvBits == 0 {
		return nil
	}
	all := []uint16{a.icvBits}
	if a.aead {
		return all
	}
	for t := uint16(96); t <= a.maxBits; t += 8 {
		if t != a.icvBits {
			all = append(all, t)
		}
	}
	return all
}

// appendAlgs appends the algorithms of sa, having checked that they are what its
// protocol may have.
func appendAlgs(b []byte, sa *kernel.SA) ([]byte, error) {
	switch sa.Key.Proto {
	case protoESP:
		if sa.Comp != 0 {
			return nil, invalid("ESP with a compression algorithm")
		}
		return appendESP(b, sa.Encr, sa.Auth)
	case protoAH:
		if sa.Encr != nil || sa.Comp != 0 || sa.Auth == nil {
			return nil, invalid("AH wants an authentication algorithm and nothing else")
		}
		return appendAuth(b, sa.Auth)
	case protoIPComp:
		if sa.Encr != nil || sa.Auth != nil {
			return nil, invalid("IPComp with a key")
		}
		a, err := algByID(compAlgs, "IPComp", sa.Comp)
		if err != nil {
			return nil, err
		}
		return appendAlgo(b, attrAlgComp, a.name, nil, secret.Bytes{}), nil
	}
	return nil, unsupported("protocol %d: this backend knows ESP (50), AH (51) and IPComp (108)", sa.Key.Proto)
}

func appendESP(b []byte, encr, auth *kernel.AlgKey) ([]byte, error) {
	if encr == nil {
		return nil, invalid("ESP without an encryption algorithm; NULL is 11")
	}
	a, err := algByID(encrAlgs, "ESP", encr.ID)
	if err != nil {
		return nil, err
	}
	if err := a.checkKey(encr); err != nil {
		return nil, err
	}
	if a.aead {
		if auth != nil {
			return nil, invalid("%s authenticates by itself; it takes no other algorithm", a.name)
		}
		icv, err := a.icv(encr)
		if err != nil {
			return nil, err
		}
		return appendAlgo(b, attrAlgAEAD, a.name, &icv, encr.Key), nil
	}
	if encr.ID == nullEncr.id && auth == nil {
		return nil, invalid("ESP NULL without authentication protects nothing") // RFC 2406 section 5
	}
	if auth != nil {
		if b, err = appendAuth(b, auth); err != nil {
			return nil, err
		}
	}
	return appendAlgo(b, attrAlgCrypt, a.name, nil, encr.Key), nil
}

func appendAuth(b []byte, auth *kernel.AlgKey) ([]byte, error) {
	a, err := algByID(authAlgs, "authentication", auth.ID)
	if err != nil {
		return nil, err
	}
	if err := a.checkKey(auth); err != nil {
		return nil, err
	}
	icv, err := a.icv(auth)
	if err != nil {
		return nil, err
	}
	return appendAlgo(b, attrAlgAuthTrunc, a.name, &icv, auth.Key), nil
}

// appendAlgo appends an xfrm_algo, or with icv an xfrm_algo_auth or xfrm_algo_aead.
// The key goes into b and nowhere else.
func appendAlgo(b []byte, typ uint16, name string, icv *uint32, key secret.Bytes) []byte {
	head := make([]byte, sizeAlgo, sizeAlgoICV)
	copy(head[:algNameLen-1], name)
	native.PutUint32(head[algNameLen:], uint32(key.Len()*8))
	if icv != nil {
		head = native.AppendUint32(head, *icv)
	}
	b = native.AppendUint16(b, uint16(4+len(head)+key.Len()))
	b = native.AppendUint16(b, typ)
	b = append(append(b, head...), key.Reveal()...)
	return append(b, make([]byte, -key.Len()&3)...)
}

// getAlgo decodes an xfrm_algo, or with icv one of its longer sisters. The key is
// a copy.
func getAlgo(data []byte, hasICV bool) (name string, icv uint32, key []byte, err error) {
	size := sizeAlgo
	if hasICV {
		size = sizeAlgoICV
	}
	if err := need(data, size, "algorithm"); err != nil {
		return "", 0, nil, err
	}
	name, _, _ = strings.Cut(string(data[:algNameLen]), "\x00")
	if hasICV {
		icv = native.Uint32(data[algNameLen+4:])
	}
	octets := (uint64(native.Uint32(data[algNameLen:])) + 7) / 8
	if octets > uint64(len(data)-size) {
		return "", 0, nil, need(data, size+int(octets), "algorithm "+name)
	}
	return name, icv, append([]byte(nil), data[size:size+int(octets)]...), nil
}
