//go:build linux

package guest

import (
	"context"
	"fmt"
	"strings"

	"github.com/racoon-ike/racoon/lab/internal/scenario"
)

// wire is the name of the link's interface at both ends.
const wire = "wire"

// connect joins the two ends by a veth pair with fixed hardware addresses and
// permanent neighbours: in transport mode neighbour discovery would itself hit
// an IPv6 policy (that trap is the administrator's, not what is tested here).
func connect(ctx context.Context, s *scenario.Scenario, left, right *end) error {
	l, r := s.Places()
	if _, err := left.must(ctx, fmt.Sprintf("ip link add %s address %s type veth peer name %s address %s netns %s",
		wire, l.MAC, wire, r.MAC, right.path)); err != nil {
		return err
	}
	if err := left.configure(ctx, s, l, r); err != nil {
		return err
	}
	return right.configure(ctx, s, r, l)
}

func (e *end) configure(ctx context.Context, s *scenario.Scenario, self, peer scenario.Place) error {
	bits := map[bool]int{true: 24, false: 64}[self.Address.Is4()]
	nodad := map[bool]string{true: "", false: "nodad"}[self.Address.Is4()]
	lines := []string{
		"link set lo up",
		"link set " + wire + " up",
		fmt.Sprintf("address add %s/%d dev %s %s", self.Address, bits, wire, nodad),
		fmt.Sprintf("neighbour replace %s lladdr %s dev %s nud permanent", peer.Address, peer.MAC, wire),
	}
	if self.Inner.IsValid() {
		lines = append(lines,
			fmt.Sprintf("address add %s dev lo %s", self.Protected, nodad),
			fmt.Sprintf("route add %s via %s dev %s src %s", peer.Protected, peer.Address, wire, self.Inner))
	}
	if *s.End(e.name).Policy {
		lines = append(lines, policies(s.Mode, self, peer)...)
	}
	if _, err := e.must(ctx, "ip -batch - <<'.'\n"+strings.Join(lines, "\n")+"\n."); err != nil {
		return err
	}
	return e.netem(ctx, s.Netem)
}

// policies an administrator would write with setkey or ip xfrm.
func policies(mode string, self, peer scenario.Place) []string {
	one := func(dir string, from, to scenario.Place) string {
		ends := ""
		if mode == "tunnel" {
			ends = fmt.Sprintf("src %s dst %s ", from.Address, to.Address)
		}
		return fmt.Sprintf("xfrm policy add src %s dst %s dir %s tmpl %sproto esp mode %s reqid 1 level required",
			from.Protected, to.Protected, dir, ends, mode)
	}
	all := []string{one("out", self, peer), one("in", peer, self)}
	if mode == "tunnel" {
		all = append(all, one("fwd", peer, self))
	}
	return all
}

// netem disturbs what the end sends; an empty text leaves the link perfect.
func (e *end) netem(ctx context.Context, how string) error {
	line := fmt.Sprintf("tc qdisc replace dev %s root netem %s", wire, how)
	if how == "" {
		line = fmt.Sprintf("tc qdisc show dev %s | grep -q netem || exit 0; tc qdisc del dev %s root", wire, wire)
	}
	_, err := e.must(ctx, line)
	return err
}
