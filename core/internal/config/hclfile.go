package config

import (
	"bytes"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// hclFile is an HCL file that has been parsed.
type hclFile struct {
	src     *source
	body    *hclsyntax.Body
	ctx     *hcl.EvalContext
	classic bool   // a line of the classic language has been reported
	keys    bool   // something that says where keys are is there and wrong
	broken  []span // parts with an error of syntax: what they lack may be what could not be read
}

// openHCL parses an HCL file and evaluates its locals; nil if it is not worth reading.
func (p *parser) openHCL(src *source) *hclFile {
	f := &hclFile{src: src, ctx: &hcl.EvalContext{
		Variables: map[string]cty.Value{"local": cty.EmptyObjectVal}, Functions: hclFunctions()}}
	if fault, where := excess(src); fault != "" {
		p.hclFault(src, where, codeSyntax, fault, "")
		return nil
	}
	file, diags := hclsyntax.ParseConfig([]byte(src.text), src.name, hcl.InitialPos)
	if f.body = file.Body.(*hclsyntax.Body); diags.HasErrors() {
		p.hclParts(f)
	}
	if where, nested := nestedFor(src, f.body); nested {
		p.hclFault(src, where, codeSyntax, "is a for inside a for", "make the inner one a local")
		return nil
	}
	p.locals(f)
	return f
}

// wellFormedHCL reports whether a text has settings, all in the form of HCL.
func wellFormedHCL(name, text string) bool {
	if fault, _ := excess(newSource(name, text)); fault != "" || !strings.Contains(text, "=") {
		return false
	}
	file, diags := hclsyntax.ParseConfig([]byte(text), name, hcl.InitialPos)
	return !diags.HasErrors() && len(itemsOf(file.Body.(*hclsyntax.Body))) > 0
}

// maxFaults is how many errors of syntax are looked for in one part of a file, fewer in
// one of more than 64 KiB.
const maxFaults = 50

// hclParts parses a file with errors of syntax again, each block and attribute of the
// top level by itself, so that an error in one does not hide the others. A part begins
// with a line that begins with a word of the top level.
func (p *parser) hclParts(f *hclFile) {
	body := &hclsyntax.Body{Attributes: hclsyntax.Attributes{}, SrcRange: f.body.SrcRange, EndRange: f.body.EndRange}
	for _, part := range f.src.parts(p.lang) {
		b := p.hclPart(f, part)
		body.Blocks = append(body.Blocks, b.Blocks...)
		for _, name := range slices.Sorted(maps.Keys(b.Attributes)) {
			if old := body.Attributes[name]; old != nil {
				line, _ := f.src.position(old.NameRange.Start.Byte)
				p.hclFault(f.src, b.Attributes[name].NameRange, codeDuplicate, "is given already", "the first is in line "+strconv.Itoa(line))
				continue
			}
			body.Attributes[name] = b.Attributes[name]
		}
	}
	f.body = body
}

// hclPart parses a part. The line of an error is blanked and the rest tried again, as
// long as no brackets go with it: hclsyntax finds little behind the first error.
func (p *parser) hclPart(f *hclFile, part span) *hclsyntax.Body {
	text := []byte(f.src.text[part.from:part.to])
	line, _ := f.src.position(part.from)
	start := hcl.Pos{Line: line, Column: 1, Byte: part.from}
	for range max(2, min(maxFaults, maxFaults<<16/max(len(text), 1))) {
		file, diags := hclsyntax.ParseConfig(text, f.src.name, start)
		body := file.Body.(*hclsyntax.Body)
		at := p.hclSyntax(f, diags)
		if at == 0 {
			return body
		}
		if len(f.broken) == 0 || f.broken[len(f.broken)-1] != part {
			f.broken = append(f.broken, part)
		}
		from, to := f.src.lines[at-1], len(f.src.text)
		if at < len(f.src.lines) {
			to = f.src.lines[at] - 1
		}
		from, to = max(from, part.from)-part.from, max(min(to, part.to), part.from)-part.from
		bad := text[from:to]
		if len(bytes.TrimSpace(bad)) == 0 || !balanced(string(bad)) {
			return headed(body)
		}
		for i := range bad {
			bad[i] = ' '
		}
	}
	return &hclsyntax.Body{}
}

// balanced reports whether each bracket of a line is closed in it.
func balanced(line string) bool {
	for _, pair := range []string{"{}", "[]", "()"} {
		if strings.Count(line, pair[:1]) != strings.Count(line, pair[1:]) {
			return false
		}
	}
	return true
}

// headed leaves out blocks whose header could not be read.
func headed(body *hclsyntax.Body) *hclsyntax.Body {
	body.Blocks = slices.DeleteFunc(body.Blocks, func(b *hclsyntax.Block) bool { return b.OpenBraceRange == b.TypeRange })
	for _, b := range body.Blocks {
		headed(b.Body)
	}
	return body
}

var hclWord = regexp.MustCompile(`(?m)^[a-z_]+\b`)

// parts cuts a file before the lines that begin with a word of the top level.
func (s *source) parts(lang *language) (out []span) {
	from := 0
	for _, m := range hclWord.FindAllStringIndex(s.text, -1) {
		word := s.text[m[0]:m[1]]
		known := lang.hcl[top][word] != nil || lang.groups[top][word] || slices.Contains(notOurs, word)
		if known && m[0] > from {
			out, from = append(out, span{from, m[0]}), m[0]
		}
	}
	return append(out, span{from, len(s.text)})
}

// brokenAt reports whether a line is in a part with an error of syntax.
func (f *hclFile) brokenAt(line int) bool {
	return slices.ContainsFunc(f.broken, func(b span) bool {
		from, _ := f.src.position(b.from)
		to, _ := f.src.position(max(b.to-1, b.from))
		return from <= line && line <= to
	})
}

// locals evaluates the blocks called locals, whose values expressions see as
// local.NAME. A local may use those before it.
func (p *parser) locals(f *hclFile) {
	values := map[string]cty.Value{}
	for _, b := range f.body.Blocks {
		if b.Type != "locals" {
			continue
		}
		for _, i := range itemsOf(b.Body) {
			name, where := i.name()
			if i.attr == nil {
				p.hclFault(f.src, where, codeSyntax, "is a block, and locals has attributes only", "write "+name+" = { ... }")
				continue
			}
			v, diags := i.attr.Expr.Value(f.ctx)
			p.hclExpression(f, diags)
			switch _, twice := values[name]; {
			case twice:
				p.hclFault(f.src, where, codeDuplicate, "is given already", "")
			case !bounded(v, 1):
				p.hclFault(f.src, i.attr.Expr.Range(), codeValue, "is too large a value", "")
				v = cty.DynamicVal
			}
			values[name] = v
			f.ctx.Variables["local"] = cty.ObjectVal(values)
		}
	}
}

// remarks are the comments of a file, line by line, but for those in blocks that are
// carried over as they stand.
func (f *hclFile) remarks() (out []token) {
	var carried []span
	for _, i := range itemsOf(f.body) {
		if name, _ := i.name(); slices.Contains(notOurs, name) && f.namesPlugins() {
			carried = append(carried, i.rang())
		}
	}
	tokens, _ := hclsyntax.LexConfig([]byte(f.src.text), f.src.name, hcl.InitialPos)
	for _, t := range tokens {
		off := t.Range.Start.Byte
		if t.Type != hclsyntax.TokenComment || slices.ContainsFunc(carried, func(s span) bool { return s.from <= off && off < s.to }) {
			continue
		}
		lines := strings.Split(strings.TrimRight(string(t.Bytes), "\r\n"), "\n")
		for i, line := range lines {
			text := strings.TrimSpace(line)
			text = strings.TrimSuffix(strings.TrimPrefix(text, "/*"), "*/")
			text = strings.TrimLeft(strings.TrimPrefix(text, "//"), "#*")
			if text == "" && len(lines) > 1 && (i == 0 || i == len(lines)-1) {
				continue // only the sign that opens or closes it
			}
			out = append(out, token{src: f.src, off: off, end: t.Range.End.Byte, text: text})
		}
	}
	return out
}
