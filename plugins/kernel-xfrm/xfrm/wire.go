//go:build linux

package xfrm

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"syscall"
	"time"

	"github.com/mdlayher/netlink"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

var (
	native = binary.NativeEndian
	big    = binary.BigEndian
)

// appendAttr appends one netlink attribute. One buffer serves a whole message, so
// that a message with keys can be wiped after it was sent.
func appendAttr(b []byte, typ uint16, data []byte) []byte {
	b = native.AppendUint16(b, uint16(4+len(data)))
	b = native.AppendUint16(b, typ)
	b = append(b, data...)
	return append(b, make([]byte, -len(data)&3)...)
}

func appendAttr32(b []byte, typ uint16, v uint32) []byte {
	return appendAttr(b, typ, native.AppendUint32(nil, v))
}

// eachAttr calls f with every attribute of b. An attribute of a type that f does
// not know is f's to ignore: newer kernels send more.
func eachAttr(b []byte, f func(typ uint16, data []byte) error) error {
	ad, err := netlink.NewAttributeDecoder(b)
	if err != nil {
		return err
	}
	for ad.Next() {
		if err := f(ad.Type(), ad.Bytes()); err != nil {
			return err
		}
	}
	return ad.Err()
}

// need checks that b holds the structure called name.
func need(b []byte, size int, name string) error {
	if len(b) < size {
		return fmt.Errorf("%s has %d octets, want %d", name, len(b), size)
	}
	return nil
}

func familyOf(a netip.Addr) uint16 {
	switch {
	case a.Is4():
		return syscall.AF_INET
	case a.Is6():
		return syscall.AF_INET6
	}
	return syscall.AF_UNSPEC
}

// putAddr writes an xfrm_address_t: 16 octets, of which IPv4 uses the first four.
func putAddr(b []byte, a netip.Addr) { copy(b[:16], a.AsSlice()) }

// getAddr reads an xfrm_address_t. The unspecified address is the zero Addr.
func getAddr(b []byte, family uint16) netip.Addr {
	var a netip.Addr
	switch family {
	case syscall.AF_INET:
		a = netip.AddrFrom4([4]byte(b))
	case syscall.AF_INET6:
		a = netip.AddrFrom16([16]byte(b))
	}
	if !a.IsValid() || a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}

// unmapPrefix turns ::ffff:a.b.c.d/96+n into a.b.c.d/n.
func unmapPrefix(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p
}

