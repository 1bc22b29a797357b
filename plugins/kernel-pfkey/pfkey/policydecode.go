package pfkey

import (
	"fmt"
	"net/netip"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

const scopeGlobal = 1

// policyKey reads what names a policy. ok is false for one that is not of the SPD but
// a socket's or an interface's. A message without addresses names it by its index.
func (m *received) policyKey() (k kernel.PolicyKey, ok bool, err error) {
	e, err := m.need(extPolicy, sizePolicy)
	if err != nil {
		return k, false, err
	}
	k.Dir, k.ID = kernel.Direction(e[polDir]), native.Uint32(e[polID:])
	switch {
	case k.Dir > kernel.Fwd,
		m.sys.Forward && k.ID&7 >= 3,              // Linux has the direction in the index
		m.sys.Scopes && e[polScope] > scopeGlobal: // of an if_ipsec(4), or of a socket
		return k, false, nil
	}
	if m.ext[extAddressSrc] == nil && m.ext[extAddressDst] == nil {
		return k, true, nil
	}
	if k.Dir < kernel.In {
		return k, false, nil
	}
	src, dst, err := m.addresses()
	if err != nil {
		return k, false, err
	}
	k.Sel = kernel.Selector{
		Src: netip.PrefixFrom(src.addr, int(src.prefix)), Dst: netip.PrefixFrom(dst.addr, int(dst.prefix)),
		SrcPort: src.port, DstPort: dst.port, Proto: src.proto,
	}
	if k.Sel.Proto == protoAny {
		k.Sel.Proto = 0
	}
	if !k.Sel.Src.IsValid() || !k.Sel.Dst.IsValid() {
		return k, false, fmt.Errorf("policy with prefix lengths %d and %d", src.prefix, dst.prefix)
	}
	return k, true, nil
}

// decodePolicy reads a policy of a dump, an answer or an event.
func (m *received) decodePolicy() (p *kernel.Policy, st kernel.Stats, ok bool, err error) {
	key, ok, err := m.policyKey()
	if err != nil || !ok {
		return nil, st, false, err
	}
	e := m.ext[extPolicy]
	p = &kernel.Policy{Key: key}
	if m.sys.Priorities {
		p.Priority = priorityFromKernel(native.Uint32(e[polPriority:]))
	}
	switch typ := native.Uint16(e[polType:]); typ {
	case policyDiscard:
		p.Action = kernel.ActionDiscard
	case policyNone:
		p.Action = kernel.ActionNone
	case policyIPsec:
		p.Action = kernel.ActionIPsec
	case policyEntrust, policyBypass:
		p.Action = kernel.ActionBypass
	default:
		return nil, st, false, fmt.Errorf("%s: policy type %d", describePolicy(key), typ)
	}
	if p.Templates, err = m.sys.requests(e[sizePolicy:]); err != nil {
		return nil, st, false, fmt.Errorf("%s: %w", describePolicy(key), err)
	}
	hard, _, err := m.life(extLifetimeHard)
	if err != nil {
		return nil, st, false, err
	}
	cur, _, err := m.life(extLifetimeCurrent)
	p.Life.HardTime = seconds(hard.added)
	st = kernel.Stats{Found: true, Added: unixTime(cur.added), LastUse: unixTime(cur.use)}
	return p, st, true, err
}

// requests reads the x_ipsecrequests of a policy.
func (s *System) requests(b []byte) (list []kernel.Template, err error) {
	for len(b) > 0 {
		if len(b) < s.RequestHeader {
			return nil, fmt.Errorf("request of %d octets", len(b))
		}
		n := int(native.Uint16(b[reqLen:]))
		if n < s.RequestHeader || n > len(b) {
			return nil, fmt.Errorf("request of %d octets where %d are left", n, len(b))
		}
		t := kernel.Template{Proto: uint8(native.Uint16(b[reqProto:])), Mode: b[reqMode], Level: b[reqLevel]}
		if t.Level > kernel.LevelUnique || t.Mode < kernel.ModeTransport || t.Mode > kernel.ModeBEET {
			return nil, fmt.Errorf("request of mode %d and level %d", t.Mode, t.Level)
		}
		if s.RequestHeader == 16 {
			t.ReqID = native.Uint32(b[reqID32:])
		} else {
			t.ReqID = uint32(native.Uint16(b[reqID16:]))
		}
		if pair := b[s.RequestHeader:n]; len(pair) > 0 {
			src, _, size, err := s.getSockaddr(pair)
			if err != nil {
				return nil, err
			}
			dst, _, _, err := s.getSockaddr(pair[size:])
			if err != nil {
				return nil, err
			}
			t.Src, t.Dst = specified(src), specified(dst)
		}
		list = append(list, t)
		b = b[n:]
	}
	return list, nil
}
