package config

import (
	"cmp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// hclReader is the scanner of an HCL file: it turns attributes and blocks into the
// tokens of the classic language, guided by the table. So both spellings have one
// grammar, one set of checks and one model. The form of a directive follows from
// its name and arguments:
//
//	exchange_mode main,base;            exchange_mode = ["main", "base"]
//	peers_identifier fqdn "a";          peers_identifier = [{ fqdn = "a" }]       (many: one list)
//	lifetime time 8 hour;               lifetime = "8 hour"                       (hcl: another name)
//	path certificate "/etc/certs";      path { certificate = "/etc/certs" }       (two words: a block)
//	auth "host" 1812 "secret";          auth { host = … port = … secret = … }     (fields: a block)
//	strict_address;                     strict_address = true                     (no argument)
//	remote 192.0.2.1 inherit "x" { … }  remote "192.0.2.1" { inherit = "x" … }    (header)
type hclReader struct {
	p       *parser
	src     *source
	queue   []token
	stack   []hclBody
	remarks []token // comments not yet handed out, in order
	at      int     // offset up to which the file has been translated

	file   *hclFile
	before int // diagnostics there were before this file
}

// hclBody is a body being translated.
type hclBody struct {
	in     section
	prefix string // "path." inside the block path, which is no section of its own
	items  []hclItem
	block  bool      // a section, which ends with a brace
	end    hcl.Range // its closing brace
}

// hclItem is an attribute or a block.
type hclItem struct {
	attr  *hclsyntax.Attribute
	block *hclsyntax.Block
}

func (i hclItem) name() (string, hcl.Range) {
	if i.attr != nil {
		return i.attr.Name, i.attr.NameRange
	}
	return i.block.Type, i.block.TypeRange
}

// rang is where it is written, as a whole.
func (i hclItem) rang() span {
	_, name := i.name()
	if i.attr != nil {
		return span{name.Start.Byte, i.attr.SrcRange.End.Byte}
	}
	return span{name.Start.Byte, i.block.CloseBraceRange.End.Byte}
}

// itemsOf are the contents of a body in the order of the file.
func itemsOf(body *hclsyntax.Body) []hclItem {
	items := make([]hclItem, 0, len(body.Attributes)+len(body.Blocks))
	for _, a := range body.Attributes {
		items = append(items, hclItem{attr: a})
	}
	for _, b := range body.Blocks {
		items = append(items, hclItem{block: b})
	}
	slices.SortFunc(items, func(a, b hclItem) int {
		_, x := a.name()
		_, y := b.name()
		return cmp.Compare(x.Start.Byte, y.Start.Byte)
	})
	return items
}

// notOurs are the words of the top level that say something else than the model.
var notOurs = []string{"kernel", "plugin", "locals"}

func newHCLReader(p *parser, src *source) *hclReader {
	r := &hclReader{p: p, src: src, before: len(p.diags)}
	main := len(p.files) == 0
	if r.file = p.openHCL(src); r.file == nil {
		return r
	}
	if main {
		p.hclMain = r.file
	}
	if p.record != nil {
		r.remarks = r.file.remarks()
	}
	items := slices.DeleteFunc(itemsOf(r.file.body), func(i hclItem) bool {
		name, where := i.name()
		switch {
		case !slices.Contains(notOurs, name):
			return false
		case name == "kernel" && i.attr == nil:
			r.errorf(where, codeSyntax, "is an attribute, not a block", `write kernel = "NAME"`)
		case name != "kernel" && i.attr != nil:
			r.errorf(where, codeSyntax, "is a block, not an attribute", map[string]string{"plugin": `write plugin "KIND" "NAME" { ... }`, "locals": "write locals { ... }"}[name])
		case name == "locals":
			r.labels(i.block, 0)
		case !main:
			place := "the main file"
			if !strings.HasSuffix(p.cfg.File, ".hcl") {
				place = pluginsFile
			}
			r.errorf(where, codePlugins, "belongs into "+place, "")
		}
		return true
	})
	r.stack = []hclBody{{items: first(items, "allow_legacy")}}
	return r
}

// finish takes back what only follows from an error of syntax: that something is
// missing that may be in what could not be read.
func (r *hclReader) finish() {
	mine := slices.DeleteFunc(r.p.diags[r.before:], func(d Diagnostic) bool {
		return d.File == r.src.name && (d.Code == codeMissing || d.Code == codeNoPFS) && (r.file == nil || r.file.brokenAt(d.Line))
	})
	r.p.diags = r.p.diags[:r.before+len(mine)]
}

// fault notes that a setting is there, although wrong.
func (r *hclReader) fault(name string) {
	if r.p.name(name); name == "profile" {
		r.p.incomplete()
	}
	if slices.Contains([]string{"pre_shared_key", "shared_secret", "use", "key"}, name) && r.p.hclMain != nil {
		r.p.hclMain.keys = true
	}
}

// first puts some attributes before all others.
func first(items []hclItem, names ...string) []hclItem {
	rank := func(i hclItem) int {
		name, _ := i.name()
		if n := slices.Index(names, name); n >= 0 {
			return n
		}
		return len(names)
	}
	slices.SortStableFunc(items, func(a, b hclItem) int { return cmp.Compare(rank(a), rank(b)) })
	return items
}

// next implements scanner.
func (r *hclReader) next() token {
	for len(r.queue) == 0 {
		n := len(r.stack)
		if n == 0 {
			r.at = len(r.src.text)
			return token{src: r.src, off: r.at, end: r.at}
		}
		if b := &r.stack[n-1]; len(b.items) > 0 {
			item := b.items[0]
			b.items = b.items[1:]
			r.item(b.in, b.prefix, item)
			continue
		}
		b := r.stack[n-1]
		r.stack = r.stack[:n-1]
		if b.block {
			r.put(b.end, token{kind: punct, text: "}"})
		}
	}
	t := r.queue[0]
	r.queue = r.queue[1:]
	r.at = max(r.at, t.off)
	return t
}

// comments implements scanner: those before what has been translated.
func (r *hclReader) comments() []token {
	n := 0
	for n < len(r.remarks) && r.remarks[n].off < r.at {
		n++
	}
	out := r.remarks[:n]
	r.remarks = r.remarks[n:]
	return out
}

// put queues tokens that stand for a place in the file.
func (r *hclReader) put(where hcl.Range, tokens ...token) {
	r.queue = append(r.queue, r.placed(where, tokens)...)
}

// end queues the semicolon.
func (r *hclReader) end(where hcl.Range) {
	where.Start = where.End
	r.put(where, token{kind: punct, text: ";"})
}

func (r *hclReader) errorf(where hcl.Range, code, what, fix string) {
	r.p.hclFault(r.src, where, code, what, fix)
}

// words makes tokens of the words of a directive's name.
func (r *hclReader) words(name string, where hcl.Range) {
	for w := range strings.FieldsSeq(name) {
		r.put(where, token{kind: word, text: w})
	}
}

// item translates an attribute or block of a section.
func (r *hclReader) item(in section, prefix string, i hclItem) {
	name, where := i.name()
	d := r.p.lang.hcl[in][prefix+name]
	group := r.p.lang.groups[in][prefix+name]
	if d != nil {
		first, _, _ := strings.Cut(d.name, " ")
		r.p.name(first)
	}
	switch {
	case d == nil && !group:
		r.unknown(in, prefix, name, where)
	case i.attr != nil && (d == nil || d.body != top || d.fields != ""):
		label := ""
		if d != nil && d.body == inRemote {
			label = `"NAME" `
		}
		r.fault(name)
		inside := "..."
		if d != nil && d.fields != "" && !strings.Contains(d.fields, " ") {
			inside = d.fields + " = ..."
		}
		r.errorf(where, codeSyntax, "is a block, not an attribute", "write "+name+" "+label+"{ "+inside+" }")
	case i.attr != nil:
		r.attribute(d, i.attr)
	case d != nil && d.fields != "" && !(group && r.isGroup(in, name, i.block)):
		r.fields(d, i.block)
	case d != nil && d.body != top:
		r.section(d, i.block)
	case group:
		r.labels(i.block, 0)
		r.stack = append(r.stack, hclBody{in: in, prefix: prefix + name + ".", items: itemsOf(i.block.Body)})
	default:
		r.fault(name)
		r.errorf(where, codeSyntax, "is an attribute, not a block", "write "+r.p.example(d, name))
	}
}

// isGroup decides about a block that may be either: adminsock { disabled = true }.
func (r *hclReader) isGroup(in section, name string, b *hclsyntax.Block) bool {
	for attr := range b.Body.Attributes {
		if r.p.lang.hcl[in][name+"."+attr] != nil {
			return true
		}
	}
	return false
}

// section translates a block that is a section.
func (r *hclReader) section(d *directive, b *hclsyntax.Block) {
	r.words(d.name, b.TypeRange)
	header := map[string]*hclsyntax.Attribute{}
	items := slices.DeleteFunc(itemsOf(b.Body), func(i hclItem) bool {
		if i.attr == nil {
			return false
		}
		row := r.p.lang.hcl[d.body][i.attr.Name]
		if row == nil || !row.header || row.args == "DATE" {
			return false
		}
		header[i.attr.Name] = i.attr
		return true
	})
	switch {
	case d.body == inRemote:
		r.remoteHead(b, header)
	case !r.labels(b, 0) && d.body == inSAInfo:
		r.put(b.TypeRange, noHead)
	case d.body == inSAInfo:
		r.sainfoHead(b, header)
	}
	r.put(b.OpenBraceRange, token{kind: punct, text: "{"})
	r.stack = append(r.stack, hclBody{in: d.body, items: first(items, "allow_legacy", "profile"), block: true, end: b.CloseBraceRange})
}
