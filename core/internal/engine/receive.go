package engine

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// marker tells IKE from ESP on the NAT traversal port (RFC 3948 section 2.2).
var marker = []byte{0, 0, 0, 0}

// unwrap takes what came in on the NAT traversal port apart; nil means it was no
// IKE message, and why.
func unwrap(b []byte) ([]byte, notice.Reason) {
	switch {
	case len(b) == 1 && b[0] == 0xff:
		return nil, notice.Keepalive // RFC 3948 section 2.3
	case len(b) < len(marker) || string(b[:len(marker)]) != string(marker):
		return nil, notice.NonESP // ESP the kernel has no SA for
	}
	return b[len(marker):], 0
}

// receive is the way of a datagram into a mailbox: header, registry or admission.
// b is the reader's buffer, and is copied only for someone who will read it.
func (e *Engine) receive(path ike.Path, natt bool, b []byte) {
	if natt {
		var why notice.Reason
		if b, why = unwrap(b); b == nil {
			e.counters.add(notice.Notice{Event: notice.Dropped, Reason: why})
			return
		}
	}
	if len(b) == 1 && b[0] == 0xff { // some send keepalives to port 500 as well
		e.counters.add(notice.Notice{Event: notice.Dropped, Reason: notice.Keepalive})
		return
	}
	h, err := isakmp.ParseHeader(b)
	switch {
	case len(b) < isakmp.HeaderLen:
		e.drop(path, h, notice.ShortDatagram, fmt.Sprintf("%d octets", len(b)))
	case err != nil:
		e.drop(path, h, notice.BadLength, err.Error())
	case path.Remote.Port() == 0:
		e.drop(path, h, notice.WrongAddress, "source port 0")
	case h.Major() == 2:
		e.refuseVersion(path, h, len(b))
	case h.Major() != 1:
		e.drop(path, h, notice.BadVersion, fmt.Sprintf("major version %d", h.Major()))
	case h.CkyI.IsZero():
		e.drop(path, h, notice.BadCookie, "the initiator cookie is zero")
	default:
		e.route(path, h, b)
	}
}

// route finds the actor. One that has just ended is looked up again: a stranger's
// cookies may be its peer's by now.
func (e *Engine) route(path ike.Path, h isakmp.Header, b []byte) {
	var data []byte
	for range 3 {
		a := e.registry.find(h.CkyI, h.CkyR, path.Remote)
		if a == nil {
			if !h.CkyR.IsZero() {
				e.drop(path, h, notice.UnknownSA, "no exchange has these cookies")
				return
			}
			if a = e.admit(path, h); a == nil {
				return
			}
		}
		if data == nil {
			data = append([]byte(nil), b...)
		}
		switch a.post(mail{ev: ike.Datagram{Path: path, Data: data}}) {
		case delivered:
			e.travelled(notice.Received, path, h, data)
			return
		case full:
			e.drop(path, h, notice.MailboxFull, "")
			return
		}
	}
	e.drop(path, h, notice.Superseded, "the exchange ended")
}

// admit decides, before anything is allocated for it, whether a stranger may begin
// an exchange, and gives it an actor if so.
func (e *Engine) admit(path ike.Path, h isakmp.Header) *actor {
	mode := policy.ExchangeMode(h.Exchange)
	now := time.Now()
	switch h.Exchange {
	case isakmp.Base, isakmp.IdentityProtection, isakmp.Aggressive:
	default:
		e.drop(path, h, notice.BadExchange, fmt.Sprintf("%v cannot begin without an ISAKMP SA", h.Exchange))
		return nil
	}
	switch {
	case e.closing.Load():
		e.drop(path, h, notice.ShuttingDown, "")
		return nil
	case h.Flags&isakmp.FlagEncryption != 0:
		e.drop(path, h, notice.NotClear, "the first message of an exchange is encrypted")
		return nil
	case h.MessageID != 0:
		e.drop(path, h, notice.BadMessageID, "a phase 1 message has message ID 0")
		return nil
	case !e.sources.allow(now, path.Remote.Addr()):
		e.drop(path, h, notice.RateLimited, "")
		return nil
	}
	cfg := e.config.Load()
	q := policy.Query{Addr: path.Remote.Addr(), Local: path.Local.Addr(), Mode: mode}
	remotes := cfg.sections.Candidates(q)
	if len(remotes) == 0 {
		detail := fmt.Sprintf("no remote section for %v answers %v mode", path.Remote.Addr(), mode)
		if q.Local = (netip.Addr{}); len(cfg.sections.Candidates(q)) > 0 {
			detail += fmt.Sprintf(" at %v: those there are have another local_address", path.Local.Addr())
		}
		e.drop(path, h, notice.UnknownPeer, detail)
		return nil
	}
	if h.Next == isakmp.PayloadFragment && !slices.ContainsFunc(remotes, func(r *policy.Remote) bool { return r.IKEFrag != policy.Off }) {
		e.drop(path, h, notice.UnexpectedPayload, "fragments are not taken: ike_frag is off")
		return nil
	}
	a := &actor{shell: e, path: path, stranger: true}
	a.machine = e.newMachine(ike.Setup{Config: cfg.machines, Remotes: remotes, Path: path, Rand: random,
		Cookie: e.secret.maker(now), NAT: e.natPorts(path.Local.Addr()), Stranger: true})
	evicted, ok := e.registry.admit(a, h.CkyI, remotes[0].Literal())
	if !ok {
		e.drop(path, h, notice.HalfOpenLimit, "no room for another stranger")
		return nil
	}
	if evicted != nil {
		e.notify(notice.Notice{Event: notice.Dropped, Reason: notice.HalfOpenLimit, Local: evicted.path.Local, Peer: evicted.path.Remote,
			Detail: "the oldest unfinished exchange made room"})
		evicted.post(mail{ev: ike.Shutdown{}})
	}
	return a
}

// refuseVersion answers an IKEv2 message with what we speak, and never with more
// octets than it had (RFC 2408 section 5.2; architecture.md 3.13).
func (e *Engine) refuseVersion(path ike.Path, h isakmp.Header, size int) {
	e.drop(path, h, notice.BadVersion, "IKEv2 is not spoken here")
	body := isakmp.Notify{DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtoISAKMP, Type: isakmp.NotifyInvalidMajorVersion}.Append(nil)
	reply := isakmp.Header{CkyI: h.CkyI, Version: isakmp.Version1, Exchange: isakmp.Informational}
	var id [4]byte
	rand.Read(id[:])
	reply.MessageID = binary.BigEndian.Uint32(id[:])
	msg := isakmp.AppendMessage(nil, reply, []isakmp.Payload{{Type: isakmp.PayloadN, Body: body}})
	answer := h.CkyR.IsZero() && len(msg) <= size && e.dear.allow(time.Now(), path.Remote.Addr())
	if answer {
		_ = e.net.send(path, msg) // nobody waits for it
	}
}

// drop says that a message from the outside was thrown away.
func (e *Engine) drop(path ike.Path, h isakmp.Header, r notice.Reason, detail string) {
	e.strangerNotice(notice.Notice{Event: notice.Dropped, Reason: r, Local: path.Local, Peer: path.Remote,
		CkyI: h.CkyI, CkyR: h.CkyR, Exchange: h.Exchange, MsgID: h.MessageID, Detail: detail})
}
