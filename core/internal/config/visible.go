package config

import (
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/racoon-ike/racoon/core/internal/policy"
)

// What a message may quote of a classic file. Secrets stand where they belong and
// where they do not, behind every spelling of a word, and a missing quote turns the
// file inside out. So nothing is shown for looking harmless: a word is shown because
// the language knows it, and any other text because a dry run of the parser took it
// for the value of a directive that has no secret.

// witness is what the dry run saw.
type witness struct {
	seen  map[int]int  // offset of what may be shown, and its end
	names map[int]bool // offsets where directives begin
	level trust
	torn  bool // the statement before could not be read
}

// trust says what of a directive's values may be shown.
type trust uint8

const (
	nothing  trust = iota
	noString       // words and numbers, where a string may hold anything
	values
)

func (d *directive) trust() trust {
	switch {
	case strings.Contains(d.args, "SECRET"):
		return nothing
	case d.in == inRadius || d.in == inLDAP:
		return noString
	}
	return values
}

func (w *witness) show(from, to int) { w.seen[from] = max(to, w.seen[from]) }

// took is told every token the parser takes.
func (w *witness) took(t token) {
	if w != nil && (w.level == values || w.level == noString && t.kind != str) {
		w.show(t.off, t.end)
	}
}

// named is told the name of a directive.
func (w *witness) named(t token) {
	if w != nil {
		w.names[t.off] = true
		w.show(t.off, t.end)
	}
}

// begin and done are told where the values of a directive begin and end.
func (w *witness) begin(rows ...*directive) {
	if w == nil {
		return
	}
	w.level, w.torn = values, false
	for _, d := range rows {
		w.level = min(w.level, d.trust())
	}
}

func (w *witness) done(ok bool) {
	if w != nil {
		w.level, w.torn = nothing, !ok
	}
}

// unfit is told a token that is not what is wanted. It is shown with what is glued
// to it where a string is wanted, and a string where its text would be right.
func (w *witness) unfit(t token, wanted, unquoted bool) {
	switch {
	case w == nil || w.level != values:
	case t.kind == str:
		if unquoted {
			w.show(t.off, t.end)
		}
	case wanted:
		w.show(t.off, t.off+len(t.glued()))
	case t.end-t.off <= maxToken:
		w.show(t.off, t.end)
	}
}

// stranger is told a word that is no directive. It is shown if it resembles one, or
// if the statement before was whole, or on another line.
func (w *witness) stranger(t token, in section, near bool) {
	if w == nil {
		return
	}
	line, _ := t.src.position(t.off)
	first := strings.TrimSpace(t.src.text[t.src.lines[line-1]:t.off]) == ""
	if near || in != inRadius && in != inLDAP && (first || !w.torn) {
		w.show(t.off, t.end)
	}
	w.torn = true
}

// glued is a token with all that follows up to a blank, a quote or punctuation.
func (t token) glued() string {
	text := t.src.text[t.off:]
	end := t.end - t.off
	return text[:end+run(text[end:], func(c byte) bool { return strings.IndexByte(" \t\r\n\v\f\";{},#", c) < 0 })]
}

// source is a text to be parsed, with its secrets kept from messages.
func (l *language) source(name, text string) *source {
	s := newSource(name, text)
	if s.secrets = l.hidden; s.hcl {
		s.secrets = l.hclHidden
	}
	return s
}

// hidden returns what no message shows of a classic file, and its comments.
func (l *language) hidden(s *source) (hide, comments []span) {
	m := masker{lang: l, witness: l.dryRun(s), whole: true}
	lex := &lexer{src: s, report: func(Diagnostic) {}, keep: true}
	for t := lex.next(); t.kind != eof; t = lex.next() {
		if to := m.shown(t); to < t.end {
			hide = append(hide, span{to, t.end})
		}
	}
	for _, c := range lex.kept {
		comments = append(comments, span{c.off, c.end})
	}
	return hide, comments
}

