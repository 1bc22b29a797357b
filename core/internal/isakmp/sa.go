package isakmp

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"strings"
)

// DOIIPsec is the IPsec domain of interpretation, RFC 2407 §4.2.
const DOIIPsec = 1

// SituationIdentityOnly is the one situation without labels, RFC 2407 §4.2.1.
const SituationIdentityOnly = 1

// An SA is the body of a security association payload, RFC 2408 §3.4:
// alternatives in the sender's order. Consecutive proposals of equal number
// belong together (an ESP and an IPComp SA, say).
type SA struct {
	DOI, Situation uint32
	Proposals      []Proposal
}

// A Proposal is one protocol and the transforms to choose from, RFC 2408 §3.5.
type Proposal struct {
	Number     uint8
	Protocol   Protocol
	SPI        []byte // of the sender; ESP, AH: 4 octets; IPComp: 2 or 4; ISAKMP: 0 to 16
	Transforms []Transform
}

// A Transform is one choice, RFC 2408 §3.6. What its ID and attributes mean
// depends on the protocol.
type Transform struct {
	Number, ID uint8
	Attrs      []Attribute
}

// A Protocol of RFC 2407 §4.4.1.
type Protocol uint8

const (
	ProtoISAKMP Protocol = 1
	ProtoAH     Protocol = 2
	ProtoESP    Protocol = 3
	ProtoIPComp Protocol = 4
)

// Protocols is the table of Protocol.
var Protocols = Names{
	{uint32(ProtoISAKMP), "ISAKMP"},
	{uint32(ProtoAH), "AH"},
	{uint32(ProtoESP), "ESP"},
	{uint32(ProtoIPComp), "IPCOMP"},
}

func (p Protocol) String() string       { return Protocols.Name(uint32(p)) }
func (p Protocol) LogValue() slog.Value { return slog.StringValue(p.String()) }

// takesSPI is true if a proposal may have an SPI of n octets. A proposal of an
// unknown protocol is for others to skip.
func (p Protocol) takesSPI(n uint8) bool {
	switch p {
	case ProtoAH, ProtoESP:
		return n == 4
	case ProtoIPComp:
		return n == 2 || n == 4 // RFC 3173 §4.1: a CPI as it is or in four octets
	default:
		return n <= MaxSPI
	}
}

// AppendSPI writes an SPI of AH or ESP in four octets, or IPComp's CPI in two.
func (p Protocol) AppendSPI(b []byte, spi uint32) []byte {
	if p == ProtoIPComp {
		return binary.BigEndian.AppendUint16(b, uint16(spi))
	}
	return binary.BigEndian.AppendUint32(b, spi)
}

// ReadSPI reads one of AH, ESP or IPComp; false: it has not as many octets.
func (p Protocol) ReadSPI(b []byte) (uint32, bool) {
	switch {
	case len(b) == 4:
		return binary.BigEndian.Uint32(b), true
	case len(b) == 2 && p == ProtoIPComp:
		return uint32(binary.BigEndian.Uint16(b)), true
	}
	return 0, false
}

// ParseSA reads an SA payload. Another DOI or a situation with labels is an
// error: where their proposals begin is not known.
func ParseSA(body []byte) (SA, error) {
	var sa SA
	r := newReader(PayloadSA, body)
	at := r
	if !r.ReadUint32(&sa.DOI) {
		return SA{}, r.truncated()
	}
	if sa.DOI != DOIIPsec {
		return SA{}, at.errorf(NotifyDOINotSupported, "DOI %d", sa.DOI)
	}
	at = r
	if !r.ReadUint32(&sa.Situation) {
		return SA{}, r.truncated()
	}
	if sa.Situation != SituationIdentityOnly {
		return SA{}, at.errorf(NotifySituationNotSupported, "situation %#x", sa.Situation)
	}
	for more := true; more; {
		if len(sa.Proposals) == MaxProposals {
			return SA{}, r.errorf(0, "more than %d proposals", MaxProposals)
		}
		inner, last, err := r.item(PayloadProposal)
		if err != nil {
			return SA{}, err
		}
		p, err := parseProposal(inner)
		if err != nil {
			return SA{}, err
		}
		sa.Proposals = append(sa.Proposals, p)
		more = !last
	}
	return sa, nil
}

