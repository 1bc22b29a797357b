package setkey

import (
	"fmt"
	"strings"
)

// Pos is a place in a text.
type Pos struct {
	File string
	Line int
}

func (p Pos) String() string { return fmt.Sprintf("%s:%d", p.File, p.Line) }

// Error is what is wrong with a command, and where it begins to be.
type Error struct {
	Pos
	Msg string
}

func (e *Error) Error() string { return e.Pos.String() + ": " + e.Msg }

type kind uint8

const (
	end kind = iota
	word
	number // decimal digits
	hexNumber
	quoted
	option // "-E"
	mark   // one character: ; / [ ] ,
)

// token is a piece of a text. Of a quoted string text is what is inside.
type token struct {
	kind kind
	text string
	line int
}

func (t token) String() string {
	switch t.kind {
	case end:
		return "the end of the text"
	case quoted:
		return "a quoted string" // it may be a key
	case hexNumber:
		return "a hexadecimal number"
	}
	return fmt.Sprintf("%q", t.text)
}

// lexer cuts a text into tokens.
type lexer struct {
	text string
	at   int
	line int
}

const (
	digits  = "0123456789"
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	hexes   = digits + "abcdefABCDEF"
	// A word is a name, an address or a decimal number.
	wordFirst = letters + digits + ":"
	wordRest  = wordFirst + "%.-"
	// Characters of a policy, from -P to the semicolon.
	policyChars = letters + digits + ":.%-+_/[] \t\r\n"
)

// next is the next token. An error leaves the lexer behind what it is about.
func (l *lexer) next() (token, error) {
	l.skip()
	t := token{line: l.line}
	if l.at == len(l.text) {
		return t, nil
	}
	switch c := l.text[l.at]; {
	case strings.IndexByte(";/[],", c) >= 0:
		t.kind, t.text = mark, l.text[l.at:l.at+1]
		l.at++
	case c == '"':
		return l.quoted()
	case c == '-':
		t.kind, t.text = option, "-"+l.span(1, letters+digits)
		l.at += len(t.text)
		if t.text == "-" {
			return t, fmt.Errorf(`"-" without a letter behind it`)
		}
	case strings.IndexByte(wordFirst, c) >= 0:
		t.text = l.span(0, wordRest)
		l.at += len(t.text)
		t.kind = kindOf(t.text)
	default:
		l.at++
		return t, fmt.Errorf("character %q has no meaning here", c)
	}
	return t, nil
}

// kindOf tells a number from a word.
func kindOf(s string) kind {
	only := func(s, chars string) bool { return s != "" && strings.Trim(s, chars) == "" }
	switch {
	case only(s, digits):
		return number
	case len(s) > 2 && (s[:2] == "0x" || s[:2] == "0X") && only(s[2:], hexes):
		return hexNumber
	}
	return word
}

// span is the longest run of chars, from skip characters ahead.
func (l *lexer) span(skip int, chars string) string {
	rest := l.text[l.at+skip:]
	return rest[:len(rest)-len(strings.TrimLeft(rest, chars))]
}

// skip goes over white space and comments.
func (l *lexer) skip() {
	for ; l.at < len(l.text); l.at++ {
		switch c := l.text[l.at]; {
		case c == '\n':
			l.line++
		case c == '#':
			comment, _, _ := strings.Cut(l.text[l.at:], "\n")
			l.at += len(comment) - 1
		case c != ' ' && c != '\t' && c != '\r':
			return
		}
	}
}

// quoted reads a string: no escapes, and it may go over several lines.
func (l *lexer) quoted() (token, error) {
	t := token{kind: quoted, line: l.line}
	inside, _, closed := strings.Cut(l.text[l.at+1:], `"`)
	if !closed {
		l.at = len(l.text)
		return t, fmt.Errorf("the string that begins here does not end: a quotation mark is missing")
	}
	l.at += len(inside) + 2
	l.line += strings.Count(inside, "\n")
	t.text = inside
	return t, nil
}

// policy is the text from here to the semicolon, which stays, and the line it
// begins in. It has a language of its own.
func (l *lexer) policy() (text string, line int, err error) {
	line = l.line
	text, _, closed := strings.Cut(l.text[l.at:], ";")
	l.at += len(text)
	l.line += strings.Count(text, "\n")
	if bad := strings.Trim(text, policyChars); bad != "" {
		at := strings.IndexFunc(text, func(r rune) bool { return !strings.ContainsRune(policyChars, r) })
		line += strings.Count(text[:at], "\n")
		if text[at] == '#' {
			return "", line, fmt.Errorf("a comment inside a policy: put it before the command or after the semicolon")
		}
		return "", line, fmt.Errorf("character %q has no meaning in a policy", []rune(text[at:])[0])
	}
	if !closed {
		return "", line, fmt.Errorf("the policy does not end: a semicolon is missing")
	}
	return text, line, nil
}

// recover goes behind the next semicolon outside comments and strings.
func (l *lexer) recover() {
	for {
		t, err := l.next()
		if err == nil && (t.kind == end || t.text == ";" && t.kind == mark) {
			return
		}
	}
}
