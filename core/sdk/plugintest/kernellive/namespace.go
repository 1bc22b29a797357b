//go:build linux

// Package kernellive is for the tests of a kernel plugin that talk to the real kernel
// of Linux, in namespaces of their own:
//
//	func TestMain(m *testing.M) { kernellive.Main(m) }
//
//	func TestAnSAIsThere(t *testing.T) {
//		kernellive.Need(t)
//		b := mine.New()
//		kernellive.Clean(t, b)
//		kernellive.Apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddSA, SA: sa})
//	}
package kernellive

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// inNamespace is set in the process that runs the tests.
const inNamespace = "RACOON_LIVE_NAMESPACE"

// Main runs the tests of a binary in new namespaces, as TestMain.
func Main(m *testing.M) {
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

// runInNamespaces runs this binary in a new network namespace, and in a new user
// namespace where it takes that. ok is false where the system allows none.
func runInNamespaces() (code int, ok bool) {
	start := func(attr *syscall.SysProcAttr) (*exec.Cmd, error) {
		c := exec.Command("/proc/self/exe", os.Args[1:]...)
		c.Env = append(os.Environ(), inNamespace+"=new")
		c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
		attr.Pdeathsig = syscall.SIGKILL
		c.SysProcAttr = attr
		return c, c.Start()
	}
	c, err := start(&syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET})
	if err != nil {
		c, err = start(&syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "no namespaces for the live tests:", err)
		return 0, false
	}
	if err = c.Wait(); err == nil {
		return 0, true
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() > 0 {
		return exit.ExitCode(), true
	}
	fmt.Fprintln(os.Stderr, "test process:", err)
	return 1, true
}

// Need skips a test that has no namespace of its own.
func Need(t *testing.T) {
	t.Helper()
	if os.Getenv(inNamespace) != "new" {
		t.Skip("this system allows no user and network namespaces")
	}
}

// IP runs ip(8) with words, which must succeed, and returns what it prints.
func IP(t *testing.T, words string) string {
	t.Helper()
	out, err := exec.Command("ip", strings.Fields(words)...).CombinedOutput()
	if err != nil {
		t.Fatalf("ip %s: %v: %s", words, err, out)
	}
	return string(out)
}

// Path gives this namespace an interface path0, with 10.9.1.1 and 2001:db8:9::1, and
// routes to 10.9.2.0/24, with an MTU of 1400, and 10.9.3.0/24, until the test ends.
func Path(t *testing.T) {
	t.Helper()
	veth(t, "path", "10.9.1.1/24")
	IP(t, "addr add 2001:db8:9::1/64 dev path0 nodad")
	IP(t, "route add 10.9.2.0/24 via 10.9.1.254 dev path0 mtu 1400")
	IP(t, "route add 10.9.3.0/24 via 10.9.1.254 dev path0")
}

// DocumentationPath gives it 192.0.2.1 and a route to 203.0.113.0/24, where the checks of
// plugintest.Kernel send packets.
func DocumentationPath(t *testing.T) {
	t.Helper()
	veth(t, "doc", "192.0.2.1/24")
	IP(t, "route add 203.0.113.0/24 via 192.0.2.254 dev doc0")
}

func veth(t *testing.T, name, addr string) {
	t.Helper()
	IP(t, fmt.Sprintf("link add %s0 type veth peer name %s1", name, name))
	t.Cleanup(func() { IP(t, "link delete "+name+"0") })
	IP(t, fmt.Sprintf("addr add %s dev %s0", addr, name))
	IP(t, "link set "+name+"1 up")
	IP(t, "link set "+name+"0 up")
}
