package config

import (
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
			if tok.kind == bad {
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
