package config

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Severity says what a Diagnostic means for the load.
type Severity uint8

// Severities.
const (
	Error   Severity = iota // the configuration cannot be used
	Warning                 // usable, but an operator should look
	Note                    // worth knowing
)

func (s Severity) String() string {
	return [...]string{"error", "warning", "note"}[min(s, Note)]
}

// Diagnostic is one finding about a configuration. It never holds a secret: Token
// and Snippet are masked.
type Diagnostic struct {
	Code     string // stable, see codes.go
	Severity Severity
	File     string
	Line     int    // from 1; 0 = the file as a whole
	Col      int    // from 1, in characters
	Token    string // the word it is about, "" if none
	Snippet  string // the line as written
	What     string // one sentence, no full stop
	Fix      string // what to write instead, "" if there is no one answer
}

// String is the classic single line: FILE:LINE: "TOKEN" message.
func (d Diagnostic) String() string {
	var b strings.Builder
	b.WriteString(d.File)
	if d.Line > 0 {
		fmt.Fprintf(&b, ":%d", d.Line)
	}
	b.WriteString(": ")
	if d.Token != "" {
		if strings.HasPrefix(d.Token, `"`) { // its quotes are what it is about
			fmt.Fprintf(&b, "`%s` ", d.Token)
		} else {
			fmt.Fprintf(&b, "%q ", d.Token)
		}
	}
	b.WriteString(d.What)
	return b.String()
}

// Text is the whole diagnostic for a terminal: the classic line, the line of the
// file with the word underlined, and the fix.
func (d Diagnostic) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s [%s]\n", d.Severity, d, d.Code)
	if d.Snippet != "" {
		fmt.Fprintf(&b, "%6d | %s\n       | %s%s\n", d.Line, d.Snippet, indent(d.Snippet, d.Col-1),
			strings.Repeat("^", max(1, min(utf8.RuneCountInString(d.Token), utf8.RuneCountInString(d.Snippet)-d.Col+1))))
	}
	if d.Fix != "" {
		fmt.Fprintf(&b, "       = %s\n", d.Fix)
	}
	return b.String()
}

// indent is n columns of blanks that end where the n-th character of line ends,
// tabs included.
func indent(line string, n int) string {
	var b strings.Builder
	for _, r := range line {
		if n--; n < 0 {
			break
		}
		if r != '\t' {
			r = ' '
		}
		b.WriteRune(r)
	}
	return b.String()
}

// Failed reports whether one of the diagnostics is an error.
func Failed(ds []Diagnostic) bool {
	for _, d := range ds {
		if d.Severity == Error {
			return true
		}
	}
	return false
}

// maxToken is how much of a token a message repeats.
const maxToken = 60

// at makes a diagnostic about a token.
func at(t token, code string, sev Severity, what, fix string) Diagnostic {
	d := Diagnostic{Code: code, Severity: sev, File: t.src.name, What: what, Fix: fix}
	d.Line, d.Col = t.src.position(t.off)
	d.Snippet = t.src.line(d.Line, d.Col-1)
	d.Col = min(d.Col, utf8.RuneCountInString(d.Snippet)+1) // behind the end of the line
	d.Token = t.src.show(t.off, t.end)
	if t.src.hcl { // of a value on several lines, the first
		d.Token, _, _ = strings.Cut(d.Token, "\n")
	}
	if t.kind == str && t.text != "" || t.src.hcl && len(d.Token) > 2 {
		d.Token = strings.Trim(d.Token, `"`)
	}
	if utf8.RuneCountInString(d.Token) > maxToken {
		d.Token = string([]rune(d.Token)[:maxToken]) + "..."
	}
	return d
}
