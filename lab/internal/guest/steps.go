//go:build linux

package guest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/racoon-ike/racoon/lab/internal/scenario"
	"github.com/racoon-ike/racoon/lab/internal/xfrm"
)

// step does one step at every end it names, again and again until it comes
// true when it may, and returns what there was to see.
func (t *trial) step(ctx context.Context, s *scenario.Step) (output string, err error) {
	var all []string
	for _, e := range t.at(s.At) {
		out, err := t.until(ctx, s.Deadline(), func() (string, error) { return t.act(ctx, s, e) })
		all = append(all, out)
		if err != nil {
			return strings.Join(all, ""), fmt.Errorf("%s: %w", e.name, err)
		}
	}
	return strings.Join(all, ""), nil
}

func (t *trial) until(ctx context.Context, within time.Duration, f func() (string, error)) (string, error) {
	end := time.Now().Add(within)
	for {
		out, err := f()
		if err == nil || !time.Now().Before(end) || ctx.Err() != nil {
			return out, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(pollEvery):
		}
	}
}

// act is the table of actions; scenario.Step has exactly one.
func (t *trial) act(ctx context.Context, s *scenario.Step, e *end) (string, error) {
	d := t.daemons[e.name]
	switch {
	case s.Run != nil:
		return t.run(ctx, s, e)
	case s.Ping != nil:
		return t.ping(ctx, s, e)
	case s.Send != nil:
		return "", t.send(s.Send, e)
	case s.Log != nil:
		return t.matchLog(s, d)
	case s.SAs != nil:
		return t.countSAs(ctx, e, *s.SAs)
	case s.Procs != nil:
		return t.countProcesses(e, s.Procs)
	case s.Kill != nil:
		return t.kill(e, *s.Kill)
	case s.Start != nil && *s.Start:
		return "", d.start(ctx)
	case s.Stop != nil && *s.Stop:
		return "", d.stop()
	case s.Start != nil || s.Stop != nil: // not in this row of the matrix
		return "", nil
	case s.Netem != nil:
		return "", e.netem(ctx, *s.Netem)
	case s.Rebind != nil:
		return "", e.rebind(ctx)
	case s.Table != nil:
		return t.compareTables(ctx, e)
	case s.Capture != nil:
		return t.link.Summary(), nil
	}
	return "", errors.New("no action")
}

func (t *trial) run(ctx context.Context, s *scenario.Step, e *end) (string, error) {
	out, status, err := e.shell(ctx, "cd "+confDir+"\n"+*s.Run)
	if err != nil {
		return out, err
	}
	if status != s.Exit {
		return out, fmt.Errorf("%s: exit status %d, want %d: %s", *s.Run, status, s.Exit, why(out))
	}
	return out, matchText("output", out, s.Match, s.Absent)
}

var passed = regexp.MustCompile(`(?m)^ *(=== (RUN|PAUSE|CONT|NAME) |--- PASS: ).*\n`)

// why is what a command printed, without what go test -v says of the tests that
// passed: one that fails is to be seen in a report that is cut.
func why(out string) string { return strings.TrimSpace(passed.ReplaceAllString(out, "")) }

func (t *trial) matchLog(s *scenario.Step, d *daemon) (string, error) {
	text, err := d.log()
	if err != nil {
		return "", err
	}
	var found []string
	for line := range strings.Lines(text) {
		if slices.ContainsFunc(s.Log, func(expr string) bool { return regexp.MustCompile(expr).MatchString(line) }) {
			found = append(found, line)
		}
	}
	return strings.Join(found, ""), matchText("log", text, s.Log, s.Absent)
}

// matchText checks expressions that scenario.settle has compiled before.
func matchText(what, text string, match, absent []string) error {
	for _, expr := range match {
		if !regexp.MustCompile("(?m)" + expr).MatchString(text) {
			return fmt.Errorf("%s has nothing that matches %q", what, expr)
		}
	}
	for _, expr := range absent {
		if found := regexp.MustCompile("(?m)" + expr).FindString(text); found != "" {
			return fmt.Errorf("%s has %q, which matches %q", what, found, expr)
		}
	}
	return nil
}

var echoReply = regexp.MustCompile(`icmp_seq=(\d+) .*time=`)

// tick of the guest's kernel, by which a wait may be too long.
const tick = 10 * time.Millisecond

// countEvery so often: each time is a process in a slow guest.
const countEvery = 500 * time.Millisecond

// ping a peer's protected address from our own.
func (t *trial) ping(ctx context.Context, s *scenario.Step, e *end) (string, error) {
	p, self, peer := s.Ping, t.s.Place(e.name), t.s.Seen(s.Ping.To)
	before, err := t.stats()
	if err != nil {
		return "", err
	}
	wait := 0.3 // seconds for the last answer
	if p.Answered != "any" && s.Deadline() == 0 {
		wait = 10 // a late one is not lost
	}
	pace := max(p.Pace()-tick, 0)
	counted := t.countMeanwhile(ctx, p.MaxSAs)
	data := ""
	if p.Size > 0 {
		data = fmt.Sprintf("-s %d -p 6c6162", p.Size) // "lab": gets much smaller
	}
	out, _, err := e.shell(ctx, fmt.Sprintf("ping -n -c %d -i %g -W %g %s -I %s %s",
		p.Count, pace.Seconds(), wait, data, self.Protected.Addr(), peer.Protected.Addr()))
	if err != nil {
		return out, err
	}
	if err := counted(); err != nil {
		return out, err
	}
	summary := pingSummary(out)
	missing := missingReplies(out, p.Count)
	switch {
	case p.Answered == "all" && len(missing) > p.Lost:
		return summary, fmt.Errorf("ping: %d of %d unanswered: %v", len(missing), p.Count, missing[:min(len(missing), 10)])
	case p.Answered == "none" && len(missing) < p.Count:
		return summary, fmt.Errorf("ping: %d of %d answered, want none", p.Count-len(missing), p.Count)
	}
	if p.Answered == "all" && s.Deadline() == 0 && len(missing) == 0 {
		if err := t.quiet(before); err != nil {
			return summary, fmt.Errorf("ping: nothing is missing, but %w", err)
		}
	}
	return summary, nil
}

