package config

import (
	"fmt"
	"slices"
	"strings"
)

// section is a place where directives stand.
type section uint8

const (
	top section = iota
	inPadding
	inListen
	inTimer
	inPrivsep
	inRadius
	inLDAP
	inModeCfg
	inSAInfo
	inRemote
	inProposal
	sections
)

func (s section) String() string {
	return [sections]string{"the top level", "padding", "listen", "timer", "privsep", "radiuscfg",
		"ldapcfg", "mode_cfg", "sainfo", "remote", "proposal"}[s]
}

// dialect says whose word a directive is.
type dialect uint8

const (
	both       dialect = iota
	ipsecTools         // ipsec-tools only
	apple              // Apple only
	ours               // racoon's own extension
)

// state is what becomes of a directive today.
type state uint8

const (
	works   state = iota
	idle          // accepted, has no effect yet: a warning
	mapped        // accepted, racoon does it another way: a warning
	missing       // needs what racoon does not have yet: an error
	refused       // always an error in the original, or in racoon
)

// directive is one row of the language: what may stand where, and what it does.
// The manual is generated from the same rows.
type directive struct {
	in    section
	name  string // one word, or two where the second chooses the form: "path include"
	args  string // what follows, see pattern
	from  dialect
	state state
	why   string // for the states other than works: the rest of the sentence "NAME ..."
	doc   string
	set   func(*parser, []arg)
	body  section            // != top: a block follows instead of a semicolon
	head  func(*parser) bool // instead of args; false: it has reported an error
	close func(*parser)      // at the closing brace
}

// language is the compiled table.
type language struct {
	rows  [sections]map[string][]*directive // by first word
	forms map[*directive]pattern
}

// classic is the language of racoon.conf(5).
func classic() *language {
	return compile(globalDirectives(), listenDirectives(), modeCfgDirectives(),
		remoteDirectives(), proposalDirectives(), sainfoDirectives())
}

func compile(tables ...[]directive) *language {
	l := &language{forms: map[*directive]pattern{}}
	for i := range l.rows {
		l.rows[i] = map[string][]*directive{}
	}
	for _, table := range tables {
		for i := range table {
			d := &table[i]
			first, _, _ := strings.Cut(d.name, " ")
			l.rows[d.in][first] = append(l.rows[d.in][first], d)
			if d.head == nil { // else args is for the manual only
				l.forms[d] = mustPattern(d.args)
			}
		}
	}
	return l
}

// second returns the word that chooses among directives with the same first one.
func (d *directive) second() string {
	_, s, _ := strings.Cut(d.name, " ")
	return s
}

// names are the first words known in a section.
func (l *language) names(in section) []string {
	out := make([]string, 0, len(l.rows[in]))
	for name := range l.rows[in] {
		out = append(out, name)
	}
	return out
}

// elsewhere names a section that knows the word, "" if none does.
func (l *language) elsewhere(name string) string {
	for s := range sections {
		if l.rows[s][name] != nil {
			return s.String()
		}
	}
	return ""
}

// A pattern says what follows a directive's name, in words of the manual:
//
//	STRING NUMBER ADDRESS PREFIX PORT   a token of that kind
//	TIME BYTES                          a unit; n is its factor
//	SWITCH                              on or off; n is 1 or 0
//	NET                                 an address and a prefix length; n is the length
//	ALG                                 an algorithm name and perhaps a key length; n is the length
//	GROUP                               a Diffie-Hellman group, by name or number
//	a|b|STRING                          one of these
//	X,...                               one or more of X with commas between (none needed inside remote)
//	[ ... ]                             may be left out as a whole
type pattern []term

type term struct {
	alts  []string // capital: a type; else the word itself
	many  bool
	group pattern // an optional group instead
}

// types are the capital words, with what a message calls them and what they fit.
var types = map[string]struct {
	name string
	fits func(token) bool
}{
	"STRING":  {"a string in double quotes", func(t token) bool { return t.kind == str }},
	"NUMBER":  {"a decimal number", func(t token) bool { return t.kind == number && t.n <= maxNumber }},
	"ADDRESS": {"a numeric address", func(t token) bool { return t.kind == address }},
	"PREFIX":  {"a prefix length as /24", func(t token) bool { return t.kind == prefix }},
	"PORT":    {"a port as [500]", func(t token) bool { return t.kind == port && t.text != "any" }},
	"TIME":    {"a time unit (sec, min or hour)", func(t token) bool { return t.kind == word && timeUnits[t.text] != 0 }},
	"BYTES":   {"a unit (B, KB, MB or TB)", func(t token) bool { return t.kind == word && byteUnits[t.text] != 0 }},
	"SWITCH":  {"on or off", func(t token) bool { return t.kind == word && (t.text == "on" || t.text == "off") }},
	"ALG":     {"the name of an algorithm", func(t token) bool { return t.kind == word }},
	"NET":     {"a network as 10.0.0.0/8", func(t token) bool { return t.kind == address }},
	"GROUP":   {"a Diffie-Hellman group", func(t token) bool { return t.kind == word || t.kind == number }},
}

// fits reports whether a token is what the term wants.
func (t term) fits(tok token) bool {
	for _, a := range t.alts {
		if typ, ok := types[a]; ok && typ.fits(tok) || !ok && tok.kind == word && tok.text == a {
			return true
		}
	}
	return false
}

// want is what a message says is expected.
func (t term) want() string {
	names := make([]string, len(t.alts))
	for i, a := range t.alts {
		if names[i] = a; types[a].name != "" {
			names[i] = types[a].name
		}
	}
	if last := len(names) - 1; last > 0 {
		return strings.Join(names[:last], ", ") + " or " + names[last]
	}
	return names[0]
}

// words are the plain words among the alternatives.
func (t term) words() []string {
	return slices.DeleteFunc(slices.Clone(t.alts), func(a string) bool { return types[a].name != "" })
}

// mustPattern compiles a row of the table. A row that cannot be compiled is a
// fault of the program.
func mustPattern(s string) pattern {
	p, rest := compilePattern(strings.Fields(s))
	if len(rest) > 0 {
		panic(fmt.Sprintf("config: pattern %q: stray ]", s))
	}
	return p
}

func compilePattern(words []string) (p pattern, rest []string) {
	for len(words) > 0 {
		w := words[0]
		words = words[1:]
		switch w {
		case "]":
			return p, append([]string{w}, words...)
		case "[":
			var t term
			if t.group, words = compilePattern(words); len(words) == 0 || len(t.group) == 0 {
				panic("config: pattern with an open group")
			}
			p, words = append(p, t), words[1:]
			continue
		}
		w, many := strings.CutSuffix(w, ",...")
		t := term{alts: strings.Split(w, "|"), many: many}
		for _, a := range t.alts {
			if strings.ToLower(a) != a && types[a].fits == nil {
				panic("config: pattern with unknown type " + a)
			}
		}
		p = append(p, t)
	}
	return p, nil
}

// arg is what matched a term. A term that was left out gives an arg with ok false.
type arg struct {
	token
	ok    bool
	keyed bool  // ALG: a key length follows, in n
	more  []arg // the further elements of a list
}

// list returns the arg and its further elements.
func (a arg) list() []arg { return append([]arg{a}, a.more...) }
