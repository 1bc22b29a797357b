package config

import (
	"net/netip"
	"strconv"
	"strings"
)

type kind uint8

const (
	eof     kind = iota
	bad          // an unexpected character, an unclosed string; already reported
	remark       // what stands for a blank elsewhere: //, a no-break space; already reported
	word         // a keyword or a name
	str          // a quoted string
	number       // decimal digits
	address      // an IPv4 or IPv6 address, perhaps with a zone
	until        // "-ADDRESS", the end of a range
	prefix       // "/24"
	port         // "[500]"; n = 0 and text "any" for "[any]"
	punct        // { } ; ,
)

// token is one word of a file.
type token struct {
	kind     kind
	text     string // without quotes, brackets, slash or dash
	n        uint64 // number, prefix, port
	addr     netip.Addr
	src      *source
	off, end int // where it is written
}

func (t token) is(punctuation string) bool { return t.kind == punct && t.text == punctuation }

// lexer cuts a source into tokens (racoon.conf(5), racoon-conf section 1). Words
// are not told apart by context here: that is the parser's table.
type lexer struct {
	src    *source
	pos    int
	report func(Diagnostic)
	silent int  // up to here nothing is reported
	folded int  // line in which the first string of several lines begins
	keep   bool // comments
	kept   []token
}

func (l *lexer) comments() []token {
	kept := l.kept
	l.kept = nil
	return kept
}

func (l *lexer) next() token {
	l.skipBlank()
	t := token{src: l.src, off: l.pos, end: l.pos}
	if l.pos >= len(l.src.text) {
		return t
	}
	rest := l.src.text[l.pos:]
	switch c := rest[0]; {
	case strings.IndexByte("{};,", c) >= 0:
		return l.take(t, punct, 1, rest[:1])
	case c == '"':
		end := strings.IndexByte(rest[1:], '"')
		if end < 0 {
			t = l.take(t, bad, len(rest), "")
			open := t
			open.end = open.off + 1
			l.fault(open, codeLex, Error, "this quote is never closed", l.missingQuote())
			return t
		}
		if l.folded == 0 && strings.Contains(rest[:end+1], "\n") {
			l.folded, _ = l.src.position(l.pos)
		}
		return l.take(t, str, end+2, rest[1:end+1])
	case strings.HasPrefix(rest, "//"), strings.HasPrefix(rest, "/*"):
		if l.pos == 0 || strings.IndexByte(" \t\r\n\v\f;{}", l.src.text[l.pos-1]) >= 0 {
			return l.foreignComment(t, rest)
		}
		return l.path(t, rest)
	case strings.HasPrefix(rest, "\u00a0"):
		return l.foreign(t, len("\u00a0"), len("\u00a0"), "is a no-break space", "write an ordinary blank")
	case c == '=' && !strings.HasPrefix(rest, "=="):
		return l.foreign(t, 1, 1, "is not expected here", "no equal sign stands between a name and its value")
	case c == '[':
		return l.port(t, rest)
	case c == '/':
		if n := run(rest[1:], isDigit); n > 0 && n <= 3 && run(rest[1+n:], isWordByte) == 0 && !strings.HasPrefix(rest[1+n:], "/") {
			return l.number(t, prefix, 1+n, rest[1:1+n])
		}
		return l.path(t, rest)
	case c == '-':
		if a, n := leadingAddr(rest[1:]); n > 0 {
			t = l.take(t, until, 1+n, rest[1:1+n])
			t.addr = a
			return t
		}
	case isWordByte(c):
		return l.word(t, rest)
	}
	return l.unexpected(t, rest)
}

// word takes a run of letters, digits and address characters and decides what it is.
func (l *lexer) word(t token, rest string) token {
	if n := run(rest, isDigit); n > 0 {
		unit := run(rest[n:], isWordByte)
		if unit == 0 || isUnit(rest[n:n+unit]) { // "30sec" is two words
			return l.number(t, number, n, rest[:n])
		}
	}
	if a, n := leadingAddr(rest); n > 0 {
		t = l.take(t, address, n, rest[:n])
		t.addr = a
		return t
	}
	letter := isLetter(rest[0])
	n := run(rest, func(c byte) bool { return isWordByte(c) || c == '-' && letter })
	return l.take(t, word, n, rest[:n])
}

func (l *lexer) port(t token, rest string) token {
	n := run(rest[1:], isWordByte)
	if text := rest[1 : 1+n]; strings.HasPrefix(rest[1+n:], "]") {
		if text == "any" {
			return l.take(t, port, n+2, text)
		}
		if v, err := strconv.ParseUint(text, 10, 16); err == nil {
			t = l.take(t, port, n+2, text)
			t.n = v
			return t
		}
	}
	end := strings.IndexAny(rest, "];{}\n\"")
	if end < 0 {
		end = len(rest)
	} else if rest[end] == ']' {
		end++
	}
	t = l.take(t, bad, end, rest[:end])
	l.fault(t, codeLex, Error, "is no port: a number from 0 to 65535 in brackets is expected, without blanks", "[500]")
	return t
}

func (l *lexer) number(t token, k kind, size int, digits string) token {
	t = l.take(t, k, size, digits)
	var err error
	if t.n, err = strconv.ParseUint(digits, 10, 64); err != nil {
		t.kind = bad
		l.fault(t, codeLex, Error, "is too large a number", "")
	}
	return t
}

func (l *lexer) take(t token, k kind, size int, text string) token {
	t.kind, t.text = k, text
	l.pos += size
	t.end = l.pos
	return t
}

// skipBlank skips white space and comments.
func (l *lexer) skipBlank() {
	for text := l.src.text; l.pos < len(text); l.pos++ {
		switch text[l.pos] {
		case ' ', '\t', '\r', '\n', '\v', '\f':
		case '#':
			end := len(text)
			if nl := strings.IndexByte(text[l.pos:], '\n'); nl >= 0 {
				end = l.pos + nl
			}
			if l.keep {
				l.kept = append(l.kept, token{src: l.src, off: l.pos, end: end, text: strings.TrimLeft(text[l.pos:end], "#")})
			}
			if l.pos = end; end == len(text) {
				return
			}
		default:
			return
		}
	}
}

// leadingAddr parses the address s begins with; n = 0 if there is none.
func leadingAddr(s string) (netip.Addr, int) {
	n := run(s, func(c byte) bool { return isHex(c) || c == ':' || c == '.' })
	if strings.HasPrefix(s[n:], "%") {
		n += 1 + run(s[n+1:], func(c byte) bool { return isLetter(c) || isDigit(c) || c == '_' || c == '.' })
	}
	if n < len(s) && isWordByte(s[n]) {
		return netip.Addr{}, 0
	}
	a, err := netip.ParseAddr(s[:n])
	if err != nil {
		return netip.Addr{}, 0
	}
	return a, n
}

func run(s string, in func(byte) bool) int {
	for i := range len(s) {
		if !in(s[i]) {
			return i
		}
	}
	return len(s)
}

func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
func isHex(c byte) bool    { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }
func isWordByte(c byte) bool {
	return isLetter(c) || isDigit(c) || strings.IndexByte("_.:%", c) >= 0
}
