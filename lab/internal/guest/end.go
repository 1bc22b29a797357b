//go:build linux

package guest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// end is one gateway or NAT box: an OS thread in a network and a mount namespace of its
// own. What is to happen there is sent to the thread; processes started from
// it inherit the namespaces, which live until the thread and they are gone.
type end struct {
	name       string
	wires      []string // its interfaces, but lo
	generation int      // of the mappings a NAT box gives
	netns      string   // as /proc/PID/ns/net names it
	path       string   // of the namespace, for ip link set ... netns
	env        []string // of what runs here, besides our own
	do         chan func()
	done       chan struct{}
}

func newEnd(name string) (*end, error) {
	e := &end{name: name, do: make(chan func()), done: make(chan struct{})}
	ready := make(chan error)
	go func() {
		defer close(e.done)
		// Never unlocked: the thread ends with the goroutine, and with it the namespaces.
		runtime.LockOSThread()
		err := e.unshare()
		ready <- err
		if err != nil {
			return
		}
		for f := range e.do {
			f()
		}
	}()
	if err := <-ready; err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return e, nil
}

func (e *end) unshare() error {
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS | unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("tmpfs", "/run", "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("mount /run: %w", err)
	}
	if err := os.Mkdir(confDir, 0o700); err != nil {
		return err
	}
	var err error
	e.path = fmt.Sprintf("/proc/%d/task/%d/ns/net", os.Getpid(), unix.Gettid())
	e.netns, err = os.Readlink(e.path)
	return err
}

// in runs f on the end's thread.
func (e *end) in(f func() error) error {
	result := make(chan error)
	e.do <- func() { result <- f() }
	return <-result
}

func (e *end) close() {
	close(e.do)
	<-e.done
}

// read a file as the end sees it. /proc/self would be the main thread's.
func (e *end) read(path string) (text string, err error) {
	err = e.in(func() error {
		b, err := os.ReadFile(path)
		text = string(b)
		return err
	})
	return text, err
}

// shell runs a command line and returns its output, both streams. The exit
// status is an answer, not an error.
func (e *end) shell(ctx context.Context, line string) (output string, status int, err error) {
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", line)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Env = append(os.Environ(), e.env...)
	// A group of its own, so that the time limit ends all of the line.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	cmd.WaitDelay = time.Second // of a background process that holds the pipe
	if err := e.in(cmd.Start); err != nil {
		return "", -1, err
	}
	err = cmd.Wait()
	if exit := new(exec.ExitError); errors.As(err, &exit) && ctx.Err() == nil {
		return out.String(), exit.ExitCode(), nil
	}
	return out.String(), 0, errors.Join(err, ctx.Err())
}

// must runs a command line that has to succeed.
func (e *end) must(ctx context.Context, line string) (string, error) {
	out, status, err := e.shell(ctx, line)
	if err != nil {
		return out, fmt.Errorf("%s: %s: %w", e.name, line, err)
	}
	if status != 0 {
		return out, fmt.Errorf("%s: %s: exit status %d: %s", e.name, line, status, strings.TrimSpace(out))
	}
	return out, nil
}

// process that lives in an end.
type process struct {
	pid  int
	name string // base name of its executable
}

// is reports whether the name, in which "*" may be anything, is the process's.
func (p process) is(name string) bool {
	ok, err := path.Match(name, p.name)
	return ok && err == nil
}

// processes of the end. Zombies have no executable and are not listed.
func (e *end) processes() ([]process, error) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	var all []process
	for _, d := range dirs {
		// Any of these may fail: processes end while we look.
		if ns, err := os.Readlink(d + "/ns/net"); err != nil || ns != e.netns {
			continue
		}
		exe, err := os.Readlink(d + "/exe")
		if err != nil {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(d))
		if err != nil {
			continue
		}
		all = append(all, process{pid, filepath.Base(exe)})
	}
	return all, nil
}

// kill sends a signal to every process of the name, or to all processes when
// the name is empty, and returns how many there were.
func (e *end) kill(name string, sig unix.Signal) (n int, err error) {
	all, err := e.processes()
	if err != nil {
		return 0, err
	}
	for _, p := range all {
		if name != "" && !p.is(name) {
			continue
		}
		if err := unix.Kill(p.pid, sig); err != nil && !errors.Is(err, unix.ESRCH) {
			return n, fmt.Errorf("kill %s (%d): %w", p.name, p.pid, err)
		}
		n++
	}
	return n, nil
}
