//go:build linux

package guest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/racoon-ike/racoon/lab/internal/report"
	"github.com/racoon-ike/racoon/lab/internal/scenario"
)

// Files and directories of a run, below its work directory. The host fills
// Queue with files NUMBER-ID that hold a scenario's name; guests take them by
// renaming into Claimed, which only one of them can do. What all racoons are to have
// as kernel back end, if not what the scenarios say, is in the environment.
const (
	Queue   = "queue"
	Claimed = "claimed"
	Results = "results"  // one directory per scenario, named by ID
	Events  = ".events"  // suffix of a guest's report, after its name
	Console = ".console" // suffix of a guest's console log

	Kernel = "LABKERNEL"
)

// Run takes scenarios from the queue until it is empty. The guest's name is in
// the environment variable LABGUEST.
func Run() error {
	name := os.Getenv("LABGUEST")
	f, err := os.OpenFile(filepath.Join(workMount, name+Events), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	out := report.NewWriter(f)
	all, err := scenario.LoadAll(filepath.Join(repoMount, "lab/scenarios"))
	if err != nil {
		return err
	}
	byName := make(map[string]*scenario.Scenario)
	for _, s := range all {
		if kernel := os.Getenv(Kernel); kernel != "" {
			s.UseKernel(kernel)
		}
		byName[s.Name] = s
	}
	if err := out.Write(report.Event{Kind: report.Up}); err != nil {
		return err
	}
	var failed error // of writing the report
	tell := func(e report.Event) { failed = errors.Join(failed, out.Write(e)) }
	for failed == nil {
		id, what, err := claim()
		if err != nil || id == "" {
			return err
		}
		s := byName[what]
		if s == nil {
			return fmt.Errorf("no scenario %q", what)
		}
		results := filepath.Join(workMount, Results, id)
		if err := os.MkdirAll(results, 0o755); err != nil {
			return err
		}
		began := time.Now()
		tell(report.Event{Kind: report.Start, Scenario: s.Name})
		failures := run(s, results, tell)
		tell(report.Event{Kind: report.Result, Scenario: s.Name, Failures: failures, Took: time.Since(began)})
	}
	return failed
}

// claim the next scenario; an empty id means there are no more.
func claim() (id, name string, err error) {
	queue := filepath.Join(workMount, Queue)
	entries, err := os.ReadDir(queue)
	if err != nil {
		return "", "", err
	}
	for _, e := range entries {
		mine := filepath.Join(workMount, Claimed, e.Name())
		err := os.Rename(filepath.Join(queue, e.Name()), mine)
		if errors.Is(err, fs.ErrNotExist) {
			continue // another guest was faster
		}
		if err != nil {
			return "", "", err
		}
		b, err := os.ReadFile(mine)
		return e.Name(), string(b), err
	}
	return "", "", nil
}
