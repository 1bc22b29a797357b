package ike

import (
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// exchange is one run of a script. The rules kept here, once for all scripts, are
// those of DESIGN.md "The exchange engine".
type exchange struct {
	p      *Peer
	cfg    *policy.Common // the snapshot it began under
	kind   isakmp.ExchangeType
	script script
	role   role
	pc     int  // step being played
	sent   bool // our message of this step is on the wire, its `then` is not done
	over   bool // ended; kept only as long as a duplicate may want an answer
	gone   bool // to be forgotten

	sa    *ISAKMPSA // under construction in phase 1, used by all others
	path  Path
	msgID uint32
	iv    []byte // of the next sealed message; advances only with an accepted one

	inbox  []byte            // the peer's message being worked on
	from   Path              // where it came from
	known  bool              // that path has been followed, or not: see follow
	seen   [sha256.Size]byte // digest of the last accepted message
	heard  int               // its octets
	answer []byte            // what we sent after it: the only thing a duplicate gets
	out    []byte            // our message that wants an answer
	tries  int               // transmissions of out

	began    time.Time
	expires  time.Time // gives up, or when over: is forgotten
	resendAt time.Time // zero: nothing is retransmitted
	retryAt  time.Time // a Call could not be served, or it is too early: play again then
	told     bool      // of that, in this step
	refused  string    // why the last message that would have been this step was dropped

	asked []asked // what the step, since its message left, wants to know

	p1   *phase1
	qm   *quick
	info *notes
	cfgs *configs
}

// start begins to play a new exchange.
func (p *Peer) start(x *exchange) {
	x.p, x.cfg, x.began = p, p.cfg, p.now
	if x.expires.IsZero() {
		x.expires = p.now.Add(p.patience())
	}
	p.exchanges = append(p.exchanges, x)
	x.play()
}

// patience is how long a peer has to answer one message: all its transmissions
// and one interval more.
func (p *Peer) patience() time.Duration {
	t := p.cfg.Timer
	return time.Duration(t.Counter) * t.Interval
}

// play goes on with the script until something is missing.
func (x *exchange) play() {
	for !x.over {
		err := x.playStep()
		var d drop
		var ne *NotifyError
		var un *Unavailable
		switch {
		case err == nil:
			x.advance()
		case errors.Is(err, errWait), errors.Is(err, errNoMessage):
			return
		case errors.As(err, &d) && x.theirTurn():
			x.dropMessage(d)
			return
		case errors.As(err, &d): // what it came from has been accepted and answered
			x.fail(d.reason, errors.New(d.why))
		case errors.As(err, &un):
			x.askAgain()
			x.retryAt = x.p.now.Add(time.Second)
			if !x.told {
				x.told = true
				x.notice(notice.Notice{Event: notice.LocalFailure, Reason: notice.PluginUnavailable, Detail: un.Error()})
			}
			return
		case errors.As(err, &ne):
			x.tellPeer(ne.Type)
			x.fail(ne.Reason, ne)
		default:
			x.fail(reasonOf(err), err)
		}
	}
}

// theirTurn reports whether the step is a message of the peer.
func (x *exchange) theirTurn() bool { return x.script[x.pc].from != x.role }

// firstSealed reports whether the step is the first sealed message of phase 1, which
// shows whether both have the same keys.
func (x *exchange) firstSealed() bool {
	return x.p1 != nil && slices.IndexFunc(x.script, func(s step) bool { return s.seal != inClear }) == x.pc
}

// errNoMessage: it is the peer's turn.
var errNoMessage = errors.New("ike: nothing received yet")

func reasonOf(err error) notice.Reason {
	var f *failure
	if errors.As(err, &f) {
		return f.reason
	}
	return notice.Internal
}

func (x *exchange) playStep() error {
	st := &x.script[x.pc]
	if st.from != x.role {
		return x.receive(st)
	}
	if !x.sent {
		if err := x.transmit(st); err != nil {
			return err
		}
		x.sent, x.asked = true, nil // the message is on the wire before `then` runs
	}
	if st.then != nil {
		return st.then(x)
	}
	return nil
}

// advance goes to the next step, or ends the exchange after the last.
func (x *exchange) advance() {
	st := &x.script[x.pc]
	if st.from != x.role {
		x.inbox = nil
		x.out, x.resendAt = nil, time.Time{}
	}
	x.pc, x.sent, x.asked, x.retryAt, x.told, x.refused = x.pc+1, false, nil, time.Time{}, false, ""
	if x.p1 != nil { // each message of phase 1 has its own time; quick mode has one for all
		x.expires = x.p.now.Add(x.p.patience())
	}
	if x.pc == len(x.script) {
		x.finish()
	}
}

// finish ends a successful exchange. What was said last stays for a duplicate.
func (x *exchange) finish() {
	x.over, x.out, x.resendAt = true, nil, time.Time{}
	x.expires = x.p.now.Add(x.p.patience())
	if x.p1 != nil || x.info != nil {
		x.gone = true // phase 1 answers duplicates from its SA, informational never
	}
	x.zero()
}

// goesOn begins a transaction that is over once more: under its message ID and
// with its IV the peer may say something else.
func (x *exchange) goesOn() bool {
	if !x.over || x.gone || x.cfgs == nil || x.role == initiator {
		return false
	}
	x.pc, x.over = 0, false
	return true
}

// fail ends an exchange that led to nothing, and undoes what it did.
func (x *exchange) fail(reason notice.Reason, err error) {
	x.over, x.gone, x.out, x.resendAt = true, true, nil, time.Time{}
	if x.p1 != nil {
		x.p.forget(x.sa.CkyI, x.sa.CkyR)
	}
	n := notice.Notice{Event: notice.Phase1Failed, Reason: reason, Initiate: x.role == initiator, Detail: err.Error()}
	switch {
	case x.kind == isakmp.QuickMode:
		if x.qm.up { // nothing is lost: the pair has a life of its own
			n.Event = notice.Dropped
			x.notice(n)
			break
		}
		n.Event = notice.Phase2Failed
		if reason == notice.Superseded {
			n.Event = notice.Dropped // nothing is lost: the other's goes on
		}
		x.notice(n)
		x.undoQuick(reason)
		if reason == notice.TimedOut {
			x.p.doubt(x)
		}
		x.p.wantFailed(x.qm.want, reason, err.Error())
		x.p.renewLater(x.qm.traffic())
	case x.kind == isakmp.Informational:
		n.Event = notice.Dropped
		x.notice(n)
	case reason == notice.Superseded:
		n.Event = notice.Dropped // as above
		x.notice(n)
	default:
		x.notice(n)
		x.p.phase1Failed(x, reason, err)
	}
	x.zero()
}

// zero wipes the secrets of an exchange that has ended.
func (x *exchange) zero() {
	if x.p1 != nil {
		x.p1.zero(x.sa)
	}
	if x.qm != nil {
		x.qm.zero()
	}
}

// forget takes back what the step has asked for.
func (x *exchange) forget() {
	for _, f := range x.asked {
		f.forget(x.p)
	}
	x.asked = nil
}

// askAgain takes back only what could not be answered: the rest may have been
// sent, or installed.
func (x *exchange) askAgain() {
	for _, f := range x.asked {
		if f.failed() {
			f.forget(x.p)
		}
	}
}

// dropMessage throws the peer's message away; the exchange goes on waiting. A
// stranger's first message is all there is of its exchange.
func (x *exchange) dropMessage(d drop) {
	x.inbox, x.refused = nil, d.why
	x.forget()
	x.notice(notice.Notice{Event: notice.Dropped, Reason: d.reason, Detail: d.why})
	if x.pc == 1 && x.role == initiator && x.p1 != nil {
		x.sa.CkyR, x.sa.heard = isakmp.Cookie{}, 0 // they came with the message
	}
	if x.pc == 0 && x.role == responder {
		x.over, x.gone = true, x.heard == 0 // else it was no first message, see goesOn
		x.zero()
	}
}

// call asks for something on behalf of the exchange.
func (x *exchange) call(req Request, answer func(any, error)) CallID {
	p := x.p
	p.lastCall++
	p.calls[p.lastCall] = &pendingCall{x: x, req: req, answer: answer}
	p.out = append(p.out, Call{p.lastCall, req})
	return p.lastCall
}

// notice fills in who and where.
func (x *exchange) notice(n notice.Notice) {
	n.Exchange, n.MsgID, n.Step = x.kind, x.msgID, x.pc+1
	if x.sa != nil {
		n.CkyI, n.CkyR = x.sa.CkyI, x.sa.CkyR
	}
	n.Local, n.Peer = x.path.Local, x.path.Remote
	x.p.notice(n)
}

// deadline is when the exchange wants to be woken.
func (x *exchange) deadline() time.Time {
	return earliest(x.expires, earliest(x.resendAt, x.retryAt))
}

// wake does one thing that is due.
func (x *exchange) wake(now time.Time) {
	switch {
	case due(x.expires, now) && x.over:
		x.gone = true
	case due(x.expires, now):
		x.fail(notice.TimedOut, errors.New(x.waitingFor()))
	case due(x.retryAt, now):
		x.retryAt = time.Time{}
		x.play()
	case due(x.resendAt, now):
		x.resend()
	}
}

// waitingFor says what a negotiation that timed out had been waiting for.
func (x *exchange) waitingFor() string {
	if w := x.pendingCall(); w != "" {
		return "no answer to " + w + " on this host"
	}
	if x.pc == 0 {
		return "the first message could not be sent"
	}
	why, proof := "the peer did not answer message "+string(rune('0'+x.pc)), x.pc-1
	if x.refused != "" {
		why, proof = "the peer's message "+string(rune('1'+x.pc))+" was dropped: "+x.refused, x.pc
	}
	if x.p1 != nil && slices.Contains(x.script[proof].must, AUTH) && !strings.Contains(why, "keys") {
		why += "; do the pre-shared keys differ?"
	}
	return why
}

// due reports whether a deadline has come; a zero one never does.
func due(t, now time.Time) bool { return !t.IsZero() && !t.After(now) }

// earliest is the earlier of two deadlines, zero being none.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
