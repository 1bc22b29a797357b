package pfkey

import (
	"errors"
	"net/netip"
	"syscall"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/kernel/txn"
)

// movesOnly says whether an UpdateSA gives an SA other end points, rather than keys.
func movesOnly(sa *kernel.SA) bool {
	return sa.NewSrc.IsValid() || sa.NewDst.IsValid() || sa.Encr == nil && sa.Auth == nil && sa.Comp == 0
}

// moveSA gives an SA new addresses or UDP ports. Its keys, counters and sequence
// numbers stay with the kernel.
func (b *Backend) moveSA(sa *kernel.SA) (txn.Undo, error) {
	get, err := b.sys.encodeSAID(msgGet, sa.Key)
	if err != nil {
		return nil, err
	}
	var there, back []byte
	err = b.conn.ask(get, func(m *received) (err error) {
		there, back, err = b.sys.encodeMoves(m, sa)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := b.conn.do(there); errors.Is(err, syscall.EINVAL) {
		return nil, unsupported("the kernel does not move this SA: PF_KEY of %s lets only the process do so that has made it", b.sys.Name)
	} else if err != nil {
		return nil, err
	}
	return func() error { return wrap(describeKey(sa.Key), b.conn.do(back)) }, nil
}

// encodeMoves returns the UPDATE that moves an SA, and the one that moves it back. was
// is what GET says of it.
func (s *System) encodeMoves(was *received, sa *kernel.SA) (there, back []byte, err error) {
	key, err := was.saKey()
	if err != nil {
		return nil, nil, err
	}
	src, dst := key.Src, key.Dst
	if sa.NewSrc.IsValid() {
		src = sa.NewSrc
	}
	if sa.NewDst.IsValid() {
		dst = sa.NewDst
	}
	if src, dst, err = endpoints(src, dst); err != nil {
		return nil, nil, err
	}
	if src.Is4() != key.Src.Is4() {
		return nil, nil, unsupported("moving an SA from %v -> %v to %v -> %v: the family must stay", key.Src, key.Dst, src, dst)
	}
	moved := key
	moved.Src, moved.Dst = src, dst
	if there, err = s.encodeMove(was, key, moved, sa); err != nil {
		return nil, nil, err
	}
	back, err = s.encodeMove(was, moved, key, &kernel.SA{})
	return there, back, err
}

// encodeMove: the SA is found by the addresses and the mode and reqid it has, and is put
// where those of the message say. What is left out of lifetimes and encapsulation it
// loses, so what it has is said again; keys and algorithms must not be.
func (s *System) encodeMove(was *received, from, to kernel.Key, sa *kernel.SA) ([]byte, error) {
	sa2, err := was.need(extSA2, sizeSA2)
	if err != nil {
		return nil, err
	}
	m := s.message(msgUpdate, was.saType, 0)
	e := m.ext(extSA, s.SASize)
	big.PutUint32(e[saSPI:], from.SPI)
	e[saState] = stateMature
	m.sa2(sa2[sa2Mode], native.Uint32(sa2[sa2ReqID:]))
	m.endpoints(from.Src, from.Dst)
	m.again(was, extLifetimeHard, extLifetimeSoft)
	if n := s.NATT; sa.Encap != nil {
		m.natt(sa.Encap, sa.Dir)
	} else {
		m.again(was, n.Type, n.SrcPort, n.DstPort, n.OrigSrc, n.OrigDst)
	}
	m.moved(s.NewSrc, from.Src, to.Src)
	m.moved(s.NewDst, from.Dst, to.Dst)
	return m.bytes(), nil
}

// moved appends a new address, if it is one.
func (m *message) moved(typ uint16, from, to netip.Addr) {
	if from != to {
		m.address(typ, netip.PrefixFrom(to, to.BitLen()), protoAny, 0)
	}
}

// again appends extensions as they came.
func (m *message) again(was *received, types ...uint16) {
	for _, t := range types {
		m.b = append(m.b, was.ext[t]...)
	}
}