// item reads one proposal or transform of a list. What follows it is told
// twice, by its next payload (0 or the list's type) and by what is left; they
// must agree, so that nobody reads a proposal that others do not see.
func (r *reader) item(t PayloadType) (inner reader, last bool, err error) {
	at := *r
	next, body, err := r.link()
	if err != nil {
		return reader{}, false, err
	}
	switch {
	case next != PayloadNone && next != t:
		return reader{}, false, at.errorf(0, "next payload %d in a list of %v", uint8(next), t)
	case next == PayloadNone && !r.Empty():
		return reader{}, false, r.errorf(0, "%d octets after the last %v", len(r.String), t)
	}
	inner = r.sub(body)
	return inner, next == PayloadNone, nil
}

func parseProposal(r reader) (Proposal, error) {
	var p Proposal
	var spi, count uint8
	at := r
	if !r.ReadUint8(&p.Number) || !r.ReadUint8((*uint8)(&p.Protocol)) || !r.ReadUint8(&spi) || !r.ReadUint8(&count) {
		return Proposal{}, r.truncated()
	}
	if !p.Protocol.takesSPI(spi) {
		return Proposal{}, at.errorf(NotifyInvalidSPI, "%v SPI of %d octets", p.Protocol, spi)
	}
	if !r.bytes(&p.SPI, int(spi)) {
		return Proposal{}, r.truncated()
	}
	if count == 0 || count > MaxTransforms {
		return Proposal{}, at.errorf(0, "%d transforms, 1 to %d are accepted", count, MaxTransforms)
	}
	p.Transforms = make([]Transform, 0, min(int(count), len(r.String)/8))
	for more := true; more; {
		inner, last, err := r.item(PayloadTransform)
		if err != nil {
			return Proposal{}, err
		}
		t, err := parseTransform(inner)
		if err != nil {
			return Proposal{}, err
		}
		p.Transforms = append(p.Transforms, t)
		if more = !last; more && len(p.Transforms) == int(count) {
			return Proposal{}, r.errorf(0, "more than the %d transforms told", count)
		}
	}
	if len(p.Transforms) != int(count) {
		return Proposal{}, r.errorf(0, "%d transforms of the %d told", len(p.Transforms), count)
	}
	return p, nil
}

func parseTransform(r reader) (t Transform, err error) {
	if !r.ReadUint8(&t.Number) || !r.ReadUint8(&t.ID) || !r.Skip(2) {
		return Transform{}, r.truncated()
	}
	t.Attrs, err = r.attributes(MaxAttributes)
	return t, err
}

// Append writes the body of an SA payload.
func (sa SA) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, sa.DOI)
	b = binary.BigEndian.AppendUint32(b, sa.Situation)
	for i, p := range sa.Proposals {
		b = appendLink(b, follows(i+1 < len(sa.Proposals), PayloadProposal), p.append)
	}
	return b
}

func (p Proposal) append(b []byte) []byte {
	b = append(b, p.Number, byte(p.Protocol), byte(len(p.SPI)), byte(len(p.Transforms)))
	b = append(b, p.SPI...)
	for i, t := range p.Transforms {
		b = appendLink(b, follows(i+1 < len(p.Transforms), PayloadTransform), t.append)
	}
	return b
}

func (t Transform) append(b []byte) []byte {
	return AppendAttributes(append(b, t.Number, t.ID, 0, 0), t.Attrs)
}

func follows(more bool, t PayloadType) PayloadType {
	if more {
		return t
	}
	return PayloadNone
}

func (sa SA) String() string {
	s := make([]string, len(sa.Proposals))
	for i, p := range sa.Proposals {
		s[i] = p.String()
	}
	return "SA{" + strings.Join(s, "; ") + "}"
}

func (p Proposal) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "#%d %v", p.Number, p.Protocol)
	if len(p.SPI) > 0 {
		fmt.Fprintf(&s, " spi=0x%x", p.SPI)
	}
	for i, t := range p.Transforms {
		if i > 0 {
			s.WriteByte(',')
		}
		fmt.Fprintf(&s, " %d:%s%s", t.Number, TransformName(p.Protocol, t.ID), attrString(p.Protocol, t.Attrs))
	}
	return s.String()
}

// String does not know the protocol, so it names nothing.
func (t Transform) String() string {
	return fmt.Sprintf("%d:id=%d%s", t.Number, t.ID, attrString(0, t.Attrs))
}

func (sa SA) LogValue() slog.Value       { return slog.StringValue(sa.String()) }
func (p Proposal) LogValue() slog.Value  { return slog.StringValue(p.String()) }
func (t Transform) LogValue() slog.Value { return slog.StringValue(t.String()) }
