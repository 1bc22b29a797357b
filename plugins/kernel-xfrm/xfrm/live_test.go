//go:build linux

package xfrm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// The live tests talk to the real kernel, in namespaces of their own: TestMain
// runs the test binary once more in them. What the kernel lacks (ESP and AH on
// many build machines) is skipped with a sentence; lab/ runs the same binary in
// User-Mode Linux, which lacks nothing. See ../README.md.
const inNamespace = "XFRM_TEST_NAMESPACE"

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
	err := c.Start()
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

// live returns a backend on the real kernel whose tables are empty, now and at
// the end.
func live(t *testing.T) *Backend {
	t.Helper()
	if os.Getenv(inNamespace) == "unavailable" {
		t.Skip("this system allows no user and network namespaces")
	}
	b, err := New(Config{ReplayWindow: 64, EventBuffer: 2048}, slog.New(slog.NewTextHandler(t.Output(), nil)))
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
	return b
}

// liveESP is live on a kernel that has ESP.
func liveESP(t *testing.T) (*Backend, kernel.Capabilities) {
	t.Helper()
	b := live(t)
	caps, err := b.Capabilities(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if caps.Features&kernel.FeatESP == 0 {
		t.Skipf("%s has no ESP: run this test in the lab's User-Mode Linux (README.md)", caps.Platform)
	}
	return b, caps
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

func ip(t *testing.T, words string) {
	t.Helper()
	if out, err := exec.Command("ip", strings.Fields(words)...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", words, err, out)
	}
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

func outPolicy() *kernel.Policy {
	return &kernel.Policy{
		Key: kernel.PolicyKey{
			Dir: kernel.Out, Sel: kernel.Selector{Src: prefix("10.9.1.0/24"), Dst: prefix("10.9.2.0/24")},
		},
		Action:    kernel.ActionIPsec,
		Templates: []kernel.Template{{Proto: protoESP, Mode: kernel.ModeTunnel, Level: kernel.LevelUnique, ReqID: 77, Src: addr("10.9.1.1"), Dst: addr("10.9.3.1")}},
	}
}

func TestPoliciesAreAddedReadChangedAndDeleted(t *testing.T) {
	b := live(t)
	next := subscribe(t, b)
	p := outPolicy()
	fwd := outPolicy()
	fwd.Key.Dir, fwd.Key.Mark, fwd.Key.IfID = kernel.Fwd, &kernel.Mark{Value: 1, Mask: 0xf}, 5
	apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddPolicy, Policy: p}, kernel.Op{Kind: kernel.AddPolicy, Policy: fwd})
	added := next(kernel.PolicyAdded)
	if added.Policy.Key.ID == 0 || len(added.Policy.Templates) != 1 || added.Policy.Templates[0].ReqID != 77 {
		t.Errorf("added %+v", added.Policy)
	}
	if got := next(kernel.PolicyAdded); got.Policy.Key.Dir != kernel.Fwd || got.Policy.Key.IfID != 5 || *got.Policy.Key.Mark != *fwd.Key.Mark {
		t.Errorf("added %+v", got.Policy)
	}
	if got := tryApply(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddPolicy, Policy: p}); got[0].Err == nil || got[0].Err.Reason != errs.Exists {
		t.Errorf("adding it again: %v, want Exists", got[0].Err)
	}
	list := dumpAll(t, b, kernel.DumpFilter{Policies: true})
	if len(list) != 2 || !slices.ContainsFunc(list, func(o kernel.Object) bool { return o.Policy.Key.ID == added.Policy.Key.ID }) {
		t.Fatalf("dump: %+v", list)
	}
	if got := dumpAll(t, b, kernel.DumpFilter{Policies: true, ReqIDs: []uint32{78}}); len(got) != 0 {
		t.Errorf("dump of another reqid: %+v", got)
	}
	p.Priority = 12
	apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.UpdatePolicy, Policy: p})
	if got := next(kernel.PolicyUpdated); got.Policy.Priority != 12 {
		t.Errorf("updated to priority %d, want 12", got.Policy.Priority)
	}
	stats, err := b.Query(t.Context(), []kernel.Key{{Policy: &p.Key}, {Policy: &fwd.Key}, {Policy: &kernel.PolicyKey{Dir: kernel.In, ID: 800}}})
	if err != nil || !stats[0].Found || !stats[1].Found || stats[2].Found || stats[0].Added.IsZero() || !stats[0].LastUse.IsZero() {
		t.Errorf("query: %+v, %v", stats, err)
	}
	p.Key.ID = added.Policy.Key.ID // by index
	apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.DeletePolicy, Policy: p}, kernel.Op{Kind: kernel.DeletePolicy, Policy: fwd})
	if got := next(kernel.PolicyDeleted); got.Policy.Key.ID != added.Policy.Key.ID {
		t.Errorf("deleted %+v", got.Policy)
	}
	if got := tryApply(t, b, kernel.Stop, kernel.Op{Kind: kernel.DeletePolicy, Policy: p}); got[0].Err == nil || got[0].Err.Reason != errs.NotFound {
		t.Errorf("deleting it again: %v, want NotFound", got[0].Err)
	}
}