var errDry = errors.New("not read")

// dryRun parses a file for what may be shown.
func (l *language) dryRun(s *source) *witness {
	w := &witness{seen: map[int]int{}, names: map[int]bool{}}
	p := &parser{lang: l, dry: true, witness: w, in: s.in, cfg: &policy.Config{},
		readFile: func(string) ([]byte, error) { return nil, errDry }}
	p.lex = &lexer{src: s, report: func(Diagnostic) {}}
	p.last = token{src: s}
	p.commasBlank = s.in == inRemote
	p.block(s.in, token{src: s})
	return w
}

// masker decides token by token.
type masker struct {
	lang *language
	*witness
	to    int // shown up to here
	prev  token
	whole bool // so far the statement is of the language
	known bool // before stands a word of the language that has no secret behind it
	quiet bool // from a word with a secret behind it to the end of the statement
	lost  int  // up to here quotes may be inside out
}

// secretWords have a secret behind them, or may be meant to.
var secretWords = []string{"auth", "acct", "bind_pw", "psk", "pre_shared_key", "shared_secret", "use", "key", "keychain", "keychain_by_id"}

// shown returns up to where a token may be shown.
func (m *masker) shown(t token) int {
	switch t.kind {
	case remark:
		return min(t.end, t.off+2)
	case punct:
		if m.prev, m.known = t, false; !t.is(",") {
			m.quiet, m.whole = false, true
		}
		return t.end
	}
	if m.names[t.off] { // the semicolon before may be missing
		m.quiet, m.whole = false, true
	}
	m.to = max(m.to, m.seen[t.off])
	vouched := t.off < m.to
	known := t.kind == word && m.lang.words[t.text]
	secret := t.kind == word && slices.Contains(secretWords, t.text)
	if m.lost = max(m.lost, inverted(t)); t.kind == bad && !vouched && strings.ContainsAny(t.src.text[t.off:t.end], "'\"“”‘’„‚«»") {
		if m.lost = max(m.lost, lineEnd(t)); m.quiet || !m.whole {
			m.lost = len(t.src.text)
		}
	}
	show := known
	switch {
	case t.off < m.lost, m.quiet && !vouched:
		show = known && (secret || !m.quiet)
	case vouched:
		show = true
	case m.whole && m.prev.kind != str && (t.kind == until || noLetters(t.src.text[t.off:t.end])):
		show = true
	case t.kind == number:
		show = m.known
	default:
		show = known || t.kind == address || t.kind == prefix || t.kind == port
	}
	m.quiet = m.quiet || secret && (!vouched || t.text != "pre_shared_key")
	m.prev, m.known = t, known && !secret
	m.whole = m.whole && (vouched || known)
	switch {
	case !show:
		return t.off
	case vouched && !known:
		return min(t.end, m.to)
	}
	return t.end
}

// noLetters reports whether there is nothing in a text but digits and signs, or one
// character only.
func noLetters(text string) bool {
	return utf8.RuneCountInString(text) == 1 || strings.IndexFunc(text, func(r rune) bool { return unicode.IsLetter(r) || strings.ContainsRune("'\"", r) }) < 0
}

// inverted returns up to where quotes may be inside out if a string looks like what
// is between two others: to the end of the line, where quotes are paired again, or
// of the file if the string goes over lines.
func inverted(t token) int {
	text := t.src.text
	behind := text[t.end:]
	switch {
	case t.kind != str:
		return 0
	case strings.ContainsAny(t.text, "\n\r"):
		return len(text)
	case strings.ContainsAny(t.text, ";{}") || strings.TrimSpace(t.text) != t.text ||
		behind != "" && strings.IndexByte(" \t\r\n\v\f;{},#", behind[0]) < 0:
		return lineEnd(t)
	}
	return 0
}

// lineEnd is where the line a token ends in does.
func lineEnd(t token) int {
	return t.end + run(t.src.text[t.end:], func(c byte) bool { return c != '\n' })
}
