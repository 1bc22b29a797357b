package config

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// remoteHead translates what classic syntax has between "remote" and the brace.
func (r *hclReader) remoteHead(b *hclsyntax.Block, header map[string]*hclsyntax.Attribute) {
	named := false
	if a := header["named"]; a != nil {
		if v := r.eval(a.Expr); v != cty.NilVal && v.Type() == cty.Bool {
			named = v.True()
		} else if v != cty.NilVal {
			r.errorf(a.Expr.Range(), codeSyntax, "is not expected here: true or false is", "")
		}
	}
	label := b.LabelRanges[0]
	r.put(label, sectionTokens(b.Labels[0], named)...)
	if a := header["inherit"]; a != nil {
		if v := r.eval(a.Expr); v != cty.NilVal && v.Type() == cty.String {
			r.put(a.NameRange, token{kind: word, text: "inherit"})
			r.put(a.Expr.Range(), r.parentTokens(v.AsString())...)
		} else if v != cty.NilVal {
			r.errorf(a.Expr.Range(), codeSyntax, "is not expected here: the label of a remote block is", "")
		}
	}
}

// parentTokens: a section of that name comes before one for an address.
func (r *hclReader) parentTokens(label string) []token {
	for _, o := range r.p.remotes {
		if o.named && o.Name == label {
			return stringToken(label)
		}
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

// sainfoHead translates local, remote, from and group.
func (r *hclReader) sainfoHead(header map[string]*hclsyntax.Attribute) {
	anonymous := []token{{kind: word, text: "anonymous"}}
	local, remote := header["local"], header["remote"]
	place := func(a *hclsyntax.Attribute) {
		if v := r.eval(a.Expr); v != cty.NilVal {
			r.put(a.Expr.Range(), phase2Tokens(v)...)
		}
	}
	if local != nil {
		place(local)
	} else {
		r.put(r.blockRange(), anonymous...)
	}
	switch {
	case remote != nil:
		place(remote)
	case local != nil:
		r.put(r.blockRange(), anonymous...)
	}
	for _, name := range []string{"from", "group"} {
		a := header[name]
		if a == nil {
			continue
		}
		v := r.eval(a.Expr)
		if v == cty.NilVal {
			continue
		}
		r.put(a.NameRange, token{kind: word, text: name})
		alt := map[string]string{"from": "IDENTITY", "group": "STRING"}[name]
		r.put(a.Expr.Range(), r.value(term{alts: []string{alt}}, v)...)
	}
}

// blockRange is the place of the block's name, which is in the queue.
func (r *hclReader) blockRange() hcl.Range {
	t := r.queue[len(r.queue)-1]
	return hcl.Range{Start: hcl.Pos{Byte: t.off}, End: hcl.Pos{Byte: t.end}}
}

// phase2Tokens reads "anonymous", "clientaddr", an address, network or range with
// port and protocol as "10.0.0.0/8[80] tcp", or { TYPE = NAME }.
func phase2Tokens(v cty.Value) []token {
	if v.Type() != cty.String {
		return identityTokens(v)
	}
	s := v.AsString()
	if s == "anonymous" || s == "clientaddr" {
		return []token{{kind: word, text: s}}
	}
	ends, proto, _ := strings.Cut(strings.TrimSpace(s), " ")
	proto = strings.TrimSpace(proto)
	if proto == "" {
		proto = "any"
	}
	tokens := []token{{kind: word, text: "address"}}
	ends, portText, hasPort := strings.Cut(ends, "[")
	ends, bits, hasBits := strings.Cut(ends, "/")
	first, last, isRange := strings.Cut(ends, "-")
	a, err := netip.ParseAddr(first)
	if err != nil {
		return []token{{kind: word, text: s}}
	}
	tokens = append(tokens, token{kind: address, text: first, addr: a})
	if isRange {
		b, err := netip.ParseAddr(last)
		if err != nil {
			return []token{{kind: word, text: s}}
		}
		tokens = append(tokens, token{kind: until, text: last, addr: b})
	}
	if n, err := strconv.ParseUint(bits, 10, 16); hasBits {
		if err != nil {
			return []token{{kind: word, text: s}}
		}
		tokens = append(tokens, token{kind: prefix, text: bits, n: n})
	}
	if portText = strings.TrimSuffix(portText, "]"); hasPort {
		n, err := strconv.ParseUint(portText, 10, 16)
		if err != nil && portText != "any" {
			return []token{{kind: word, text: s}}
		}
		tokens = append(tokens, token{kind: port, text: portText, n: n})
	}
	if n, err := strconv.ParseUint(proto, 10, 16); err == nil {
		return append(tokens, token{kind: number, text: proto, n: n})
	}
	return append(tokens, token{kind: word, text: proto})
}
