package config

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// fault reports an error of a token that starts where nothing has been said yet.
func (l *lexer) fault(t token, code string, sev Severity, what, fix string) {
	if t.off >= l.silent {
		l.report(at(t, code, sev, what, fix))
	}
}

// missingQuote guesses where the quote is missing that one too many tells of.
func (l *lexer) missingQuote() string {
	if l.folded == 0 {
		return ""
	}
	return fmt.Sprintf("the one that is missing may be in line %d, where a string begins that does not end there", l.folded)
}

// path takes a path without quotes: the parser says what it wants instead.
func (l *lexer) path(t token, rest string) token {
	n := run(rest, func(c byte) bool { return isWordByte(c) || strings.IndexByte("/-*?~", c) >= 0 })
	return l.take(t, word, n, rest[:n])
}

// unexpected takes a run of characters that begin nothing.
func (l *lexer) unexpected(t token, rest string) token {
	_, n := utf8.DecodeRuneInString(rest)
	for n < len(rest) { // one report for a run of them
		r, size := utf8.DecodeRuneInString(rest[n:])
		if r < utf8.RuneSelf && (isWordByte(byte(r)) || strings.ContainsRune(" \t\r\n\"[]{};,#/=", r)) || r == '\u00a0' {
			break
		}
		n += size
	}
	t = l.take(t, bad, n, "")
	fix := ""
	if strings.ContainsAny(rest[:n], "'\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb") {
		fix = `strings are written with straight double quotes: "..."`
	}
	l.fault(t, codeLex, Error, "unexpected character", fix)
	return t
}

// foreign takes what another language has, says what is wrong with the first octets
// of it, and lets the parser read on as if it were not there.
func (l *lexer) foreign(t token, size, shown int, what, fix string) token {
	t = l.take(t, remark, size, "")
	head := t
	head.end = t.off + shown
	l.fault(head, codeLex, Error, what, fix)
	return t
}

// foreignComment takes // to the end of the line and /* to its end.
func (l *lexer) foreignComment(t token, rest string) token {
	size := run(rest, func(c byte) bool { return c != '\n' })
	if rest[1] == '*' {
		if end := strings.Index(rest[2:], "*/"); end >= 0 {
			size = 2 + end + 2
		}
	}
	return l.foreign(t, size, 2, "begins no comment", "a comment begins with #")
}
