//go:build linux

// Package host boots the lab's guests, gives them scenarios and collects what
// they report.
package host

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/racoon-ike/racoon/lab/internal/guest"
	"github.com/racoon-ike/racoon/lab/internal/report"
	"github.com/racoon-ike/racoon/lab/internal/scenario"
	"github.com/racoon-ike/racoon/lab/internal/uml"
)

const (
	bootLimit = 3 * time.Minute // on a busy machine; 2 s on an idle one
	grace     = 3 * time.Minute // beyond a scenario's own limit, for its final checks
	memory    = 1024            // MiB of a guest; what it does not touch costs nothing
)

// Options of a run.
type Options struct {
	Repo   string // root of the repository
	Work   string // directory of the run; emptied first
	Guests int    // booted at once
	Kernel string // back end of every racoon; empty: as the scenarios say
	Report func(report.Event)
}

// fleet is a run in progress.
type fleet struct {
	Options
	all map[string]*scenario.Scenario

	mu      sync.Mutex // guards the rest, and serialises Report
	results map[string]report.Event
}

// Run runs the scenarios and returns the result of each, by name. Every
// scenario has one: that of a guest that died or hung is a failure, and the
// scenarios behind it run in the next guest.
func Run(ctx context.Context, o Options, scenarios []*scenario.Scenario) (map[string]report.Event, error) {
	f := &fleet{Options: o, all: make(map[string]*scenario.Scenario), results: make(map[string]report.Event)}
	if err := f.queue(scenarios); err != nil {
		return nil, err
	}
	var guests sync.WaitGroup
	errs := make([]error, o.Guests)
	for i := range o.Guests {
		guests.Go(func() { errs[i] = f.keepBooting(ctx, fmt.Sprintf("guest%d", i+1)) })
	}
	guests.Wait()
	return f.results, errors.Join(append(errs, ctx.Err())...)
}

// ID is a scenario's name as a directory's.
func ID(name string) string { return strings.ReplaceAll(name, "/", "_") }

// queue puts the scenarios where the guests take them, the long ones first so
// that no guest is left with one at the end.
func (f *fleet) queue(scenarios []*scenario.Scenario) error {
	if err := os.RemoveAll(f.Work); err != nil {
		return err
	}
	for _, d := range []string{guest.Queue, guest.Claimed, guest.Results} {
		if err := os.MkdirAll(filepath.Join(f.Work, d), 0o755); err != nil {
			return err
		}
	}
	order := slices.Clone(scenarios)
	slices.SortStableFunc(order, func(a, b *scenario.Scenario) int { return int(b.Limit() - a.Limit()) })
	for i, s := range order {
		f.all[s.Name] = s
		file := filepath.Join(f.Work, guest.Queue, fmt.Sprintf("%04d-%s", i, ID(s.Name)))
		if err := os.WriteFile(file, []byte(s.Name), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// keepBooting boots guest after guest until the queue is empty. A guest that
// began no scenario, though some were waiting, ends it: the next would do the
// same.
func (f *fleet) keepBooting(ctx context.Context, slot string) error {
	for boot := 1; ; boot++ {
		name := fmt.Sprintf("%s.%d", slot, boot)
		began, failed := f.boot(ctx, name)
		waiting, err := os.ReadDir(filepath.Join(f.Work, guest.Queue))
		switch {
		case err != nil || len(waiting) == 0 || ctx.Err() != nil:
			return err
		case !began:
			return fmt.Errorf("%s began no scenario (%v); console:\n%s", name, failed, f.console(name))
		}
	}
}

// boot one guest and follow it to its end.
func (f *fleet) boot(ctx context.Context, name string) (began bool, err error) {
	self, err := os.Executable()
	if err != nil {
		return false, err
	}
	dir := filepath.Join(f.Work, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return false, err
	}
	// Made here so that there is something to follow.
	events, err := os.Create(filepath.Join(f.Work, name+guest.Events))
	if err != nil {
		return false, err
	}
	defer events.Close()
	m := uml.Machine{
		Name: name, Memory: memory, Init: self, Dir: dir, Console: filepath.Join(f.Work, name+guest.Console),
		Env: map[string]string{"LABREPO": f.Repo, "LABWORK": f.Work, "LABGUEST": name, guest.Kernel: f.Kernel},
	}
	ctx, kill := context.WithCancel(ctx)
	defer kill()
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	w := watch{f: f, guest: name, kill: kill, limit: bootLimit, since: time.Now()}
	err = w.follow(events, ended)
	if w.scenario != "" {
		f.record(report.Event{Kind: report.Result, Scenario: w.scenario, Took: time.Since(w.since), Failures: []report.Failure{{
			Check: "guest", Detail: fmt.Sprintf("%v; console:\n%s", errors.Join(w.hung, err), f.console(name))}}})
	}
	return w.began, errors.Join(w.hung, err)
}

// watch is what is known of a guest while it runs.
type watch struct {
	f        *fleet
	guest    string
	kill     func()
	began    bool          // it has started a scenario
	scenario string        // the one that runs
	since    time.Time     // when it began, or the boot
	limit    time.Duration // how long that may take
	hung     error         // it took longer
}

// follow reads the guest's report as it grows until the guest has ended.
func (w *watch) follow(events io.Reader, ended <-chan error) error {
	lines := bufio.NewReader(events)
	var partial []byte
	read := func() error {
		for {
			line, err := lines.ReadBytes('\n')
			partial = append(partial, line...)
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			var e report.Event
			if err := json.Unmarshal(bytes.TrimSpace(partial), &e); err != nil {
				return fmt.Errorf("report of %s: %w", w.guest, err)
			}
			partial = partial[:0]
			w.see(e)
		}
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			return errors.Join(read(), err)
		case <-tick.C:
			if err := read(); err != nil {
				w.kill()
				return errors.Join(err, <-ended)
			}
			if w.hung == nil && time.Since(w.since) > w.limit {
				w.hung = fmt.Errorf("%s hangs: nothing for %s", w.guest, w.limit)
				w.kill()
			}
		}
	}
}

// see one event of the guest.
func (w *watch) see(e report.Event) {
	switch e.Kind {
	case report.Start:
		w.began, w.scenario, w.limit = true, e.Scenario, w.f.all[e.Scenario].Limit()+grace
	case report.Result:
		w.scenario, w.limit = "", grace
	case report.Up:
		w.limit = grace
	}
	if e.Kind != report.Step {
		w.since = time.Now()
	}
	w.f.record(e)
}

func (f *fleet) record(e report.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if e.Kind == report.Result {
		f.results[e.Scenario] = e
	}
	f.Report(e)
}

// console is the end of what a guest printed.
func (f *fleet) console(name string) string {
	b, err := os.ReadFile(filepath.Join(f.Work, name+guest.Console))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-25):], "\n")
}
