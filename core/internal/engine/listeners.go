package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// listeners are the sockets. They follow the configuration and, where it names no
// addresses, those of the host.
type listeners struct {
	port, nattPort uint16
	family         int // 0, 4 or 6: restricts the default addresses
	backend        kernel.Backend
	notify         func(notice.Notice)
	receive        func(path ike.Path, natt bool, b []byte)
	addrs          func() ([]netip.Addr, error)

	syncing sync.Mutex // one sync at a time; guards failed
	failed  map[netip.AddrPort]*bindFailure

	setupMu sync.Mutex // not held while the plugin is asked: it may be starting, which calls forget
	setups  map[setupKey]kernel.SocketSetup

	mu      sync.RWMutex
	open    map[netip.AddrPort]*socket
	reading sync.WaitGroup
	started bool // sockets are read
	closed  bool
}

func newListeners(o Options, notify func(notice.Notice), receive func(ike.Path, bool, []byte)) *listeners {
	return &listeners{port: o.Port, nattPort: o.NATTPort, family: o.Family, backend: o.Kernel, notify: notify, receive: receive,
		addrs: localAddrs, setups: map[setupKey]kernel.SocketSetup{}, failed: map[netip.AddrPort]*bindFailure{}, open: map[netip.AddrPort]*socket{}}
}

type setupKey struct {
	role   kernel.SocketRole
	family kernel.Family
}

// want lists the sockets the configuration asks for.
func (l *listeners) want(c policy.Listen) (map[netip.AddrPort]kernel.SocketRole, error) {
	want := map[netip.AddrPort]kernel.SocketRole{}
	for _, ap := range c.ISAKMP {
		want[ap] = kernel.SocketIKE
	}
	for _, ap := range c.ISAKMPNATT {
		want[ap] = kernel.SocketNATT
	}
	if len(want) > 0 {
		return want, nil
	}
	addrs, err := l.addrs()
	if err != nil {
		return nil, err
	}
	for _, a := range addrs {
		if l.family == 4 && !a.Is4() || l.family == 6 && !a.Is6() {
			continue
		}
		want[netip.AddrPortFrom(a, l.port)] = kernel.SocketIKE
		want[netip.AddrPortFrom(a, l.nattPort)] = kernel.SocketNATT
	}
	return want, nil
}

// sync opens and closes sockets until they are what c asks for. New ones come
// first: if c cannot be had, nothing has changed. One address that cannot be
// bound is a Notice, none that can an error; with strict_address the first is.
// It reports whether some address should be tried again.
func (l *listeners) sync(ctx context.Context, c policy.Listen) (again bool, err error) {
	l.syncing.Lock()
	defer l.syncing.Unlock()
	want, err := l.want(c)
	if err != nil {
		return false, err
	}
	maps.DeleteFunc(l.failed, func(ap netip.AddrPort, _ *bindFailure) bool { _, wanted := want[ap]; return !wanted })
	var fresh, given []*socket // opened, and given up for another role
	var bad []error
	held := 0
	for ap, role := range want {
		if s := l.find(ap); s != nil && s.role == role {
			held++
			continue
		} else if s != nil { // an address has one socket at a time
			given = append(given, s)
			l.drop(ap)
		}
		s, err := l.bind(ctx, ap, role)
		if err != nil {
			bad = append(bad, err)
			l.complain(ap, err, time.Now())
		} else if s != nil {
			fresh = append(fresh, s)
			delete(l.failed, ap)
		}
	}
	if len(bad) > 0 && (c.Strict || held+len(fresh) == 0) {
		for _, s := range fresh {
			s.conn.Close()
		}
		l.reopen(ctx, given)
		return true, errors.Join(bad...)
	}
	if held+len(fresh) == 0 {
		return true, errors.New("there is no address to listen on")
	}
	l.replace(want, fresh)
	return len(bad) > 0, nil
}

// bindFailure is an address that cannot be had.
type bindFailure struct {
	since time.Time
	said  string
}

// tentative is how long a new IPv6 address may be looked for on the link before it
// can be bound (RFC 4862 section 5.4): up to one second of delay and one of waiting.
const tentative = 2500 * time.Millisecond

// complain says once that an address cannot be had, until it can or the cause
// changes. The next attempts will find whether an IPv6 address is only tentative.
func (l *listeners) complain(ap netip.AddrPort, err error, now time.Time) {
	f := l.failed[ap]
	if f == nil {
		f = &bindFailure{since: now}
		l.failed[ap] = f
	}
	text := strings.TrimPrefix(err.Error(), listenOn(ap))
	if text == f.said || ap.Addr().Is6() && errors.Is(err, syscall.EADDRNOTAVAIL) && now.Sub(f.since) < tentative {
		return
	}
	f.said = text
	l.notify(notice.Notice{Event: notice.ListenFailed, Local: ap, Detail: text})
}

