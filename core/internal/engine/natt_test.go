package engine

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/oakley"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// box is a NAT on loopback between a client and a server. The client knows the
// server by the box's address, and the server the client: either is behind it.
type box struct {
	t      *testing.T
	addr   netip.Addr
	server netip.Addr

	mu         sync.Mutex
	outside    map[uint16]*net.UDPConn // towards the server, by its port
	clients    map[uint16]netip.AddrPort
	keepalives int
	plain      int // datagrams to the NAT traversal port without the marker
	inside     map[uint16]*net.UDPConn
}

func newBox(t *testing.T, a, server netip.Addr, natt uint16, ports ...uint16) *box {
	b := &box{t: t, addr: a, server: server, outside: map[uint16]*net.UDPConn{}, inside: map[uint16]*net.UDPConn{}, clients: map[uint16]netip.AddrPort{}}
	for _, p := range ports {
		c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, p)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		b.inside[p] = c
		b.rebind(p)
		go b.out(c, p, p == natt)
	}
	return b
}

// rebind gives the client's flow to a port of the server another port outside.
func (b *box) rebind(p uint16) {
	c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(b.addr, 0)))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { c.Close() })
	b.mu.Lock()
	b.outside[p] = c
	b.mu.Unlock()
	go func() {
		buf := make([]byte, 65536)
		for {
			n, _, err := c.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			b.mu.Lock()
			to, known := b.clients[p]
			in := b.inside[p]
			current := b.outside[p] == c
			b.mu.Unlock()
			if known && current { // nobody is behind an old port
				_, _ = in.WriteToUDPAddrPort(buf[:n], to)
			}
		}
	}()
}

func (b *box) out(c *net.UDPConn, p uint16, natt bool) {
	buf := make([]byte, 65536)
	for {
		n, from, err := c.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		b.mu.Lock()
		b.clients[p] = from
		switch {
		case n == 1 && buf[0] == 0xff:
			b.keepalives++
		case natt && string(buf[:4]) != string(marker):
			b.plain++
		}
		out := b.outside[p]
		b.mu.Unlock()
		_, _ = out.WriteToUDPAddrPort(buf[:n], netip.AddrPortFrom(b.server, p))
	}
}

// port is where the server sees the client's flow to a port of its own.
func (b *box) port(p uint16) uint16 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return uint16(b.outside[p].LocalAddr().(*net.UDPAddr).Port)
}

func (b *box) count() (keepalives, plain int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.keepalives, b.plain
}

// wrapped lists the UDP ports an end sends ESP to, in order.
func (n *end) wrapped() (ports []uint16) {
	n.kern.set(func() {
		for _, sa := range n.kern.sas {
			if sa.Encap != nil && sa.Key.Dst != n.addr {
				ports = append(ports, sa.Encap.DstPort)
			}
		}
	})
	slices.Sort(ports)
	return ports
}

// Real sockets, and a NAT between them: IKE floats to the NAT traversal port, with
// the marker; keepalives go out without it; and when the NAT forgets its mapping the
// server follows the client, IKE and ESP.
func TestATunnelThroughANAT(t *testing.T) {
	p, q := freePort(t), freePort(t)
	one, two, nat := addr("127.0.0.1"), addr("127.0.0.2"), addr("127.0.0.3")
	section := peerSection(nat, p, oakley.X25519)
	section.NATTraversal, section.NATTKeepalive = policy.On, true
	any := *section
	any.Name, any.Addr, any.NATTKeepalive = "anonymous", netip.Addr{}, false
	key := onePSK{key: []byte("secret")}
	a := newEnd(t, one, p, endOptions{psk: key, remotes: []*policy.Remote{section}, natt: q})
	b := newEnd(t, two, p, endOptions{psk: key, remotes: []*policy.Remote{&any}, natt: q})
	box := newBox(t, nat, two, q, p, q)
	policyA := tunnel("10.1.0.0/16", "10.2.0.0/16", "127.0.0.1", "127.0.0.3", 8)
	policyB := tunnel("10.2.0.0/16", "10.1.0.0/16", "127.0.0.2", "127.0.0.3", 16)
	a.kern.policies = []*kernel.Policy{policyA, reverse(policyA)}
	b.kern.policies = []*kernel.Policy{policyB, reverse(policyB)}
	a.up(t)
	b.up(t)

	a.kern.tell(kernel.Event{Kind: kernel.Acquire, Policy: policyA, AcquireSeq: 7})
	eventually(t, "both ends are up", func() bool { return a.count(notice.Phase2Up) == 1 && b.count(notice.Phase2Up) == 1 })
	at := netip.AddrPortFrom(nat, box.port(q))
	sts, err := b.Statuses(t.Context())
	if err != nil || len(sts) != 1 || sts[0].Path != (ike.Path{Local: netip.AddrPortFrom(two, q), Remote: at}) {
		t.Fatalf("the server speaks over %+v, %v; want %v", sts, err, at)
	}
	if got := b.wrapped(); !slices.Equal(got, []uint16{at.Port()}) {
		t.Errorf("the server sends ESP to ports %d, want %d", got, at.Port())
	}
	if got := a.wrapped(); !slices.Equal(got, []uint16{q}) {
		t.Errorf("the client sends ESP to ports %d, want %d", got, q)
	}
	eventually(t, "keepalives", func() bool { k, _ := box.count(); return k >= 3 })

	// The NAT is switched off and on. The next message from inside shows it.
	box.rebind(q)
	if err := a.Establish(t.Context(), EstablishRequest{Remote: nat}); err != nil {
		t.Fatal(err)
	}
	fresh := box.port(q)
	eventually(t, "ESP goes to the new port", func() bool {
		ports := b.wrapped()
		return len(ports) > 0 && ports[0] == fresh && ports[len(ports)-1] == fresh
	})

	// Again, and now the kernel has seen it first. It says so with every packet: a peer
	// moves once a second.
	box.rebind(q)
	fresh = box.port(q)
	var in kernel.Key
	b.kern.set(func() {
		for _, sa := range b.kern.sas {
			if sa.Key.Dst == two {
				in = sa.Key
			}
		}
	})
	eventually(t, "ESP goes where the kernel says", func() bool {
		b.kern.tell(kernel.Event{Kind: kernel.Mapping, Key: in, NewRemote: netip.AddrPortFrom(nat, fresh)})
		ports := b.wrapped()
		return len(ports) > 0 && ports[0] == fresh && ports[len(ports)-1] == fresh
	})
	n := b.count(notice.PeerMoved)
	if _, plain := box.count(); plain != 0 || n != 2 {
		t.Errorf("%d moves; %d datagrams on the NAT traversal port were not marked", n, plain)
	}

	// What the server says reaches the client, and the other way.
	if _, err := b.Delete(t.Context(), DeleteRequest{All: true, ISAKMP: true}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "nothing is left", func() bool { return len(a.kern.spis())+len(b.kern.spis()) == 0 })
	eventually(t, "the server has forgotten the client", func() bool { return len(b.registry.snapshot()) == 0 && len(b.registry.natted) == 0 })
}

