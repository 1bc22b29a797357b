// Package capture records what a link carries and judges whether anything
// that should have been protected was sent in the clear.
package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
)

// Kind is what a frame is to an observer who has no keys.
type Kind int

const (
	Other    Kind = iota // no IP, or IP that is none of the following
	ESP                  // IP protocol 50
	IKE                  // UDP 500, or UDP 4500 behind the non-ESP marker
	ESPinUDP             // RFC 3948
	AH                   // IP protocol 51
	IPComp               // IP protocol 108: smaller, and no secret
)

func (k Kind) String() string {
	return [...]string{"other", "ESP", "IKE", "ESP in UDP", "AH", "IPComp"}[k]
}

// Frame is one Ethernet frame, as far as the judgement needs it.
type Frame struct {
	Kind     Kind
	Src, Dst netip.Addr // invalid when the frame is not IP
	Proto    byte       // IP protocol
	Rest     bool       // a fragment but the first: no transport header
	SPI      uint32     // of ESP, of ESP in UDP, and of AH; of IPComp the CPI
	Visible  string     // protocols of IPsec that can be seen, inside first, as "esp+ah"
	Len      int        // octets of the IP packet
	IKEFrag  bool       // IKE, in a fragment of its own making
	id       uint32     // of the fragmented datagram
	icmpType byte
}

var errShort = errors.New("frame is cut short")

const (
	etherIPv4, etherIPv6 = 0x0800, 0x86dd

	protoICMP, protoUDP, protoFragment, protoESP, protoAH, protoICMPv6, protoIPComp = 1, 17, 44, 50, 51, 58, 108
)

// Parse reads an Ethernet frame. A frame whose IP header is damaged is an
// error: it cannot be judged, so it must not be passed over.
func Parse(b []byte) (Frame, error) {
	if len(b) < 14 {
		return Frame{}, errShort
	}
	switch payload := b[14:]; binary.BigEndian.Uint16(b[12:]) {
	case etherIPv4:
		return parseIPv4(payload)
	case etherIPv6:
		return parseIPv6(payload)
	}
	return Frame{}, nil
}

func parseIPv4(b []byte) (f Frame, err error) {
	if len(b) < 20 || int(b[0]&15)*4 < 20 || len(b) < int(b[0]&15)*4 {
		return f, errShort
	}
	f.Src, _ = netip.AddrFromSlice(b[12:16])
	f.Dst, _ = netip.AddrFromSlice(b[16:20])
	f.Proto, f.Len = b[9], int(binary.BigEndian.Uint16(b[2:]))
	f.Rest = binary.BigEndian.Uint16(b[6:])&0x1fff != 0
	f.id = uint32(binary.BigEndian.Uint16(b[4:]))
	return f.transport(b[int(b[0]&15)*4:])
}

func parseIPv6(b []byte) (f Frame, err error) {
	if len(b) < 40 {
		return f, errShort
	}
	f.Src, _ = netip.AddrFromSlice(b[8:24])
	f.Dst, _ = netip.AddrFromSlice(b[24:40])
	f.Proto, f.Len = b[6], 40+int(binary.BigEndian.Uint16(b[4:]))
	b = b[40:]
	// RFC 8200 §4: extension headers before the upper layer.
	for {
		switch f.Proto {
		case 0, 43, 60: // hop-by-hop, routing, destination options
			if len(b) < 8 || len(b) < 8+8*int(b[1]) {
				return f, errShort
			}
			f.Proto, b = b[0], b[8+8*int(b[1]):]
		case protoFragment:
			if len(b) < 8 {
				return f, errShort
			}
			f.Rest = binary.BigEndian.Uint16(b[2:])&0xfff8 != 0
			f.id = binary.BigEndian.Uint32(b[4:])
			f.Proto, b = b[0], b[8:]
			if f.Rest {
				return f.transport(nil)
			}
		default:
			return f.transport(b)
		}
	}
}

// transport finds out what the IP payload is.
func (f Frame) transport(b []byte) (Frame, error) {
	switch {
	case f.Proto == protoESP:
		f.Kind, f.Visible = ESP, "esp"
		f.spi(b)
	case f.Proto == protoAH: // RFC 4302 §2: next header, length, reserved, SPI
		f.Kind, f.Visible = AH, "ah"
		f.spi(b[min(4, len(b)):])
		if !f.Rest && len(b) > 0 {
			switch b[0] {
			case protoESP:
				f.Visible = "esp+ah"
			case protoIPComp:
				f.Visible = "ipcomp+ah"
			}
		}
	case f.Proto == protoIPComp: // RFC 3173 §3: next header, flags, CPI
		f.Kind, f.Visible = IPComp, "ipcomp"
		if !f.Rest && len(b) >= 4 {
			f.SPI = uint32(binary.BigEndian.Uint16(b[2:]))
		}
	case f.Rest:
	case f.Proto == protoUDP:
		if len(b) < 8 {
			return f, errShort
		}
		switch f.Kind = udpKind(binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:]), b[8:]); f.Kind {
		case ESPinUDP:
			f.Visible = "esp"
			f.spi(b[8:])
		case IKE:
			f.IKEFrag = ikeFragment(b[8:])
		}
	case (f.Proto == protoICMP || f.Proto == protoICMPv6) && len(b) > 0:
		f.icmpType = b[0]
	}
	return f, nil
}

func (f *Frame) spi(b []byte) {
	if !f.Rest && len(b) >= 4 {
		f.SPI = binary.BigEndian.Uint32(b)
	}
}

func udpKind(src, dst uint16, b []byte) Kind {
	switch {
	case src == 500 || dst == 500:
		return IKE
	case src != 4500 && dst != 4500:
		return Other
	case len(b) >= 4 && binary.BigEndian.Uint32(b) != 0:
		return ESPinUDP
	}
	return IKE // the non-ESP marker, or a NAT keepalive (RFC 3948 §2.3)
}

// ikeFragment looks at the first payload of an ISAKMP message (RFC 2408 §3.1);
// a responder's cookie is never zero in a fragment, so a non-ESP marker shows.
func ikeFragment(b []byte) bool {
	const headerLen, nextPayload, fragmentPayload = 28, 16, 132
	if len(b) >= 4 && binary.BigEndian.Uint32(b) == 0 {
		b = b[4:]
	}
	return len(b) >= headerLen && b[nextPayload] == fragmentPayload
}

func (f Frame) String() string {
	if !f.Src.IsValid() {
		return "not IP"
	}
	what := f.Kind.String()
	if f.Kind == Other {
		what = fmt.Sprintf("protocol %d", f.Proto)
		switch {
		case f.Proto == protoICMP || f.Proto == protoICMPv6:
			what = fmt.Sprintf("ICMP type %d", f.icmpType)
		case f.Proto == protoUDP:
			what = "UDP"
		}
	}
	return fmt.Sprintf("%s %s -> %s", what, f.Src, f.Dst)
}
