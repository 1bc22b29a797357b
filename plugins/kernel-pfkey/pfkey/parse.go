package pfkey

import (
	"fmt"
	"net/netip"
	"time"
)

// A received message: the header, and the extensions by type. The bodies alias the
// octets it was read from.
type received struct {
	sys    *System
	typ    uint8
	errno  uint8
	saType uint8
	seq    uint32
	pid    uint32
	ext    map[uint16][]byte // with their heads
}

// parse cuts a message into its extensions. One that comes twice, or whose length
// cannot be, makes it unreadable; one that we do not know does not.
func (s *System) parse(b []byte) (*received, error) {
	switch {
	case len(b) < sizeHeader:
		return nil, fmt.Errorf("PF_KEY message of %d octets", len(b))
	case b[hdrVersion] != version:
		return nil, fmt.Errorf("PF_KEY version %d", b[hdrVersion])
	case int(native.Uint16(b[hdrLen:]))*8 != len(b):
		return nil, fmt.Errorf("PF_KEY message says it has %d octets, and has %d", int(native.Uint16(b[hdrLen:]))*8, len(b))
	}
	m := &received{
		sys: s, typ: b[hdrType], errno: b[hdrErrno], saType: b[hdrSAType],
		seq: native.Uint32(b[hdrSeq:]), pid: native.Uint32(b[hdrPID:]), ext: make(map[uint16][]byte),
	}
	for rest := b[sizeHeader:]; len(rest) > 0; {
		// Every length was a multiple of 8 so far: a head is there.
		n, typ := int(native.Uint16(rest))*8, native.Uint16(rest[2:])
		if n == 0 || n > len(rest) {
			return nil, fmt.Errorf("PF_KEY extension %d of %d octets where %d are left", typ, n, len(rest))
		}
		if _, twice := m.ext[typ]; twice {
			return nil, fmt.Errorf("PF_KEY extension %d comes twice", typ)
		}
		m.ext[typ] = rest[:n]
		rest = rest[n:]
	}
	return m, nil
}

// get returns an extension of at least size octets. One that is not there is nil
// and no error.
func (m *received) get(typ uint16, size int) ([]byte, error) {
	e := m.ext[typ]
	if e != nil && len(e) < size {
		return nil, fmt.Errorf("PF_KEY extension %d has %d octets, want %d", typ, len(e), size)
	}
	return e, nil
}

// need is get for an extension that must be there.
func (m *received) need(typ uint16, size int) ([]byte, error) {
	e, err := m.get(typ, size)
	if err == nil && e == nil {
		err = fmt.Errorf("PF_KEY message %d without extension %d", m.typ, typ)
	}
	return e, err
}

// An endpoint is an address extension.
type endpoint struct {
	addr   netip.Addr
	port   uint16
	proto  uint8
	prefix uint8
}

func (m *received) address(typ uint16) (endpoint, error) {
	e, err := m.need(typ, sizeAddress+sizeSockIn)
	if err != nil {
		return endpoint{}, err
	}
	a, port, _, err := m.sys.getSockaddr(e[sizeAddress:])
	return endpoint{a, port, e[addrProto], e[addrPrefix]}, err
}

// addresses reads the two of an SA or a selector.
func (m *received) addresses() (src, dst endpoint, err error) {
	if src, err = m.address(extAddressSrc); err != nil {
		return src, dst, err
	}
	if dst, err = m.address(extAddressDst); err != nil {
		return src, dst, err
	}
	if src.addr.Is4() != dst.addr.Is4() {
		return src, dst, fmt.Errorf("PF_KEY message with addresses %v and %v of two families", src.addr, dst.addr)
	}
	return src, dst, nil
}

// A life is a lifetime extension: limits, or what is used of them.
type life struct {
	packets    uint32
	octets     uint64
	added, use uint64 // seconds, or seconds since 1970
}

func (m *received) life(typ uint16) (l life, there bool, err error) {
	e, err := m.get(typ, sizeLifetime)
	if err != nil || e == nil {
		return l, false, err
	}
	return life{
		packets: native.Uint32(e[lifeAllocations:]), octets: native.Uint64(e[lifeBytes:]),
		added: native.Uint64(e[lifeAdd:]), use: native.Uint64(e[lifeUse:]),
	}, true, nil
}

// maxSeconds is what fits a time.Duration.
const maxSeconds = uint64(1<<63-1) / uint64(time.Second)

func seconds(n uint64) time.Duration { return time.Duration(min(n, maxSeconds)) * time.Second }

func unixTime(n uint64) time.Time {
	if n == 0 || n > maxSeconds {
		return time.Time{}
	}
	return time.Unix(int64(n), 0)
}

// wholeSeconds rounds up: a limit of less than a second is not none.
func wholeSeconds(d time.Duration) uint64 { return uint64((d + time.Second - 1) / time.Second) }

// supported reads the algorithms of an answer to REGISTER.
func (m *received) supported(typ uint16) ([]supported, error) {
	e, err := m.get(typ, sizeSupported)
	if err != nil || e == nil {
		return nil, err
	}
	var list []supported
	for e = e[sizeSupported:]; len(e) >= sizeAlg; e = e[sizeAlg:] {
		list = append(list, supported{e[algID], native.Uint16(e[algMinBits:]), native.Uint16(e[algMaxBits:])})
	}
	return list, nil
}
