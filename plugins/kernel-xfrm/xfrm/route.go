//go:build linux

package xfrm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"syscall"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// Groups of linux/rtnetlink.h. Routes are not watched: a router may have a
// million of them, and the engine asks again for the few it uses.
var routeGroups = []uint32{unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR}

// Structures of linux/rtnetlink.h and linux/if_link.h.
const (
	sizeRtMsg     = 12 // rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type, flags
	sizeIfInfo    = 16 // ifinfomsg: family, type, index, flags, change
	sizeIfAddr    = 8  // ifaddrmsg: family, prefixlen, flags, scope, index
	ifInfoIndex   = 4
	ifAddrIndex   = 4
	rtMsgDstLen   = 1
	rtMsgSrcLen   = 2
	rtMsgType     = 7
	ifAddrPrefLen = 1
)

// decodeNetChange reports that an interface or its addresses changed.
func decodeNetChange(m netlink.Message) (kernel.Event, error) {
	ev := kernel.Event{Kind: kernel.NetChanged}
	switch m.Header.Type {
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		l, err := decodeLink(m.Data)
		ev.Iface = l.name
		return ev, err
	case unix.RTM_NEWADDR, unix.RTM_DELADDR:
		a, err := decodeAddress(m.Data)
		ev.Iface = a.label
		return ev, err
	}
	return kernel.Event{}, nil
}

type link struct {
	index uint32
	name  string
	mtu   uint32
}

func decodeLink(b []byte) (l link, err error) {
	if err := need(b, sizeIfInfo, "ifinfomsg"); err != nil {
		return l, err
	}
	l.index = native.Uint32(b[ifInfoIndex:])
	err = eachAttr(b[sizeIfInfo:], func(typ uint16, data []byte) (err error) {
		switch typ {
		case unix.IFLA_IFNAME:
			l.name = cString(data)
		case unix.IFLA_MTU:
			l.mtu, err = getUint32(data, "IFLA_MTU")
		}
		return err
	})
	return l, err
}

type address struct {
	index  uint32
	prefix netip.Prefix
	label  string
}

func decodeAddress(b []byte) (a address, err error) {
	if err := need(b, sizeIfAddr, "ifaddrmsg"); err != nil {
		return a, err
	}
	a.index = native.Uint32(b[ifAddrIndex:])
	bits := int(b[ifAddrPrefLen])
	err = eachAttr(b[sizeIfAddr:], func(typ uint16, data []byte) error {
		switch typ {
		case unix.IFA_LABEL:
			a.label = cString(data)
		case unix.IFA_LOCAL, unix.IFA_ADDRESS:
			// On a point-to-point link IFA_ADDRESS is the peer's; IFA_LOCAL, if there is
			// one, is ours.
			ip, ok := netip.AddrFromSlice(data)
			if ok && (typ == unix.IFA_LOCAL || !a.prefix.IsValid()) {
				a.prefix = netip.PrefixFrom(ip, bits)
			}
		}
		return nil
	})
	return a, err
}

func cString(b []byte) string {
	s, _, _ := bytes.Cut(b, []byte{0})
	return string(s)
}

// dumpTries is how often addresses are read before their changing is an error.
const dumpTries = 5

func (b *Backend) dumpAddresses(_ kernel.DumpFilter, emit func(kernel.Object) error) error {
	list, err := b.readAddresses()
	for i := 1; i < dumpTries && errors.Is(err, errChanged); i++ {
		list, err = b.readAddresses()
	}
	if err != nil {
		return err
	}
	names := linkNames{conn: b.route, byIndex: make(map[uint32]link)}
	for _, a := range list {
		l, err := names.get(a.index)
		if err != nil && !errors.Is(err, syscall.ENODEV) {
			return err
		}
		if err := emit(kernel.Object{Address: a.prefix, Iface: l.name}); err != nil {
			return err
		}
	}
	return nil
}

func (b *Backend) readAddresses() (list []address, err error) {
	err = dump(b.route.dial, unix.RTM_GETADDR, make([]byte, sizeIfAddr), func(m netlink.Message) error {
		a, err := decodeAddress(m.Data)
		if err == nil && a.prefix.IsValid() {
			list = append(list, a)
		}
		return err
	})
	return list, err
}

