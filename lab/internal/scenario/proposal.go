package scenario

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// IKEProposal is one phase 1 proposal in the words of racoon.conf(5).
type IKEProposal struct{ Cipher, Hash, Group string }

// ESPProposal is one phase 2 proposal in the words of racoon.conf(5). Auth is
// empty for a combined mode, PFS without perfect forward secrecy.
type ESPProposal struct{ Cipher, Auth, PFS string }

// A scenario names algorithms as swanctl.conf(5) does; racoon.conf(5) has
// other words for the same things.
var (
	racoonCiphers = map[string]string{
		"aes128": "aes 128", "aes192": "aes 192", "aes256": "aes 256", "3des": "3des",
		"camellia128": "camellia 128", "camellia256": "camellia 256",
		"aes128gcm16": "aes_gcm 128", "aes256gcm16": "aes_gcm 256",
	}
	racoonHashes = []string{"md5", "sha1", "sha256", "sha384", "sha512"}
	racoonGroups = []string{"modp1024", "modp1536", "modp2048", "modp3072", "modp4096", "ecp256", "ecp384", "ecp521", "x25519"}
)

// ParseIKE reads proposals such as "aes128-sha256-modp2048,3des-sha1-modp1024".
func ParseIKE(text string) ([]IKEProposal, error) {
	var all []IKEProposal
	for one := range strings.SplitSeq(text, ",") {
		f := strings.Split(one, "-")
		if len(f) != 3 {
			return nil, fmt.Errorf("phase 1 proposal %q is not cipher-hash-group", one)
		}
		cipher, ok := racoonCiphers[f[0]]
		if !ok || !slices.Contains(racoonHashes, f[1]) || !slices.Contains(racoonGroups, f[2]) {
			return nil, fmt.Errorf("phase 1 proposal %q names an algorithm the lab does not know", one)
		}
		all = append(all, IKEProposal{cipher, f[1], f[2]})
	}
	return all, nil
}

// ParseESP reads a proposal such as "aes128-sha256", "aes128gcm16" or, with
// PFS, "aes128gcm16-modp2048". Classic sainfo sections cross their lists, so
// there is one.
func ParseESP(text string) (ESPProposal, error) {
	f := strings.Split(text, "-")
	cipher, ok := racoonCiphers[f[0]]
	p := ESPProposal{Cipher: cipher}
	rest := f[1:]
	if !strings.Contains(f[0], "gcm") && len(rest) > 0 {
		ok = ok && slices.Contains(racoonHashes, rest[0])
		p.Auth, rest = "hmac_"+rest[0], rest[1:]
	} else if !strings.Contains(f[0], "gcm") {
		ok = false
	}
	if len(rest) == 1 {
		ok = ok && slices.Contains(racoonGroups, rest[0])
		p.PFS = rest[0]
	}
	if !ok || len(rest) > 1 {
		return ESPProposal{}, fmt.Errorf("phase 2 proposal %q is not cipher-hash[-group] or gcm[-group] of algorithms the lab knows", text)
	}
	return p, nil
}

func parseHex(text string) ([]byte, error) {
	b, err := hex.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return nil, fmt.Errorf("hex: %w", err)
	}
	return b, nil
}