func TestPoliciesOfOthersAreSeen(t *testing.T) {
	b := live(t)
	next := subscribe(t, b)
	ip(t, "xfrm policy add dir in src 10.9.2.0/24 dst 10.9.1.0/24 proto tcp dport 80 tmpl src 10.9.3.1 dst 10.9.1.1 proto esp mode tunnel")
	ev := next(kernel.PolicyAdded)
	sel := kernel.Selector{Src: prefix("10.9.2.0/24"), Dst: prefix("10.9.1.0/24"), Proto: 6, DstPort: 80}
	if ev.Policy.Key.Sel != sel || ev.Policy.Key.Dir != kernel.In || ev.Policy.Action != kernel.ActionIPsec {
		t.Errorf("%+v", ev.Policy)
	}
	ip(t, "xfrm policy delete dir in src 10.9.2.0/24 dst 10.9.1.0/24 proto tcp dport 80")
	if ev := next(kernel.PolicyDeleted); ev.Policy.Key.Sel != sel {
		t.Errorf("%+v", ev.Policy)
	}
	ip(t, "xfrm policy add dir in src 10.9.2.0/24 dst 10.9.1.0/24") // flushing nothing is no event
	ip(t, "xfrm policy flush")
	next(kernel.PolicyFlushed)
	ip(t, "xfrm state allocspi src 10.9.2.1 dst 10.9.1.1 proto esp min 0x1000 max 0x1fff")
	ip(t, "xfrm state flush")
	next(kernel.SAFlushed)
	ip(t, "link add xtest0 type veth peer name xtest1")
	if ev := next(kernel.NetChanged); !strings.HasPrefix(ev.Iface, "xtest") {
		t.Errorf("link event of %q", ev.Iface)
	}
	ip(t, "link delete xtest0")
	next(kernel.NetChanged)
}

// withPath gives this namespace 10.9.1.1 and a route to 10.9.2.0/24 and 10.9.3.1.
func withPath(t *testing.T) {
	t.Helper()
	ip(t, "link add xpath0 type veth peer name xpath1")
	t.Cleanup(func() { ip(t, "link delete xpath0") })
	ip(t, "addr add 10.9.1.1/24 dev xpath0")
	ip(t, "addr add 2001:db8:9::1/64 dev xpath0 nodad")
	ip(t, "link set xpath1 up")
	ip(t, "link set xpath0 up")
	ip(t, "route add 10.9.2.0/24 via 10.9.1.254 dev xpath0 mtu 1400")
	ip(t, "route add 10.9.3.0/24 via 10.9.1.254 dev xpath0")
}

