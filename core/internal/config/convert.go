package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// ConvertOptions say how a file is converted.
type ConvertOptions struct {
	HCL         bool      // to HCL, else to the classic language
	SecretDir   string    // where the secrets of a classic file go, as files; "" = a secret is an error
	LegacyUntil time.Time // day of the allow_legacy a file with legacy algorithms gets
}

// Conversion is a converted file.
type Conversion struct {
	Text    string
	Plugins string                  // plugins.hcl, for a classic file; "" = none is needed
	Secrets map[string]secret.Bytes // files to be written, by path, mode 0600
	Secret  bool                    // Text holds a secret
	// Relative is where the file names the first path relative to its own directory: in
	// another one Text would mean another file. Line 0: nowhere.
	Relative policy.Position
}

// Convert reads a file in either language and writes it in the other. Comments stay
// with what they stand at; an include stays an include. Files that use what racoon
// does not have yet are converted all the same. The error says that there are
// errors among the diagnostics.
func Convert(path string, o ConvertOptions) (*Conversion, []Diagnostic, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, fmt.Errorf("could not read configuration file %q: %s", path, reason(err))
	}
	p := newParser(path)
	c, err := p.convert(string(text), o)
	return c, p.diags, err
}

func (p *parser) convert(text string, o ConvertOptions) (*Conversion, error) {
	root := &statement{}
	p.record = root
	p.main(text)
	p.record = nil
	c := &Conversion{Secrets: map[string]secret.Bytes{}}
	if o.HCL {
		w := &hclWriter{lang: p.lang, secret: func(a arg) string { return p.moveSecret(c, a, o.SecretDir) },
			fault: func(t token, what, fix string) { p.add(t, codeValue, Error, what, fix) }}
		nodes := w.nodes(root.body)
		if slices.ContainsFunc(p.diags, func(d Diagnostic) bool {
			return isLegacy(d) && (d.File == p.cfg.File || strings.HasPrefix(d.File, "profile "))
		}) {
			nodes = append([]*hclNode{{name: "allow_legacy", values: []string{quote(o.LegacyUntil.Format(day))},
				before: []string{legacyNote}}}, nodes...)
		}
		c.Text = format(nodes, root.last)
		if f := p.pluginsFile(); f != nil {
			p.hclPlugins(f, "") // for what is wrong there
			c.Text += "\n" + f.src.text
		}
	} else {
		w := &classicWriter{secret: func(a arg) string { c.Secret = true; return p.readReference(a) },
			fault: func(t token, what, fix string) { p.add(t, codeValue, Error, what, fix) }}
		w.block(root.body, root.last, "")
		c.Text, c.Plugins = w.b.String(), p.pluginText()
	}
	switch n := p.faults(); n {
	case 0:
	case 1:
		return nil, errors.New("not converted: 1 error")
	default:
		return nil, fmt.Errorf("not converted: %d errors", n)
	}
	c.Relative = p.relative
	return c, nil
}

// legacyNote explains the allow_legacy a converted file has.
const legacyNote = "This file names legacy algorithms. After this day it is refused."

// isLegacy reports whether a finding is about the legacy tier.
func isLegacy(d Diagnostic) bool {
	return d.Severity == Warning && strings.HasPrefix(d.Code, "RC10") && d.Code != codeNoAuth && d.Code != codeLifetime
}

// moveSecret gives a literal a file of its own and returns the reference.
func (p *parser) moveSecret(c *Conversion, a arg, dir string) string {
	if a.src.hcl {
		return a.text
	}
	if dir == "" {
		p.add(a.token, codeSecret, Error, "is a secret, and HCL holds none", "name a directory for it: --secrets DIR")
		return "file:"
	}
	name := filepath.Join(dir, fmt.Sprintf("%s-%d.secret", strings.TrimSuffix(filepath.Base(a.src.name), filepath.Ext(a.src.name)), len(c.Secrets)+1))
	text := a.text
	if strings.HasSuffix(text, "\n") { // whoever reads the file takes the last one off
		text += "\n"
	}
	c.Secrets[name] = secret.New([]byte(text))
	return "file:" + name
}

// readReference is the secret a reference of an HCL file stands for.
func (p *parser) readReference(a arg) string {
	path, ok := strings.CutPrefix(a.text, "file:")
	if !a.src.hcl {
		return a.text
	}
	if !ok {
		p.add(a.token, codeSecret, Error, "is no file: a classic file holds the secret itself, which cannot be had from here", "")
		return ""
	}
	text, err := p.readFile(path)
	if err != nil {
		p.add(a.token, codeFile, Error, "cannot be read: "+reason(err), "")
		return ""
	}
	if len(text) == 0 || string(text) == "\n" {
		p.add(a.token, codeFile, Error, "is an empty file", "")
	}
	return strings.TrimSuffix(string(text), "\n")
}

// pluginText is what an HCL file says of plugins, as the text of plugins.hcl.
func (p *parser) pluginText() string {
	if p.hclMain == nil || !p.hclMain.namesPlugins() {
		return "" // locals serve nobody then
	}
	var b strings.Builder
	for _, i := range itemsOf(p.hclMain.body) {
		if name, _ := i.name(); slices.Contains(notOurs, name) {
			where := i.rang()
			b.WriteString(p.hclMain.src.text[where.from:where.to] + "\n")
		}
	}
	return b.String()
}

// namesPlugins reports whether a file says anything of plugins.
func (f *hclFile) namesPlugins() bool {
	return slices.ContainsFunc(itemsOf(f.body), func(i hclItem) bool {
		name, _ := i.name()
		return name == "kernel" || name == "plugin"
	})
}

// write advises to write a statement, in the language of the file t stands in.
func (p *parser) write(t token, in section, text string) string {
	if !t.src.hcl {
		return "write " + text
	}
	root := &statement{}
	q := &parser{lang: p.lang, cfg: p.cfg, dry: true, in: in, record: root}
	q.lex = &lexer{src: newSource("", text), report: func(Diagnostic) {}}
	q.commasBlank = in == inRemote
	q.statement(in)
	w := &hclWriter{lang: p.lang, secret: func(arg) string { return "file:..." }}
	out := strings.Join(strings.Fields(format(w.nodes(root.body), nil)), " ")
	return "write " + out
}
