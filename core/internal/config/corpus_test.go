package config

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/racoon-ike/racoon/core/internal/policy"
)

const etc = "/etc/racoon/"

// hermetic is a parser of the file NAME of /etc/racoon. That directory, which is the
// home directory too, is dir; outside of it there is nothing, so that no golden
// depends on the machine. Nor does it on the day.
func hermetic(t *testing.T, dir, name string) *parser {
	t.Helper()
	t.Setenv("HOME", etc)
	p := newParser(etc + name)
	p.today = today
	p.readFile = func(name string) ([]byte, error) {
		rest, ok := strings.CutPrefix(name, etc)
		if !ok {
			return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.ENOENT}
		}
		return os.ReadFile(filepath.Join(dir, rest))
	}
	p.glob = func(pattern string) ([]string, error) {
		rest, ok := strings.CutPrefix(pattern, etc)
		if !ok {
			_, err := filepath.Match(pattern, "")
			return nil, err
		}
		names, err := glob(filepath.Join(dir, rest))
		for i, name := range names {
			names[i] = etc + strings.TrimPrefix(name, dir+"/")
		}
		return names, err
	}
	p.executable = func(name string) string { return "" }
	return p
}

// parseFile reads a file of testdata.
func parseFile(t *testing.T, file string) (*policy.Config, []Diagnostic) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p := hermetic(t, filepath.Dir(file), filepath.Base(file))
	p.main(string(text))
	return p.cfg, p.diags
}

// unusable reports whether there is an error that no later version of racoon will
// take back.
func unusable(ds []Diagnostic) bool {
	return slices.ContainsFunc(ds, isFault)
}

func isFault(d Diagnostic) bool { return d.Severity == Error && d.Code != codeNotYet }

// showsCanary looks for the secret of the test files, as text and in base64.
func showsCanary(s string) bool {
	return strings.Contains(s, "hunter2") || strings.Contains(s, "aHVudGVy")
}

// uncovered are the rows of the table that need not occur in testdata/good or
// testdata/bad, with the reason: "bad remote doi": "...".
var uncovered = map[string]string{}

// TestCorpusCoversTheLanguage: each row of the table occurs in a good file, unless
// it is always an error, and in a bad file with an error that points at it.
func TestCorpusCoversTheLanguage(t *testing.T) {
	lang := classic()
	seen := map[string]map[*directive]bool{"good": {}, "bad": {}}
	for kind, rows := range seen {
		files, err := filepath.Glob(filepath.Join("testdata", kind, "*.conf"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			_, diags := parseFile(t, f)
			for _, s := range statements(lang, f, string(text)) {
				if kind == "good" || slices.ContainsFunc(diags, s.blames) {
					rows[s.row] = true
				}
			}
		}
	}
	used := map[string]bool{}
	for in := range sections {
		for _, rows := range lang.rows[in] {
			for _, d := range rows {
				for kind, found := range seen {
					key := kind + " " + in.String() + " " + d.name
					if found[d] || kind == "good" && d.state == refused {
						continue
					}
					if used[key] = true; uncovered[key] == "" {
						t.Errorf("%s: no file has it", key)
					}
				}
			}
		}
	}
	for key := range uncovered {
		if !used[key] {
			t.Errorf("%s: is covered, or no row of the table: it is no exception", key)
		}
	}
}

// written is one directive as it stands in a file: with a block up to its brace.
type written struct {
	row      *directive
	src      *source
	off, end int
}

// blames reports whether a diagnostic is an error inside the statement.
func (w written) blames(d Diagnostic) bool {
	if !isFault(d) || filepath.Base(d.File) != filepath.Base(w.src.name) {
		return false
	}
	line, col := w.src.position(w.off)
	endLine, endCol := w.src.position(w.end)
	atEnd := w.end == len(w.src.text) && d.Line == endLine && d.Col == endCol
	return (d.Line > line || d.Line == line && d.Col >= col) && (d.Line < endLine || d.Line == endLine && d.Col < endCol || atEnd)
}

// statements finds the directives of a text by its words and braces alone. It does
// not understand what follows their names, so it finds them in wrong files too.
func statements(lang *language, name, text string) (out []written) {
	const unknown = sections // a block that no row opens
	src := newSource(name, text)
	lex := &lexer{src: src, report: func(Diagnostic) {}}
	nest := []section{top}
	var open *written // the statement being read
	fresh := true     // a directive is next, and no argument
	end := func(at int) {
		if open != nil {
			open.end = at
			out = append(out, *open)
		}
		open, fresh = nil, true
	}
	for t, next := lex.next(), (token{}); t.kind != eof; t = next {
		next = lex.next()
		in := nest[len(nest)-1]
		switch {
		case t.is(";"):
			end(t.end)
		case t.is("{"):
			body := unknown
			if open != nil && open.row.body != top {
				body = open.row.body
			}
			nest = append(nest, body)
			end(t.end)
		case t.is("}"):
			end(t.off)
			nest = nest[:max(1, len(nest)-1)]
		case t.kind == word && in != unknown && lang.rows[in][t.text] != nil && (fresh || beginsLine(t)):
			end(t.off)
			fresh = false
			if row := rowOf(lang.rows[in][t.text], next); row != nil {
				open = &written{row: row, src: src, off: t.off}
			}
		default:
			fresh = fresh && t.is(",")
		}
	}
	end(len(text))
	return out
}

// rowOf chooses among the rows with the same first word.
func rowOf(rows []*directive, second token) (row *directive) {
	for _, d := range rows {
		if d.second() == second.text && second.kind == word {
			return d
		}
		if d.second() == "" {
			row = d
		}
	}
	return row
}

// beginsLine reports whether only blanks stand before a token on its line.
func beginsLine(t token) bool {
	line, _ := t.src.position(t.off)
	return strings.TrimSpace(t.src.text[t.src.lines[line-1]:t.off]) == ""
}
