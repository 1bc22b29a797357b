package pfkey

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

var (
	native = binary.NativeEndian
	big    = binary.BigEndian
)

// A message is one that is being written. It has room for all of it: append must
// leave no copy of a key behind.
type message struct {
	sys *System
	b   []byte
}

// message begins one. seq 0 leaves the choice to the socket it is sent on.
func (s *System) message(typ, saType uint8, seq uint32) *message {
	b := make([]byte, sizeHeader, 2048)
	b[hdrVersion], b[hdrType], b[hdrSAType] = version, typ, saType
	native.PutUint32(b[hdrSeq:], seq)
	return &message{s, b}
}

// bytes ends the message.
func (m *message) bytes() []byte {
	native.PutUint16(m.b[hdrLen:], uint16(len(m.b)/8))
	return m.b
}

// ext appends an extension of size octets, padded to 8, and returns it.
func (m *message) ext(typ uint16, size int) []byte {
	at := len(m.b)
	m.b = append(m.b, make([]byte, (size+7)&^7)...)
	e := m.b[at:]
	native.PutUint16(e, uint16(len(e)/8))
	native.PutUint16(e[2:], typ)
	return e
}

func (m *message) address(typ uint16, p netip.Prefix, proto uint8, port uint16) {
	e := m.ext(typ, sizeAddress+m.sys.sockaddrSize(p.Addr()))
	e[addrProto], e[addrPrefix] = proto, byte(p.Bits())
	m.sys.putSockaddr(e[sizeAddress:], p.Addr(), port)
}

// endpoints appends the addresses of an SA. Their ports are 0: UDP ports have
// extensions of their own.
func (m *message) endpoints(src, dst netip.Addr) {
	m.address(extAddressSrc, netip.PrefixFrom(src, src.BitLen()), protoAny, 0)
	m.address(extAddressDst, netip.PrefixFrom(dst, dst.BitLen()), protoAny, 0)
}

func (m *message) key(typ uint16, k *kernel.AlgKey) {
	e := m.ext(typ, sizeKey+k.Key.Len())
	native.PutUint16(e[keyBits:], uint16(k.Key.Len()*8))
	copy(e[sizeKey:], k.Key.Reveal())
}

func (s *System) sockaddrSize(a netip.Addr) int {
	if a.Is4() {
		return sizeSockIn
	}
	return sizeSockIn6
}

func (s *System) putSockaddr(b []byte, a netip.Addr, port uint16) {
	family := s.Inet
	if a.Is6() {
		family = s.Inet6
	}
	if s.SockaddrLen {
		b[0], b[1] = byte(s.sockaddrSize(a)), byte(family)
	} else {
		native.PutUint16(b, family)
	}
	big.PutUint16(b[sockPort:], port)
	if a.Is4() {
		copy(b[sockIn:], a.AsSlice())
		return
	}
	copy(b[sockIn6:], a.AsSlice())
	native.PutUint32(b[sockIn6Scope:], scopeID(a.Zone()))
}

// scopeID is the number of an interface that is called by name or number.
func scopeID(zone string) uint32 {
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(n)
	}
	if i, err := net.InterfaceByName(zone); zone != "" && err == nil {
		return uint32(i.Index)
	}
	return 0
}

// getSockaddr reads a sockaddr; size is how many octets it has.
func (s *System) getSockaddr(b []byte) (a netip.Addr, port uint16, size int, err error) {
	if len(b) < sizeSockIn {
		return a, 0, 0, fmt.Errorf("sockaddr of %d octets", len(b))
	}
	family := native.Uint16(b)
	if s.SockaddrLen {
		family = uint16(b[1])
	}
	port = big.Uint16(b[sockPort:])
	switch {
	case family == s.Inet:
		return netip.AddrFrom4([4]byte(b[sockIn:])), port, sizeSockIn, nil
	case family == s.Inet6 && len(b) >= sizeSockIn6:
		raw := [16]byte(b[sockIn6:])
		if s.EmbedsScope && raw[0] == 0xfe && raw[1]&0xc0 == 0x80 { // KAME keeps the interface there
			raw[2], raw[3] = 0, 0
		}
		return netip.AddrFrom16(raw), port, sizeSockIn6, nil
	}
	return a, 0, 0, fmt.Errorf("sockaddr of family %d with %d octets", family, len(b))
}

// specified is a, and the zero Addr where a is only a placeholder.
func specified(a netip.Addr) netip.Addr {
	if a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}
