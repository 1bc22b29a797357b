package plugingrpc

import (
	"math/bits"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	kernelv1 "github.com/racoon-ike/racoon/core/sdk/proto/racoon/plugin/kernel/v1"
)

func kernelCapabilitiesToProto(c kernel.Capabilities) *kernelv1.GetCapabilitiesResponse {
	var features []kernelv1.Feature
	for f := c.Features; f != 0; f &= f - 1 {
		features = append(features, kernelv1.Feature(bits.TrailingZeros64(uint64(f))+1))
	}
	return &kernelv1.GetCapabilitiesResponse{
		Platform: text(c.Platform), Features: features,
		Algorithms: mapped(c.Algorithms, func(a kernel.Algorithm) *kernelv1.Algorithm {
			return &kernelv1.Algorithm{
				Kind: kernelv1.AlgKind(a.Kind), Id: uint32(a.ID), MinKey: uint32(a.MinKey), MaxKey: uint32(a.MaxKey),
				Icvs: mapped(a.ICVs, func(bits uint16) uint32 { return uint32(bits) }),
			}
		}),
		MaxOpsPerTxn: uint32(max(c.MaxOpsPerTxn, 0)), SpiMin: c.SPIMin, SpiMax: c.SPIMax,
		AcquireLifetime: duration(c.AcquireLifetime), ReplayWindowMax: c.ReplayWindowMax,
	}
}

func (d *decoder) kernelCapabilities(c *kernelv1.GetCapabilitiesResponse) kernel.Capabilities {
	var features kernel.Feature
	for _, f := range c.Features {
		if f > 0 && f <= 64 { // what we do not know we cannot use: no reason to refuse
			features |= 1 << (f - 1)
		}
	}
	return kernel.Capabilities{
		Platform: clean(c.Platform), Features: features,
		Algorithms: mapped(c.Algorithms, func(a *kernelv1.Algorithm) kernel.Algorithm {
			return kernel.Algorithm{
				Kind: enum(d, "algorithm kind", a.GetKind(), kernel.AlgComp), ID: d.algorithm(a.GetId()),
				MinKey: d.bits(a.GetMinKey()), MaxKey: d.bits(a.GetMaxKey()), ICVs: mapped(a.GetIcvs(), d.bits),
			}
		}),
		MaxOpsPerTxn: int(c.MaxOpsPerTxn), SPIMin: c.SpiMin, SPIMax: c.SpiMax,
		AcquireLifetime: c.AcquireLifetime.AsDuration(), ReplayWindowMax: c.ReplayWindowMax,
	}
}

func spiRequestToProto(r kernel.SPIRequest) *kernelv1.SpiRequest {
	return &kernelv1.SpiRequest{
		Src: addr(r.Src), Dst: addr(r.Dst), Proto: uint32(r.Proto), Min: r.Min, Max: r.Max, Reqid: r.ReqID, Seq: r.Seq,
	}
}

func (d *decoder) spiRequest(r *kernelv1.SpiRequest) kernel.SPIRequest {
	return kernel.SPIRequest{
		Src: d.addr(r.GetSrc()), Dst: d.addr(r.GetDst()), Proto: d.protocol(r.GetProto()),
		Min: r.GetMin(), Max: r.GetMax(), ReqID: r.GetReqid(), Seq: r.GetSeq(),
	}
}

func transactionToProto(t kernel.Transaction) *kernelv1.Transaction {
	return &kernelv1.Transaction{
		TxnId: t.TxnID, OnError: kernelv1.OnError(t.OnError), Generation: t.Generation,
		Ops: mapped(t.Ops, func(o kernel.Op) *kernelv1.Op {
			return &kernelv1.Op{
				Kind: kernelv1.OpKind(o.Kind), Sa: saToProto(o.SA), Policy: policyToProto(o.Policy),
				Net: optional(o.Net, func(n *kernel.NetOp) *kernelv1.NetOp {
					return &kernelv1.NetOp{
						Prefix: prefixToProto(n.Prefix), Interface: text(n.Interface), Gateway: addr(n.Gateway),
						Source: addr(n.Source), Bound: endpoint(n.Bound),
					}
				}),
				Acquire: optional(o.Acquire, func(a *kernel.AcquireResult) *kernelv1.AcquireResult {
					return &kernelv1.AcquireResult{Seq: a.Seq, OsErrno: int32(a.Errno)}
				}),
			}
		}),
	}
}

