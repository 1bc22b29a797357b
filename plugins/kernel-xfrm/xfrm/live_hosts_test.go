//go:build linux

package xfrm

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// A host is a network namespace with a backend in it. Two hosts share a link:
//
//	10.1.0.1, fd00:1::1 -- left 192.0.2.1, 2001:db8::1 == 192.0.2.2, 2001:db8::2 right -- 10.2.0.1, fd00:2::1
type host struct {
	t     *testing.T
	b     *Backend
	iface string
	do    func(func()) // runs in the host's namespace
}

// outer and inner addresses, left and right.
var (
	outer4 = [2]netip.Addr{addr("192.0.2.1"), addr("192.0.2.2")}
	outer6 = [2]netip.Addr{addr("2001:db8::1"), addr("2001:db8::2")}
	inner4 = [2]netip.Addr{addr("10.1.0.1"), addr("10.2.0.1")}
	inner6 = [2]netip.Addr{addr("fd00:1::1"), addr("fd00:2::1")}
)

// twoHosts are left, this namespace, and right, one of its own. Their kernel has ESP.
func twoHosts(t *testing.T) (hosts [2]*host, caps kernel.Capabilities) {
	t.Helper()
	b, caps := liveESP(t)
	left := &host{t: t, b: b, iface: "xleft", do: func(f func()) { f() }}
	right := &host{t: t, iface: "xright"}
	var tid int
	right.do, tid = newNamespace(t)
	right.b = newBackend(b.cfg, slog.New(slog.NewTextHandler(t.Output(), nil)), right.dialer(dialXFRM), right.dialer(dialRoute))
	t.Cleanup(func() { right.b.Close(context.Background()) })

	left.ip("link add xleft type veth peer name xright", fmt.Sprintf("link set xright netns %d", tid))
	t.Cleanup(func() { left.ip("link delete xleft") })
	hosts = [2]*host{left, right}
	for i, h := range hosts {
		// The link is up at both ends before there are addresses and routes.
		h.ip("link set lo up", fmt.Sprintf("link set %s address 02:00:00:00:00:%02d up", h.iface, i))
	}
	for i, h := range hosts {
		other := 1 - i
		h.ip(
			fmt.Sprintf("addr add %s/24 dev %s", outer4[i], h.iface),
			fmt.Sprintf("addr add %s/64 dev %s nodad", outer6[i], h.iface),
			fmt.Sprintf("addr add %s/32 dev %s", inner4[i], h.iface),
			fmt.Sprintf("addr add %s/128 dev %s nodad", inner6[i], h.iface),
			// Neighbours are permanent: their discovery would not pass the policies.
			fmt.Sprintf("neigh replace %s lladdr 02:00:00:00:00:%02d dev %s nud permanent", outer4[other], other, h.iface),
			fmt.Sprintf("neigh replace %s lladdr 02:00:00:00:00:%02d dev %s nud permanent", outer6[other], other, h.iface),
			fmt.Sprintf("route replace %s/32 via %s dev %s src %s", inner4[other], outer4[other], h.iface, inner4[i]),
			fmt.Sprintf("route replace %s/128 via %s dev %s src %s", inner6[other], outer6[other], h.iface, inner6[i]),
		)
	}
	return hosts, caps
}

// newNamespace makes a network namespace with a thread that lives in it until the
// test ends, and returns what runs functions there and the thread's number.
func newNamespace(t *testing.T) (do func(func()), tid int) {
	t.Helper()
	work, started, ended := make(chan func()), make(chan error), make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread() // never unlocked: the thread and its namespace end with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		tid = unix.Gettid()
		started <- err
		for f := range work {
			f()
		}
	}()
	if err := <-started; err != nil {
		t.Skip("no second network namespace:", err)
	}
	t.Cleanup(func() { close(work); <-ended })
	return func(f func()) {
		done := make(chan struct{})
		work <- func() { defer close(done); f() }
		<-done
	}, tid
}

func (h *host) dialer(dial dialer) dialer {
	return func() (nl *netlink.Conn, err error) {
		h.do(func() { nl, err = dial() })
		return nl, err
	}
}

// ip runs commands in one process: starting one is slow in User-Mode Linux.
func (h *host) ip(commands ...string) {
	h.t.Helper()
	c := exec.Command("ip", "-batch", "-")
	c.Stdin = strings.NewReader(strings.Join(commands, "\n"))
	var out []byte
	var err error
	h.do(func() { out, err = c.CombinedOutput() })
	if err != nil {
		h.t.Fatalf("ip: %v: %s", err, out)
	}
}

