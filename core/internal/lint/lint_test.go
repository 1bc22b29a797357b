package lint

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/config"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// strong is a configuration that no rule warns about.
func strong() *policy.Config {
	return &policy.Config{File: "r.conf",
		Remotes: []*policy.Remote{{Name: "192.0.2.2[500]", Addr: netip.MustParseAddr("192.0.2.2"), Where: policy.Position{File: "r.conf", Line: 3},
			Modes:     []policy.ExchangeMode{policy.Main},
			Proposals: []policy.Phase1Proposal{{Encryption: aesCBC, KeyBits: 256, Hash: 4, Method: 1, Group: ecp256, Lifetime: 24 * time.Hour}}}},
		SAInfos: []*policy.SAInfo{{Where: policy.Position{File: "r.conf", Line: 20}, PFSGroup: ecp256, Lifetime: 4 * time.Hour,
			Encryption: []policy.Algorithm{{ID: espGCM16, KeyBits: 256}, {ID: espAES, KeyBits: 128}}, Auth: []policy.Algorithm{{ID: hmacSHA256}}}}}
}

// change makes one thing of a configuration weak, or strong again.
type change func(*policy.Config, *policy.Remote, *policy.Phase1Proposal, *policy.SAInfo)

func with(c change) *policy.Config {
	cfg := strong()
	c(cfg, cfg.Remotes[0], &cfg.Remotes[0].Proposals[0], cfg.SAInfos[0])
	return cfg
}

func setCipher(id, bits uint16) change {
	return func(_ *policy.Config, _ *policy.Remote, p *policy.Phase1Proposal, _ *policy.SAInfo) {
		p.Encryption, p.KeyBits = id, bits
	}
}

func setHash(id uint16) change {
	return func(_ *policy.Config, _ *policy.Remote, p *policy.Phase1Proposal, _ *policy.SAInfo) { p.Hash = id }
}

func setGroup(id uint16) change {
	return func(_ *policy.Config, _ *policy.Remote, p *policy.Phase1Proposal, _ *policy.SAInfo) { p.Group = id }
}

func setMethod(id uint16) change {
	return func(_ *policy.Config, _ *policy.Remote, p *policy.Phase1Proposal, _ *policy.SAInfo) { p.Method = id }
}

func setModes(m ...policy.ExchangeMode) change {
	return func(_ *policy.Config, r *policy.Remote, _ *policy.Phase1Proposal, _ *policy.SAInfo) { r.Modes = m }
}

func setLife1(d time.Duration) change {
	return func(_ *policy.Config, _ *policy.Remote, p *policy.Phase1Proposal, _ *policy.SAInfo) { p.Lifetime = d }
}

func setLife2(d time.Duration) change {
	return func(_ *policy.Config, _ *policy.Remote, _ *policy.Phase1Proposal, s *policy.SAInfo) { s.Lifetime = d }
}

func setPFS(id uint16) change {
	return func(_ *policy.Config, _ *policy.Remote, _ *policy.Phase1Proposal, s *policy.SAInfo) { s.PFSGroup = id }
}

func setESP(ids ...uint16) change {
	return func(_ *policy.Config, _ *policy.Remote, _ *policy.Phase1Proposal, s *policy.SAInfo) {
		s.Encryption = nil
		for _, id := range ids {
			s.Encryption = append(s.Encryption, policy.Algorithm{ID: id})
		}
	}
}

func setAuth(cipher uint16, ids ...uint16) change {
	return func(_ *policy.Config, _ *policy.Remote, _ *policy.Phase1Proposal, s *policy.SAInfo) {
		s.Encryption, s.Auth = []policy.Algorithm{{ID: cipher, KeyBits: 128}}, nil
		for _, id := range ids {
			s.Auth = append(s.Auth, policy.Algorithm{ID: id})
		}
	}
}

func noRemotes(c *policy.Config, _ *policy.Remote, _ *policy.Phase1Proposal, _ *policy.SAInfo) {
	c.Remotes = nil
}

func nothing(*policy.Config, *policy.Remote, *policy.Phase1Proposal, *policy.SAInfo) {}