func sendPacket(t *testing.T, to string) {
	t.Helper()
	c, err := net.Dial("udp", to)
	if err == nil {
		_, err = c.Write([]byte("hello"))
		c.Close()
	}
	// Without an SA the kernel may refuse to connect or to send; it has asked by
	// then. EINVAL is of an SA at its hard limit.
	if err != nil && !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.ESRCH) && !errors.Is(err, syscall.EINVAL) {
		t.Fatal(err)
	}
}

func TestAPacketCausesAnAcquireThatSPIsAnswer(t *testing.T) {
	b := live(t)
	withPath(t)
	next := subscribe(t, b)
	p := outPolicy()
	apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddPolicy, Policy: p})
	id := next(kernel.PolicyAdded).Policy.Key.ID
	sendPacket(t, "10.9.2.9:7777")
	ev := next(kernel.Acquire)
	wantSel := kernel.Selector{Src: prefix("10.9.1.1/32"), Dst: prefix("10.9.2.9/32"), Proto: 17, DstPort: 7777}
	if ev.Sel == nil {
		t.Fatal("acquire without selector")
	}
	got := *ev.Sel
	got.SrcPort = 0 // the system's choice
	if got != wantSel {
		t.Errorf("selector %+v, want %+v", *ev.Sel, wantSel)
	}
	if ev.Key.Dst != addr("10.9.3.1") || ev.Key.Src != addr("10.9.1.1") || ev.Key.Proto != protoESP || ev.AcquireSeq == 0 {
		t.Errorf("acquire %d of %+v", ev.AcquireSeq, ev.Key)
	}
	if ev.Policy == nil || ev.Key.Policy.ID != id || ev.Policy.Key.Sel != p.Key.Sel {
		t.Errorf("policy %+v, want index %d", ev.Policy, id)
	}
	if !slices.Equal(ev.Templates, p.Templates) {
		t.Errorf("templates %+v, want %+v", ev.Templates, p.Templates)
	}
	spis, err := b.AllocateSPIs(t.Context(), []kernel.SPIRequest{
		{Src: ev.Key.Dst, Dst: ev.Key.Src, Proto: protoESP, ReqID: 77, Seq: ev.AcquireSeq},
		{Src: ev.Key.Dst, Dst: ev.Key.Src, Proto: protoAH, Min: 0x5000, Max: 0x50ff},
		{Src: ev.Key.Dst, Dst: ev.Key.Src, Proto: protoIPComp},
		{Src: ev.Key.Dst, Dst: ev.Key.Src, Proto: 17},
		{Src: ev.Key.Dst, Dst: ev.Key.Src, Proto: protoESP, Min: 0x6000, Max: 0x6000},
		{Src: ev.Key.Dst, Dst: ev.Key.Src, Proto: protoESP, Min: 0x6000, Max: 0x6000},
	})
	if err != nil {
		t.Fatal(err)
	}
	if spis[0].SPI < minSPI || spis[1].SPI&^0xff != 0x5000 || spis[2].SPI < minSPI || spis[2].SPI > maxCPI || spis[4].SPI != 0x6000 {
		t.Errorf("SPIs %+v", spis)
	}
	if spis[3].Err == nil || spis[3].Err.Reason != errs.Unsupported {
		t.Errorf("SPI for UDP: %v, want Unsupported", spis[3].Err)
	}
	if spis[5].Err == nil || spis[5].Err.Reason != errs.NotFound && spis[5].Err.Reason != errs.Exists {
		t.Errorf("the same SPI twice: %v", spis[5].Err)
	}
	var states []kernel.SAState
	for _, o := range dumpAll(t, b, kernel.DumpFilter{SAs: true, ReqIDs: []uint32{77}}) {
		states = append(states, o.SA.State)
	}
	if !slices.Equal(states, []kernel.SAState{kernel.Larval, kernel.Larval}) {
		t.Errorf("states %v of the acquire's SA and ours, want two larval", states)
	}
	apply(t, b, kernel.Stop,
		kernel.Op{Kind: kernel.DeleteSA, SA: &kernel.SA{Key: kernel.Key{Dst: ev.Key.Src, Proto: protoESP, SPI: spis[0].SPI}}},
		kernel.Op{Kind: kernel.AcquireDone, Acquire: &kernel.AcquireResult{Seq: ev.AcquireSeq, Errno: int(syscall.EHOSTUNREACH)}},
	)
}

