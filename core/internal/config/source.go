package config

import (
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/racoon-ike/racoon/core/internal/policy"
)

// source is the text of one file, with what is needed to quote from it.
type source struct {
	name     string // as opened
	text     string
	hcl      bool                                    // else classic
	in       section                                 // where it begins
	lines    []int                                   // offset of each line's first octet
	secrets  func(*source) (hidden, comments []span) // nil: all of it is hidden
	hidden   []span                                  // what no message may show, in order; found at the first diagnostic
	comments []span                                  // what no message repeats
	masked   bool
	braces   int // that are not closed, and one; 0 = not counted yet
}

type span struct{ from, to int }

// byteOrderMark may stand at the beginning of a file and says nothing.
const byteOrderMark = "\ufeff"

func newSource(name, text string) *source {
	text = strings.TrimPrefix(text, byteOrderMark)
	s := &source{name: name, text: text, hcl: IsHCL(name), lines: []int{0}}
	for i := range len(text) {
		if text[i] == '\n' {
			s.lines = append(s.lines, i+1)
		}
	}
	return s
}

// position returns line and column, both from 1; the column counts characters.
func (s *source) position(off int) (line, col int) {
	line = sort.SearchInts(s.lines, off+1)
	return line, utf8.RuneCountInString(s.text[s.lines[line-1]:off]) + 1
}

// line returns line n (from 1) without its end and its comment, but at least its
// first col columns, secrets replaced by asterisks.
func (s *source) line(n, col int) string {
	from := s.lines[n-1]
	to := len(s.text)
	if n < len(s.lines) {
		to = s.lines[n]
	}
	text := strings.TrimRight(s.show(from, to), "\r\n")
	short := strings.TrimRight(text, " \t")
	if missing := col - utf8.RuneCountInString(short); missing > 0 {
		short += strings.Repeat(" ", min(missing, len(text)-len(short)))
	}
	return short
}

// show returns the text between two offsets with everything secret in it masked,
// character by character so that columns stay. A comment becomes blanks.
func (s *source) show(from, to int) string {
	if !s.masked {
		s.masked = true
		s.hidden = []span{{0, len(s.text)}}
		if s.secrets != nil {
			s.hidden, s.comments = s.secrets(s)
		}
	}
	var b strings.Builder
	for i := from; i < to; {
		_, size := utf8.DecodeRuneInString(s.text[i:to])
		switch c := s.text[i : i+size]; {
		case strings.Contains(" \t\r\n\";{}", c):
			b.WriteString(c)
		case within(s.comments, i):
			b.WriteByte(' ')
		case within(s.hidden, i):
			b.WriteByte('*')
		default:
			b.WriteString(c)
		}
		i += size
	}
	return b.String()
}

// within reports whether an offset lies in one of the spans, which are in order.
func within(spans []span, off int) bool {
	i := sort.Search(len(spans), func(i int) bool { return spans[i].to > off })
	return i < len(spans) && spans[i].from <= off
}

// quotable is a text that comes from a token, for a sentence: asterisks unless the
// token is shown and holds it.
func (t token) quotable(text string) string {
	if strings.Contains(t.src.show(t.off, t.end), text) {
		return text
	}
	return "***"
}

// mentionsHidden reports whether a sentence of others may hold something secret.
func (s *source) mentionsHidden(text string) bool {
	s.show(0, 0)
	for _, h := range s.hidden {
		if word := strings.Trim(s.text[h.from:h.to], "\" \t\r\n"); len(word) > 2 && strings.Contains(text, word) {
			return true
		}
	}
	return false
}

// elsewhere is a place as seen from a token: with its file if that is another.
func (t token) elsewhere(at policy.Position) string {
	if at.File == t.src.name {
		return fmt.Sprintf("line %d", at.Line)
	}
	return fmt.Sprintf("line %d of %s", at.Line, at.File)
}

// position is a token's place in the model.
func position(t token) policy.Position {
	line, _ := t.src.position(t.off)
	return policy.Position{File: t.src.name, Line: line}
}

// shown is the same source with nothing masked, for who knows what is secret in it.
func (s *source) shown() *source {
	if s == nil {
		return nil
	}
	c := *s
	c.hidden, c.comments, c.masked = nil, nil, true
	return &c
}
