//go:build linux

package guest

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/racoon-ike/racoon/lab/internal/capture"
	"github.com/racoon-ike/racoon/lab/internal/report"
	"github.com/racoon-ike/racoon/lab/internal/scenario"
	"github.com/racoon-ike/racoon/lab/internal/xfrm"
)

// corePrefix is where the kernel leaves the cores of crashed processes.
const corePrefix = "/tmp/core."

// teardownLimit bounds the final checks, which also come after a time-out.
const teardownLimit = 40 * time.Second

// trial is one run of a scenario.
type trial struct {
	s           *scenario.Scenario
	results     string // directory for logs and the capture
	left, right *end
	places      map[string]scenario.Place
	daemons     map[string]*daemon
	link        *capture.Link
	pcap        *os.File
	before      []xfrm.Stat
	failures    []report.Failure
	tell        func(report.Event)
}

// run a scenario and report every way in which it failed.
func run(s *scenario.Scenario, results string, tell func(report.Event)) []report.Failure {
	t := &trial{s: s, results: results, tell: tell, daemons: make(map[string]*daemon)}
	ctx, cancel := context.WithTimeout(context.Background(), s.Limit())
	defer cancel()
	if err := t.setUp(ctx); err != nil {
		t.fail("set up", err)
	} else if t.steps(ctx); ctx.Err() == nil {
		t.expectations(ctx)
	} else if len(t.failures) == 0 {
		t.fail("time limit", ctx.Err())
	}
	down, cancel := context.WithTimeout(context.Background(), teardownLimit)
	defer cancel()
	t.tearDown(down)
	return t.verdict()
}

func (t *trial) fail(check string, err error) {
	if err != nil {
		t.failures = append(t.failures, report.Failure{Check: check, Detail: err.Error()})
	}
}

// at lists the ends a step names.
func (t *trial) at(name string) []*end {
	switch name {
	case "left":
		return []*end{t.left}
	case "right":
		return []*end{t.right}
	}
	return []*end{t.left, t.right}
}

func (t *trial) setUp(ctx context.Context) (err error) {
	if t.left, err = newEnd("left"); err != nil {
		return err
	}
	if t.right, err = newEnd("right"); err != nil {
		return err
	}
	if err := connect(ctx, t.s, t.left, t.right); err != nil {
		return err
	}
	l, r := t.s.Places()
	t.places = map[string]scenario.Place{"left": l, "right": r}
	if err := t.startCapture(l, r); err != nil {
		return err
	}
	if t.before, err = t.stats(); err != nil {
		return err
	}
	for _, e := range t.at("") {
		if t.daemons[e.name], err = prepare(t.s, e, t.results); err != nil {
			return err
		}
		e.env = []string{"REPO=" + repoMount, "SELF=" + t.places[e.name].Address.String(), "PEER=" + t.places[scenario.Other(e.name)].Address.String(),
			"LOG=" + t.daemons[e.name].view.Log, "SYSLOG=" + filepath.Join(t.results, e.name+".syslog")}
	}
	for _, e := range t.at("") {
		if end := t.s.End(e.name); end.Daemon != "none" && *end.Start {
			if err := t.daemons[e.name].start(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *trial) startCapture(l, r scenario.Place) (err error) {
	if t.pcap, err = os.Create(filepath.Join(t.results, "link.pcap")); err != nil {
		return err
	}
	if t.link, err = capture.Start(t.pcap, capture.NewJudge(l.Protected, r.Protected)); err != nil {
		return err
	}
	for _, e := range t.at("") {
		if err := e.in(func() error {
			i, err := net.InterfaceByName(wire)
			if err != nil {
				return err
			}
			return t.link.Watch(i.Index)
		}); err != nil {
			return err
		}
	}
	return nil
}

// steps in order, until one fails.
func (t *trial) steps(ctx context.Context) {
	for i := range t.s.Steps {
		s := &t.s.Steps[i]
		began := time.Now()
		output, err := t.step(ctx, s)
		e := report.Event{Kind: report.Step, Scenario: t.s.Name, Step: s.Title, At: s.At, Show: s.Show, Output: output, Took: time.Since(began)}
		if ctx.Err() != nil {
			err = fmt.Errorf("cut off: the scenario's time limit is %s", t.s.Limit())
		}
		if err != nil {
			e.Failures = []report.Failure{{Check: s.Title, Detail: err.Error()}}
		}
		t.tell(e)
		if err != nil {
			t.fail("step "+s.Title, err)
			return
		}
	}
}