func TestARequestTheKernelCannotServeIsUnsupported(t *testing.T) {
	b := live(t)
	caps, err := b.Capabilities(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if caps.Features&kernel.FeatESP != 0 {
		t.Skip("this kernel has ESP; the test is for one without")
	}
	if len(caps.Algorithms) != 0 || caps.Features&(kernel.FeatTunnel|kernel.FeatTransport|kernel.FeatNATT) != 0 {
		t.Errorf("capabilities without ESP: %+v", caps)
	}
	for name, sa := range goldenSAs() {
		r := tryApply(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddSA, SA: sa})[0]
		if r.Done || r.Err == nil || r.Err.Reason != errs.Unsupported {
			t.Fatalf("%s: %+v, want Unsupported", name, r.Err)
		}
		// All else of the message was right: the kernel looks for these last.
		if !strings.HasSuffix(r.Err.Msg, "Requested type not found") && !strings.HasSuffix(r.Err.Msg, "algorithm not found") {
			t.Errorf("%s: %q lacks the kernel's own sentence", name, r.Err.Msg)
		}
	}
}

func TestRoutesAreLookedUp(t *testing.T) {
	b := live(t)
	withPath(t)
	ip(t, "route add unreachable 10.9.4.0/24")
	defer ip(t, "route delete unreachable 10.9.4.0/24")
	routes, err := b.LookupRoutes(t.Context(), []kernel.RouteQuery{
		{Dst: addr("10.9.1.7")}, {Dst: addr("10.9.2.7")}, {Dst: addr("10.9.4.7")},
		{Dst: addr("2001:db8:9::7")}, {Dst: addr("10.9.1.1")}, {Dst: addr("10.9.2.7"), Src: addr("10.9.1.1")}, {Dst: addr("11.0.0.1")},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []kernel.Route{
		{Src: addr("10.9.1.1"), Iface: "xpath0", MTU: 1500},
		{Src: addr("10.9.1.1"), NextHop: addr("10.9.1.254"), Iface: "xpath0", MTU: 1400},
		{},
		{Src: addr("2001:db8:9::1"), Iface: "xpath0", MTU: 1500},
		{Src: addr("10.9.1.1"), Iface: "lo", MTU: 65536},
		{Src: addr("10.9.1.1"), NextHop: addr("10.9.1.254"), Iface: "xpath0", MTU: 1400},
		{},
	}
	for i, r := range routes {
		if wantErr := i == 2 || i == 6; wantErr != (r.Err != nil) || wantErr && r.Err.Reason != errs.NotFound {
			t.Errorf("route %d: %v", i, r.Err)
		}
		if r.Err = nil; r != want[i] {
			t.Errorf("route %d: %+v, want %+v", i, r, want[i])
		}
	}
	var found bool
	for _, o := range dumpAll(t, b, kernel.DumpFilter{Addresses: true}) {
		found = found || o.Address == prefix("10.9.1.1/24") && o.Iface == "xpath0"
	}
	if !found {
		t.Error("10.9.1.1/24 on xpath0 is not in the dump of addresses")
	}
}

func TestSocketOptionsAreAccepted(t *testing.T) {
	b := live(t)
	withPath(t)
	apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddPolicy, Policy: &kernel.Policy{
		Key:    kernel.PolicyKey{Dir: kernel.Out, Sel: kernel.Selector{Src: prefix("0.0.0.0/0"), Dst: prefix("10.9.2.9/32")}},
		Action: kernel.ActionDiscard,
	}})
	send := func(options []kernel.SocketOption) error {
		s, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer syscall.Close(s)
		for _, o := range options {
			if err := syscall.SetsockoptString(s, o.Level, o.Name, string(o.Value)); err != nil {
				t.Errorf("%s: %v", o.Doc, err)
			}
		}
		return syscall.Sendto(s, []byte("ike"), 0, &syscall.SockaddrInet4{Port: 500, Addr: [4]byte{10, 9, 2, 9}})
	}
	if err := send(nil); err == nil {
		t.Error("a packet passed a policy that discards it")
	}
	for _, role := range []kernel.SocketRole{kernel.SocketIKE, kernel.SocketNATT} {
		setup, err := b.SocketOptions(t.Context(), role, kernel.IPv4)
		if err != nil {
			t.Fatal(err)
		}
		if err := send(setup.Options); err != nil {
			t.Errorf("role %d: IKE does not bypass the policy: %v", role, err)
		}
	}
	setup, err := b.SocketOptions(t.Context(), kernel.SocketIKE, kernel.IPv6)
	if err != nil {
		t.Fatal(err)
	}
	s, err := syscall.Socket(syscall.AF_INET6, syscall.SOCK_DGRAM, 0)
	if err != nil {
		t.Skip("no IPv6 here:", err)
	}
	defer syscall.Close(s)
	for _, o := range setup.Options {
		if err := syscall.SetsockoptString(s, o.Level, o.Name, string(o.Value)); err != nil {
			t.Errorf("%s: %v", o.Doc, err)
		}
	}
}

