package swanctl

import (
	"net/netip"
	"strconv"
	"strings"
)

// selector is one traffic selector: a network, a range, or "dynamic", the address
// of the host itself. The zero value is dynamic.
type selector struct {
	net         netip.Prefix
	first, last netip.Addr // of a range that is no network
	proto       uint8      // 0 = any
	port        uint16     // 0 = any
}

func (s selector) dynamic() bool { return !s.net.IsValid() && !s.first.IsValid() }
func (s selector) ranged() bool  { return s.first.IsValid() }

// Protocols by name (IANA), and what racoon.conf(5) calls them.
var protocols = map[string]uint8{"any": 0, "": 0, "icmp": 1, "tcp": 6, "udp": 17, "gre": 47, "esp": 50, "ah": 51, "ipv6-icmp": 58, "icmp6": 58,
	"icmpv6": 58, "ospf": 89, "ipip": 94, "ipcomp": 108, "l2tp": 115, "sctp": 132, "ipencap": 4, "igmp": 2, "udplite": 136}

var protocolNames = map[uint8]string{0: "any", 1: "icmp", 6: "tcp", 17: "udp", 47: "gre", 50: "esp", 51: "ah", 58: "icmp6", 108: "ipcomp"}

// services are the ports with a name that selectors are seen with (IANA).
var services = map[string]uint16{"any": 0, "": 0, "ssh": 22, "smtp": 25, "domain": 53, "http": 80, "ntp": 123, "snmp": 161, "bgp": 179, "ldap": 389,
	"https": 443, "isakmp": 500, "syslog": 514, "l2tp": 1701, "l2f": 1701, "radius": 1812, "radius-acct": 1813, "vxlan": 4789, "ipsec-nat-t": 4500}

// parseSelector reads ADDRESS[/N] or FIRST-LAST or dynamic, then perhaps
// [PROTOCOL/PORT]; why says what is wrong with it.
func parseSelector(text string) (s selector, why string) {
	where, rest, limited := strings.Cut(text, "[")
	if where = strings.TrimSpace(where); limited {
		inside, _, closed := strings.Cut(rest, "]")
		if !closed {
			return s, "this bracket is never closed"
		}
		proto, port, _ := strings.Cut(inside, "/")
		if why = s.limit(strings.ToLower(proto), strings.ToLower(port)); why != "" {
			return s, why
		}
	}
	if where == "dynamic" {
		return s, ""
	}
	if first, last, ok := strings.Cut(where, "-"); ok {
		a, err1 := netip.ParseAddr(strings.TrimSpace(first))
		b, err2 := netip.ParseAddr(strings.TrimSpace(last))
		if err1 != nil || err2 != nil || a.BitLen() != b.BitLen() || b.Less(a) || a.Zone()+b.Zone() != "" {
			return s, "this is no range of addresses"
		}
		if s.net = rangeNet(a, b); !s.net.IsValid() {
			s.first, s.last = a, b
		}
		return s, s.family(a)
	}
	if !strings.Contains(where, "/") {
		a, err := netip.ParseAddr(where)
		if err != nil || a.Zone() != "" {
			return s, "this is no network and no address"
		}
		s.net = netip.PrefixFrom(a, a.BitLen())
		return s, s.family(a)
	}
	net, err := netip.ParsePrefix(where)
	if err != nil {
		return s, "this is no network and no address"
	}
	s.net = net.Masked()
	return s, s.family(net.Addr())
}

// limit reads protocol and port.
func (s *selector) limit(proto, port string) (why string) {
	n, known := protocols[proto]
	if !known {
		v, err := strconv.ParseUint(proto, 0, 8)
		if err != nil {
			return "this protocol is not known here: write its number"
		}
		n = uint8(v)
	}
	s.proto = n
	p, known := services[port]
	if !known {
		v, err := strconv.ParseUint(port, 0, 16)
		switch {
		case port == "opaque":
			return "there are no opaque ports in racoon.conf"
		case err != nil && strings.Contains(port, "-"):
			return "racoon knows one port or all, and no range of ports"
		case err != nil:
			return "this port is not known here: write its number"
		}
		p = uint16(v)
	}
	if s.port = p; p != 0 && (n == 1 || n == 58) {
		return "racoon knows no types of ICMP"
	}
	return ""
}

// family: each of the two ICMPs belongs to one kind of address.
func (s selector) family(a netip.Addr) string {
	if a.Is4In6() {
		return "an IPv4 address is written as one"
	}
	if s.proto == 1 && a.Is6() || s.proto == 58 && a.Is4() {
		return "this protocol does not belong to this kind of address"
	}
	return ""
}

// rangeNet is the network a range is, invalid if it is none.
func rangeNet(first, last netip.Addr) netip.Prefix {
	for bits := range first.BitLen() + 1 {
		p := netip.PrefixFrom(first, bits)
		if p.Masked().Addr() == first && lastAddr(p) == last {
			return p
		}
	}
	return netip.Prefix{}
}

// lastAddr is the last address of a network.
func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// at puts the host's address in the place of "dynamic", if it is known.
func (s selector) at(host netip.Addr) selector {
	if s.dynamic() && host.IsValid() && s.family(host) == "" {
		host = host.WithZone("")
		s.net = netip.PrefixFrom(host, host.BitLen())
	}
	return s
}

// header is the selector as an identity of a sainfo header.
func (s selector) header() string {
	where := ""
	switch {
	case s.dynamic():
		return "anonymous"
	case s.ranged():
		where = s.first.String() + "-" + s.last.String()
	case s.net.IsSingleIP():
		where = s.net.Addr().String()
	default:
		where = s.net.String()
	}
	if s.port != 0 {
		where += " [" + strconv.Itoa(int(s.port)) + "]"
	}
	return "address " + where + " " + protoName(s.proto)
}

// agree gives two selectors one protocol, as a quick mode has it; why says what
// keeps them from being a pair.
func agree(a, b *selector) (why string) {
	if a.proto == 0 {
		a.proto = b.proto
	}
	if b.proto == 0 {
		b.proto = a.proto
	}
	if a.proto != b.proto {
		return "local_ts and remote_ts have different protocols"
	}
	if (a.port != 0 || b.port != 0) && (a.proto == 1 || a.proto == 58) {
		return "ICMP has no ports"
	}
	for _, s := range []*selector{a, b} {
		if addr := s.addr(); addr.IsValid() && s.family(addr) != "" {
			return s.family(addr)
		}
	}
	if a.addr().IsValid() && b.addr().IsValid() && a.addr().BitLen() != b.addr().BitLen() {
		return "local_ts and remote_ts are of different kinds of addresses"
	}
	return ""
}

// addr is an address of the selector, invalid if it is dynamic.
func (s selector) addr() netip.Addr {
	if s.ranged() {
		return s.first
	}
	return s.net.Addr()
}

func protoName(n uint8) string {
	if name, ok := protocolNames[n]; ok {
		return name
	}
	return strconv.Itoa(int(n))
}

// spd is one end of a policy of setkey(8); LOCAL stands for an address that is not
// known.
func (s selector) spd() string {
	where, port := "LOCAL", "any"
	if !s.dynamic() {
		where = s.net.String()
	}
	if s.port != 0 {
		port = strconv.Itoa(int(s.port))
	}
	return where + "[" + port + "]"
}
