package lint

import (
	"fmt"
	"strings"
)

// Explanation is what there is to say about a code, apart from any file.
type Explanation struct {
	Code   string
	Title  string
	Why    string // why it matters
	Do     string // what to do
	Policy string // pack, "" for findings that need none
	Source string // of a pack's rule: where it is asked for
}

// Explain finds the explanation of a code.
func Explain(code string) (Explanation, bool) {
	for _, e := range explanations {
		if e.Code == code {
			return e, true
		}
	}
	for _, p := range Packs() {
		for _, r := range p.rules {
			if r.id == code {
				return Explanation{Code: r.id, Title: r.sentence, Why: r.why, Do: r.fix, Policy: p.Name, Source: p.Document + ", " + r.source}, true
			}
		}
	}
	return Explanation{}, false
}

// Text is the explanation for a terminal.
func (e Explanation) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", e.Code, e.Title)
	for _, part := range []struct{ head, text string }{{"Why", e.Why}, {"Do", e.Do}, {"Source", e.Source}} {
		if part.text != "" {
			fmt.Fprintf(&b, "\n%s:\n%s", part.head, wrap(upperFirst(part.text), "  ", 78))
		}
	}
	return b.String()
}

// upperFirst makes a sentence of a fix, which begins small behind a message.
func upperFirst(s string) string {
	if strings.HasPrefix(s, "racoon") {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// wrap breaks a text into indented lines of a width.
func wrap(text, indent string, width int) string {
	var b strings.Builder
	line := indent
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == indent:
		case len(line)+1+len(word) > width:
			b.WriteString(line + "\n")
			line = indent
		default:
			line += " "
		}
		line += word
	}
	return b.String() + line + "\n"
}
