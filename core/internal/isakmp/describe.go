package isakmp

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// Describe writes one line about a datagram, without a newline:
//
//	ID_PROT 514d45f2ec1cd097:0000000000000000 msgid=00000000 [SA{…} VID(16)]
//
// What is sealed is told by its size, what is malformed by its error.
func Describe(w io.Writer, datagram []byte) error {
	_, err := io.WriteString(w, describe(datagram))
	return err
}

func describe(datagram []byte) string {
	h, err := ParseHeader(datagram)
	switch {
	case err != nil:
		return fmt.Sprintf("malformed(%d): %v", len(datagram), err)
	case h.Major() != 1:
		return fmt.Sprintf("%v (%d)", h, h.Length)
	case h.Flags&FlagEncryption != 0 && h.Next != PayloadFragment:
		return fmt.Sprintf("%v sealed(%d)", h, h.Length-HeaderLen)
	}
	_, ps, err := ParseMessage(datagram)
	if err != nil {
		return fmt.Sprintf("%v malformed(%d): %v", h, len(datagram), err)
	}
	return DescribeMessage(h, ps)
}

// DescribeMessage is the line of Describe for a message in parts, which may
// have been sealed.
func DescribeMessage(h Header, ps []Payload) string {
	s := make([]string, len(ps))
	for i, p := range ps {
		s[i] = p.String()
	}
	return fmt.Sprintf("%v [%s]", h, strings.Join(s, " "))
}

// String decodes the body. Keys, hashes, nonces and what is unknown are told
// by their size, a malformed body by its error.
func (p Payload) String() string {
	v, err := p.parse()
	switch {
	case err != nil:
		return fmt.Sprintf("%v(%d: %v)", p.Type, len(p.Body), err)
	case v == nil:
		return fmt.Sprintf("%v(%d)", p.Type, len(p.Body))
	}
	return v.String()
}

func (p Payload) LogValue() slog.Value { return slog.StringValue(p.String()) }

// parse is nil for payloads of plain octets.
func (p Payload) parse() (fmt.Stringer, error) {
	switch p.Type {
	case PayloadSA:
		return ParseSA(p.Body)
	case PayloadID:
		return ParseID(p.Body)
	case PayloadCERT:
		return ParseCert(p.Body)
	case PayloadCR:
		return ParseCertRequest(p.Body)
	case PayloadNONCE:
		_, err := ParseNonce(p.Body)
		return nil, err
	case PayloadN:
		return ParseNotify(p.Body)
	case PayloadD:
		return ParseDelete(p.Body)
	case PayloadAttr:
		return ParseConfig(p.Body)
	case PayloadNATOA, PayloadNATOADraft, PayloadNATOA04:
		return ParseNATOA(p.Body)
	case PayloadFragment:
		return ParseFragment(p.Body)
	case PayloadVID:
		if v, rest := ParseVendorID(p.Body); v != VendorUnknown {
			return said{v, rest}, nil
		}
		return nil, nil
	default:
		return nil, nil
	}
}
