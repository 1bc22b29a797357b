package config

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// hclValue is a value with the expression it comes from.
type hclValue struct {
	v    cty.Value
	expr hclsyntax.Expression
	at   hcl.Range
}

// eval evaluates an expression; false after an error.
func (r *hclReader) eval(e hclsyntax.Expression) (hclValue, bool) {
	v, diags := e.Value(r.file.ctx)
	at := e.Range()
	r.p.hclExpression(r.file, diags)
	switch {
	case diags.HasErrors():
		return hclValue{}, false
	case v.IsNull():
		r.errorf(at, codeValue, "is no value", "leave the line out")
		return hclValue{}, false
	case !v.IsWhollyKnown(): // of a local that could not be computed, or after an error of syntax
		if !slices.ContainsFunc(r.p.diags, func(d Diagnostic) bool { return d.Severity == Error && d.File == r.src.name }) {
			r.errorf(at, codeValue, "has no value", "")
		}
		return hclValue{}, false
	case !bounded(v, 4):
		r.errorf(at, codeValue, "is too large a value", "")
		return hclValue{}, false
	}
	return hclValue{v, e, at}, true
}

// elements are those of a list, each with its own place where the list is written
// out; a single value is a list of one.
func (r *hclReader) elements(h hclValue) []hclValue {
	if h.v.IsNull() || h.v.Type().IsObjectType() || h.v.Type().IsMapType() || !h.v.CanIterateElements() {
		return []hclValue{h}
	}
	written, _ := h.expr.(*hclsyntax.TupleConsExpr)
	if written != nil && len(written.Exprs) != h.v.LengthInt() {
		written = nil
	}
	var out []hclValue
	for it := h.v.ElementIterator(); it.Next(); {
		_, element := it.Element()
		e := hclValue{v: element, at: h.at}
		if written != nil {
			e.expr = written.Exprs[len(out)]
			e.at = e.expr.Range()
		}
		out = append(out, e)
	}
	if len(out) == 0 {
		r.errorf(h.at, codeSyntax, "is an empty list", "write a value, or leave it out")
	}
	return out
}

// attribute translates an attribute: one directive, or one for each element of a
// list.
func (r *hclReader) attribute(d *directive, a *hclsyntax.Attribute) {
	v, ok := r.eval(a.Expr)
	if !ok {
		r.fault(a.Name)
		return
	}
	values := []hclValue{v}
	if d.many {
		values = r.elements(v)
	}
	form := r.p.lang.forms[d]
	if len(values) == 0 {
		r.fault(a.Name)
	}
	for _, v := range values {
		switch {
		case len(form) == 0:
			r.flag(d, a, v, "true or false")
		case form[0].group != nil && !r.flagged(form[0].group, v):
			r.flag(d, a, v, "true, false or "+hclWant(form[0].group[0]))
		case form[0].group != nil:
			r.directive(d, a, form[0].group[0], []hclValue{v})
		case form[0].many:
			r.directive(d, a, form[0], r.elements(v))
		default:
			r.directive(d, a, form[0], []hclValue{v})
		}
	}
}

// flagged reports whether an argument that may be left out is there.
func (r *hclReader) flagged(group pattern, v hclValue) bool {
	return v.v.Type() != cty.Bool && r.tokens(group[0], v.v) != nil
}

// flag translates a directive without an argument: true means that it is there.
func (r *hclReader) flag(d *directive, a *hclsyntax.Attribute, v hclValue, want string) {
	if v.v.IsNull() || v.v.Type() != cty.Bool {
		fix := ""
		if v.v.Type() == cty.String && !v.v.IsNull() && switches[v.v.AsString()] != "" {
			fix = "write " + switches[v.v.AsString()] + ", without quotes"
		}
		r.fault(a.Name)
		r.errorf(v.at, codeSyntax, "is not expected here: "+want+" is", fix)
		return
	}
	if v.v.True() {
		r.words(d.name, a.NameRange)
		r.end(v.at)
	}
}

