package scenario

import (
	"fmt"
	"net/netip"
)

// The ends are left and right, and left2 if the scenario has it, a second peer
// of right. In tunnel mode each protects one inner address:
//
//	10.1.0.1 -- left  192.0.2.1 ==== 192.0.2.2 right -- 10.2.0.1
//	10.3.0.1 -- left2 192.0.2.3 ====/
//
//	fd00:1::1 -- left 2001:db8::1 ==== 2001:db8::2 right -- fd00:2::1
//
// An end may be behind a NAT box, which then has its address on the link. Both
// boxes of the left side have the same network inside, as they have in life:
//
//	10.1.0.1 -- left 192.168.1.2 -- 192.168.1.1 left-nat 192.0.2.1 ====
//
// left2 is 192.168.1.2 behind a box of its own, 192.168.1.3 behind left's;
// right is 192.168.2.2.

// What an end's nat may be.
const (
	Masquerade = "masquerade" // ports change, nothing comes in unasked
	Forward    = "forward"    // UDP 500 and 4500 are the end's, both ways
	Shared     = "shared"     // of left2: behind the box of left
)

// Place is where an end is on the network.
type Place struct {
	Address   netip.Addr   // where it is reached; from its own side, and without NAT, its own
	Host      netip.Addr   // its own
	Inner     netip.Addr   // behind the gateway; the invalid Addr in transport mode
	Protected netip.Prefix // what policies protect: Inner or Address
	ReqID     int          // of the policies between it and right
}

// Ends by name.
func (s *Scenario) Ends() []string {
	if s.Left2 != nil {
		return []string{"left", "right", "left2"}
	}
	return []string{"left", "right"}
}

// End by its name.
func (s *Scenario) End(name string) *End {
	switch name {
	case "left":
		return &s.Left
	case "left2":
		return s.Left2
	}
	return &s.Right
}

// Peers of an end by name.
func (s *Scenario) Peers(end string) []string {
	switch {
	case end != "right":
		return []string{"right"}
	case s.Left2 != nil:
		return []string{"left", "left2"}
	}
	return []string{"left"}
}

// Other is the name of the opposite end.
func Other(end string) string {
	if end == "left" {
		return "right"
	}
	return "left"
}

// Box is the name of the NAT box in front of an end, or empty.
func (s *Scenario) Box(end string) string {
	switch s.End(end).NAT {
	case "":
		return ""
	case Shared:
		return "left-nat"
	}
	return end + "-nat"
}

// Boxes by name.
func (s *Scenario) Boxes() (names []string) {
	for _, e := range s.Ends() {
		if n := s.End(e).NAT; n != "" && n != Shared {
			names = append(names, s.Box(e))
		}
	}
	return names
}

// Place of an end as it sees itself.
func (s *Scenario) Place(end string) Place { return s.place(end, s.host(end)) }

// Seen is the place of an end as its peers see it.
func (s *Scenario) Seen(end string) Place { return s.place(end, s.Public(end)) }

func (s *Scenario) place(end string, reached netip.Addr) Place {
	n := number(end)
	p := Place{Address: reached, Host: s.host(end), ReqID: max(n-1, 1)}
	host := reached
	if s.Mode == "tunnel" {
		p.Inner = s.pick(fmt.Sprintf("10.%d.0.1", n), fmt.Sprintf("fd00:%d::1", n))
		host = p.Inner
	}
	p.Protected = netip.PrefixFrom(host, host.BitLen())
	return p
}

// Public is the address on the link: the end's, or that of its NAT box.
func (s *Scenario) Public(end string) netip.Addr {
	if s.End(end).NAT == Shared {
		end = "left"
	}
	return s.pick(fmt.Sprintf("192.0.2.%d", number(end)), fmt.Sprintf("2001:db8::%d", number(end)))
}

func (s *Scenario) host(end string) netip.Addr {
	switch {
	case s.End(end).NAT == "":
		return s.Public(end)
	case s.End(end).NAT == Shared:
		return netip.MustParseAddr("192.168.1.3")
	case end == "right":
		return netip.MustParseAddr("192.168.2.2")
	}
	return netip.MustParseAddr("192.168.1.2")
}

func (s *Scenario) pick(four, six string) netip.Addr {
	if s.Family == 6 {
		return netip.MustParseAddr(six)
	}
	return netip.MustParseAddr(four)
}

func number(end string) int { return map[string]int{"left": 1, "right": 2, "left2": 3}[end] }
