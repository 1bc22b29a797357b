package isakmp

import (
	"encoding/binary"
	"fmt"
	"log/slog"
)

// A Fragment is the body of an IKE fragment payload (Cisco, Microsoft, Apple;
// [MS-IKEE] §2.2.2): a slice of a whole message, header included, sealed or
// not. It is the only payload of its message, whose flags say nothing.
type Fragment struct {
	ID     uint16 // the same for all fragments of a message
	Number uint8  // from 1 to MaxFragments
	Last   bool
	Data   []byte // not empty
}

const fragmentLast = 1

// ParseFragment reads a fragment payload.
func ParseFragment(body []byte) (Fragment, error) {
	var f Fragment
	var flags uint8
	r := newReader(PayloadFragment, body)
	if !r.ReadUint16(&f.ID) || !r.ReadUint8(&f.Number) || !r.ReadUint8(&flags) || r.Empty() {
		return Fragment{}, r.truncated()
	}
	if f.Number == 0 || f.Number > MaxFragments {
		return Fragment{}, r.errorf(0, "fragment number %d, 1 to %d are accepted", f.Number, MaxFragments)
	}
	f.Last = flags&fragmentLast != 0
	f.Data = r.rest()
	return f, nil
}

// Append writes the body of a fragment payload.
func (f Fragment) Append(b []byte) []byte {
	flags := byte(0)
	if f.Last {
		flags = fragmentLast
	}
	b = binary.BigEndian.AppendUint16(b, f.ID)
	return append(append(b, f.Number, flags), f.Data...)
}

func (f Fragment) String() string {
	last := ""
	if f.Last {
		last = " last"
	}
	return fmt.Sprintf("FRAGMENT{%d #%d%s (%d)}", f.ID, f.Number, last, len(f.Data))
}

func (f Fragment) LogValue() slog.Value { return slog.StringValue(f.String()) }