// TestEachRule: one configuration that breaks it and what is said, one that keeps it.
func TestEachRule(t *testing.T) {
	const remote, sainfo = "remote 192.0.2.2[500]: ", "sainfo anonymous: "
	cases := []struct {
		rule       string
		weak, good change
		says       string
	}{
		{"BSI001", nothing, noRemotes, "IKE version 1 is not what the guideline is about: it knows IKEv2 only"},
		{"BSI002", setCipher(8, 128), setCipher(aesCBC, 128), remote + "encryption_algorithm camellia 128 is not AES"},
		{"BSI003", setHash(sha1), setHash(5), remote + "hash_algorithm sha1 is no longer recommended, as HMAC neither"},
		{"BSI004", setGroup(modp2048), setGroup(modp3072), remote + "dh_group modp2048 is shorter than the 3000 bits that are asked for since 2023"},
		{"BSI005", nothing, setMethod(3), remote + "authentication_method pre_shared_key is no signature"},
		{"BSI006", setLife1(25 * time.Hour), setLife1(24 * time.Hour), remote + "lifetime time 25 hour is longer than 24 hours"},
		{"BSI007", setLife2(4*time.Hour + time.Second), setLife2(4 * time.Hour), sainfo + "lifetime time 14401 sec is longer than 4 hours"},
		{"BSI008", setPFS(0), setPFS(modp4096), sainfo + "pfs_group is missing"},
		{"BSI009", setPFS(modp2048), setPFS(modp3072), sainfo + "pfs_group modp2048 is shorter than the 3000 bits that are asked for since 2023"},
		{"BSI010", setESP(espAES, 3, 7), setESP(espCTR), sainfo + "encryption_algorithm 3des, blowfish is not AES"},
		{"BSI011", setAuth(espAES, hmacSHA256, 2), setAuth(espGCM16, 2), sainfo + "authentication_algorithm hmac_sha1 is no longer recommended"},

		{"NIST001", nothing, noRemotes, "IKE version 1 is legacy: not for new deployments, and to be converted where possible"},
		{"NIST002", setCipher(5, 0), setCipher(aesCBC, 192), remote + "encryption_algorithm 3des is not AES"},
		{"NIST003", setHash(md5), setHash(sha1), remote + "hash_algorithm md5 has never been approved"},
		{"NIST004", setHash(sha1), setHash(4), remote + "hash_algorithm sha1 is legacy"},
		{"NIST005", setGroup(modp1536), setGroup(modp2048), remote + "dh_group modp1536 has less than 112 bits of security"},
		{"NIST006", setGroup(x25519), setGroup(ecp521), remote + "dh_group x25519 was expected to be approved, and is not in the guide's list yet"},
		{"NIST007", setModes(policy.Main, policy.Aggressive), setModes(policy.Main), remote + "exchange_mode aggressive is legacy and to be avoided"},
		{"NIST008", nothing, setMethod(3), remote + "authentication_method pre_shared_key is not among the recommended methods"},
		{"NIST009", setLife1(24*time.Hour + time.Minute), setLife1(time.Hour), remote + "lifetime time 1441 min is longer than 24 hours"},
		{"NIST010", setLife2(9 * time.Hour), setLife2(8 * time.Hour), sainfo + "lifetime time 9 hour is longer than 8 hours"},
		{"NIST011", setPFS(0), nothing, sainfo + "pfs_group is missing"},
		{"NIST012", setPFS(modp1024), setPFS(modp2048), sainfo + "pfs_group modp1024 has less than 112 bits of security"},
		{"NIST013", setPFS(modp2048), setPFS(modp3072), sainfo + "pfs_group modp2048, with dh_group ecp256 of remote 192.0.2.2[500], is the weaker one"},
		{"NIST014", setESP(22), setESP(espNull, espGCM8), sainfo + "encryption_algorithm camellia is not AES"},
		{"NIST015", setAuth(espAES, 1), setAuth(espAES, 0, hmacSHA512), sainfo + "authentication_algorithm hmac_md5 is not among the recommended algorithms"},

		{"MOD001", setCipher(6, 128), nothing, remote + "encryption_algorithm cast128 128 is not AES"},
		{"MOD002", setHash(md5), nothing, remote + "hash_algorithm md5 is not SHA-2"},
		{"MOD003", setGroup(modp1024), setGroup(x25519), remote + "dh_group modp1024 is too small"},
		{"MOD004", setModes(policy.Main, policy.Aggressive, policy.Base), nothing, remote + "exchange_mode aggressive, base is for peers that cannot do better"},
		{"MOD005", setLife1(30 * 24 * time.Hour), nothing, remote + "lifetime time 720 hour is longer than 24 hours"},
		{"MOD006", setLife2(48 * time.Hour), setLife2(24 * time.Hour), sainfo + "lifetime time 48 hour is longer than 24 hours"},
		{"MOD007", setPFS(0), nothing, sainfo + "pfs_group is missing"},
		{"MOD008", setPFS(modp768), setPFS(modp2048), sainfo + "pfs_group modp768 is too small"},
		{"MOD009", setESP(espGCM16, espGCM8, espNull), nothing, sainfo + "encryption_algorithm aes_gcm_8, null_enc is neither AES-GCM-16 nor AES-CBC"},
		{"MOD010", setAuth(espAES, 1, 2), setAuth(espAES, hmacSHA384), sainfo + "authentication_algorithm hmac_md5, hmac_sha1 is not SHA-2"},
	}
	about := func(rule string, cfg *policy.Config) (found []string) {
		for _, d := range Check(cfg, Packs()...) {
			if d.Code == rule {
				found = append(found, d.What)
			}
		}
		return found
	}
	tested := map[string]bool{}
	for _, c := range cases {
		tested[c.rule] = true
		t.Run(c.rule, func(t *testing.T) {
			if d := cmp.Diff([]string{c.says}, about(c.rule, with(c.weak))); d != "" {
				t.Errorf("weak (-want +got):\n%s", d)
			}
			if got := about(c.rule, with(c.good)); got != nil {
				t.Errorf("good: %q", got)
			}
		})
	}
	for _, p := range Packs() {
		for _, r := range p.rules {
			if !tested[r.id] {
				t.Errorf("%s has no case", r.id)
			}
		}
	}
}

