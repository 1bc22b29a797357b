package config

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// TestSharedSecretOfEachSection: a secret is found by the name of its section, one that
// was inherited by the heir's as well. Sections of one name cannot have several.
func TestSharedSecretOfEachSection(t *testing.T) {
	section := func(head, secret string) string {
		return "remote " + head + " { exchange_mode main; " + secret + " " + proposalText + " }\n"
	}
	for _, c := range []struct {
		name, text string
		literals   []string
		complaint  string
	}{
		{"inherited", section("anonymous", `shared_secret use "hunter2";`) + "remote 192.0.2.1 inherit anonymous;\nremote 192.0.2.2 inherit anonymous { shared_secret key \"other\"; }\n",
			[]string{"192.0.2.1[500]", "anonymous"}, ""},
		{"the same name, the same secret", section("192.0.2.1", `shared_secret use "hunter2";`) + section("192.0.2.1", `shared_secret use "hunter2";`), []string{"192.0.2.1[500]"}, ""},
		{"the same name, another secret", section("192.0.2.1", `shared_secret use "hunter2";`) + section("192.0.2.1", `shared_secret use "hunter22";`), nil,
			"192.0.2.1[500] has another shared_secret than the section of this name in line 1"},
		{"the same name, one without", section(`"anonymous"`, `shared_secret key "a";`) + section("anonymous", ""), nil, "anonymous has another shared_secret than the section of this name in line 1"},
		{"an entry without a name", section("192.0.2.1", `shared_secret key "";`), nil, "is empty"},
	} {
		specs, diags := loadText(`path pre_shared_key "psk.txt";`+" "+c.text, "")
		if got := render(diags); showsCanary(got) || (c.complaint == "") == Failed(diags) || !strings.Contains(got, c.complaint) {
			t.Errorf("%s: want %q in\n%s", c.name, c.complaint, got)
		}
		for _, s := range specs {
			if got := slices.Sorted(maps.Keys(s.Literals)); c.complaint == "" && s.Name == "psk" && !slices.Equal(got, c.literals) {
				t.Errorf("%s: secrets of %q, want %q", c.name, got, c.literals)
			}
		}
	}
}
