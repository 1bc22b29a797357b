package config

import (
	"fmt"
	"maps"
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
	idle          // read, has no effect yet: a warning
	partly        // read; a value that asks for what racoon does not have yet is a warning, see parser.later
	mapped        // accepted, racoon does it another way: a warning
	missing       // needs what racoon does not have yet: an error
	refused       // always an error in the original, or in racoon
)

// directive is one row of the language: what may stand where, and what it does.
// Both spellings, classic and HCL, are read and written by the same rows, and
// docs/racoon.conf.md is generated from them.
type directive struct {
	in    section
	name  string // one word, or two where the second chooses the form: "path include"
	args  string // what follows, see pattern
	from  dialect
	state state
	why   string // for the states other than works: the rest of the sentence "NAME ..."
	doc   string
	def   string // the default, for the manual
	set   func(*parser, []arg)
	body  section            // != top: a block follows instead of a semicolon
	head  func(*parser) bool // instead of args; false: it has reported an error
	close func(*parser)      // at the closing brace

	// The HCL form follows from name and args, see hcl.go, but for:
	hcl    string // another name; "-": HCL has no word for it
	fields string // names of the arguments, where there are several: they become a block
	many   bool   // may be repeated: the values become one list
	header bool   // only HCL has it as a directive: classic says it before the brace
}

// language is the compiled table.
type language struct {
	rows   [sections]map[string][]*directive // classic, by first word
	hcl    [sections]map[string]*directive   // by the name of hclName
	groups [sections]map[string]bool         // first words of two-word names of hcl
	forms  map[*directive]pattern
	words  map[string]bool // all there are
}

// classic is the language of racoon.conf(5).
func classic() *language {
	return compile(globalDirectives(), listenDirectives(), modeCfgDirectives(),
		remoteDirectives(), proposalDirectives(), sainfoDirectives())
}

func compile(tables ...[]directive) *language {
	l := &language{forms: map[*directive]pattern{}, words: map[string]bool{}}
	for i := range l.rows {
		l.rows[i], l.hcl[i], l.groups[i] = map[string][]*directive{}, map[string]*directive{}, map[string]bool{}
	}
	for _, table := range tables {
		for i := range table {
			d := &table[i]
			l.learn(d)
			if first, _, _ := strings.Cut(d.name, " "); !d.header {
				l.rows[d.in][first] = append(l.rows[d.in][first], d)
			}
			if name := d.hclName(); name != "" && l.hcl[d.in][name] == nil { // an alias comes behind what it stands for
				l.hcl[d.in][name] = d
			}
			if group, _, two := strings.Cut(d.hclName(), "."); two {
				l.groups[d.in][group] = true
			}
			if d.head == nil { // else args is for the manual only
				l.forms[d] = mustPattern(d.args)
			}
		}
	}
	l.learnTables()
	return l
}

