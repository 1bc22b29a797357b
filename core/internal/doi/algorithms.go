package doi

import (
	"fmt"
	"slices"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/sdk/ipsec"
)

// ciphers are the ESP transforms that we negotiate. Where the key length varies and the
// attribute is absent, 128 bits are meant: RFC 2451 says so of Blowfish and
// CAST-128, the others demand the attribute and are read as everybody does.
var ciphers = []uint16{
	isakmp.ESP3DES, isakmp.ESPNull, isakmp.ESPCAST, isakmp.ESPBlowfish, isakmp.ESPAESCBC, isakmp.ESPAESCTR,
	isakmp.ESPAESGCM8, isakmp.ESPAESGCM12, isakmp.ESPAESGCM16, isakmp.ESPCamellia, isakmp.ESPTwofish,
}

const defaultBits = 128

// auths are the authentication algorithms that we negotiate, by their attribute value,
// and the AH transform that goes with each (RFC 2407 section 4.4.3, RFC 4868).
var auths = map[uint16]uint8{
	isakmp.SAAuthHMACMD5:    isakmp.AHMD5,
	isakmp.SAAuthHMACSHA1:   isakmp.AHSHA1,
	isakmp.SAAuthHMACSHA256: isakmp.AHSHA256,
	isakmp.SAAuthHMACSHA384: isakmp.AHSHA384,
	isakmp.SAAuthHMACSHA512: isakmp.AHSHA512,
}

// AEAD reports whether an ESP transform authenticates by itself.
func AEAD(encr uint16) bool { return ipsec.Encr(encr).AEAD }

// espKeyBits is the key length an attribute means, 0 for a cipher without a choice.
func espKeyBits(encr, attr uint16) (uint16, error) {
	c := ipsec.Encr(encr)
	name := word(isakmp.ESPTransforms, encr)
	switch {
	case !slices.Contains(ciphers, encr):
		return 0, fmt.Errorf("ESP transform %s is not supported", name)
	case c.Step == 0 && attr != 0:
		return 0, fmt.Errorf("%s takes no key length, got %d bits", name, attr)
	case c.Step == 0:
		return 0, nil
	case attr == 0:
		return defaultBits, nil
	case !c.Takes(int(attr)):
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
	c := ipsec.Encr(encr)
	return int(max(c.MinKey, bits)+c.Salt) / 8, nil
}

// AuthKeyOctets is the KEYMAT an authentication algorithm takes; 0 is none.
func AuthKeyOctets(auth uint16) (int, error) {
	if auth != 0 && auths[auth] == 0 {
		return 0, fmt.Errorf("authentication algorithm %s is not supported", word(isakmp.AuthAlgorithms, auth))
	}
	return int(ipsec.Auth(auth).MaxKey) / 8, nil
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