// Several clients behind one NAT differ by their ports alone: an acquire finds the one
// that is there, and refuses to guess among more; a policy serves one of them.
func TestSeveralPeersBehindOneNAT(t *testing.T) {
	h := newHouse(t, Options{Config: configOf(anonymous())}).start(t)
	at := func(s string) ike.Path { return ike.Path{Local: port("192.0.2.1:4500"), Remote: port(s)} }
	client := func(id, from string) *actor {
		key := ike.PeerKey{Block: "anonymous", ID: id, Addr: port(from)}
		a := h.registry.peer(key, h.newPeer(key, destination{remote: h.config.Load().Remotes[0], path: at(from)}))
		h.moved(a, at(from))
		return a
	}
	one := client("alice", "203.0.113.1:30000")
	out := tunnel("10.1.0.0/16", "10.2.0.0/16", "192.0.2.1", "203.0.113.1", 8)
	h.kern.tell(kernel.Event{Kind: kernel.PolicyAdded, Policy: out})
	h.kern.tell(kernel.Event{Kind: kernel.PolicyAdded, Policy: reverse(out)})
	h.kern.tell(kernel.Event{Kind: kernel.Acquire, Policy: out, AcquireSeq: 7})
	eventually(t, "the client is asked", func() bool { return slices.Contains(h.machine(t, 0).kinds(), "Acquire") })
	if n := len(h.all()); n != 1 {
		t.Errorf("%d machines", n)
	}

	sel := policy.Selector{Local: prefix("10.1.0.0/16"), Remote: prefix("10.2.0.0/16")}
	if _, err := h.matchPolicy(one, ike.MatchPolicy{Path: at("203.0.113.1:30000"), Selector: sel}); err != nil {
		t.Fatal(err)
	}
	h.registry.own(one, []ledgerKey{{ike.SAKey{Dst: addr("203.0.113.1"), Proto: 50, SPI: 0x1000}, where{src: addr("192.0.2.1")}}}, settled)

	two := client("bob", "203.0.113.1:40000")
	var none *ike.NoPolicyError
	if _, err := h.matchPolicy(two, ike.MatchPolicy{Path: at("203.0.113.1:40000"), Selector: sel}); !errors.As(err, &none) || !none.Taken {
		t.Errorf("another identity: %v", err)
	}
	again := client("alice", "203.0.113.1:50000")
	if _, err := h.matchPolicy(again, ike.MatchPolicy{Path: at("203.0.113.1:50000"), Selector: sel}); err != nil {
		t.Errorf("the same identity: %v", err)
	}
	eventually(t, "it is said", func() bool { return len(h.said(notice.Finding)) == 1 })
	h.registry.disown(ike.SAKey{Dst: addr("203.0.113.1"), Proto: 50, SPI: 0x1000})
	if _, err := h.matchPolicy(two, ike.MatchPolicy{Path: at("203.0.113.1:40000"), Selector: sel}); err != nil {
		t.Errorf("the first has no SAs any more: %v", err)
	}

	h.acquires.done(7)
	h.kern.tell(kernel.Event{Kind: kernel.Acquire, Policy: out, AcquireSeq: 8})
	eventually(t, "nobody is guessed", func() bool {
		return slices.Contains(h.said(notice.NoAcquire), `ambiguous-remote: 3 peers of remote "anonymous" are behind the NAT at 203.0.113.1: only they can begin`)
	})

	// A mapping moves: the peer is found by its new port, and not by the old one.
	h.moved(two, at("203.0.113.1:41000"))
	key := ike.PeerKey{Block: "anonymous", ID: "bob", Addr: port("203.0.113.1:41000")}
	if h.registry.peer(key, nil) != two {
		t.Error("the peer is not known by its new port")
	}
	bob := client("bob", "203.0.113.1:42000")
	h.moved(two, at("203.0.113.1:42000"))
	eventually(t, "the machine that comes second ends", func() bool {
		return slices.Contains(two.machine.(*script).kinds(), "Delete") && h.registry.peer(ike.PeerKey{Block: "anonymous", ID: "bob", Addr: port("203.0.113.1:42000")}, nil) == bob
	})
	h.moved(bob, at("198.51.100.9:41000"))
	h.moved(two, at("198.51.100.9:41001"))
	if n := len(h.registry.behind(h.config.Load().Remotes[0], addr("203.0.113.1"))); n != 2 {
		t.Errorf("%d peers are left behind the NAT", n)
	}
}
