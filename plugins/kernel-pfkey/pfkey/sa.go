package pfkey

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// saTypes are the SA types of IP protocols.
var saTypes = map[uint8]uint8{protoESP: saTypeESP, protoAH: saTypeAH, protoIPComp: saTypeIPComp}

// protocols is saTypes the other way.
var protocols = map[uint8]uint8{saTypeESP: protoESP, saTypeAH: protoAH, saTypeIPComp: protoIPComp}

func saType(proto uint8) (uint8, error) {
	t, ok := saTypes[proto]
	if !ok {
		return 0, unsupported("protocol %d: this backend knows ESP (50), AH (51) and IPComp (108)", proto)
	}
	return t, nil
}

func describeKey(k kernel.Key) string {
	name := map[uint8]string{protoESP: "esp", protoAH: "ah", protoIPComp: "comp"}[k.Proto]
	if name == "" {
		name = fmt.Sprint("proto ", k.Proto)
	}
	return fmt.Sprintf("%s spi 0x%08x to %v", name, k.SPI, k.Dst)
}

// endpoints checks that src and dst are two addresses of one family.
func endpoints(src, dst netip.Addr) (netip.Addr, netip.Addr, error) {
	src, dst = src.Unmap(), dst.Unmap()
	if !src.IsValid() || !dst.IsValid() || src.Is4() != dst.Is4() {
		return src, dst, invalid("addresses %v -> %v: want two of one family", src, dst)
	}
	return src, dst, nil
}

// encodeGetSPI returns GETSPI. The mode is left open: that of the SA is known
// when it is made.
func (s *System) encodeGetSPI(r kernel.SPIRequest) ([]byte, error) {
	src, dst, err := endpoints(r.Src, r.Dst)
	if err != nil {
		return nil, err
	}
	t, err := saType(r.Proto)
	if err != nil {
		return nil, err
	}
	lo, hi := uint32(minSPI), uint32(maxSPI)
	if r.Proto == protoIPComp {
		hi = maxCPIOffered
	}
	if r.Min != 0 {
		lo = r.Min
	}
	if r.Max != 0 {
		hi = r.Max
	}
	if lo < minSPI || lo > hi || r.Proto == protoIPComp && hi > maxCPI {
		return nil, invalid("SPI range 0x%x to 0x%x", lo, hi)
	}
	m := s.message(msgGetSPI, t, r.Seq)
	m.sa2(0, r.ReqID)
	m.endpoints(src, dst)
	e := m.ext(extSPIRange, sizeSPIRange)
	native.PutUint32(e[rangeMin:], lo)
	native.PutUint32(e[rangeMax:], hi)
	return m.bytes(), nil
}

func (m *message) sa2(mode uint8, reqID uint32) {
	e := m.ext(extSA2, sizeSA2)
	e[sa2Mode] = mode
	native.PutUint32(e[sa2ReqID:], reqID)
}

// checkSA refuses what PF_KEY has no words for.
func (s *System) checkSA(sa *kernel.SA) error {
	switch {
	case sa.Key.SPI == 0:
		return invalid("SA with SPI 0")
	case sa.Mode != kernel.ModeTransport && sa.Mode != kernel.ModeTunnel: // Linux takes BEET, but not its inner addresses
		return unsupported("SA mode %d", sa.Mode)
	case sa.Offload != "":
		return unsupported("offload to interface %s: PF_KEY has no such thing", sa.Offload)
	case sa.Label != "":
		return unsupported("security label on an SA")
	case sa.Key.Mark != nil || sa.Key.IfID != 0 || sa.OutputMark != nil:
		return unsupported("marks and XFRM interfaces: PF_KEY has no such thing; use kernel-xfrm")
	case sa.ESN && s.ESN == 0:
		return unsupported("extended sequence numbers: PF_KEY of this %s has no such thing", s.Name)
	case sa.ESN && (sa.NoReplay || sa.Key.Proto == protoIPComp):
		return invalid("extended sequence numbers without anti-replay") // RFC 4304: the window tells the upper half
	case sa.Sel != nil:
		return unsupported("a selector on an SA: PF_KEY has no such thing")
	case s.PadsAH && sa.Key.Proto == protoAH && sa.Key.Dst.Is4() && sa.Auth != nil && (sa.Auth.ID == authSHA384 || sa.Auth.ID == authSHA512):
		return unsupported("AH over IPv4 with hmac_sha384 or hmac_sha512: PF_KEY of %s pads it as no other system does; use hmac_sha256 or hmac_sha1, or kernel-xfrm", s.Name)
	case sa.Dir > kernel.Out:
		return unsupported("SA direction %d", sa.Dir)
	case !s.PacketLimits && (sa.Life.SoftPackets != 0 || sa.Life.HardPackets != 0):
		return unsupported("lifetimes in packets: PF_KEY of %s does not keep them", s.Name)
	case max(sa.Life.SoftPackets, sa.Life.HardPackets) > 1<<32-1:
		return invalid("a lifetime of more than 2^32 packets")
	case sa.Encap != nil && sa.Key.Proto != protoESP:
		return invalid("UDP encapsulation of protocol %d", sa.Key.Proto)
	}
	return nil
}

