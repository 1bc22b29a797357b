// Package notice is the one stream everything observable goes through: the log
// line, the metric, the hook, the golden transcript and `racoonctl monitor` are
// five readers of it. The machine and the engine emit Notices and nothing else;
// no logger is passed into either.
//
//	n := notice.Notice{Event: notice.Dropped, Reason: notice.BadHash, Peer: from, Detail: "HASH(1)"}
//	slog.LogAttrs(ctx, n.Level(), n.String(), n.Attrs()...)
package notice

import (
	"fmt"
	"log/slog"
	"net/netip"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
)

// Notice is one event. Fields that say nothing about it stay zero.
type Notice struct {
	Event    Event
	Reason   Reason
	Remote   string // name of the remote section
	Local    netip.AddrPort
	Peer     netip.AddrPort
	PeerID   string // of Phase1Up: the peer's identity as the peer wrote it, any octets
	Initiate bool   // of Phase1Up and Phase1Failed: we began the negotiation
	CkyI     isakmp.Cookie
	CkyR     isakmp.Cookie
	Exchange isakmp.ExchangeType
	MsgID    uint32
	Step     int    // message of the exchange, from 1
	Proto    uint8  // IP protocol of the SA: 50 ESP, 51 AH, 108 IPComp
	SPI      uint32 // our inbound one, unless Detail says otherwise
	SPIOut   uint32
	Command  uint64 // the control request this ends, 0 = none
	Plugin   string // "auth/psk"
	Detail   string // one sentence for a person, never a secret
}

// Event says what happened.
type Event uint8

// Events. The comment after each is the level it is logged at.
const (
	_              Event = iota
	Phase1Start          // debug
	Phase1Up             // info
	Phase1Down           // info
	Phase1Failed         // warning
	Phase2Start          // debug
	Phase2Up             // info
	Phase2Down           // info
	Phase2Failed         // warning
	Rekeying             // info
	Queued               // debug: waiting for phase 1
	Dropped              // debug; warning for the reasons of Reason.Loud
	Retransmit           // debug
	Answered             // debug: duplicate answered from the cache
	Sent                 // debug
	Received             // debug
	PeerNotify           // info: the peer told us something
	Acquired             // debug
	NoAcquire            // warning: a kernel request we cannot serve
	CommandDone          // debug
	PluginUp             // info
	PluginDown           // warning
	KernelResync         // info
	Listening            // info
	ListenFailed         // warning
	ConfigLoaded         // info
	ConfigRejected       // error
	Finding              // warning: a weak or risky setting
	Starting             // info
	Stopping             // info
	NATFound             // info
	PeerMoved            // info: the NAT in front of the peer has given it another mapping
	LocalFailure         // error: something on this host does not work
	HookDone             // debug
	PeerDead             // warning: it does not answer, all its SAs end
	HookFailed           // warning: a hook script was not run, or not to a good end
	eventCount
)

