package config

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2/hclwrite"
)

// hclWriter writes statements as HCL: the other direction of hclReader, by the same
// rules.
type hclWriter struct {
	lang   *language
	secret func(arg) string            // the reference that replaces a literal
	fault  func(token, string, string) // reports what cannot be written: what, fix
}

// hclNode is an attribute, a block or a comment to be written.
type hclNode struct {
	name   string
	before []string
	behind string
	values []string // of an attribute
	list   bool     // written as a list
	block  bool
	group  bool // a block that is no section, but the first word of several directives
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

// comments writes lines of comment. Octets that are no UTF-8, which HCL does not have,
// become a sign that says so.
func comments(b *strings.Builder, lines []string, indent string) {
	for _, line := range lines {
		line = strings.ToValidUTF8(line, string(utf8.RuneError))
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
			behind = " # " + strings.ToValidUTF8(n.behind, string(utf8.RuneError))
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
		n.before = append(n.before, s.inside()...)
		n.behind, n.last = "", nil
		*out = append(*out, n)
		return
	case nested:
		if k := len(*out) - 1; k < 0 || (*out)[k].name != group || !(*out)[k].group || w.taken((*out)[k].nodes, rest, s.d) {
			*out = append(*out, &hclNode{name: group, block: true, group: true, before: s.before})
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

// inside are the comments behind a statement and in its block.
func (s *statement) inside() (lines []string) {
	if s.behind != "" {
		lines = append(lines, s.behind)
	}
	for _, i := range s.body {
		lines = append(append(lines, i.before...), i.inside()...)
	}
	return append(lines, s.last...)
}

// taken reports whether a body has an attribute that would have to be repeated, or be
// continued after another one, while the order may count.
func (w *hclWriter) taken(nodes []*hclNode, name string, d *directive) bool {
	i := slices.IndexFunc(nodes, func(n *hclNode) bool { return n.name == name })
	return d.fields == "" && i >= 0 && (!nodes[i].list || i < len(nodes)-1)
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
		if old.behind != "" {
			old.before = append(old.before, old.behind)
		}
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
