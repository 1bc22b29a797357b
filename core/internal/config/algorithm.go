package config

import (
	"fmt"
	"strings"

	"github.com/racoon-ike/racoon/core/internal/policy"
)

// algorithm is one name of racoon.conf(5) (racoon-conf section 7). A row with
// a never text is parsed and refused; one with a code draws a finding.
type algorithm struct {
	name           string
	id             uint16
	min, max, step uint16 // key length in bits; max 0 = fixed, none may be given
	def            uint16
	never          string // why it is refused
	code           string // finding
	sev            Severity
	why            string
}

const (
	singleDES = "single DES is broken by anyone with a day of computing time and is never offered"
	noBlock64 = "is not supported: it was never in common use and has 64-bit blocks"
	noMACs    = "is not supported: nobody negotiates it"
)

// Encryption of phase 1: RFC 2409 appendix A, IANA.
var phase1Ciphers = []algorithm{
	{name: "aes", id: 7, min: 128, max: 256, step: 64, def: 128},
	{name: "rijndael", id: 7, min: 128, max: 256, step: 64, def: 128},
	{name: "camellia", id: 8, min: 128, max: 256, step: 64, def: 128, code: codeCamellia, sev: Warning, why: "is legacy: aes is what peers speak"},
	{name: "3des", id: 5, code: code3DES, sev: Note, why: "has 64-bit blocks: prefer aes"},
	{name: "blowfish", id: 3, min: 40, max: 448, step: 8, def: 128, code: codeBlowfish, sev: Warning, why: "is legacy, with 64-bit blocks: prefer aes"},
	{name: "cast128", id: 6, min: 40, max: 128, step: 8, def: 128, code: codeCAST, sev: Warning, why: "is legacy, with 64-bit blocks: prefer aes"},
	{name: "des", id: 1, never: singleDES},
	{name: "idea", id: 2, never: noBlock64},
	{name: "rc5", id: 4, min: 40, max: 2040, step: 8, def: 128, never: noBlock64},
}

// Hash of phase 1, which also chooses the prf.
var phase1Hashes = []algorithm{
	{name: "sha256", id: 4}, {name: "sha2_256", id: 4},
	{name: "sha384", id: 5}, {name: "sha2_384", id: 5},
	{name: "sha512", id: 6}, {name: "sha2_512", id: 6},
	{name: "sha1", id: 2, code: codeSHA1, sev: Note, why: "is for old peers: prefer sha256"},
	{name: "md5", id: 1, code: codeMD5, sev: Warning, why: "is legacy: prefer sha256"},
	{name: "tiger", id: 3, never: "has never been implemented, in the original neither"},
}

const ec2n = "is a group over GF(2^n) that nobody implements: use ecp256 or modp2048"

// Groups: RFC 2409 section 6, RFC 3526, RFC 5903, RFC 8031. The elliptic curves by
// prime and X25519 are racoon's own extension of the language.
var groups = []algorithm{
	{name: "modp768", id: 1, code: codeModp768, sev: Warning, why: "can be broken with moderate means: use modp2048 or ecp256"},
	{name: "modp1024", id: 2, code: codeModp1024, sev: Warning, why: "is within reach of a state: use modp2048 or ecp256"},
	{name: "ec2n155", id: 3, never: ec2n},
	{name: "ec2n185", id: 4, never: ec2n},
	{name: "modp1536", id: 5, code: codeModp1536, sev: Note, why: "is for old peers: prefer modp2048 or ecp256"},
	{name: "modp2048", id: 14}, {name: "modp3072", id: 15}, {name: "modp4096", id: 16},
	{name: "modp6144", id: 17}, {name: "modp8192", id: 18},
	{name: "ecp256", id: 19}, {name: "ecp384", id: 20}, {name: "ecp521", id: 21},
	{name: "modp1024s160", id: 22, never: smallSubgroup}, {name: "modp2048s224", id: 23, never: smallSubgroup},
	{name: "modp2048s256", id: 24, never: smallSubgroup},
	{name: "x25519", id: 31},
}

const smallSubgroup = "has a small subgroup of unknown origin (RFC 5114) and is never offered"

