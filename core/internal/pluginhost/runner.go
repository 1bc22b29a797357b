package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/racoon-ike/racoon/core/internal/plugingrpc"
)

// runner is one plugin process. It implements go-plugin's runner.Runner, and is
// what the supervisor kills: go-plugin's own Kill and Ping wait for ever on a
// process that does not answer.
type runner struct {
	spec      *Spec
	forks     *forker
	path      string // of the executable
	socketDir string
	socket    string   // in socketDir, where the plugin listens
	env       []string // from go-plugin: cookie, certificate, socket directory

	cmd      *exec.Cmd
	stdout   *os.File
	lifeline *os.File // our end: closing it tells the plugin to exit
	output   *stderrReader
	exited   chan struct{} // closed when the process is reaped and its output read
	exitErr  error         // valid after exited

	mu     sync.Mutex
	reaped bool
}

// drainTime is how long we read on after the process has ended: a grandchild may
// hold the pipes open for ever.
const drainTime = 100 * time.Millisecond

// Start starts the process. ctx only limits the start.
func (r *runner) Start(context.Context) error {
	exe, err := openExecutable(r.path, r.spec.SHA256)
	if err != nil {
		return err
	}
	defer exe.Close()
	attr, err := attributes(r.spec)
	if err != nil {
		return err
	}
	if attr.Credential != nil {
		if err := os.Chown(r.socketDir, r.spec.UID, r.spec.GID); err != nil {
			return fmt.Errorf("give the socket directory to the plugin: %w", err)
		}
	}
	var p pipes
	stdout, childStdout := p.pipe(true)
	stderr, childStderr := p.pipe(true)
	lifeline, childLifeline := p.pipe(false)
	defer func() { closeAll(p.theirs) }()
	if p.err != nil {
		closeAll(p.ours)
		return p.err
	}
	cmd := &exec.Cmd{
		Path: executePath(exe), Args: []string{r.path}, Dir: "/", Env: r.environment(),
		Stdout: childStdout, Stderr: childStderr, ExtraFiles: []*os.File{childLifeline}, SysProcAttr: attr,
	}
	r.forks.do(func() { err = cmd.Start() })
	if err != nil {
		closeAll(p.ours)
		return fmt.Errorf("start %s: %w", r.path, err)
	}
	r.mu.Lock()
	r.cmd = cmd
	r.mu.Unlock()
	r.stdout, r.lifeline = stdout, lifeline
	r.output.start(stderr)
	go r.reap()
	return nil
}

// environment is clean: nothing of the host's own reaches a plugin.
func (r *runner) environment() []string {
	env := []string{
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=/",
		plugingrpc.LifelineKey + "=" + strconv.Itoa(plugingrpc.LifelineFD),
	}
	if tz, ok := os.LookupEnv("TZ"); ok {
		env = append(env, "TZ="+tz)
	}
	return append(append(env, r.spec.Env...), r.env...)
}

// reap waits for the end of the process and takes what is left of its process
// group with it, while the zombie still holds the group's number.
func (r *runner) reap() {
	awaitZombie(r.cmd.Process.Pid)
	r.kill()
	err := r.cmd.Wait()
	r.mu.Lock()
	r.reaped = true
	r.mu.Unlock()
	deadline := time.Now().Add(drainTime)
	_ = r.stdout.SetReadDeadline(deadline)
	r.output.finish(deadline)
	_ = r.lifeline.Close()
	if err == nil {
		err = errors.New("exit status 0")
	}
	r.exitErr = err
	close(r.exited)
}

// kill sends SIGKILL to the process group.
func (r *runner) kill() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cmd != nil && !r.reaped {
		_ = syscall.Kill(-r.cmd.Process.Pid, syscall.SIGKILL)
	}
}

func (r *runner) pid() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cmd == nil {
		return 0
	}
	return r.cmd.Process.Pid
}

// dial connects to the socket the plugin told us, if it is in the directory we gave
// it and our child is at the other end.
func (r *runner) dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", r.socket)
	if err != nil {
		return nil, err
	}
	if err := r.checkPeer(c); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (r *runner) checkPeer(c net.Conn) error {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return fmt.Errorf("the plugin's address is of network %s, want a Unix socket", c.RemoteAddr().Network())
	}
	pid, err := peerPID(u)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return nil // AutoMTLS is on: Spec.check saw to it
	case err != nil:
		return fmt.Errorf("who serves the plugin's socket: %w", err)
	case pid != r.pid():
		return fmt.Errorf("process %d serves the plugin's socket, want the plugin itself, process %d", pid, r.pid())
	}
	return nil
}

// The rest is for go-plugin.

func (r *runner) Wait(context.Context) error {
	<-r.exited
	return r.exitErr
}

func (r *runner) Kill(context.Context) error                       { r.kill(); return nil }
func (r *runner) Stdout() io.ReadCloser                            { return selfClosing{r.stdout} }
func (r *runner) Stderr() io.ReadCloser                            { return io.NopCloser(eof{}) }
func (r *runner) Name() string                                     { return r.path }
func (r *runner) ID() string                                       { return strconv.Itoa(r.pid()) }
func (r *runner) Diagnose(context.Context) string                  { return "" }
func (r *runner) HostToPlugin(n, a string) (string, string, error) { return n, a, nil }

func (r *runner) PluginToHost(network, address string) (string, string, error) {
	if network != "unix" || filepath.Dir(address) != r.socketDir {
		return "", "", fmt.Errorf("the plugin listens on %s %q, want a Unix socket in %s", network, address, r.socketDir)
	}
	r.socket = address
	return network, address, nil
}

// eof is the stderr go-plugin gets: we read the real one.
type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

// selfClosing is the reading end of a pipe that nobody else closes.
type selfClosing struct{ *os.File }

func (s selfClosing) Read(b []byte) (int, error) {
	n, err := s.File.Read(b)
	if err != nil {
		s.File.Close()
	}
	return n, err
}

// pipes makes the pipes of a child and closes the right ends.
type pipes struct {
	ours, theirs []*os.File
	err          error
}

// pipe makes a pipe of which one end is ours. Its ends are nil once p.err is set.
func (p *pipes) pipe(weRead bool) (ours, theirs *os.File) {
	r, w, err := os.Pipe()
	if err != nil {
		p.err = errors.Join(p.err, fmt.Errorf("pipe: %w", err))
		return nil, nil
	}
	if ours, theirs = r, w; !weRead {
		ours, theirs = w, r
	}
	p.ours, p.theirs = append(p.ours, ours), append(p.theirs, theirs)
	return ours, theirs
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