var events = [eventCount]struct {
	name, text string
	level      slog.Level
}{
	Phase1Start:    {"phase1-start", "phase 1 negotiation begun", slog.LevelDebug},
	Phase1Up:       {"phase1-up", "ISAKMP-SA established", slog.LevelInfo},
	Phase1Down:     {"phase1-down", "ISAKMP-SA deleted", slog.LevelInfo},
	Phase1Failed:   {"phase1-failed", "phase 1 negotiation failed", slog.LevelWarn},
	Phase2Start:    {"phase2-start", "phase 2 negotiation begun", slog.LevelDebug},
	Phase2Up:       {"phase2-up", "IPsec-SA established", slog.LevelInfo},
	Phase2Down:     {"phase2-down", "IPsec-SA deleted", slog.LevelInfo},
	Phase2Failed:   {"phase2-failed", "phase 2 negotiation failed", slog.LevelWarn},
	Rekeying:       {"rekeying", "IPsec-SA is being renewed", slog.LevelInfo},
	Queued:         {"queued", "phase 2 request waits for phase 1", slog.LevelDebug},
	Dropped:        {"dropped", "message dropped", slog.LevelDebug},
	Retransmit:     {"retransmit", "message sent again", slog.LevelDebug},
	Answered:       {"answered", "duplicate answered", slog.LevelDebug},
	Sent:           {"sent", "message sent", slog.LevelDebug},
	Received:       {"received", "message received", slog.LevelDebug},
	PeerNotify:     {"peer-notify", "the peer says", slog.LevelInfo},
	Acquired:       {"acquired", "the kernel wants an SA", slog.LevelDebug},
	NoAcquire:      {"no-acquire", "the kernel wants an SA that cannot be negotiated", slog.LevelWarn},
	CommandDone:    {"command-done", "command done", slog.LevelDebug},
	PluginUp:       {"plugin-up", "plugin ready", slog.LevelInfo},
	PluginDown:     {"plugin-down", "plugin lost", slog.LevelWarn},
	KernelResync:   {"kernel-resync", "kernel and engine compared", slog.LevelInfo},
	Listening:      {"listening", "listening", slog.LevelInfo},
	ListenFailed:   {"listen-failed", "cannot listen", slog.LevelWarn},
	ConfigLoaded:   {"config-loaded", "configuration loaded", slog.LevelInfo},
	ConfigRejected: {"config-rejected", "configuration rejected, the old one stays", slog.LevelError},
	Finding:        {"finding", "finding", slog.LevelWarn},
	Starting:       {"starting", "racoon starting", slog.LevelInfo},
	Stopping:       {"stopping", "racoon shutting down", slog.LevelInfo},
	NATFound:       {"nat-found", "NAT detected", slog.LevelInfo},
	PeerMoved:      {"peer-moved", "the peer has moved", slog.LevelInfo},
	LocalFailure:   {"local-failure", "local failure", slog.LevelError},
	PeerDead:       {"peer-dead", "the peer seems to be dead", slog.LevelWarn},
	HookDone:       {"hook-done", "hook script has run", slog.LevelDebug},
	HookFailed:     {"hook-failed", "hook script failed", slog.LevelWarn},
}

// String is the event's fixed name, a metric label.
func (e Event) String() string {
	if e < eventCount && events[e].name != "" {
		return events[e].name
	}
	return fmt.Sprintf("event-%d", uint8(e))
}

// Level is how loud the Notice is.
func (n Notice) Level() slog.Level {
	if n.Event == Dropped && n.Reason.Loud() {
		return slog.LevelWarn
	}
	if n.Event == 0 || n.Event >= eventCount {
		return slog.LevelError
	}
	if n.Reason == ShuttingDown || n.Reason == LocalDeleted { // we wanted it so
		return min(events[n.Event].level, slog.LevelInfo)
	}
	return events[n.Event].level
}

// String is the message of the log line, without its attributes.
func (n Notice) String() string {
	s := n.Event.String()
	if n.Event < eventCount && events[n.Event].text != "" {
		s = events[n.Event].text
	}
	if n.Detail != "" {
		s += ": " + n.Detail
	}
	return s
}

// Attrs are the fixed keys of a log line, in a fixed order.
func (n Notice) Attrs() []slog.Attr {
	a := make([]slog.Attr, 0, 10)
	add := func(on bool, key string, val any) {
		if on {
			a = append(a, slog.Any(key, val))
		}
	}
	add(n.Peer.IsValid(), "peer", n.Peer.String())
	add(n.Local.IsValid(), "local", n.Local.String())
	add(n.Remote != "", "remote", n.Remote)
	if !n.CkyI.IsZero() {
		a = append(a, slog.String("cookies", n.CkyI.String()+":"+n.CkyR.String()))
	}
	add(n.Exchange != 0, "exchange", n.Exchange.String())
	if n.MsgID != 0 {
		a = append(a, slog.String("msgid", fmt.Sprintf("%08x", n.MsgID)))
	}
	add(n.Step != 0, "step", n.Step)
	add(n.Proto != 0, "proto", n.Proto)
	if n.SPI != 0 {
		a = append(a, slog.String("spi", fmt.Sprintf("0x%08x", n.SPI)))
	}
	if n.SPIOut != 0 {
		a = append(a, slog.String("spi_out", fmt.Sprintf("0x%08x", n.SPIOut)))
	}
	add(n.Plugin != "", "plugin", n.Plugin)
	add(n.Reason != 0, "reason", n.Reason.String())
	return a
}

// LogValue makes a Notice printable by slog as a group.
func (n Notice) LogValue() slog.Value {
	return slog.GroupValue(append([]slog.Attr{slog.String("event", n.Event.String()), slog.String("text", n.String())}, n.Attrs()...)...)
}
