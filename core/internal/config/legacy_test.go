package config

import (
	"strings"
	"testing"
)

// legacyPeers are two sections whose mode and hash are of the legacy tier; the second
// begins with the settings of the first.
const legacyPeers = `path { pre_shared_key = "psk.txt" }
remote "parent" {
  ALLOW
  exchange_mode = ["main", "aggressive"]
  proposal {
    encryption_algorithm  = "aes 256"
    hash_algorithm        = "md5"
    authentication_method = "pre_shared_key"
    dh_group              = "modp2048"
  }
}
remote "child" {
  inherit = "parent"
}
`

// TestAllowLegacyOfASection counts for all that is in it, the exchange mode that is
// looked at in the end as well, and for the sections that inherit from it.
func TestAllowLegacyOfASection(t *testing.T) {
	_, diags := load(t, "racoon.hcl", strings.Replace(legacyPeers, "ALLOW", "", 1))
	if got := strings.Count(render(diags), "the day until which it is accepted"); got != 3 {
		t.Errorf("%d complaints without allow_legacy, want 3\n%s", got, render(diags))
	}
	_, diags = load(t, "racoon.hcl", strings.Replace(legacyPeers, "ALLOW", `allow_legacy = "2027-06-30"`, 1))
	if unusable(diags) {
		t.Errorf("with allow_legacy:\n%s", render(diags))
	}
}

// TestAllowLegacyIsForOneFile: what a file includes says for itself.
func TestAllowLegacyIsForOneFile(t *testing.T) {
	p := hermetic(t, t.TempDir(), "racoon.hcl")
	p.glob = func(pattern string) ([]string, error) { return []string{pattern}, nil }
	p.readFile = func(string) ([]byte, error) { return []byte(hclSection("md5")), nil }
	p.main("allow_legacy = \"2027-06-30\"\ninclude { file = \"peer.hcl\" }\n")
	if got := render(p.diags); strings.Count(got, "error") != 1 || !strings.Contains(got, "peer.hcl:4") {
		t.Errorf("want one error in the included file:\n%s", got)
	}
}
