package lint

import (
	"time"

	"github.com/racoon-ike/racoon/core/internal/config"
)

// bsi is TR-02102-3 as far as a racoon.conf can follow or break it. The guideline is
// about IKEv2; its algorithms and lifetimes are held against the same things here.
// Not judged: x25519, AES-GCM with a shorter check value and ESP without encryption,
// about which the guideline's tables could not be checked, and certificates.
var bsi = Pack{
	Name:     "bsi",
	Document: "BSI TR-02102-3, Cryptographic Mechanisms: Use of IPsec and IKEv2 (sections as in version 2023-01)",
	rules: []rule{
		{id: "BSI001", source: "section 2.1", severity: config.Note, global: anyIKEv1,
			sentence: "The key exchange is IKEv2.",
			says:     "is not what the guideline is about: it knows IKEv2 only",
			fix:      "plan the peer's move to IKEv2; until then keep to the other rules",
			why: "All recommendations are made for IKEv2. Besides, the BSI wants classical Diffie-Hellman to be " +
				"joined by a quantum-safe exchange until the end of 2031, which IKEv1 has no means for."},
		{id: "BSI002", source: "section 3.2", severity: config.Warning, proposal: cipherNot(aesCBC),
			sentence: "Phase 1 is encrypted with AES.",
			says:     "is not AES", fix: "write encryption_algorithm aes 256;", why: whyCipher},
		{id: "BSI003", source: "section 3.2.2, history 2020-01", severity: config.Warning, proposal: hashIs(md5, sha1),
			sentence: "The pseudo-random function of phase 1 is HMAC with SHA-2.",
			says:     "is no longer recommended, as HMAC neither", fix: "write hash_algorithm sha256;", why: whyHash},
		{id: "BSI004", source: "section 3.2, history 2017-01", severity: config.Warning, proposal: groupIs(modp768, modp1024, modp1536, modp2048),
			sentence: "Diffie-Hellman groups modulo a prime have at least 3000 bits.",
			says:     "is shorter than the 3000 bits that are asked for since 2023", fix: "write dh_group ecp256; or dh_group modp3072;", why: whyGroup},
		{id: "BSI005", source: "section 3.2.5", severity: config.Note, proposal: methodPreShared,
			sentence: "The peers authenticate with digital signatures.",
			says:     "is no signature", fix: "use a random key of at least 32 octets per peer until certificates are possible", why: whyPSK},
		{id: "BSI006", source: "section 2.1.2", severity: config.Warning, proposal: phase1Longer(24 * time.Hour),
			sentence: "A phase 1 lives 24 hours at most.",
			says:     "is longer than 24 hours", fix: "write lifetime time 24 hour; or less", why: whyLifetime},
		{id: "BSI007", source: "section 2.1.2", severity: config.Warning, sainfo: phase2Longer(4 * time.Hour),
			sentence: "IPsec SAs live 4 hours at most.",
			says:     "is longer than 4 hours", fix: "write lifetime time 4 hour; or less", why: whyLifetime},
		{id: "BSI008", source: "section 2.1.5", severity: config.Warning, sainfo: noPFS,
			sentence: "IPsec SAs have perfect forward secrecy.",
			says:     "is missing", fix: "write pfs_group ecp256; or pfs_group modp3072;", why: whyPFS},
		{id: "BSI009", source: "section 3.2, history 2017-01", severity: config.Warning, sainfo: pfsGroupIs(modp768, modp1024, modp1536, modp2048),
			sentence: "Groups of perfect forward secrecy modulo a prime have at least 3000 bits.",
			says:     "is shorter than the 3000 bits that are asked for since 2023", fix: "write pfs_group ecp256; or pfs_group modp3072;", why: whyGroup},
		{id: "BSI010", source: "section 3.3", severity: config.Warning, sainfo: espNot(espAES, espCTR, espGCM8, espGCM12, espGCM16, espNull),
			sentence: "ESP encrypts with AES.",
			says:     "is not AES", fix: "write encryption_algorithm aes_gcm 256; or aes 256", why: whyCipher},
		{id: "BSI011", source: "section 3.3, history 2020-01", severity: config.Warning, sainfo: espAuthNot(hmacSHA256, hmacSHA384, hmacSHA512),
			sentence: "The integrity of ESP is HMAC with SHA-2, or part of the cipher.",
			says:     "is no longer recommended", fix: "write authentication_algorithm hmac_sha256;", why: whyHash},
	},
}

// What rules of all packs are good for.
const (
	whyCipher = "Ciphers with 64-bit blocks repeat a block after a few gigabytes under one key, which gives plain text " +
		"away (Sweet32); the others are sound or not, but nobody looks at them any more."
	whyHash = "SHA-1 and MD5 are broken as hashes. HMAC has not fallen with them, but the margin is gone, every peer " +
		"of the last fifteen years has SHA-2, and a proposal that is not there cannot be forced upon us."
	whyGroup = "Whoever breaks the exchange of keys reads everything that was recorded, however good the cipher. Groups " +
		"modulo a prime are shared by the whole world, so that one large computation pays many times (Logjam)."
	whyPSK = "Both ends have the same key, so that each can pretend to be the other; a weak one can be guessed from " +
		"one recorded negotiation; and nobody changes it as long as the tunnel works."
	whyLifetime = "A key that leaks or is broken opens what was sent under it. The lifetime is how much that is."
	whyPFS      = "Without it all keys of phase 2 follow from those of phase 1: who learns one SKEYID_d reads all that " +
		"was ever negotiated under it."
)
