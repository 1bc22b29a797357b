// Package secret holds key material that must never be formatted.
package secret

import "log/slog"

// Bytes is key material. Every fmt verb, slog and encoding/json print
// "[redacted]" or a code address; Reveal is the only way out, and is greppable
// in review. It is a closure on purpose: fmt cannot call String on a value
// inside an unexported field, and would then print a slice, or with %s even a
// pointer to one, in full.
type Bytes struct{ f func() []byte }

func New(b []byte) Bytes { return Bytes{func() []byte { return b }} }
func (s Bytes) Reveal() []byte {
	if s.f == nil {
		return nil
	}
	return s.f()
}
func (s Bytes) Len() int                   { return len(s.Reveal()) }
func (s Bytes) Zero()                      { clear(s.Reveal()) }
func (Bytes) String() string               { return "[redacted]" }
func (Bytes) GoString() string             { return "[redacted]" }
func (Bytes) LogValue() slog.Value         { return slog.StringValue("[redacted]") }
func (Bytes) MarshalJSON() ([]byte, error) { return []byte(`"[redacted]"`), nil }
