package engine

import (
	"context"
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// sender is what machines need of the network.
type sender interface {
	// send puts a message on the wire from the address and port the path names.
	send(path ike.Path, msg []byte) error
	// keepalive sends one octet 0xff.
	keepalive(path ike.Path) error
	// portOf returns where, on a local address, IKE or ESP in UDP is spoken.
	portOf(local netip.Addr, role kernel.SocketRole) (netip.AddrPort, bool)
}

// send puts a machine's message on the wire. Answers to a phase 1 message must find
// the machine, so its cookies are learnt first.
func (e *Engine) send(a *actor, s ike.Send) {
	h, err := isakmp.ParseHeader(s.Data)
	if err != nil {
		e.notify(notice.Notice{Event: notice.LocalFailure, Reason: notice.Internal, Peer: s.Path.Remote, Detail: err.Error()})
		return
	}
	switch h.Exchange {
	case isakmp.Base, isakmp.IdentityProtection, isakmp.Aggressive:
		if k := (cookieKey{i: h.CkyI, r: h.CkyR}); k != a.said {
			if !e.registry.learn(a, h.CkyI, h.CkyR) {
				e.drop(s.Path, h, notice.BadCookie, "another exchange has these cookies")
				return
			}
			a.said = k
		}
	}
	if err := e.net.send(s.Path, s.Data); err != nil {
		e.noticed(a, ike.Notice{Notice: notice.Notice{Event: notice.LocalFailure, Reason: notice.SendFailed, Local: s.Path.Local, Peer: s.Path.Remote, Detail: err.Error()}})
		return
	}
	e.travelled(notice.Sent, s.Path, h, s.Data)
}

// forget removes the cookies of an exchange or ISAKMP SA that nothing is expected of.
func (e *Engine) forget(a *actor, f ike.Forget) {
	e.registry.forget(a, f.CkyI, f.CkyR)
	a.said = cookieKey{}
}

// keepalive sends one for a machine. One that cannot be sent is no more lost than one
// that does not arrive.
func (e *Engine) keepalive(path ike.Path) {
	if err := e.net.keepalive(path); err != nil {
		e.notify(notice.Notice{Event: notice.Dropped, Reason: notice.SendFailed, Local: path.Local, Peer: path.Remote, Detail: "keepalive: " + err.Error()})
	}
}

// natPorts are the ports a machine may move to: where we take ESP in UDP on its
// address, and the port option -P says for the peer.
func (e *Engine) natPorts(local netip.Addr) ike.NATPorts {
	ap, ok := e.net.portOf(local, kernel.SocketNATT)
	if !ok || !e.has(kernel.FeatNATT) {
		return ike.NATPorts{}
	}
	return ike.NATPorts{Local: ap.Port(), Remote: e.opts.NATTPort}
}

// travelled notes a message that came in or went out; with Options.Verbose it is
// described, payload by payload, as far as it is in clear.
func (e *Engine) travelled(ev notice.Event, p ike.Path, h isakmp.Header, msg []byte) {
	detail := strconv.Itoa(len(msg)) + " octets"
	if e.opts.Verbose {
		var b strings.Builder
		_ = isakmp.Describe(&b, msg) // a Builder takes everything
		detail += ", " + b.String()
	}
	e.notify(notice.Notice{Event: ev, Local: p.Local, Peer: p.Remote, CkyI: h.CkyI, CkyR: h.CkyR,
		Exchange: h.Exchange, MsgID: h.MessageID, Detail: detail})
}

// handover gives a stranger's ISAKMP SA to the peer it turned out to be.
func (e *Engine) handover(s *actor, h ike.Handover) {
	peer, lost := e.registry.adopt(s, h.Key, h.SA, nil)
	if peer == nil {
		peer, lost = e.registry.adopt(s, h.Key, h.SA, e.newPeer(h.Key, destination{remote: h.Remote, path: h.SA.Path, ambiguous: s.ambiguous}))
	}
	for range lost {
		e.drop(s.path, isakmp.Header{}, notice.MailboxFull, "")
	}
	if e.closing.Load() { // the peer may be younger than the order to end
		peer.post(mail{ev: ike.Shutdown{}})
	}
	e.catchUp(peer, h.Remote)
}

func (e *Engine) run(f func()) { e.workers.run(f) }

func (e *Engine) retire(a *actor) bool { return e.registry.retire(a) }

// refreshListeners has the sockets compared with the host's addresses soon.
func (e *Engine) refreshListeners() {
	select {
	case e.refresh <- struct{}{}:
	default:
	}
}

// addressDelay lets a burst of changes end: an interface comes up with several
// addresses, and IPv6 ones are tentative at first.
const addressDelay = 200 * time.Millisecond

// followAddresses keeps the sockets what the configuration and the host's addresses
// make them. What could not be bound is tried again, ever more rarely.
func (e *Engine) followAddresses(again bool) {
	retry := time.Second
	for {
		var timer <-chan time.Time
		if again {
			timer = time.After(retry)
			retry = min(2*retry, time.Minute)
		}
		select {
		case <-e.ctx.Done():
			return
		case <-timer:
		case <-e.refresh:
			retry = time.Second
			select {
			case <-time.After(addressDelay):
			case <-e.ctx.Done():
				return
			}
		}
		var err error
		e.reloading.Lock() // the configuration must not change under it
		again, err = e.net.sync(e.ctx, e.config.Load().Listen)
		e.reloading.Unlock()
		e.refreshKept()
		if err != nil && !errors.Is(err, context.Canceled) {
			again = true
		}
	}
}
