//go:build linux

package xfrm

import (
	"bytes"
	"math"
	"net/netip"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/kernel/txn"
)

// movesOnly says whether an UpdateSA gives an SA other end points, rather than
// keys: then it has new addresses, or no algorithm.
func movesOnly(sa *kernel.SA) bool {
	return sa.NewSrc.IsValid() || sa.NewDst.IsValid() || sa.Encr == nil && sa.Auth == nil && sa.Comp == 0
}

// moveSA gives an SA new addresses or UDP ports. The kernel changes neither in
// place, so the SA is read, deleted and put back with its keys, counters and
// replay state. Packets that pass in between find no SA.
func (b *Backend) moveSA(sa *kernel.SA) (txn.Undo, error) {
	id, err := encodeSAID(sa.Key)
	if err != nil {
		return nil, err
	}
	old, err := b.xfrm.get(msgGetSA, id)
	if err != nil {
		return nil, err
	}
	defer clear(old)
	moved, err := movedSA(old, sa)
	if err != nil {
		return nil, err
	}
	defer clear(moved)
	putBack, err := b.restorer(old)
	if err != nil {
		return nil, err
	}
	if err := b.xfrm.ack(msgDelSA, id); err != nil {
		return nil, err
	}
	if err := b.xfrm.ack(msgNewSA, moved); err != nil {
		if lost := putBack(); lost != nil {
			b.log.Error("an SA was lost while it got new addresses", "spi", sa.Key.SPI, "err", lost)
		}
		return nil, err
	}
	newKey := sa.Key
	if sa.NewDst.IsValid() {
		newKey.Dst = sa.NewDst
	}
	return func() error {
		if _, err := b.deleteSA(newKey, false); err != nil {
			return err
		}
		return putBack()
	}, nil
}

// restorer returns what puts an SA back after its deletion; old is the kernel's
// answer about it.
func (b *Backend) restorer(old []byte) (txn.Undo, error) {
	same, err := movedSA(old, &kernel.SA{})
	if err != nil {
		return nil, err
	}
	return func() error {
		defer clear(same)
		return b.xfrm.ack(msgNewSA, same)
	}, nil
}

// seqJump is added to the sequence number of an outbound SA that is moved: what
// it sent between our read and its deletion must not be used twice, or AES-GCM
// and AES-CTR lose their secrets.
const seqJump = 1 << 16

// movedSA makes of the kernel's answer about an SA the body of the XFRM_MSG_NEWSA
// that makes it again with the new end points of sa.
func movedSA(old []byte, sa *kernel.SA) ([]byte, error) {
	if err := need(old, sizeSAInfo, "xfrm_usersa_info"); err != nil {
		return nil, err
	}
	family := native.Uint16(old[saFamily:])
	src, dst := getAddr(old[saSrc:], family), getAddr(old[saDst:], family)
	newSrc, newDst := src, dst
	if sa.NewSrc.IsValid() {
		newSrc = sa.NewSrc.Unmap()
	}
	if sa.NewDst.IsValid() {
		newDst = sa.NewDst.Unmap()
	}
	if newSrc.Is4() != src.Is4() || newDst.Is4() != dst.Is4() {
		return nil, unsupported("moving an SA from %v -> %v to %v -> %v: the family must stay", src, dst, newSrc, newDst)
	}
	b := make([]byte, sizeSAInfo, len(old)+sizeLifeCur+sizeEncap+16)
	copy(b, old)
	putAddr(b[saSrc:], newSrc)
	putAddr(b[saDst:], newDst)
	moveSelector(b[saSel+selSrc:], b[saSel+selSrcLen], src, newSrc)
	moveSelector(b[saSel+selDst:], b[saSel+selDstLen], dst, newDst)
	b = appendAttr(b, attrLifetimeVal, old[saCur:saCur+sizeLifeCur]) // else the life begins anew
	inbound := false
	err := eachAttr(old[sizeSAInfo:], func(typ uint16, data []byte) error {
		inbound = inbound || typ == attrSADir && len(data) == 1 && data[0] == saDirIn
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = eachAttr(old[sizeSAInfo:], func(typ uint16, data []byte) error {
		switch typ {
		case attrLastUsed, attrLifetimeVal:
			return nil
		case attrEncap:
			if sa.Encap != nil {
				return nil
			}
		case attrReplayVal, attrReplayESN:
			if inbound { // the kernel wants 0 there; without a direction it does not mind
				break
			}
			data = bytes.Clone(data)
			if err := jumpSequence(typ, data, old[saFlags]&flagESN != 0); err != nil {
				return err
			}
		}
		b = appendAttr(b, typ, data)
		return nil
	})
	if err != nil {
		clear(b)
		return nil, err
	}
	if sa.Encap != nil {
		b = appendAttr(b, attrEncap, encap(sa.Encap))
	}
	return b, nil
}

// moveSelector follows the SA's end point where the selector is just that.
func moveSelector(b []byte, bits byte, from, to netip.Addr) {
	if int(bits) == from.BitLen() && bytes.Equal(b[:bits/8], from.AsSlice()) {
		putAddr(b, to)
	}
}

func jumpSequence(typ uint16, data []byte, esn bool) error {
	size, low := sizeReplay, replayOSeq
	if typ == attrReplayESN {
		size, low = sizeReplayESN, esnOSeq
	}
	if err := need(data, size, "replay state"); err != nil {
		return err
	}
	n := uint64(native.Uint32(data[low:])) + seqJump
	native.PutUint32(data[low:], uint32(n))
	switch {
	case n <= math.MaxUint32:
	case !esn || typ != attrReplayESN:
		return invalid("sequence numbers are nearly used up: make a new SA instead of moving this one")
	default:
		native.PutUint32(data[esnOSeqHi:], native.Uint32(data[esnOSeqHi:])+1)
	}
	return nil
}
