// Package config reads configuration files into one immutable policy.Config.
//
// The language of racoon.conf(5), in the dialects of ipsec-tools and of Apple, is
// one table (directive.go): what may stand where, its grammar, its setter and its
// words for the manual. It has two spellings, classic and HCL (hcl.go), and Convert
// translates one into the other. All errors of a file are found in one run; each says
// where it is, what is wrong and, if there is one answer, what to write. It knows nothing of the engine, of sockets or of the kernel: everything here
// works without any privilege.
//
//	loaded, diags, err := config.Load("/etc/racoon/racoon.conf")
//	for _, d := range diags {
//		fmt.Fprint(os.Stderr, d.Text())
//	}
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/racoon-ike/racoon/core/internal/policy"
)

// Loaded is what a configuration says.
type Loaded struct {
	Policy  *policy.Config
	Plugins []PluginSpec // kernel, auth and log, with what the classic file implies
}

// Load reads a configuration file, what it includes, and plugins.hcl beside a classic
// one. The diagnostics are returned in any case, findings and errors, in the order
// of the files; err is set if one of them is an error or if the file cannot be
// read. What is returned belongs to the caller and is never changed afterwards.
func Load(path string) (*Loaded, []Diagnostic, error) {
	p, err := readMain(path)
	if err != nil {
		return nil, nil, err
	}
	l := &Loaded{Policy: p.cfg, Plugins: p.plugins()}
	if n := errorCount(p.diags); n > 0 {
		return nil, p.diags, fmt.Errorf("fatal parse failure (%d errors)", n)
	}
	return l, p.diags, nil
}

// Read is Load for who only looks: what racoon does not have yet is no error.
func Read(path string) (*policy.Config, []Diagnostic, error) {
	p, err := readMain(path)
	if err != nil {
		return nil, nil, err
	}
	if n := p.faults(); n > 0 {
		return nil, p.diags, fmt.Errorf("fatal parse failure (%d errors)", n)
	}
	return p.cfg, p.diags, nil
}

func readMain(path string) (*parser, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("could not read configuration file %q: %s", path, reason(err))
	}
	p := newParser(path)
	p.main(string(text))
	return p, nil
}

// faults counts the errors that no later version of racoon will take back.
func (p *parser) faults() (n int) {
	for _, d := range p.diags {
		if d.Severity == Error && d.Code != codeNotYet {
			n++
		}
	}
	return n
}

// IsHCL reports whether a file is read as HCL, by its name.
func IsHCL(path string) bool { return strings.HasSuffix(path, ".hcl") }

// parse reads a text as the file of that name.
func parse(name, text string) (*policy.Config, []Diagnostic) {
	p := newParser(name)
	p.main(text)
	return p.cfg, p.diags
}

func newParser(name string) *parser {
	return &parser{lang: classic(), readFile: os.ReadFile, glob: glob, executable: executable, today: time.Now(),
		cfg: &policy.Config{File: name, Timer: policy.DefaultTimer(), Padding: policy.DefaultPadding(), ComplexBundle: true, ModeCfg: policy.DefaultModeCfg()}}
}

// main reads the main file.
func (p *parser) main(text string) {
	wide := strings.HasPrefix(text, "\xff\xfe") || strings.HasPrefix(text, "\xfe\xff")
	if !wide {
		p.file(p.lang.source(p.cfg.File, text))
	}
	// One sentence instead of an error for every word.
	switch d := (Diagnostic{Code: codeLex, Severity: Error, File: p.cfg.File}); {
	case wide:
		d.What, d.Fix = "is encoded in UTF-16", "save it as UTF-8"
		p.diags = []Diagnostic{d}
	case errorCount(p.diags) > 0 && !IsHCL(p.cfg.File) && wellFormedHCL(p.cfg.File, text):
		d.What, d.Fix = "is written in HCL, which is read from files named .hcl only", "rename it"
		p.diags = []Diagnostic{d}
	}
}

