package lint

import (
	"time"

	"github.com/racoon-ike/racoon/core/internal/config"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// modern is racoon's own idea of what two good ends would agree on today within
// IKEv1. The tiers below it, interop and legacy, are what RC1 findings are about.
var modern = Pack{
	Name:     "modern",
	Document: "racoon's own modern tier",
	rules: []rule{
		{id: "MOD001", source: "phase 1", severity: config.Warning, proposal: cipherNot(aesCBC),
			sentence: "Phase 1 is encrypted with AES.",
			says:     "is not AES", fix: "write encryption_algorithm aes 256;", why: whyCipher},
		{id: "MOD002", source: "phase 1", severity: config.Warning, proposal: hashIs(md5, sha1),
			sentence: "The hash of phase 1 is SHA-2.",
			says:     "is not SHA-2", fix: "write hash_algorithm sha256;", why: whyHash},
		{id: "MOD003", source: "phase 1", severity: config.Warning, proposal: groupIs(modp768, modp1024, modp1536),
			sentence: "Diffie-Hellman groups are modp2048 or larger, an elliptic curve by prime, or x25519.",
			says:     "is too small", fix: "write dh_group ecp256; or dh_group modp2048;", why: whyGroup},
		{id: "MOD004", source: "phase 1", severity: config.Warning, remote: modeNot(policy.Main),
			sentence: "Phase 1 is main mode.",
			says:     "is for peers that cannot do better", fix: "write exchange_mode main;",
			why: "Main mode is the only one that hides identities and does not hand strangers something to guess a " +
				"pre-shared key with."},
		{id: "MOD005", source: "phase 1", severity: config.Warning, proposal: phase1Longer(24 * time.Hour),
			sentence: "A phase 1 lives 24 hours at most.",
			says:     "is longer than 24 hours", fix: "write lifetime time 8 hour;", why: whyLifetime},
		{id: "MOD006", source: "phase 2", severity: config.Warning, sainfo: phase2Longer(24 * time.Hour),
			sentence: "IPsec SAs live 24 hours at most.",
			says:     "is longer than 24 hours", fix: "write lifetime time 8 hour; or less", why: whyLifetime},
		{id: "MOD007", source: "phase 2", severity: config.Warning, sainfo: noPFS,
			sentence: "IPsec SAs have perfect forward secrecy.",
			says:     "is missing", fix: "write pfs_group ecp256; or pfs_group modp2048;", why: whyPFS},
		{id: "MOD008", source: "phase 2", severity: config.Warning, sainfo: pfsGroupIs(modp768, modp1024, modp1536),
			sentence: "Groups of perfect forward secrecy are those of phase 1.",
			says:     "is too small", fix: "write pfs_group ecp256; or pfs_group modp2048;", why: whyGroup},
		{id: "MOD009", source: "phase 2", severity: config.Warning, sainfo: espNot(espAES, espGCM16),
			sentence: "ESP encrypts with AES-GCM and a check value of 16 octets, or with AES-CBC.",
			says:     "is neither AES-GCM-16 nor AES-CBC", fix: "write encryption_algorithm aes_gcm 256; or aes 256",
			why: "Other ciphers are old or rare, a shorter check value saves four octets of a packet and gives away " +
				"forgeries, and null_enc sends everything in clear text."},
		{id: "MOD010", source: "phase 2", severity: config.Warning, sainfo: espAuthNot(hmacSHA256, hmacSHA384, hmacSHA512),
			sentence: "The integrity of ESP is HMAC with SHA-2, or part of the cipher.",
			says:     "is not SHA-2", fix: "write authentication_algorithm hmac_sha256;", why: whyHash},
	},
}
