package config

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
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
	ctx     *hcl.EvalContext
	queue   []token
	stack   []hclBody
	remarks []token // comments not yet handed out, in order
	at      int     // offset up to which the file has been translated
}

// hclBody is a body being translated.
type hclBody struct {
	in     section
	prefix string // "path." inside the block path, which is no section of its own
	items  []hclItem
	end    hcl.Range // its closing brace; empty: there is none to say
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
	r := &hclReader{p: p, src: src}
	var body *hclsyntax.Body
	body, r.ctx = p.openHCL(src)
	if body == nil {
		return r
	}
	if len(p.files) == 1 {
		p.hclMain = &hclFile{src, body, r.ctx}
	}
	if p.record != nil {
		r.remarks = commentsOf(src)
	}
	items := slices.DeleteFunc(itemsOf(body), func(i hclItem) bool {
		name, where := i.name()
		if len(p.files) > 1 && name != "locals" && slices.Contains(notOurs, name) {
			r.errorf(where, codePlugins, "belongs into the main file", "")
		}
		return slices.Contains(notOurs, name)
	})
	r.stack = []hclBody{{items: r.first(items, "allow_legacy")}}
	return r
}

// first puts some attributes before all others.
func (r *hclReader) first(items []hclItem, names ...string) []hclItem {
	slices.SortStableFunc(items, func(a, b hclItem) int {
		rank := func(i hclItem) int {
			name, _ := i.name()
			if n := slices.Index(names, name); n >= 0 {
				return n
			}
			return len(names)
		}
		return cmp.Compare(rank(a), rank(b))
	})
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
		if !b.end.Empty() {
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
	for _, t := range tokens {
		if t.src == nil {
			t.src, t.off, t.end = r.src, where.Start.Byte, where.End.Byte
		}
		r.queue = append(r.queue, t)
	}
}

// end queues the semicolon.
func (r *hclReader) end(where hcl.Range) {
	where.Start = where.End
	r.put(where, token{kind: punct, text: ";"})
}

func (r *hclReader) errorf(where hcl.Range, code, what, fix string) {
	r.p.diags = append(r.p.diags, fromHCL(r.src, where, Error, code, what, fix))
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
	group := r.p.lang.hclGroup(in, prefix+name)
	if d != nil {
		first, _, _ := strings.Cut(d.name, " ")
		r.p.name(first)
	}
	switch {
	case d == nil && !group:
		r.unknown(in, prefix, name, where)
	case d == nil && i.attr != nil:
		r.errorf(where, codeSyntax, "is a block, not an attribute", "write "+name+" { ... }")
	case i.attr != nil && (d.body != top || d.fields != ""):
		r.errorf(where, codeSyntax, "is a block, not an attribute", "write "+name+" { ... }")
	case i.attr != nil:
		r.attribute(d, i.attr)
	case d != nil && d.fields != "" && !(group && r.isGroup(in, name, i.block)):
		r.fields(d, i.block)
	case d != nil && d.body != top:
		r.section(d, i.block)
	case group:
		if r.labels(i.block, 0) {
			r.stack = append(r.stack, hclBody{in: in, prefix: prefix + name + ".", items: itemsOf(i.block.Body)})
		}
	default:
		r.errorf(where, codeSyntax, "is an attribute, not a block", "write "+name+" = ...")
	}
}

// hclGroup reports whether two-word directives begin with the word.
func (l *language) hclGroup(in section, name string) bool {
	for key := range l.hcl[in] {
		if strings.HasPrefix(key, name+".") {
			return true
		}
	}
	return false
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

// unknown reports a word the section does not know.
func (r *hclReader) unknown(in section, prefix, name string, where hcl.Range) {
	for _, d := range r.p.lang.rows[in][strings.TrimSuffix(prefix+name, ".")] {
		if d.hclName() == "" && d.second() == "" {
			r.errorf(where, codeRefused, "has no place in HCL: "+d.why, "delete it")
			return
		}
	}
	var known []string
	for key := range r.p.lang.hcl[in] {
		if rest, ok := strings.CutPrefix(key, prefix); ok {
			first, _, _ := strings.Cut(rest, ".")
			known = append(known, first)
		}
	}
	where2 := in.String()
	if prefix != "" {
		where2 = strings.TrimSuffix(prefix, ".")
	} else if in == top {
		known = append(known, notOurs...)
	}
	fix := didYouMean(name, known)
	if fix == "" {
		fix = r.p.lang.hclElsewhere(name, in)
	}
	r.p.name(nearest(name, known))
	r.errorf(where, codeUnknown, "is no setting of "+where2, fix)
}

// labels checks how many labels a block has.
func (r *hclReader) labels(b *hclsyntax.Block, n int) bool {
	switch {
	case len(b.Labels) < n:
		r.errorf(b.TypeRange, codeSyntax, "needs a label", `write `+b.Type+` "NAME" { ... }`)
	case len(b.Labels) > n:
		r.errorf(b.LabelRanges[n], codeSyntax, "is one label too many", "")
	}
	return len(b.Labels) == n
}

// section translates a block that is a section.
func (r *hclReader) section(d *directive, b *hclsyntax.Block) {
	wanted := 0
	if d.body == inRemote {
		wanted = 1
	}
	if !r.labels(b, wanted) {
		return
	}
	items := itemsOf(b.Body)
	header := map[string]*hclsyntax.Attribute{}
	items = slices.DeleteFunc(items, func(i hclItem) bool {
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
	r.words(d.name, b.TypeRange)
	switch d.body {
	case inRemote:
		r.remoteHead(b, header)
	case inSAInfo:
		r.sainfoHead(header)
	}
	r.put(b.OpenBraceRange, token{kind: punct, text: "{"})
	r.stack = append(r.stack, hclBody{in: d.body, items: r.first(items, "allow_legacy", "profile"), end: b.CloseBraceRange})
}

// fields translates a block whose attributes are the arguments of one directive.
func (r *hclReader) fields(d *directive, b *hclsyntax.Block) {
	if !r.labels(b, 0) {
		return
	}
	names := strings.Fields(d.fields)
	left := maps.Clone(b.Body.Attributes)
	for _, i := range itemsOf(b.Body) {
		if name, where := i.name(); !slices.Contains(names, name) || i.block != nil {
			r.errorf(where, codeUnknown, "is no setting of "+b.Type, didYouMean(name, names))
			return
		}
	}
	r.words(d.name, b.TypeRange)
	where := b.TypeRange
	r.terms(r.p.lang.forms[d], func() (cty.Value, hcl.Range, bool) {
		name := names[0]
		names = names[1:]
		a := left[name]
		if a == nil {
			return cty.NilVal, where, false
		}
		where = a.Expr.Range()
		return r.eval(a.Expr), where, true
	})
	r.end(where)
}

// attribute translates an attribute: one directive, or one for each element of a
// list.
func (r *hclReader) attribute(d *directive, a *hclsyntax.Attribute) {
	v := r.eval(a.Expr)
	if v == cty.NilVal {
		return
	}
	values := []hclValue{{v, a.Expr.Range()}}
	if d.many {
		values = r.elements(a.Expr, v)
	}
	form := r.p.lang.forms[d]
	for _, v := range values {
		if len(form) == 0 || form[0].group != nil && v.v.Type() == cty.Bool {
			r.flag(d, a, v)
			continue
		}
		r.words(d.name, a.NameRange)
		if form[0].many {
			for i, e := range r.elements(a.Expr, v.v) {
				if i > 0 {
					r.put(e.at, token{kind: punct, text: ","})
				}
				r.put(e.at, r.value(form[0], e.v)...)
			}
		} else {
			if form[0].group != nil {
				form = form[0].group
			}
			r.put(v.at, r.value(form[0], v.v)...)
		}
		r.end(v.at)
	}
}

// flag translates a directive that has no argument: true means that it is there.
func (r *hclReader) flag(d *directive, a *hclsyntax.Attribute, v hclValue) {
	if v.v.Type() != cty.Bool || v.v.IsNull() {
		r.errorf(v.at, codeSyntax, "is not expected here: true is", "")
		return
	}
	if v.v.True() {
		r.words(d.name, a.NameRange)
		r.end(v.at)
	}
}

// terms translates the arguments of a directive with several, in their order. next
// returns false for one that is not given.
func (r *hclReader) terms(form pattern, next func() (cty.Value, hcl.Range, bool)) {
	for _, t := range form {
		switch {
		case t.group != nil:
			r.terms(t.group, next)
		case len(t.alts) == 1 && types[t.alts[0]].fits == nil: // a word that is always there
			r.queue = append(r.queue, token{kind: word, text: t.alts[0], src: r.src, off: r.at, end: r.at})
		default:
			if v, where, ok := next(); ok && v != cty.NilVal {
				r.put(where, r.value(t, v)...)
			}
		}
	}
}
