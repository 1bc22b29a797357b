package config

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// unknown reports a word the section does not know.
func (r *hclReader) unknown(in section, prefix, name string, where hcl.Range) {
	if r.elsewhereOnly(in, prefix, name, where) {
		return
	}
	place := strings.TrimSuffix(prefix, ".")
	known := r.p.lang.inGroup(in, place)
	if d := r.p.lang.hcl[in][place]; d != nil { // a block that may be either
		known = append(known, strings.Fields(d.fields)...)
	}
	if place == "" {
		place = in.String()
	}
	if in == top && prefix == "" {
		known = append(known, notOurs...)
	}
	fix := didYouMean(name, known)
	if fix == "" && prefix == "" {
		fix = r.p.lang.hclPlace(name, in)
	}
	if fix == "" {
		fix = advised(name, known)
	}
	r.fault(nearest(name, known))
	r.errorf(where, codeUnknown, "is no setting of "+place, fix)
}

// elsewhereOnly reports a word that only the classic language has.
func (r *hclReader) elsewhereOnly(in section, prefix, name string, where hcl.Range) bool {
	for _, d := range r.p.lang.rows[in][prefix+name] {
		switch {
		case d.second() != "":
		case d.hclName() != "":
			r.errorf(where, codeUnknown, "has another name in HCL", "write "+r.p.example(d, d.hclName()))
			return true
		case d.state == mapped:
			r.errorf(where, codeRefused, "has no place in HCL: "+d.why, "delete it")
			return true
		default:
			r.errorf(where, codeRefused, d.why, "delete it")
			return true
		}
	}
	return false
}

// inGroup are the words known in a section, or in a block of it that groups some.
func (l *language) inGroup(in section, group string) (known []string) {
	if group != "" {
		group += "."
	}
	for key := range l.hcl[in] {
		if rest, ok := strings.CutPrefix(key, group); ok {
			first, _, _ := strings.Cut(rest, ".")
			known = append(known, first)
		}
	}
	slices.Sort(known)
	return slices.Compact(known)
}

// advised is the word that is meant, or all if they are few.
func advised(name string, known []string) string {
	if fix := didYouMean(name, known); fix != "" {
		return fix
	}
	for _, k := range known {
		if len(name) > 2 && len(k) > 2 && (strings.HasPrefix(k, name) || strings.HasPrefix(name, k)) {
			return `did you mean "` + k + `"?`
		}
	}
	if len(known) > 8 {
		return ""
	}
	return "there are: " + strings.Join(known, ", ")
}

// hclGroup reports whether two-word names begin with the word.
func (l *language) hclGroup(in section, name string) bool { return l.groups[in][name] }

// hclPlace says where a word belongs that the section does not know, "" if nowhere.
func (l *language) hclPlace(name string, in section) string {
	if s := l.hclElsewhere(name, in); s != "" {
		return s
	}
	if in != top && slices.Contains(notOurs, name) {
		return "it belongs into the top level"
	}
	for _, group := range slices.Sorted(maps.Keys(l.groups[top])) {
		if l.hcl[top][group+"."+name] != nil {
			return "it belongs into " + group
		}
	}
	return ""
}

// oneOf puts commas and "or" between alternatives.
func oneOf(names []string) string {
	if last := len(names) - 1; last > 0 {
		return strings.Join(names[:last], ", ") + " or " + names[last]
	}
	return strings.Join(names, "")
}

// labels checks how many labels a block has.
func (r *hclReader) labels(b *hclsyntax.Block, n int) bool {
	switch {
	case len(b.Labels) < n:
		r.errorf(b.TypeRange, codeSyntax, "needs a label", `write `+b.Type+` "NAME" { ... }, with a name, an address, a network or "anonymous"`)
	case len(b.Labels) > n:
		fix := "write " + b.Type + " { ... }"
		switch {
		case n > 0:
			fix = "write a block for each"
		case b.Type == "sainfo":
			fix = `write sainfo { ... }, and in it local = "10.0.0.0/8" and remote = "10.1.0.0/16"; without them it is anonymous`
		}
		r.errorf(b.LabelRanges[n], codeSyntax, "is one label too many", fix)
	}
	return len(b.Labels) == n
}

// example is an attribute as it may be written.
func (p *parser) example(d *directive, name string) string {
	value := "true"
	if form := p.lang.forms[d]; len(form) > 0 {
		t := form[0]
		if t.group != nil {
			t = t.group[0]
		}
		if value = exampleOf(t); t.many || d.many {
			value = "[" + value + "]"
		}
	}
	if group, rest, ok := strings.Cut(name, "."); ok {
		return group + " { " + rest + " = " + value + " }"
	}
	return name + " = " + value
}

// exampleOf is a value as it may be written.
func exampleOf(t term) string {
	alt := t.alts[0]
	if types[alt].fits == nil {
		return quote(alt)
	}
	return map[string]string{"NUMBER": "1", "SWITCH": "true", "ADDRESS": `"192.0.2.1"`, "ENDPOINT": `"192.0.2.1"`,
		"NET": `"10.0.0.0/8"`, "DURATION": `"8 hour"`, "IDENTITY": `{ fqdn = "gw.example.org" }`, "GROUP": `"modp2048"`,
		"SECRET": `"file:/etc/racoon/NAME.secret"`, "DATE": `"2027-06-30"`}[alt] + map[bool]string{true: `"..."`}[slices.Contains([]string{"STRING", "ALG", "NAME"}, alt)]
}
