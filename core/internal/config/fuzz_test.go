package config

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

func seed(f *testing.F) {
	files, err := filepath.Glob("testdata/*/*.conf")
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
}

// FuzzLexer: tokens lie in the text one behind the other and lose nothing but
// blanks and comments; a token of some kind reads as itself.
func FuzzLexer(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.TrimPrefix(text, byteOrderMark)
		reported := 0
		l := &lexer{src: newSource("fuzz", text), report: func(d Diagnostic) {
			reported++
			_ = d.Text()
		}}
		end, wrong := 0, 0
		for tok := l.next(); tok.kind != eof; tok = l.next() {
			if tok.off < end || tok.end <= tok.off || tok.end > len(text) {
				t.Fatalf("token %q at %d-%d after %d", tok.text, tok.off, tok.end, end)
			}
			if strings.TrimSpace(stripComments(text[end:tok.off])) != "" {
				t.Fatalf("skipped %q", text[end:tok.off])
			}
			if tok.kind == bad || tok.kind == remark {
				wrong++
			}
			end = tok.end
		}
		if strings.TrimSpace(stripComments(text[end:])) != "" {
			t.Fatalf("skipped %q at the end", text[end:])
		}
		if reported != wrong {
			t.Fatalf("%d bad tokens, %d reports", wrong, reported)
		}
	})
}

func stripComments(s string) string {
	var b strings.Builder
	for line := range strings.SplitSeq(s, "\n") {
		line, _, _ = strings.Cut(line, "#")
		b.WriteString(strings.Trim(line, "\v\f"))
	}
	return b.String()
}

// FuzzSecrets: no message shows a secret, wherever its directive is put, and whatever
// is wrong with the text around it.
func FuzzSecrets(f *testing.F) {
	files, err := filepath.Glob("testdata/*/*.conf")
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for at := 0; at < len(text); at += 1 + len(text)/8 {
			f.Add(string(text), uint(at), uint(at))
		}
	}
	directives := []string{`shared_secret use "%";`, `bind_pw "%";`, "\nauth \"h\" 1812 \"%\";\n", ` acct "h" "%" ; `, `shared_secret use "%"`}
	const canary = "Zq7canary"
	f.Fuzz(func(t *testing.T, text string, at, which uint) {
		if strings.Contains(text, "canary") {
			return
		}
		i := int(at % uint(len(text)+1))
		planted := text[:i] + strings.ReplaceAll(directives[which%uint(len(directives))], "%", canary) + text[i:]
		p := newParser("/fuzz/racoon.conf")
		p.glob = func(string) ([]string, error) { return nil, nil }
		p.readFile = func(string) ([]byte, error) { return nil, fs.ErrNotExist }
		p.executable = func(string) string { return "is not executable" }
		p.main(planted)
		if got := render(p.diags); strings.Contains(got, "canary") {
			t.Fatalf("the secret is shown:\n%s\nof\n%s", got, planted)
		}
	})
}

// FuzzParser: every text ends in a model without an error or in an error with its
// place.
func FuzzParser(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, text string) {
		p := newParser("/fuzz/racoon.conf")
		p.glob = func(pattern string) ([]string, error) { return []string{"/fuzz/one.conf"}, nil }
		p.readFile = func(string) ([]byte, error) { return []byte("log info;"), nil }
		p.executable = func(string) string { return "is not executable" }
		p.main(text)
		cfg, diags := p.cfg, p.diags
		for _, d := range diags {
			if d.Code == "" || d.What == "" || d.Line < 1 || d.Col < 1 {
				t.Fatalf("incomplete diagnostic %+v", d)
			}
			if n := utf8.RuneCountInString(strings.TrimRight(d.Snippet, "\r\n")); d.Col > n+1 {
				t.Fatalf("column %d in a line of %d characters: %q", d.Col, n, d.Snippet)
			}
		}
		if Failed(diags) {
			return
		}
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
	})
}
