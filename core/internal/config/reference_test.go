package config

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestReferenceIsMadeFromTheTable: docs/racoon.conf.md says what the parser does,
// because it is made from the rows the parser uses. -update writes it.
func TestReferenceIsMadeFromTheTable(t *testing.T) {
	golden(t, "../../../docs/racoon.conf.md", reference(classic()))
}

const referenceIntro = `# racoon.conf and racoon.hcl, every word

Made from the table the parser uses (core/internal/config); do not edit. What the words mean in detail is in racoon.conf(5).

A file called *.hcl is HCL, every other one classic. Both are the same model: each row is one directive in either spelling.
` + "`racoon config convert`" + ` translates files, ` + "`racoon config show`" + ` prints what a file means.

| Column | |
|---|---|
| Classic | ends with a semicolon, or opens a block |
| HCL | an attribute or a block; ` + "`a.b`" + ` is the attribute b in the block a; — there is no word for it |
| From | ipsec-tools, Apple: only there; ours: new here |
| State | works; *in part*: read, and a value that asks for what is missing is a warning; *later*: read into the model, without effect yet, a warning; *missing*: read into the model, and an error, because a connection would not work without it; *mapped*: without effect, racoon does it another way; *refused*: an error |

Types: STRING in double quotes; NUMBER decimal; ADDRESS numeric; ENDPOINT an address and perhaps a port, classic ` + "`192.0.2.1 [500]`" + `, HCL
` + "`\"192.0.2.1:500\"`" + `; DURATION classic ` + "`8 hour`" + `, HCL ` + "`\"8 hour\"`" + ` or ` + "`\"8h\"`" + `; SWITCH classic ` + "`on`, `off`" + `, HCL ` + "`true`, `false`" + `; ALG an algorithm and perhaps its key
length, HCL ` + "`\"aes 256\"`" + `; GROUP a Diffie-Hellman group by name or number; NET ` + "`10.0.0.0/8`" + `; DATE ` + "`\"2027-06-30\"`" + `; SECRET classic the secret itself, HCL where it is
(` + "`\"file:/path\"`, `\"env:NAME\"`" + `); IDENTITY classic ` + "`fqdn \"gw.example\"`" + `, HCL ` + "`{ fqdn = \"gw.example\" }`, or `\"address\"`" + ` for a type without value, where
` + "`keyid`" + ` is the text itself and ` + "`keyid_file`" + ` a file that holds it.

HCL besides: ` + "`kernel = \"xfrm\"`, `plugin \"KIND\" \"NAME\" { config { ... } }`" + ` (a classic file has them in plugins.hcl beside it); ` + "`locals { a = ... }`" + ` and
` + "`local.a`" + `; expressions with the functions of HCL's library.
`

func reference(l *language) string {
	var b strings.Builder
	b.WriteString(referenceIntro)
	for in := range sections {
		fmt.Fprintf(&b, "\n## %s\n\n| Classic | HCL | Default | From | State | |\n|---|---|---|---|---|---|\n", strings.ToUpper(in.String()[:1])+in.String()[1:])
		for _, d := range tableOf(l, in) {
			cell := func(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
			classicForm := "—"
			if !d.header {
				classicForm = "`" + cell(strings.TrimSpace(d.name+" "+d.args)) + map[bool]string{true: " {...}", false: ""}[d.body != top] + "`"
			}
			state := [...]string{"works", "*later*: " + d.why, "*in part*: " + d.why, "*mapped*: " + d.why, "*missing*: " + d.why, "*refused*: " + d.why}[d.state]
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", classicForm, cell(hclForm(l, d)), d.def,
				[...]string{"", "ipsec-tools", "Apple", "ours"}[d.from], cell(state), cell(d.doc))
		}
	}
	b.WriteString("\n# Algorithms\n\nTiers: modern; interop: a note; legacy: a warning in a classic file, refused in HCL without `allow_legacy`; never: refused.\n")
	for _, t := range []struct {
		title string
		table []algorithm
	}{{"Encryption of phase 1", phase1Ciphers}, {"Hash of phase 1", phase1Hashes}, {"Diffie-Hellman groups", groups}, {"Authentication methods", methods},
		{"Encryption of ESP", espCiphers}, {"Authentication of ESP and AH", espAuths}, {"Compression", compressions}} {
		fmt.Fprintf(&b, "\n## %s\n\n| Name | Number | Key bits | Tier | |\n|---|---|---|---|---|\n", t.title)
		for _, a := range t.table {
			bits := "—"
			if a.max > 0 {
				bits = fmt.Sprintf("%s (%d)", strings.Trim(a.lengths(), ","), a.def)
			}
			tier, why := "modern", a.why
			switch {
			case a.never != "":
				tier, why = "never", a.never
			case a.code == codeNotYet:
				tier = "missing"
			case a.code != "":
				tier = [...]string{"never", "legacy", "interop"}[a.sev] + " " + a.code
			}
			fmt.Fprintf(&b, "| `%s` | %d | %s | %s | %s |\n", a.name, a.id, bits, tier, why)
		}
	}
	return b.String()
}

// tableOf are the rows of a section, by name.
func tableOf(l *language, in section) []*directive {
	var out []*directive
	for _, rows := range l.rows[in] {
		out = append(out, rows...)
	}
	for _, d := range l.hcl[in] {
		if d.header {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b *directive) int { return strings.Compare(a.name, b.name) })
	return out
}

// hclForm is how HCL says a directive.
func hclForm(l *language, d *directive) string {
	name := d.hclName()
	form := l.forms[d]
	switch {
	case name == "":
		return "—"
	case d.body == inRemote:
		return "`remote \"LABEL\" {...}`"
	case d.body != top:
		return "`" + name + " {...}`"
	case d.fields != "":
		return "`" + name + " { " + d.fields + " }`"
	case len(form) == 0:
		return "`" + name + " = true`"
	}
	t := form[0]
	if t.group != nil {
		t = t.group[0]
		return "`" + name + " = " + strings.Join(t.alts, "|") + "`, `true`"
	}
	value := strings.Join(t.alts, "|")
	if d.many || t.many {
		value = "[" + value + ", ...]"
	}
	return "`" + name + " = " + value + "`"
}
