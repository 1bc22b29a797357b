package config

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// noHead stands for a header that is wrong: the parser reads the section, and keeps
// nothing of it.
var noHead = token{kind: bad}

// remoteHead translates what classic syntax has between "remote" and the brace.
func (r *hclReader) remoteHead(b *hclsyntax.Block, header map[string]*hclsyntax.Attribute) {
	named, ok := false, r.labels(b, 1)
	if a := header["named"]; a != nil {
		v, fine := r.eval(a.Expr)
		if fine {
			_, fine = r.value(term{alts: []string{"SWITCH"}}, v)
		}
		if ok = ok && fine; fine {
			named = v.v.True()
		}
	}
	parent, fine := r.headText(header["inherit"])
	if ok = ok && fine; !ok {
		r.put(b.TypeRange, noHead)
		return
	}
	own := sectionTokens(b.Labels[0], named)
	if !named && own[0].kind == str && likeAddress(b.Labels[0]) {
		r.errorf(b.LabelRanges[0], codeValue, "reads as an address and is none", "write the address, or named = true below it if it is a name")
		r.put(b.TypeRange, noHead)
		return
	}
	r.put(b.LabelRanges[0], own...)
	if a := header["inherit"]; a != nil {
		r.put(a.NameRange, token{kind: word, text: "inherit"})
		r.put(a.Expr.Range(), r.parentTokens(parent, own[0].kind == str)...)
	}
}

// headText is a string of a header, which need not be there.
func (r *hclReader) headText(a *hclsyntax.Attribute) (string, bool) {
	if a == nil {
		return "", true
	}
	v, ok := r.eval(a.Expr)
	if ok {
		_, ok = r.value(term{alts: []string{"STRING"}}, v)
	}
	if !ok {
		return "", false
	}
	return v.v.AsString(), true
}

// parentTokens: a named section inherits from a named one, so a label of one counts
// as a name even where it reads as an address.
func (r *hclReader) parentTokens(label string, named bool) []token {
	if named && slices.ContainsFunc(r.p.remotes, func(o *remote) bool { return o.named && o.Name == label }) {
		return stringToken(label)
	}
	return sectionTokens(label, false)
}

// sectionTokens are those of a label: "anonymous", "192.0.2.1", "192.0.2.1:4500",
// "192.0.2.0/24", else a name.
func sectionTokens(label string, named bool) []token {
	base, portText, hasPort := strings.Cut(label, "[")
	n, err := strconv.ParseUint(strings.TrimSuffix(portText, "]"), 10, 16)
	var behind []token
	if hasPort && err == nil && strings.HasSuffix(portText, "]") {
		behind = []token{{kind: port, text: strconv.FormatUint(n, 10), n: n}}
	} else {
		base = label
	}
	switch {
	case named:
	case base == "anonymous":
		return append([]token{{kind: word, text: base}}, behind...)
	default:
		for _, form := range []func(string) []token{addressTokens(true, false), addressTokens(false, true)} {
			if tokens := form(base); tokens != nil {
				return append(tokens, behind...)
			}
		}
	}
	return stringToken(label)
}

// likeAddress reports whether a label that is no address was meant to be one. As a name
// it would be a section for any peer.
func likeAddress(label string) bool {
	digits := strings.Trim(label, "0123456789.:/[]") == "" && strings.ContainsAny(label, ".:/[")
	return digits || strings.Contains(label, "::") || strings.HasPrefix(label, "anonymous[")
}

// sainfoHead translates local, remote, from and group.
func (r *hclReader) sainfoHead(b *hclsyntax.Block, header map[string]*hclsyntax.Attribute) {
	anonymous := []token{{kind: word, text: "anonymous"}}
	local, okLocal := r.phase2(header["local"], false)
	remote, okRemote := r.phase2(header["remote"], true)
	var from []token
	okFrom := true
	if a := header["from"]; a != nil {
		var v hclValue
		if v, okFrom = r.eval(a.Expr); okFrom {
			from, okFrom = r.identity(v)
			from = append(r.placed(a.NameRange, []token{{kind: word, text: "from"}}), r.placed(v.at, from)...)
		}
	}
	group, okGroup := r.headText(header["group"])
	if a := header["group"]; a != nil && header["from"] != nil {
		r.errorf(a.NameRange, codeSyntax, "stands beside from, and only one of them may", "")
		okGroup = false
	}
	if !okLocal || !okRemote || !okFrom || !okGroup {
		r.put(b.TypeRange, noHead)
		return
	}
	if local == nil {
		r.put(b.TypeRange, anonymous...)
	}
	if r.queue = append(r.queue, local...); remote == nil && local != nil {
		r.put(b.TypeRange, token{kind: word, text: "anonymous"})
	}
	r.queue = append(append(r.queue, remote...), from...)
	if a := header["group"]; a != nil {
		r.put(a.NameRange, token{kind: word, text: "group"})
		r.put(a.Expr.Range(), stringToken(group)...)
	}
}