const needsX509 = "needs the certificate support that auth-x509 does not have yet"
const needsXAuth = "needs XAUTH, which racoon does not have yet"

// Authentication methods. The number is what our configuration means; the never
// text of those that come later is reported as missing.
var methods = []algorithm{
	{name: "pre_shared_key", id: 1},
	{name: "rsasig", id: 3, code: codeNotYet, why: needsX509},
	{name: "dsssig", id: 2, never: "has never been implemented, in the original neither: use rsasig"},
	{name: "rsaenc", id: 4, never: rsaEncryption},
	{name: "rsarev", id: 5, never: rsaEncryption},
	{name: "gssapi_krb", id: 65001, never: "is not supported: nobody but old Windows speaks it"},
	{name: "hybrid_rsa_client", id: 64221, code: codeNotYet, why: needsX509 + ", and XAUTH"},
	{name: "hybrid_rsa_server", id: 64222, code: codeNotYet, why: needsX509 + ", and XAUTH"},
	{name: "hybrid_dss_client", id: 64223, never: "has never been implemented, in the original neither"},
	{name: "hybrid_dss_server", id: 64224, never: "has never been implemented, in the original neither"},
	{name: "xauth_psk_client", id: 65001, code: codeNotYet, why: needsXAuth},
	{name: "xauth_psk_server", id: 65002, code: codeNotYet, why: needsXAuth},
	{name: "xauth_rsa_client", id: 65005, code: codeNotYet, why: needsX509 + ", and XAUTH"},
	{name: "xauth_rsa_server", id: 65006, code: codeNotYet, why: needsX509 + ", and XAUTH"},
	{name: "eap_psk_client", never: "belongs to IKEv2, which this racoon does not speak"},
	{name: "eap_rsa_client", never: "belongs to IKEv2, which this racoon does not speak"},
}

const rsaEncryption = "is never offered: the RSA encryption modes let a peer use us to decrypt (Bleichenbacher), use rsasig"

// ESP transforms: RFC 2407 section 4.4.4, RFC 3602, RFC 3686, RFC 4106, RFC 4312.
// Those with integrity of their own take no authentication algorithm.
var espCiphers = []algorithm{
	{name: "aes", id: 12, min: 128, max: 256, step: 64, def: 128},
	{name: "rijndael", id: 12, min: 128, max: 256, step: 64, def: 128},
	{name: "aes_ctr", id: 13, min: 128, max: 256, step: 64, def: 128},
	{name: "aes_gcm_8", id: 18, min: 128, max: 256, step: 64, def: 128},
	{name: "aes_gcm_12", id: 19, min: 128, max: 256, step: 64, def: 128},
	{name: "aes_gcm_16", id: 20, min: 128, max: 256, step: 64, def: 128},
	{name: "aes_gcm", id: 20, min: 128, max: 256, step: 64, def: 128},
	{name: "camellia", id: 22, min: 128, max: 256, step: 64, def: 128, code: codeCamellia, sev: Warning, why: "is legacy: aes is what peers speak"},
	{name: "3des", id: 3, code: code3DES, sev: Note, why: "has 64-bit blocks: prefer aes_gcm or aes"},
	{name: "cast128", id: 6, min: 40, max: 128, step: 8, def: 128, code: codeCAST, sev: Warning, why: "is legacy, with 64-bit blocks: prefer aes_gcm or aes"},
	{name: "blowfish", id: 7, min: 40, max: 448, step: 8, def: 128, code: codeBlowfish, sev: Warning, why: "is legacy, with 64-bit blocks: prefer aes_gcm or aes"},
	{name: "twofish", id: 253, min: 40, max: 256, step: 8, def: 128, code: codeTwofish, sev: Warning, why: "is legacy and has a number of private use: prefer aes_gcm or aes"},
	{name: "null_enc", id: espNull, code: codeNull, sev: Note, why: "sends everything in clear text: only integrity is protected"},
	{name: "null", id: espNull, code: codeNull, sev: Note, why: "sends everything in clear text: only integrity is protected"},
	{name: "des", id: 2, never: singleDES},
	{name: "des_iv64", id: 1, never: singleDES},
	{name: "des_iv32", id: 9, never: singleDES},
	{name: "rc5", id: 4, min: 40, max: 2040, step: 8, def: 128, never: noBlock64},
	{name: "idea", id: 5, never: noBlock64},
	{name: "3idea", id: 8, never: noBlock64},
	{name: "rc4", id: 10, never: "is broken (RFC 7465) and is never offered"},
}

