package isakmp

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"strings"
)

// A Delete is the body of a delete payload, RFC 2408 §3.15: SAs the sender has
// deleted. The SPIs of ESP and AH are those of its inbound SAs.
type Delete struct {
	DOI      uint32
	Protocol Protocol
	SPISize  uint8    // of each; ISAKMP: 16, both cookies
	SPIs     [][]byte // at most MaxDeleteSPIs
}

// ParseDelete reads a delete payload of any DOI and protocol.
func ParseDelete(body []byte) (Delete, error) {
	var d Delete
	var count uint16
	r := newReader(PayloadD, body)
	if !r.ReadUint32(&d.DOI) || !r.ReadUint8((*uint8)(&d.Protocol)) || !r.ReadUint8(&d.SPISize) || !r.ReadUint16(&count) {
		return Delete{}, r.truncated()
	}
	switch {
	case d.SPISize > MaxSPI || d.SPISize == 0 && count > 0:
		return Delete{}, r.errorf(NotifyInvalidSPI, "%d SPIs of %d octets", count, d.SPISize)
	case count > MaxDeleteSPIs:
		return Delete{}, r.errorf(0, "%d SPIs, at most %d are accepted", count, MaxDeleteSPIs)
	case len(r.String) != int(count)*int(d.SPISize):
		return Delete{}, r.errorf(0, "%d SPIs of %d octets in %d", count, d.SPISize, len(r.String))
	}
	for range count {
		var spi []byte
		r.bytes(&spi, int(d.SPISize))
		d.SPIs = append(d.SPIs, spi)
	}
	return d, nil
}

// Append writes the body of a delete payload.
func (d Delete) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, d.DOI)
	b = append(b, byte(d.Protocol), d.SPISize)
	b = binary.BigEndian.AppendUint16(b, uint16(len(d.SPIs)))
	for _, spi := range d.SPIs {
		b = append(b, spi...)
	}
	return b
}

func (d Delete) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "D{%v", d.Protocol)
	for _, spi := range d.SPIs {
		fmt.Fprintf(&s, " 0x%x", spi)
	}
	return s.String() + "}"
}

func (d Delete) LogValue() slog.Value { return slog.StringValue(d.String()) }
