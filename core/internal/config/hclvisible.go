package config

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// hclHidden is hidden for HCL: names are shown, and of values what the table knows
// as those of an attribute without a secret. It reads tokens and not the syntax
// tree, which a file with a mistake may not have.
func (l *language) hclHidden(s *source) (hide, comments []span) {
	tokens, _ := hclsyntax.LexConfig([]byte(s.text), s.name, hcl.InitialPos)
	m := hclMasker{lang: l, nest: []hclPlace{{level: values}}}
	for i, t := range tokens {
		at := span{t.Range.Start.Byte, t.Range.End.Byte}
		if t.Type == hclsyntax.TokenComment {
			comments = append(comments, at)
			if strings.HasSuffix(string(t.Bytes), "\n") { // it has the end of the line in it
				m.structure(hclsyntax.TokenNewline)
				m.prev = hclsyntax.TokenNewline
			}
		} else if !m.shown(tokens, i) && at.from < at.to {
			hide = append(hide, at)
		}
	}
	return hide, comments
}

// hclMasker decides token by token.
type hclMasker struct {
	lang  *language
	nest  []hclPlace
	name  string              // of the attribute or block being read
	value bool                // behind its equal sign
	trust trust               // of that value
	prev  hclsyntax.TokenType // the token before, comments left out
	depth int                 // of brackets in the value
	lost  bool                // quotes may be inside out
}

// hclPlace is the body of a block.
type hclPlace struct {
	in     section
	prefix string
	fields []string // the attributes there are, if they are the arguments of one directive
	level  trust
}

func (m *hclMasker) shown(tokens hclsyntax.Tokens, i int) bool {
	t := tokens[i]
	text := string(t.Bytes)
	show := false
	switch t.Type {
	case hclsyntax.TokenInvalid, hclsyntax.TokenBadUTF8, hclsyntax.TokenQuotedNewline, hclsyntax.TokenApostrophe, hclsyntax.TokenBacktick, hclsyntax.TokenEOF:
		m.lost = true
	case hclsyntax.TokenIdent:
		show = m.ident(tokens, i, text)
	case hclsyntax.TokenNumberLit:
		show = m.value && m.trust != nothing && !m.lost
	case hclsyntax.TokenQuotedLit:
		show = !m.lost && m.literal(tokens, i, text)
	case hclsyntax.TokenStringLit:
	default:
		show = true
		m.structure(t.Type)
	}
	m.prev = t.Type
	return show
}

// ident: a name is shown; in a value, the words of the language, and what stands for
// a value of which nothing else may be said.
func (m *hclMasker) ident(tokens hclsyntax.Tokens, i int, text string) bool {
	next := following(tokens, i)
	before := m.prev
	switch named := next == hclsyntax.TokenEqual || next == hclsyntax.TokenColon; {
	case !m.value && before == hclsyntax.TokenDot:
		return false
	case !m.value:
		first := before == hclsyntax.TokenNewline || before == hclsyntax.TokenOBrace || i == 0
		if first || named || next != hclsyntax.TokenOBrace { // else it is a label without quotes
			m.name = text
		}
		return !m.lost && first && (named || next == hclsyntax.TokenOBrace || next == hclsyntax.TokenOQuote) || m.lang.words[text]
	case named: // of an object
		show := !m.lost && m.trust == values || m.lang.words[text]
		begins := before == hclsyntax.TokenOBrace || before == hclsyntax.TokenComma || before == hclsyntax.TokenNewline
		if !begins || text != "keyid_file" && !slices.Contains(identityTypes, text) {
			m.trust = nothing
		}
		return show
	case m.lost:
		return m.lang.words[text] && m.trust == values
	}
	if before == hclsyntax.TokenDot || text == "local" {
		return i < 2 || text == "local" || string(tokens[i-2].Bytes) == "local"
	}
	begins := before == hclsyntax.TokenEqual || before == hclsyntax.TokenOBrack || before == hclsyntax.TokenComma || before == hclsyntax.TokenColon
	return m.lang.words[text] && m.trust != nothing || m.trust == values && begins
}

// literal: a string of a value without secrets, a label, or a reference.
func (m *hclMasker) literal(tokens hclsyntax.Tokens, i int, text string) bool {
	alone := i > 1 && i+1 < len(tokens) && tokens[i-1].Type == hclsyntax.TokenOQuote && tokens[i+1].Type == hclsyntax.TokenCQuote
	if !m.value {
		return alone && slices.Contains([]string{"remote", "plugin"}, m.name) && len(m.nest) == 1
	}
	if alone && isReference(text) {
		return true
	}
	begins := !alone || tokens[i-2].Type != hclsyntax.TokenCQuote && tokens[i-2].Type != hclsyntax.TokenIdent && tokens[i-2].Type != hclsyntax.TokenNumberLit
	return m.trust == values && begins
}

// structure follows brackets, equal signs and the ends of lines.
func (m *hclMasker) structure(t hclsyntax.TokenType) {
	top := &m.nest[len(m.nest)-1]
	switch t {
	case hclsyntax.TokenEqual:
		switch {
		case m.value && m.depth == 0: // two on one line
			m.trust = nothing
		case !m.value:
			m.value, m.depth = true, 0
			m.trust = m.trusted(*top, m.name)
		}
	case hclsyntax.TokenNewline:
		if m.depth == 0 {
			m.value, m.name = false, ""
		}
	case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
		if m.value {
			m.depth++
			return
		}
		m.nest = append(m.nest, m.inside(*top, m.name))
	case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenTemplateSeqEnd:
		switch {
		case m.value && m.depth > 0:
			m.depth--
		case len(m.nest) > 1:
			m.nest = m.nest[:len(m.nest)-1]
			m.value, m.name = false, ""
		}
	}
}

// trusted says what of an attribute's value may be shown.
func (m *hclMasker) trusted(in hclPlace, name string) trust {
	if d := m.lang.hcl[in.in][in.prefix+name]; in.fields == nil && in.level == values && d != nil && d.fields == "" {
		return d.trust()
	}
	if in.fields == nil && in.level == values && in.prefix == "" && in.in == top && name == "kernel" || in.prefix == "plugin." && slices.Contains([]string{"path", "sha256", "critical"}, name) {
		return values
	}
	if slices.Contains(in.fields, name) { // an argument of one directive
		return in.level
	}
	return nothing
}

// inside is the body of a block.
func (m *hclMasker) inside(in hclPlace, name string) hclPlace {
	d := m.lang.hcl[in.in][in.prefix+name]
	switch {
	case in.level != values || in.prefix == "plugin." || in.fields != nil:
		return hclPlace{}
	case d != nil && d.body != top:
		return hclPlace{in: d.body, level: values}
	case in.in == top && in.prefix == "" && name == "plugin":
		return hclPlace{prefix: "plugin.", level: values}
	case m.lang.hclGroup(in.in, in.prefix+name) && (d == nil || d.fields == ""):
		return hclPlace{in: in.in, prefix: in.prefix + name + ".", level: values}
	case d != nil && d.fields != "":
		return hclPlace{in: in.in, fields: strings.Fields(d.fields), level: d.trust()}
	}
	return hclPlace{}
}

// following is the kind of the token behind, comments left out.
func following(tokens hclsyntax.Tokens, i int) hclsyntax.TokenType {
	for _, t := range tokens[i+1:] {
		if t.Type != hclsyntax.TokenComment {
			return t.Type
		}
	}
	return hclsyntax.TokenEOF
}
