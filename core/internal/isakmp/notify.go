package isakmp

import (
	"encoding/binary"
	"fmt"
	"log/slog"
)

// A Notify is the body of a notify payload, RFC 2408 §3.14.
type Notify struct {
	DOI      uint32
	Protocol Protocol
	SPI      []byte // of the SA it is about, 0 to 16 octets; ISAKMP: none or both cookies
	Type     NotifyType
	Data     []byte
}

// ParseNotify reads a notify payload of any DOI, protocol and type.
func ParseNotify(body []byte) (Notify, error) {
	var n Notify
	var spi uint8
	r := newReader(PayloadN, body)
	if !r.ReadUint32(&n.DOI) || !r.ReadUint8((*uint8)(&n.Protocol)) || !r.ReadUint8(&spi) || !r.ReadUint16((*uint16)(&n.Type)) {
		return Notify{}, r.truncated()
	}
	if spi > MaxSPI {
		return Notify{}, r.errorf(NotifyInvalidSPI, "%v SPI of %d octets", n.Protocol, spi)
	}
	if !r.bytes(&n.SPI, int(spi)) {
		return Notify{}, r.truncated()
	}
	n.Data = r.rest()
	return n, nil
}

// Append writes the body of a notify payload.
func (n Notify) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, n.DOI)
	b = append(b, byte(n.Protocol), byte(len(n.SPI)))
	b = binary.BigEndian.AppendUint16(b, uint16(n.Type))
	return append(append(b, n.SPI...), n.Data...)
}

func (n Notify) String() string {
	s := fmt.Sprintf("N{%v %v", n.Type, n.Protocol)
	if len(n.SPI) > 0 {
		s += fmt.Sprintf(" spi=0x%x", n.SPI)
	}
	return s + n.data() + "}"
}

func (n Notify) data() string {
	switch {
	case len(n.Data) == 0:
		return ""
	case len(n.Data) == 4 && (n.Type == NotifyRUThere || n.Type == NotifyRUThereAck):
		return fmt.Sprintf(" seq=%d", binary.BigEndian.Uint32(n.Data))
	case n.Type == NotifyResponderLifetime:
		if as, err := ParseAttributes(n.Data); err == nil {
			return attrString(n.Protocol, as)
		}
	}
	return fmt.Sprintf(" data(%d)", len(n.Data))
}

func (n Notify) LogValue() slog.Value { return slog.StringValue(n.String()) }