// TestManyPoliciesStreamAndSlowConsumersOverflow fills the kernel's event buffer
// of a consumer that does not read.
func TestManyPoliciesStreamAndSlowConsumersOverflow(t *testing.T) {
	b := live(t)
	b.cfg.EventBuffer = 64
	const n = 3000
	ready, hold, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	var kinds []kernel.EventKind
	go func() {
		ended <- b.Events(t.Context(), kernel.MaskOf(kernel.PolicyAdded, kernel.PolicyFlushed), func(ev kernel.Event) error {
			kinds = append(kinds, ev.Kind)
			switch ev.Kind {
			case kernel.Ready:
				close(ready)
			case kernel.PolicyAdded:
				<-hold
			case kernel.PolicyFlushed:
				return errEnough
			}
			return nil
		})
	}()
	<-ready
	var ops []kernel.Op
	for i := range n {
		p := outPolicy()
		p.Key.Sel.Dst = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 10, byte(i >> 8), byte(i)}), 32)
		ops = append(ops, kernel.Op{Kind: kernel.AddPolicy, Policy: p})
	}
	for chunk := range slices.Chunk(ops, maxOps) {
		apply(t, b, kernel.Stop, chunk...)
	}
	if got := len(dumpAll(t, b, kernel.DumpFilter{Policies: true})); got != n {
		t.Errorf("dump of %d policies, want %d", got, n)
	}
	close(hold)
	// The consumer catches up; what happens then it gets.
	for flushed := false; !flushed; {
		apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.UpdatePolicy, Policy: outPolicy()}, kernel.Op{Kind: kernel.FlushPolicies})
		select {
		case err := <-ended:
			if !errors.Is(err, errEnough) {
				t.Fatal(err)
			}
			flushed = true
		case <-time.After(50 * time.Millisecond):
		}
	}
	if kinds[0] != kernel.Ready || !slices.Contains(kinds, kernel.Overflow) || len(kinds) >= n {
		t.Errorf("%d events begin with %d, and Overflow is one of them: %v", len(kinds), kinds[0], slices.Contains(kinds, kernel.Overflow))
	}
}

func TestAPolicyThatExpiresIsDeleted(t *testing.T) {
	b := live(t)
	next := subscribe(t, b)
	p := outPolicy()
	p.Life.HardTime = time.Second
	apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddPolicy, Policy: p})
	if ev := next(kernel.PolicyDeleted); ev.Policy.Key.Sel != p.Key.Sel || len(ev.Policy.Templates) != 1 {
		t.Errorf("deleted %+v", ev.Policy)
	}
}

