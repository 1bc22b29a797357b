package swanctl

import (
	"net/netip"
	"strings"
)

// endpoints are the addresses of one side of a connection.
type endpoints struct {
	hosts []netip.Addr
	nets  []netip.Prefix
	names []string // of hosts, which racoon does not look up
	any   bool
}

// anyAddress are the ways to write that any address will do.
var anyAddress = map[string]bool{"%any": true, "%any4": true, "%any6": true, "0.0.0.0": true, "::": true, "0.0.0.0/0": true, "::/0": true, "%defaultroute": true}

// endpoints reads local_addrs or remote_addrs.
func (im *importer) endpoints(s *section, key string) endpoints {
	var e endpoints
	list, at := s.list(key, "%any")
	for _, text := range list {
		addr, err := netip.ParseAddr(text)
		net, netErr := netip.ParsePrefix(text)
		first, last, ranged := strings.Cut(text, "-")
		a, err1 := netip.ParseAddr(strings.TrimSpace(first))
		b, err2 := netip.ParseAddr(strings.TrimSpace(last))
		switch {
		case anyAddress[text]:
			e.any = true
		case err == nil:
			if strings.IndexFunc(addr.Zone(), notZone) >= 0 {
				im.note(at, Warning, "%s: this is no name of an interface, the address is left out", key)
				break
			}
			e.hosts = append(e.hosts, addr.Unmap())
		case netErr == nil:
			e.nets = append(e.nets, net.Masked())
		case ranged && err1 == nil && err2 == nil:
			if n := rangeNet(a, b); n.IsValid() && a.BitLen() == b.BitLen() {
				e.nets = append(e.nets, n)
				break
			}
			im.note(at, Warning, "%s: racoon knows networks and no ranges: %s is left out", key, show(text))
		case strings.IndexFunc(text, notHost) >= 0:
			im.note(at, Warning, "%s: this is neither an address nor the name of a host", key)
		default:
			e.names = append(e.names, text)
		}
	}
	return e
}

// host is the one address there is, invalid if there are several or none.
func (e endpoints) host() netip.Addr {
	if len(e.hosts) == 1 && len(e.nets) == 0 && len(e.names) == 0 && !e.any {
		return e.hosts[0]
	}
	return netip.Addr{}
}

// like is our address for a peer: the first of its kind, as charon begins from it.
func (e endpoints) like(peer netip.Addr) netip.Addr {
	for _, h := range e.hosts {
		if h.BitLen() == peer.BitLen() {
			return h
		}
	}
	return netip.Addr{}
}

// notHost finds what the name of a host cannot have.
func notHost(r rune) bool { return notZone(r) && r != '-' && r != ':' }

// notZone finds what the zone of an address in racoon.conf cannot have.
func notZone(r rune) bool {
	return !('a' <= r|0x20 && r|0x20 <= 'z' || '0' <= r && r <= '9' || r == '_' || r == '.')
}
