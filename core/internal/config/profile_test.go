package config

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/policy"
)

// profiled is a minimal file with one profile: where HCL is asked for, with an
// allow_legacy or without.
func profiled(name string, hcl, legacy bool) string {
	if !hcl {
		return "path pre_shared_key \"psk.txt\";\n" +
			"remote \"peer\" { profile \"" + name + "\"; remote_address 192.0.2.2; }\n" +
			"sainfo anonymous { profile \"" + name + "\"; }\n"
	}
	allow := ""
	if legacy {
		allow = "allow_legacy = \"2027-06-30\"\n"
	}
	return allow + "path { pre_shared_key = \"psk.txt\" }\n" +
		"remote \"peer\" {\n profile = \"" + name + "\"\n remote_address = \"192.0.2.2\"\n}\n" +
		"sainfo {\n profile = \"" + name + "\"\n}\n"
}

// load reads a text as a file of an empty /etc/racoon.
func load(t *testing.T, file, text string) (*policy.Config, []Diagnostic) {
	t.Helper()
	p := hermetic(t, t.TempDir(), file)
	p.main(text)
	return p.cfg, p.diags
}

func profileText(t *testing.T, file string) string {
	t.Helper()
	text, err := profiles.ReadFile("profiles/" + file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestProfilesExpand: each profile, alone in a remote and a sainfo section, needs
// nothing but what racoon does not have yet. What it becomes stands in testdata.
func TestProfilesExpand(t *testing.T) {
	for _, name := range ProfileNames() {
		t.Run(name, func(t *testing.T) {
			cfg, diags := load(t, "racoon.conf", profiled(name, false, false))
			if unusable(diags) {
				t.Errorf("has errors:\n%s", render(diags))
			}
			if len(cfg.Remotes) != 1 || len(cfg.SAInfos) != 1 {
				t.Fatalf("%d remotes and %d sainfos\n%s", len(cfg.Remotes), len(cfg.SAInfos), render(diags))
			}
			expanded, err := json.MarshalIndent(map[string]any{"Remote": cfg.Remotes[0], "SAInfo": cfg.SAInfos[0]}, "", " ")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "testdata/profiles/"+name+".txt", render(diags))
			golden(t, "testdata/profiles/"+name+".json", string(expanded)+"\n")
		})
	}
}

// TestProfilesComeInPairs: a name means something in both sections.
func TestProfilesComeInPairs(t *testing.T) {
	files, err := profiles.ReadDir("profiles")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, f := range files {
		name, _, _ := strings.Cut(f.Name(), ".")
		found = append(found, name)
	}
	slices.Sort(found)
	if d := cmp.Diff(ProfileNames(), slices.Compact(found)); d != "" || len(files) != 2*len(ProfileNames()) {
		t.Errorf("%d files (-names +files):\n%s", len(files), d)
	}
}

// TestProfilesGiveTheirReasons: a comment stands above each setting; the three that say how often
// DPD probes share one. The head of NAME.remote says for whom it is.
func TestProfilesGiveTheirReasons(t *testing.T) {
	for _, name := range ProfileNames() {
		for _, file := range []string{name + ".remote", name + ".sainfo"} {
			text := profileText(t, file)
			if !strings.HasPrefix(text, "# ") {
				t.Errorf("%s does not begin with a comment", file)
			}
			before := ""
			for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
				if !strings.HasPrefix(line, "# ") && !strings.HasPrefix(before, "# ") && !strings.HasPrefix(line, "dpd_") {
					t.Errorf("%s:%d: %q has no reason", file, i+1, line)
				}
				before = line
			}
		}
	}
}

