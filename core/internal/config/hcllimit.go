package config

import (
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// What a file may cost. A configuration is written by its owner, but a slip of the
// pen must not take the machine with it: hclsyntax and cty have no bounds of their own.
const (
	maxNesting  = 64      // brackets, signs and conditions inside each other
	maxExponent = 3       // digits
	maxValue    = 1 << 16 // octets of a local, an element counting as 16
	maxWidth    = 3       // digits of a width in format
)

// excess finds what is nested too deeply to be parsed by recursive descent, and
// numbers without bounds.
func excess(src *source) (fault string, where hcl.Range) {
	if !suspicious(src.text) {
		return "", hcl.Range{}
	}
	nest, signs, questions := 0, 0, 0
	tokens, _ := hclsyntax.LexConfig([]byte(src.text), src.name, hcl.InitialPos)
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl, hclsyntax.TokenOQuote, hclsyntax.TokenOHeredoc:
			nest++
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenTemplateSeqEnd, hclsyntax.TokenCQuote, hclsyntax.TokenCHeredoc:
			nest = max(nest-1, 0)
		case hclsyntax.TokenMinus, hclsyntax.TokenBang:
			signs++
		case hclsyntax.TokenQuestion:
			questions++
		case hclsyntax.TokenComma, hclsyntax.TokenEqual:
			questions = 0
		case hclsyntax.TokenNumberLit:
			if _, e, ok := strings.Cut(strings.ToLower(string(t.Bytes)), "e"); ok && len(strings.TrimLeft(e, "+-")) > maxExponent {
				return "is too large a number", t.Range
			}
		}
		if t.Type != hclsyntax.TokenMinus && t.Type != hclsyntax.TokenBang && t.Type != hclsyntax.TokenNewline {
			signs = 0
		}
		if nest > maxNesting || signs > maxNesting || questions > maxNesting {
			return "is nested too deeply", t.Range
		}
	}
	return "", hcl.Range{}
}

// suspicious reports whether the tokens of a text must be looked at: brackets deeply
// nested, those in strings included, many signs together, a condition or a long exponent.
func suspicious(text string) bool {
	nest, signs := 0, 0
	for i := range len(text) {
		switch c := text[i]; c {
		case '{', '[', '(':
			nest++
		case '}', ']', ')':
			nest = max(nest-1, 0)
		case '-', '!':
			if signs++; signs > maxNesting {
				return true
			}
			continue
		case ' ', '\t', '\r', '\n':
			continue
		case '?':
			return true
		case 'e', 'E':
			if i > 0 && isDigit(text[i-1]) && run(strings.TrimLeft(text[i+1:min(len(text), i+8)], "+-"), isDigit) > maxExponent {
				return true
			}
		}
		if signs = 0; nest > maxNesting {
			return true
		}
	}
	return false
}

var forWord = regexp.MustCompile(`\bfor\b`)

// nestedFor finds a for inside a for: their costs multiply.
func nestedFor(src *source, body *hclsyntax.Body) (hcl.Range, bool) {
	if strings.Count(src.text, "for") < 2 || len(forWord.FindAllStringIndex(src.text, 2)) < 2 {
		return hcl.Range{}, false
	}
	w := &forWalker{}
	hclsyntax.Walk(body, w)
	return w.where, w.nested
}

// forWalker counts how many for are around a node.
type forWalker struct {
	depth  int
	nested bool
	where  hcl.Range
}

func (w *forWalker) Enter(n hclsyntax.Node) hcl.Diagnostics {
	if f, ok := n.(*hclsyntax.ForExpr); ok {
		if w.depth++; w.depth == 2 && !w.nested {
			w.nested, w.where = true, f.SrcRange
		}
	}
	return nil
}

func (w *forWalker) Exit(n hclsyntax.Node) hcl.Diagnostics {
	if _, ok := n.(*hclsyntax.ForExpr); ok {
		w.depth--
	}
	return nil
}