// phase2 reads "anonymous", "clientaddr" where it may stand, an address, network or
// range with port and protocol as "10.0.0.0/8[80] tcp", or { TYPE = NAME }.
func (r *hclReader) phase2(a *hclsyntax.Attribute, client bool) ([]token, bool) {
	if a == nil {
		return nil, true
	}
	v, ok := r.eval(a.Expr)
	if !ok {
		return nil, false
	}
	if v.v.Type().IsObjectType() {
		tokens, ok := r.identity(v)
		if ok && tokens[0].text == "keyid" && tokens[1].text == "file" {
			r.errorf(v.at, codeSyntax, "cannot be an identity of phase 2 here", "write "+a.Name+" = { keyid = "+quote(tokens[2].text)+" }")
			return nil, false
		}
		if ok && tokens[0].text == "address" {
			r.errorf(v.at, codeSyntax, "is not expected here: an address by itself is", "write "+a.Name+" = "+quote(tokens[len(tokens)-1].text))
			return nil, false
		}
		return r.placed(v.at, tokens), ok
	}
	words := []string{"anonymous"}
	want := []string{`an address, network or range as "10.0.0.0/8" or "10.0.0.1[80] tcp"`, `{ fqdn = "gw.example.org" }`, `"anonymous"`}
	if client {
		want = append(want, `"clientaddr"`)
		words = append(words, "clientaddr")
	}
	text := ""
	if v.v.Type() == cty.String {
		text = v.v.AsString()
		if slices.Contains(words, text) {
			return r.placed(v.at, []token{{kind: word, text: text}}), true
		}
		if tokens := phase2Tokens(text); tokens != nil {
			return r.placed(v.at, tokens), true
		}
	}
	fix := didYouMean(text, words)
	if fix == "" && v.v.Type() == cty.String && text != "" && !strings.ContainsAny(text, "/[ ") && text != "clientaddr" {
		fix = identityAdvice(text)
	}
	r.errorf(v.at, codeSyntax, "is not expected here: "+oneOf(want)+" is", fix)
	return nil, false
}

// phase2Tokens reads ADDRESS[-ADDRESS][/LENGTH][[PORT]] [PROTOCOL]; nil: it is not
// that.
func phase2Tokens(s string) []token {
	ends, proto, _ := strings.Cut(strings.TrimSpace(s), " ")
	if proto = strings.TrimSpace(proto); proto == "" {
		proto = "any"
	}
	tokens := []token{{kind: word, text: "address"}}
	ends, portText, hasPort := strings.Cut(ends, "[")
	ends, bits, hasBits := strings.Cut(ends, "/")
	first, last, isRange := strings.Cut(ends, "-")
	a, err := netip.ParseAddr(first)
	if err != nil {
		return nil
	}
	tokens = append(tokens, token{kind: address, text: first, addr: a})
	if isRange {
		b, err := netip.ParseAddr(last)
		if err != nil {
			return nil
		}
		tokens = append(tokens, token{kind: until, text: last, addr: b})
	}
	if hasBits {
		n, err := strconv.ParseUint(bits, 10, 16)
		if err != nil {
			return nil
		}
		tokens = append(tokens, token{kind: prefix, text: bits, n: n})
	}
	if hasPort {
		portText, closed := strings.CutSuffix(portText, "]")
		n, err := strconv.ParseUint(portText, 10, 16)
		if !closed || err != nil && portText != "any" {
			return nil
		}
		tokens = append(tokens, token{kind: port, text: portText, n: n})
	}
	if n, err := strconv.ParseUint(proto, 10, 16); err == nil {
		return append(tokens, token{kind: number, text: proto, n: n})
	}
	return append(tokens, token{kind: word, text: proto})
}