// TestProfilesSayThatTheyAreLegacy: the head of a profile names each legacy finding it draws, and no
// other; and only those that draw one say the word.
func TestProfilesSayThatTheyAreLegacy(t *testing.T) {
	for _, name := range ProfileNames() {
		_, diags := load(t, "racoon.conf", profiled(name, false, false))
		want := legacyCodes(diags)
		head, _, _ := strings.Cut(profileText(t, name+".remote"), "\nexchange_mode ")
		var got []string
		if _, text, ok := strings.Cut(strings.ReplaceAll(head, "\n# ", " "), "Legacy: "); ok {
			got = regexp.MustCompile(`RC\d{4}`).FindAllString(text, -1)
			slices.Sort(got)
			if !strings.Contains(text, "allow_legacy") {
				t.Errorf("%s does not say that HCL needs allow_legacy", name)
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: the head names other findings than there are (-want +got):\n%s", name, d)
		}
	}
}

func legacyCodes(diags []Diagnostic) (codes []string) {
	for _, d := range diags {
		if isLegacy(d) && !slices.Contains(codes, d.Code) {
			codes = append(codes, d.Code)
		}
	}
	slices.Sort(codes)
	return codes
}

// TestProfilesPutTheBestFirst: no proposal is better than one before it, and those of aggressive
// mode share their group.
func TestProfilesPutTheBestFirst(t *testing.T) {
	// By strength against what is known today, the best first.
	rank := func(v policy.Phase1Proposal) []int {
		return []int{
			slices.Index([]uint16{20, 16, 14, 5, 2}, v.Group),
			slices.Index([]uint16{7, 5}, v.Encryption),
			-int(v.KeyBits),
			slices.Index([]uint16{6, 5, 4, 2}, v.Hash),
		}
	}
	for _, name := range ProfileNames() {
		cfg, _ := load(t, "racoon.conf", profiled(name, false, false))
		list := cfg.Remotes[0].Proposals
		for i, v := range list {
			r := rank(v)
			if r[0] < 0 || r[1] < 0 || r[3] < 0 {
				t.Errorf("%s: proposal %d has an algorithm this test does not know", name, i+1)
			}
			if i > 0 && slices.Compare(rank(list[i-1]), r) >= 0 {
				t.Errorf("%s: proposal %d is no weaker than the one before", name, i+1)
			}
			if cfg.Remotes[0].Allows(policy.Aggressive) && v.Group != list[0].Group {
				t.Errorf("%s: aggressive mode with two groups", name)
			}
		}
	}
}

// TestLegacyProfilesNeedLeaveInHCL: HCL refuses a profile with legacy algorithms unless the file allows
// them, and takes the others.
func TestLegacyProfilesNeedLeaveInHCL(t *testing.T) {
	legacies := 0
	for _, name := range ProfileNames() {
		_, classic := load(t, "racoon.conf", profiled(name, false, false))
		legacy := legacyCodes(classic) != nil
		_, without := load(t, "racoon.hcl", profiled(name, true, false))
		if got := unusable(without); got != legacy {
			t.Errorf("%s without allow_legacy: refused = %v, want %v\n%s", name, got, legacy, render(without))
		}
		if legacy {
			if legacies++; !strings.Contains(render(without), "allow_legacy = ") {
				t.Errorf("%s: the refusal does not say what to write:\n%s", name, render(without))
			}
		}
		if _, with := load(t, "racoon.hcl", profiled(name, true, true)); unusable(with) {
			t.Errorf("%s with allow_legacy:\n%s", name, render(with))
		}
	}
	if legacies == 0 {
		t.Error("no profile is legacy: nothing was tested")
	}
}

// TestOwnSettingsOverrideTheProfile in the section itself and in those that inherit from it.
func TestOwnSettingsOverrideTheProfile(t *testing.T) {
	const proposal = "proposal { encryption_algorithm aes 128; hash_algorithm sha256; authentication_method pre_shared_key; dh_group ecp256; }"
	for _, c := range []struct{ name, text, want string }{
		{"nothing", `remote "x" { profile mikrotik; %s }`,
			"main; verify true; dpd 8s/5s/4; 7/256/4/20/24h0m0s 7/256/4/14/24h0m0s 7/128/2/14/24h0m0s"},
		{"values", `remote "x" { profile mikrotik; %s dpd_delay 0; verify_identifier off; lifetime time 1 hour; }`,
			"main; verify false; dpd 0s/5s/4; 7/256/4/20/1h0m0s 7/256/4/14/1h0m0s 7/128/2/14/1h0m0s"},
		{"proposals", `remote "x" { profile mikrotik; %s ` + proposal + ` }`,
			"main; verify true; dpd 8s/5s/4; 7/128/4/19/24h0m0s"},
		{"exchange modes", `remote "x" { profile apple; %s exchange_mode main; dpd off; }`,
			"main; verify true; dpd 30s/30s/10; 7/256/4/14/24h0m0s 7/256/2/14/24h0m0s"},
		{"a child of a section with a profile", `remote "p" { profile mikrotik; remote_address 192.0.2.9; } remote "x" inherit "p" { %s }`,
			"main; verify true; dpd 8s/5s/4; 7/256/4/20/24h0m0s 7/256/4/14/24h0m0s 7/128/2/14/24h0m0s"},
		{"values of a child", `remote "p" { profile mikrotik; remote_address 192.0.2.9; } remote "x" inherit "p" { %s dpd_maxfail 9; lifetime time 1 hour; }`,
			"main; verify true; dpd 8s/5s/9; 7/256/4/20/1h0m0s 7/256/4/14/1h0m0s 7/128/2/14/1h0m0s"},
		{"proposals of a child", `remote "p" { profile mikrotik; remote_address 192.0.2.9; } remote "x" inherit "p" { %s ` + proposal + ` }`,
			"main; verify true; dpd 8s/5s/4; 7/128/4/19/24h0m0s"},
		{"a child adds to what a parent wrote itself", `remote "p" { profile mikrotik; remote_address 192.0.2.9; ` + proposal + ` } remote "x" inherit "p" { %s ` + proposal + ` }`,
			"main; verify true; dpd 8s/5s/4; 7/128/4/19/24h0m0s 7/128/4/19/24h0m0s"},
		{"a grandchild", `remote "g" { profile mikrotik; remote_address 192.0.2.9; } remote "p" inherit "g" { remote_address 192.0.2.8; } remote "x" inherit "p" { %s ` + proposal + ` }`,
			"main; verify true; dpd 8s/5s/4; 7/128/4/19/24h0m0s"},
		{"a profile in a child", `remote "p" { exchange_mode main; nat_traversal on; dpd_retry 9; remote_address 192.0.2.9; ` + proposal + ` } remote "x" inherit "p" { profile apple; %s }`,
			"aggressive; verify true; dpd 30s/30s/10; 7/256/4/14/24h0m0s 7/256/2/14/24h0m0s"},
		{"another profile in a child", `remote "p" { profile mikrotik; remote_address 192.0.2.9; } remote "x" inherit "p" { profile apple; %s }`,
			"aggressive; verify true; dpd 30s/30s/10; 7/256/4/14/24h0m0s 7/256/2/14/24h0m0s"},
		{"a profile and proposals in a child", `remote "p" { profile mikrotik; remote_address 192.0.2.9; } remote "x" inherit "p" { profile apple; %s exchange_mode main; ` + proposal + ` }`,
			"main; verify true; dpd 30s/30s/10; 7/128/4/19/24h0m0s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg, diags := load(t, "racoon.conf", "path pre_shared_key \"psk.txt\";\n"+fmt.Sprintf(c.text, "remote_address 192.0.2.2;"))
			if unusable(diags) {
				t.Fatal(render(diags))
			}
			r := cfg.Remotes[len(cfg.Remotes)-1]
			got := fmt.Sprintf("%v; verify %v; dpd %v/%v/%d;", r.Modes[0], r.VerifyIdentifier, r.DPDDelay, r.DPDRetry, r.DPDMaxFail)
			for _, v := range r.Proposals {
				got += fmt.Sprintf(" %d/%d/%d/%d/%v", v.Encryption, v.KeyBits, v.Hash, v.Group, v.Lifetime)
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestParentsKeepTheirProposals: a child's lifetime does not reach the profile of its parent.
func TestParentsKeepTheirProposals(t *testing.T) {
	cfg, diags := load(t, "racoon.conf", `path pre_shared_key "psk.txt";
		remote "p" { profile aws; remote_address 192.0.2.9; }
		remote "x" inherit "p" { remote_address 192.0.2.2; lifetime time 1 hour; }
		remote "y" inherit "p" { remote_address 192.0.2.3; }`)
	if unusable(diags) {
		t.Fatal(render(diags))
	}
	for i, want := range []time.Duration{8 * time.Hour, time.Hour, 8 * time.Hour} {
		if got := cfg.Remotes[i].Proposals[0].Lifetime; got != want {
			t.Errorf("%s: %v, want %v", cfg.Remotes[i].Name, got, want)
		}
	}
}

// TestOwnListsOverrideTheProfile of a sainfo section, each for itself.
func TestOwnListsOverrideTheProfile(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "profile cisco-ezvpn;", "0 8h0m0s [{12 256} {12 128} {3 0}] [{2 0}] []"},
		{"ciphers", "profile cisco-ezvpn; encryption_algorithm aes 256;", "0 8h0m0s [{12 256}] [{2 0}] []"},
		{"ciphers in two lines", "profile cisco-ezvpn; encryption_algorithm aes 256; encryption_algorithm aes 192;", "0 8h0m0s [{12 256} {12 192}] [{2 0}] []"},
		{"integrity", "profile cisco-ezvpn; authentication_algorithm hmac_sha256;", "0 8h0m0s [{12 256} {12 128} {3 0}] [{5 0}] []"},
		{"compression", "profile fritzbox; compression_algorithm lzs;", "14 1h0m0s [{12 256}] [{7 0} {2 0}] [{3 0}]"},
		{"lifetime and group", "profile cisco-ezvpn; lifetime time 1 hour; pfs_group 14;", "14 1h0m0s [{12 256} {12 128} {3 0}] [{2 0}] []"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg, diags := load(t, "racoon.conf", "sainfo anonymous { "+c.text+" }")
			if unusable(diags) {
				t.Fatal(render(diags))
			}
			s := cfg.SAInfos[0]
			if got := fmt.Sprint(s.PFSGroup, " ", s.Lifetime, " ", s.Encryption, " ", s.Auth, " ", s.Comp); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestWhatIsOverriddenIsNotComplainedOf: with better settings of its own a section may use a legacy
// profile in HCL, or one that needs what is not there yet.
func TestWhatIsOverriddenIsNotComplainedOf(t *testing.T) {
	for _, c := range []struct {
		file, text string
		codes      []string
	}{
		{"racoon.conf", `remote "x" { profile apple; remote_address 192.0.2.2; exchange_mode main; generate_policy off; nat_traversal off; ike_frag off;
			dpd_delay 0; proposal { encryption_algorithm aes 256; hash_algorithm sha256; authentication_method pre_shared_key; dh_group 14; } }`, nil},
		{"racoon.conf", `remote "x" { profile apple; remote_address 192.0.2.2; generate_policy off; nat_traversal off; ike_frag off;
			dpd_delay 0; proposal { encryption_algorithm aes 256; hash_algorithm sha256; authentication_method pre_shared_key; dh_group 14; } }`, []string{codeAggressive}},
		{"racoon.conf", `sainfo anonymous { profile cisco-ezvpn; encryption_algorithm aes_gcm 256; authentication_algorithm hmac_sha256; pfs_group 14; }`, nil},
		{"racoon.hcl", `remote "x" {
			profile = "fritzbox-old"
			remote_address = "192.0.2.2"
			nat_traversal = false
			dpd_delay = 0
			proposal {
				encryption_algorithm = "aes 256"
				hash_algorithm = "sha256"
				authentication_method = "pre_shared_key"
				dh_group = "modp2048"
			}
		}`, nil},
		{"racoon.hcl", "sainfo {\n profile = \"fritzbox-old\"\n pfs_group = \"modp2048\"\n authentication_algorithm = [\"hmac_sha256\"]\n}", nil},
	} {
		_, diags := load(t, c.file, c.text)
		var codes []string
		for _, d := range diags {
			codes = append(codes, d.Code)
		}
		if d := cmp.Diff(c.codes, codes); d != "" {
			t.Errorf("%s (-want +got):\n%s\n%s", c.text, d, render(diags))
		}
	}
}

// TestUnknownProfile: a near miss is asked after, else all are listed.
func TestUnknownProfile(t *testing.T) {
	for _, c := range []struct{ file, text, want string }{
		{"racoon.conf", `remote "x" { profile fritzbx; }`, "fritzbox"},
		{"racoon.conf", `sainfo anonymous { profile cisco_asa; }`, "cisco-asa"},
		{"racoon.hcl", "remote \"x\" {\n profile = \"windows-l2pt\"\n}", "windows-l2tp"},
		{"racoon.conf", `remote "x" { profile zzzzzzzzzz; }`, strings.Join(ProfileNames(), ", ")},
	} {
		_, diags := load(t, c.file, c.text)
		i := slices.IndexFunc(diags, func(d Diagnostic) bool { return d.Code == codeUnknown })
		if i < 0 || !strings.Contains(diags[i].Fix, c.want) || !strings.Contains(diags[i].What, "is no profile") {
			t.Errorf("%s: want %q in\n%s", c.text, c.want, render(diags))
		}
	}
}
