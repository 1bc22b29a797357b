package swanctl

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

func seed(f *testing.F) {
	files, err := filepath.Glob("testdata/*/swanctl.conf")
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
	f.Add("a : a, b { b : a { } } b : a.b { c : b { } }")
	f.Add("a = \"x\\\ny\\\"z\" # c\ninclude \"*\" }")
}

// FuzzLexer: words are taken from the text in order, and a place is in the text.
func FuzzLexer(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, text string) {
		sc := newScanner("fuzz", text)
		for !sc.eof() {
			before := sc.pos
			if at := sc.at(sc.pos); at.Line < 1 || at.Line > len(sc.lines) || at.Col < 1 {
				t.Fatalf("offset %d is at %+v", sc.pos, at)
			}
			sc.skipSpace()
			sc.until(notName)
			switch sc.peek() {
			case '=':
				sc.pos++
				sc.value(false)
			case ':':
				sc.references()
			case '"':
				sc.pattern()
			}
			if sc.pos == before {
				sc.pos++
			}
			if sc.pos < before || sc.pos > len(text) {
				t.Fatalf("from %d to %d of %d", before, sc.pos, len(text))
			}
		}
	})
}

// FuzzImport: every text ends, in a result or in an error with its place, and all
// that is written is one thing per line.
func FuzzImport(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, text string) {
		im := &importer{name: "/fuzz/swanctl.conf",
			glob: func(string) ([]string, error) { return []string{"/fuzz/one.conf", "/fuzz/none.conf"}, nil },
			readFile: func(name string) ([]byte, error) {
				if strings.HasSuffix(name, "one.conf") {
					return []byte("included { version = 1 }\ninclude two.conf"), nil
				}
				return nil, fs.ErrNotExist
			}}
		r := im.run(text)
		for _, n := range r.Notes {
			if n.What == "" || n.Line < 1 || n.Col < 1 || strings.ContainsAny(n.String(), "\n\r") {
				t.Fatalf("incomplete note %q", n)
			}
		}
		if r.Conf == "" && len(r.Notes) == 0 {
			t.Fatal("neither a result nor a note")
		}
		for _, k := range r.PSK {
			line := k.ID + " " + string(k.Secret.Reveal())
			if k.ID == "" || strings.ContainsAny(k.ID, " \t\n\r#\x00") && !strings.Contains(k.ID[1:], "#") || k.Secret.Len() == 0 || strings.ContainsAny(line, "\n\r\x00") {
				t.Fatalf("key of %q cannot stand in psk.txt", k.ID)
			}
		}
		if strings.ContainsFunc(r.Conf+r.Policies, func(c rune) bool { return c < ' ' && c != '\n' && c != '\t' || c == utf8.RuneError }) {
			t.Fatalf("%q", r.Conf)
		}
	})
}

func TestReason(t *testing.T) {
	if got := reason(errors.New("open /etc/hidden: odd")); strings.Contains(got, "hidden") {
		t.Errorf("%q repeats a name", got)
	}
}
