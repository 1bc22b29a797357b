package ike

import (
	"crypto/sha256"
	"errors"
	"slices"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/oakley"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// deliver gives the exchange a datagram of the peer.
func (x *exchange) deliver(ev Datagram) {
	switch {
	case x.duplicate(ev.Data):
	case x.over && !x.goesOn():
		x.notice(notice.Notice{Event: notice.Dropped, Reason: notice.Superseded, Detail: "the exchange has ended"})
	case x.inbox != nil: // the peer will retransmit
		x.notice(notice.Notice{Event: notice.Dropped, Reason: notice.Busy, Detail: "an earlier message is being worked on"})
	default:
		x.inbox, x.from, x.known = ev.Data, ev.Path, false
		x.play()
	}
}

// message is a peer's message, opened.
type message struct {
	payloads []isakmp.Payload
	hash     []byte // HASH(n), which covers rest
	rest     []byte
	commit   bool   // the header's flag, which nothing authenticates
	iv       []byte // of the next message
}

// receive plays a message of the peer: open, verify its HASH(n), hold it against
// the step, take its payloads, then. Until it returns nil nothing has changed
// that the next attempt would not assign again.
func (x *exchange) receive(st *step) error {
	if x.inbox == nil {
		return errNoMessage
	}
	m, err := x.open(st)
	if err != nil {
		return err
	}
	if slices.Contains(st.may, VID) {
		x.hear(m.payloads)
	}
	groups, err := x.check(st, m.payloads)
	if err != nil {
		return err
	}
	for _, t := range slices.Concat(st.must, st.may) {
		if err := x.p.handlers[x.kind][t].take(x, groups[t]); err != nil {
			return syntaxError(err, st.hash != nil)
		}
	}
	if st.proves() && x.info == nil { // else it depends on what it says
		x.follow()
	}
	if st.then != nil {
		if err := st.then(x); err != nil {
			return err
		}
	}
	if x.qm != nil {
		x.qm.commit = m.commit
	}
	x.seen, x.heard, x.answer, x.tries = sha256.Sum256(x.inbox), len(x.inbox), nil, 0
	if m.iv != nil {
		x.iv = m.iv
	}
	return nil
}

// syntaxError decides what a payload that cannot be parsed means: from an
// authenticated peer it is its own mistake, and it is told; from anyone else the
// message is dropped.
func syntaxError(err error, authenticated bool) error {
	var syn *isakmp.SyntaxError
	switch {
	case !errors.As(err, &syn), errors.As(err, new(*NotifyError)): // already decided
		return err
	case authenticated:
		return &NotifyError{syn.Notify(), notice.BadPayload, syn}
	}
	return drop{notice.BadPayload, syn.Error()}
}

// open cuts the message into payloads and verifies the HASH(n) in front of them.
func (x *exchange) open(st *step) (message, error) {
	h, err := isakmp.ParseHeader(x.inbox)
	if err != nil {
		return message{}, syntaxError(err, false)
	}
	encrypted := h.Flags&isakmp.FlagEncryption != 0
	switch {
	case st.seal == inClear && encrypted:
		return message{}, dropf(notice.NotClear, "message %d is encrypted", x.pc+1)
	case st.seal == sealed && !encrypted:
		return message{}, dropf(notice.NotEncrypted, "message %d is not encrypted", x.pc+1)
	case !encrypted:
		_, ps, err := isakmp.ParseMessage(x.inbox)
		return message{payloads: ps}, syntaxError(err, false)
	case x.p1 != nil:
		return x.p1.openSealed(x, h)
	}
	m, err := openSealed(x.sa.cbc, x.iv, h, x.inbox, x.cfg.Padding)
	if err != nil || st.hash == nil {
		return m, err
	}
	if len(m.payloads) == 0 || m.payloads[0].Type != isakmp.PayloadHASH {
		return message{}, dropf(notice.MissingPayload, "the first payload of message %d is not HASH", x.pc+1)
	}
	m.hash, m.payloads = m.payloads[0].Body, m.payloads[1:]
	if !oakley.Equal(st.hash(x, m.rest), m.hash) {
		return message{}, dropf(notice.BadHash, "HASH of message %d does not verify", x.pc+1)
	}
	// It is the peer's: whatever else may be wrong with it, it counts only once.
	x.sa.used[x.msgID], x.sa.lastExchange = true, nil
	if x.info == nil { // else it depends on what it says
		x.sa.heardAt = x.p.now
		x.p.lives()
	}
	return m, nil
}

// isSealed reports whether a message is encrypted, or says so.
func isSealed(msg []byte) bool {
	h, err := isakmp.ParseHeader(msg)
	return err == nil && h.Flags&isakmp.FlagEncryption != 0
}

// openSealed decrypts and cuts.
func openSealed(cbc *oakley.CBC, iv []byte, h isakmp.Header, msg []byte, padding policy.Padding) (message, error) {
	plain, next, err := cbc.Decrypt(iv, msg[isakmp.HeaderLen:h.Length])
	if err != nil {
		return message{}, drop{notice.BadDecryption, err.Error()}
	}
	whole := plain
	if plain, err = unpad(padding, whole); err != nil {
		return message{}, err
	}
	ps, rest, err := isakmp.ParseChain(h.Next, plain)
	if err != nil {
		if _, _, better := isakmp.ParseChain(h.Next, whole); better == nil {
			return message{}, dropf(notice.BadPadding, "the last octet counts %d octets of padding, which reaches into the payloads: the peer pads in another way", len(whole)-len(plain))
		}
		return message{}, drop{notice.BadDecryption, "the message decrypts to nonsense: " + err.Error()}
	}
	m := message{payloads: ps, iv: next, commit: h.Flags&isakmp.FlagCommit != 0}
	if len(ps) > 0 {
		const generic = 4 // octets of the payload header in front of the body
		m.rest = plain[generic+len(ps[0].Body) : len(plain)-len(rest)]
	}
	return m, nil
}

// check holds the payloads against the step and sorts them by type. A known
// payload without a place here is ignored, never acted on.
func (x *exchange) check(st *step, ps []isakmp.Payload) (map[isakmp.PayloadType][][]byte, error) {
	groups := make(map[isakmp.PayloadType][][]byte, len(ps))
	for _, p := range ps {
		t := x.sa.nat.version.meaning(p.Type)
		if !slices.Contains(st.must, t) && !slices.Contains(st.may, t) {
			x.notice(notice.Notice{Event: notice.Dropped, Reason: notice.UnexpectedPayload,
				Detail: "payload " + p.Type.String() + " has no place in this message and is ignored"})
			continue
		}
		groups[t] = append(groups[t], p.Body)
	}
	for _, t := range st.must {
		switch len(groups[t]) {
		case 1:
		case 0:
			return nil, dropf(notice.MissingPayload, "message %d has no %v payload", x.pc+1, t)
		default:
			return nil, dropf(notice.RepeatedPayload, "message %d has %d %v payloads", x.pc+1, len(groups[t]), t)
		}
	}
	return groups, nil
}
