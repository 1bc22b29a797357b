//go:build linux

package pfkey

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/plugintest"
)

// The live tests talk to the real kernel, in namespaces of their own: TestMain
// runs the test binary once more in them. Without af_key they are skipped with a
// sentence; lab/ runs the same binary in User-Mode Linux, which lacks nothing.
const inNamespace = "PFKEY_TEST_NAMESPACE"

func TestMain(m *testing.M) {
	switch os.Getenv(inNamespace) {
	case "":
		if code, ok := runInNamespaces(); ok {
			os.Exit(code)
		}
		os.Setenv(inNamespace, "unavailable")
	case "new":
		if err := exec.Command("ip", "link", "set", "lo", "up").Run(); err != nil {
			fmt.Fprintln(os.Stderr, "ip link set lo up:", err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// runInNamespaces runs this binary in a new user and network namespace. ok is
// false where the system allows none.
func runInNamespaces() (code int, ok bool) {
	c := exec.Command("/proc/self/exe", os.Args[1:]...)
	c.Env = append(os.Environ(), inNamespace+"=new")
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   syscall.SIGKILL,
	}
	if err := c.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "no namespaces for the live tests:", err)
		return 0, false
	}
	err := c.Wait()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0, true
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		return exit.ExitCode(), true
	}
	fmt.Fprintln(os.Stderr, "test process:", err)
	return 1, true
}

// live returns a backend on the real kernel whose tables are empty, now and at
// the end, and what it can do.
func live(t *testing.T) (*Backend, kernel.Capabilities) {
	t.Helper()
	if os.Getenv(inNamespace) == "unavailable" {
		t.Skip("this system allows no user and network namespaces")
	}
	b := New(Config{DumpKeys: true}, slog.New(slog.NewTextHandler(t.Output(), nil)))
	caps, err := b.Capabilities(t.Context())
	if errors.Is(err, &errs.Error{Reason: errs.Unsupported}) {
		t.Skipf("%v: the lab's User-Mode Linux has it", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	flush := func() {
		apply(t, b, kernel.Continue, kernel.Op{Kind: kernel.FlushSAs}, kernel.Op{Kind: kernel.FlushPolicies})
	}
	flush()
	t.Cleanup(func() {
		flush()
		b.Close(context.Background())
	})
	return b, caps
}

// TestConformance runs the contract's checks, over gRPC, against the real kernel.
func TestConformance(t *testing.T) {
	live(t)
	ip(t, "link add kdoc0 type veth peer name kdoc1")
	t.Cleanup(func() { ip(t, "link delete kdoc0") })
	ip(t, "addr add 192.0.2.1/24 dev kdoc0")
	ip(t, "link set kdoc1 up")
	ip(t, "link set kdoc0 up")
	ip(t, "route add 203.0.113.0/24 via 192.0.2.254 dev kdoc0")
	plugintest.Kernel(t, subject(), plugintest.KernelWant{Exclusive: true, DumpKeys: `{"dump_keys":true}`, Send: plugintest.SendUDP})
}

// apply runs one transaction; every op must succeed.
func apply(t *testing.T, b *Backend, on kernel.OnError, ops ...kernel.Op) {
	t.Helper()
	for i, r := range tryApply(t, b, on, ops...) {
		if r.Err != nil {
			t.Fatalf("op %d: %v", i, r.Err)
		}
	}
}

func tryApply(t *testing.T, b *Backend, on kernel.OnError, ops ...kernel.Op) []kernel.OpResult {
	t.Helper()
	res, err := b.Apply(context.Background(), []kernel.Transaction{{Ops: ops, OnError: on}})
	if err != nil {
		t.Fatal(err)
	}
	return res[0].Ops
}

func dumpAll(t *testing.T, b *Backend, f kernel.DumpFilter) (list []kernel.Object) {
	t.Helper()
	if err := b.Dump(t.Context(), f, func(o kernel.Object) error { list = append(list, o); return nil }); err != nil {
		t.Fatal(err)
	}
	return list
}

func ip(t *testing.T, words string) string {
	t.Helper()
	out, err := exec.Command("ip", strings.Fields(words)...).CombinedOutput()
	if err != nil {
		t.Fatalf("ip %s: %v: %s", words, err, out)
	}
	return string(out)
}

// subscribe starts a stream and returns a function that waits for the next event
// of one of the kinds. The stream ends with the test.
func subscribe(t *testing.T, b *Backend) func(...kernel.EventKind) kernel.Event {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	events, ended := make(chan kernel.Event, 1<<16), make(chan error, 1)
	go func() {
		ended <- b.Events(ctx, 0, func(ev kernel.Event) error { events <- ev; return nil })
		close(events)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Events ended with %v, want context.Canceled", err)
		}
	})
	next := func(kinds ...kernel.EventKind) kernel.Event {
		t.Helper()
		limit := time.After(20 * time.Second)
		for {
			select {
			case ev, ok := <-events:
				if !ok {
					t.Fatalf("the stream ended while waiting for %v", kinds)
				}
				if slices.Contains(kinds, ev.Kind) {
					return ev
				}
			case <-limit:
				t.Fatalf("no event of kinds %v", kinds)
			}
		}
	}
	if ev := next(kernel.Ready, kernel.Overflow, kernel.NetChanged); ev.Kind != kernel.Ready {
		t.Fatalf("the first event is %d, want Ready", ev.Kind)
	}
	return next
}

// withPath gives this namespace 10.9.1.1 and a route to 10.9.2.0/24 and 10.9.3.1.
func withPath(t *testing.T) {
	t.Helper()
	ip(t, "link add kpath0 type veth peer name kpath1")
	t.Cleanup(func() { ip(t, "link delete kpath0") })
	ip(t, "addr add 10.9.1.1/24 dev kpath0")
	ip(t, "link set kpath1 up")
	ip(t, "link set kpath0 up")
	ip(t, "route add 10.9.2.0/24 via 10.9.1.254 dev kpath0")
	ip(t, "route add 10.9.3.0/24 via 10.9.1.254 dev kpath0")
}

func sendPacket(t *testing.T, to string) {
	t.Helper()
	c, err := net.Dial("udp", to)
	if err == nil {
		_, err = c.Write([]byte("hello"))
		c.Close()
	}
	// Without an SA the kernel may refuse to connect or to send; it has asked by then.
	if err != nil && !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.ESRCH) && !errors.Is(err, syscall.EINVAL) {
		t.Fatal(err)
	}
}

var errEnough = errors.New("enough")
