package core

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// statusEnv tells the second process where to report. Go cannot fork: without -F
// racoon starts itself again, and the first process waits until the second is up.
const statusEnv = "RACOON_STATUS_FD"

// statusFD is where ExtraFiles puts the pipe.
const statusFD = 3

// statusUp is what the second process writes when it is up.
const statusUp = "up"

// detach starts the daemon proper and returns its exit status: 0 once it is up. Its
// standard error is ours until then, so that its errors are seen.
func detach(name string, args []string, stdout, stderr io.Writer) int {
	r, w, err := os.Pipe()
	if err != nil {
		return fail(stderr, name, err)
	}
	defer r.Close()
	exe, err := os.Executable()
	if err != nil {
		return fail(stderr, name, fmt.Errorf("find our own program: %w", err))
	}
	cmd := exec.Command(exe)
	cmd.Args = args
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", statusEnv, statusFD))
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.ExtraFiles = []*os.File{w}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	w.Close()
	if err != nil {
		return fail(stderr, name, fmt.Errorf("start in the background: %w", err))
	}
	defer forward(cmd.Process)()
	line, _ := bufio.NewReader(r).ReadString('\n') // at its end without a line the other has died
	if strings.TrimSuffix(line, "\n") == statusUp {
		return 0
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		return exit.ExitCode() // it has said why
	case err == nil:
		err = errors.New("it ended before it was up")
	}
	return fail(stderr, name, fmt.Errorf("the daemon died while starting: %w", err))
}

// forward hands on what ends us while we wait: the other process is in a session of
// its own, where the terminal does not reach it.
func forward(to *os.Process) (stop func()) {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	go func() {
		for s := range signals {
			if s == unix.SIGHUP { // to the daemon it means something else
				s = unix.SIGTERM
			}
			_ = to.Signal(s) // it may have ended by itself
		}
	}()
	return func() {
		signal.Stop(signals)
		close(signals)
	}
}

// background is the second process's end of the pipe, nil in the foreground.
type background struct{ pipe *os.File }

// inBackground takes the pipe from the environment, so that no child inherits it.
func inBackground() (*background, error) {
	v := os.Getenv(statusEnv)
	if v == "" {
		return nil, nil
	}
	os.Unsetenv(statusEnv)
	if v != fmt.Sprint(statusFD) {
		return nil, fmt.Errorf("%s is for racoon's own use", statusEnv)
	}
	unix.CloseOnExec(statusFD)
	pipe := os.NewFile(statusFD, "status pipe")
	if fi, err := pipe.Stat(); err != nil || fi.Mode()&os.ModeNamedPipe == 0 {
		return nil, fmt.Errorf("%s is for racoon's own use", statusEnv)
	}
	return &background{pipe}, nil
}

// up leaves the terminal and tells the first process that it may go.
func (b *background) up() error {
	if b == nil {
		return nil
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("leave the terminal: %w", err)
	}
	defer null.Close()
	if err := os.Chdir("/"); err != nil {
		return fmt.Errorf("leave the terminal: %w", err)
	}
	for fd := range 3 {
		if err := dup2(int(null.Fd()), fd); err != nil {
			return fmt.Errorf("leave the terminal: %w", err)
		}
	}
	if _, err := b.pipe.WriteString(statusUp + "\n"); err != nil && !errors.Is(err, unix.EPIPE) { // nobody waits any more
		return fmt.Errorf("report to the first process: %w", err)
	}
	return b.pipe.Close()
}
