//go:build linux

package guest

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/racoon-ike/racoon/lab/internal/capture"
	"github.com/racoon-ike/racoon/lab/internal/report"
	"github.com/racoon-ike/racoon/lab/internal/scenario"
	"github.com/racoon-ike/racoon/lab/internal/xfrm"
)

// corePrefix is where the kernel leaves the cores of crashed processes.
const corePrefix = "/tmp/core."

// teardownLimit bounds the final checks, which also come after a time-out.
const teardownLimit = 120 * time.Second

// trial is one run of a scenario.
type trial struct {
	s        *scenario.Scenario
	results  string          // directory for logs and the capture
	all      map[string]*end // the ends, and the NAT boxes
	daemons  map[string]*daemon
	link     *capture.Link
	pcap     *os.File
	before   []xfrm.Stat
	failures []report.Failure
	tell     func(report.Event)
}

// run a scenario and report every way in which it failed.
func run(s *scenario.Scenario, results string, tell func(report.Event)) []report.Failure {
	t := &trial{s: s, results: results, tell: tell, all: make(map[string]*end), daemons: make(map[string]*daemon)}
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
func (t *trial) at(name string) (ends []*end) {
	if name != "" {
		return []*end{t.all[name]}
	}
	for _, e := range t.s.Ends() {
		ends = append(ends, t.all[e])
	}
	return ends
}

func (t *trial) setUp(ctx context.Context) (err error) {
	for _, name := range slices.Concat(t.s.Ends(), t.s.Boxes()) {
		if t.all[name], err = newEnd(name); err != nil {
			return err
		}
	}
	n := network{t.s, t.all}
	if err := n.connect(ctx); err != nil {
		return err
	}
	if err := t.startCapture(n); err != nil {
		return err
	}
	if t.before, err = t.stats(); err != nil {
		return err
	}
	for _, e := range t.at("") {
		if t.daemons[e.name], err = prepare(t.s, e, t.results); err != nil {
			return err
		}
		v := t.daemons[e.name].view
		e.env = []string{"REPO=" + repoMount, "SELF=" + v.Self.Address.String(), "PEER=" + v.Peer.Address.String(),
			"LOG=" + v.Log, "SYSLOG=" + filepath.Join(t.results, e.name+".syslog")}
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

func (t *trial) startCapture(n network) (err error) {
	if t.pcap, err = os.Create(filepath.Join(t.results, "link.pcap")); err != nil {
		return err
	}
	var protected []netip.Prefix
	for _, name := range t.s.Ends() {
		protected = append(protected, t.s.Seen(name).Protected)
	}
	if t.link, err = capture.Start(t.pcap, capture.NewJudge(protected...)); err != nil {
		return err
	}
	for _, at := range n.onLink() {
		if err := at.end.in(func() error {
			i, err := net.InterfaceByName(at.device)
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