const espNull = 11

// aead reports whether an ESP transform has integrity of its own.
func aead(id uint16) bool { return 18 <= id && id <= 20 }

// Authentication of phase 2: SA attribute 5 (RFC 2407 section 4.5). 0 = absent.
var espAuths = []algorithm{
	{name: "hmac_sha256", id: 5}, {name: "hmac_sha2_256", id: 5},
	{name: "hmac_sha384", id: 6}, {name: "hmac_sha2_384", id: 6},
	{name: "hmac_sha512", id: 7}, {name: "hmac_sha2_512", id: 7},
	{name: "hmac_sha1", id: 2, code: codeSHA1, sev: Note, why: "is for old peers: prefer hmac_sha256"},
	{name: "hmac_sha1_96", id: 2, code: codeSHA1, sev: Note, why: "is for old peers: prefer hmac_sha256"},
	{name: "hmac_md5", id: 1, code: codeHMACMD5, sev: Warning, why: "is legacy: prefer hmac_sha256"},
	{name: "hmac_md5_96", id: 1, code: codeHMACMD5, sev: Warning, why: "is legacy: prefer hmac_sha256"},
	{name: "non_auth", id: 0},
	{name: "des_mac", id: 3, never: noMACs},
	{name: "kpdk", id: 4, never: noMACs},
}

// IPComp transforms: RFC 2407 section 4.4.5.
var compressions = []algorithm{{name: "deflate", id: 2}, {name: "lzs", id: 3}, {name: "oui", id: 1}}

// choose looks an algorithm up by name, checks its key length and reports what
// there is to say about it. what names the class: "cipher of phase 1".
func (p *parser) choose(table []algorithm, what string, a arg) (policy.Algorithm, bool) {
	for _, row := range table {
		if a.token.text == row.name {
			return p.admit(row, what, a)
		}
	}
	p.add(a.token, codeValue, Error, "is no "+what, likelyAlgorithm(table, a.token.text))
	return policy.Algorithm{}, false
}

func (p *parser) admit(row algorithm, what string, a arg) (policy.Algorithm, bool) {
	bits, given := uint16(a.n), a.keyed
	switch {
	case row.never != "":
		p.add(a.token, codeNever, Error, strings.TrimPrefix(row.never, "is never offered: "), "")
		return policy.Algorithm{}, false
	case row.code == codeNotYet:
		p.add(a.token, codeNotYet, Error, row.why, "")
	case row.code != "":
		p.weak(a.token, row.code, row.sev, row.why, "")
	}
	switch {
	case given && row.max == 0:
		p.add(a.token, codeValue, Error, "takes no key length", "write "+row.name)
		return policy.Algorithm{}, false
	case given && !row.fits(a.n):
		p.add(a.token, codeValue, Error, "has a key length that does not exist", fmt.Sprintf("%s takes %s bits", row.name, row.lengths()))
		return policy.Algorithm{}, false
	case !given:
		bits = row.def
	}
	return policy.Algorithm{ID: row.id, KeyBits: bits}, true
}

// lengths lists the key lengths in words.
func (r algorithm) lengths() string {
	if r.step == 64 {
		return "128, 192 or 256"
	}
	return fmt.Sprintf("%d to %d, in steps of %d,", r.min, r.max, r.step)
}

// group looks a Diffie-Hellman group up by name or number.
func (p *parser) group(a arg) (uint16, bool) {
	if a.kind == number {
		for _, row := range groups {
			if uint64(row.id) == a.n {
				g, ok := p.admit(row, "", arg{token: a.token})
				return g.ID, ok
			}
		}
		p.add(a.token, codeValue, Error, "is no Diffie-Hellman group", "groups are 1, 2, 5 and 14 to 18 (modp), 19 to 21 (ecp) and 31 (x25519)")
		return 0, false
	}
	g, ok := p.choose(groups, "Diffie-Hellman group", a)
	return g.ID, ok
}
