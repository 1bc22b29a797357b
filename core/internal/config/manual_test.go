package config

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestManualKnowsEveryDirective, and every code a message may carry.
func TestManualKnowsEveryDirective(t *testing.T) {
	manual, err := os.ReadFile("../../../docs/man/racoon.conf.5")
	if err != nil {
		t.Fatal(err)
	}
	has := func(word string) bool {
		return regexp.MustCompile(`(^|[^a-z0-9_])` + regexp.QuoteMeta(word) + `([^a-z0-9_]|$)`).Match(manual)
	}
	lang := classic()
	for in := range sections {
		for _, rows := range lang.rows[in] {
			for _, d := range rows {
				if d.doc == "" {
					t.Errorf("%s: %s has no words for the manual", in, d.name)
				}
				for word := range strings.FieldsSeq(d.name) {
					if !has(word) {
						t.Errorf("%s: %s is not in racoon.conf(5)", in, word)
					}
				}
			}
		}
	}
	source, err := os.ReadFile("codes.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range regexp.MustCompile(`RC\d{4}`).FindAllString(string(source), -1) {
		if !has(code) {
			t.Errorf("%s is not in racoon.conf(5)", code)
		}
	}
	for _, table := range [][]algorithm{phase1Ciphers, phase1Hashes, groups, espCiphers, espAuths, compressions} {
		for _, row := range table {
			if alias := row.name == "rijndael" || strings.HasPrefix(row.name, "sha2_") || strings.HasPrefix(row.name, "hmac_sha2_") ||
				strings.HasSuffix(row.name, "_96") || row.name == "null"; row.never == "" && !alias && !has(row.name) {
				t.Errorf("algorithm %s is not in racoon.conf(5)", row.name)
			}
		}
	}
}

// TestManualExampleIsGood: the file in racoon.hcl(5) can be used as it is.
func TestManualExampleIsGood(t *testing.T) {
	manual, err := os.ReadFile("../../../docs/man/racoon.hcl.5")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(manual), ".Bd -literal\n")
	example, _, ok := strings.Cut(rest, "\n.Ed")
	if !ok {
		t.Fatal("there is no example")
	}
	p := newParser("/etc/racoon/racoon.hcl")
	p.main(example)
	p.plugins()
	if len(p.diags) > 0 || len(p.cfg.Remotes) != 1 {
		t.Error(render(p.diags))
	}
}
