//go:build linux

package guest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/racoon-ike/racoon/lab/internal/capture"
	"github.com/racoon-ike/racoon/lab/internal/report"
	"github.com/racoon-ike/racoon/lab/internal/xfrm"
)

// expectations of the scenario and those of every scenario, while the daemons run.
func (t *trial) expectations(ctx context.Context) {
	for _, e := range t.at("") {
		if want := t.s.Expect.SAs; want != nil {
			_, err := t.countSAs(ctx, e, *want*len(t.s.Peers(e.name)))
			t.fail("SAs at "+e.name, err)
		}
		if t.s.Expect.ESP {
			t.fail("ESP counters at "+e.name, t.counted(ctx, e))
		}
		if d := t.daemons[e.name]; d.expected && !d.alive() {
			t.fail("alive at "+e.name, fmt.Errorf("%s has ended: %s: %s", d.process, d.cmd.ProcessState, d.tail()))
		} else if kernel := t.s.End(e.name).Kernel; kernel != "" && d.expected {
			_, err := t.countProcesses(e, map[string]int{"racoon-kernel-" + kernel: 1})
			t.fail("kernel back end at "+e.name, err)
		}
	}
	// A policy without an SA is how every negotiation starts.
	t.fail("xfrm_stat", t.quiet(t.before, append(t.s.Expect.MayRise, "XfrmOutNoStates", "XfrmAcquireError")...))
}

// counted checks that the kernel has received and sent on the end's SAs.
func (t *trial) counted(ctx context.Context, e *end) error {
	all, err := e.states(ctx)
	if err != nil {
		return err
	}
	in, out := xfrm.Packets(all, t.s.Place(e.name).Address)
	if in == 0 || out == 0 {
		return fmt.Errorf("%d packets received, %d sent", in, out)
	}
	return nil
}

// stats of the kernel's errors at all ends.
func (t *trial) stats() ([]xfrm.Stat, error) {
	var all []xfrm.Stat
	for _, e := range t.at("") {
		text, err := e.read("/proc/thread-self/net/xfrm_stat")
		if err != nil {
			return nil, err
		}
		st, err := xfrm.ParseStat(text)
		if err != nil {
			return nil, err
		}
		all = append(all, st)
	}
	return all, nil
}

// quiet checks that no error counter has risen but for those that may.
func (t *trial) quiet(before []xfrm.Stat, mayRise ...string) error {
	now, err := t.stats()
	if err != nil {
		return err
	}
	var all []string
	for i, e := range t.at("") {
		if risen := now[i].Risen(before[i], mayRise...); len(risen) > 0 {
			all = append(all, e.name+": "+strings.Join(risen, ", "))
		}
	}
	if len(all) > 0 {
		return errors.New("the kernel counted errors: " + strings.Join(all, "; "))
	}
	return nil
}

// tearDown stops everything and checks what must be true afterwards.
func (t *trial) tearDown(ctx context.Context) {
	for _, e := range t.at("") {
		if e == nil {
			continue
		}
		t.save(ctx, e)
		if d := t.daemons[e.name]; d != nil {
			t.fail("stop at "+e.name, d.stop())
		}
	}
	for _, e := range t.at("") {
		if e == nil {
			continue
		}
		t.fail("no orphan process at "+e.name, e.sweep())
		if t.daemons[e.name] != nil {
			_, err := t.countSAs(ctx, e, t.s.Expect.Remain)
			t.fail("no SA left at "+e.name, err)
			t.fail("no crash at "+e.name, t.crashed(e))
		}
	}
	t.fail("no core", cores())
	t.judge()
	for _, d := range t.daemons {
		if d.syslog != nil {
			d.syslog.close()
		}
	}
	for _, e := range t.all {
		if e != nil {
			e.close()
		}
	}
}

// save what a person needs to find out why.
func (t *trial) save(ctx context.Context, e *end) {
	out, _, _ := e.shell(ctx, "exec 2>&1; cd "+confDir+"; tail -n +1 * ; echo; ip -s xfrm state; echo; ip xfrm policy; echo; ip address; ip route; ps -ef")
	// Best effort: the files explain a failure, their absence is none.
	_ = os.WriteFile(filepath.Join(t.results, e.name+".state"), []byte(out), 0o644)
}

