// Package errs maps Go errors to gRPC status details and back, losslessly.
package errs

import (
	"context"
	"errors"
	"fmt"
	"time"
)

type Reason string

const (
	Unavailable  Reason = "UNAVAILABLE" // backend (HSM, Vault, kernel socket) unreachable; retry
	Busy         Reason = "BUSY"        // retry after RetryAfter
	NotFound     Reason = "NOT_FOUND"
	Exists       Reason = "EXISTS"
	Unsupported  Reason = "UNSUPPORTED" // algorithm/mode/operation
	Permission   Reason = "PERMISSION"  // missing capability, PIN locked, EPERM
	Invalid      Reason = "INVALID"
	NeedOperator Reason = "NEED_OPERATOR" // token absent, PIN required
	Stale        Reason = "STALE"         // handle or stream of an older configuration generation
	Timeout      Reason = "TIMEOUT"       // no answer in time: what was asked may or may not have happened
	Internal     Reason = "INTERNAL"
)

type Error struct {
	Reason     Reason
	Msg        string
	RetryAfter time.Duration
	Errno      int               // kernel plugins: the OS errno, for the log
	Op         int               // index into a batch, -1 if not about one
	Attrs      map[string]string // never secrets
	PluginGone bool              // set by the client side only
}

func (e *Error) Error() string   { return string(e.Reason) + ": " + e.Msg }
func (e *Error) Is(t error) bool { x, ok := t.(*Error); return ok && x.Reason == e.Reason }

// Errorf makes an error that is not about one item of a batch.
func Errorf(r Reason, format string, args ...any) *Error {
	return &Error{Reason: r, Msg: fmt.Sprintf(format, args...), Op: -1}
}

// From is err as an *Error: the one it wraps, Timeout for an expired deadline,
// Unavailable for a cancelled call, and Internal for anything else. From(nil) is nil.
func From(err error) *Error {
	var e *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.DeadlineExceeded):
		return Errorf(Timeout, "%v", err)
	case errors.Is(err, context.Canceled):
		return Errorf(Unavailable, "%v", err)
	}
	return Errorf(Internal, "%v", err)
}

// Err is e as an error, without the trap of a nil *Error in a non-nil error.
func (e *Error) Err() error {
	if e == nil {
		return nil
	}
	return e
}
