package report

import (
	"fmt"
	"io"
	"strings"
)

// Demo prints what the steps to be shown have shown, for a person.
type Demo struct {
	w     io.Writer
	shown int
}

// NewDemo prints to w.
func NewDemo(w io.Writer) *Demo { return &Demo{w: w} }

// Event is printed as it comes.
func (d *Demo) Event(e Event) {
	switch {
	case e.Kind == Up:
		fmt.Fprintln(d.w, "The lab is up: a Linux kernel of its own, two gateways, one link between them.")
	case e.Kind == Step && (e.Show || len(e.Failures) > 0):
		d.shown++
		fmt.Fprintf(d.w, "\n%d. %s\n%s\n%s", d.shown, e.Step, strings.Repeat("-", 78), indent(strings.Trim(e.Output, "\n"), "   "))
	case e.Kind == Result:
		for _, f := range e.Failures {
			fmt.Fprintf(d.w, "\nFAILED: %s\n", f)
		}
	}
}

// Summary of the run.
func (d *Demo) Summary(t Totals) {
	if t.Passed == 1 {
		fmt.Fprintf(d.w, "\nEvery packet went through as ESP. %.0f seconds.\n", t.Took.Seconds())
	}
}
