//go:build linux

package guest

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/racoon-ike/racoon/lab/internal/scenario"
)

// inside is the address of the NAT box in an end's network.
func inside(host netip.Addr) netip.Addr {
	b := host.As4()
	b[3] = 1
	return netip.AddrFrom4(b)
}

// behindNAT joins an end with its NAT box, and makes the box forward to it what
// it is to get unasked.
func (n network) behindNAT(ctx context.Context, name string) error {
	e, box, self := n.all[name], n.station(name), n.s.Place(name)
	to := port{box, lan}
	if n.s.End(name).NAT == scenario.Shared {
		to.device = lan2
	}
	if err := veth(ctx, port{e, wire}, "02:00:00:00:01:01", to, "02:00:00:00:01:02"); err != nil {
		return err
	}
	gw := inside(self.Host)
	if err := e.ip(ctx, []string{
		"link set lo up",
		"link set " + wire + " up",
		fmt.Sprintf("address add %s dev %s", netip.PrefixFrom(self.Host, 24), wire),
		fmt.Sprintf("route add default via %s", gw),
	}); err != nil {
		return err
	}
	if err := box.ip(ctx, []string{
		"link set " + to.device + " up",
		fmt.Sprintf("address add %s/32 dev %s", gw, to.device),
		fmt.Sprintf("route add %s/32 dev %s", self.Host, to.device),
	}); err != nil {
		return err
	}
	if n.s.End(name).NAT != scenario.Forward {
		return nil
	}
	return box.iptables(ctx, []string{
		"*nat",
		"-F POSTROUTING", // the ports stay as they are
		"-A POSTROUTING -o wire+ -j MASQUERADE",
		fmt.Sprintf("-A PREROUTING -i wire+ -p udp --dport 500 -j DNAT --to %s", self.Host),
		fmt.Sprintf("-A PREROUTING -i wire+ -p udp --dport 4500 -j DNAT --to %s", self.Host),
		"COMMIT",
	})
}

// masquerade makes an end a NAT box that gives each flow a port of its own, out
// of a range that is another with each generation. Nothing comes in unasked.
func (e *end) masquerade(ctx context.Context, generation int) error {
	if _, err := e.must(ctx, "echo 1 >/proc/sys/net/ipv4/ip_forward"); err != nil {
		return err
	}
	ports := func(from int) string { return fmt.Sprintf("%d-%d", from+100*generation, from+100*generation+99) }
	return e.iptables(ctx, []string{
		"*nat",
		"-F POSTROUTING",
		"-A POSTROUTING -o wire+ -p udp --sport 500 -j MASQUERADE --to-ports " + ports(20000),
		"-A POSTROUTING -o wire+ -p udp --sport 4500 -j MASQUERADE --to-ports " + ports(30000),
		"-A POSTROUTING -o wire+ -j MASQUERADE",
		"COMMIT",
		"*filter",
		"-F INPUT",
		"-A INPUT -i wire+ -j DROP",
		"COMMIT",
	})
}

// rebind is what a NAT box does that was restarted: it knows nothing of the
// flows, and gives them other ports.
func (e *end) rebind(ctx context.Context) error {
	e.generation++
	if err := e.masquerade(ctx, e.generation); err != nil {
		return err
	}
	_, err := e.must(ctx, "conntrack -F")
	return err
}

// iptables takes lines of iptables-restore(8).
func (e *end) iptables(ctx context.Context, lines []string) error {
	_, err := e.must(ctx, "iptables-legacy-restore --noflush <<'.'\n"+strings.Join(lines, "\n")+"\n.")
	return err
}
