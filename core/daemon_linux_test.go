package core

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	ctl "github.com/racoon-ike/racoon/core/control"
	"github.com/racoon-ike/racoon/core/sdk/auth"
	"github.com/racoon-ike/racoon/core/sdk/config"
	sdkplugin "github.com/racoon-ike/racoon/core/sdk/plugin"
	"github.com/racoon-ike/racoon/core/sdk/plugintest/authtest"
	"github.com/racoon-ike/racoon/core/sdk/plugintest/kerneltest"
	"github.com/racoon-ike/racoon/core/sdk/plugintest/logtest"
)

// The test binary is also the daemon and its plugins: the name it is called by says
// which. The kernel is one in memory, so that nothing of the host is touched.
func TestMain(m *testing.M) {
	switch filepath.Base(os.Args[0]) {
	case "racoon":
		os.Exit(Main(os.Args, os.Stdout, os.Stderr))
	case "racoon-kernel-fake":
		sdkplugin.Serve(kerneltest.New().Spec("fake"))
	case "racoon-kernel-keys":
		sdkplugin.Serve(keyKernel())
	case "racoon-auth-fake":
		sdkplugin.Serve(fakeAuth())
	case "racoon-lint":
		os.Exit(lintMain())
	case "racoon-log-fake":
		sdkplugin.Serve(new(logtest.Memory).Spec("fake"))
	}
	os.Exit(m.Run())
}

// fakeAuth refuses the mode "bad".
func fakeAuth() sdkplugin.Spec {
	return sdkplugin.Spec{
		Name: "fake", Version: "0", Vendor: "racoon",
		Schema: &config.Schema{Body: config.Body{Attrs: []config.Attr{{Name: "mode", Type: "string"}}}},
		Auth: func(_ context.Context, v config.Value, _ sdkplugin.Env) (auth.Authenticator, config.Diagnostics) {
			var c struct{ Mode string }
			if err := v.Decode(&c); err != nil || c.Mode == "bad" {
				return nil, config.Diagnostics{{Summary: "no such mode", Path: []string{"mode"}, Code: "FAKE1"}}
			}
			return &authtest.Static{}, nil
		},
	}
}

// site is a directory with a configuration, plugins and a run directory.
type site struct {
	t          *testing.T
	dir        string
	port, natt int
}

func newSite(t *testing.T) *site {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("racoon runs as root only")
	}
	dir, err := os.MkdirTemp("", "rc") // short: sockets live below
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"racoon", "racoon-kernel-fake", "racoon-auth-fake", "racoon-log-fake"} {
		if err := os.Symlink(exe, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	s := &site{t: t, dir: dir, port: freePort(t), natt: freePort(t)}
	s.write("plugins.hcl", s.hcl("good", `plugin "log" "fake" { path = "racoon-log-fake" }`))
	s.write("racoon.conf", s.conf("info"))
	return s
}

func (s *site) hcl(mode, more string) string {
	return fmt.Sprintf(`plugin "kernel" "fake" { path = "racoon-kernel-fake" }
plugin "auth" "fake" {
  path = "racoon-auth-fake"
  config {
    mode = %q
  }
}
%s
`, mode, more)
}

func (s *site) conf(level string) string {
	return fmt.Sprintf(`path pidfile "%s/racoon.pid";
log %s;
listen { isakmp 127.0.0.1 [%d]; strict_address; }
remote 192.0.2.1 { exchange_mode main; proposal { encryption_algorithm aes 256; hash_algorithm sha256; authentication_method pre_shared_key; dh_group ecp256; } }
`, s.dir, level, s.port)
}

func (s *site) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func freePort(t *testing.T) int {
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).Port
}

func (s *site) command(args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.dir, "racoon"), append([]string{"-f", filepath.Join(s.dir, "racoon.conf")}, args...)...)
	cmd.Env = append(os.Environ(), runDirEnv+"="+filepath.Join(s.dir, "run"))
	return cmd
}

// output is what a process has written so far.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// foreground starts racoon -F and returns when it is up.
func (s *site) foreground() (*exec.Cmd, *output) {
	s.t.Helper()
	cmd, out := s.command("-F"), new(output)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if cmd.ProcessState == nil {
			cmd.Process.Kill()
			cmd.Wait()
		}
		if s.t.Failed() {
			s.t.Logf("racoon said:\n%s", out)
		}
	})
	s.until("the daemon is up", s.up)
	return cmd, out
}

