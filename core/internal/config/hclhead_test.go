package config

import (
	"strings"
	"testing"
)

// TestALabelThatIsAlmostAnAddress must not become the name of a section for any peer.
// With named = true it is a name, and a conversion says so.
func TestALabelThatIsAlmostAnAddress(t *testing.T) {
	body := strings.TrimPrefix(hclSection("sha256"), `remote "anonymous" {`)
	for _, label := range []string{"10.0.0.256", "10.0.0", "192.0.2.1[70000]", "192.0.2.1:70000", "10.0.0.0/", "2001:db8::g1", "anonymous[70000]"} {
		_, diags := load(t, "racoon.hcl", `remote "`+label+`" {`+body)
		if got := render(diags); !strings.Contains(got, "reads as an address and is none") || strings.Count(got, "error") != 1 {
			t.Errorf("%s:\n%s", label, got)
		}
		if cfg := model(t, t.TempDir(), "x.hcl", `remote "`+label+"\" {\n named = true"+body); cfg.Remotes[0].Name != label {
			t.Errorf("named: %q, want %q", cfg.Remotes[0].Name, label)
		}
		if hcl := converted(t, t.TempDir(), "x.conf", `remote "`+label+`" { exchange_mode main; `+proposalText+` }`, nil); !strings.Contains(hcl, "named") {
			t.Errorf("converted:\n%s", hcl)
		}
	}
	for _, name := range []string{"office", "2024", "192.0.2.1-office", "gw-1.example.org"} {
		if cfg := model(t, t.TempDir(), "x.hcl", `remote "`+name+`" {`+body); cfg.Remotes[0].Name != name {
			t.Errorf("%q, want %q", cfg.Remotes[0].Name, name)
		}
	}
}