var errEnough = errors.New("enough")

// key material for live SAs
func liveSA(spi uint32, dir kernel.Direction) *kernel.SA {
	sa := &kernel.SA{
		Key: kernel.Key{Src: addr("10.9.1.1"), Dst: addr("10.9.3.1"), Proto: protoESP, SPI: spi}, ReqID: 77,
		Mode: kernel.ModeTunnel, Dir: dir, Encr: counting(12, 16, 0), Auth: counting(5, 32, 0),
	}
	if dir == kernel.In {
		sa.Key.Src, sa.Key.Dst = sa.Key.Dst, sa.Key.Src
	}
	return sa
}

func TestEverySupportedAlgorithmMakesAnSA(t *testing.T) {
	b, caps := liveESP(t)
	for _, want := range []kernel.Algorithm{
		{Kind: kernel.AlgEncr, ID: 12}, {Kind: kernel.AlgEncr, ID: 3}, {Kind: kernel.AlgEncr, ID: 13}, {Kind: kernel.AlgEncr, ID: 20},
		{Kind: kernel.AlgAuth, ID: 1}, {Kind: kernel.AlgAuth, ID: 2}, {Kind: kernel.AlgAuth, ID: 5}, {Kind: kernel.AlgAuth, ID: 7},
	} {
		if !slices.ContainsFunc(caps.Algorithms, func(a kernel.Algorithm) bool { return a.Kind == want.Kind && a.ID == want.ID }) {
			t.Errorf("algorithm %+v is missing in %+v", want, caps.Algorithms)
		}
	}
	made := 0
	for name, sa := range goldenSAs() {
		r := tryApply(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddSA, SA: sa})[0]
		if sa.ESN && caps.Features&kernel.FeatESN == 0 {
			if r.Err == nil || r.Err.Reason != errs.Unsupported {
				t.Errorf("%s: %v, want Unsupported: this kernel has no ESN", name, r.Err)
			}
			continue
		}
		made++
		if r.Err != nil {
			t.Errorf("%s: %v", name, r.Err)
		}
		if r := tryApply(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddSA, SA: sa})[0]; r.Err == nil || r.Err.Reason != errs.Exists {
			t.Errorf("%s again: %v, want Exists", name, r.Err)
		}
	}
	if got := len(dumpAll(t, b, kernel.DumpFilter{SAs: true})); got != made {
		t.Errorf("%d SAs in the dump, want %d: the probe must leave none behind", got, made)
	}
}

