package pluginhost

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/auth"
	"github.com/racoon-ike/racoon/core/sdk/config"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/plugin"
	"github.com/racoon-ike/racoon/core/sdk/plugintest/authtest"
	"github.com/racoon-ike/racoon/core/sdk/plugintest/kerneltest"
	"github.com/racoon-ike/racoon/core/sdk/plugintest/logtest"
)

// The test binary is also every plugin and every bad plugin of these tests: the
// environment says which.
const roleKey = "RACOON_TEST_ROLE"

func TestMain(m *testing.M) {
	role, arg, _ := strings.Cut(os.Getenv(roleKey), "=")
	if run, ok := roles[role]; ok {
		run(arg)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

var roles = map[string]func(arg string){
	"auth":     func(string) { plugin.Serve(testAuth()) },
	"kernel":   func(string) { plugin.Serve(kerneltest.New().Spec("test")) },
	"log":      func(string) { plugin.Serve(new(logtest.Memory).Spec("test")) },
	"noise":    func(string) { fmt.Println("hello from a chatty library"); select {} },
	"mute":     func(string) { select {} },
	"die":      func(string) { fmt.Fprintln(os.Stderr, "libhsm.so.3: not found"); os.Exit(3) },
	"stranger": func(string) { beStranger() },
	"outside":  func(string) { beOutside() },
	"squat":    squat,
	"host":     beHost,
}

// psk is what no log and no error may ever show.
const psk = "correct horse battery staple"

// testAuth is an authenticator whose configuration can make it misbehave.
func testAuth() plugin.Spec {
	return plugin.Spec{
		Name: "test", Version: "1.2", Vendor: "racoon",
		Schema: &config.Schema{Body: config.Body{Attrs: []config.Attr{{Name: "mode", Type: "string"}}}},
		Validate: func(_ context.Context, v config.Value) config.Diagnostics {
			if strings.Contains(string(v.JSON), "warn") {
				return config.Diagnostics{{Severity: config.Warning, Summary: "as you wish"}}
			}
			return nil
		},
		Auth: func(_ context.Context, v config.Value, env plugin.Env) (auth.Authenticator, config.Diagnostics) {
			var c struct{ Mode, Peer string }
			if err := v.Decode(&c); err != nil {
				return nil, config.Errorf(nil, "T001", "unreadable", "%v", err)
			}
			fmt.Println("a library prints to stdout") // must not matter
			env.Logger.Info("configured", "mode", c.Mode, "generation", env.Generation)
			if c.Peer == "" {
				c.Peer = "192.0.2.1"
			}
			s := &authtest.Static{PSKs: map[string][][]byte{c.Peer: {[]byte(psk)}}}
			switch c.Mode {
			case "refuse":
				return nil, config.Errorf([]string{"mode"}, "T002", "bad mode", "mode %q is for tests", c.Mode)
			case "panic":
				panic("boom in configure")
			case "crash-on-call":
				s.Before = func(_ context.Context, method string) error {
					if method == "DeriveSKEYIDs" {
						os.Exit(7)
					}
					return nil
				}
			case "environment":
				s.Before = func(_ context.Context, method string) error {
					if method == "Sign" {
						return errs.Errorf(errs.Busy, "%s", strings.Join(os.Environ(), ","))
					}
					return nil
				}
			}
			return s, nil
		},
	}
}

// beStranger makes another process listen in our place.
func beStranger() {
	path := filepath.Join(os.Getenv("PLUGIN_UNIX_SOCKET_DIR"), "s")
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{roleKey + "=squat=" + path}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_, _ = bufio.NewReader(out).ReadString('\n') // it listens
	fmt.Printf("1|1|unix|%s|grpc|\n", path)
	select {}
}

func squat(path string) {
	l, err := net.Listen("unix", path)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("listening")
	for {
		if _, err := l.Accept(); err != nil {
			return
		}
	}
}

// beOutside tells an address outside the directory it was given.
func beOutside() {
	fmt.Println("1|1|unix|/tmp/elsewhere.sock|grpc|")
	select {}
}

// beHost runs a plugin, tells its process id, and waits to be killed.
func beHost(dir string) {
	h, err := New(Options{RunDir: dir})
	if err == nil {
		var a *Auth
		a, err = h.StartAuth(context.Background(), Spec{Name: "test", Path: self(), Env: []string{roleKey + "=auth"}}, Hooks[auth.Authenticator]{})
		if err == nil {
			fmt.Println(a.Status().PID)
			select {}
		}
	}
	fmt.Println(err)
	os.Exit(1)
}

func self() string {
	exe, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return exe
}

// runDir is a short private directory: a test's own name makes too long a path.
func runDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "rh")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// trace records what a host tells.
type trace struct {
	mu     sync.Mutex
	states []string
	logs   strings.Builder
	change chan struct{}
}

func (tr *trace) onState(p Plugin, s State, err error) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.states = append(tr.states, s.String())
	close(tr.change)
	tr.change = make(chan struct{})
}

func (tr *trace) Write(b []byte) (int, error) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	close(tr.change)
	tr.change = make(chan struct{})
	return tr.logs.Write(b)
}

func (tr *trace) log() string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.logs.String()
}

// count of a state so far.
func (tr *trace) count(state State) int {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	n := 0
	for _, s := range tr.states {
		if s == state.String() {
			n++
		}
	}
	return n
}

// until waits for a condition on what was told.
func (tr *trace) until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	limit := time.After(time.Minute) // on a machine in trouble
	for {
		tr.mu.Lock()
		change := tr.change
		tr.mu.Unlock()
		if ok() {
			return
		}
		select {
		case <-change:
		case <-limit:
			t.Fatalf("waited in vain for %s; states %v; log:\n%s", what, tr.states, tr.log())
		}
	}
}

// newHost is a host with a short temper, which leaves nothing behind.
func newHost(t testing.TB) (*Host, *trace) {
	t.Helper()
	tr := &trace{change: make(chan struct{})}
	dir := runDir(t)
	h, err := New(Options{RunDir: dir, OnState: tr.onState, Logger: slog.New(slog.NewTextHandler(tr, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	h.timing.healthEvery, h.timing.backoffMin = 200*time.Millisecond, 20*time.Millisecond
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		h.Close(ctx)
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("run directory after Close: %v, %v", left, err)
		}
		if strings.Contains(tr.log(), psk) {
			t.Error("the log shows the pre-shared key")
		}
	})
	return h, tr
}

// role is the Spec of this binary in a role.
func role(name string) Spec {
	return Spec{Name: "test", Path: self(), Env: []string{roleKey + "=" + name, "GORACE=atexit_sleep_ms=0"}}
}

func startAuth(t testing.TB, h *Host, s Spec) *Auth {
	t.Helper()
	a, err := h.StartAuth(context.Background(), s, Hooks[auth.Authenticator]{})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// alive reports whether a process exists and is no zombie.
func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) && !errors.Is(err, os.ErrNotExist)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}

func skeyidRequest(peer string) auth.SKEYIDRequest {
	return auth.SKEYIDRequest{Peer: peerAt(peer), PRF: 4, Ni: []byte("12345678"), Nr: []byte("abcdefgh")}
}