// up reports whether the control socket answers.
func (s *site) up() bool {
	c, err := ctl.Dial(filepath.Join(s.dir, "run", "racoon.sock"))
	if err != nil {
		return false
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err = c.Version(ctx)
	return err == nil
}

// until polls for a condition.
func (s *site) until(what string, cond func() bool) {
	s.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(2 * time.Minute); ; <-tick.C {
		if cond() {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("not in two minutes: %s", what)
		}
	}
}

func (s *site) pid() int {
	b, err := os.ReadFile(filepath.Join(s.dir, "racoon.pid"))
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	return n
}

// pluginPIDs are the processes that run one of our plugins.
func (s *site) pluginPIDs() (pids []int) {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err == nil && strings.HasPrefix(string(b), s.dir+"/racoon-") {
			pid, _ := strconv.Atoi(strings.Split(f, "/")[2])
			pids = append(pids, pid)
		}
	}
	return pids
}

// TestDaemonInTheForeground from its start to its end by a signal.
func TestDaemonInTheForeground(t *testing.T) {
	s := newSite(t)
	cmd, out := s.foreground()
	if s.pid() != cmd.Process.Pid {
		t.Errorf("pid file has %d, want %d", s.pid(), cmd.Process.Pid)
	}
	if n := len(s.pluginPIDs()); n != 3 {
		t.Errorf("%d plugins run, want 3", n)
	}
	cmd.Process.Signal(syscall.SIGUSR1)
	s.until("SIGUSR1 is logged", func() bool { return strings.Contains(out.String(), "caught signal signal=\"user defined signal 1\"") })
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Errorf("exit status: %v", err)
	}
	for _, want := range []string{"Foreground mode.\n", "listening local=127.0.0.1:" + strconv.Itoa(s.port), "racoon shutting down"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("not logged: %q", want)
		}
	}
	if p := s.pluginPIDs(); len(p) > 0 {
		t.Errorf("plugins are left: %v", p)
	}
	for _, f := range []string{"racoon.pid", "run/racoon.sock"} {
		if _, err := os.Stat(filepath.Join(s.dir, f)); err == nil {
			t.Errorf("%s is left", f)
		}
	}
}

// TestKilledDaemonLeavesNoProcess and its pid file does not keep the next one from
// starting.
func TestKilledDaemonLeavesNoProcess(t *testing.T) {
	s := newSite(t)
	cmd, _ := s.foreground()
	cmd.Process.Kill()
	cmd.Wait()
	s.until("the plugins are gone", func() bool { return len(s.pluginPIDs()) == 0 })
	again, _ := s.foreground()
	again.Process.Signal(syscall.SIGINT)
	if err := again.Wait(); err != nil {
		t.Error(err)
	}
}

// TestSecondDaemonIsRefused while the first lives.
func TestSecondDaemonIsRefused(t *testing.T) {
	s := newSite(t)
	cmd, _ := s.foreground()
	text, err := s.command("-F").CombinedOutput()
	if want := fmt.Sprintf("another racoon is running with pid %d", cmd.Process.Pid); err == nil || !strings.Contains(string(text), want) {
		t.Errorf("%v, want %q in:\n%s", err, want, text)
	}
	if !s.up() || s.pid() != cmd.Process.Pid {
		t.Error("the first one was disturbed")
	}
}

// TestBackgroundReturnsWhenTheDaemonIsUp with status 0, and the daemon lives on.
func TestBackgroundReturnsWhenTheDaemonIsUp(t *testing.T) {
	s := newSite(t)
	text, err := s.command("-l", filepath.Join(s.dir, "log")).CombinedOutput() // returns only when nobody holds the pipe any more
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	pid := s.pid()
	if !s.up() || pid == 0 {
		t.Fatal("the first process returned before the daemon was up")
	}
	if dir, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); err != nil || dir != "/" {
		t.Errorf("it runs in %q (%v)", dir, err)
	}
	if sid, err := syscall.Getpgid(pid); err != nil || sid != pid {
		t.Errorf("it leads no group of its own: %d (%v)", sid, err)
	}
	for fd := range 3 {
		if to, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, fd)); err != nil || to != "/dev/null" {
			t.Errorf("descriptor %d is %q (%v)", fd, to, err)
		}
	}
	syscall.Kill(pid, syscall.SIGTERM)
	s.until("the daemon has ended", func() bool { return s.pid() == 0 && len(s.pluginPIDs()) == 0 })
	log, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil || !strings.Contains(string(log), "racoon shutting down") {
		t.Errorf("log (%v):\n%s", err, log)
	}
}

