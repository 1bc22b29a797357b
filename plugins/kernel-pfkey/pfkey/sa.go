package pfkey

import (
	"bytes"
	"fmt"
	"net/netip"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/secret"
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
	case sa.Mode != kernel.ModeTransport && sa.Mode != kernel.ModeTunnel && !(sa.Mode == kernel.ModeBEET && s.BEET):
		return unsupported("SA mode %d", sa.Mode)
	case sa.Offload != "":
		return unsupported("offload to interface %s: PF_KEY has no such thing", sa.Offload)
	case sa.Label != "":
		return unsupported("security label on an SA")
	case sa.Key.Mark != nil || sa.Key.IfID != 0 || sa.OutputMark != nil:
		return unsupported("marks and XFRM interfaces: PF_KEY has no such thing; use kernel-xfrm")
	case sa.ESN:
		return unsupported("extended sequence numbers: PF_KEY has no such thing")
	case sa.Sel != nil:
		return unsupported("a selector on an SA: PF_KEY has no such thing")
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

// replay is the replay window, always on. RFC 2406 section 3.4.3: at least 32. An
// outbound SA has one too: without, KAME does not count what it sends.
func (s *System) replay(sa *kernel.SA) (field uint8, ext uint32, err error) {
	if sa.Key.Proto == protoIPComp { // has no sequence numbers
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

// saKey reads what names an SA.
func (m *received) saKey() (kernel.Key, error) {
	e, err := m.need(extSA, sizeSA)
	if err != nil {
		return kernel.Key{}, err
	}
	src, dst, err := m.addresses()
	return kernel.Key{Src: specified(src.addr), Dst: specified(dst.addr), SPI: big.Uint32(e[saSPI:]), Proto: protocols[m.saType]}, err
}

// decodeSA reads an SA of a dump or an answer. now tells how much of its lifetime
// is used. ok is false for an SA that is not of IPsec.
func (m *received) decodeSA(now time.Time, withKeys bool) (o kernel.Object, ok bool, err error) {
	if protocols[m.saType] == 0 {
		return o, false, nil
	}
	key, err := m.saKey()
	if err != nil {
		return o, false, err
	}
	e := m.ext[extSA]
	sa := &kernel.SA{Key: key, ReplayWindow: m.sys.window(e[saReplay]), State: stateOf(e[saState])}
	o.SA, o.Stats.Found = sa, true
	if e, err := m.get(extSA2, sizeSA2); err != nil {
		return o, false, err
	} else if e != nil {
		sa.Mode, sa.ReqID = e[sa2Mode], native.Uint32(e[sa2ReqID:])
	}
	if err := m.saKeys(sa, e[saAuth], e[saEncrypt], withKeys); err != nil {
		return o, false, err
	}
	if sa.Encap, err = m.encap(e, key); err != nil {
		return o, false, err
	}
	return o, true, m.saLife(sa, &o.Stats, now)
}

func stateOf(n uint8) kernel.SAState {
	switch n {
	case stateLarval:
		return kernel.Larval
	case stateMature:
		return kernel.Mature
	case stateDying:
		return kernel.Dying
	}
	return kernel.Dead
}

// saKeys puts the algorithms into sa. A number we do not know is algorithm 0.
func (m *received) saKeys(sa *kernel.SA, auth, encrypt uint8, withKeys bool) error {
	if sa.State == kernel.Larval {
		return nil
	}
	if sa.Key.Proto == protoIPComp {
		sa.Comp = m.sys.Comp.doi(uint16(encrypt))
		return nil
	}
	read := func(own numbers, n uint8, typ uint16) (*kernel.AlgKey, error) {
		k := &kernel.AlgKey{ID: own.doi(uint16(n))}
		e, err := m.get(typ, sizeKey)
		if err != nil || e == nil || !withKeys {
			return k, err
		}
		octets := (int(native.Uint16(e[keyBits:])) + 7) / 8
		if octets > len(e)-sizeKey {
			return nil, fmt.Errorf("PF_KEY key of %d octets in an extension of %d", octets, len(e))
		}
		k.Key = secret.New(bytes.Clone(e[sizeKey : sizeKey+octets]))
		return k, nil
	}
	var err error
	if sa.Key.Proto == protoESP {
		if sa.Encr, err = read(m.sys.Encr, encrypt, extKeyEncrypt); err != nil {
			return err
		}
	}
	if auth == 0 {
		return nil
	}
	if sa.Auth, err = read(m.sys.Auth, auth, extKeyAuth); err == nil {
		for _, a := range authAlgs {
			if a.id == sa.Auth.ID {
				sa.Auth.Trunc = m.sys.icv(a)
			}
		}
	}
	return err
}

// encap reads how an SA is encapsulated; e is the SA.
func (m *received) encap(e []byte, k kernel.Key) (*kernel.Encap, error) {
	n := m.sys.NATT
	if n.Flag != 0 {
		if native.Uint32(e[saFlags:])&n.Flag == 0 || len(e) < saPort+2 {
			return nil, nil
		}
		return &kernel.Encap{SrcPort: native.Uint16(e[saPort:])}, nil
	}
	t, err := m.get(n.Type, sizeNATT)
	if err != nil || t == nil || t[nattType] == 0 {
		return nil, err
	}
	src, err := m.port(n.SrcPort)
	if err != nil {
		return nil, err
	}
	dst, err := m.port(n.DstPort)
	return &kernel.Encap{SrcPort: src, DstPort: dst}, err
}

func (m *received) port(typ uint16) (uint16, error) {
	e, err := m.get(typ, sizeNATT)
	if err != nil || e == nil {
		return 0, err
	}
	return big.Uint16(e[nattPort:]), nil
}

func (m *received) saLife(sa *kernel.SA, st *kernel.Stats, now time.Time) error {
	hard, _, err := m.life(extLifetimeHard)
	if err != nil {
		return err
	}
	soft, _, err := m.life(extLifetimeSoft)
	if err != nil {
		return err
	}
	cur, there, err := m.life(extLifetimeCurrent)
	if err != nil {
		return err
	}
	sa.Life = kernel.Lifetime{
		SoftTime: seconds(soft.added), HardTime: seconds(hard.added), SoftBytes: soft.octets, HardBytes: hard.octets,
		SoftPackets: uint64(soft.packets), HardPackets: uint64(hard.packets),
	}
	if !there {
		return nil
	}
	st.Bytes, st.Packets, st.Added = cur.octets, uint64(cur.packets), unixTime(cur.added)
	if m.sys.UseTime == lastUse {
		st.LastUse = unixTime(cur.use)
	} else {
		st.FirstUse = unixTime(cur.use)
	}
	sa.Current = kernel.Lifetime{HardBytes: st.Bytes, HardPackets: st.Packets}
	if !st.Added.IsZero() {
		sa.Current.HardTime = max(0, now.Sub(st.Added))
	}
	return nil
}
