package lint

import (
	"time"

	"github.com/racoon-ike/racoon/core/internal/config"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// nist is SP 800-77 rev. 1. Its Table 1 has three columns: what is recommended, what
// is legacy, what is expected to be approved. Legacy and unlisted draws a warning,
// expected a note. Not judged: the strength of RSA keys and pre-shared keys, which a
// racoon.conf does not show, AH, which the kernel's policies ask for, and ESP without
// encryption, which the guide allows.
var nist = Pack{
	Name:     "nist",
	Document: "NIST SP 800-77 rev. 1, Guide to IPsec VPNs (June 2020)",
	rules: []rule{
		{id: "NIST001", source: "Table 1, section 3.11", severity: config.Note, global: anyIKEv1,
			sentence: "The key exchange is IKEv2.",
			says:     "is legacy: not for new deployments, and to be converted where possible",
			fix:      "plan the peer's move to IKEv2; until then keep to the other rules",
			why:      "IKEv1 gets no new algorithms, and its registries are closed (RFC 9395)."},
		{id: "NIST002", source: "Table 1, SP 800-131A rev. 2 section 2", severity: config.Warning, proposal: cipherNot(aesCBC),
			sentence: "Phase 1 is encrypted with AES.",
			says:     "is not AES", fix: "write encryption_algorithm aes 256;", why: whyCipher},
		{id: "NIST003", source: "section 7.2.3", severity: config.Warning, proposal: hashIs(md5),
			sentence: "HMAC-MD5 is not used.",
			says:     "has never been approved", fix: "write hash_algorithm sha256;", why: whyHash},
		{id: "NIST004", source: "Table 1, section 7.2.3", severity: config.Warning, proposal: hashIs(sha1),
			sentence: "The pseudo-random function of phase 1 is HMAC with SHA-2.",
			says:     "is legacy", fix: "write hash_algorithm sha256;", why: whyHash},
		{id: "NIST005", source: "section 7.2.4.2", severity: config.Warning, proposal: groupIs(modp768, modp1024, modp1536),
			sentence: "Diffie-Hellman groups have at least 112 bits of security.",
			says:     "has less than 112 bits of security", fix: "write dh_group modp2048; or dh_group ecp256;", why: whyGroup},
		{id: "NIST006", source: "Table 1", severity: config.Note, proposal: groupIs(x25519),
			sentence: "Diffie-Hellman groups are among 14 to 21.",
			says:     "was expected to be approved, and is not in the guide's list yet", fix: "write dh_group ecp256; where the guide must be kept to the letter",
			why: "X25519 is sound; an audit by the letter of the guide will still ask about it."},
		{id: "NIST007", source: "Table 1, section 7.2.6", severity: config.Warning, remote: modeNot(policy.Main),
			sentence: "Phase 1 is main mode.",
			says:     "is legacy and to be avoided", fix: "write exchange_mode main;",
			why: "Aggressive mode shows the identities, and with a pre-shared key it hands anyone who asks something to " +
				"guess the key with, offline."},
		{id: "NIST008", source: "Table 1", severity: config.Note, proposal: methodPreShared,
			sentence: "The peers authenticate with signatures of 128 bits of security.",
			says:     "is not among the recommended methods", fix: "use a random key of at least 32 octets per peer until certificates are possible", why: whyPSK},
		{id: "NIST009", source: "Table 1", severity: config.Warning, proposal: phase1Longer(24 * time.Hour),
			sentence: "A phase 1 lives 24 hours at most.",
			says:     "is longer than 24 hours", fix: "write lifetime time 24 hour; or less", why: whyLifetime},
		{id: "NIST010", source: "Table 1", severity: config.Warning, sainfo: phase2Longer(8 * time.Hour),
			sentence: "IPsec SAs live 8 hours at most.",
			says:     "is longer than 8 hours", fix: "write lifetime time 8 hour; or less", why: whyLifetime},
		{id: "NIST011", source: "sections 2.2 and 7.2.6", severity: config.Warning, sainfo: noPFS,
			sentence: "IPsec SAs have perfect forward secrecy, unless a device cannot afford it.",
			says:     "is missing", fix: "write pfs_group ecp256; or pfs_group modp2048;", why: whyPFS},
		{id: "NIST012", source: "section 7.2.4.2", severity: config.Warning, sainfo: pfsGroupIs(modp768, modp1024, modp1536),
			sentence: "Groups of perfect forward secrecy have at least 112 bits of security.",
			says:     "has less than 112 bits of security", fix: "write pfs_group modp2048; or pfs_group ecp256;", why: whyGroup},
		{id: "NIST013", source: "Table 1", severity: config.Warning, sainfo: pfsWeaker,
			sentence: "The group of perfect forward secrecy is no weaker than that of phase 1.",
			says:     "is the weaker one", fix: "write for pfs_group what stands at dh_group",
			why: "Perfect forward secrecy is meant to add to the exchange of keys. A weaker second one is the one that " +
				"will be attacked."},
		{id: "NIST014", source: "Table 1, section 4.1.4, SP 800-131A rev. 2 section 2", severity: config.Warning,
			sainfo:   espNot(espAES, espCTR, espGCM8, espGCM12, espGCM16, espNull),
			sentence: "ESP encrypts with AES.",
			says:     "is not AES", fix: "write encryption_algorithm aes_gcm 256; or aes 256", why: whyCipher},
		{id: "NIST015", source: "Table 1, section 4.1.4", severity: config.Warning, sainfo: espAuthNot(hmacSHA256, hmacSHA384, hmacSHA512),
			sentence: "The integrity of ESP is HMAC with SHA-2, or part of the cipher.",
			says:     "is not among the recommended algorithms", fix: "write authentication_algorithm hmac_sha256;", why: whyHash},
	},
}