// linkNames asks once for every interface.
type linkNames struct {
	conn    *conn
	byIndex map[uint32]link
}

func (n linkNames) get(index uint32) (link, error) {
	if l, ok := n.byIndex[index]; ok {
		return l, nil
	}
	req := make([]byte, sizeIfInfo)
	native.PutUint32(req[ifInfoIndex:], index)
	body, err := n.conn.get(unix.RTM_GETLINK, req)
	if err != nil {
		return link{}, fmt.Errorf("interface %d: %w", index, err)
	}
	l, err := decodeLink(body)
	if err == nil {
		n.byIndex[index] = l
	}
	return l, err
}

// LookupRoutes asks the kernel which way it would send to each destination. MTU
// is the route's own, or else the interface's. A destination without route has
// Err errs.NotFound.
func (b *Backend) LookupRoutes(_ context.Context, queries []kernel.RouteQuery) ([]kernel.Route, error) {
	names := linkNames{conn: b.route, byIndex: make(map[uint32]link)}
	routes := make([]kernel.Route, len(queries))
	for i, q := range queries {
		r, err := b.lookupRoute(q, names)
		if r.Err = toError(fmt.Sprintf("route to %v", q.Dst), err); err == nil {
			routes[i] = r
		} else {
			routes[i] = kernel.Route{Err: r.Err}
		}
	}
	return routes, nil
}

func (b *Backend) lookupRoute(q kernel.RouteQuery, names linkNames) (r kernel.Route, err error) {
	dst, src := q.Dst.Unmap(), q.Src.Unmap()
	if !dst.IsValid() || src.IsValid() && src.Is4() != dst.Is4() {
		return r, invalid("route query %v from %v", q.Dst, q.Src)
	}
	req := make([]byte, sizeRtMsg, sizeRtMsg+64)
	req[0] = byte(familyOf(dst))
	req[rtMsgDstLen] = byte(dst.BitLen())
	req = appendAttr(req, unix.RTA_DST, dst.AsSlice())
	if src.IsValid() && !src.IsUnspecified() {
		req[rtMsgSrcLen] = byte(src.BitLen())
		req = appendAttr(req, unix.RTA_SRC, src.AsSlice())
		r.Src = src
	}
	if dst.Zone() != "" {
		return r, unsupported("route to %v: an address with a zone", dst)
	}
	body, err := b.route.get(unix.RTM_GETROUTE, req)
	if err != nil {
		return r, err
	}
	oif, err := decodeRoute(body, &r)
	if err != nil {
		return r, err
	}
	l, err := names.get(oif)
	if err != nil {
		return r, err
	}
	r.Iface = l.name
	if r.MTU == 0 {
		r.MTU = int(l.mtu)
	}
	return r, nil
}

// decodeRoute reads an rtmsg into r and returns the index of the interface.
func decodeRoute(b []byte, r *kernel.Route) (oif uint32, err error) {
	if err := need(b, sizeRtMsg, "rtmsg"); err != nil {
		return 0, err
	}
	switch b[rtMsgType] {
	case unix.RTN_UNICAST, unix.RTN_LOCAL, unix.RTN_BROADCAST, unix.RTN_MULTICAST, unix.RTN_ANYCAST:
	default: // blackhole, unreachable, prohibit, throw
		return 0, syscall.ENETUNREACH
	}
	err = eachAttr(b[sizeRtMsg:], func(typ uint16, data []byte) (err error) {
		switch typ {
		case unix.RTA_PREFSRC:
			if ip, ok := netip.AddrFromSlice(data); ok {
				r.Src = ip
			}
		case unix.RTA_GATEWAY:
			r.NextHop, _ = netip.AddrFromSlice(data)
		case unix.RTA_VIA: // IPv4 over an IPv6 next hop: family, address
			if len(data) > 2 {
				r.NextHop, _ = netip.AddrFromSlice(data[2:])
			}
		case unix.RTA_OIF:
			oif, err = getUint32(data, "RTA_OIF")
		case unix.RTA_METRICS:
			err = eachAttr(data, func(typ uint16, data []byte) error {
				if typ != unix.RTAX_MTU {
					return nil
				}
				mtu, err := getUint32(data, "RTAX_MTU")
				r.MTU = int(mtu)
				return err
			})
		}
		return err
	})
	return oif, err
}
