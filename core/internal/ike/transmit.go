package ike

import (
	"crypto/sha256"
	"fmt"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
)

// transmit builds our message of the step and sends it.
func (x *exchange) transmit(st *step) error {
	if st.before != nil {
		if err := st.before(x); err != nil {
			return err
		}
	}
	ps, err := x.emit(st)
	if err != nil {
		return err
	}
	if err := isakmp.CheckSize(ps); err != nil {
		return failf(notice.Internal, "message %d: %w", x.pc+1, err)
	}
	h := isakmp.Header{CkyI: x.sa.CkyI, CkyR: x.sa.CkyR, Version: isakmp.Version1, Exchange: x.kind, MessageID: x.msgID}
	var msg []byte
	if st.seal != inClear {
		msg = x.sealMessage(h, st, ps)
	} else {
		msg = isakmp.AppendMessage(nil, h, ps)
	}
	if n := x.sa.onWire(msg); st.most > 0 && n > st.most*x.heard {
		return failf(notice.Unsupported, "message %d would have %d octets, more than %d times the %d it answers", x.pc+1, n, st.most, x.heard)
	}
	x.answer = msg
	x.tries = 1
	x.send(msg)
	if x.wantsAnswer() {
		x.out, x.resendAt = msg, x.p.now.Add(x.p.cfg.Timer.Interval)
	}
	return nil
}

// emit collects the payloads of our message in the order of the script.
func (x *exchange) emit(st *step) ([]isakmp.Payload, error) {
	var ps []isakmp.Payload
	for i, types := range [2][]isakmp.PayloadType{st.must, st.may} {
		for _, t := range types {
			bodies, err := x.p.handlers[x.kind][t].emit(x)
			if err != nil {
				return nil, err
			}
			if i == 0 && len(bodies) == 0 {
				return nil, failf(notice.Internal, "no %v payload for message %d", t, x.pc+1)
			}
			for _, b := range bodies {
				ps = append(ps, isakmp.Payload{Type: x.sa.nat.version.wire(t), Body: b})
			}
		}
	}
	return ps, nil
}

// sealMessage puts HASH(n) in front, pads and encrypts (RFC 2409 appendix B). The
// IV moves on: a retransmission is the same octets.
func (x *exchange) sealMessage(h isakmp.Header, st *step, ps []isakmp.Payload) []byte {
	if st.hash != nil {
		rest := isakmp.AppendChain(nil, ps)
		ps = append([]isakmp.Payload{{Type: isakmp.PayloadHASH, Body: st.hash(x, rest)}}, ps...)
	}
	plain := isakmp.AppendChain(nil, ps)
	sealed, iv := x.sa.cbc.Encrypt(x.iv, pad(x.cfg.Padding, x.p.setup.Rand, plain, x.sa.cipher.BlockSize()))
	x.iv = iv
	h.Flags |= isakmp.FlagEncryption
	h.Next = isakmp.PayloadNone
	if len(ps) > 0 {
		h.Next = ps[0].Type
	}
	h.Length = uint32(isakmp.HeaderLen + len(sealed))
	return append(h.Append(make([]byte, 0, h.Length)), sealed...)
}

// wantsAnswer reports whether our message is retransmitted by our timer: never
// the last one, and never to someone who has not authenticated (a responder's
// phase 1 messages are repeated only when the peer asks again).
func (x *exchange) wantsAnswer() bool {
	return x.pc+1 < len(x.script) && (x.role == initiator || x.kind == isakmp.QuickMode)
}

// send puts a message on the wire, as often as configured; for somebody who has not
// authenticated once, or we would answer with more octets than we were sent.
func (x *exchange) send(msg []byte) {
	n := max(1, x.p.cfg.Timer.PerSend)
	if x.p1 != nil && x.role == responder {
		n = 1
	}
	for range n {
		x.p.put(x.sa, x.path, msg)
	}
}

// resend repeats our message, or gives up.
func (x *exchange) resend() {
	t := x.p.cfg.Timer
	if x.tries >= t.Counter {
		x.resendAt = x.expires // one interval more for the answer to the last one
		return
	}
	x.tries++
	x.resendAt = x.p.now.Add(t.Interval)
	x.notice(notice.Notice{Event: notice.Retransmit, Detail: fmt.Sprintf("transmission %d of %d", x.tries, t.Counter)})
	x.send(x.out)
}

// duplicate answers a repetition of the last accepted message, with what we sent
// after it and nothing older: two ends that answer each other's past would do so
// for ever. It reports whether msg was one.
func (x *exchange) duplicate(msg []byte) bool {
	if sha256.Sum256(msg) != x.seen {
		return false
	}
	x.repeat()
	return true
}

// repeat sends what we said last once more, as often as there are transmissions.
func (x *exchange) repeat() {
	n := notice.Notice{Event: notice.Answered}
	if x.answer == nil || x.tries > x.p.cfg.Timer.Counter {
		n.Event, n.Reason = notice.Dropped, notice.Duplicate
	} else {
		x.tries++
		x.p.put(x.sa, x.path, x.answer)
	}
	x.notice(n)
}
