package swanctl

import "strings"

// class is the kind of an algorithm in a proposal.
type class uint8

const (
	unknown class = iota
	cipher
	integrity
	prf
	group
	sequence
	additional // key exchanges of RFC 9370
)

// keyword is one word of a proposal and what racoon.conf(5) calls it in phase 1
// and in phase 2; "" where it has no such thing.
type keyword struct {
	name       string
	class      class
	ike, child string
}

// keywords are those racoon has something for. Combined modes do not exist in
// phase 1 of IKEv1 as racoon speaks it.
var keywords = []keyword{
	{"aes", cipher, "aes 128", "aes 128"}, {"aes128", cipher, "aes 128", "aes 128"},
	{"aes192", cipher, "aes 192", "aes 192"}, {"aes256", cipher, "aes 256", "aes 256"},
	{"camellia", cipher, "camellia 128", "camellia 128"}, {"camellia128", cipher, "camellia 128", "camellia 128"},
	{"camellia192", cipher, "camellia 192", "camellia 192"}, {"camellia256", cipher, "camellia 256", "camellia 256"},
	{"3des", cipher, "3des", "3des"}, {"cast128", cipher, "cast128 128", "cast128 128"},
	{"blowfish", cipher, "blowfish 128", "blowfish 128"}, {"blowfish128", cipher, "blowfish 128", "blowfish 128"},
	{"blowfish192", cipher, "blowfish 192", "blowfish 192"}, {"blowfish256", cipher, "blowfish 256", "blowfish 256"},
	{"twofish", cipher, "", "twofish 128"}, {"twofish128", cipher, "", "twofish 128"},
	{"twofish192", cipher, "", "twofish 192"}, {"twofish256", cipher, "", "twofish 256"},
	{"aes128ctr", cipher, "", "aes_ctr 128"}, {"aes192ctr", cipher, "", "aes_ctr 192"}, {"aes256ctr", cipher, "", "aes_ctr 256"},
	{"aes128gcm", cipher, "", "aes_gcm 128"}, {"aes192gcm", cipher, "", "aes_gcm 192"}, {"aes256gcm", cipher, "", "aes_gcm 256"},
	{"aes128gcm16", cipher, "", "aes_gcm 128"}, {"aes192gcm16", cipher, "", "aes_gcm 192"}, {"aes256gcm16", cipher, "", "aes_gcm 256"},
	{"aes128gcm128", cipher, "", "aes_gcm 128"}, {"aes192gcm128", cipher, "", "aes_gcm 192"}, {"aes256gcm128", cipher, "", "aes_gcm 256"},
	{"aes128gcm12", cipher, "", "aes_gcm_12 128"}, {"aes192gcm12", cipher, "", "aes_gcm_12 192"}, {"aes256gcm12", cipher, "", "aes_gcm_12 256"},
	{"aes128gcm96", cipher, "", "aes_gcm_12 128"}, {"aes192gcm96", cipher, "", "aes_gcm_12 192"}, {"aes256gcm96", cipher, "", "aes_gcm_12 256"},
	{"aes128gcm8", cipher, "", "aes_gcm_8 128"}, {"aes192gcm8", cipher, "", "aes_gcm_8 192"}, {"aes256gcm8", cipher, "", "aes_gcm_8 256"},
	{"aes128gcm64", cipher, "", "aes_gcm_8 128"}, {"aes192gcm64", cipher, "", "aes_gcm_8 192"}, {"aes256gcm64", cipher, "", "aes_gcm_8 256"},
	{"null", cipher, "", "null_enc"},

	{"md5", integrity, "md5", "hmac_md5"},
	{"sha", integrity, "sha1", "hmac_sha1"}, {"sha1", integrity, "sha1", "hmac_sha1"},
	{"sha256", integrity, "sha256", "hmac_sha256"}, {"sha2_256", integrity, "sha256", "hmac_sha256"},
	{"sha384", integrity, "sha384", "hmac_sha384"}, {"sha2_384", integrity, "sha384", "hmac_sha384"},
	{"sha512", integrity, "sha512", "hmac_sha512"}, {"sha2_512", integrity, "sha512", "hmac_sha512"},

	{"prfmd5", prf, "md5", ""}, {"prfsha1", prf, "sha1", ""},
	{"prfsha256", prf, "sha256", ""}, {"prfsha384", prf, "sha384", ""}, {"prfsha512", prf, "sha512", ""},

	{"modp768", group, "modp768", "modp768"}, {"modp1024", group, "modp1024", "modp1024"}, {"modp1536", group, "modp1536", "modp1536"},
	{"modp2048", group, "modp2048", "modp2048"}, {"modp3072", group, "modp3072", "modp3072"}, {"modp4096", group, "modp4096", "modp4096"},
	{"modp6144", group, "modp6144", "modp6144"}, {"modp8192", group, "modp8192", "modp8192"},
	{"ecp256", group, "ecp256", "ecp256"}, {"ecp384", group, "ecp384", "ecp384"}, {"ecp521", group, "ecp521", "ecp521"},
	{"curve25519", group, "x25519", "x25519"}, {"x25519", group, "x25519", "x25519"},
	{"none", group, "", noGroup}, {"modpnone", group, "", noGroup},

	{"esn", sequence, "", "esn"}, {"noesn", sequence, "", "noesn"},
}

// noGroup stands for phase 2 without an exchange of keys.
const noGroup = "none"

// families tell the class of the words racoon has nothing for. The first prefix
// that fits counts.
var families = []struct {
	prefix string
	class  class
}{
	{"aesxcbc", integrity}, {"aescmac", integrity}, {"camelliaxcbc", integrity}, {"sha", integrity}, {"md5", integrity},
	{"aes", cipher}, {"camellia", cipher}, {"chacha", cipher}, {"serpent", cipher}, {"des", cipher}, {"twofish", cipher}, {"blowfish", cipher},
	{"prf", prf}, {"modp", group}, {"ecp", group}, {"curve", group}, {"x448", group}, {"ntru", group}, {"mlkem", group}, {"kyber", group}, {"frodo", group},
	{"ke1_", additional}, {"ke2_", additional}, {"ke3_", additional}, {"ke4_", additional}, {"ke5_", additional}, {"ke6_", additional}, {"ke7_", additional},
}

// lookup finds a word of a proposal; one racoon has nothing for has its class.
func lookup(word string) keyword {
	word = strings.ToLower(word)
	for _, k := range keywords {
		if k.name == word {
			return k
		}
	}
	for _, f := range families {
		if strings.HasPrefix(word, f.prefix) {
			return keyword{name: word, class: f.class}
		}
	}
	return keyword{name: word}
}

// combined reports whether a cipher of phase 2 has integrity of its own.
func combined(cipher string) bool { return strings.HasPrefix(cipher, "aes_gcm") }

// Defaults. In place of charon's phase 1 default, which is every combination of
// all it has, there are the usual ones, with those first that charon sends first.
var (
	defaultIKE = []string{"aes128-aes256-sha256-sha512-ecp256-x25519-modp3072-modp2048"}
	defaultESP = []string{"aes128gcm16-aes192gcm16-aes256gcm16", "aes128-aes192-aes256-sha256-sha384-sha512-sha1"}
	defaultAH  = []string{"sha256-sha384-sha512-sha1"}
)
