package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

// hclWriter writes statements as HCL: the other direction of hclReader, by the same
// rules.
type hclWriter struct {
	lang   *language
	secret func(arg) string // the reference that replaces a literal
}

// hclNode is an attribute, a block or a comment to be written.
type hclNode struct {
	name   string
	before []string
	behind string
	values []string // of an attribute
	list   bool     // written as a list
	block  bool
	label  string
	nodes  []*hclNode
	last   []string // comments before the closing brace
}

// format writes nodes with aligned equal signs.
func format(nodes []*hclNode, last []string) string {
	var b strings.Builder
	writeNodes(&b, nodes, "")
	comments(&b, last, "")
	return string(hclwrite.Format([]byte(b.String())))
}

func comments(b *strings.Builder, lines []string, indent string) {
	for _, line := range lines {
		b.WriteString(strings.TrimRight(indent+"# "+line, " ") + "\n")
	}
}

func writeNodes(b *strings.Builder, nodes []*hclNode, indent string) {
	for i, n := range nodes {
		if i > 0 && (n.block || nodes[i-1].block) {
			b.WriteString("\n")
		}
		comments(b, n.before, indent)
		behind := ""
		if n.behind != "" {
			behind = " # " + n.behind
		}
		switch {
		case n.name == "":
		case n.block && len(n.nodes) == 0 && len(n.last) == 0:
			fmt.Fprintf(b, "%s%s%s {}%s\n", indent, n.name, n.label, behind)
		case n.block:
			fmt.Fprintf(b, "%s%s%s {%s\n", indent, n.name, n.label, behind)
			writeNodes(b, n.nodes, indent+"  ")
			comments(b, n.last, indent+"  ")
			fmt.Fprintf(b, "%s}\n", indent)
		case n.list:
			fmt.Fprintf(b, "%s%s = [%s]%s\n", indent, n.name, strings.Join(n.values, ", "), behind)
		default:
			fmt.Fprintf(b, "%s%s = %s%s\n", indent, n.name, n.values[0], behind)
		}
	}
}

// nodes translates the statements of a section.
func (w *hclWriter) nodes(stmts []*statement) []*hclNode {
	var out []*hclNode
	for _, s := range stmts {
		w.place(&out, s.d.hclName(), s)
	}
	return out
}

// place adds a statement to a body, inside the block its name says.
func (w *hclWriter) place(out *[]*hclNode, name string, s *statement) {
	n := &hclNode{before: s.before, behind: s.behind, last: s.last}
	group, rest, nested := strings.Cut(name, ".")
	switch {
	case name == "":
		n.before = append(n.before, fmt.Sprintf("Not carried over: %s: %s", s.d.name, s.d.why))
		n.behind = ""
		*out = append(*out, n)
		return
	case nested:
		if k := len(*out) - 1; k < 0 || (*out)[k].name != group || !(*out)[k].block || w.taken((*out)[k].nodes, rest, s.d) {
			*out = append(*out, &hclNode{name: group, block: true, before: s.before})
			s.before = nil
		}
		w.place(&(*out)[len(*out)-1].nodes, rest, s)
		return
	}
	n.name = name
	switch {
	case s.d.body != top:
		n.block = true
		w.section(n, s)
	case s.d.fields != "":
		n.block = true
		names := strings.Fields(s.d.fields)
		w.fields(n, w.lang.forms[s.d], s.args, &names)
	default:
		w.attribute(n, s)
		if w.merge(out, n) {
			return
		}
	}
	*out = append(*out, n)
}

// taken reports whether a body has an attribute that would have to be repeated.
func (w *hclWriter) taken(nodes []*hclNode, name string, d *directive) bool {
	return d.fields == "" && slices.ContainsFunc(nodes, func(n *hclNode) bool { return n.name == name && !n.list })
}

