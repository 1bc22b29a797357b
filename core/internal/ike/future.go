package ike

import (
	"errors"
	"fmt"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/oakley"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// A future is one fact an exchange must ask for. The futures of an exchange are
// the complete list of what it can wait for.
type future[T any] struct {
	id   CallID
	done bool
	val  T
	err  error
}

// await returns the fact, or errWait after asking for it, once.
func (f *future[T]) await(x *exchange, req Request) (T, error) {
	if f.id == 0 {
		f.id = x.call(req, f.answer)
		x.asked = append(x.asked, f)
	}
	if !f.done {
		return *new(T), errWait
	}
	return f.val, f.err
}

// ask is await for a fact that is needed later: it only asks.
func (f *future[T]) ask(x *exchange, req Request) {
	_, _ = f.await(x, req)
}

func (f *future[T]) answer(v any, err error) {
	f.done, f.err = true, err
	if err != nil {
		return
	}
	val, ok := v.(T)
	if v != nil && !ok {
		f.err = fmt.Errorf("reply of type %T where %T was asked for", v, val)
	}
	f.val = val
}

// asked is a future of any type.
type asked interface {
	forget(p *Peer)
	failed() bool
}

func (f *future[T]) failed() bool { return f.err != nil }

// pending reports whether the question is out.
func (f *future[T]) pending() bool { return f.id != 0 && !f.done }

// forget makes a future ask again: its question came from a message that turned
// out not to count, or could not be answered yet. An answer that still comes is
// undone by the machine.
func (f *future[T]) forget(p *Peer) {
	if c := p.calls[f.id]; c != nil {
		c.answer = nil
	}
	wipe(f.val)
	*f = future[T]{}
}

// wipe zeroes the secrets in a Reply.
func wipe(v any) {
	switch v := v.(type) {
	case secret.Bytes:
		v.Zero()
	case oakley.KeyPair:
		v.Zero()
	case []SKEYIDCandidate:
		for _, c := range v {
			c.SKEYID.Zero()
		}
	}
}

// Errors inside the machine are of four kinds and no others: errWait, drop,
// *NotifyError, and anything else, which ends the exchange and is a local failure.

// errWait: the question is out, play the step again when the answer is there.
var errWait = errors.New("ike: waiting for a reply")

// drop ends a message, not the exchange: nothing unauthenticated is fatal. The
// peer hears nothing.
type drop struct {
	reason notice.Reason
	why    string
}

func (d drop) Error() string { return d.reason.String() + ": " + d.why }

// dropf makes a drop.
func dropf(r notice.Reason, format string, args ...any) error {
	return drop{r, fmt.Sprintf(format, args...)}
}

// NotifyError ends an exchange and tells the peer (RFC 2408 section 3.14.1).
type NotifyError struct {
	Type   isakmp.NotifyType
	Reason notice.Reason
	Err    error
}

func (e *NotifyError) Error() string { return e.Err.Error() }
func (e *NotifyError) Unwrap() error { return e.Err }

// failure ends an exchange without telling the peer.
type failure struct {
	reason notice.Reason
	err    error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func failf(r notice.Reason, format string, args ...any) error {
	return &failure{r, fmt.Errorf(format, args...)}
}
