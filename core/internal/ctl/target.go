package ctl

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/racoon-ike/racoon/core/control"
)

// target is what establish-sa and delete-sa are about: one of its fields is set.
type target struct {
	peer   *control.EndPoints // everything with a peer
	isakmp *control.EndPoints
	policy *control.Policy
}

// protocols are the upper-layer protocols racoonctl has names for; numbers do too.
var protocols = map[string]uint8{"any": 0, "icmp": 1, "ipv4": 4, "tcp": 6, "udp": 17, "gre": 47, "icmp6": 58, "ipv6-icmp": 58, "l2tp": 115, "sctp": 132}

// resolver turns a host's name into an address; network is "ip", "ip4" or "ip6".
type resolver func(ctx context.Context, network, host string) ([]netip.Addr, error)

func systemResolver(ctx context.Context, network, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, network, host)
}

// parseTarget reads the classic words of racoonctl(8), and a lone REMOTE.
func parseTarget(ctx context.Context, words []string, look resolver) (t target, err error) {
	if len(words) == 0 {
		return t, wrong("say what: %s", establishUsage)
	}
	kind := words[0]
	if kind != "isakmp" && kind != "esp" && kind != "ah" {
		if len(words) > 1 {
			return t, wrong("%q is neither isakmp nor esp nor ah, and more than one word: %s", kind, sasUsage)
		}
		remote, err := address(ctx, "ip", kind, look)
		return target{peer: &control.EndPoints{Remote: remote}}, err
	}
	words, network := words[1:], "ip"
	if len(words) > 0 && (words[0] == "inet" || words[0] == "inet6") {
		network = map[string]string{"inet": "ip4", "inet6": "ip6"}[words[0]]
		words = words[1:]
	}
	if kind == "isakmp" {
		if len(words) != 2 {
			return t, wrong("isakmp needs LOCAL and REMOTE")
		}
		e := &control.EndPoints{}
		if e.Local, err = address(ctx, network, words[0], look); err != nil {
			return t, err
		}
		e.Remote, err = address(ctx, network, words[1], look)
		return target{isakmp: e}, err
	}
	if len(words) != 3 {
		return t, wrong("%s needs LOCAL[/LEN[/PORT]], REMOTE[/LEN[/PORT]] and an upper-layer protocol", kind)
	}
	p := &control.Policy{Proto: kind}
	sel := &p.Selector
	if sel.Local, sel.LocalPort, err = end(ctx, network, words[0], look); err != nil {
		return t, err
	}
	if sel.Remote, sel.RemotePort, err = end(ctx, network, words[1], look); err != nil {
		return t, err
	}
	sel.Proto, err = protocol(words[2])
	return target{policy: p}, err
}

// end reads ADDR, ADDR/LEN, ADDR/LEN/PORT, ADDR[PORT] or ADDR/LEN[PORT].
func end(ctx context.Context, network, text string, look resolver) (netip.Prefix, uint16, error) {
	host, length, port := text, "", "any"
	if before, inside, ok := strings.Cut(text, "["); ok {
		if host, port, ok = before, strings.TrimSuffix(inside, "]"), strings.HasSuffix(inside, "]"); !ok {
			return netip.Prefix{}, 0, wrong("%q has a [ without ]", text)
		}
	}
	host, length, _ = strings.Cut(host, "/")
	if l, p, ok := strings.Cut(length, "/"); ok {
		if port != "any" {
			return netip.Prefix{}, 0, wrong("%q has two ports", text)
		}
		length, port = l, p
	}
	addr, err := address(ctx, network, host, look)
	if err != nil {
		return netip.Prefix{}, 0, err
	}
	bits := addr.BitLen()
	if length != "" {
		if bits, err = strconv.Atoi(length); err != nil || bits < 0 || bits > addr.BitLen() {
			return netip.Prefix{}, 0, wrong("%q: %q is not a prefix length of 0 to %d", text, length, addr.BitLen())
		}
	}
	var n uint64
	if port != "any" {
		if n, err = strconv.ParseUint(port, 10, 16); err != nil {
			return netip.Prefix{}, 0, wrong("%q: %q is not a port", text, port)
		}
	}
	return netip.PrefixFrom(addr, bits).Masked(), uint16(n), nil
}

func protocol(text string) (uint8, error) {
	if n, ok := protocols[text]; ok {
		return n, nil
	}
	n, err := strconv.ParseUint(text, 10, 8)
	if err != nil {
		return 0, wrong("%q is not an upper-layer protocol: any, icmp, tcp, udp, gre, or a number", text)
	}
	return uint8(n), nil
}

// address reads an address or looks a host's name up.
func address(ctx context.Context, network, text string, look resolver) (netip.Addr, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		a = a.Unmap()
		if network == "ip4" && !a.Is4() || network == "ip6" && !a.Is6() {
			return a, wrong("%s is of another address family", text)
		}
		return a, nil
	}
	if text == "" || strings.Trim(text, "0123456789.") == "" {
		return netip.Addr{}, wrong("%q is not an address", text)
	}
	found, err := look(ctx, network, text)
	if err == nil && len(found) == 0 {
		err = errors.New("no address")
	}
	if err != nil {
		return netip.Addr{}, wrong("%q is neither an address nor a host that can be found: %v", text, err)
	}
	return found[0].Unmap(), nil
}

// spi reads a security parameter index in any usual base.
func spi(text string) (control.SPI, error) {
	n, err := strconv.ParseUint(text, 0, 32)
	if err != nil || n == 0 {
		return 0, wrong("%q is not an SPI (0x00000001 to 0xffffffff)", text)
	}
	return control.SPI(n), nil
}
