package swanctl

import (
	"sort"
	"strings"
	"unicode/utf8"
)

// scanner cuts a file of strongSwan's settings format into words. What a
// character means depends on where it stands, so the parser asks for what it
// wants: a name, a value, a pattern.
type scanner struct {
	name  string
	text  string
	pos   int
	lines []int // offset of each line's first octet
	lost  bool  // the end was reached by mistake
}

func newScanner(name, text string) *scanner {
	sc := &scanner{name: name, text: text, lines: []int{0}}
	for i := range len(text) {
		if text[i] == '\n' {
			sc.lines = append(sc.lines, i+1)
		}
	}
	return sc
}

// at is the place of an offset.
func (sc *scanner) at(off int) Position {
	line := sort.SearchInts(sc.lines, off+1)
	return Position{sc.name, line, utf8.RuneCountInString(sc.text[sc.lines[line-1]:off]) + 1}
}

// peek returns the next octet, 0 at the end. A NUL in the text reads as the end
// too: no word can hold it.
func (sc *scanner) peek() byte {
	if sc.pos >= len(sc.text) {
		return 0
	}
	return sc.text[sc.pos]
}

func (sc *scanner) eof() bool { return sc.pos >= len(sc.text) }

// skip passes the octets of a set.
func (sc *scanner) skip(set string) {
	for !sc.eof() && strings.IndexByte(set, sc.text[sc.pos]) >= 0 {
		sc.pos++
	}
}

// until takes everything before the first octet of a set.
func (sc *scanner) until(set string) string {
	from := sc.pos
	for !sc.eof() && strings.IndexByte(set, sc.text[sc.pos]) < 0 {
		sc.pos++
	}
	return sc.text[from:sc.pos]
}

// Octets that end a word. Between statements a newline is a blank.
const (
	blank    = " \t\r"
	space    = blank + "\n"
	notName  = "#{}:.,=\"\x00" + space
	notValue = "#}\"\x00" + space
	notGlob  = "#}\"\\\x00" + space
)

// skipSpace passes blanks, newlines and comments.
func (sc *scanner) skipSpace() {
	for sc.skip(space); sc.peek() == '#'; sc.skip(space) {
		sc.until("\n")
	}
}

// line passes the rest of the line: after an error the next one is tried.
func (sc *scanner) line() { sc.until("\n") }

// str takes a quoted string, which may go over several lines. A backslash before
// the end of a line joins it with the next one.
func (sc *scanner) str() (string, bool) {
	var b strings.Builder
	for sc.pos++; !sc.eof(); {
		b.WriteString(strings.ReplaceAll(sc.until("\"\\"), "\r", ""))
		if sc.eof() {
			break
		}
		c := sc.text[sc.pos]
		sc.pos++
		if c == '"' {
			return b.String(), true
		}
		if strings.HasPrefix(sc.text[sc.pos:], "\r\n") {
			sc.pos++
		}
		switch c := sc.peek(); c {
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 't':
			b.WriteByte('\t')
		case '\n':
		default:
			if !sc.eof() {
				b.WriteByte(c)
			}
		}
		sc.pos = min(sc.pos+1, len(sc.text))
	}
	return "", false
}

// value takes a value: words and strings to the end of the line, joined with one
// blank. at is where it begins; !ok is a string that is never closed, or a secret
// that begins in the middle: it must not become part of something that is shown.
// In a secret itself the word may stand.
func (sc *scanner) value(secret bool) (text string, at Position, ok bool) {
	sc.skip(blank)
	at = sc.at(sc.pos)
	var parts []string
	for {
		sc.skip(blank)
		switch c := sc.peek(); {
		case c == '"':
			s, ok := sc.str()
			if !ok {
				return "", at, false
			}
			parts = append(parts, s)
		case strings.IndexByte("#}\n\x00", c) >= 0:
			return strings.Join(parts, " "), at, true
		default:
			from := sc.pos
			word := sc.until(notValue)
			if !secret && len(parts) > 0 && strings.HasPrefix(word, "secret") {
				return "", sc.at(from), false
			}
			parts = append(parts, word)
		}
	}
}

// pattern takes the name of files to include, quoted or to the next blank.
func (sc *scanner) pattern() (string, bool) {
	if sc.peek() == '"' {
		return sc.str()
	}
	var b strings.Builder
	for {
		b.WriteString(sc.until(notGlob))
		if sc.peek() != '\\' {
			return b.String(), true
		}
		sc.pos++
		if c := sc.peek(); strings.IndexByte("\"#} ", c) < 0 || c == 0 {
			b.WriteByte('\\')
		} else {
			b.WriteByte(c)
			sc.pos++
		}
	}
}
