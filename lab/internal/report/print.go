package report

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Printer prints events for a person.
type Printer struct {
	w       io.Writer
	verbose bool
}

// NewPrinter prints one line for each scenario; verbose, also every step.
func NewPrinter(w io.Writer, verbose bool) *Printer { return &Printer{w, verbose} }

// Event is printed as it comes. With several guests the steps of different
// scenarios mix, so each names its own.
func (p *Printer) Event(e Event) {
	switch e.Kind {
	case Step:
		if p.verbose {
			fmt.Fprintf(p.w, "     %6.1fs  %s: %s\n%s", e.Took.Seconds(), e.Scenario, e.Step, indent(e.Output, "              | "))
		}
	case Result:
		verdict := "PASS"
		if len(e.Failures) > 0 {
			verdict = "FAIL"
		}
		fmt.Fprintf(p.w, "%s %6.1fs  %s\n", verdict, e.Took.Seconds(), e.Scenario)
		for _, f := range e.Failures {
			fmt.Fprint(p.w, indent(f.String(), "              "))
		}
	}
}

// Totals of a run.
type Totals struct {
	Passed, Failed, NotRun int
	Took                   time.Duration
}

// Summary of the run.
func (p *Printer) Summary(t Totals) {
	fmt.Fprintf(p.w, "%d passed, %d failed, %d not run, in %.1fs\n", t.Passed, t.Failed, t.NotRun, t.Took.Seconds())
}

func indent(text, by string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(by + strings.TrimRight(line, "\n") + "\n")
	}
	return b.String()
}
