// Package errs maps Go errors to gRPC status details and back, losslessly.
package errs

import "time"

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
	Stale        Reason = "STALE"         // handle from an older configuration generation
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
