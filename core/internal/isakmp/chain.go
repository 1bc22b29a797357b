package isakmp

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"slices"
)

// payloadHeaderLen is the size of the generic header, RFC 2408 §3.2.
const payloadHeaderLen = 4

// A PayloadType says what a payload is.
type PayloadType uint8

const (
	PayloadNone      PayloadType = 0
	PayloadSA        PayloadType = 1
	PayloadProposal  PayloadType = 2
	PayloadTransform PayloadType = 3
	PayloadKE        PayloadType = 4
	PayloadID        PayloadType = 5
	PayloadCERT      PayloadType = 6
	PayloadCR        PayloadType = 7
	PayloadHASH      PayloadType = 8
	PayloadSIG       PayloadType = 9
	PayloadNONCE     PayloadType = 10
	PayloadN         PayloadType = 11
	PayloadD         PayloadType = 12
	PayloadVID       PayloadType = 13
	PayloadAttr      PayloadType = 14 // draft-dukes-ike-mode-cfg
	PayloadNATD04    PayloadType = 15 // draft-ietf-ipsec-nat-t-ike-04 to -08
	PayloadNATOA04   PayloadType = 16 // draft-ietf-ipsec-nat-t-ike-04 to -08
	PayloadNATD      PayloadType = 20 // RFC 3947
	PayloadNATOA     PayloadType = 21 // RFC 3947

	PayloadNATDDraft  PayloadType = 130 // draft-ietf-ipsec-nat-t-ike-00 to -03
	PayloadNATOADraft PayloadType = 131 // draft-ietf-ipsec-nat-t-ike-00 to -03
	PayloadFragment   PayloadType = 132
)

// PayloadTypes is the table of PayloadType.
var PayloadTypes = Names{
	{uint32(PayloadNone), "NONE"},
	{uint32(PayloadSA), "SA"},
	{uint32(PayloadProposal), "P"},
	{uint32(PayloadTransform), "T"},
	{uint32(PayloadKE), "KE"},
	{uint32(PayloadID), "ID"},
	{uint32(PayloadCERT), "CERT"},
	{uint32(PayloadCR), "CR"},
	{uint32(PayloadHASH), "HASH"},
	{uint32(PayloadSIG), "SIG"},
	{uint32(PayloadNONCE), "NONCE"},
	{uint32(PayloadN), "N"},
	{uint32(PayloadD), "D"},
	{uint32(PayloadVID), "VID"},
	{uint32(PayloadAttr), "ATTR"},
	{uint32(PayloadNATD04), "NAT-D-04"},
	{uint32(PayloadNATOA04), "NAT-OA-04"},
	{uint32(PayloadNATD), "NAT-D"},
	{uint32(PayloadNATOA), "NAT-OA"},
	{uint32(PayloadNATDDraft), "NAT-D-DRAFT"},
	{uint32(PayloadNATOADraft), "NAT-OA-DRAFT"},
	{uint32(PayloadFragment), "FRAGMENT"},
}

func (t PayloadType) String() string       { return PayloadTypes.Name(uint32(t)) }
func (t PayloadType) LogValue() slog.Value { return slog.StringValue(t.String()) }

// IsPrivate is true of the range that RFC 2408 §3.1 leaves to private use: an
// unknown type of that range is ignored, any other is INVALID-PAYLOAD-TYPE.
func (t PayloadType) IsPrivate() bool { return t >= 128 }

// A Payload is one link of the chain, RFC 2408 §3.2. Body is what follows the
// generic header; in a received message it aliases the datagram.
type Payload struct {
	Type PayloadType
	Body []byte
}

// ParseChain cuts b, what follows the header of a clear or decrypted message,
// into at most MaxPayloads payloads; first is the header's Next. It returns
// also the octets after the last payload: CBC padding in a decrypted message.
// No payload type is refused, no body read.
func ParseChain(first PayloadType, b []byte) (ps []Payload, rest []byte, err error) {
	var buf [MaxPayloads]Payload
	n, r := 0, newReader(PayloadNone, b)
	for t := first; t != PayloadNone; n++ {
		if n == len(buf) {
			return nil, nil, r.errorf(0, "more than %d payloads", MaxPayloads)
		}
		next, body, err := r.link()
		if err != nil {
			return nil, nil, fmt.Errorf("payload %d, %v: %w", n+1, t, err)
		}
		buf[n] = Payload{t, body}
		t = next
	}
	return slices.Clone(buf[:n]), r.rest(), nil
}

// AppendChain writes the payloads with their generic headers. Bodies of more
// than MaxBody octets cannot be written: see [CheckSize].
func AppendChain(b []byte, ps []Payload) []byte {
	for i, p := range ps {
		next := PayloadNone
		if i+1 < len(ps) {
			next = ps[i+1].Type
		}
		b = append(b, byte(next), 0)
		b = binary.BigEndian.AppendUint16(b, uint16(payloadHeaderLen+len(p.Body)))
		b = append(b, p.Body...)
	}
	return b
}

// appendLink is AppendChain for one payload whose body appends itself.
func appendLink(b []byte, next PayloadType, body func([]byte) []byte) []byte {
	at := len(b)
	b = body(append(b, byte(next), 0, 0, 0))
	binary.BigEndian.PutUint16(b[at+2:], uint16(len(b)-at))
	return b
}

// CheckSize is the error of a message that no datagram or no length field can
// hold. Bodies with data from outside (certificates, configured texts) are
// checked with it before they are appended.
func CheckSize(ps []Payload) error {
	size := HeaderLen
	for _, p := range ps {
		if len(p.Body) > MaxBody {
			return fmt.Errorf("%v payload of %d octets, at most %d can be sent", p.Type, len(p.Body), MaxBody)
		}
		size += payloadHeaderLen + len(p.Body)
	}
	if size > MaxDatagram {
		return fmt.Errorf("message of %d octets, at most %d can be sent", size, MaxDatagram)
	}
	return nil
}

// ParseMessage reads a clear message, or one of fragments: both must fill the
// datagram. It does not look at the flags.
func ParseMessage(datagram []byte) (Header, []Payload, error) {
	h, err := ParseHeader(datagram)
	if err != nil {
		return Header{}, nil, err
	}
	if int(h.Length) != len(datagram) {
		return Header{}, nil, unequalLengths(lengthAt, "message length %d in a datagram of %d", h.Length, len(datagram))
	}
	ps, rest, err := ParseChain(h.Next, datagram[HeaderLen:])
	if err != nil {
		return Header{}, nil, err
	}
	if len(rest) > 0 {
		return Header{}, nil, unequalLengths(len(datagram)-len(rest), "%d octets after the last payload", len(rest))
	}
	return h, ps, nil
}

// AppendMessage writes a clear message: the header with Next and Length filled
// in, then the chain.
func AppendMessage(b []byte, h Header, ps []Payload) []byte {
	at := len(b)
	h.Next = PayloadNone
	if len(ps) > 0 {
		h.Next = ps[0].Type
	}
	b = AppendChain(h.Append(b), ps)
	binary.BigEndian.PutUint32(b[at+lengthAt:], uint32(len(b)-at))
	return b
}
