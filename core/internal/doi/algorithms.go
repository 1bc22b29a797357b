package doi

import (
	"fmt"
	"slices"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// cipher is what phase 2 must know of an ESP transform.
type cipher struct {
	fixed    uint16 // bits, where the length is not negotiable
	min, max uint16 // bits; max 0 = fixed
	step     uint16
	salt     uint16 // bits of KEYMAT behind the key (RFC 3686 section 5.1, RFC 4106 section 8.1)
	aead     bool   // takes no authentication algorithm
}

// ciphers are the ESP transforms we can key. Where the key length varies and the
// attribute is absent, 128 bits are meant: RFC 2451 says so of Blowfish and
// CAST-128, the others demand the attribute and are read as everybody does.
var ciphers = map[uint16]cipher{
	isakmp.ESP3DES:     {fixed: 192},
	isakmp.ESPNull:     {},
	isakmp.ESPCAST:     {min: 40, max: 128, step: 8},
	isakmp.ESPBlowfish: {min: 40, max: 448, step: 8},
	isakmp.ESPAESCBC:   {min: 128, max: 256, step: 64},
	isakmp.ESPAESCTR:   {min: 128, max: 256, step: 64, salt: 32},
	isakmp.ESPAESGCM8:  {min: 128, max: 256, step: 64, salt: 32, aead: true},
	isakmp.ESPAESGCM12: {min: 128, max: 256, step: 64, salt: 32, aead: true},
	isakmp.ESPAESGCM16: {min: 128, max: 256, step: 64, salt: 32, aead: true},
	isakmp.ESPCamellia: {min: 128, max: 256, step: 64},
	isakmp.ESPTwofish:  {min: 128, max: 256, step: 64},
}

const defaultBits = 128

// auths are the authentication algorithms we can key, by their attribute value
// (RFC 2407 section 4.5, RFC 4868): octets of KEYMAT, the AH transform that goes with
// it (RFC 2407 section 4.4.3), and bits of the ICV.
var auths = map[uint16]struct {
	octets int
	ah     uint8
	icv    uint16
}{
	isakmp.SAAuthHMACMD5:    {16, isakmp.AHMD5, 96},
	isakmp.SAAuthHMACSHA1:   {20, isakmp.AHSHA1, 96},
	isakmp.SAAuthHMACSHA256: {32, isakmp.AHSHA256, 128},
	isakmp.SAAuthHMACSHA384: {48, isakmp.AHSHA384, 192},
	isakmp.SAAuthHMACSHA512: {64, isakmp.AHSHA512, 256},
}

// AEAD reports whether an ESP transform authenticates by itself.
func AEAD(encr uint16) bool { return ciphers[encr].aead }

// espKeyBits is the key length an attribute means, 0 for a cipher without a choice.
func espKeyBits(encr, attr uint16) (uint16, error) {
	c, ok := ciphers[encr]
	name := word(isakmp.ESPTransforms, encr)
	switch {
	case !ok:
		return 0, fmt.Errorf("ESP transform %s is not supported", name)
	case c.max == 0 && attr != 0:
		return 0, fmt.Errorf("%s takes no key length, got %d bits", name, attr)
	case c.max == 0:
		return 0, nil
	case attr == 0:
		return defaultBits, nil
	case attr < c.min || attr > c.max || attr%c.step != 0:
		return 0, fmt.Errorf("%s cannot have a key of %d bits", name, attr)
	}
	return attr, nil
}

// EncrKeyOctets is the KEYMAT an ESP transform takes, salt included. bits is the
// key length attribute, 0 if absent.
func EncrKeyOctets(encr, bits uint16) (int, error) {
	bits, err := espKeyBits(encr, bits)
	if err != nil {
		return 0, err
	}
	c := ciphers[encr]
	return int(c.fixed+bits+c.salt) / 8, nil
}

// AuthKeyOctets is the KEYMAT an authentication algorithm takes; 0 is none.
func AuthKeyOctets(auth uint16) (int, error) {
	a, ok := auths[auth]
	if !ok && auth != 0 {
		return 0, fmt.Errorf("authentication algorithm %s is not supported", word(isakmp.AuthAlgorithms, auth))
	}
	return a.octets, nil
}

// EncrName names an ESP transform with its key length: "aes-cbc-128".
func EncrName(encr, bits uint16) string {
	name := word(isakmp.ESPTransforms, encr)
	if bits, err := espKeyBits(encr, bits); err == nil && bits != 0 {
		return fmt.Sprintf("%s-%d", name, bits)
	}
	return name
}

// String names what the SA is made of: "aes-cbc-128 hmac-sha2-256", "ah hmac-sha1",
// "ipcomp deflate".
func (s Suite) String() string {
	var name string
	switch s.Proto {
	case ipAH:
		name = "ah " + AuthName(s.Auth)
	case ipComp:
		return "ipcomp " + word(isakmp.IPCompTransforms, s.Comp)
	default:
		name = EncrName(s.Encr, s.KeyBits) + " " + AuthName(s.Auth)
	}
	if s.ESN {
		name += " esn"
	}
	return name
}

// AuthName names an authentication algorithm: "hmac-sha2-256"; "none" for 0.
func AuthName(auth uint16) string { return word(isakmp.AuthAlgorithms, auth) }

// suites is the cross product of the sainfo's lists for one protocol in their
// order, encryption outermost (racoon.conf(5), sainfo), without the pairs that
// protect nothing or authenticate twice: ESP without authentication is never
// negotiated. With sequence numbers of 64 bits as a choice, all with them come first.
// It fails on what cannot be keyed.
func suites(proto uint8, s *policy.SAInfo) (all []Suite, err error) {
	auth := func(base Suite) error {
		for _, a := range s.Auth {
			if a.ID == 0 {
				continue
			}
			if _, err := AuthKeyOctets(a.ID); err != nil {
				return err
			}
			base.Auth = a.ID
			all = append(all, base)
		}
		return nil
	}
	switch proto {
	case ipAH:
		err = auth(Suite{Proto: proto})
	case ipESP:
		for _, e := range s.Encryption {
			one := Suite{Proto: proto, Encr: e.ID}
			if one.KeyBits, err = espKeyBits(e.ID, e.KeyBits); err != nil {
				return nil, err
			}
			if AEAD(e.ID) {
				all = append(all, one)
			} else if err = auth(one); err != nil {
				return nil, err
			}
		}
	case ipComp:
		for _, c := range s.Comp {
			if c.ID != isakmp.IPCompDeflate {
				return nil, fmt.Errorf("compression algorithm %s is not supported", word(isakmp.IPCompTransforms, c.ID))
			}
			all = append(all, Suite{Proto: proto, Comp: c.ID})
		}
	default:
		err = fmt.Errorf("IP protocol %d is not supported", proto)
	}
	if proto == ipComp || s.ESN == policy.Off {
		return all, err
	}
	long := slices.Clone(all)
	for i := range long {
		long[i].ESN = true
	}
	if s.ESN == policy.Force {
		return long, err
	}
	return append(long, all...), err
}
