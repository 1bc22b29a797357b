package config

import (
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// alone is a parser of a file that is alone in the world but for one it may include.
func alone(name string, secrets map[string]secret.Bytes) *parser {
	p := newParser(etc + name)
	p.today = today
	p.glob = func(pattern string) ([]string, error) { return []string{etc + "one.conf"}, nil }
	p.readFile = func(name string) ([]byte, error) {
		if name == etc+"one.conf" {
			return []byte("log info;"), nil
		}
		if s, ok := secrets[name]; ok {
			return s.Reveal(), nil
		}
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.ENOENT}
	}
	p.executable = func(string) string { return "is not executable" }
	return p
}

func checkDiagnostics(t *testing.T, diags []Diagnostic) {
	t.Helper()
	for _, d := range diags {
		if d.Code == "" || d.What == "" || d.Line < 1 || d.Col < 1 {
			t.Fatalf("incomplete diagnostic %+v", d)
		}
		if n := utf8.RuneCountInString(strings.TrimRight(d.Snippet, "\r\n")); d.Col > n+1 {
			t.Fatalf("column %d in a line of %d characters: %q", d.Col, n, d.Snippet)
		}
		_ = d.Text()
	}
}

func checkModel(t *testing.T, cfg *policy.Config) {
	t.Helper()
	for _, r := range cfg.Remotes {
		if len(r.Modes) == 0 || len(r.Proposals) == 0 || r.NonceSize < 8 || r.Name == "" {
			t.Fatalf("incomplete remote %+v", r)
		}
	}
	for _, s := range cfg.SAInfos {
		if len(s.Encryption) == 0 || s.Lifetime <= 0 {
			t.Fatalf("incomplete sainfo %+v", s)
		}
	}
}

func seedHCL(f *testing.F) {
	for _, kind := range []string{"good", "bad"} {
		for _, name := range hclFiles(f, kind) {
			text, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(text))
		}
	}
	for _, s := range []string{
		strings.Repeat("a = [", 100), "a = " + strings.Repeat("-", 100) + "1", "a = " + strings.Repeat("true ? ", 100),
		"a = 1e99999999", "a = \"${1e999999999}\"", "locals {\n a = range(0, 1000)\n b = [for x in local.a : [for y in local.a : x]]\n}",
		"locals {\n a = format(\"%999999999d\", 1)\n}", "locals {\n a = \"xxxxxxxxxxxxxxxx\"\n b = replace(local.a, \"\", local.a)\n c = replace(local.b, \"\", local.b)\n d = replace(local.c, \"\", local.c)\n}",
		strings.Repeat("remote \"a\" {\n", 100), "timer {\n interval = <<EOT\n10 sec\nEOT\n}\n", "\xff", "a = \"\xff\"", "\xef\xbb\xbftimer {}",
	} {
		f.Add(s)
	}
}

// FuzzHCL: every text ends in a complete model or in an error with its place.
func FuzzHCL(f *testing.F) {
	seedHCL(f)
	f.Fuzz(func(t *testing.T, text string) {
		p := alone("racoon.hcl", nil)
		p.main(text)
		p.plugins()
		checkDiagnostics(t, p.diags)
		if !Failed(p.diags) {
			checkModel(t, p.cfg)
		}
	})
}

// FuzzHCLToClassic: what can be converted means the same.
func FuzzHCLToClassic(f *testing.F) {
	seedHCL(f)
	f.Fuzz(func(t *testing.T, text string) {
		p := alone("racoon.hcl", nil)
		c, err := p.convert(text, ConvertOptions{})
		if err != nil {
			return
		}
		q := alone("racoon.conf", nil)
		q.main(c.Text)
		if d := cmp.Diff(p.cfg, q.cfg, sameModel(nil)); d != "" || unusable(q.diags) {
			t.Fatalf("(-want +got):\n%s\n%s\n%s\n%s", d, text, c.Text, render(q.diags))
		}
	})
}

// FuzzConvert: a classic text without an error goes to HCL and back and means the same,
// unless there is something HCL cannot hold, which is an error.
func FuzzConvert(f *testing.F) {
	seed(f)
	f.Add(commented)
	f.Fuzz(func(t *testing.T, text string) {
		want := alone("racoon.conf", nil)
		want.main(text)
		if unusable(want.diags) {
			return
		}
		p := alone("racoon.conf", nil)
		c, err := p.convert(text, ConvertOptions{HCL: true, SecretDir: "/secrets", LegacyUntil: today.AddDate(1, 0, 0)})
		if err != nil {
			held := slices.ContainsFunc(p.diags, func(d Diagnostic) bool { return strings.Contains(d.What, "of HCL ") })
			if !held {
				t.Fatalf("%v\n%s\n%s", err, text, render(p.diags))
			}
			return
		}
		asHCL := alone("racoon.hcl", c.Secrets)
		asHCL.main(c.Text)
		if d := cmp.Diff(want.cfg, asHCL.cfg, sameModel(c.Secrets)); d != "" || unusable(asHCL.diags) {
			t.Fatalf("HCL (-want +got):\n%s\n%s\n%s\n%s", d, text, c.Text, render(asHCL.diags))
		}
		p = alone("racoon.hcl", c.Secrets)
		back, err := p.convert(c.Text, ConvertOptions{})
		if err != nil {
			t.Fatalf("and back: %v\n%s\n%s\n%s", err, text, c.Text, render(p.diags))
		}
		asClassic := alone("racoon.conf", c.Secrets)
		asClassic.main(back.Text)
		if d := cmp.Diff(want.cfg, asClassic.cfg, sameModel(c.Secrets)); d != "" || unusable(asClassic.diags) {
			t.Fatalf("and back (-want +got):\n%s\n%s\n%s\n%s", d, text, back.Text, render(asClassic.diags))
		}
	})
}
