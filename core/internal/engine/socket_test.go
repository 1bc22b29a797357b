package engine

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// freePort finds a UDP port that is free on all loopback addresses.
func freePort(t testing.TB) uint16 {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return uint16(c.LocalAddr().(*net.UDPAddr).Port)
}

// ears are listeners on real sockets that keep what they hear.
type ears struct {
	*listeners
	mu      sync.Mutex
	heard   []string // "local remote octets"
	notices []notice.Notice
	addrs   []netip.Addr
	kern    *memKernel
}

func newEars(t testing.TB, o Options, addrs ...string) *ears {
	e := &ears{kern: newMemKernel()}
	o.Kernel = e.kern
	e.listeners = newListeners(o, func(n notice.Notice) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.notices = append(e.notices, n)
	}, func(p ike.Path, natt bool, b []byte) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.heard = append(e.heard, fmt.Sprintf("%v %v natt=%v %x", p.Local, p.Remote, natt, b))
	})
	e.setAddrs(addrs...)
	e.listeners.addrs = func() ([]netip.Addr, error) { e.mu.Lock(); defer e.mu.Unlock(); return e.addrs, nil }
	t.Cleanup(e.close)
	return e
}

func (e *ears) setAddrs(addrs ...string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.addrs = nil
	for _, a := range addrs {
		e.addrs = append(e.addrs, addr(a))
	}
}

func (e *ears) listening() (all []string) {
	e.listeners.mu.Lock()
	defer e.listeners.mu.Unlock()
	for ap := range e.open {
		all = append(all, ap.String())
	}
	slices.Sort(all)
	return all
}

func (e *ears) said(ev notice.Event) (n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, x := range e.notices {
		if x.Event == ev {
			n++
		}
	}
	return n
}

func ask(t *testing.T, from string, to netip.AddrPort, b []byte) (*net.UDPConn, netip.AddrPort) {
	t.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr(from), 0)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := c.WriteToUDPAddrPort(b, to); err != nil {
		t.Fatal(err)
	}
	ap := c.LocalAddr().(*net.UDPAddr).AddrPort()
	return c, netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

func TestAnswersLeaveFromTheAddressThatWasAsked(t *testing.T) {
	p, q := freePort(t), freePort(t)
	e := newEars(t, Options{Port: p, NATTPort: q}, "127.0.0.1", "127.0.0.2", "::1")
	if _, err := e.sync(t.Context(), policy.Listen{}); err != nil {
		t.Fatal(err)
	}
	e.start()
	for _, tt := range []struct {
		local, from string
		port        uint16
		marked      bool
	}{
		{"127.0.0.1", "127.0.0.1", p, false},
		{"127.0.0.2", "127.0.0.1", p, false},
		{"127.0.0.2", "127.0.0.1", q, true},
		{"::1", "::1", p, false},
		{"::1", "::1", q, true},
	} {
		local := netip.AddrPortFrom(addr(tt.local), tt.port)
		t.Run(local.String(), func(t *testing.T) {
			c, from := ask(t, tt.from, local, []byte("hello"))
			want := fmt.Sprintf("%v %v natt=%v %x", local, from, tt.marked, "hello")
			eventually(t, "the datagram was heard", func() bool { e.mu.Lock(); defer e.mu.Unlock(); return slices.Contains(e.heard, want) })
			if err := e.send(ike.Path{Local: local, Remote: from}, []byte("answer")); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 100)
			c.SetReadDeadline(time.Now().Add(10 * time.Second))
			n, back, err := c.ReadFromUDPAddrPort(buf)
			answer := "answer"
			if tt.marked {
				answer = "\x00\x00\x00\x00answer"
			}
			if back = netip.AddrPortFrom(back.Addr().Unmap(), back.Port()); err != nil || back != local || string(buf[:n]) != answer {
				t.Errorf("%q from %v, %v", buf[:n], back, err)
			}
		})
	}
	if err := e.send(path("127.0.0.9:500", "127.0.0.1:500"), nil); err == nil {
		t.Error("sent from an address that is not ours")
	}
	if ap, ok := e.portOf(addr("127.0.0.2"), kernel.SocketIKE); !ok || ap.Port() != p {
		t.Errorf("IKE is spoken at %v", ap)
	}
}

