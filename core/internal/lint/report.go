package lint

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/racoon-ike/racoon/core/internal/config"
)

// Report is what is known of one configuration, in the forms it is shown in.
type Report struct {
	Tool     string // version of racoon
	File     string
	Policies []string // the packs that were applied
	Findings []config.Diagnostic
}

// Formats are the names of the forms.
func Formats() []string { return []string{"text", "json", "sarif"} }

// Write shows the report in a format.
func (r *Report) Write(w io.Writer, format string) error {
	var v any
	switch format {
	case "text":
		_, err := io.WriteString(w, r.text())
		return err
	case "json":
		v = r.document()
	case "sarif":
		v = r.sarif()
	default:
		return fmt.Errorf("%q is no format: %s", format, strings.Join(Formats(), ", "))
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

func (r *Report) text() string {
	var b strings.Builder
	for _, d := range r.Findings {
		b.WriteString(d.Text())
	}
	s := r.summary()
	fmt.Fprintf(&b, "%s: %s, %s, %s", r.File, count(s.Errors, "error"), count(s.Warnings, "warning"), count(s.Notes, "note"))
	if len(r.Policies) > 0 {
		fmt.Fprintf(&b, " (policy %s)", strings.Join(r.Policies, ", "))
	}
	b.WriteString("\n")
	return b.String()
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprint(n, " ", what)
}

// document is the JSON form. docs/lint.md describes it; version rises when a field
// changes its meaning or goes away, not when one is added.
type document struct {
	Version  int       `json:"version"`
	File     string    `json:"file"`
	Findings []finding `json:"findings"`
	Summary  summary   `json:"summary"`
}

type finding struct {
	Code     string `json:"code"`
	Severity string `json:"severity"`
	File     string `json:"file"`
	Line     int    `json:"line"`
	Column   int    `json:"column"`
	Token    string `json:"token"`
	Message  string `json:"message"`
	Fix      string `json:"fix"`
	Policy   string `json:"policy"`
	Help     string `json:"help"`
}

type summary struct {
	Errors   int      `json:"errors"`
	Warnings int      `json:"warnings"`
	Notes    int      `json:"notes"`
	Policies []string `json:"policies"`
}

func (r *Report) document() document {
	doc := document{Version: 1, File: r.File, Findings: []finding{}, Summary: r.summary()}
	for _, d := range r.Findings {
		e, _ := Explain(d.Code)
		doc.Findings = append(doc.Findings, finding{Code: d.Code, Severity: d.Severity.String(), File: d.File, Line: d.Line, Column: d.Col,
			Token: d.Token, Message: d.What, Fix: d.Fix, Policy: e.Policy, Help: e.Why})
	}
	return doc
}

func (r *Report) summary() summary {
	s := summary{Policies: append([]string{}, r.Policies...)}
	for _, d := range r.Findings {
		switch d.Severity {
		case config.Error:
			s.Errors++
		case config.Warning:
			s.Warnings++
		default:
			s.Notes++
		}
	}
	return s
}
