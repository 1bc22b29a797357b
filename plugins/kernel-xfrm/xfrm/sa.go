//go:build linux

package xfrm

import (
	"fmt"
	"math/bits"
	"net/netip"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// saOptions is what the encoding of an SA needs to know besides the SA.
type saOptions struct {
	window  uint32 // of inbound SAs that name none, packets
	withDir bool   // the kernel knows XFRMA_SA_DIR
	offload uint32 // index of the interface that does the work; 0 is none
}

func describeKey(k kernel.Key) string {
	proto := map[uint8]string{protoESP: "esp", protoAH: "ah", protoIPComp: "comp"}[k.Proto]
	if proto == "" {
		proto = fmt.Sprint("proto ", k.Proto)
	}
	return fmt.Sprintf("%s spi 0x%08x to %v", proto, k.SPI, k.Dst)
}

// endpoints checks that src and dst are two addresses of one family.
func endpoints(src, dst netip.Addr) (netip.Addr, netip.Addr, error) {
	src, dst = src.Unmap(), dst.Unmap()
	if !src.IsValid() || !dst.IsValid() || src.Is4() != dst.Is4() {
		return src, dst, invalid("addresses %v -> %v: want two of one family", src, dst)
	}
	return src, dst, nil
}

// encodeSA returns the body of XFRM_MSG_NEWSA or UPDSA. The caller wipes it.
func encodeSA(sa *kernel.SA, opt saOptions) ([]byte, error) {
	src, dst, err := endpoints(sa.Key.Src, sa.Key.Dst)
	if err != nil {
		return nil, err
	}
	mode, ok := modeToKernel[sa.Mode]
	if !ok {
		return nil, unsupported("SA mode %d", sa.Mode)
	}
	switch {
	case sa.Label != "":
		return nil, unsupported("security label on an SA")
	case sa.Dir > kernel.Out:
		return nil, unsupported("SA direction %d", sa.Dir)
	case sa.Key.SPI == 0:
		return nil, invalid("SA with SPI 0")
	case sa.Mode == kernel.ModeBEET && sa.Sel == nil:
		return nil, invalid("an SA of BEET mode without a selector: it has the inner addresses")
	}
	b := make([]byte, sizeSAInfo, 1024) // room for all attributes: append must leave no copy of a key behind
	if sa.Sel != nil {
		if err := putSelector(b[saSel:], *sa.Sel); err != nil {
			return nil, err
		}
	} else if mode != modeTransport {
		b[saFlags] |= flagAFUnspec // the inner packets may be of either family
	}
	if sa.Key.Proto == protoAH && dst.Is4() {
		b[saFlags] |= flagAlign4 // RFC 4302 section 3.3.3.2.1: 4 octets for IPv4; the kernel's 8 are read by nobody else
	}
	putAddr(b[saDst:], dst)
	big.PutUint32(b[saSPI:], sa.Key.SPI)
	b[saProto] = sa.Key.Proto
	putAddr(b[saSrc:], src)
	putLifetime(b[saLife:], sa.Life)
	native.PutUint32(b[saSeq:], sa.Seq)
	native.PutUint32(b[saReqID:], sa.ReqID)
	native.PutUint16(b[saFamily:], familyOf(dst))
	b[saMode] = mode
	if b, err = appendAlgs(b, sa); err != nil {
		return nil, err
	}
	if b, err = appendReplay(b, sa, opt); err != nil {
		return nil, err
	}
	if sa.Encap != nil {
		if sa.Key.Proto != protoESP {
			return nil, invalid("UDP encapsulation of protocol %d", sa.Key.Proto)
		}
		b = appendAttr(b, attrEncap, encap(sa.Encap))
	}
	b = appendMark(b, sa.Key.Mark)
	if m := sa.OutputMark; m != nil {
		b = appendAttr32(b, attrSetMark, m.Value)
		b = appendAttr32(b, attrSetMarkMask, m.Mask)
	}
	b = appendIfID(b, sa.Key.IfID)
	if opt.offload != 0 {
		b = appendOffload(b, sa, opt.offload)
	}
	if opt.withDir && sa.Dir != 0 {
		b = appendAttr(b, attrSADir, []byte{map[kernel.Direction]byte{kernel.In: saDirIn, kernel.Out: saDirOut}[sa.Dir]})
	}
	return b, nil
}

// appendReplay sets the replay window, always on for an inbound SA (or one of no
// stated direction), and extended sequence numbers.
func appendReplay(b []byte, sa *kernel.SA, opt saOptions) ([]byte, error) {
	window := sa.ReplayWindow
	switch {
	case sa.Key.Proto == protoIPComp: // has no sequence numbers
		return b, nil
	case sa.NoReplay && sa.ESN:
		return nil, invalid("extended sequence numbers without anti-replay") // RFC 4304: the window tells the upper half
	case sa.NoReplay:
		return b, nil
	case sa.Dir == kernel.Out:
		window = 0
	case window == 0:
		window = opt.window
	}
	if sa.Dir != kernel.Out {
		window = max(window, replayLegacy) // RFC 2406 section 3.4.3: at least 32
	}
	if window > replayESNMax {
		return nil, invalid("a replay window of %d packets; the kernel has at most %d", window, replayESNMax)
	}
	if window > replayLegacy {
		// The kernel finds a packet's bit by sequence number modulo window, from 2^32-1 on
		// in a new SA: with another window than a power of two it forgets the first packet.
		window = 1 << bits.Len32(window-1)
	}
	if !sa.ESN && window <= replayLegacy {
		b[saWindow] = byte(window)
		return b, nil
	}
	if sa.ESN {
		b[saFlags] |= flagESN
		if window == 0 && !opt.withDir {
			window = replayLegacy // a kernel that does not know directions wants a window for ESN, both ways
		}
	}
	esn := make([]byte, sizeReplayESN) // the kernel takes an absent bitmap for an empty one
	native.PutUint32(esn, (window+31)/32)
	native.PutUint32(esn[esnWindow:], window)
	return appendAttr(b, attrReplayESN, esn), nil
}

// encap encodes an xfrm_encap_tmpl.
func encap(e *kernel.Encap) []byte {
	b := make([]byte, sizeEncap)
	native.PutUint16(b[encapType:], encapESPInUDP)
	big.PutUint16(b[encapSrc:], e.SrcPort)
	big.PutUint16(b[encapDst:], e.DstPort)
	putAddr(b[encapOA:], e.OrigDst.Unmap())
	return b
}

// encodeSAID returns an xfrm_usersa_id with the mark that is part of the name:
// the body of XFRM_MSG_DELSA and GETSA.
func encodeSAID(k kernel.Key) ([]byte, error) {
	dst := k.Dst.Unmap()
	if !dst.IsValid() || k.SPI == 0 {
		return nil, invalid("an SA is named by destination, protocol and SPI; got %s", describeKey(k))
	}
	b := make([]byte, sizeSAID, 64)
	putAddr(b[idDst:], dst)
	big.PutUint32(b[idSPI:], k.SPI)
	native.PutUint16(b[idFamily:], familyOf(dst))
	b[idProto] = k.Proto
	return appendMark(b, k.Mark), nil
}

func decodeSAID(b []byte) (kernel.Key, error) {
	if err := need(b, sizeSAID, "xfrm_usersa_id"); err != nil {
		return kernel.Key{}, err
	}
	return kernel.Key{
		Dst:   getAddr(b[idDst:], native.Uint16(b[idFamily:])),
		SPI:   big.Uint32(b[idSPI:]),
		Proto: b[idProto],
	}, nil
}

// decodeSA reads an xfrm_usersa_info and its attributes. now tells how much of
// the life time is used.
func decodeSA(b []byte, now time.Time, withKeys bool) (kernel.Object, error) {
	if err := need(b, sizeSAInfo, "xfrm_usersa_info"); err != nil {
		return kernel.Object{}, err
	}
	family := native.Uint16(b[saFamily:])
	sa := &kernel.SA{
		Key: kernel.Key{
			Src: getAddr(b[saSrc:], family), Dst: getAddr(b[saDst:], family),
			SPI: big.Uint32(b[saSPI:]), Proto: b[saProto],
		},
		Seq:          native.Uint32(b[saSeq:]),
		ReqID:        native.Uint32(b[saReqID:]),
		Mode:         modeFromKernel[b[saMode]],
		Life:         getLifetime(b[saLife:]),
		ReplayWindow: uint32(b[saWindow]),
		ESN:          b[saFlags]&flagESN != 0,
	}
	if sel, ok := getSelector(b[saSel:]); ok {
		sa.Sel = &sel
	}
	if sa.Mode == kernel.ModeTransport && sa.Sel != nil && isAny(*sa.Sel) {
		sa.Sel = nil // the kernel's, for an SA that got none
	}
	o := kernel.Object{SA: sa, Stats: getStats(b[saCur:])}
	// What is behind the window and what was seen before are counted apart.
	o.Stats.ReplayErrors = uint64(native.Uint32(b[saStatWindow:])) + uint64(native.Uint32(b[saStatReplay:]))
	o.Stats.IntegrityErrors = uint64(native.Uint32(b[saStatIntegrity:]))
	err := eachAttr(b[sizeSAInfo:], func(typ uint16, data []byte) error {
		if typ == attrLastUsed {
			if err := need(data, 8, "XFRMA_LASTUSED"); err != nil {
				return err
			}
			o.Stats.LastUse = getUnix(data)
			return nil
		}
		return saAttr(sa, typ, data, withKeys)
	})
	if err != nil {
		return kernel.Object{}, fmt.Errorf("SA %s: %w", describeKey(sa.Key), err)
	}
	sa.Current = kernel.Lifetime{HardBytes: o.Stats.Bytes, HardPackets: o.Stats.Packets}
	if !o.Stats.Added.IsZero() {
		sa.Current.HardTime = max(0, now.Sub(o.Stats.Added))
	}
	sa.State = stateOf(sa)
	return o, nil
}

// saAttr puts one attribute into sa.
func saAttr(sa *kernel.SA, typ uint16, data []byte, withKeys bool) (err error) {
	switch typ {
	case attrAlgCrypt, attrAlgAEAD:
		sa.Encr, err = getAlgKey(encrAlgs, data, typ == attrAlgAEAD, withKeys)
	case attrAlgAuthTrunc:
		sa.Auth, err = getAlgKey(authAlgs, data, true, withKeys)
	case attrAlgComp:
		var name string
		if name, _, _, err = getAlgo(data, false); err == nil {
			sa.Comp = algByName(compAlgs, name, 0)
		}
	case attrEncap:
		if err = need(data, sizeEncap, "XFRMA_ENCAP"); err == nil {
			sa.Encap = &kernel.Encap{
				SrcPort: big.Uint16(data[encapSrc:]), DstPort: big.Uint16(data[encapDst:]),
				OrigDst: getAddr(data[encapOA:], familyOf(sa.Key.Dst)),
			}
		}
	case attrReplayESN:
		if err = need(data, sizeReplayESN, "XFRMA_REPLAY_ESN_VAL"); err == nil {
			sa.ReplayWindow = native.Uint32(data[esnWindow:])
		}
	case attrMark:
		sa.Key.Mark, err = getMark(data)
	case attrIfID:
		sa.Key.IfID, err = getUint32(data, "XFRMA_IF_ID")
	case attrSetMark, attrSetMarkMask:
		if sa.OutputMark == nil {
			sa.OutputMark = new(kernel.Mark)
		}
		field := &sa.OutputMark.Value
		if typ == attrSetMarkMask {
			field = &sa.OutputMark.Mask
		}
		*field, err = getUint32(data, "XFRMA_SET_MARK")
	case attrSADir:
		if err = need(data, 1, "XFRMA_SA_DIR"); err == nil {
			sa.Dir = map[byte]kernel.Direction{saDirIn: kernel.In, saDirOut: kernel.Out}[data[0]]
		}
	}
	return err
}

func getAlgKey(table []alg, data []byte, hasICV, withKeys bool) (*kernel.AlgKey, error) {
	name, icv, key, err := getAlgo(data, hasICV)
	if err != nil {
		return nil, err
	}
	k := &kernel.AlgKey{ID: algByName(table, name, icv), Trunc: uint16(icv)}
	if withKeys {
		k.Key = secret.New(key)
	} else {
		clear(key)
	}
	return k, nil
}

// stateOf infers what the kernel does not tell. A larval SA is one without
// algorithms; one past a soft limit is dying.
func stateOf(sa *kernel.SA) kernel.SAState {
	over := func(used, limit uint64) bool { return limit != 0 && used >= limit }
	switch {
	case sa.Encr == nil && sa.Auth == nil && sa.Comp == 0:
		return kernel.Larval
	case over(uint64(sa.Current.HardTime), uint64(sa.Life.SoftTime)),
		over(sa.Current.HardBytes, sa.Life.SoftBytes),
		over(sa.Current.HardPackets, sa.Life.SoftPackets):
		return kernel.Dying
	}
	return kernel.Mature
}
