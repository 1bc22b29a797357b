package engine

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/racoon-ike/racoon/core/internal/logpipe"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// An engine with real sockets follows what the kernel says of the host's addresses,
// under whichever configuration is in force at that moment.
func TestListenersFollowTheHostUnderEveryConfiguration(t *testing.T) {
	p, q := freePort(t), freePort(t)
	kern := newMemKernel()
	pipe := logpipe.New(nil, slog.LevelError+1)
	t.Cleanup(func() { _ = pipe.Close(context.Background()) })
	e, err := New(Options{Config: configOf(anonymous()), Kernel: kern, Port: p, NATTPort: q, Pipe: pipe})
	if err != nil {
		t.Fatal(err)
	}
	sockets := e.net.(*listeners)
	var there atomic.Pointer[[]netip.Addr]
	host := func(addrs ...string) {
		var all []netip.Addr
		for _, a := range addrs {
			all = append(all, addr(a))
		}
		there.Store(&all)
	}
	sockets.addrs = func() ([]netip.Addr, error) { return *there.Load(), nil }
	at := func(port uint16, a string) netip.AddrPort { return netip.AddrPortFrom(addr(a), port) }
	listening := func(what string, want ...netip.AddrPort) {
		t.Helper()
		slices.SortFunc(want, netip.AddrPort.Compare)
		eventually(t, what, func() bool {
			sockets.mu.RLock()
			defer sockets.mu.RUnlock()
			var open []netip.AddrPort
			for ap := range sockets.open {
				open = append(open, ap)
			}
			slices.SortFunc(open, netip.AddrPort.Compare)
			return slices.Equal(open, want)
		})
	}
	changed := func() { kern.tell(kernel.Event{Kind: kernel.NetChanged}) }
	reload := func(l policy.Listen) error {
		c := configOf(anonymous())
		c.Listen = l
		_, err := e.Reload(c)
		return err
	}

	host("127.0.0.1")
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.stop(); e.end() })
	listening("the host's address", at(p, "127.0.0.1"), at(q, "127.0.0.1"))
	host("127.0.0.1", "127.0.0.2")
	changed()
	listening("an address that was added", at(p, "127.0.0.1"), at(q, "127.0.0.1"), at(p, "127.0.0.2"), at(q, "127.0.0.2"))
	host("127.0.0.2")
	changed()
	listening("an address was removed", at(p, "127.0.0.2"), at(q, "127.0.0.2"))

	// A listed address that is not there yet: somebody else has the port.
	other, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(at(p, "127.0.0.4")))
	if err != nil {
		t.Fatal(err)
	}
	listed := policy.Listen{ISAKMP: []netip.AddrPort{at(p, "127.0.0.3"), at(p, "127.0.0.4")}}
	if err := reload(listed); err != nil {
		t.Fatal(err)
	}
	listening("only the listed address that is there", at(p, "127.0.0.3"))
	host("127.0.0.2", "127.0.0.5")
	changed()
	other.Close()
	listening("the listed address that came, and none of the host's", at(p, "127.0.0.3"), at(p, "127.0.0.4"))

	// A configuration that is rejected gives nothing away, not even for a moment's other role.
	bad := policy.Listen{Strict: true, ISAKMPNATT: []netip.AddrPort{at(p, "127.0.0.3"), at(p, "192.0.2.1")}}
	if err := reload(bad); err == nil || !strings.Contains(err.Error(), "192.0.2.1") {
		t.Errorf("an address that is not there: %v", err)
	}
	if s := sockets.find(at(p, "127.0.0.3")); s == nil || s.role != kernel.SocketIKE {
		t.Errorf("the socket was given up for a rejected configuration: %+v", s)
	}
	listening("what was listened on before", at(p, "127.0.0.3"), at(p, "127.0.0.4"))

	if err := reload(policy.Listen{}); err != nil {
		t.Fatal(err)
	}
	listening("the host's addresses again", at(p, "127.0.0.2"), at(q, "127.0.0.2"), at(p, "127.0.0.5"), at(q, "127.0.0.5"))
	host("127.0.0.5")
	changed()
	listening("a removed address after reloads", at(p, "127.0.0.5"), at(q, "127.0.0.5"))

	strict := policy.Listen{Strict: true, ISAKMP: []netip.AddrPort{at(p, "127.0.0.6")}}
	if err := reload(strict); err != nil {
		t.Fatal(err)
	}
	host("127.0.0.1", "127.0.0.7")
	changed()
	if _, err := sockets.sync(t.Context(), strict); err != nil { // whenever the change is looked at
		t.Error(err)
	}
	listening("with strict_address what is listed and nothing else", at(p, "127.0.0.6"))
}

// A backend remembers what it was asked by its ID, but the policies may have been flushed.
func TestAnAddressThatComesBackIsBypassedAgain(t *testing.T) {
	k := newMemKernel()
	l := &listeners{backend: k}
	for range 2 {
		if err := l.bypass(t.Context(), netip.MustParseAddrPort("192.0.2.1:500")); err != nil {
			t.Fatal(err)
		}
	}
	if got := k.applied(); len(got) != 2 {
		t.Errorf("the kernel was asked %q", got)
	}
}