func TestALarvalSABecomesMatureAndPassesPackets(t *testing.T) {
	b, _ := liveESP(t)
	withPath(t)
	next := subscribe(t, b)
	apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddPolicy, Policy: outPolicy()})
	sendPacket(t, "10.9.2.9:7777")
	acq := next(kernel.Acquire)
	spis, err := b.AllocateSPIs(t.Context(), []kernel.SPIRequest{{Src: acq.Key.Dst, Dst: acq.Key.Src, Proto: protoESP, ReqID: 77, Seq: acq.AcquireSeq}})
	if err != nil || spis[0].Err != nil {
		t.Fatal(err, spis[0].Err)
	}
	in, out := liveSA(spis[0].SPI, kernel.In), liveSA(0xabc1, kernel.Out)
	out.Seq = acq.AcquireSeq
	out.Life.SoftPackets, out.Life.HardPackets = 2, 4
	apply(t, b, kernel.Rollback, kernel.Op{Kind: kernel.UpdateSA, SA: in}, kernel.Op{Kind: kernel.AddSA, SA: out})
	list := dumpAll(t, b, kernel.DumpFilter{SAs: true})
	if len(list) != 2 || list[0].SA.State != kernel.Mature || list[1].SA.State != kernel.Mature {
		t.Fatalf("after the acquire was answered: %s; want two mature SAs and no larval one", describeAll(list))
	}
	for _, o := range list {
		if o.SA.Encr.Key.Len()+o.SA.Auth.Key.Len() != 0 {
			t.Error("a dump has keys")
		}
		if o.SA.Key.SPI == in.Key.SPI && o.SA.ReplayWindow != 64 {
			t.Errorf("replay window %d of the inbound SA, want the configured 64", o.SA.ReplayWindow)
		}
	}
	for range 3 { // the kernel looks at the limit before it counts
		sendPacket(t, "10.9.2.9:7777")
	}
	if ev := next(kernel.ExpireSoft, kernel.ExpireHard); ev.Kind != kernel.ExpireSoft || ev.Key.SPI != 0xabc1 || ev.Key.Dst != out.Key.Dst {
		t.Errorf("event %+v, want a soft expire of 0xabc1", ev)
	}
	stats, err := b.Query(t.Context(), []kernel.Key{out.Key, in.Key, {Dst: v4a, Proto: protoESP, SPI: 5}})
	if err != nil {
		t.Fatal(err)
	}
	if s := stats[0]; !s.Found || s.Packets < 2 || s.Bytes == 0 || s.FirstUse.IsZero() || s.Added.IsZero() {
		t.Errorf("outbound SA: %+v", s)
	}
	if !stats[1].Found || stats[1].Packets != 0 || stats[2].Found {
		t.Errorf("inbound SA %+v, unknown SA %+v", stats[1], stats[2])
	}
	for range 4 {
		sendPacket(t, "10.9.2.9:7777")
	}
	if ev := next(kernel.ExpireHard); ev.Key.SPI != 0xabc1 {
		t.Errorf("event %+v, want a hard expire of 0xabc1", ev)
	}
	ip(t, fmt.Sprintf("xfrm state delete src 10.9.3.1 dst 10.9.1.1 proto esp spi %d", in.Key.SPI))
	if ev := next(kernel.SADeleted); ev.Key.SPI != in.Key.SPI || ev.Key.Src != in.Key.Src || ev.Key.Dst != in.Key.Dst {
		t.Errorf("event %+v, want the inbound SA deleted", ev)
	}
}

func describeAll(list []kernel.Object) string {
	var s []string
	for _, o := range list {
		s = append(s, fmt.Sprintf("%s state %d", describeKey(o.SA.Key), o.SA.State))
	}
	return strings.Join(s, ", ")
}

func TestTimeLimitsExpireAnSA(t *testing.T) {
	b, _ := liveESP(t)
	next := subscribe(t, b)
	sa := liveSA(0xabc2, kernel.Out)
	sa.Life.SoftTime, sa.Life.HardTime = time.Second, 2*time.Second
	apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddSA, SA: sa})
	next(kernel.ExpireSoft)
	if o := dumpAll(t, b, kernel.DumpFilter{SAs: true}); len(o) == 1 && o[0].SA.State != kernel.Dying {
		t.Errorf("state %d after the soft limit, want Dying", o[0].SA.State)
	}
	next(kernel.ExpireHard)
	if o := dumpAll(t, b, kernel.DumpFilter{SAs: true}); len(o) != 0 {
		t.Errorf("after the hard limit: %s", describeAll(o))
	}
}

