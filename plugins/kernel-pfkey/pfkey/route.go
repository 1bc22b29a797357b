package pfkey

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// LookupRoutes asks the kernel by connecting a UDP socket, which sends nothing: the
// address the socket then has is the source. MTU is the interface's. The next hop
// is not known; PF_KEY has no routes. A destination without route has Err
// errs.NotFound.
func (b *Backend) LookupRoutes(_ context.Context, queries []kernel.RouteQuery) ([]kernel.Route, error) {
	if b.sys.Refuse != "" {
		return nil, unsupported("%s", b.sys.Refuse)
	}
	routes := make([]kernel.Route, len(queries))
	for i, q := range queries {
		r, err := b.lookupRoute(q)
		if err != nil {
			r = kernel.Route{Err: errs.OS(fmt.Sprintf("route to %v", q.Dst), err)}
		}
		routes[i] = r
	}
	return routes, nil
}

func (b *Backend) lookupRoute(q kernel.RouteQuery) (r kernel.Route, err error) {
	dst, src := q.Dst.Unmap(), q.Src.Unmap()
	if !dst.IsValid() || dst.IsUnspecified() || src.IsValid() && src.Is4() != dst.Is4() {
		return r, invalid("route query %v from %v", q.Dst, q.Src)
	}
	d := net.Dialer{Control: b.bypass}
	if src.IsValid() && !src.IsUnspecified() {
		d.LocalAddr = net.UDPAddrFromAddrPort(netip.AddrPortFrom(src, 0))
	}
	c, err := d.Dial("udp", netip.AddrPortFrom(dst, 9).String()) // discard
	if err != nil {
		return r, err
	}
	defer c.Close()
	r.Src = c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
	return r, withInterface(&r)
}

// bypass lets a socket connect where the SPD would first want an SA. It may fail:
// most destinations need none.
func (b *Backend) bypass(network, _ string, c syscall.RawConn) error {
	family := kernel.IPv4
	if network == "udp6" {
		family = kernel.IPv6
	}
	setup, err := b.sys.socketSetup(kernel.SocketIKE, family)
	if err != nil {
		return err
	}
	return c.Control(func(fd uintptr) {
		for _, o := range setup.Options {
			_ = syscall.SetsockoptString(int(fd), o.Level, o.Name, string(o.Value))
		}
	})
}

// withInterface fills in the interface that has the source address.
func withInterface(r *kernel.Route) error {
	return eachAddress(func(i net.Interface, p netip.Prefix) error {
		if p.Addr() == r.Src.WithZone("") {
			r.Iface, r.MTU = i.Name, i.MTU
		}
		return nil
	})
}

func eachAddress(f func(net.Interface, netip.Prefix) error) error {
	list, err := net.Interfaces()
	if err != nil {
		return err
	}
	for _, i := range list {
		addrs, err := i.Addrs()
		if err != nil {
			return fmt.Errorf("addresses of %s: %w", i.Name, err)
		}
		for _, a := range addrs {
			p, err := netip.ParsePrefix(a.String())
			if err != nil {
				continue // not an IP address
			}
			if err := f(i, p); err != nil {
				return err
			}
		}
	}
	return nil
}
