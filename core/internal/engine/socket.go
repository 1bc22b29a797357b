package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// socketBuffer is asked for in receive: many peers start at once after an outage.
const socketBuffer = 1 << 20

// A socket is bound to one address and port. There is one for each local address,
// so that an answer leaves from the address that was asked, on any system and
// without control messages; an IPv6 link-local address carries its zone.
type socket struct {
	conn  *net.UDPConn
	local netip.AddrPort
	role  kernel.SocketRole
}

// openSocket binds, after setting what the kernel backend says must be set before
// anything can arrive: IKE bypasses IPsec, ESP in UDP is decapsulated.
func openSocket(local netip.AddrPort, role kernel.SocketRole, setup kernel.SocketSetup, warn func(error)) (*socket, error) {
	var failed error
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		err := raw.Control(func(fd uintptr) {
			for _, o := range setup.Options {
				err := unix.SetsockoptString(int(fd), o.Level, o.Name, string(o.Value))
				if err == nil {
					continue
				}
				err = fmt.Errorf("set %s: %w", optionName(o), err)
				if o.Required {
					failed = err
					return
				}
				warn(err)
			}
		})
		return errors.Join(err, failed)
	}}
	network := "udp4"
	if local.Addr().Is6() {
		network = "udp6"
	}
	c, err := lc.ListenPacket(context.Background(), network, local.String())
	if err != nil {
		if op := (*net.OpError)(nil); errors.As(err, &op) {
			err = op.Err // without the address, which is said here
		}
		return nil, fmt.Errorf("%s%w", listenOn(local), err)
	}
	conn := c.(*net.UDPConn)
	_ = conn.SetReadBuffer(socketBuffer) // what the system allows is enough
	if local.Port() == 0 {               // of tests
		local = netip.AddrPortFrom(local.Addr(), uint16(conn.LocalAddr().(*net.UDPAddr).Port))
	}
	return &socket{conn, local, role}, nil
}

func listenOn(local netip.AddrPort) string { return fmt.Sprintf("listen on %v: ", local) }

func optionName(o kernel.SocketOption) string {
	if o.Doc != "" {
		return o.Doc
	}
	return fmt.Sprintf("socket option %d/%d", o.Level, o.Name)
}

// read gives every datagram to receive until the socket is closed.
func (s *socket) read(receive func(path ike.Path, natt bool, b []byte)) {
	buf := make([]byte, isakmp.MaxDatagram)
	for {
		n, from, err := s.conn.ReadFromUDPAddrPort(buf)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // the error of an earlier send; a lasting one must not spin
			time.Sleep(10 * time.Millisecond)
		default:
			from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
			receive(ike.Path{Local: s.local, Remote: from}, s.role == kernel.SocketNATT, buf[:n])
		}
	}
}

func (s *socket) write(to netip.AddrPort, b []byte) error {
	if s.role == kernel.SocketNATT {
		b = append(append(make([]byte, 0, len(marker)+len(b)), marker...), b...)
	}
	_, err := s.conn.WriteToUDPAddrPort(b, to)
	return err
}

// localAddrs lists the unicast addresses of the host, link-local ones with their zone.
func localAddrs() ([]netip.Addr, error) {
	ifs, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	var all []netip.Addr
	for _, i := range ifs {
		if i.Flags&net.FlagUp == 0 {
			continue
		}
		as, err := i.Addrs()
		if err != nil {
			continue // it has just gone
		}
		for _, a := range as {
			n, ok := a.(*net.IPNet)
			if !ok {
				continue
			}
			addr, ok := netip.AddrFromSlice(n.IP)
			if !ok || addr.IsMulticast() {
				continue
			}
			if addr = addr.Unmap(); addr.IsLinkLocalUnicast() && addr.Is6() {
				addr = addr.WithZone(i.Name)
			}
			all = append(all, addr)
		}
	}
	return all, nil
}