// directive translates an attribute with one value, or several with commas between.
// What is wrong is left out; a list keeps the others.
func (r *hclReader) directive(d *directive, a *hclsyntax.Attribute, t term, values []hclValue) {
	var tokens []token
	var last hcl.Range
	for _, v := range values {
		value, ok := r.value(t, v)
		if !ok {
			r.fault(a.Name)
			continue
		}
		if len(tokens) > 0 {
			value = append([]token{{kind: punct, text: ","}}, value...)
		}
		tokens, last = append(tokens, r.placed(v.at, value)...), v.at
	}
	if len(tokens) == 0 {
		r.fault(a.Name)
		return
	}
	r.words(d.name, a.NameRange)
	r.queue = append(r.queue, tokens...)
	r.end(last)
}

// placed gives tokens their place, if they have none. After an error of syntax hcl has
// expressions that end before they begin.
func (r *hclReader) placed(where hcl.Range, tokens []token) []token {
	from := min(where.Start.Byte, len(r.src.text))
	to := min(max(where.End.Byte, from), len(r.src.text))
	for i := range tokens {
		if tokens[i].src == nil {
			tokens[i].src, tokens[i].off, tokens[i].end = r.src, from, to
		}
	}
	return tokens
}

// fields translates a block whose attributes are the arguments of one directive.
func (r *hclReader) fields(d *directive, b *hclsyntax.Block) {
	f := &hclFields{r: r, d: d, b: b, names: strings.Fields(d.fields), where: b.TypeRange}
	r.labels(b, 0)
	for _, i := range itemsOf(b.Body) {
		switch name, where := i.name(); {
		case !slices.Contains(f.names, name):
			f.wrong = true
			known := slices.Concat(f.names, r.p.lang.inGroup(d.in, d.hclName()))
			r.errorf(where, codeUnknown, "is no setting of "+b.Type, advised(name, known))
			f.guessed = append(f.guessed, advised(name, f.names))
		case i.block != nil:
			f.wrong = true
			r.errorf(where, codeSyntax, "is an attribute, not a block", "write "+name+" = ...")
		}
	}
	f.terms(r.p.lang.forms[d], true)
	if f.wrong {
		r.fault(b.Type)
		return
	}
	r.words(d.name, b.TypeRange)
	r.queue = append(r.queue, f.tokens...)
	r.end(f.where)
}

// hclFields is such a block while it is translated.
type hclFields struct {
	r       *hclReader
	d       *directive
	b       *hclsyntax.Block
	names   []string // not yet translated
	guessed []string // names that are meant by others
	where   hcl.Range
	tokens  []token
	wrong   bool
}

// terms translates arguments in their order. Those of a group are all there or none.
func (f *hclFields) terms(form pattern, needed bool) {
	for _, t := range form {
		switch {
		case t.group != nil:
			names := f.names[:min(width(t.group), len(f.names))]
			given := slices.ContainsFunc(names, func(n string) bool { return f.b.Body.Attributes[n] != nil })
			if given {
				f.terms(t.group, true)
			} else {
				f.names = f.names[len(names):]
			}
		case t.isWord(): // always there
			f.tokens = append(f.tokens, f.r.placed(f.where, []token{{kind: word, text: t.alts[0]}})...)
		default:
			f.term(t, needed)
		}
	}
}

func (f *hclFields) term(t term, needed bool) {
	name := f.names[0]
	f.names = f.names[1:]
	a := f.b.Body.Attributes[name]
	switch {
	case a != nil:
		v, ok := f.r.eval(a.Expr)
		if ok {
			var tokens []token
			if tokens, ok = f.r.value(t, v); ok {
				f.tokens, f.where = append(f.tokens, f.r.placed(v.at, tokens)...), v.at
			}
		}
		f.wrong = f.wrong || !ok
	case needed:
		meant := slices.Contains(f.guessed, `did you mean "`+name+`"?`) ||
			slices.ContainsFunc(f.b.Body.Blocks, func(b *hclsyntax.Block) bool { return b.Type == name })
		if !meant {
			f.r.errorf(f.b.TypeRange, codeMissing, "is given without "+name, "write "+name+" = "+exampleOf(t))
		}
		f.wrong = true
	}
}

// isWord reports whether a term is one plain word.
func (t term) isWord() bool {
	return t.group == nil && len(t.alts) == 1 && types[t.alts[0]].fits == nil
}