func hostPrefix(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

func putSelector(b []byte, s kernel.Selector) error {
	src, dst := unmapPrefix(s.Src).Masked(), unmapPrefix(s.Dst).Masked()
	if !src.IsValid() || !dst.IsValid() || src.Addr().Is4() != dst.Addr().Is4() {
		return invalid("selector %v -> %v: want two prefixes of one family", s.Src, s.Dst)
	}
	putAddr(b[selDst:], dst.Addr())
	putAddr(b[selSrc:], src.Addr())
	putPort(b[selDstPort:], s.DstPort)
	putPort(b[selSrcPort:], s.SrcPort)
	native.PutUint16(b[selFamily:], familyOf(dst.Addr()))
	b[selDstLen], b[selSrcLen] = byte(dst.Bits()), byte(src.Bits())
	b[selProto] = s.Proto
	return nil
}

// putPort writes a port and its mask; port 0 is any port.
func putPort(b []byte, port uint16) {
	if port != 0 {
		big.PutUint16(b, port)
		big.PutUint16(b[2:], 0xffff)
	}
}

// getSelector reads an xfrm_selector. ok is false if it has no family, as the
// selector of an SA for both, or prefix lengths that are none. A device, a user
// or a port mask in it has no counterpart in kernel.Selector and is left out.
func getSelector(b []byte) (s kernel.Selector, ok bool) {
	family := native.Uint16(b[selFamily:])
	var src, dst netip.Addr
	switch family {
	case syscall.AF_INET:
		src, dst = netip.AddrFrom4([4]byte(b[selSrc:])), netip.AddrFrom4([4]byte(b[selDst:]))
	case syscall.AF_INET6:
		src, dst = netip.AddrFrom16([16]byte(b[selSrc:])), netip.AddrFrom16([16]byte(b[selDst:]))
	default:
		return s, false
	}
	s = kernel.Selector{
		Src:     netip.PrefixFrom(src, int(b[selSrcLen])),
		Dst:     netip.PrefixFrom(dst, int(b[selDstLen])),
		SrcPort: big.Uint16(b[selSrcPort:]),
		DstPort: big.Uint16(b[selDstPort:]),
		Proto:   b[selProto],
	}
	return s, s.Src.IsValid() && s.Dst.IsValid()
}

// isAny says whether s leaves nothing out, its family apart.
func isAny(s kernel.Selector) bool {
	return s.Src.Bits() == 0 && s.Dst.Bits() == 0 && s.Proto == 0 && s.SrcPort == 0 && s.DstPort == 0
}

// putLifetime writes an xfrm_lifetime_cfg. Zero is no limit, which the kernel
// calls XFRM_INF for octets and packets, and 0 for seconds.
func putLifetime(b []byte, l kernel.Lifetime) {
	for i, v := range []uint64{l.SoftBytes, l.HardBytes, l.SoftPackets, l.HardPackets} {
		if v == 0 {
			v = infinite
		}
		native.PutUint64(b[8*i:], v)
	}
	native.PutUint64(b[32:], seconds(l.SoftTime))
	native.PutUint64(b[40:], seconds(l.HardTime))
}

// seconds rounds up: a life of half a second must not become one without end.
func seconds(d time.Duration) uint64 {
	if d <= 0 {
		return 0
	}
	return uint64((d-1)/time.Second) + 1
}

func duration(secs uint64) time.Duration {
	return time.Duration(min(secs, math.MaxInt64/uint64(time.Second))) * time.Second
}

func getLifetime(b []byte) kernel.Lifetime {
	limit := func(off int) uint64 {
		if v := native.Uint64(b[off:]); v != infinite {
			return v
		}
		return 0
	}
	return kernel.Lifetime{
		SoftBytes: limit(0), HardBytes: limit(8),
		SoftPackets: limit(16), HardPackets: limit(24),
		SoftTime: duration(native.Uint64(b[32:])), HardTime: duration(native.Uint64(b[40:])),
	}
}

// getUnix reads seconds since 1970; 0 is never.
func getUnix(b []byte) time.Time {
	if s := native.Uint64(b); s != 0 && s <= math.MaxInt64 {
		return time.Unix(int64(s), 0)
	}
	return time.Time{}
}

// getStats reads the xfrm_lifetime_cur of an SA.
func getStats(cur []byte) kernel.Stats {
	return kernel.Stats{
		Found:    true,
		Bytes:    native.Uint64(cur[curBytes:]),
		Packets:  native.Uint64(cur[curPackets:]),
		Added:    getUnix(cur[curAdded:]),
		FirstUse: getUnix(cur[curUsed:]),
	}
}

func appendMark(b []byte, m *kernel.Mark) []byte {
	if m == nil {
		return b
	}
	return appendAttr(b, attrMark, native.AppendUint32(native.AppendUint32(nil, m.Value), m.Mask))
}

func getMark(data []byte) (*kernel.Mark, error) {
	if err := need(data, 8, "XFRMA_MARK"); err != nil {
		return nil, err
	}
	return &kernel.Mark{Value: native.Uint32(data), Mask: native.Uint32(data[4:])}, nil
}

func appendIfID(b []byte, id uint32) []byte {
	if id == 0 {
		return b
	}
	return appendAttr32(b, attrIfID, id)
}

func getUint32(data []byte, name string) (uint32, error) {
	if err := need(data, 4, name); err != nil {
		return 0, err
	}
	return native.Uint32(data), nil
}

var (
	modeToKernel = map[uint8]uint8{
		kernel.ModeTransport: modeTransport,
		kernel.ModeTunnel:    modeTunnel,
		kernel.ModeBEET:      modeBEET,
	}
	modeFromKernel = map[uint8]uint8{
		modeTransport: kernel.ModeTransport,
		modeTunnel:    kernel.ModeTunnel,
		modeBEET:      kernel.ModeBEET,
	}
)
