//go:build linux

package xfrm

import (
	"strings"

	"github.com/racoon-ike/racoon/core/sdk/ipsec"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// alg is one algorithm as the IPsec DOI and the kernel's crypto API know it.
type alg struct {
	ipsec.Algorithm
	crypto string // its name in the crypto API
}

var encrAlgs = []alg{
	{ipsec.Encr(3), "cbc(des3_ede)"},
	{ipsec.Encr(6), "cbc(cast5)"},
	{ipsec.Encr(7), "cbc(blowfish)"},
	nullEncr,
	{ipsec.Encr(12), "cbc(aes)"},
	{ipsec.Encr(13), "rfc3686(ctr(aes))"},
	{ipsec.Encr(18), "rfc4106(gcm(aes))"},
	{ipsec.Encr(19), "rfc4106(gcm(aes))"},
	{ipsec.Encr(20), "rfc4106(gcm(aes))"},
	{ipsec.Encr(22), "cbc(camellia)"},
	{ipsec.Encr(253), "cbc(twofish)"},
}

var nullEncr = alg{ipsec.Encr(ipsec.Null), "ecb(cipher_null)"}

var authAlgs = []alg{
	{ipsec.Auth(1), "hmac(md5)"},
	hmacSHA1,
	{ipsec.Auth(5), "hmac(sha256)"},
	{ipsec.Auth(6), "hmac(sha384)"},
	{ipsec.Auth(7), "hmac(sha512)"},
}

var hmacSHA1 = alg{ipsec.Auth(2), "hmac(sha1)"}

// compAlgs: the kernel has deflate only.
var compAlgs = []alg{deflate}

var deflate = alg{ipsec.Comp(2), "deflate"}

func algByID(table []alg, kind string, id uint16) (alg, error) {
	for _, a := range table {
		if a.ID == id {
			return a, nil
		}
	}
	return alg{}, unsupported("%s algorithm %d is not one this backend knows", kind, id)
}

// algByName finds what a dump names; icv tells the AEADs of one name apart.
// An algorithm we do not know has number 0.
func algByName(table []alg, name string, icv uint32) uint16 {
	for _, a := range table {
		if a.crypto == name && (!a.AEAD || uint32(a.ICV) == icv) {
			return a.ID
		}
	}
	return 0
}

// checkKey says whether key may be used with a.
func (a alg) checkKey(key *kernel.AlgKey) error {
	if err := a.CheckKey(key.Key.Len()); err != nil {
		return invalid("%s: %v", a.crypto, err)
	}
	return nil
}

// icv returns the ICV length in bits. Only an authentication algorithm may be
// truncated otherwise than its standard says; an old peer may need it.
func (a alg) icv(key *kernel.AlgKey) (uint32, error) {
	t := key.Trunc
	switch {
	case t == 0 || t == a.ICV:
		return uint32(a.ICV), nil
	case a.AEAD || t%8 != 0 || t < 96 || t > a.MaxKey:
		return 0, invalid("%s cannot be truncated to %d bits", a.crypto, t)
	}
	return uint32(t), nil
}

// icvs are the lengths that icv takes, in bits, the standard's first.
func (a alg) icvs() []uint16 {
	if a.ICV == 0 {
		return nil
	}
	all := []uint16{a.ICV}
	if a.AEAD {
		return all
	}
	for t := uint16(96); t <= a.MaxKey; t += 8 {
		if t != a.ICV {
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
		return appendAlgo(b, attrAlgComp, a.crypto, nil, secret.Bytes{}), nil
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
	if a.AEAD {
		if auth != nil {
			return nil, invalid("%s authenticates by itself; it takes no other algorithm", a.crypto)
		}
		icv, err := a.icv(encr)
		if err != nil {
			return nil, err
		}
		return appendAlgo(b, attrAlgAEAD, a.crypto, &icv, encr.Key), nil
	}
	if encr.ID == nullEncr.ID && auth == nil {
		return nil, invalid("ESP NULL without authentication protects nothing") // RFC 2406 section 5
	}
	if auth != nil {
		if b, err = appendAuth(b, auth); err != nil {
			return nil, err
		}
	}
	return appendAlgo(b, attrAlgCrypt, a.crypto, nil, encr.Key), nil
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
	return appendAlgo(b, attrAlgAuthTrunc, a.crypto, &icv, auth.Key), nil
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
