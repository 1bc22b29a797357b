package isakmp

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"strings"
)

// An Attribute is a value of RFC 2408 §3.3. It has two forms: TV with a value
// of two octets and TLV with any number. The form is remembered, also where
// the RFCs ask for the other one, so that an answer echoes the offer octet for
// octet (RFC 2409 §5: the responder must not change it).
type Attribute struct {
	Type  uint16 // 15 bits
	TV    bool
	Value []byte // TV: two octets
}

const attrFormatTV = 0x8000

// TV is the basic form.
func TV(typ, v uint16) Attribute {
	return Attribute{typ, true, binary.BigEndian.AppendUint16(nil, v)}
}

// TLV is the variable form.
func TLV(typ uint16, v []byte) Attribute { return Attribute{Type: typ, Value: v} }

// UintAttr is TV where v fits, else TLV with four octets: the forms of a life
// duration.
func UintAttr(typ uint16, v uint32) Attribute {
	if v <= 0xffff {
		return TV(typ, uint16(v))
	}
	return TLV(typ, binary.BigEndian.AppendUint32(nil, v))
}

// Uint is the value as a number, of either form; ok is false if it has no
// octets or more than eight.
func (a Attribute) Uint() (v uint64, ok bool) {
	if len(a.Value) == 0 || len(a.Value) > 8 {
		return 0, false
	}
	for _, o := range a.Value {
		v = v<<8 | uint64(o)
	}
	return v, true
}

// ParseAttributes reads a list of at most MaxAttributes attributes, as in the
// data of RESPONDER-LIFETIME.
func ParseAttributes(b []byte) ([]Attribute, error) {
	r := newReader(PayloadNone, b)
	return r.attributes(MaxAttributes)
}

// attributes reads all that is left of r.
func (r *reader) attributes(most int) ([]Attribute, error) {
	var as []Attribute
	for !r.Empty() {
		if len(as) == most {
			return nil, r.errorf(0, "more than %d attributes", most)
		}
		var typ, n uint16
		a, at := Attribute{}, *r
		switch {
		case !r.ReadUint16(&typ):
			return nil, r.truncated()
		case typ&attrFormatTV != 0:
			a = Attribute{Type: typ &^ attrFormatTV, TV: true}
			n = 2
		case !r.ReadUint16(&n):
			return nil, r.truncated()
		default:
			a = Attribute{Type: typ}
		}
		if !r.bytes(&a.Value, int(n)) {
			return nil, at.errorf(0, "attribute %d of %d octets, but %d are left", a.Type, n, len(r.String))
		}
		as = append(as, a)
	}
	return as, nil
}

// AppendAttributes writes a list of attributes, each in its own form.
func AppendAttributes(b []byte, as []Attribute) []byte {
	for _, a := range as {
		if a.TV {
			b = binary.BigEndian.AppendUint16(b, a.Type|attrFormatTV)
		} else {
			b = binary.BigEndian.AppendUint16(b, a.Type)
			b = binary.BigEndian.AppendUint16(b, uint16(len(a.Value)))
		}
		b = append(b, a.Value...)
	}
	return b
}

// String does not know the class, so it names nothing and shows no value.
func (a Attribute) String() string {
	return fmt.Sprintf("%d(%d)", a.Type, len(a.Value))
}

func (a Attribute) LogValue() slog.Value { return slog.StringValue(a.String()) }

// attrString is " class=value" of each attribute of a transform.
func attrString(p Protocol, as []Attribute) string {
	classes, values := attrTables(p)
	var s strings.Builder
	for _, a := range as {
		v, ok := a.Uint()
		switch {
		case !ok || v > 0xffffffff:
			fmt.Fprintf(&s, " %s=0x%x", classes.Name(uint32(a.Type)), a.Value)
		case values[a.Type] != nil:
			fmt.Fprintf(&s, " %s=%s", classes.Name(uint32(a.Type)), values[a.Type].Name(uint32(v)))
		default:
			fmt.Fprintf(&s, " %s=%d", classes.Name(uint32(a.Type)), v)
		}
	}
	return s.String()
}
