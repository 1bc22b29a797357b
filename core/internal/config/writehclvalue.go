package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

// value writes one value.
func (w *hclWriter) value(a arg) string {
	switch a.typ {
	case "SWITCH":
		return strconv.FormatBool(a.n == 1)
	case "NUMBER":
		return a.token.text
	case "DURATION":
		return quote(duration(a.n))
	case "SECRET":
		return quote(w.secret(a))
	case "ENDPOINT":
		if a.keyed {
			return quote(netip.AddrPortFrom(a.addr, uint16(a.n)).String())
		}
	case "NET":
		return quote(fmt.Sprintf("%s/%d", a.text, a.n))
	case "ALG":
		if a.keyed {
			return quote(fmt.Sprintf("%s %d", a.text, a.n))
		}
	case "GROUP":
		if a.kind == number {
			return a.text
		}
	case "IDENTITY":
		return w.identity(a)
	}
	return w.text(a.token)
}

// text writes a string, or reports that HCL cannot hold it: a string is UTF-8 there, and
// in normal form C.
func (w *hclWriter) text(t token) string {
	out := quote(t.text)
	switch {
	case w.fault == nil || cty.StringVal(t.text).AsString() == t.text && utf8.ValidString(t.text):
	case !utf8.ValidString(t.text):
		w.fault(t, "holds octets that are no UTF-8, and a string of HCL cannot", "for an identity, put them into a file and write keyid file; else use another name, or stay with the classic language")
	default:
		w.fault(t, "holds composed characters that a string of HCL would change", "write them in Unicode's normal form C; for an identity, put them into a file and write keyid file")
	}
	return out
}

func quote(s string) string { return string(hclwrite.TokensForValue(cty.StringVal(s)).Bytes()) }

// duration writes seconds in the largest unit that fits.
func duration(sec uint64) string {
	switch {
	case sec > 0 && sec%3600 == 0:
		return fmt.Sprintf("%d hour", sec/3600)
	case sec > 0 && sec%60 == 0:
		return fmt.Sprintf("%d min", sec/60)
	}
	return fmt.Sprintf("%d sec", sec)
}

// identity writes "TYPE" or { TYPE = VALUE }.
func (w *hclWriter) identity(a arg) string {
	name := a.text
	switch {
	case name == "keyid_use" || name == "keyid" && a.qual == "tag":
		name = "keyid"
	case name == "keyid":
		name = "keyid_file"
	case name == "certname":
		name = "asn1dn"
	}
	if a.value.kind == eof {
		return quote(name)
	}
	return "{ " + name + " = " + w.text(a.value) + " }"
}

// remoteHead makes the label, and inherit.
func (w *hclWriter) remoteHead(n *hclNode, words []token) {
	i := slices.IndexFunc(words, func(t token) bool { return t.kind == word && t.text == "inherit" })
	own := words
	if i >= 0 {
		own = words[:i]
	}
	label, named := sectionLabel(own)
	n.label = " " + w.text(token{text: label, src: own[0].src, off: own[0].off, end: own[0].end})
	if named {
		n.nodes = append(n.nodes, &hclNode{name: "named", values: []string{"true"}})
	}
	if i >= 0 {
		parent, _ := sectionLabel(words[i+1:])
		n.nodes = append(n.nodes, &hclNode{name: "inherit", values: []string{quote(parent)}})
	}
}

// sectionLabel is the label for a name, address or network, and whether it must be
// said that it is a name.
func sectionLabel(words []token) (label string, named bool) {
	for _, t := range words {
		switch t.kind {
		case str:
			return t.text, sectionTokens(t.text, false)[0].kind != str || likeAddress(t.text)
		case address, word:
			label = t.text
		case prefix:
			label += "/" + t.text
		case port:
			if t.text != "any" {
				label += "[" + t.text + "]"
			}
		}
	}
	return label, false
}

// sainfoHead makes local, remote, from and group.
func (w *hclWriter) sainfoHead(n *hclNode, words []token) {
	add := func(name, value string) { n.nodes = append(n.nodes, &hclNode{name: name, values: []string{value}}) }
	for _, name := range []string{"local", "remote"} {
		if len(words) == 0 || words[0].text == "from" || words[0].text == "group" {
			break
		}
		var value string
		if value, words = w.phase2(words); value != quote("anonymous") {
			add(name, value)
		}
	}
	switch {
	case len(words) > 1 && words[0].text == "group":
		add("group", w.text(words[1]))
	case len(words) > 1 && words[0].text == "from":
		a := arg{token: words[1]}
		for _, t := range words[2:] {
			if t.kind == word {
				a.qual = t.text
			} else {
				a.value = t
			}
		}
		add("from", w.identity(a))
	}
}

// phase2 writes the identity words begin with, and returns the others.
func (w *hclWriter) phase2(words []token) (string, []token) {
	first := words[0]
	words = words[1:]
	if first.text == "anonymous" || first.text == "clientaddr" {
		return quote(first.text), words
	}
	if len(words) > 0 && words[0].kind == word { // keyid tag|file: both mean the text here
		words = words[1:]
	}
	if len(words) > 0 && words[0].kind == str {
		return "{ " + first.text + " = " + w.text(words[0]) + " }", words[1:]
	}
	text := ""
	for i, t := range words {
		switch t.kind {
		case address:
			text += t.text
		case until:
			text += "-" + t.text
		case prefix:
			text += "/" + t.text
		case port:
			text += "[" + t.text + "]"
		default: // the protocol ends it
			if t.text != "any" {
				text += " " + t.text
			}
			return quote(text), words[i+1:]
		}
	}
	return quote(text), nil
}