// TestBackgroundTellsWhyItFailed on the terminal, with its status.
func TestBackgroundTellsWhyItFailed(t *testing.T) {
	for _, c := range []struct {
		name    string
		prepare func(*site)
		want    string
	}{
		{"an error in the configuration", func(s *site) { s.write("racoon.conf", "logg info;") }, `did you mean "log"?`},
		{"no configuration", func(s *site) { os.Remove(filepath.Join(s.dir, "racoon.conf")) }, "could not read configuration file"},
		{"a plugin that refuses its configuration", func(s *site) {
			s.write("plugins.hcl", s.hcl("bad", `plugin "log" "fake" { path = "racoon-log-fake" }`))
		}, "plugins.hcl:5: \"bad\" plugin auth/fake: no such mode [FAKE1]"},
		{"a plugin whose configuration does not fit", func(s *site) {
			s.write("plugins.hcl", strings.Replace(s.hcl("good", `plugin "log" "fake" { path = "racoon-log-fake" }`), "mode =", "mood =", 1))
		}, "plugins.hcl:5: \"mood\" is no setting here"},
		{"a plugin that is not there", func(s *site) { os.Remove(filepath.Join(s.dir, "racoon-kernel-fake")) }, "no such file"},
		{"an address that is not there", func(s *site) {
			s.write("racoon.conf", strings.Replace(s.conf("info"), "127.0.0.1", "192.0.2.77", 1))
		}, "192.0.2.77"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t)
			c.prepare(s)
			text, err := s.command().CombinedOutput()
			if err == nil || !strings.Contains(string(text), c.want) {
				t.Errorf("%v, want %q in:\n%s", err, c.want, text)
			}
			if len(s.pluginPIDs()) > 0 || s.pid() != 0 {
				t.Error("something is left")
			}
		})
	}
}

// TestReload takes a new configuration as a whole or not at all.
func TestReload(t *testing.T) {
	s := newSite(t)
	cmd, out := s.foreground()
	said := func(text string) func() bool {
		return func() bool { return strings.Contains(out.String(), text) }
	}
	s.write("racoon.conf", "nonsense;")
	cmd.Process.Signal(syscall.SIGHUP)
	s.until("the error is logged", said("nonsense"))
	s.until("the rejection is logged", said("the old one stays"))

	s.write("racoon.conf", s.conf("debug"))
	s.write("plugins.hcl", s.hcl("bad", `plugin "log" "fake" { path = "racoon-log-fake" }`))
	cmd.Process.Signal(syscall.SIGHUP)
	s.until("the plugin's refusal is logged", said("plugin auth/fake refused its configuration"))
	if strings.Contains(out.String(), "DEBUG") {
		t.Error("a rejected configuration was taken in part")
	}

	s.write("plugins.hcl", s.hcl("better", `plugin "log" "fake" { path = "racoon-log-fake" }`))
	c, err := ctl.Dial(filepath.Join(s.dir, "run", "racoon.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	plan, err := c.PlanReload(t.Context())
	if err != nil || !slices.Equal(plan.Changes.Others, []string{"log", "plugin auth/fake"}) {
		t.Errorf("plan: %+v, %v", plan, err)
	}
	s.write("racoon.conf", "nonsense;")
	if _, err := c.PlanReload(t.Context()); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("plan of a bad file: %v", err)
	}
	s.write("racoon.conf", s.conf("debug"))
	if n := strings.Count(out.String(), "the old one stays"); n != 2 || strings.Contains(out.String(), "DEBUG") {
		t.Errorf("a plan has touched something; %d rejections are logged", n)
	}
	res, err := c.Reload(t.Context())
	if err != nil || res.Generation != 2 || !slices.Equal(res.Changes.Others, plan.Changes.Others) {
		t.Errorf("reload: %+v, %v", res, err)
	}
	s.until("the change is logged", said("changed too: log"))
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(out.String(), "DEBUG") {
		t.Error("the new log level is not in force")
	}
}

// TestMainWithoutADaemon: what ends at once, without root.
func TestMainWithoutADaemon(t *testing.T) {
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good.conf"), filepath.Join(dir, "bad.conf")
	os.WriteFile(good, []byte("log info;"), 0o600)
	os.WriteFile(bad, []byte("logg info;"), 0o600)
	for _, c := range []struct {
		name           string
		args           []string
		status         int
		stdout, stderr string
	}{
		{"version", []string{"racoon", "-V"}, 0, "racoon " + Version + " (", ""},
		{"usage", []string{"/sbin/racoon", "-q"}, 1, "", "usage: racoon [-46"},
		{"a good configuration", []string{"rr", "-t", "-f", good}, 0, fmt.Sprintf("rr: configuration file %q syntax is ok\nrr: configuration file %q test is successful\n", good, good), ""},
		{"a bad configuration", []string{"rr", "-t", "-f", bad}, 1, "", fmt.Sprintf("rr: configuration file %q test failed\n", bad)},
		{"no configuration", []string{"rr", "-tf/does/not/exist"}, 1, "", "could not read configuration file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			if got := Main(c.args, &stdout, &stderr); got != c.status {
				t.Errorf("status %d, want %d", got, c.status)
			}
			if !strings.Contains(stdout.String(), c.stdout) || !strings.Contains(stderr.String(), c.stderr) {
				t.Errorf("stdout %q\nstderr %q", stdout.String(), stderr.String())
			}
		})
	}
}
