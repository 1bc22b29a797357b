package pluginhost

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/racoon-ike/racoon/core/internal/plugingrpc"
	"github.com/racoon-ike/racoon/core/sdk/auth"
	"github.com/racoon-ike/racoon/core/sdk/errs"
)

// replaced waits until the plugin is up with another process than pid.
func replaced(t *testing.T, tr *trace, a *Auth, pid int) {
	t.Helper()
	tr.until(t, "a new process", func() bool {
		s := a.Status()
		return s.State.up() && s.PID != pid && s.PID != 0
	})
}

func TestAKilledPluginIsReplacedConfiguredAndResynced(t *testing.T) {
	h, tr := newHost(t)
	type up struct{ peerKnown bool }
	ups, downs := make(chan up, 8), make(chan error, 8)
	a, err := h.StartAuth(t.Context(), with(role("auth"), `{"Peer":"192.0.2.5"}`), Hooks[auth.Authenticator]{
		OnUp: func(ctx context.Context, c auth.Authenticator) error {
			res, err := c.DeriveSKEYIDs(ctx, []auth.SKEYIDRequest{skeyidRequest("192.0.2.5")})
			ups <- up{err == nil && res[0].Err == nil}
			return err
		},
		OnDown: func(err error) { downs <- err },
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if u := <-ups; !u.peerKnown {
			t.Error("OnUp found the plugin without its configuration")
		}
		pid := a.Status().PID
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if err := <-downs; err == nil || !strings.Contains(err.Error(), "signal: killed") {
			t.Errorf("OnDown: got %v, want the signal", err)
		}
		replaced(t, tr, a, pid)
		if alive(pid) {
			t.Errorf("process %d is still there", pid)
		}
		if _, err := a.DeriveSKEYID(t.Context(), skeyidRequest("192.0.2.5")); err != nil {
			t.Errorf("after the restart: %v", err)
		}
	}
	if got := a.Status().Restarts; got != 3 {
		t.Errorf("%d restarts counted, want 3", got)
	}
}

func TestCallsToADeadPluginFailAtOnceAndTheCrashingOneToo(t *testing.T) {
	h, tr := newHost(t)
	h.timing.backoffMin, h.timing.backoffMax = time.Hour, time.Hour
	a := startAuth(t, h, with(role("auth"), `{"mode":"crash-on-call"}`))
	for _, what := range []string{"the call it died in", "a call while it is down"} {
		_, err := a.DeriveSKEYID(t.Context(), skeyidRequest("192.0.2.1"))
		e := errs.From(err)
		if e == nil || e.Reason != errs.Unavailable || !e.PluginGone {
			t.Errorf("%s: got %v, want UNAVAILABLE with PluginGone", what, err)
		}
		tr.until(t, "the back-off", func() bool { return a.Status().State == Backoff })
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := a.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Wait: got %v, want the deadline", err)
	}
	if err := a.Configure(t.Context(), nil, 1); errs.From(err).Reason != errs.Unavailable {
		t.Errorf("Configure: got %v, want UNAVAILABLE", err)
	}
}

func TestAWedgedPluginIsKilledByItsHealthCheckAndReplaced(t *testing.T) {
	h, tr := newHost(t)
	a := startAuth(t, h, role("auth"))
	pid := a.Status().PID
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	replaced(t, tr, a, pid)
	if alive(pid) {
		t.Errorf("process %d is still there", pid)
	}
	tr.until(t, "the reason in the log", func() bool { return strings.Contains(tr.log(), "does not answer its health check") })
}

func TestClosingDoesNotHangOnAWedgedPlugin(t *testing.T) {
	h, _ := newHost(t)
	h.timing.healthEvery, h.timing.grace = time.Hour, time.Hour
	a := startAuth(t, h, role("auth"))
	pid := a.Status().PID
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	begin := time.Now()
	h.Close(ctx)
	if took := time.Since(begin); took > time.Minute { // on a machine in trouble
		t.Errorf("Close took %v with 100 ms given, and a plugin that may take an hour", took)
	}
	if alive(pid) {
		t.Errorf("process %d is still there", pid)
	}
}

func TestAPluginStopsGracefully(t *testing.T) {
	h, tr := newHost(t)
	h.timing.exit = 10 * time.Second
	a := startAuth(t, h, role("auth"))
	pid := a.Status().PID
	a.Close(t.Context())
	if a.Status().Killed {
		t.Error("it had to be killed")
	}
	if alive(pid) || a.Status().State != Stopped || tr.count(Backoff) != 0 {
		t.Errorf("after Close: alive %v, state %v", alive(pid), a.Status().State)
	}
	if _, err := a.DeriveSKEYID(t.Context(), skeyidRequest("192.0.2.1")); !errs.From(err).PluginGone {
		t.Errorf("a call after Close: got %v", err)
	}
}

func TestACrashLoopBacksOffAndACriticalPluginFails(t *testing.T) {
	for crashes, want := range map[int]time.Duration{0: 100 * time.Millisecond, 3: 800 * time.Millisecond, 9: 30 * time.Second, 1000: 30 * time.Second} {
		got := backoff(defaultTiming(), crashes)
		if got < want*3/4 || got > want*5/4 {
			t.Errorf("after %d crashes: pause %v, want %v ± a quarter", crashes, got, want)
		}
	}

	h, tr := newHost(t)
	ups := 0
	_, err := h.StartAuth(t.Context(), role("auth"), Hooks[auth.Authenticator]{OnUp: func(context.Context, auth.Authenticator) error {
		if ups++; ups > 1 {
			return errors.New("resync failed")
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(h.Status()[0].PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	tr.until(t, "five back-offs", func() bool { return tr.count(Backoff) >= 5 })

	h, tr = newHost(t)
	s := role("auth")
	s.Critical = true
	a := startAuth(t, h, s)
	if err := syscall.Kill(a.Status().PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	tr.until(t, "the state failed", func() bool { return tr.count(Failed) == 1 })
	if err := a.Wait(t.Context()); errs.From(err).Reason != errs.Unavailable {
		t.Errorf("Wait on a failed plugin: got %v", err)
	}
}

func TestAPluginIgnoresTheSignalsATerminalSends(t *testing.T) {
	h, tr := newHost(t)
	a := startAuth(t, h, role("auth"))
	pid := a.Status().PID
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if err := syscall.Kill(pid, sig); err != nil {
			t.Fatal(err)
		}
		if _, err := a.DeriveSKEYID(t.Context(), skeyidRequest("192.0.2.1")); err != nil {
			t.Errorf("after %v: %v", sig, err)
		}
	}
	if tr.count(Backoff) != 0 || a.Status().PID != pid {
		t.Error("the plugin died of a signal")
	}
}

func TestNoPluginOutlivesAHostKilledBySIGKILL(t *testing.T) {
	dir := runDir(t)
	host := exec.Command(self())
	host.Env = []string{roleKey + "=host=" + dir}
	out, err := host.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatalf("the host said %q", line)
	}
	if err := host.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = host.Wait()
	poll(t, "the orphan's end", func() bool { return !alive(pid) })
	h, err := New(Options{RunDir: dir})
	if err != nil {
		t.Fatalf("the next host cannot take over: %v", err)
	}
	h.Close(t.Context())
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("not swept: %v, %v", left, err)
	}
}

// The lifeline alone, without the parent-death signal, must do.
func TestThePluginEndsWithItsLifeline(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	dir := runDir(t)
	cmd := exec.Command(self())
	cmd.Env = []string{
		roleKey + "=auth", plugingrpc.CookieKey + "=" + plugingrpc.CookieValue, "PLUGIN_UNIX_SOCKET_DIR=" + dir,
		plugingrpc.LifelineKey + "=3",
	}
	cmd.ExtraFiles = []*os.File{r}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r.Close()
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || !strings.HasPrefix(line, "1|1|unix|"+dir) {
		t.Fatalf("handshake %q, %v", line, err)
	}
	w.Close()
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v, want status 0", err)
	}
}

func TestCrashesLeakNothing(t *testing.T) {
	const crashes = 30
	h, tr := newHost(t)
	h.timing.backoffMin, h.timing.backoffMax = time.Millisecond, time.Millisecond
	a := startAuth(t, h, role("auth"))
	count := func() (int, int) {
		fds, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("no /proc/self/fd to count descriptors in")
		}
		return len(fds), runtime.NumGoroutine()
	}
	crash := func() {
		pid := a.Status().PID
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		replaced(t, tr, a, pid)
	}
	crash()
	fds, goroutines := count()
	for range crashes {
		crash()
	}
	poll(t, "descriptors and goroutines back at the base line", func() bool {
		f, g := count()
		return f <= fds && g <= goroutines
	})
}

// poll waits for a condition nobody announces.
func poll(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for limit := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
