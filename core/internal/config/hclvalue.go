package config

import (
	"math/big"
	"net/netip"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// hclValue is a value with its place in the file.
type hclValue struct {
	v  cty.Value
	at hcl.Range
}

// hclFile is an HCL file that has been parsed.
type hclFile struct {
	src  *source
	body *hclsyntax.Body
	ctx  *hcl.EvalContext
}

// openHCL parses an HCL file and evaluates its locals. The body is nil if it cannot
// be read.
func (p *parser) openHCL(src *source) (*hclsyntax.Body, *hcl.EvalContext) {
	file, diags := hclsyntax.ParseConfig([]byte(src.text), src.name, hcl.InitialPos)
	p.hclDiagnostics(src, diags)
	ctx := &hcl.EvalContext{Variables: map[string]cty.Value{}, Functions: hclFunctions()}
	if file == nil || diags.HasErrors() {
		return nil, ctx
	}
	body := file.Body.(*hclsyntax.Body)
	p.locals(src, body, ctx)
	return body, ctx
}

// locals evaluates the blocks called locals, whose values expressions see as
// local.NAME. A local may use those before it.
func (p *parser) locals(src *source, body *hclsyntax.Body, ctx *hcl.EvalContext) {
	values := map[string]cty.Value{}
	for _, b := range body.Blocks {
		if b.Type != "locals" {
			continue
		}
		for _, i := range itemsOf(b.Body) {
			name, where := i.name()
			if i.attr == nil {
				p.diags = append(p.diags, fromHCL(src, where, Error, codeSyntax, "is a block, and locals has attributes only", ""))
				continue
			}
			v, diags := i.attr.Expr.Value(ctx)
			p.hclDiagnostics(src, diags)
			values[name] = v
			ctx.Variables["local"] = cty.ObjectVal(values)
		}
	}
}

// hclFunctions are the functions of expressions: those HCL's own library has.
func hclFunctions() map[string]function.Function {
	return map[string]function.Function{
		"abs": stdlib.AbsoluteFunc, "ceil": stdlib.CeilFunc, "chomp": stdlib.ChompFunc, "chunklist": stdlib.ChunklistFunc,
		"coalesce": stdlib.CoalesceFunc, "compact": stdlib.CompactFunc, "concat": stdlib.ConcatFunc, "contains": stdlib.ContainsFunc,
		"csvdecode": stdlib.CSVDecodeFunc, "distinct": stdlib.DistinctFunc, "element": stdlib.ElementFunc, "flatten": stdlib.FlattenFunc,
		"floor": stdlib.FloorFunc, "format": stdlib.FormatFunc, "formatlist": stdlib.FormatListFunc, "join": stdlib.JoinFunc,
		"jsondecode": stdlib.JSONDecodeFunc, "keys": stdlib.KeysFunc, "length": stdlib.LengthFunc, "lookup": stdlib.LookupFunc,
		"lower": stdlib.LowerFunc, "max": stdlib.MaxFunc, "merge": stdlib.MergeFunc, "min": stdlib.MinFunc, "range": stdlib.RangeFunc,
		"regex": stdlib.RegexFunc, "replace": stdlib.ReplaceFunc, "reverse": stdlib.ReverseListFunc, "setproduct": stdlib.SetProductFunc,
		"slice": stdlib.SliceFunc, "sort": stdlib.SortFunc, "split": stdlib.SplitFunc, "strlen": stdlib.StrlenFunc, "substr": stdlib.SubstrFunc,
		"trim": stdlib.TrimFunc, "trimprefix": stdlib.TrimPrefixFunc, "trimspace": stdlib.TrimSpaceFunc, "trimsuffix": stdlib.TrimSuffixFunc,
		"upper": stdlib.UpperFunc, "values": stdlib.ValuesFunc, "zipmap": stdlib.ZipmapFunc,
	}
}

// eval evaluates an expression; NilVal after an error.
func (r *hclReader) eval(e hclsyntax.Expression) cty.Value {
	v, diags := e.Value(r.ctx)
	if r.p.hclDiagnostics(r.src, diags); diags.HasErrors() {
		return cty.NilVal
	}
	if v.IsNull() || !v.IsWhollyKnown() {
		r.errorf(e.Range(), codeValue, "has no value", "")
		return cty.NilVal
	}
	return v
}

// elements are those of a list, each with its own place where the list is written
// out; a single value is a list of one.
func (r *hclReader) elements(e hclsyntax.Expression, v cty.Value) []hclValue {
	if v.Type().IsObjectType() || !v.CanIterateElements() {
		return []hclValue{{v, e.Range()}}
	}
	written, _ := e.(*hclsyntax.TupleConsExpr)
	var out []hclValue
	for it := v.ElementIterator(); it.Next(); {
		_, element := it.Element()
		at := e.Range()
		if written != nil && len(written.Exprs) == v.LengthInt() {
			at = written.Exprs[len(out)].Range()
		}
		out = append(out, hclValue{element, at})
	}
	if len(out) == 0 {
		r.errorf(e.Range(), codeSyntax, "is an empty list", "leave it out")
	}
	return out
}

// value makes the tokens of one term. What fits none of its alternatives becomes a
// word, so that the parser says what it wants instead.
func (r *hclReader) value(t term, v cty.Value) []token {
	text, isText := "", false
	switch {
	case v.IsNull():
		return []token{{kind: word, text: "null"}}
	case v.Type() == cty.Bool:
		text = map[bool]string{true: "on", false: "off"}[v.True()]
		if t.fits(token{kind: word, text: text}) == "" {
			text = map[bool]string{true: "true", false: "false"}[v.True()]
		}
		return []token{{kind: word, text: text}}
	case v.Type() == cty.Number:
		n, accuracy := v.AsBigFloat().Uint64()
		if accuracy != big.Exact {
			return []token{{kind: word, text: "number"}}
		}
		return []token{{kind: number, n: n, text: strconv.FormatUint(n, 10)}}
	case v.Type() == cty.String:
		text, isText = v.AsString(), true
	}
	for _, alt := range t.alts {
		if alt == "IDENTITY" {
			return identityTokens(v)
		}
		if isText && alt == text {
			return []token{{kind: word, text: text}}
		}
		if from := fromText[alt]; isText && from != nil {
			if tokens := from(text); tokens != nil {
				return tokens
			}
		}
	}
	return []token{{kind: word, text: text}}
}

// fromText makes tokens of a string for each type; nil: it does not fit.
var fromText = map[string]func(string) []token{
	"STRING": stringToken, "SECRET": stringToken, "DATE": stringToken,
	"ADDRESS":  addressTokens(false, false),
	"ENDPOINT": addressTokens(true, false),
	"NET":      addressTokens(false, true),
	"DURATION": durationTokens,
	"ALG":      algorithmTokens,
	"GROUP":    algorithmTokens,
	"NAME":     stringToken,
}

func stringToken(s string) []token { return []token{{kind: str, text: s}} }

// addressTokens reads an address, "ADDRESS:PORT" or "ADDRESS/LENGTH".
func addressTokens(withPort, withLength bool) func(string) []token {
	return func(s string) []token {
		if withLength {
			base, bits, ok := strings.Cut(s, "/")
			n, err := strconv.ParseUint(bits, 10, 16)
			a, err2 := netip.ParseAddr(base)
			if !ok || err != nil || err2 != nil {
				return nil
			}
			return []token{{kind: address, text: base, addr: a}, {kind: prefix, text: bits, n: n}}
		}
		if a, err := netip.ParseAddr(s); err == nil {
			return []token{{kind: address, text: s, addr: a}}
		}
		if ap, err := netip.ParseAddrPort(s); err == nil && withPort {
			n := strconv.Itoa(int(ap.Port()))
			return []token{{kind: address, text: ap.Addr().String(), addr: ap.Addr()}, {kind: port, text: n, n: uint64(ap.Port())}}
		}
		return nil
	}
}

// durationTokens reads "8 hour", "8h" and "1h30m".
func durationTokens(s string) []token {
	digits := run(s, isDigit)
	unit := strings.TrimSpace(s[digits:])
	if n, err := strconv.ParseUint(s[:digits], 10, 64); err == nil {
		if short := map[string]string{"s": "sec", "m": "min", "h": "hour"}[unit]; short != "" {
			unit = short
		}
		if timeUnits[unit] != 0 {
			return []token{{kind: number, text: s[:digits], n: n}, {kind: word, text: unit}}
		}
	}
	return nil
}

// algorithmTokens reads "aes 256", "aes" and the number of a group.
func algorithmTokens(s string) []token {
	name, bits, keyed := strings.Cut(strings.TrimSpace(s), " ")
	if n, err := strconv.ParseUint(name, 10, 16); err == nil && !keyed {
		return []token{{kind: number, text: name, n: n}}
	}
	tokens := []token{{kind: word, text: name}}
	if keyed {
		n, err := strconv.ParseUint(strings.TrimSpace(bits), 10, 64)
		if err != nil {
			return nil
		}
		tokens = append(tokens, token{kind: number, text: bits, n: n})
	}
	return tokens
}

// identityTokens reads "TYPE" or { TYPE = VALUE }.
func identityTokens(v cty.Value) []token {
	if v.Type() == cty.String {
		return []token{{kind: word, text: v.AsString()}}
	}
	if !v.Type().IsObjectType() || len(v.Type().AttributeTypes()) != 1 {
		return []token{{kind: word, text: "an identity"}}
	}
	for name := range v.Type().AttributeTypes() {
		value := v.GetAttr(name)
		tokens := []token{{kind: word, text: name}}
		switch name {
		case "keyid":
			tokens = append(tokens, token{kind: word, text: "tag"})
		case "keyid_file":
			tokens = []token{{kind: word, text: "keyid"}, {kind: word, text: "file"}}
		}
		if value.IsNull() || value.Type() != cty.String {
			return append(tokens, token{kind: word, text: "no string"})
		}
		return append(tokens, token{kind: str, text: value.AsString()})
	}
	return nil
}

// commentsOf are the comments of an HCL file, line by line.
func commentsOf(src *source) (out []token) {
	tokens, _ := hclsyntax.LexConfig([]byte(src.text), src.name, hcl.InitialPos)
	for _, t := range tokens {
		if t.Type != hclsyntax.TokenComment {
			continue
		}
		off := t.Range.Start.Byte
		for line := range strings.SplitSeq(strings.TrimRight(string(t.Bytes), "\r\n"), "\n") {
			text := strings.TrimSpace(line)
			text = strings.TrimSuffix(strings.TrimPrefix(text, "/*"), "*/")
			text = strings.TrimLeft(strings.TrimPrefix(text, "//"), "#*")
			out = append(out, token{src: src, off: off, end: t.Range.End.Byte, text: text})
		}
	}
	return out
}