func TestSocketsFollowAddressesAndConfiguration(t *testing.T) {
	p, q := freePort(t), freePort(t)
	at := func(port uint16, addrs ...string) (all []string) {
		for _, a := range addrs {
			all = append(all, netip.AddrPortFrom(addr(a), port).String())
		}
		return all
	}
	e := newEars(t, Options{Port: p, NATTPort: q, Family: 4}, "127.0.0.1", "::1")
	do := func(l policy.Listen, wantErr string, want ...[]string) {
		t.Helper()
		_, err := e.sync(t.Context(), l)
		if (err == nil) != (wantErr == "") || err != nil && !strings.Contains(err.Error(), wantErr) {
			t.Errorf("sync: %v, want %q", err, wantErr)
		}
		all := slices.Concat(want...)
		slices.Sort(all)
		if diff := cmp.Diff(all, e.listening()); diff != "" {
			t.Error(diff)
		}
	}
	do(policy.Listen{}, "", at(p, "127.0.0.1"), at(q, "127.0.0.1")) // only IPv4
	first := e.find(netip.AddrPortFrom(addr("127.0.0.1"), p))
	e.setAddrs("127.0.0.1", "127.0.0.2", "192.0.2.1") // the last is not there: said once
	do(policy.Listen{}, "", at(p, "127.0.0.1", "127.0.0.2"), at(q, "127.0.0.1", "127.0.0.2"))
	do(policy.Listen{}, "", at(p, "127.0.0.1", "127.0.0.2"), at(q, "127.0.0.1", "127.0.0.2"))
	if n := e.said(notice.ListenFailed); n != 2 {
		t.Errorf("%d complaints about one address and two ports", n)
	}
	if e.find(first.local) != first {
		t.Error("a socket that stays was opened anew")
	}
	e.setAddrs("127.0.0.2")
	do(policy.Listen{}, "", at(p, "127.0.0.2"), at(q, "127.0.0.2"))

	listed := policy.Listen{ISAKMP: []netip.AddrPort{netip.AddrPortFrom(addr("127.0.0.3"), p)}}
	do(listed, "", at(p, "127.0.0.3"))
	strict := policy.Listen{Strict: true, ISAKMP: append(listed.ISAKMP, netip.AddrPortFrom(addr("127.0.0.4"), p), netip.AddrPortFrom(addr("192.0.2.1"), p))}
	do(strict, "192.0.2.1", at(p, "127.0.0.3")) // and nothing has changed
	strict.Strict = false
	do(strict, "", at(p, "127.0.0.3", "127.0.0.4"))
	do(policy.Listen{ISAKMP: []netip.AddrPort{netip.AddrPortFrom(addr("192.0.2.1"), p)}}, "192.0.2.1", at(p, "127.0.0.3", "127.0.0.4"))
	e.setAddrs()
	do(policy.Listen{}, "no address", at(p, "127.0.0.3", "127.0.0.4"))

	// The same port as ESP in UDP is another socket.
	do(policy.Listen{ISAKMPNATT: listed.ISAKMP}, "", at(p, "127.0.0.3"))
	if s := e.find(listed.ISAKMP[0]); s.role != kernel.SocketNATT {
		t.Error("the socket kept its role")
	}
}

// A link-local address cannot be bound for a second or two after its interface came up.
func TestATentativeAddressIsNoReasonToComplain(t *testing.T) {
	six, four := port("[2001:db8::1]:500"), port("192.0.2.1:500")
	notThere := func(ap netip.AddrPort) error { return fmt.Errorf("%s%w", listenOn(ap), syscall.EADDRNOTAVAIL) }
	inUse := func(ap netip.AddrPort) error { return fmt.Errorf("%s%w", listenOn(ap), syscall.EADDRINUSE) }
	e := newEars(t, Options{})
	start := time.Now()
	for _, s := range []struct {
		name  string
		ap    netip.AddrPort
		err   error
		after time.Duration
		said  int // so far
	}{
		{"at first", six, notThere(six), 0, 0},
		{"at the first retry", six, notThere(six), time.Second, 0},
		{"it persists", six, notThere(six), 3 * time.Second, 1},
		{"it has been said", six, notThere(six), 7 * time.Second, 1},
		{"another cause", six, inUse(six), 7 * time.Second, 2},
		{"IPv4 addresses are never tentative", four, notThere(four), 7 * time.Second, 3},
	} {
		e.complain(s.ap, s.err, start.Add(s.after))
		if n := e.said(notice.ListenFailed); n != s.said {
			t.Errorf("%s: %d complaints, want %d", s.name, n, s.said)
		}
	}
	if got := e.notices[0].String(); got != "cannot listen: cannot assign requested address" {
		t.Errorf("%q", got)
	}
}

