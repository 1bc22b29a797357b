package setkey

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// Names looks up what is not a number. *net.Resolver does.
type Names interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	LookupPort(ctx context.Context, network, service string) (int, error)
}

// pair is the two ends of an SA or a policy.
type pair struct{ src, dst netip.Addr }

// pairs resolves the ends of a command to pairs of equal family, at least one.
func (r *Runner) pairs(ctx context.Context, c *Command, src, dst End) ([]pair, error) {
	from, err := r.addrs(ctx, c, src.Host)
	if err != nil {
		return nil, err
	}
	to, err := r.addrs(ctx, c, dst.Host)
	if err != nil {
		return nil, err
	}
	var all []pair
	for _, a := range from {
		for _, b := range to {
			if a.Is4() == b.Is4() {
				all = append(all, pair{a, b})
			}
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s and %s have no addresses of one family", src.Host, dst.Host)
	}
	return all, nil
}

// onePair is pairs for what must not mean several things.
func (r *Runner) onePair(ctx context.Context, c *Command, src, dst End) (pair, error) {
	all, err := r.pairs(ctx, c, src, dst)
	if err == nil && len(all) > 1 {
		err = fmt.Errorf("%s and %s are %d pairs of addresses: write addresses, or -4 or -6", src.Host, dst.Host, len(all))
	}
	if err != nil {
		return pair{}, err
	}
	return all[0], nil
}

// addrs are the addresses of a host in the families the command allows.
func (r *Runner) addrs(ctx context.Context, c *Command, host string) ([]netip.Addr, error) {
	list, err := []netip.Addr(nil), error(nil)
	if a, bad := netip.ParseAddr(host); bad == nil {
		if a.Zone() != "" {
			return nil, fmt.Errorf("%s: no kernel plugin has scopes: leave %%%s out", host, a.Zone())
		}
		list = []netip.Addr{a}
	} else if c.Numeric || strings.Trim(host, digits+".") == "" {
		return nil, fmt.Errorf("%q is no numeric address", host)
	} else if list, err = r.Names.LookupNetIP(ctx, "ip", host); err != nil {
		return nil, fmt.Errorf("%q: %w", host, err)
	}
	var fit []netip.Addr
	for _, a := range list {
		if a = a.Unmap().WithZone(""); c.Family == 0 || a.Is4() == (c.Family == kernel.IPv4) {
			fit = append(fit, a)
		}
	}
	if len(fit) == 0 {
		return nil, fmt.Errorf("%s has no address of IPv%d", host, c.Family)
	}
	return fit, nil
}

// port is the number of an end's port, 0 without one.
func (r *Runner) port(ctx context.Context, e End) (uint16, error) {
	if e.Port == "" {
		return 0, nil
	}
	if strings.Trim(e.Port, digits) == "" {
		n, err := strconv.ParseUint(e.Port, 10, 16)
		if err != nil {
			return 0, fmt.Errorf("port %s is out of range: 0 to 65535", e.Port)
		}
		return uint16(n), nil
	}
	n, err := r.Names.LookupPort(ctx, "udp", e.Port)
	if err != nil {
		return 0, fmt.Errorf("port %q: %w", e.Port, err)
	}
	return uint16(n), nil
}

func (r *Runner) ports(ctx context.Context, src, dst End) (a, b uint16, err error) {
	if a, err = r.port(ctx, src); err == nil {
		b, err = r.port(ctx, dst)
	}
	return a, b, err
}

// selector resolves that of a policy.
func (r *Runner) selector(ctx context.Context, c *Command) (s kernel.Selector, err error) {
	p := c.Policy
	ends, err := r.onePair(ctx, c, p.Src, p.Dst)
	if err != nil {
		return s, err
	}
	if s.Src, err = prefixed(ends.src, p.Src); err == nil {
		s.Dst, err = prefixed(ends.dst, p.Dst)
	}
	if err != nil {
		return s, err
	}
	if s.Proto = upperNumber(p.Upper); s.Proto == upperAny {
		s.Proto = 0
	}
	if p.Misc == "" {
		s.SrcPort, s.DstPort, err = r.ports(ctx, p.Src, p.Dst)
	} else {
		s.SrcPort, s.DstPort, err = misc(s.Proto, p.Misc)
	}
	return s, err
}

// prefixed is the network an end names. What is behind the prefix does not count.
func prefixed(a netip.Addr, e End) (netip.Prefix, error) {
	bits := e.Prefix
	if bits < 0 {
		bits = a.BitLen()
	}
	v, err := a.Prefix(bits)
	if err != nil {
		return v, fmt.Errorf("%s/%d: a prefix of %s has up to %d bits", e.Host, bits, a, a.BitLen())
	}
	return v, nil
}

// misc is what takes the place of ports: type and code, or the halves of a GRE key.
func misc(proto uint8, text string) (src, dst uint16, err error) {
	if proto == protoGRE {
		key, err := netip.ParseAddr(text)
		if err != nil || !key.Is4() {
			return 0, 0, fmt.Errorf("%q is no key of GRE: write it as a dotted quad, 0.0.0.5", text)
		}
		b := key.As4()
		return uint16(b[0])<<8 | uint16(b[1]), uint16(b[2])<<8 | uint16(b[3]), nil
	}
	typ, code, _ := strings.Cut(text, ",")
	a, err := strconv.ParseUint(typ, 10, 8)
	b, err2 := strconv.ParseUint(code, 10, 8)
	if err != nil || err2 != nil {
		return 0, 0, fmt.Errorf("%q: type and code are 0 to 255", text)
	}
	return uint16(a), uint16(b), nil
}
