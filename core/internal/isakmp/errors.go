package isakmp

import (
	"fmt"
	"log/slog"
)

// A SyntaxError says what is wrong with received octets and where.
type SyntaxError struct {
	// Payload that was read; PayloadNone for the header and the chain.
	Payload PayloadType
	// Offset in octets from the start of what was given to the parser: the
	// payload's body, the chain, or the datagram.
	Offset int
	Why    string
	// Code is the notify type RFC 2408 §5 asks for, or 0 where the payload
	// type says it all.
	Code NotifyType
}

func (e *SyntaxError) Error() string {
	what := "isakmp message"
	if e.Payload != PayloadNone {
		what = e.Payload.String() + " payload"
	}
	return fmt.Sprintf("%s, octet %d: %s", what, e.Offset, e.Why)
}

// Notify is what the peer is told about the error, RFC 2408 §5.
func (e *SyntaxError) Notify() NotifyType {
	if e.Code != 0 {
		return e.Code
	}
	switch e.Payload {
	case PayloadSA:
		return NotifyBadProposalSyntax
	case PayloadKE:
		return NotifyInvalidKeyInformation
	case PayloadID:
		return NotifyInvalidIDInformation
	case PayloadCERT:
		return NotifyInvalidCertificate
	case PayloadCR:
		return NotifyInvalidCertAuthority
	default:
		return NotifyPayloadMalformed
	}
}

// LogValue gives the parts, so that a log can be searched by payload.
func (e *SyntaxError) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("payload", e.Payload.String()),
		slog.Int("offset", e.Offset),
		slog.String("why", e.Why),
		slog.String("notify", e.Notify().String()))
}

func unequalLengths(offset int, format string, args ...any) error {
	return &SyntaxError{Offset: offset, Why: fmt.Sprintf(format, args...), Code: NotifyUnequalPayloadLengths}
}