func TestAPortThatIsTakenIsNotShared(t *testing.T) {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	e := newEars(t, Options{})
	l := policy.Listen{ISAKMP: []netip.AddrPort{c.LocalAddr().(*net.UDPAddr).AddrPort()}}
	if _, err := e.sync(t.Context(), l); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("two daemons on one port: %v", err)
	}
}

func TestSocketOptionsAreTheKernelPluginsToSay(t *testing.T) {
	at := func(t *testing.T) policy.Listen {
		return policy.Listen{ISAKMP: []netip.AddrPort{netip.AddrPortFrom(addr("127.0.0.1"), freePort(t))}}
	}
	tos := kernel.SocketOption{Level: unix.IPPROTO_IP, Name: unix.IP_TOS, Value: []byte{0x20, 0, 0, 0}, Required: true, Doc: "type of service"}
	bad := kernel.SocketOption{Level: unix.IPPROTO_IP, Name: 9999, Value: []byte{0, 0, 0, 0}, Doc: "IP_XFRM_POLICY out allow"}
	t.Run("they are set", func(t *testing.T) {
		e := newEars(t, Options{})
		e.kern.setup.Options = []kernel.SocketOption{tos, bad}
		l := at(t)
		if _, err := e.sync(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		raw, _ := e.find(l.ISAKMP[0]).conn.SyscallConn()
		var got int
		raw.Control(func(fd uintptr) { got, _ = unix.GetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_TOS) })
		if got != 0x20 {
			t.Errorf("type of service %#x", got)
		}
		if n := e.said(notice.ListenFailed); n != 1 {
			t.Errorf("%d complaints about an option that may fail", n)
		}
	})
	t.Run("one that must be set is", func(t *testing.T) {
		bad := bad
		bad.Required = true
		e := newEars(t, Options{})
		e.kern.setup.Options = []kernel.SocketOption{bad}
		if _, err := e.sync(t.Context(), at(t)); err == nil || !strings.Contains(err.Error(), "IP_XFRM_POLICY out allow") {
			t.Errorf("%v", err)
		}
	})
	t.Run("policies instead of options", func(t *testing.T) {
		e := newEars(t, Options{})
		e.kern.setup.PolicyBypass = true
		if _, err := e.sync(t.Context(), at(t)); err != nil || !slices.Equal(e.kern.applied(), []string{fmt.Sprintf("op %d ok", kernel.Bypass)}) {
			t.Errorf("%v %v", err, e.kern.applied())
		}
	})
	t.Run("a port the plugin owns is not bound", func(t *testing.T) {
		e := newEars(t, Options{})
		e.kern.setup.Owned = true
		if _, err := e.sync(t.Context(), at(t)); err == nil || !strings.Contains(err.Error(), "own") {
			t.Errorf("%v", err)
		}
	})
}

func TestTheHostsAddressesAreFound(t *testing.T) {
	as, err := localAddrs()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(as, addr("127.0.0.1")) {
		t.Errorf("no loopback address among %v", as)
	}
	for _, a := range as {
		if a.IsMulticast() || a.Is6() && a.IsLinkLocalUnicast() && a.Zone() == "" {
			t.Errorf("%v cannot be bound", a)
		}
	}
}

// Link-local addresses need a zone to be bound and to be answered.
func TestLinkLocalAddressesKeepTheirZone(t *testing.T) {
	as, err := localAddrs()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(as, func(a netip.Addr) bool { return a.Zone() != "" })
	if i < 0 {
		host, _ := os.Hostname()
		t.Skipf("no interface of %s has an IPv6 link-local address", host)
	}
	p := freePort(t)
	e := newEars(t, Options{Port: p, NATTPort: freePort(t)}, as[i].String())
	if _, err := e.sync(t.Context(), policy.Listen{}); err != nil {
		t.Fatal(err)
	}
	e.start()
	local := netip.AddrPortFrom(as[i], p)
	_, from := ask(t, as[i].String(), local, []byte("hello"))
	want := fmt.Sprintf("%v %v natt=false %x", local, from, "hello")
	eventually(t, want, func() bool { e.mu.Lock(); defer e.mu.Unlock(); return slices.Contains(e.heard, want) })
	if ap, ok := e.portOf(as[i].WithZone(""), kernel.SocketIKE); !ok || ap != local {
		t.Errorf("IKE is spoken at %v", ap)
	}
}