// countMeanwhile looks now and then whether an end has more SAs than it may,
// until the function it returns is called, which says so.
func (t *trial) countMeanwhile(ctx context.Context, most int) (stop func() error) {
	if most == 0 {
		return func() error { return nil }
	}
	ctx, cancel := context.WithCancel(ctx)
	found := make(chan error, 1)
	go func() {
		for {
			for _, e := range t.at("") {
				all, err := e.states(ctx)
				if n := len(xfrm.Keyed(all)); err == nil && n > most {
					err = fmt.Errorf("%d SAs at %s, at most %d are to be: %v", n, e.name, most, xfrm.Keyed(all))
				}
				if err != nil && ctx.Err() == nil {
					found <- err
					return
				}
			}
			select {
			case <-ctx.Done():
				found <- nil
				return
			case <-time.After(countEvery):
			}
		}
	}()
	return func() error {
		cancel()
		return <-found
	}
}

// missingReplies are the sequence numbers 1 to count without an answer.
func missingReplies(output string, count int) []int {
	seen := make(map[int]bool)
	for _, m := range echoReply.FindAllStringSubmatch(output, -1) {
		if n, err := strconv.Atoi(m[1]); err == nil {
			seen[n] = true
		}
	}
	var missing []int
	for n := 1; n <= count; n++ {
		if !seen[n] {
			missing = append(missing, n)
		}
	}
	return missing
}

// pingSummary leaves out the lines of the single replies when there are many.
func pingSummary(out string) string {
	lines := strings.SplitAfter(out, "\n")
	if len(lines) < 12 {
		return out
	}
	return strings.Join(lines[:4], "") + "...\n" + strings.Join(lines[len(lines)-5:], "")
}

func (t *trial) send(s *scenario.Send, e *end) error {
	self, peer := t.daemons[e.name].view.Self, t.daemons[e.name].view.Peer
	return e.in(func() error {
		c, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(self.Address, 0)),
			net.UDPAddrFromAddrPort(netip.AddrPortFrom(peer.Address, uint16(s.Port))))
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.Write(s.Payload())
		return err
	})
}

func (t *trial) countSAs(ctx context.Context, e *end, want int) (string, error) {
	all, err := e.states(ctx)
	if err != nil {
		return "", err
	}
	var list strings.Builder
	keyed := xfrm.Keyed(all)
	for _, s := range keyed {
		fmt.Fprintln(&list, s)
	}
	if len(keyed) != want {
		return list.String(), fmt.Errorf("%d SAs in the kernel, want %d", len(keyed), want)
	}
	return list.String(), nil
}

func (e *end) states(ctx context.Context) ([]xfrm.State, error) {
	out, err := e.must(ctx, "ip -s xfrm state")
	if err != nil {
		return nil, err
	}
	return xfrm.ParseStates(out)
}

func (t *trial) countProcesses(e *end, want map[string]int) (string, error) {
	all, err := e.processes()
	if err != nil {
		return "", err
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		n := 0
		for _, p := range all {
			if p.is(name) {
				n++
			}
		}
		if n != want[name] {
			return "", fmt.Errorf("%d processes %s, want %d", n, name, want[name])
		}
	}
	return "", nil
}

func (t *trial) kill(e *end, name string) (string, error) {
	d := t.daemons[e.name]
	if name == d.process {
		d.expected = false
	}
	n, err := e.kill(name, unix.SIGKILL)
	if err == nil && n == 0 {
		err = fmt.Errorf("no process %s to kill", name)
	}
	return "", err
}

var jsonSPI = regexp.MustCompile(`(?i)"[a-z_]*spi[a-z_]*":\s*"?(0x[0-9a-f]+|[0-9]+)`)

// compareTables checks that racoon's table and the kernel hold the same SAs.
func (t *trial) compareTables(ctx context.Context, e *end) (string, error) {
	out, err := e.must(ctx, "racoonctl show-sa -j")
	if err != nil {
		return out, err
	}
	var racoon, kernel []uint32
	for _, m := range jsonSPI.FindAllStringSubmatch(out, -1) {
		n, err := strconv.ParseUint(m[1], 0, 32)
		if err != nil {
			return out, fmt.Errorf("racoonctl: SPI %q: %w", m[1], err)
		}
		racoon = append(racoon, uint32(n))
	}
	all, err := e.states(ctx)
	if err != nil {
		return out, err
	}
	ours := []netip.Addr{t.s.Place(e.name).Address}
	for _, p := range t.s.Peers(e.name) {
		ours = append(ours, t.s.Seen(p).Address)
	}
	for _, s := range xfrm.Keyed(all) {
		if slices.Contains(ours, s.Src) && slices.Contains(ours, s.Dst) { // not what a scenario installs by hand
			kernel = append(kernel, s.SPI)
		}
	}
	slices.Sort(racoon)
	slices.Sort(kernel)
	if !slices.Equal(racoon, kernel) {
		return out, fmt.Errorf("racoon lists the SPIs %#x, the kernel %#x", racoon, kernel)
	}
	return out, nil
}