// encodeSA returns ADD or UPDATE. The caller wipes it.
func (s *System) encodeSA(typ uint8, sa *kernel.SA) ([]byte, error) {
	src, dst, err := endpoints(sa.Key.Src, sa.Key.Dst)
	if err != nil {
		return nil, err
	}
	if err := s.checkSA(sa); err != nil {
		return nil, err
	}
	t, err := saType(sa.Key.Proto)
	if err != nil {
		return nil, err
	}
	auth, encrypt, err := s.saAlgorithms(sa)
	if err != nil {
		return nil, err
	}
	window, large, err := s.replay(sa)
	if err != nil {
		return nil, err
	}
	m := s.message(typ, t, sa.Seq)
	e := m.ext(extSA, s.SASize)
	big.PutUint32(e[saSPI:], sa.Key.SPI)
	e[saReplay], e[saAuth], e[saEncrypt] = window, auth, encrypt
	e[saState] = stateMature // RFC 2367 sections 3.1.2 and 3.1.3: no other may be submitted
	if sa.Key.Proto == protoIPComp {
		native.PutUint32(e[saFlags:], flagRawCPI)
	}
	if sa.ESN {
		native.PutUint32(e[saFlags:], s.ESN)
	}
	s.nattInSA(e, sa)
	m.sa2(sa.Mode, sa.ReqID)
	m.endpoints(src, dst)
	if sa.Key.Proto == protoESP { // NULL too, with a key of 0 bits
		m.key(extKeyEncrypt, sa.Encr)
	}
	if sa.Auth != nil {
		m.key(extKeyAuth, sa.Auth)
	}
	l := sa.Life
	m.lifetime(extLifetimeHard, l.HardPackets, l.HardBytes, l.HardTime)
	m.lifetime(extLifetimeSoft, l.SoftPackets, l.SoftBytes, l.SoftTime)
	if sa.Encap != nil && s.NATT.Type != 0 {
		m.natt(sa.Encap, sa.Dir)
	}
	if large != 0 {
		native.PutUint32(m.ext(s.Replay.Ext, sizeReplay)[replayWin:], large)
	}
	return m.bytes(), nil
}

// replay is the replay window, on unless the SA is to have none. RFC 2406 section 3.4.3: at least 32. An
// outbound SA has one too: without, KAME does not count what it sends.
func (s *System) replay(sa *kernel.SA) (field uint8, ext uint32, err error) {
	if sa.Key.Proto == protoIPComp || sa.NoReplay { // the first has no sequence numbers
		return 0, 0, nil
	}
	return s.replayField(max(sa.ReplayWindow, minWindow))
}

const minWindow = 32

func (m *message) lifetime(typ uint16, packets, octets uint64, d time.Duration) {
	e := m.ext(typ, sizeLifetime)
	native.PutUint32(e[lifeAllocations:], uint32(packets))
	native.PutUint64(e[lifeBytes:], octets)
	native.PutUint64(e[lifeAdd:], wholeSeconds(d))
}

// natt appends the extensions of UDP encapsulation. The peer's own address is the
// source of what comes in, the destination of what goes out.
func (m *message) natt(e *kernel.Encap, dir kernel.Direction) {
	n := m.sys.NATT
	m.ext(n.Type, sizeNATT)[nattType] = espInUDP
	big.PutUint16(m.ext(n.SrcPort, sizeNATT)[nattPort:], e.SrcPort)
	big.PutUint16(m.ext(n.DstPort, sizeNATT)[nattPort:], e.DstPort)
	original := n.OrigDst
	if dir == kernel.In && n.OrigSrc != 0 {
		original = n.OrigSrc
	}
	if oa := e.OrigDst.Unmap(); oa.IsValid() && !oa.IsUnspecified() {
		m.address(original, netip.PrefixFrom(oa, oa.BitLen()), protoAny, 0)
	}
}

// nattInSA puts the peer's port into the SA where that is the way (Darwin): the
// source of what comes in, the destination of what goes out.
func (s *System) nattInSA(e []byte, sa *kernel.SA) {
	if sa.Encap == nil || s.NATT.Flag == 0 {
		return
	}
	port := sa.Encap.SrcPort
	if sa.Dir == kernel.Out {
		port = sa.Encap.DstPort
	}
	native.PutUint32(e[saFlags:], native.Uint32(e[saFlags:])|s.NATT.Flag)
	native.PutUint16(e[saPort:], port)
}

// encodeSAID returns DELETE or GET.
func (s *System) encodeSAID(typ uint8, k kernel.Key) ([]byte, error) {
	if k.Mark != nil || k.IfID != 0 {
		return nil, unsupported("marks and XFRM interfaces: PF_KEY has no such thing; use kernel-xfrm")
	}
	dst := k.Dst.Unmap()
	if !dst.IsValid() || k.SPI == 0 {
		return nil, invalid("an SA is named by destination, protocol and SPI; got %s", describeKey(k))
	}
	src := k.Src.Unmap()
	if !src.IsValid() { // Linux does not look at it, but wants one
		src = netip.IPv4Unspecified()
		if dst.Is6() {
			src = netip.IPv6Unspecified()
		}
	}
	if _, _, err := endpoints(src, dst); err != nil {
		return nil, err
	}
	t, err := saType(k.Proto)
	if err != nil {
		return nil, err
	}
	m := s.message(typ, t, 0)
	big.PutUint32(m.ext(extSA, sizeSA)[saSPI:], k.SPI)
	m.endpoints(src, dst)
	return m.bytes(), nil
}