// bounded reports whether a value is of a size that may be multiplied: that of a local,
// and less than so many of them for an attribute.
func bounded(v cty.Value, locals int) bool {
	size := 0
	err := cty.Walk(v, func(_ cty.Path, v cty.Value) (bool, error) {
		if size += 16; v.IsKnown() && !v.IsNull() {
			switch v.Type() {
			case cty.String:
				size += len(v.AsString())
			case cty.Number:
				if v.AsBigFloat().MantExp(nil) > 4096 {
					size = locals*maxValue + 1
				}
			}
		}
		if size > locals*maxValue {
			return false, errTooLarge
		}
		return true, nil
	})
	return err == nil
}

var errTooLarge = errors.New("the result would be too large")

// limited is a function that refuses arguments whose result would be too large.
func limited(f function.Function, fine func([]cty.Value) bool) function.Function {
	return function.New(&function.Spec{Params: f.Params(), VarParam: f.VarParam(),
		Type: func(args []cty.Value) (cty.Type, error) { // jsondecode reads its text for this
			known := !slices.ContainsFunc(args, func(v cty.Value) bool { return !v.IsWhollyKnown() })
			if known && !fine(args) {
				return cty.NilType, errTooLarge
			}
			return f.ReturnTypeForValues(args)
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return f.Call(args) }})
}

// widths finds the numbers in a format that widen its result.
var widths = regexp.MustCompile(`%[^a-zA-Z%]*[0-9]{` + strconv.Itoa(maxWidth+1) + `}`)

func narrow(args []cty.Value) bool {
	return len(args) == 0 || args[0].Type() != cty.String || !args[0].IsKnown() || !widths.MatchString(args[0].AsString())
}

// short bounds how deeply a text can be nested.
func short(args []cty.Value) bool { return len(args[0].AsString()) <= maxValue }

// joined and replaced bound what grows by the product of its arguments.
func joined(args []cty.Value) bool {
	n := 0
	for _, list := range args[1:] {
		if !list.IsWhollyKnown() {
			return true
		}
		for it := list.ElementIterator(); it.Next(); {
			if _, v := it.Element(); !v.IsNull() {
				n += len(v.AsString())
			}
			n += len(args[0].AsString())
		}
	}
	return n <= maxValue
}

func replaced(args []cty.Value) bool {
	text, old, by := args[0].AsString(), args[1].AsString(), args[2].AsString()
	return (len(text)/max(len(old), 1)+1)*(len(by)+1)+len(text) <= maxValue
}

// hclFunctions are the functions of expressions: those of HCL's own library.
func hclFunctions() map[string]function.Function {
	return map[string]function.Function{
		"abs": stdlib.AbsoluteFunc, "ceil": stdlib.CeilFunc, "chomp": stdlib.ChompFunc, "chunklist": stdlib.ChunklistFunc,
		"coalesce": stdlib.CoalesceFunc, "compact": stdlib.CompactFunc, "concat": stdlib.ConcatFunc, "contains": stdlib.ContainsFunc,
		"distinct": stdlib.DistinctFunc, "element": stdlib.ElementFunc, "flatten": stdlib.FlattenFunc, "floor": stdlib.FloorFunc,
		"format": limited(stdlib.FormatFunc, narrow), "formatlist": limited(stdlib.FormatListFunc, narrow), "join": limited(stdlib.JoinFunc, joined),
		"jsondecode": limited(stdlib.JSONDecodeFunc, short), "keys": stdlib.KeysFunc, "length": stdlib.LengthFunc, "lookup": stdlib.LookupFunc,
		"lower": stdlib.LowerFunc, "max": stdlib.MaxFunc, "merge": stdlib.MergeFunc, "min": stdlib.MinFunc, "range": stdlib.RangeFunc,
		"regex": stdlib.RegexFunc, "replace": limited(stdlib.ReplaceFunc, replaced), "reverse": stdlib.ReverseListFunc,
		"slice": stdlib.SliceFunc, "sort": stdlib.SortFunc, "split": stdlib.SplitFunc, "strlen": stdlib.StrlenFunc, "substr": stdlib.SubstrFunc,
		"trim": stdlib.TrimFunc, "trimprefix": stdlib.TrimPrefixFunc, "trimspace": stdlib.TrimSpaceFunc, "trimsuffix": stdlib.TrimSuffixFunc,
		"upper": stdlib.UpperFunc, "values": stdlib.ValuesFunc, "zipmap": stdlib.ZipmapFunc,
	}
}
