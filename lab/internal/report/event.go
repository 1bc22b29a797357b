// Package report is what the guest tells the host of a run, and how the host
// tells a person.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"
)

// Event is one line of the guest's report.
type Event struct {
	Kind     Kind          `json:"kind"`
	Scenario string        `json:"scenario,omitempty"`
	Step     string        `json:"step,omitempty"`
	At       string        `json:"at,omitempty"` // the end the step ran at
	Show     bool          `json:"show,omitempty"`
	Output   string        `json:"output,omitempty"`
	Failures []Failure     `json:"failures,omitempty"`
	Took     time.Duration `json:"took,omitempty"` // nanoseconds
}

// Kind of an event.
type Kind string

const (
	Up     Kind = "up"     // the guest has booted
	Start  Kind = "start"  // of a scenario
	Step   Kind = "step"   // has been done
	Result Kind = "result" // of a scenario; passed when it has no failures
)

// Failure is one thing that was not as it must be.
type Failure struct {
	Check  string `json:"check"`
	Detail string `json:"detail"`
}

func (f Failure) String() string { return f.Check + ": " + f.Detail }

// Writer writes events as JSON lines, each in one write.
type Writer struct {
	mu sync.Mutex
	w  io.Writer
}

// NewWriter of events to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Write one event.
func (w *Writer) Write(e Event) error {
	b, err := json.Marshal(e)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := w.w.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}
