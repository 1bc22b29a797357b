package lint

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestEveryCodeIsExplained: those of the parser, of the daemon and of auth-psk, and
// each once.
func TestEveryCodeIsExplained(t *testing.T) {
	var codes []string
	for file, pattern := range map[string]string{
		"../config/codes.go":                  `RC\d{4}`,
		"../../plugins.go":                    `RC\d{4}`,
		"../../keys.go":                       `RC\d{4}`,
		"../../kernelfit.go":                  `RC\d{4}`,
		"../../../plugins/auth-psk/README.md": `PSK\d{3}`,
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(pattern).FindAllString(string(text), -1)
		if len(found) == 0 {
			t.Errorf("%s has no codes", file)
		}
		codes = append(codes, found...)
	}
	for _, code := range codes {
		if _, ok := Explain(code); !ok {
			t.Errorf("%s has no explanation", code)
		}
	}
	for i, e := range explanations {
		if !slices.Contains(codes, e.Code) {
			t.Errorf("%s is explained, and nobody says it", e.Code)
		}
		if slices.ContainsFunc(explanations[:i], func(o Explanation) bool { return o.Code == e.Code }) {
			t.Errorf("%s is explained twice", e.Code)
		}
	}
}

// TestExplanationsAreComplete: title, why, what to do, and for a rule its source.
// Single braces would be placeholders in SARIF.
func TestExplanationsAreComplete(t *testing.T) {
	codes := map[string]bool{}
	for _, e := range explanations {
		codes[e.Code] = false
	}
	for _, p := range Packs() {
		for _, r := range p.rules {
			if _, twice := codes[r.id]; twice {
				t.Errorf("%s is there twice", r.id)
			}
			if r.says == "" || r.source == "" {
				t.Errorf("%s has no words or no source", r.id)
			}
			codes[r.id] = true
		}
	}
	for code, isRule := range codes {
		e, ok := Explain(code)
		if !ok || e.Title == "" || e.Why == "" || e.Do == "" || isRule != (e.Source != "") || isRule != (e.Policy != "") {
			t.Errorf("%s: %+v", code, e)
		}
		if strings.ContainsAny(e.Title+e.Why+e.Do, "{}") {
			t.Errorf("%s has a brace", code)
		}
	}
	if _, ok := Explain("RC9999"); ok {
		t.Error("RC9999 is explained")
	}
}

// TestExplanationText: as --explain shows it.
func TestExplanationText(t *testing.T) {
	e, _ := Explain("NIST006")
	want := `NIST006: Diffie-Hellman groups are among 14 to 21.

Why:
  X25519 is sound; an audit by the letter of the guide will still ask about
  it.

Do:
  Write dh_group ecp256; where the guide must be kept to the letter

Source:
  NIST SP 800-77 rev. 1, Guide to IPsec VPNs (June 2020), Table 1
`
	if got := e.Text(); got != want {
		t.Errorf("%s", got)
	}
}