func (d *decoder) transaction(t *kernelv1.Transaction) kernel.Transaction {
	return kernel.Transaction{
		TxnID: t.GetTxnId(), OnError: enum(d, "error rule", t.GetOnError(), kernel.Continue), Generation: t.GetGeneration(),
		Ops: mapped(t.GetOps(), func(o *kernelv1.Op) kernel.Op {
			return kernel.Op{
				Kind: enum(d, "op", o.GetKind(), kernel.AcquireDone), SA: d.sa(o.GetSa()), Policy: d.policy(o.GetPolicy()),
				Net: optional(o.GetNet(), func(n *kernelv1.NetOp) *kernel.NetOp {
					return &kernel.NetOp{
						Prefix: d.prefix(n.Prefix), Interface: n.Interface, Gateway: d.addr(n.Gateway),
						Source: d.addr(n.Source), Bound: d.endpoint(n.Bound),
					}
				}),
				Acquire: optional(o.GetAcquire(), func(a *kernelv1.AcquireResult) *kernel.AcquireResult {
					return &kernel.AcquireResult{Seq: a.Seq, Errno: int(a.OsErrno)}
				}),
			}
		}),
	}
}

func txnResultToProto(r kernel.TxnResult) *kernelv1.TxnResult {
	return &kernelv1.TxnResult{Ops: mapped(r.Ops, func(o kernel.OpResult) *kernelv1.OpResult {
		return &kernelv1.OpResult{Done: o.Done, Undone: o.Undone, Error: errorToProto(o.Err)}
	})}
}

func txnResult(r *kernelv1.TxnResult) kernel.TxnResult {
	return kernel.TxnResult{Ops: mapped(r.GetOps(), func(o *kernelv1.OpResult) kernel.OpResult {
		return kernel.OpResult{Done: o.GetDone(), Undone: o.GetUndone(), Err: errorFromProto(o.GetError())}
	})}
}

func statsToProto(s kernel.Stats) *kernelv1.Stats {
	return &kernelv1.Stats{
		Found: s.Found, Bytes: s.Bytes, Packets: s.Packets, Added: timestamp(s.Added),
		FirstUse: timestamp(s.FirstUse), LastUse: timestamp(s.LastUse), ReplayErrors: s.ReplayErrors,
		IntegrityErrors: s.IntegrityErrors,
	}
}

func stats(s *kernelv1.Stats) kernel.Stats {
	return kernel.Stats{
		Found: s.GetFound(), Bytes: s.GetBytes(), Packets: s.GetPackets(), Added: timeOf(s.GetAdded()),
		FirstUse: timeOf(s.GetFirstUse()), LastUse: timeOf(s.GetLastUse()), ReplayErrors: s.GetReplayErrors(),
		IntegrityErrors: s.GetIntegrityErrors(),
	}
}

func objectToProto(o kernel.Object) *kernelv1.Object {
	return &kernelv1.Object{
		Sa: saToProto(o.SA), Policy: policyToProto(o.Policy), Stats: statsToProto(o.Stats),
		Address: prefixToProto(o.Address), Interface: text(o.Iface),
	}
}

func (d *decoder) object(o *kernelv1.Object) kernel.Object {
	return kernel.Object{
		SA: d.sa(o.GetSa()), Policy: d.policy(o.GetPolicy()), Stats: stats(o.GetStats()),
		Address: d.prefix(o.GetAddress()), Iface: o.GetInterface(),
	}
}

// maskToProto lists the kinds m selects; none for 0.
func maskToProto(m kernel.EventMask) []kernelv1.EventKind {
	var kinds []kernelv1.EventKind
	for ; m != 0; m &= m - 1 {
		kinds = append(kinds, kernelv1.EventKind(bits.TrailingZeros64(uint64(m))))
	}
	return kinds
}

