package config

import (
	"fmt"
	"net/netip"

	"github.com/racoon-ike/racoon/core/internal/policy"
)

// upperLayer are the protocols with a name (IANA protocol numbers).
var upperLayer = map[string]uint8{"any": 0, "icmp": 1, "tcp": 6, "udp": 17, "gre": 47, "esp": 50, "ah": 51, "icmp6": 58, "ipcomp": 108}

// phase2ID reads TYPE ADDRESS[-ADDRESS] [/N] [PORT] PROTO or TYPE STRING. The
// type word decides nothing for an address: the prefix does.
func (p *parser) phase2ID(want string) (*policy.SAID, bool) {
	t := p.peek()
	if (term{alts: identityTypes}).fits(t) == "" {
		if t.text == "anonymous" || t.text == "clientaddr" {
			p.misplaced(t)
			return nil, false
		}
		p.expected(want, append([]string{"anonymous", "clientaddr"}, identityTypes...))
		return nil, false
	}
	p.next()
	if q := p.peek(); t.text == "keyid" && !p.accept("tag") && p.accept("file") {
		p.add(q, codeValue, Error, "is not read here: the keyid of a sainfo section is the text itself, as in the original", `write keyid "TEXT"`)
		return nil, false
	}
	v := p.peek()
	if v.kind == str {
		p.next()
		return p.nameID(t, v)
	}
	if v.kind != address {
		p.expected("an address or a string in double quotes", nil)
		return nil, false
	}
	p.next()
	id := &policy.SAID{}
	first := v.addr.WithZone("")
	rangeEnd := p.peek()
	if rangeEnd.kind == until {
		p.next()
	}
	bits := first.BitLen()
	if n := p.peek(); n.kind == prefix {
		p.next()
		if n.n > uint64(bits) {
			p.errorf(n, "is longer than the address: at most /%d", bits)
			return nil, false
		}
		bits = int(n.n)
	}
	portToken := p.peek()
	if portToken.kind == port {
		p.next()
		id.Port = uint16(portToken.n)
	}
	if rangeEnd.kind == until {
		if !p.rangeID(id, first, rangeEnd) {
			return nil, false
		}
	} else {
		p.addressID(id, first, bits, v)
	}
	if !p.protocol(id, first, portToken) {
		return nil, false
	}
	id.Text = fmt.Sprintf("%s[%s] %s", id.Text, portName(id.Port), protoName(id.Proto))
	return id, true
}

// misplaced reports anonymous or clientaddr where it says nothing.
func (p *parser) misplaced(t token) {
	switch {
	case t.src.hcl:
		p.add(t, codeSyntax, Error, "is not expected here", "leave it out: what is left out is anonymous")
	case t.text == "anonymous":
		p.add(t, codeSyntax, Error, "is one word too many: anonymous alone is both ends", "write sainfo anonymous { ... }")
	default:
		p.add(t, codeSyntax, Error, "is the other end, and our own comes before it", "write sainfo anonymous clientaddr { ... }")
	}
}

func (p *parser) nameID(t, v token) (*policy.SAID, bool) {
	typ, ok := nameTypes[t.text]
	if v.text == "" {
		p.errorf(v, "is an empty identity")
		return nil, false
	}
	if !ok {
		p.errorf(t, "cannot be an identity of phase 2 here")
		return nil, false
	}
	return &policy.SAID{Type: typ, Data: []byte(v.text), Text: t.text + " " + v.text}, true
}

// addressID makes a host or a network. The address is not masked: that is how
// racoon.conf has always compared them, and a warning says what it means.
func (p *parser) addressID(id *policy.SAID, a netip.Addr, bits int, t token) {
	id.Type, id.Data, id.Text = policy.IDIPv4, a.AsSlice(), a.String()
	if a.Is6() {
		id.Type = policy.IDIPv6
	}
	if bits == a.BitLen() {
		return
	}
	if id.Type = policy.IDIPv4Subnet; a.Is6() {
		id.Type = policy.IDIPv6Subnet
	}
	id.Text = fmt.Sprintf("%s/%d", a, bits)
	for i := range a.BitLen() / 8 {
		id.Data = append(id.Data, byte(uint16(0xff00)>>min(max(bits-8*i, 0), 8)))
	}
	if masked := netip.PrefixFrom(a, bits).Masked(); masked.Addr() != a {
		p.add(t, codeHostBits, Warning, "has bits behind the prefix: it equals no network a policy or a peer names", "write "+masked.String())
	}
}

func (p *parser) rangeID(id *policy.SAID, first netip.Addr, end token) bool {
	last := end.addr.WithZone("")
	if first.BitLen() != last.BitLen() || last.Less(first) {
		p.errorf(end, "is no end of a range that begins with %s", first)
		return false
	}
	if id.Type = policy.IDIPv4Range; first.Is6() {
		id.Type = policy.IDIPv6Range
	}
	id.Data = append(first.AsSlice(), last.AsSlice()...)
	id.Text = first.String() + "-" + last.String()
	return true
}

// protocol reads the upper layer protocol, which is mandatory after an address.
func (p *parser) protocol(id *policy.SAID, a netip.Addr, portToken token) bool {
	t := p.peek()
	named, ok := upperLayer[t.text]
	switch {
	case t.kind == word && ok:
		id.Proto = named
	case t.kind == number && t.n <= 255:
		id.Proto = uint8(t.n)
	default:
		p.expected("an upper layer protocol (any, tcp, udp, icmp, ... or a number)", []string{"any", "tcp", "udp", "icmp", "icmp6", "gre", "esp", "ah", "ipcomp"})
		return false
	}
	p.next()
	icmp := id.Proto == 1 || id.Proto == 58
	switch {
	case icmp && id.Port != 0:
		p.errorf(portToken, "is a port, and icmp has none")
		return false
	case id.Proto == 1 && a.Is6(), id.Proto == 58 && a.Is4():
		p.errorf(t, "is not the protocol of this kind of address")
		return false
	}
	return true
}

func portName(n uint16) string {
	if n == 0 {
		return "any"
	}
	return fmt.Sprint(n)
}

func protoName(n uint8) string {
	for name, proto := range upperLayer {
		if proto == n {
			return name
		}
	}
	return fmt.Sprint(n)
}
