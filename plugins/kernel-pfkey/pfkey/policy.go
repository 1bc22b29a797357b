package pfkey

import (
	"fmt"
	"net/netip"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// kernel.Policy.Priority is the kernel's unsigned priority moved to the signed
// range: smaller is tried first, and 0 is setkey(8)'s default 0x80000000.
func priorityToKernel(p int32) uint32   { return uint32(p) ^ 0x80000000 }
func priorityFromKernel(p uint32) int32 { return int32(p ^ 0x80000000) }

func describePolicy(k kernel.PolicyKey) string {
	dir := map[kernel.Direction]string{kernel.In: "in", kernel.Out: "out", kernel.Fwd: "fwd"}[k.Dir]
	return fmt.Sprintf("policy %s %v -> %v index %d", dir, k.Sel.Src, k.Sel.Dst, k.ID)
}

// unmapPrefix turns ::ffff:a.b.c.d/96+n into a.b.c.d/n.
func unmapPrefix(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p
}

// prefixes are the networks of a selector as the kernel is told: it compares octets,
// so host bits are 0.
func prefixes(sel kernel.Selector) (src, dst netip.Prefix, err error) {
	src, dst = unmapPrefix(sel.Src).Masked(), unmapPrefix(sel.Dst).Masked()
	if !src.IsValid() || !dst.IsValid() || src.Addr().Is4() != dst.Addr().Is4() {
		return src, dst, invalid("selector %v -> %v: want two prefixes of one family", sel.Src, sel.Dst)
	}
	return src, dst, nil
}

func (m *message) selector(sel kernel.Selector) error {
	src, dst, err := prefixes(sel)
	if err != nil {
		return err
	}
	proto := sel.Proto
	if proto == 0 {
		proto = protoAny
	}
	m.address(extAddressSrc, src, proto, sel.SrcPort)
	m.address(extAddressDst, dst, proto, sel.DstPort)
	return nil
}

func (s *System) checkPolicyKey(k kernel.PolicyKey) error {
	switch {
	case k.Dir < kernel.In || k.Dir > kernel.Fwd || k.Dir == kernel.Fwd && !s.Forward:
		return unsupported("policy direction %d", k.Dir)
	case k.Mark != nil || k.IfID != 0:
		return unsupported("marks and XFRM interfaces: PF_KEY has no such thing; use kernel-xfrm")
	}
	return nil
}

// policyTypes are the types of actions. Bypass is for sockets; in the SPD it is none.
var policyTypes = map[uint8]uint16{
	kernel.ActionDiscard: policyDiscard, kernel.ActionNone: policyNone, kernel.ActionBypass: policyNone, kernel.ActionIPsec: policyIPsec,
}

// encodePolicy returns SPDADD or SPDUPDATE.
func (s *System) encodePolicy(typ uint8, p *kernel.Policy) ([]byte, error) {
	if err := s.checkPolicyKey(p.Key); err != nil {
		return nil, err
	}
	action, ok := policyTypes[p.Action]
	life := p.Life
	life.HardTime = 0
	switch {
	case !ok:
		return nil, unsupported("policy action %d", p.Action)
	case (p.Action == kernel.ActionIPsec) != (len(p.Templates) > 0):
		return nil, invalid("%s: action %d with %d templates", describePolicy(p.Key), p.Action, len(p.Templates))
	case life != kernel.Lifetime{}:
		return nil, unsupported("a policy whose life is limited otherwise than by time")
	case p.Priority != 0 && !s.Priorities:
		return nil, unsupported("policy priority %d: PF_KEY of %s has no priorities", p.Priority, s.Name)
	}
	m := s.message(typ, saTypeUnspec, 0)
	if err := m.selector(p.Key.Sel); err != nil {
		return nil, err
	}
	if p.Life.HardTime != 0 {
		m.lifetime(extLifetimeHard, 0, 0, p.Life.HardTime)
	}
	at := len(m.b)
	e := m.ext(extPolicy, sizePolicy)
	native.PutUint16(e[polType:], action)
	e[polDir] = byte(p.Key.Dir)
	if s.Priorities {
		native.PutUint32(e[polPriority:], priorityToKernel(p.Priority))
	}
	for _, t := range p.Templates {
		if err := m.request(t, unmapPrefix(p.Key.Sel.Src).Addr()); err != nil {
			return nil, err
		}
	}
	native.PutUint16(m.b[at:], uint16((len(m.b)-at)/8))
	return m.bytes(), nil
}

// request appends an x_ipsecrequest. Its addresses are for tunnels; inside is an
// address of what the policy is for.
func (m *message) request(t kernel.Template, inside netip.Addr) error {
	s := m.sys
	level := t.Level
	if t.ReqID != 0 && level == kernel.LevelRequire {
		level = kernel.LevelUnique // for PF_KEY only this one has a reqid
	}
	switch {
	case saTypes[t.Proto] == 0:
		return unsupported("template protocol %d", t.Proto)
	case t.Mode != kernel.ModeTransport && t.Mode != kernel.ModeTunnel:
		return unsupported("template mode %d", t.Mode)
	case level > kernel.LevelUnique:
		return unsupported("template level %d", level)
	case level == kernel.LevelUnique && t.ReqID == 0:
		return invalid("a template of level unique needs a reqid")
	case level < kernel.LevelUnique && t.ReqID != 0:
		return unsupported("a reqid at level %d: PF_KEY has it with level unique only", level)
	case t.ReqID > manualReqIDMax:
		return unsupported("reqid %d: above %d the kernel replaces it by one of its own", t.ReqID, manualReqIDMax)
	}
	at := len(m.b)
	m.b = append(m.b, make([]byte, s.RequestHeader)...)
	if t.Mode != kernel.ModeTransport {
		src, dst, err := endpoints(t.Src, t.Dst)
		if err != nil {
			return err
		}
		if src.Is4() != inside.Is4() && !s.MixedTunnels {
			return unsupported("a tunnel %v -> %v for addresses of another family: PF_KEY of %s lets nothing come out of it; use kernel-xfrm", src, dst, s.Name)
		}
		size := s.sockaddrSize(src)
		m.b = append(m.b, make([]byte, 2*size)...)
		pair := m.b[at+s.RequestHeader:]
		s.putSockaddr(pair, src, 0)
		s.putSockaddr(pair[size:], dst, 0)
	}
	r := m.b[at:]
	native.PutUint16(r[reqLen:], uint16(len(r)))
	native.PutUint16(r[reqProto:], uint16(t.Proto))
	r[reqMode], r[reqLevel] = t.Mode, level
	if s.RequestHeader == 16 {
		native.PutUint32(r[reqID32:], t.ReqID)
	} else {
		native.PutUint16(r[reqID16:], uint16(t.ReqID))
	}
	return nil
}

// encodePolicyID returns SPDDELETE, by selector.
func (s *System) encodePolicyID(k kernel.PolicyKey) ([]byte, error) {
	if err := s.checkPolicyKey(k); err != nil {
		return nil, err
	}
	m := s.message(msgSPDDelete, saTypeUnspec, 0)
	if err := m.selector(k.Sel); err != nil {
		return nil, err
	}
	e := m.ext(extPolicy, sizePolicy)
	native.PutUint16(e[polType:], policyIPsec)
	e[polDir] = byte(k.Dir)
	return m.bytes(), nil
}

// encodePolicyIndex returns SPDDELETE2 or SPDGET, by the kernel's index.
func (s *System) encodePolicyIndex(typ uint8, k kernel.PolicyKey) ([]byte, error) {
	if err := s.checkPolicyKey(k); err != nil {
		return nil, err
	}
	m := s.message(typ, saTypeUnspec, 0)
	native.PutUint32(m.ext(extPolicy, sizePolicy)[polID:], k.ID)
	return m.bytes(), nil
}