func (d *decoder) mask(kinds []kernelv1.EventKind) kernel.EventMask {
	var m kernel.EventMask
	for _, k := range kinds {
		m |= kernel.MaskOf(enum(d, "event kind", k, kernel.SAUpdated))
	}
	return m
}

func eventToProto(e kernel.Event) *kernelv1.Event {
	return &kernelv1.Event{
		Seq: e.Seq, At: timestamp(e.At), Kind: kernelv1.EventKind(e.Kind), Generation: e.Generation, Key: keyToProto(e.Key),
		Policy: policyToProto(e.Policy), Sel: selectorToProto(e.Sel), Templates: mapped(e.Templates, templateToProto),
		Proposals: mapped(e.Proposals, func(p kernel.Proposal) *kernelv1.Proposal {
			return &kernelv1.Proposal{
				Proto: uint32(p.Proto), Encr: uint32(p.Encr), Auth: uint32(p.Auth), Comp: uint32(p.Comp),
				EncrMinBits: uint32(p.EncrMinBits), EncrBits: uint32(p.EncrBits),
				AuthMinBits: uint32(p.AuthMinBits), AuthBits: uint32(p.AuthBits), Life: lifetimeToProto(p.Life),
			}
		}),
		AcquireSeq: e.AcquireSeq, NewRemote: endpoint(e.NewRemote), Interface: text(e.Iface), Sa: saToProto(e.SA),
	}
}

func (d *decoder) event(e *kernelv1.Event) kernel.Event {
	return kernel.Event{
		Seq: e.GetSeq(), At: timeOf(e.GetAt()), Kind: small[kernel.EventKind](d, "event kind", uint32(e.GetKind())),
		Generation: e.GetGeneration(), Key: d.key(e.GetKey()), Policy: d.policy(e.GetPolicy()), Sel: d.selector(e.GetSel()),
		Templates: mapped(e.GetTemplates(), d.template),
		Proposals: mapped(e.GetProposals(), func(p *kernelv1.Proposal) kernel.Proposal {
			return kernel.Proposal{
				Proto: d.protocol(p.GetProto()), Encr: d.algorithm(p.GetEncr()), Auth: d.algorithm(p.GetAuth()), Comp: d.algorithm(p.GetComp()),
				EncrMinBits: d.bits(p.GetEncrMinBits()), EncrBits: d.bits(p.GetEncrBits()),
				AuthMinBits: d.bits(p.GetAuthMinBits()), AuthBits: d.bits(p.GetAuthBits()), Life: lifetime(p.GetLife()),
			}
		}),
		AcquireSeq: e.GetAcquireSeq(), NewRemote: d.endpoint(e.GetNewRemote()), Iface: e.GetInterface(), SA: d.sa(e.GetSa()),
	}
}

func routeToProto(r kernel.Route) *kernelv1.Route {
	return &kernelv1.Route{
		Src: addr(r.Src), NextHop: addr(r.NextHop), Interface: text(r.Iface), Mtu: uint32(max(r.MTU, 0)), Error: errorToProto(r.Err),
	}
}

func (d *decoder) route(r *kernelv1.Route) kernel.Route {
	return kernel.Route{
		Src: d.addr(r.GetSrc()), NextHop: d.addr(r.GetNextHop()), Iface: r.GetInterface(), MTU: int(r.GetMtu()),
		Err: errorFromProto(r.GetError()),
	}
}

func datagramToProto(g kernel.Datagram) *kernelv1.Datagram {
	return &kernelv1.Datagram{Local: endpoint(g.Local), Remote: endpoint(g.Remote), Data: g.Data}
}

func (d *decoder) datagram(g *kernelv1.Datagram) kernel.Datagram {
	return kernel.Datagram{Local: d.endpoint(g.GetLocal()), Remote: d.endpoint(g.GetRemote()), Data: g.GetData()}
}

// family checks the address family of a request.
func (d *decoder) family(v uint32) kernel.Family {
	f := small[kernel.Family](d, "address family", v)
	if f != kernel.IPv4 && f != kernel.IPv6 {
		d.fail(errs.Unsupported, "address family %d is unknown", v)
	}
	return f
}
