package config

import (
	"fmt"
	"math/big"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// value makes the tokens of one term, or reports why the value cannot be one.
func (r *hclReader) value(t term, h hclValue) ([]token, bool) {
	if slices.Contains(t.alts, "IDENTITY") {
		return r.identity(h)
	}
	tokens := r.tokens(t, h.v)
	switch {
	case tokens != nil && t.alts[0] == "SECRET" && slices.Contains([]string{"", "file:", "env:", "handle:"}, tokens[0].text):
		r.errorf(h.at, codeSecret, "names no place of a secret", "write "+exampleOf(t))
		return nil, false
	case tokens != nil && t.alts[0] == "SECRET" && !isReference(tokens[0].text):
		r.errorf(h.at, codeSecret, "holds a secret itself", `write where it is: "file:/etc/racoon/NAME.secret", readable by nobody else, or "env:NAME"`)
		return nil, false
	case tokens != nil:
		if path, ok := strings.CutPrefix(tokens[0].text, "file:"); ok && t.alts[0] == "SECRET" {
			tokens[0].text = "file:" + r.p.absolute(token{src: r.src, off: h.at.Start.Byte}, path)
		}
		return tokens, true
	}
	advice := hclAdvice(t, h.v)
	if from, to := h.at.Start.Byte, h.at.End.Byte; from < to && r.src.show(from, to) != r.src.text[from:to] {
		advice, _, _ = strings.Cut(advice, ": ") // not the value
	}
	r.errorf(h.at, codeSyntax, "is not expected here: "+hclWant(t)+" is", advice)
	return nil, false
}

// tokens are those of a value that fits; nil: it does not.
func (r *hclReader) tokens(t term, v cty.Value) []token {
	if v.IsNull() {
		return nil
	}
	for _, alt := range t.alts {
		if tokens := tokensAs(alt, v); tokens != nil {
			return tokens
		}
	}
	return nil
}

func tokensAs(alt string, v cty.Value) []token {
	switch v.Type() {
	case cty.Bool:
		if alt == "SWITCH" {
			return []token{{kind: word, text: map[bool]string{true: "on", false: "off"}[v.True()]}}
		}
	case cty.Number:
		n, accuracy := v.AsBigFloat().Uint64()
		if alt != "NUMBER" && alt != "GROUP" || accuracy != big.Exact || n > maxNumber {
			return nil
		}
		return []token{{kind: number, n: n, text: strconv.FormatUint(n, 10)}}
	case cty.String:
		text := v.AsString()
		if from := fromText[alt]; from != nil {
			return from(text)
		}
		if types[alt].fits == nil && alt == text {
			return []token{{kind: word, text: text}}
		}
	}
	return nil
}

// hclWant is what a message says is expected.
func hclWant(t term) string {
	var names []string
	for _, a := range t.alts {
		switch typ := types[a]; {
		case a == "SWITCH":
			names = append(names, "true", "false")
		case a == "NUMBER":
			names = append(names, "a whole number")
		case typ.fits == nil:
			names = append(names, quote(a))
		default:
			names = append(names, typ.hcl)
		}
	}
	return oneOf(names)
}

// hclAdvice says how to write what was probably meant.
func hclAdvice(t term, v cty.Value) string {
	has := func(alt string) bool { return slices.Contains(t.alts, alt) }
	switch {
	case v.IsNull():
		return "leave it out"
	case v.Type().IsTupleType(), v.Type().IsListType(), v.Type().IsSetType():
		if t.many {
			return "write all values in one list"
		}
		return "write one value, without brackets"
	case v.Type() == cty.Number && has("DURATION"):
		return "write a unit: " + quote(v.AsBigFloat().Text('f', -1)+" sec")
	case v.Type() == cty.Number && slices.ContainsFunc(t.alts, func(a string) bool { return fromText[a] != nil && a != "DURATION" && a != "GROUP" }):
		return "write it in double quotes: " + quote(v.AsBigFloat().Text('g', 10))
	case v.Type() == cty.Number && has("NUMBER"):
		return fmt.Sprintf("numbers go from 0 to %d", uint64(maxNumber))
	case v.Type() != cty.String:
		return ""
	}
	return hclTextAdvice(t, v.AsString())
}

func hclTextAdvice(t term, text string) string {
	has := func(alt string) bool { return slices.Contains(t.alts, alt) }
	_, err := strconv.ParseUint(text, 10, 32)
	list := strings.Split(text, ",")
	_, bare := strings.CutSuffix(text, "]")
	switch {
	case has("SWITCH") && switches[text] != "":
		return "write " + switches[text] + ", without quotes"
	case has("NUMBER") && err == nil:
		return "write it without quotes: " + strings.TrimLeft(text, "0") + map[bool]string{true: "0"}[strings.Trim(text, "0") == ""]
	case has("DURATION") && err == nil:
		return "write a unit: " + quote(text+" sec")
	case has("NUMBER") && durationTokens(text) != nil:
		d := durationTokens(text)
		return fmt.Sprintf("write the seconds: %d", d[0].n*timeUnits[d[1].text])
	case len(list) > 1 && !has("STRING"):
		for i := range list {
			list[i] = quote(strings.TrimSpace(list[i]))
		}
		return "write a list: [" + strings.Join(list, ", ") + "]"
	case has("ENDPOINT") && bare:
		if host, port, ok := strings.Cut(strings.TrimSuffix(text, "]"), "["); ok && !strings.Contains(host, ":") {
			return "write " + quote(strings.TrimSpace(host)+":"+port)
		}
	}
	return didYouMean(text, t.words())
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

// durationTokens reads "8 hour" and "8h".
func durationTokens(s string) []token {
	digits := run(s, isDigit)
	unit := strings.TrimSpace(s[digits:])
	if n, err := strconv.ParseUint(s[:digits], 10, 32); err == nil {
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
	if strings.Contains(s, ",") {
		return nil
	}
	name, bits, keyed := strings.Cut(strings.TrimSpace(s), " ")
	if n, err := strconv.ParseUint(name, 10, 16); err == nil && !keyed {
		return []token{{kind: number, text: name, n: n}}
	}
	n, err := strconv.ParseUint(strings.TrimSpace(bits), 10, 64)
	if !keyed || err != nil {
		return []token{{kind: word, text: s}} // the parser says that there is no such name
	}
	return []token{{kind: word, text: name}, {kind: number, text: bits, n: n}}
}

// identity reads "TYPE" or { TYPE = VALUE }.
func (r *hclReader) identity(h hclValue) ([]token, bool) {
	const want = `is not expected here: an identity as { fqdn = "gw.example.org" } or "address" is`
	switch {
	case !h.v.IsNull() && h.v.Type() == cty.String && slices.Contains(identityTypes, h.v.AsString()):
		return []token{{kind: word, text: h.v.AsString()}}, true
	case h.v.IsNull() || !h.v.Type().IsObjectType():
		fix := ""
		if !h.v.IsNull() && h.v.Type() == cty.String {
			fix = identityAdvice(h.v.AsString())
		}
		r.errorf(h.at, codeSyntax, want, fix)
		return nil, false
	case h.v.LengthInt() != 1:
		r.errorf(h.at, codeSyntax, "is no identity: it has one type and one value", `write { fqdn = "gw.example.org" }`)
		return nil, false
	}
	it := h.v.ElementIterator()
	it.Next()
	key, value := it.Element()
	name := key.AsString()
	keyAt, valueAt := h.at, h.at
	if o, ok := h.expr.(*hclsyntax.ObjectConsExpr); ok && len(o.Items) == 1 {
		keyAt, valueAt = o.Items[0].KeyExpr.Range(), o.Items[0].ValueExpr.Range()
	}
	known := append([]string{"keyid_file"}, identityTypes...)
	if !slices.Contains(known, name) {
		r.errorf(keyAt, codeUnknown, "is no type of identity", advised(name, known))
		return nil, false
	}
	if value.IsNull() || value.Type() != cty.String {
		r.errorf(valueAt, codeSyntax, "is not expected here: a string is", hclAdvice(term{alts: []string{"STRING"}}, value))
		return nil, false
	}
	tokens := map[string][]token{"keyid": {{kind: word, text: "keyid"}, {kind: word, text: "tag"}},
		"keyid_file": {{kind: word, text: "keyid"}, {kind: word, text: "file"}}}[name]
	if tokens == nil {
		tokens = []token{{kind: word, text: name}}
	}
	return append(r.placed(keyAt, tokens), r.placed(valueAt, stringToken(value.AsString()))...), true
}

// identityAdvice guesses the type of an identity written as a string.
func identityAdvice(text string) string {
	if fix := didYouMean(text, identityTypes); fix != "" {
		return fix
	}
	for _, sep := range []string{":", " "} {
		if kind, rest, ok := strings.Cut(text, sep); ok && rest != "" && slices.Contains(identityTypes, kind) {
			return "write { " + kind + " = " + quote(strings.TrimSpace(rest)) + " }"
		}
	}
	name := "keyid"
	if _, err := netip.ParseAddr(text); err == nil {
		name = "address"
	} else if strings.Contains(text, "@") {
		name = "user_fqdn"
	} else if strings.Contains(text, "=") {
		name = "asn1dn"
	} else if strings.Contains(text, ".") && !strings.Contains(text, " ") {
		name = "fqdn"
	}
	return "write { " + name + " = " + quote(text) + " }"
}