// listen opens a UDP socket at addr, which ends with the test.
func (h *host) listen(at netip.AddrPort, options ...kernel.SocketOption) *net.UDPConn {
	h.t.Helper()
	var c *net.UDPConn
	var err error
	h.do(func() { c, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(at)) })
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { c.Close() })
	raw, err := c.SyscallConn()
	if err != nil {
		h.t.Fatal(err)
	}
	for _, o := range options {
		raw.Control(func(fd uintptr) { err = syscall.SetsockoptString(int(fd), o.Level, o.Name, string(o.Value)) })
		if err != nil {
			h.t.Fatalf("%s: %v", o.Doc, err)
		}
	}
	return c
}

// encapPort opens the NAT-T socket as the engine does.
func (h *host) encapPort(at netip.Addr) {
	h.t.Helper()
	family := kernel.IPv4
	if at.Is6() {
		family = kernel.IPv6
	}
	setup, err := h.b.SocketOptions(h.t.Context(), kernel.SocketNATT, family)
	if err != nil {
		h.t.Fatal(err)
	}
	h.listen(netip.AddrPortFrom(at, 4500), setup.Options...)
}

// A wire is a packet socket on the link of a host: it sees and sends whole frames.
type wire struct {
	t     *testing.T
	fd    int
	iface int
}

func (h *host) wire() *wire {
	h.t.Helper()
	w := &wire{t: h.t}
	var err error
	h.do(func() {
		var link *net.Interface
		if link, err = net.InterfaceByName(h.iface); err != nil {
			return
		}
		w.iface = link.Index
		if w.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(htons(unix.ETH_P_ALL))); err != nil {
			return
		}
		err = unix.Bind(w.fd, &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ALL), Ifindex: w.iface})
	})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { unix.Close(w.fd) })
	limit := unix.NsecToTimeval((10 * time.Second).Nanoseconds())
	if err := unix.SetsockoptTimeval(w.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit); err != nil {
		h.t.Fatal(err)
	}
	return w
}

func htons(n uint16) uint16 { return native.Uint16(binary.BigEndian.AppendUint16(nil, n)) }

const sizeEther = 14

// next returns the next frame this host sent with an IP packet that is not of
// neighbour discovery. (Of what comes to a host, its packet sockets see the inner
// packets too.)
func (w *wire) next() []byte {
	w.t.Helper()
	for {
		b := make([]byte, 1<<16)
		n, from, err := unix.Recvfrom(w.fd, b, 0)
		if err != nil {
			w.t.Fatalf("no packet on the link: %v", err)
		}
		if w.isOurs(b[:n], from) {
			return b[:n]
		}
	}
}

// all returns the frames sent so far, as next does.
func (w *wire) all() (list [][]byte) {
	w.t.Helper()
	for {
		b := make([]byte, 1<<16)
		n, from, err := unix.Recvfrom(w.fd, b, unix.MSG_DONTWAIT)
		if errors.Is(err, unix.EAGAIN) {
			return list
		}
		if err != nil {
			w.t.Fatal(err)
		}
		if w.isOurs(b[:n], from) {
			list = append(list, b[:n])
		}
	}
}

func (w *wire) isOurs(frame []byte, from unix.Sockaddr) bool {
	return from.(*unix.SockaddrLinklayer).Pkttype == unix.PACKET_OUTGOING && protoOf(frame) != 0 && protoOf(frame) != unix.IPPROTO_ICMPV6
}

func (w *wire) send(frame []byte) {
	w.t.Helper()
	if err := unix.Sendto(w.fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: w.iface}); err != nil {
		w.t.Fatal(err)
	}
}

// protoOf is the IP protocol of the outermost header of a frame, 0 if there is none.
// A first fragment has that of the packet.
func protoOf(frame []byte) uint8 {
	if len(frame) < sizeEther+40 {
		return 0
	}
	p := frame[sizeEther:]
	switch p[0] >> 4 {
	case 4:
		return p[9]
	case 6:
		if p[6] == unix.IPPROTO_FRAGMENT && len(p) > 40 {
			return p[40]
		}
		return p[6]
	}
	return 0
}

// payloadOf is what follows the IP header, which has no options.
func payloadOf(frame []byte) []byte {
	if frame[sizeEther]>>4 == 4 {
		return frame[sizeEther+20:]
	}
	return frame[sizeEther+40:]
}
