//go:build linux

package guest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/racoon-ike/racoon/lab/internal/scenario"
)

// confDir is where the configuration of an end is, in its private /run; the
// steps' commands run there.
const confDir = "/run/lab"

const (
	startLimit = 60 * time.Second // five plugins on one slow processor
	stopLimit  = 30 * time.Second
	pollEvery  = 50 * time.Millisecond
)

// kind of daemon: what it reads, how it is started and when it is ready.
type kind struct {
	process string // name of its main process
	files   []string
	command func(v scenario.View) []string
	env     []string
	ready   string // a command that succeeds once it is
}

// libreswan is where lab/setup unpacks the package: it conflicts with strongSwan's.
const libreswan = repoMount + "/lab/.cache/libreswan"

var kinds = map[string]kind{
	"racoon": {
		process: "racoon",
		files:   []string{"racoon.conf", "psk.txt", "plugins.hcl"},
		command: func(v scenario.View) []string {
			// A scenario may have made an HCL file of it.
			return []string{"sh", "-c", "cd " + confDir + "; f=racoon.conf; test -e racoon.hcl && f=racoon.hcl; exec racoon -F " + v.Params["flags"] + " -f " + confDir + "/$f -l " + v.Log}
		},
		ready: "racoonctl show-sa",
	},
	"strongswan": {
		process: "charon",
		files:   []string{"strongswan.conf", "swanctl.conf"},
		command: func(scenario.View) []string { return []string{"/usr/lib/ipsec/charon"} },
		env:     []string{"STRONGSWAN_CONF=" + confDir + "/strongswan.conf"},
		ready:   "swanctl --load-all --noprompt --file " + confDir + "/swanctl.conf",
	},
	"libreswan": {
		process: "pluto",
		files:   []string{"ipsec.conf", "ipsec.secrets"},
		command: func(v scenario.View) []string {
			// It looks for its other programs in the place where it is installed.
			return []string{"sh", "-c", "mkdir -p /run/pluto && cp -r " + libreswan + "/nss . && mount --bind " + libreswan + "/usr/libexec /usr/libexec" +
				" && exec /usr/libexec/ipsec/pluto --nofork --config " + confDir + "/ipsec.conf --secretsfile " + confDir + "/ipsec.secrets --nssdir " + confDir + "/nss --logfile " + v.Log}
		},
		// It loads connections by itself, but does not say when it has.
		ready: "/usr/libexec/ipsec/addconn --config " + confDir + "/ipsec.conf lab" +
			" && if grep -q start=trap " + confDir + "/ipsec.conf; then /usr/libexec/ipsec/whack --route --name lab; fi",
	},
}

// daemon of an end. Its zero value is an end without one.
type daemon struct {
	kind
	e        *end
	view     scenario.View
	syslog   *syslog
	logStart int64 // size of the log when it was started last
	cmd      *exec.Cmd
	exited   chan struct{} // closed when cmd has ended
	expected bool          // it is to be alive
}

// prepare writes the daemon's files.
func prepare(s *scenario.Scenario, e *end, results string) (*daemon, error) {
	d := &daemon{kind: kinds[s.End(e.name).Daemon], e: e,
		view: s.View(e.name, confDir, filepath.Join(results, e.name+".log"))}
	err := e.in(func() error { return s.Render(e.name, d.view, d.files) })
	if err == nil {
		d.syslog, err = listenSyslog(e, filepath.Join(results, e.name+".syslog"))
	}
	return d, err
}

// start the daemon and wait until it is ready.
func (d *daemon) start(ctx context.Context) error {
	if d.command == nil {
		return fmt.Errorf("%s has no daemon", d.e.name)
	}
	if fi, err := os.Stat(d.view.Log); err == nil {
		d.logStart = fi.Size()
	}
	// What it prints before its log is open, and the trace of a crash.
	streams, err := os.OpenFile(d.view.Log+".stderr", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer streams.Close()
	args := d.command(d.view)
	d.cmd = exec.Command(args[0], args[1:]...)
	d.cmd.Dir, d.cmd.Env = confDir, append(os.Environ(), d.env...)
	d.cmd.Stdout, d.cmd.Stderr = streams, streams
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := d.e.in(d.cmd.Start); err != nil {
		return fmt.Errorf("%s: start: %w", d.e.name, err)
	}
	cmd, exited := d.cmd, make(chan struct{})
	d.exited, d.expected = exited, true
	go func() {
		cmd.Wait() // its status is read from cmd.ProcessState
		close(exited)
	}()
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		_, err := d.e.must(ctx, d.ready)
		if err == nil {
			return nil
		}
		select {
		case <-exited:
			return fmt.Errorf("%s: %s ended at its start: %s: %s", d.e.name, d.process, d.cmd.ProcessState, d.tail())
		case <-ctx.Done():
			return fmt.Errorf("%s: %s is not ready after %s: %w", d.e.name, d.process, startLimit, err)
		case <-time.After(pollEvery):
		}
	}
}

// alive reports whether the daemon runs.
func (d *daemon) alive() bool {
	if d.cmd == nil {
		return false
	}
	select {
	case <-d.exited:
		return false
	default:
		return true
	}
}

// stop the daemon as an administrator does. It must end in time and say that all is well.
func (d *daemon) stop() error {
	d.expected = false
	if !d.alive() {
		return nil
	}
	if err := d.cmd.Process.Signal(unix.SIGTERM); err != nil {
		return fmt.Errorf("%s: stop: %w", d.e.name, err)
	}
	select {
	case <-d.exited:
	case <-time.After(stopLimit):
		return fmt.Errorf("%s: %s has not ended %s after SIGTERM", d.e.name, d.process, stopLimit)
	}
	if !d.cmd.ProcessState.Success() {
		return fmt.Errorf("%s: %s ended with %s: %s", d.e.name, d.process, d.cmd.ProcessState, d.tail())
	}
	return nil
}

// log since the last start.
func (d *daemon) log() (string, error) {
	b, err := os.ReadFile(d.view.Log)
	if os.IsNotExist(err) {
		return "", nil
	}
	if int64(len(b)) >= d.logStart {
		b = b[d.logStart:]
	}
	return string(b), err
}

// tail of what the daemon said last, for a failure's text.
func (d *daemon) tail() string {
	var lines []string
	for _, f := range []string{d.view.Log, d.view.Log + ".stderr"} {
		if b, err := os.ReadFile(f); err == nil {
			l := strings.Split(strings.TrimSpace(string(b)), "\n")
			lines = append(lines, l[max(0, len(l)-3):]...)
		}
	}
	return strings.Join(lines, " | ")
}
