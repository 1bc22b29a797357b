package lint

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/racoon-ike/racoon/core/internal/config"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// Numbers the tables speak of: phase 1 as in RFC 2409 appendix A, ESP as in RFC 2407
// section 4.4.4 and 4.5 and their successors.
const (
	aesCBC = 7
	md5    = 1
	sha1   = 2

	espAES   = 12
	espCTR   = 13
	espGCM8  = 18
	espGCM12 = 19
	espGCM16 = 20
	espNull  = 11

	hmacSHA256 = 5
	hmacSHA384 = 6
	hmacSHA512 = 7
)

// Groups, and what they are worth in bits of security: SP 800-57 part 1 section 5.6.1
// and SP 800-56A appendix D; 0 for those below 112.
const (
	modp768, modp1024, modp1536                      = 1, 2, 5
	modp2048, modp3072, modp4096, modp6144, modp8192 = 14, 15, 16, 17, 18
	ecp256, ecp384, ecp521, x25519                   = 19, 20, 21, 31
)

func strength(group uint16) int {
	switch group {
	case modp2048:
		return 112
	case modp3072, ecp256, x25519:
		return 128
	case modp4096:
		return 152
	case modp6144:
		return 176
	case ecp384:
		return 192
	case modp8192:
		return 200
	case ecp521:
		return 256
	}
	return 0
}

// anyIKEv1 is true of everything this daemon does.
func anyIKEv1(cfg *policy.Config) string {
	if len(cfg.Remotes) == 0 {
		return ""
	}
	return "IKE version 1"
}

func cipherNot(allowed ...uint16) func(*policy.Phase1Proposal) string {
	return func(p *policy.Phase1Proposal) string {
		return unless(slices.Contains(allowed, p.Encryption), "encryption_algorithm "+config.CipherName(p.Encryption, p.KeyBits))
	}
}

func hashIs(wrong ...uint16) func(*policy.Phase1Proposal) string {
	return func(p *policy.Phase1Proposal) string {
		return unless(!slices.Contains(wrong, p.Hash), "hash_algorithm "+config.HashName(p.Hash))
	}
}

func groupIs(wrong ...uint16) func(*policy.Phase1Proposal) string {
	return func(p *policy.Phase1Proposal) string {
		return unless(!slices.Contains(wrong, p.Group), "dh_group "+config.GroupName(p.Group))
	}
}

// preShared are the methods that prove a pre-shared key: XAUTH asks for more, but
// only afterwards.
var preShared = []uint16{1, 65001, 65002}

func methodPreShared(p *policy.Phase1Proposal) string {
	return unless(!slices.Contains(preShared, p.Method), "authentication_method "+config.MethodName(p.Method))
}

func phase1Longer(limit time.Duration) func(*policy.Phase1Proposal) string {
	return func(p *policy.Phase1Proposal) string { return unless(p.Lifetime <= limit, lifetime(p.Lifetime)) }
}

// modeNot finds exchanges a section allows, whichever end begins.
func modeNot(allowed ...policy.ExchangeMode) func(*policy.Remote) string {
	return func(r *policy.Remote) string {
		var wrong []string
		for _, m := range r.Modes {
			if !slices.Contains(allowed, m) {
				wrong = append(wrong, m.String())
			}
		}
		return listed("exchange_mode", wrong)
	}
}

func phase2Longer(limit time.Duration) func(*policy.Config, *policy.SAInfo) string {
	return func(_ *policy.Config, s *policy.SAInfo) string {
		return unless(s.Lifetime <= limit, lifetime(s.Lifetime))
	}
}

func noPFS(_ *policy.Config, s *policy.SAInfo) string {
	return unless(s.PFSGroup != 0, "pfs_group")
}

func pfsGroupIs(wrong ...uint16) func(*policy.Config, *policy.SAInfo) string {
	return func(_ *policy.Config, s *policy.SAInfo) string {
		return unless(!slices.Contains(wrong, s.PFSGroup), "pfs_group "+config.GroupName(s.PFSGroup))
	}
}

// pfsWeaker compares with the remote sections the sainfo may serve: those with its
// number. One that offers nothing as weak is enough.
func pfsWeaker(cfg *policy.Config, s *policy.SAInfo) string {
	if s.PFSGroup == 0 {
		return ""
	}
	for _, r := range cfg.Remotes {
		if r.Ph1ID != s.RemoteID || len(r.Proposals) == 0 {
			continue
		}
		weakest := slices.MinFunc(r.Proposals, func(a, b policy.Phase1Proposal) int { return strength(a.Group) - strength(b.Group) })
		if strength(s.PFSGroup) < strength(weakest.Group) {
			return fmt.Sprintf("pfs_group %s, with dh_group %s of %s,", config.GroupName(s.PFSGroup), config.GroupName(weakest.Group), remoteName(r))
		}
	}
	return ""
}

func espNot(allowed ...uint16) func(*policy.Config, *policy.SAInfo) string {
	return func(_ *policy.Config, s *policy.SAInfo) string {
		var wrong []string
		for _, a := range s.Encryption {
			if !slices.Contains(allowed, a.ID) {
				wrong = append(wrong, config.ESPCipherName(a.ID, a.KeyBits))
			}
		}
		return listed("encryption_algorithm", wrong)
	}
}

// espAuthNot looks at the integrity of ESP. AES-GCM has its own, so that a list beside
// it alone has no effect; non_auth is never negotiated (RC1010).
func espAuthNot(allowed ...uint16) func(*policy.Config, *policy.SAInfo) string {
	return func(_ *policy.Config, s *policy.SAInfo) string {
		if !slices.ContainsFunc(s.Encryption, func(a policy.Algorithm) bool { return a.ID < espGCM8 || a.ID > espGCM16 }) {
			return ""
		}
		var wrong []string
		for _, a := range s.Auth {
			if a.ID != 0 && !slices.Contains(allowed, a.ID) {
				wrong = append(wrong, config.ESPAuthName(a.ID))
			}
		}
		return listed("authentication_algorithm", wrong)
	}
}

func unless(fine bool, wrong string) string {
	if fine {
		return ""
	}
	return wrong
}

func listed(directive string, values []string) string {
	return unless(len(values) == 0, directive+" "+strings.Join(values, ", "))
}

// lifetime is a duration as the file says it, in the largest unit that fits.
func lifetime(d time.Duration) string {
	for _, u := range []struct {
		name string
		size time.Duration
	}{{"hour", time.Hour}, {"min", time.Minute}} {
		if d%u.size == 0 {
			return fmt.Sprintf("lifetime time %d %s", d/u.size, u.name)
		}
	}
	return fmt.Sprintf("lifetime time %d sec", d/time.Second)
}
