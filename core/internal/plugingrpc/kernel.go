package plugingrpc

import (
	"net/netip"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	kernelv1 "github.com/racoon-ike/racoon/core/sdk/proto/racoon/plugin/kernel/v1"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// Values both sides of the wire share: addresses, marks, selectors, keys, SAs and
// policies. Requests and responses are in kernelops.go.

func optional[A, B any](v *A, f func(*A) *B) *B {
	if v == nil {
		return nil
	}
	return f(v)
}

func markToProto(m *kernel.Mark) *kernelv1.Mark {
	return optional(m, func(m *kernel.Mark) *kernelv1.Mark { return &kernelv1.Mark{Value: m.Value, Mask: m.Mask} })
}

func mark(m *kernelv1.Mark) *kernel.Mark {
	return optional(m, func(m *kernelv1.Mark) *kernel.Mark { return &kernel.Mark{Value: m.Value, Mask: m.Mask} })
}

func prefixToProto(p netip.Prefix) *kernelv1.Prefix {
	if p == (netip.Prefix{}) {
		return nil
	}
	return &kernelv1.Prefix{Addr: addr(p.Addr()), Bits: uint32(p.Bits())}
}

func (d *decoder) prefix(p *kernelv1.Prefix) netip.Prefix {
	if p == nil {
		return netip.Prefix{}
	}
	v := netip.PrefixFrom(d.addr(p.Addr), int(small[uint8](d, "prefix length", p.Bits)))
	if !v.IsValid() {
		d.fail(errs.Invalid, "prefix length %d of an address of %d octets", p.Bits, len(p.Addr))
	}
	return v
}

func endpoint(a netip.AddrPort) *kernelv1.Endpoint {
	if a == (netip.AddrPort{}) {
		return nil
	}
	return &kernelv1.Endpoint{Addr: addr(a.Addr()), Port: uint32(a.Port())}
}

func (d *decoder) endpoint(e *kernelv1.Endpoint) netip.AddrPort {
	return netip.AddrPortFrom(d.addr(e.GetAddr()), d.port(e.GetPort()))
}

func (d *decoder) port(v uint32) uint16      { return small[uint16](d, "port", v) }
func (d *decoder) protocol(v uint32) uint8   { return small[uint8](d, "protocol", v) }
func (d *decoder) algorithm(v uint32) uint16 { return small[uint16](d, "algorithm", v) }
func (d *decoder) bits(v uint32) uint16      { return small[uint16](d, "number of bits", v) }

func (d *decoder) mode(m kernelv1.Mode) uint8 { return enum(d, "mode", m, kernel.ModeBEET) }

func (d *decoder) direction(v kernelv1.Direction) kernel.Direction {
	return enum(d, "direction", v, kernel.Fwd)
}

func selectorToProto(s *kernel.Selector) *kernelv1.Selector {
	return optional(s, func(s *kernel.Selector) *kernelv1.Selector {
		return &kernelv1.Selector{
			Src: prefixToProto(s.Src), Dst: prefixToProto(s.Dst),
			SrcPort: uint32(s.SrcPort), DstPort: uint32(s.DstPort), Proto: uint32(s.Proto),
		}
	})
}

func (d *decoder) selector(s *kernelv1.Selector) *kernel.Selector {
	return optional(s, func(s *kernelv1.Selector) *kernel.Selector {
		return &kernel.Selector{
			Src: d.prefix(s.Src), Dst: d.prefix(s.Dst),
			SrcPort: d.port(s.SrcPort), DstPort: d.port(s.DstPort), Proto: d.protocol(s.Proto),
		}
	})
}

func policyKeyToProto(k *kernel.PolicyKey) *kernelv1.PolicyKey {
	return optional(k, func(k *kernel.PolicyKey) *kernelv1.PolicyKey {
		return &kernelv1.PolicyKey{
			Dir: kernelv1.Direction(k.Dir), Sel: selectorToProto(&k.Sel), Id: k.ID, Mark: markToProto(k.Mark), IfId: k.IfID,
		}
	})
}

func (d *decoder) policyKey(k *kernelv1.PolicyKey) *kernel.PolicyKey {
	return optional(k, func(k *kernelv1.PolicyKey) *kernel.PolicyKey {
		key := &kernel.PolicyKey{Dir: d.direction(k.Dir), ID: k.Id, Mark: mark(k.Mark), IfID: k.IfId}
		if s := d.selector(k.Sel); s != nil {
			key.Sel = *s
		}
		return key
	})
}

func keyToProto(k kernel.Key) *kernelv1.Key {
	return &kernelv1.Key{
		Src: addr(k.Src), Dst: addr(k.Dst), Spi: k.SPI, Proto: uint32(k.Proto),
		Mark: markToProto(k.Mark), IfId: k.IfID, Policy: policyKeyToProto(k.Policy),
	}
}

func (d *decoder) key(k *kernelv1.Key) kernel.Key {
	return kernel.Key{
		Src: d.addr(k.GetSrc()), Dst: d.addr(k.GetDst()), SPI: k.GetSpi(), Proto: d.protocol(k.GetProto()),
		Mark: mark(k.GetMark()), IfID: k.GetIfId(), Policy: d.policyKey(k.GetPolicy()),
	}
}

func lifetimeToProto(l kernel.Lifetime) *kernelv1.Lifetime {
	if l == (kernel.Lifetime{}) {
		return nil
	}
	return &kernelv1.Lifetime{
		SoftTime: duration(l.SoftTime), HardTime: duration(l.HardTime), SoftBytes: l.SoftBytes, HardBytes: l.HardBytes,
		SoftPackets: l.SoftPackets, HardPackets: l.HardPackets,
	}
}

func lifetime(l *kernelv1.Lifetime) kernel.Lifetime {
	return kernel.Lifetime{
		SoftTime: l.GetSoftTime().AsDuration(), HardTime: l.GetHardTime().AsDuration(),
		SoftBytes: l.GetSoftBytes(), HardBytes: l.GetHardBytes(),
		SoftPackets: l.GetSoftPackets(), HardPackets: l.GetHardPackets(),
	}
}

func algKeyToProto(k *kernel.AlgKey) *kernelv1.AlgKey {
	return optional(k, func(k *kernel.AlgKey) *kernelv1.AlgKey {
		return &kernelv1.AlgKey{Id: uint32(k.ID), Key: k.Key.Reveal(), Trunc: uint32(k.Trunc)}
	})
}

func (d *decoder) algKey(k *kernelv1.AlgKey) *kernel.AlgKey {
	return optional(k, func(k *kernelv1.AlgKey) *kernel.AlgKey {
		return &kernel.AlgKey{ID: d.algorithm(k.Id), Key: secret.New(k.Key), Trunc: d.bits(k.Trunc)}
	})
}

func saToProto(s *kernel.SA) *kernelv1.Sa {
	return optional(s, func(s *kernel.SA) *kernelv1.Sa {
		return &kernelv1.Sa{
			Key: keyToProto(s.Key), Reqid: s.ReqID, Seq: s.Seq, Mode: kernelv1.Mode(s.Mode), Sel: selectorToProto(s.Sel),
			Encr: algKeyToProto(s.Encr), Auth: algKeyToProto(s.Auth), Comp: uint32(s.Comp),
			Life: lifetimeToProto(s.Life), ReplayWindow: s.ReplayWindow,
			Encap: optional(s.Encap, func(e *kernel.Encap) *kernelv1.Encap {
				return &kernelv1.Encap{SrcPort: uint32(e.SrcPort), DstPort: uint32(e.DstPort), OrigDst: addr(e.OrigDst)}
			}),
			NewSrc: addr(s.NewSrc), NewDst: addr(s.NewDst), OutputMark: markToProto(s.OutputMark), Offload: s.Offload,
			Esn: s.ESN, Dir: kernelv1.Direction(s.Dir), State: kernelv1.SaState(s.State),
			Current: lifetimeToProto(s.Current), Label: s.Label, NoReplay: s.NoReplay,
		}
	})
}

func (d *decoder) sa(s *kernelv1.Sa) *kernel.SA {
	return optional(s, func(s *kernelv1.Sa) *kernel.SA {
		return &kernel.SA{
			Key: d.key(s.Key), ReqID: s.Reqid, Seq: s.Seq, Mode: d.mode(s.Mode), Sel: d.selector(s.Sel),
			Encr: d.algKey(s.Encr), Auth: d.algKey(s.Auth), Comp: d.algorithm(s.Comp),
			Life: lifetime(s.Life), ReplayWindow: s.ReplayWindow,
			Encap: optional(s.Encap, func(e *kernelv1.Encap) *kernel.Encap {
				return &kernel.Encap{SrcPort: d.port(e.SrcPort), DstPort: d.port(e.DstPort), OrigDst: d.addr(e.OrigDst)}
			}),
			NewSrc: d.addr(s.NewSrc), NewDst: d.addr(s.NewDst), OutputMark: mark(s.OutputMark), Offload: s.Offload,
			ESN: s.Esn, Dir: d.direction(s.Dir), State: enum(d, "SA state", s.State, kernel.Dead),
			Current: lifetime(s.Current), Label: s.Label, NoReplay: s.NoReplay,
		}
	})
}

func policyToProto(p *kernel.Policy) *kernelv1.Policy {
	return optional(p, func(p *kernel.Policy) *kernelv1.Policy {
		return &kernelv1.Policy{
			Key: policyKeyToProto(&p.Key), Action: kernelv1.Action(p.Action), Priority: p.Priority,
			Templates: mapped(p.Templates, templateToProto), Life: lifetimeToProto(p.Life), Label: p.Label,
		}
	})
}

func (d *decoder) policy(p *kernelv1.Policy) *kernel.Policy {
	return optional(p, func(p *kernelv1.Policy) *kernel.Policy {
		pol := &kernel.Policy{
			Action: enum(d, "policy action", p.Action, kernel.ActionBypass), Priority: p.Priority,
			Templates: mapped(p.Templates, d.template), Life: lifetime(p.Life), Label: p.Label,
		}
		if k := d.policyKey(p.Key); k != nil {
			pol.Key = *k
		}
		return pol
	})
}

func templateToProto(t kernel.Template) *kernelv1.Template {
	return &kernelv1.Template{
		Proto: uint32(t.Proto), Mode: kernelv1.Mode(t.Mode), Level: kernelv1.Level(t.Level), Reqid: t.ReqID,
		Src: addr(t.Src), Dst: addr(t.Dst),
	}
}

func (d *decoder) template(t *kernelv1.Template) kernel.Template {
	return kernel.Template{
		Proto: d.protocol(t.GetProto()), Mode: d.mode(t.GetMode()), Level: enum(d, "level", t.GetLevel(), kernel.LevelUnique),
		ReqID: t.GetReqid(), Src: d.addr(t.GetSrc()), Dst: d.addr(t.GetDst()),
	}
}