// bind opens one socket; nil without an error means that it is not ours to open.
func (l *listeners) bind(ctx context.Context, ap netip.AddrPort, role kernel.SocketRole) (*socket, error) {
	k := setupKey{role, kernel.IPv4}
	if ap.Addr().Is6() {
		k.family = kernel.IPv6
	}
	setup, err := l.setup(ctx, k)
	if err != nil {
		return nil, err
	}
	if setup.Owned {
		return nil, errors.New("the kernel plugin wants to own this port, which is not supported yet")
	}
	s, err := openSocket(ap, role, setup, func(err error) {
		l.notify(notice.Notice{Event: notice.ListenFailed, Local: ap, Detail: err.Error() + " (not required)"})
	})
	if err != nil || !setup.PolicyBypass {
		return s, err
	}
	if err := l.bypass(ctx, s.local); err != nil {
		s.conn.Close()
		return nil, err
	}
	return s, nil
}

// setup is what the kernel backend says about sockets of a kind, asked once.
func (l *listeners) setup(ctx context.Context, k setupKey) (kernel.SocketSetup, error) {
	l.setupMu.Lock()
	setup, ok := l.setups[k]
	l.setupMu.Unlock()
	if ok {
		return setup, nil
	}
	ctx, cancel := context.WithTimeout(ctx, kernelTimeout)
	defer cancel()
	setup, err := l.backend.SocketOptions(ctx, k.role, k.family)
	if err != nil {
		return setup, fmt.Errorf("ask the kernel plugin for socket options: %w", err)
	}
	l.setupMu.Lock()
	defer l.setupMu.Unlock()
	l.setups[k] = setup
	return setup, nil
}

// bypass lets the backend install policies that keep IKE itself in clear, where
// sockets cannot be exempted.
func (l *listeners) bypass(ctx context.Context, bound netip.AddrPort) error {
	ctx, cancel := context.WithTimeout(ctx, kernelTimeout)
	defer cancel()
	id := fmt.Sprintf("bypass %v %s", bound, newInstance()) // another each time: the policies may have been flushed
	res, err := l.backend.Apply(ctx, []kernel.Transaction{{TxnID: id, Ops: []kernel.Op{{Kind: kernel.Bypass, Net: &kernel.NetOp{Bound: bound}}}}})
	if err == nil && len(res) == 1 && len(res[0].Ops) == 1 {
		err = res[0].Ops[0].Err.Err()
	}
	if err != nil {
		return fmt.Errorf("install bypass policies for %v: %w", bound, err)
	}
	return nil
}

// replace takes fresh sockets into use and closes those no longer wanted.
func (l *listeners) replace(want map[netip.AddrPort]kernel.SocketRole, fresh []*socket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for ap, s := range l.open {
		if _, ok := want[ap]; !ok {
			s.conn.Close()
			delete(l.open, ap)
		}
	}
	l.useLocked(fresh)
}

// reopen opens sockets again that were given up in vain.
func (l *listeners) reopen(ctx context.Context, given []*socket) {
	for _, old := range given {
		s, err := l.bind(ctx, old.local, old.role)
		if err != nil {
			l.complain(old.local, err, time.Now())
		} else if s != nil {
			l.mu.Lock()
			l.useLocked([]*socket{s})
			l.mu.Unlock()
		}
	}
}

func (l *listeners) useLocked(fresh []*socket) {
	for _, s := range fresh {
		if l.closed {
			s.conn.Close()
			continue
		}
		l.open[s.local] = s
		if l.started {
			l.reading.Go(func() { s.read(l.receive) })
		}
		l.notify(notice.Notice{Event: notice.Listening, Local: s.local})
	}
}

// drop closes one socket.
func (l *listeners) drop(ap netip.AddrPort) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.open[ap]; s != nil {
		s.conn.Close()
		delete(l.open, ap)
	}
}

// start lets the sockets be read.
func (l *listeners) start() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.started = true
	for _, s := range l.open {
		l.reading.Go(func() { s.read(l.receive) })
	}
}

// close ends all sockets and waits for their readers.
func (l *listeners) close() {
	l.mu.Lock()
	l.closed = true
	for ap, s := range l.open {
		s.conn.Close()
		delete(l.open, ap)
	}
	l.mu.Unlock()
	l.reading.Wait()
}

func (l *listeners) find(local netip.AddrPort) *socket {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.open[local]
}

// send puts a message on the wire, from the address the path says.
func (l *listeners) send(p ike.Path, b []byte) error {
	s := l.find(p.Local)
	if s == nil {
		return fmt.Errorf("no socket on %v", p.Local)
	}
	return s.write(p.Remote, b)
}

// keepalive puts the one octet on the wire that keeps a NAT's mapping open, without a
// marker (RFC 3948 section 2.3).
func (l *listeners) keepalive(p ike.Path) error {
	s := l.find(p.Local)
	if s == nil {
		return fmt.Errorf("no socket on %v", p.Local)
	}
	_, err := s.conn.WriteToUDPAddrPort([]byte{0xff}, p.Remote)
	return err
}

// portOf returns the socket of a role on a local address.
func (l *listeners) portOf(local netip.Addr, role kernel.SocketRole) (netip.AddrPort, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for ap, s := range l.open {
		if s.role == role && (ap.Addr() == local || ap.Addr().WithZone("") == local) {
			return ap, true
		}
	}
	return netip.AddrPort{}, false
}

// forget drops what the kernel backend said about sockets: it may be another one.
func (l *listeners) forget() {
	l.setupMu.Lock()
	defer l.setupMu.Unlock()
	clear(l.setups)
}