// TestNoPackWarnsAboutAStrongConfiguration: there is one that satisfies all.
func TestNoPackWarnsAboutAStrongConfiguration(t *testing.T) {
	for _, d := range Check(strong(), Packs()...) {
		if d.Severity != config.Note {
			t.Error(d.Text())
		}
	}
}

// TestFindingsAreSortedAndSaidOnce: by file and line, and proposals that are wrong in
// the same way make one finding.
func TestFindingsAreSortedAndSaidOnce(t *testing.T) {
	cfg := with(setHash(md5))
	r := cfg.Remotes[0]
	r.Proposals = append(r.Proposals, r.Proposals[0], r.Proposals[0])
	r.Proposals[1].Hash = sha1
	other := *r
	other.Name, other.Proposals = "198.51.100.1[500]", slices.Clone(r.Proposals)
	for i := range r.Proposals {
		r.Proposals[i].Where = policy.Position{File: "r.conf", Line: 3}
		other.Proposals[i].Where = policy.Position{File: "a.conf", Line: 9}
	}
	cfg.Remotes = append(cfg.Remotes, &other)
	var got []string
	for _, d := range Check(cfg, modern) {
		got = append(got, d.String())
	}
	want := []string{
		"a.conf:9: remote 198.51.100.1[500]: hash_algorithm md5 is not SHA-2",
		"a.conf:9: remote 198.51.100.1[500]: hash_algorithm sha1 is not SHA-2",
		"r.conf:3: remote 192.0.2.2[500]: hash_algorithm md5 is not SHA-2",
		"r.conf:3: remote 192.0.2.2[500]: hash_algorithm sha1 is not SHA-2",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestPFSIsComparedWithTheRemotesItServes: by number, and one weak enough is enough.
func TestPFSIsComparedWithTheRemotesItServes(t *testing.T) {
	cfg := with(setPFS(modp2048))
	cfg.Remotes[0].Proposals = append(cfg.Remotes[0].Proposals, policy.Phase1Proposal{Group: modp2048})
	if got := pfsWeaker(cfg, cfg.SAInfos[0]); got != "" {
		t.Errorf("a remote that offers the same group: %q", got)
	}
	cfg = with(setPFS(modp2048))
	cfg.SAInfos[0].RemoteID = 7
	if got := pfsWeaker(cfg, cfg.SAInfos[0]); got != "" {
		t.Errorf("a remote with another number: %q", got)
	}
}

// TestSectionsAreNamed as they stand in the file.
func TestSectionsAreNamed(t *testing.T) {
	a, b := &policy.SAID{Text: "10.0.0.0/8[any] any"}, &policy.SAID{Text: "fqdn peer.example"}
	var got []string
	for _, s := range []*policy.SAInfo{{}, {Local: a}, {Local: a, Remote: b}, {Remote: b}, {ClientAddr: true}} {
		got = append(got, sainfoName(s))
	}
	want := []string{"sainfo anonymous", "sainfo 10.0.0.0/8[any] any anonymous", "sainfo 10.0.0.0/8[any] any fqdn peer.example",
		"sainfo anonymous fqdn peer.example", "sainfo anonymous clientaddr"}
	if !slices.Equal(got, want) {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
}
