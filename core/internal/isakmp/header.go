package isakmp

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strings"
)

// HeaderLen is the size of the header, RFC 2408 §3.1.
const HeaderLen = 28

const lengthAt = HeaderLen - 4

// Version1 is the version octet of IKEv1: major 1, minor 0.
const Version1 = 0x10

// A Cookie names one side of an ISAKMP SA.
type Cookie [8]byte

func (c Cookie) String() string       { return hex.EncodeToString(c[:]) }
func (c Cookie) LogValue() slog.Value { return slog.StringValue(c.String()) }

// IsZero is true of CKY-R in the first message of an exchange.
func (c Cookie) IsZero() bool { return c == Cookie{} }

// An ExchangeType says which payloads are to be expected.
type ExchangeType uint8

// Exchange types of RFC 2408 §3.1, RFC 2409 appendix A and draft-dukes-ike-mode-cfg.
const (
	Base               ExchangeType = 1
	IdentityProtection ExchangeType = 2 // main mode
	AuthenticationOnly ExchangeType = 3
	Aggressive         ExchangeType = 4
	Informational      ExchangeType = 5
	Transaction        ExchangeType = 6
	QuickMode          ExchangeType = 32
	NewGroup           ExchangeType = 33
)

// ExchangeTypes is the table of ExchangeType.
var ExchangeTypes = Names{
	{uint32(Base), "BASE"},
	{uint32(IdentityProtection), "ID_PROT"},
	{uint32(AuthenticationOnly), "AUTH_ONLY"},
	{uint32(Aggressive), "AGGRESSIVE"},
	{uint32(Informational), "INFORMATIONAL"},
	{uint32(Transaction), "TRANSACTION"},
	{uint32(QuickMode), "QUICK_MODE"},
	{uint32(NewGroup), "NEW_GROUP"},
}

func (t ExchangeType) String() string       { return ExchangeTypes.Name(uint32(t)) }
func (t ExchangeType) LogValue() slog.Value { return slog.StringValue(t.String()) }

// Flags of the header.
type Flags uint8

const (
	FlagEncryption Flags = 1
	FlagCommit     Flags = 2
	FlagAuthOnly   Flags = 4
)

func (f Flags) String() string {
	var s []string
	for bit := Flags(1); bit != 0; bit <<= 1 {
		switch f & bit {
		case 0:
		case FlagEncryption:
			s = append(s, "E")
		case FlagCommit:
			s = append(s, "C")
		case FlagAuthOnly:
			s = append(s, "A")
		default:
			s = append(s, fmt.Sprintf("%#x", uint8(bit)))
		}
	}
	return strings.Join(s, "|")
}

func (f Flags) LogValue() slog.Value { return slog.StringValue(f.String()) }

// A Header stands in front of every message.
type Header struct {
	CkyI, CkyR Cookie
	Next       PayloadType // first of the chain
	Version    uint8       // major version in the upper four bits
	Exchange   ExchangeType
	Flags      Flags
	MessageID  uint32
	Length     uint32 // of the whole message in octets, this header included
}

// ParseHeader reads the header of a datagram of at least 28 octets and checks
// 28 ≤ Length ≤ len(datagram). Whether Length may be less than the datagram
// depends on what follows: a sealed message is datagram[HeaderLen:Length], a
// clear one must fill the datagram ([ParseMessage] checks that). Version,
// exchange type and flags are the caller's to judge.
func ParseHeader(datagram []byte) (Header, error) {
	if len(datagram) < HeaderLen {
		return Header{}, unequalLengths(len(datagram), "%d octets are less than a header", len(datagram))
	}
	h := Header{
		CkyI:      Cookie(datagram[0:8]),
		CkyR:      Cookie(datagram[8:16]),
		Next:      PayloadType(datagram[16]),
		Version:   datagram[17],
		Exchange:  ExchangeType(datagram[18]),
		Flags:     Flags(datagram[19]),
		MessageID: binary.BigEndian.Uint32(datagram[20:24]),
		Length:    binary.BigEndian.Uint32(datagram[lengthAt:HeaderLen]),
	}
	if h.Length < HeaderLen || uint64(h.Length) > uint64(len(datagram)) {
		return Header{}, unequalLengths(lengthAt, "message length %d in a datagram of %d", h.Length, len(datagram))
	}
	return h, nil
}

// Append writes the header with Next and Length as they are.
func (h Header) Append(b []byte) []byte {
	b = append(b, h.CkyI[:]...)
	b = append(b, h.CkyR[:]...)
	b = append(b, byte(h.Next), h.Version, byte(h.Exchange), byte(h.Flags))
	b = binary.BigEndian.AppendUint32(b, h.MessageID)
	return binary.BigEndian.AppendUint32(b, h.Length)
}

// Major is the major version: 1 here, 2 is IKEv2.
func (h Header) Major() uint8 { return h.Version >> 4 }

func (h Header) String() string {
	s := fmt.Sprintf("%v %v:%v msgid=%08x", h.Exchange, h.CkyI, h.CkyR, h.MessageID)
	if h.Version != Version1 {
		s += fmt.Sprintf(" version=%d.%d", h.Major(), h.Version&15)
	}
	if h.Flags != 0 {
		s += " flags=" + h.Flags.String()
	}
	return s
}

func (h Header) LogValue() slog.Value { return slog.StringValue(h.String()) }
