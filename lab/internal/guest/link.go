//go:build linux

package guest

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/racoon-ike/racoon/lab/internal/scenario"
)

// Interfaces. A station is what stands at the link: an end, or its NAT box.
const (
	wire  = "wire"  // of a station to the link, and of an end to its NAT box
	wire2 = "wire2" // of right's station to left2's
	lan   = "lan"   // of a NAT box to its end
	lan2  = "lan2"  // of left's NAT box to left2
)

// network joins the ends and NAT boxes of a scenario.
type network struct {
	s   *scenario.Scenario
	all map[string]*end
}

// port is an interface and the end or box that has it.
type port struct {
	end    *end
	device string
}

func (n network) station(end string) *end {
	if box := n.s.Box(end); box != "" {
		return n.all[box]
	}
	return n.all[end]
}

// onLink lists the ports on the public link.
func (n network) onLink() []port {
	ports := []port{{n.station("left"), wire}, {n.station("right"), wire}}
	if n.twoLinks() {
		ports = append(ports, port{n.station("left2"), wire}, port{n.station("right"), wire2})
	}
	return ports
}

// twoLinks reports whether left2 has a link of its own to right.
func (n network) twoLinks() bool { return n.s.Left2 != nil && n.s.Left2.NAT != scenario.Shared }

func (n network) connect(ctx context.Context) error {
	right := n.station("right")
	if err := n.link(ctx, "left", port{n.station("left"), wire}, port{right, wire}); err != nil {
		return err
	}
	if n.twoLinks() {
		if err := n.link(ctx, "left2", port{n.station("left2"), wire}, port{right, wire2}); err != nil {
			return err
		}
	}
	for _, name := range n.s.Boxes() {
		if err := n.all[name].masquerade(ctx, 0); err != nil {
			return err
		}
	}
	for _, name := range n.s.Ends() {
		if n.s.Box(name) != "" {
			if err := n.behindNAT(ctx, name); err != nil {
				return err
			}
		}
		if err := n.protect(ctx, name); err != nil {
			return err
		}
		if err := n.all[name].netem(ctx, n.s.Netem); err != nil {
			return err
		}
	}
	return nil
}

// veth joins two ports; the hardware addresses are given so that neighbours can be.
func veth(ctx context.Context, a port, macA string, b port, macB string) error {
	a.end.wires, b.end.wires = append(a.end.wires, a.device), append(b.end.wires, b.device)
	_, err := a.end.must(ctx, fmt.Sprintf("ip link add %s address %s type veth peer name %s address %s netns %s",
		a.device, macA, b.device, macB, b.end.path))
	return err
}

// link joins the station of left or left2 with that of right. Neighbours are
// permanent: in transport mode neighbour discovery would itself hit an IPv6
// policy (that trap is the administrator's, not what is tested here).
func (n network) link(ctx context.Context, name string, a, b port) error {
	macA, macB := "02:00:00:00:00:01", "02:00:00:00:00:02"
	if name == "left2" {
		macA, macB = "02:00:00:00:00:03", "02:00:00:00:00:04"
	}
	if err := veth(ctx, a, macA, b, macB); err != nil {
		return err
	}
	left, right := n.s.Public(name), n.s.Public("right")
	if err := a.configure(ctx, left, right, macB); err != nil {
		return err
	}
	return b.configure(ctx, right, left, macA)
}

// configure a port for one peer on the other side.
func (p port) configure(ctx context.Context, self, peer netip.Addr, peerMAC string) error {
	lines := []string{
		"link set lo up",
		"link set " + p.device + " up",
		fmt.Sprintf("address add %s dev %s %s", netip.PrefixFrom(self, self.BitLen()), p.device, nodad(self)),
		fmt.Sprintf("neighbour replace %s lladdr %s dev %s nud permanent", peer, peerMAC, p.device),
		fmt.Sprintf("route add %s dev %s src %s", netip.PrefixFrom(peer, peer.BitLen()), p.device, self),
	}
	return p.end.ip(ctx, lines)
}

// nodad is the word for an address that is to be usable at once.
func nodad(a netip.Addr) string {
	if a.Is4() {
		return ""
	}
	return "nodad"
}

// ip runs commands of ip(8).
func (e *end) ip(ctx context.Context, lines []string) error {
	_, err := e.must(ctx, "ip -batch - <<'.'\n"+strings.Join(lines, "\n")+"\n.")
	return err
}

// protect sets up what an end protects: inner address, routes and policies.
func (n network) protect(ctx context.Context, name string) error {
	e, self := n.all[name], n.s.Place(name)
	var lines []string
	if self.Inner.IsValid() {
		lines = append(lines, fmt.Sprintf("address add %s dev lo %s", self.Protected, nodad(self.Inner)))
	}
	for _, p := range n.s.Peers(name) {
		peer := n.s.Seen(p)
		if self.Inner.IsValid() {
			lines = append(lines, fmt.Sprintf("route add %s via %s src %s", peer.Protected, n.gateway(name, peer), self.Inner))
		}
		if *n.s.End(name).Policy {
			lines = append(lines, policies(n.s, self, peer)...)
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return e.ip(ctx, lines)
}

// gateway is the next hop from an end to a peer.
func (n network) gateway(name string, peer scenario.Place) netip.Addr {
	if n.s.Box(name) != "" {
		return inside(n.s.Place(name).Host)
	}
	return peer.Address
}

// protoWord is what ip(8) calls a protocol.
var protoWord = map[string]string{"ah": "ah", "esp": "esp", "ipcomp": "comp"}

// level of a protocol in a policy. What does not get smaller comes without IPComp (RFC 3173 §2.2).
func level(proto, dir string) string {
	if proto == "ipcomp" && dir != "out" {
		return "use"
	}
	return "required"
}

// policies an administrator would write with setkey or ip xfrm.
func policies(s *scenario.Scenario, self, peer scenario.Place) []string {
	one := func(dir string, from, to scenario.Place) string {
		line := fmt.Sprintf("xfrm policy add src %s dst %s dir %s", from.Protected, to.Protected, dir)
		mode := s.Mode
		for proto := range strings.SplitSeq(s.Protocols, "+") {
			ends := ""
			if mode == "tunnel" {
				ends = fmt.Sprintf("src %s dst %s ", from.Address, to.Address)
			}
			line += fmt.Sprintf(" tmpl %sproto %s mode %s reqid %d level %s", ends, protoWord[proto], mode, peer.ReqID, level(proto, dir))
			mode = "transport" // of what is around the first
		}
		return line
	}
	all := []string{one("out", self, peer), one("in", peer, self)}
	if s.Mode == "tunnel" {
		all = append(all, one("fwd", peer, self))
	}
	return all
}

// netem disturbs what the end sends; an empty text leaves the link perfect.
func (e *end) netem(ctx context.Context, how string) error {
	for _, dev := range e.wires {
		line := fmt.Sprintf("tc qdisc replace dev %s root netem %s", dev, how)
		if how == "" {
			line = fmt.Sprintf("tc qdisc show dev %s | grep -q netem || exit 0; tc qdisc del dev %s root", dev, dev)
		}
		if _, err := e.must(ctx, line); err != nil {
			return err
		}
	}
	return nil
}