// sweep finds and ends processes that outlived their daemon.
func (e *end) sweep() error {
	var left []process
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(pollEvery) {
		var err error
		if left, err = e.processes(); err != nil || len(left) == 0 {
			return err
		}
		if time.Now().After(end) {
			break
		}
	}
	var names []string
	for _, p := range left {
		names = append(names, fmt.Sprintf("%s (%d)", p.name, p.pid))
	}
	_, err := e.kill("", unix.SIGKILL)
	return errors.Join(fmt.Errorf("left behind: %s", strings.Join(names, ", ")), err)
}

// crashed looks for the trace of a Go panic or a race in what the daemon printed.
func (t *trial) crashed(e *end) error {
	b, err := os.ReadFile(t.daemons[e.name].view.Log + ".stderr")
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	return matchText("standard error", string(b), nil, []string{`^panic: .*`, `^fatal error: .*`, `^WARNING: DATA RACE`, `killed by signal`})
}

func cores() error {
	found, err := filepath.Glob(corePrefix + "*")
	if err != nil || len(found) == 0 {
		return err
	}
	for _, f := range found {
		err = errors.Join(err, os.Remove(f))
	}
	return errors.Join(fmt.Errorf("cores: %s", strings.Join(found, ", ")), err)
}

// judge what the link has carried.
func (t *trial) judge() {
	if t.link == nil {
		return
	}
	j, err := t.link.Stop()
	t.fail("capture", errors.Join(err, t.pcap.Close()))
	if j.Cleared > 0 {
		t.fail("no clear packet", fmt.Errorf("%d on the link: %s", j.Cleared, strings.Join(j.Clear, "; ")))
	}
	want := t.s.Expect.SPIs
	if t.s.Expect.ESP {
		want = max(want, 1)
	}
	for _, name := range t.s.Ends() {
		from := t.s.Public(name)
		if n := len(j.SPIs[from]); n < want {
			t.fail("ESP on the link", fmt.Errorf("%d SPIs from %s, want %d", n, name, want))
		}
		if frag := t.s.Expect.Frag; frag != nil && *frag != (j.Frags[from] > 0) {
			t.fail("IKE fragments", fmt.Errorf("%d from %s", j.Frags[from], name))
		}
	}
	t.fail("protocols", t.looksLikeThem(j))
	// ESP in UDP where there is a NAT box, and only there (RFC 3947 §3.2).
	wrong := capture.ESPinUDP
	if *t.s.Expect.UDP {
		wrong = capture.ESP
	}
	if n := j.Count[wrong]; n > 0 {
		t.fail("encapsulation", fmt.Errorf("%d frames are %s", n, wrong))
	}
}

// looksLikeThem checks that the link carried what the policies ask for: those
// protocols, and large packets smaller only if they were to be compressed.
func (t *trial) looksLikeThem(j *capture.Judge) error {
	if !t.s.Expect.ESP {
		return nil
	}
	size := 0
	for _, s := range t.s.Steps {
		if s.Ping != nil {
			size = max(size, s.Ping.Size)
		}
	}
	for _, name := range t.s.Ends() {
		from := t.s.Public(name)
		if len(j.Visible[from]) == 0 { // "ESP on the link" says it
			continue
		}
		if unlike := j.Unlike(from, t.s.Protocols); unlike != "" {
			return errors.New(unlike)
		}
		if smaller := j.Longest[from] < size; smaller != (size > 0 && t.s.Uses("ipcomp")) {
			return fmt.Errorf("the longest frame from %s has %d octets, the packets' data %d", from, j.Longest[from], size)
		}
	}
	return nil
}

// verdict turns the failures round for a scenario that is to fail: those it
// names are as they must be, and one that is missing is a failure.
func (t *trial) verdict() []report.Failure {
	var real []report.Failure
	seen := make(map[string]bool)
	for _, f := range t.failures {
		seen[f.Check] = true
	}
	wanted := make(map[string]bool)
	for _, name := range t.s.Expect.Fails {
		wanted[name] = true
		if !seen[name] {
			real = append(real, report.Failure{Check: name, Detail: "was to fail in this scenario, and did not"})
		}
	}
	for _, f := range t.failures {
		if !wanted[f.Check] {
			real = append(real, f)
		}
	}
	return real
}