func TestAFailedTransactionIsRolledBack(t *testing.T) {
	b, _ := liveESP(t)
	kept, victim, policy := liveSA(0xabc3, kernel.In), liveSA(0xabc4, kernel.Out), outPolicy()
	apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddSA, SA: victim}, kernel.Op{Kind: kernel.AddPolicy, Policy: policy})
	before := dumpKeys(t)
	changed := outPolicy()
	changed.Priority = 3
	res := tryApply(t, b, kernel.Rollback,
		kernel.Op{Kind: kernel.AddSA, SA: kept},
		kernel.Op{Kind: kernel.DeleteSA, SA: victim},
		kernel.Op{Kind: kernel.UpdatePolicy, Policy: changed},
		kernel.Op{Kind: kernel.AddPolicy, Policy: policy}, // exists
		kernel.Op{Kind: kernel.FlushSAs},
	)
	for i, r := range res[:3] {
		if !r.Done || !r.Undone || r.Err != nil {
			t.Errorf("op %d: %+v, want done and undone", i, r)
		}
	}
	if res[3].Done || res[3].Err == nil || res[3].Err.Reason != errs.Exists || res[3].Err.Op != 3 || res[4] != (kernel.OpResult{}) {
		t.Errorf("ops 3 and 4: %+v, %+v", res[3], res[4])
	}
	after := dumpKeys(t)
	if !slices.EqualFunc(before, after, sameSA) {
		t.Errorf("SAs before and after differ: %d, %d", len(before), len(after))
	}
	if p := dumpAll(t, b, kernel.DumpFilter{Policies: true}); len(p) != 1 || p[0].Policy.Priority != 0 {
		t.Errorf("policies after: %+v", p[0].Policy)
	}
}

// dumpKeys dumps as setkey would.
func dumpKeys(t *testing.T) []*kernel.SA {
	t.Helper()
	b, err := New(Config{ReplayWindow: 64, EventBuffer: 64, DumpKeys: true}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close(context.Background())
	var list []*kernel.SA
	for _, o := range dumpAll(t, b, kernel.DumpFilter{SAs: true, WithKeys: true}) {
		list = append(list, o.SA)
	}
	return list
}

func sameSA(a, b *kernel.SA) bool {
	return a.Key == b.Key && a.ReqID == b.ReqID && a.Mode == b.Mode && a.ReplayWindow == b.ReplayWindow &&
		bytes.Equal(a.Encr.Key.Reveal(), b.Encr.Key.Reveal()) && bytes.Equal(a.Auth.Key.Reveal(), b.Auth.Key.Reveal()) &&
		a.Encr.Key.Len() > 0 && a.Life == b.Life
}

func TestAnSAMovesToNewEndpointsWithKeysAndCounters(t *testing.T) {
	b, _ := liveESP(t)
	withPath(t)
	sa := liveSA(0xabc5, kernel.Out)
	sa.Encap = &kernel.Encap{SrcPort: 4500, DstPort: 4500}
	sa.Life.HardTime = time.Hour
	apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.AddPolicy, Policy: outPolicy()}, kernel.Op{Kind: kernel.AddSA, SA: sa})
	sendPacket(t, "10.9.2.9:7777")
	before, err := b.Query(t.Context(), []kernel.Key{sa.Key})
	if err != nil || before[0].Packets == 0 {
		t.Fatal(err, before)
	}
	next := subscribe(t, b)
	move := &kernel.SA{Key: sa.Key, Mode: sa.Mode, NewDst: addr("10.9.3.2"), Encap: &kernel.Encap{SrcPort: 4500, DstPort: 31000}}
	apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.UpdateSA, SA: move})
	list := dumpKeys(t)
	if len(list) != 1 || list[0].Key.Dst != move.NewDst || list[0].Encap.DstPort != 31000 || list[0].Life.HardTime != time.Hour ||
		!bytes.Equal(list[0].Encr.Key.Reveal(), sa.Encr.Key.Reveal()) {
		t.Fatalf("moved: %+v", list)
	}
	moved := sa.Key
	moved.Dst = move.NewDst
	after, err := b.Query(t.Context(), []kernel.Key{moved})
	if err != nil || after[0].Packets != before[0].Packets || !after[0].Added.Equal(before[0].Added) {
		t.Errorf("counters %+v, before %+v, %v", after, before, err)
	}
	// Our own deletion of the old one is nobody's business; the next foreign one is.
	ip(t, "xfrm state delete src 10.9.1.1 dst 10.9.3.2 proto esp spi 0xabc5")
	if ev := next(kernel.SADeleted); ev.Key.Dst != move.NewDst {
		t.Errorf("SADeleted %+v", ev.Key)
	}
}
