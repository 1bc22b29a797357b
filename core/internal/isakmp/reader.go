package isakmp

import (
	"fmt"

	"golang.org/x/crypto/cryptobyte"
)

// A reader is a cryptobyte.String that knows where it is, so that errors do.
type reader struct {
	cryptobyte.String
	payload PayloadType
	end     int // offset of the end of String in the parser's input
}

func newReader(t PayloadType, b []byte) reader {
	return reader{cryptobyte.String(b), t, len(b)}
}

// sub reads b, which r has just read, with offsets that count from where r's do.
func (r *reader) sub(b []byte) reader {
	return reader{cryptobyte.String(b), r.payload, r.offset()}
}

func (r *reader) offset() int { return r.end - len(r.String) }

// bytes reads n octets. The slice has no spare capacity: appending to it
// cannot write into the datagram. No octets are nil.
func (r *reader) bytes(out *[]byte, n int) bool {
	if n < 0 || n > len(r.String) {
		return false
	}
	*out = nil
	if n > 0 {
		*out = r.String[:n:n]
	}
	return r.Skip(n)
}

// rest reads all that is left.
func (r *reader) rest() (b []byte) {
	r.bytes(&b, len(r.String))
	return b
}

// link reads one payload of a chain, RFC 2408 §3.2. Its length counts its own
// four octets, which is why ReadUint16LengthPrefixed cannot do this. The
// reserved octet is not looked at: §5.3 would have us reject the message, but
// no peer is better off for that.
func (r *reader) link() (next PayloadType, body []byte, err error) {
	var n uint16
	at := *r
	switch {
	case !r.ReadUint8((*uint8)(&next)) || !r.Skip(1) || !r.ReadUint16(&n):
		return 0, nil, at.errorf(0, "%d octets where a payload header has %d", len(at.String), payloadHeaderLen)
	case n < payloadHeaderLen:
		return 0, nil, at.errorf(0, "payload length %d is less than its header", n)
	case !r.bytes(&body, int(n)-payloadHeaderLen):
		return 0, nil, at.errorf(0, "payload length %d, but %d octets are left", n, len(at.String))
	}
	return next, body, nil
}

// errorf is a SyntaxError at the octet that would be read next.
func (r *reader) errorf(code NotifyType, format string, args ...any) error {
	return &SyntaxError{Payload: r.payload, Offset: r.offset(), Why: fmt.Sprintf(format, args...), Code: code}
}

// truncated is the error of a body that ends within its fixed part.
func (r *reader) truncated() error { return r.errorf(0, "truncated") }