// merge deals with a directive that is repeated, which an attribute cannot be: a list
// grows, of other values the last counts.
func (w *hclWriter) merge(out *[]*hclNode, n *hclNode) bool {
	i := slices.IndexFunc(*out, func(o *hclNode) bool { return o.name == n.name && !o.block })
	if i < 0 {
		return false
	}
	old := (*out)[i]
	if !n.list {
		n.before = append(old.before, n.before...)
		*out = slices.Delete(*out, i, i+1)
		return false
	}
	old.values = append(old.values, n.values...)
	old.before = append(old.before, n.before...)
	if n.behind != "" {
		old.before = append(old.before, n.behind)
	}
	return true
}

// attribute translates the arguments of a directive with at most one.
func (w *hclWriter) attribute(n *hclNode, s *statement) {
	form := w.lang.forms[s.d]
	n.list = s.d.many || len(form) > 0 && form[0].many
	if len(s.args) == 0 || !s.args[0].ok {
		n.values = []string{"true"}
		return
	}
	for _, a := range s.args[0].list() {
		n.values = append(n.values, w.value(a))
	}
}

// fields translates the arguments of a directive with several.
func (w *hclWriter) fields(n *hclNode, form pattern, args []arg, names *[]string) {
	for _, t := range form {
		switch {
		case t.group != nil:
			k := width(t.group)
			w.fields(n, t.group, args[:k], names)
			args = args[k:]
			continue
		case len(t.alts) > 1 || types[t.alts[0]].fits != nil:
			if args[0].ok {
				n.nodes = append(n.nodes, &hclNode{name: (*names)[0], values: []string{w.value(args[0])}})
			}
			*names = (*names)[1:]
		}
		args = args[1:]
	}
}

// section translates a block; what classic syntax has before the brace becomes a
// label or attributes.
func (w *hclWriter) section(n *hclNode, s *statement) {
	switch s.d.body {
	case inRemote:
		w.remoteHead(n, s.words)
	case inSAInfo:
		w.sainfoHead(n, s.words)
	}
	n.nodes = append(n.nodes, w.nodes(s.body)...)
}

// value writes one value.
func (w *hclWriter) value(a arg) string {
	switch a.typ {
	case "SWITCH":
		return strconv.FormatBool(a.n == 1)
	case "NUMBER":
		return strconv.FormatUint(a.token.n, 10)
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
		return identityValue(a)
	}
	return quote(a.text)
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

// identityValue writes "TYPE" or { TYPE = VALUE }.
func identityValue(a arg) string {
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
	return "{ " + name + " = " + quote(a.value.text) + " }"
}

// remoteHead makes the label, and inherit.
func (w *hclWriter) remoteHead(n *hclNode, words []token) {
	i := slices.IndexFunc(words, func(t token) bool { return t.kind == word && t.text == "inherit" })
	own := words
	if i >= 0 {
		own = words[:i]
	}
	label, named := sectionLabel(own)
	n.label = " " + quote(label)
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
			return t.text, sectionTokens(t.text, false)[0].kind != str
		case address, word:
			label = t.text
		case prefix:
			label += "/" + t.text
		case port:
			label += "[" + t.text + "]"
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
		if value, words = phase2Value(words); value != quote("anonymous") {
			add(name, value)
		}
	}
	switch {
	case len(words) > 1 && words[0].text == "group":
		add("group", quote(words[1].text))
	case len(words) > 1 && words[0].text == "from":
		a := arg{token: words[1]}
		for _, t := range words[2:] {
			if t.kind == word {
				a.qual = t.text
			} else {
				a.value = t
			}
		}
		add("from", identityValue(a))
	}
}

// phase2Value writes the identity words begin with, and returns the others.
func phase2Value(words []token) (string, []token) {
	first := words[0]
	words = words[1:]
	if first.text == "anonymous" || first.text == "clientaddr" {
		return quote(first.text), words
	}
	if len(words) > 0 && words[0].kind == word { // keyid tag|file: both mean the text here
		words = words[1:]
	}
	if len(words) > 0 && words[0].kind == str {
		return "{ " + first.text + " = " + quote(words[0].text) + " }", words[1:]
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