// hclName is the place of a directive in its HCL body: "lifetime", or "path.include"
// for the attribute include of the block path; "" if HCL has no word for it.
func (d *directive) hclName() string {
	switch {
	case d.hcl == "-", d.hcl == "" && (d.state == mapped || d.state == refused):
		return ""
	case d.hcl != "":
		return d.hcl
	}
	return strings.ReplaceAll(d.name, " ", ".")
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

// A pattern says what follows a directive's name, in words of the manual:
//
//	STRING SECRET NUMBER ...   a value of that type, see types
//	a|b|STRING                 one of these
//	X,...                      one or more of X with commas between (none needed inside remote)
//	[ ... ]                    may be left out as a whole
type pattern []term

type term struct {
	alts  []string // capital: a type; else the word itself
	many  bool
	group pattern // an optional group instead
}

// valueType is a type of value.
type valueType struct {
	name, hcl string // what a message calls it, in each spelling
	fits      func(token) bool
	read      func(*parser, *arg) bool // what belongs to the value behind its first token; it reports what is wrong with it
}

// types are the capital words of patterns.
var types = map[string]valueType{
	"STRING":   {"a string in double quotes", "a string", func(t token) bool { return t.kind == str }, nil},
	"SECRET":   {"a string in double quotes", `a reference to a secret ("file:/path" or "env:NAME")`, func(t token) bool { return t.kind == str }, readSecret},
	"DATE":     {`a date as "2027-06-30"`, `a date as "2027-06-30"`, func(t token) bool { return t.kind == str }, nil},
	"NUMBER":   {decimal, "a number", func(t token) bool { return t.kind == number && t.n <= maxNumber }, nil},
	"ADDRESS":  {"a numeric address", `a numeric address as "192.0.2.1"`, func(t token) bool { return t.kind == address }, nil},
	"ENDPOINT": {"a numeric address", `a numeric address as "192.0.2.1" or "192.0.2.1:500"`, func(t token) bool { return t.kind == address }, readPort},
	"NET":      {"a network as 10.0.0.0/8", `a network as "10.0.0.0/8"`, func(t token) bool { return t.kind == address }, readPrefix},
	"PORT":     {"a port as [500]", "a port", isPort, nil},
	"DURATION": {aTime, `a time as "30 sec", "5 min" or "8 hour"`, func(t token) bool { return t.kind == number && t.n <= maxNumber }, readUnit},
	"BYTES":    {"a unit (B, KB, MB or TB)", "a unit", func(t token) bool { return t.kind == word && byteUnits[t.text] != 0 }, nil},
	"SWITCH":   {"on or off", "true or false", func(t token) bool { return t.kind == word && (t.text == "on" || t.text == "off") }, readSwitch},
	"ALG":      {"the name of an algorithm", `an algorithm as "aes 256"`, func(t token) bool { return t.kind == word }, readKeyLength},
	"GROUP":    {"a Diffie-Hellman group", "a Diffie-Hellman group", func(t token) bool { return t.kind == word || t.kind == number }, nil},
	"NAME":     {"a name", "a name", func(t token) bool { return t.kind == word || t.kind == str }, nil},
	"IDENTITY": {"a type of identity", `an identity as { fqdn = "gw.example.org" } or "address"`, func(t token) bool { return t.kind == word && slices.Contains(identityTypes, t.text) }, readIdentity},
}

// What messages call a number, a time and the second word of a time.
const (
	decimal = "a decimal number"
	aTime   = "a time as 30 sec"
	aUnit   = "a time unit (sec, min or hour)"
	aName   = "a name in double quotes"
)

func isPort(t token) bool { return t.kind == port && t.text != "any" }

// timeUnit is the second word of a DURATION.
var timeUnit = valueType{name: aUnit, fits: func(t token) bool { return t.kind == word && timeUnits[t.text] != 0 }}

// fits returns the alternative a token is, "" if none.
func (t term) fits(tok token) string {
	for _, a := range t.alts {
		if typ, ok := types[a]; ok && typ.fits(tok) || !ok && tok.kind == word && tok.text == a {
			return a
		}
	}
	return ""
}

// want is what a message says is expected.
func (t term) want(hcl bool) string {
	names := make([]string, len(t.alts))
	for i, a := range t.alts {
		switch typ := types[a]; {
		case typ.fits == nil:
			names[i] = a
		case a == "SWITCH" && !hcl && len(t.alts) > 1:
			names[i] = "on, off"
		case hcl:
			names[i] = typ.hcl
		default:
			names[i] = typ.name
		}
	}
	if last := len(names) - 1; last > 0 {
		return strings.Join(names[:last], ", ") + " or " + names[last]
	}
	return names[0]
}

// words are the plain words among the alternatives.
func (t term) words() []string {
	if slices.Contains(t.alts, "IDENTITY") {
		return identityTypes
	}
	words := slices.DeleteFunc(slices.Clone(t.alts), func(a string) bool { return types[a].fits != nil })
	if slices.Contains(t.alts, "SWITCH") {
		words = append(words, "on", "off")
	}
	if slices.Contains(t.alts, "BYTES") {
		words = append(words, slices.Sorted(maps.Keys(byteUnits))...)
	}
	return words
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
	typ   string // of types, "" for a plain word
	keyed bool   // ALG: a key length follows, in n; ENDPOINT: a port does
	qual  string // IDENTITY: file or tag
	value token  // IDENTITY: the value, of kind eof if there is none
	more  []arg  // the further elements of a list
}

// list returns the arg and its further elements.
func (a arg) list() []arg { return append([]arg{a}, a.more...) }
