package policy

import (
	"net/netip"
	"strconv"
	"time"
)

// SAInfo is one sainfo section: what may be negotiated for a pair of phase 2 identities.
type SAInfo struct {
	Where      Position
	Local      *SAID // nil = anonymous
	Remote     *SAID // nil = anonymous
	ClientAddr bool  // the remote id must be the client's address; Remote is nil
	From       *Identity
	Group      string // XAUTH user group
	RemoteID   uint32 // must equal Remote.Ph1ID

	PFSGroup   uint16 // 0 = none
	Lifetime   time.Duration
	LifetimeKB uint64      `json:",omitempty"` // octets an SA may carry, in units of 1024; 0 = without limit
	ESN        Toggle      `json:",omitempty"` // sequence numbers of 64 bits: Force, no others
	Encryption []Algorithm // ESP transforms
	Auth       []Algorithm // authentication attribute values; ID 0 = non_auth
	Comp       []Algorithm // IPComp transforms
}

// Algorithm is an RFC 2407 number with a key length in bits, 0 where fixed.
type Algorithm struct {
	ID      uint16
	KeyBits uint16
}

// SAID is a phase 2 identity of a sainfo header, comparable to an ID payload.
type SAID struct {
	Type  uint8 // RFC 2407 section 4.6.2.1
	Proto uint8 // 0 = any
	Port  uint16
	Data  []byte // as on the wire
	Text  string
}

// Selector is a set of packets, seen from one host: Local and Remote instead of
// source and destination, so that it reads the same for both directions.
type Selector struct {
	Local, Remote         netip.Prefix
	LocalPort, RemotePort uint16 // 0 = any
	Proto                 uint8  // 0 = any
}

// String is the selector in the words of setkey(8): "10.0.0.0/8[any] 10.1.0.0/16[any] any".
func (s Selector) String() string {
	end := func(p netip.Prefix, port uint16) string {
		if port == 0 {
			return p.String() + "[any]"
		}
		return p.String() + "[" + strconv.Itoa(int(port)) + "]"
	}
	proto := "any"
	if s.Proto != 0 {
		proto = strconv.Itoa(int(s.Proto))
	}
	return end(s.Local, s.LocalPort) + " " + end(s.Remote, s.RemotePort) + " " + proto
}

// String is the header, in the words of racoon.conf(5).
func (s *SAInfo) String() string {
	end := func(id *SAID) string {
		if id == nil {
			return "anonymous"
		}
		return id.Text
	}
	text := end(s.Local)
	switch {
	case s.ClientAddr:
		text += " clientaddr"
	case s.Remote != nil || s.Local != nil:
		text += " " + end(s.Remote)
	}
	if s.From != nil {
		text += " from " + s.From.Text
	}
	if s.Group != "" {
		text += " group " + strconv.Quote(s.Group)
	}
	if s.RemoteID != 0 {
		text += " (remoteid " + strconv.FormatUint(uint64(s.RemoteID), 10) + ")"
	}
	return text
}