// file reads one file with the parser's state, at the top level.
func (p *parser) file(src *source) {
	outer, allowed := p.reading, p.legacy
	p.reading, p.legacy = reading{last: token{src: src}}, legacy{} // an allow_legacy is for one file
	if src.hcl {
		p.lex = newHCLReader(p, src)
	} else {
		p.lex = &lexer{src: src, report: func(d Diagnostic) { p.diags = append(p.diags, d) }, keep: p.record != nil}
	}
	p.files = append(p.files, src.name)
	p.block(top, token{})
	if r, ok := p.lex.(*hclReader); ok {
		r.finish()
	}
	p.files = p.files[:len(p.files)-1]
	p.reading, p.legacy = outer, allowed
}

// Limits of include: how deep, counting the main file, and how many files in all.
const (
	maxDepth = 10
	maxFiles = 10000
)

// include reads the files a pattern names, in the order of their names.
func (p *parser) include(a []arg) {
	t := a[0].token
	pattern, err := p.includePattern(t)
	if err != nil {
		p.add(t, codeFile, Error, err.Error(), "")
		return
	}
	if len(p.files) >= maxDepth {
		p.add(t, codeFile, Error, "includes nested too deeply", fmt.Sprintf("at most %d files deep", maxDepth))
		return
	}
	names, err := p.glob(pattern)
	switch {
	case err != nil:
		p.add(t, codeFile, Error, "is no pattern for file names", "")
	case len(names) == 0 && strings.ContainsAny(pattern, "*?["):
		p.add(t, codeEmptyGlob, Warning, "matches no file", "")
	case len(names) == 0:
		p.add(t, codeFile, Error, "names no file"+where(t, pattern), "")
	}
	for _, name := range names {
		if slices.Contains(p.files, name) {
			p.add(t, codeFile, Error, "includes itself"+where(t, name), "")
			continue
		}
		if p.read++; p.read > maxFiles {
			p.add(t, codeFile, Error, fmt.Sprintf("includes more than %d files", maxFiles), "")
			return
		}
		text, err := p.readFile(name)
		if err != nil {
			p.add(t, codeFile, Error, "failed to open file"+where(t, name)+": "+reason(err), "")
			continue
		}
		func() { // the converter keeps the include, not what it includes
			defer func(outer *statement) { p.record = outer }(p.record)
			p.record = nil
			p.file(p.lang.source(name, string(text)))
		}()
	}
}

// where is a path made of what a token says, for a message that may quote that.
func where(t token, path string) string {
	if t.quotable(t.text) != t.text {
		return ""
	}
	return ": " + path
}

// includePattern makes a relative name absolute: against path include, else the
// directory of the file that says include.
func (p *parser) includePattern(t token) (string, error) {
	pattern := t.text
	if rest, ok := strings.CutPrefix(pattern, "~/"); ok {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", errors.New("begins with ~, and there is no home directory")
		}
		return filepath.Join(home, rest), nil
	}
	switch dir := p.cfg.Paths.Include; {
	case pattern == "":
		return "", errors.New("is an empty name")
	case !filepath.IsAbs(pattern) && dir != "":
		return filepath.Join(dir, pattern), nil
	}
	return p.absolute(t, pattern), nil
}

// glob matches as glob(3) does: sorted, and names that begin with a dot only where
// the pattern does.
func glob(pattern string) ([]string, error) {
	names, err := filepath.Glob(pattern)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(filepath.Base(pattern), ".") {
		names = slices.DeleteFunc(names, func(n string) bool { return strings.HasPrefix(filepath.Base(n), ".") })
	}
	slices.Sort(names)
	return names, nil
}

func errorCount(ds []Diagnostic) (n int) {
	for _, d := range ds {
		if d.Severity == Error {
			n++
		}
	}
	return n
}

// reason is an error without the path it repeats.
func reason(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}
