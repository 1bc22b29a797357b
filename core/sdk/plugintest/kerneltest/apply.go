package kerneltest

import (
	"context"
	"maps"
	"net/netip"
	"slices"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// Apply runs each transaction under the lock, so that it is atomic to readers.
func (f *Fake) Apply(ctx context.Context, ts []kernel.Transaction) ([]kernel.TxnResult, error) {
	unlock, err := f.begin(ctx, "Apply")
	if err != nil {
		return nil, err
	}
	defer unlock()
	out := make([]kernel.TxnResult, len(ts))
	for i, t := range ts {
		if done, ok := f.txns[t.TxnID]; ok && t.TxnID != "" {
			out[i] = done
			continue
		}
		out[i] = f.transaction(t)
		f.remember(t.TxnID, out[i])
	}
	return out, nil
}

func (f *Fake) remember(id string, r kernel.TxnResult) {
	if id == "" {
		return
	}
	if len(f.txnOrder) == maxTxns {
		delete(f.txns, f.txnOrder[0])
		f.txnOrder = f.txnOrder[1:]
	}
	f.txns[id] = r
	f.txnOrder = append(f.txnOrder, id)
}

func (f *Fake) transaction(t kernel.Transaction) kernel.TxnResult {
	res := kernel.TxnResult{Ops: make([]kernel.OpResult, len(t.Ops))}
	if t.OnError > kernel.Continue {
		for i := range res.Ops {
			res.Ops[i].Err = errs.Errorf(errs.Unsupported, "error rule %d", t.OnError)
		}
		return res
	}
	before := f.state.clone()
	var events []kernel.Event
	for i, op := range t.Ops {
		ev, err := f.op(op)
		if err == nil {
			res.Ops[i].Done = true
			events = append(events, ev...)
			continue
		}
		err.Op = i
		res.Ops[i].Err = err
		if t.OnError == kernel.Continue {
			continue
		}
		if t.OnError == kernel.Rollback {
			f.state, events = before, nil
			for j := range i {
				res.Ops[j] = kernel.OpResult{Undone: true}
			}
		}
		break
	}
	f.generation = max(f.generation, t.Generation)
	for _, e := range events {
		f.emit(e)
	}
	return res
}

func (s state) clone() state {
	return state{
		maps.Clone(s.sas), maps.Clone(s.policies), maps.Clone(s.addresses), maps.Clone(s.routes), slices.Clone(s.bypasses),
	}
}

// op does one op and returns what the kernel would announce.
func (f *Fake) op(o kernel.Op) ([]kernel.Event, *errs.Error) {
	if f.OpError != nil {
		if err := f.OpError(o); err != nil {
			return nil, err
		}
	}
	switch o.Kind {
	case kernel.AddSA, kernel.UpdateSA, kernel.DeleteSA:
		if o.SA == nil {
			return nil, errs.Errorf(errs.Invalid, "no SA in op %d", o.Kind)
		}
		return f.saOp(o.Kind, *o.SA)
	case kernel.AddPolicy, kernel.UpdatePolicy, kernel.DeletePolicy:
		if o.Policy == nil {
			return nil, errs.Errorf(errs.Invalid, "no policy in op %d", o.Kind)
		}
		return f.policyOp(o.Kind, *o.Policy)
	case kernel.FlushSAs:
		clear(f.state.sas)
		return []kernel.Event{{Kind: kernel.SAFlushed}}, nil
	case kernel.FlushPolicies:
		clear(f.state.policies)
		return []kernel.Event{{Kind: kernel.PolicyFlushed}}, nil
	case kernel.AddAddress, kernel.DeleteAddress:
		if err := f.lacks(kernel.FeatAddresses); err != nil {
			return nil, err
		}
		return nil, f.netOp(f.state.addresses, o.Kind == kernel.AddAddress, o.Net)
	case kernel.AddRoute, kernel.DeleteRoute:
		if err := f.lacks(kernel.FeatRoutes); err != nil {
			return nil, err
		}
		return nil, f.netOp(f.state.routes, o.Kind == kernel.AddRoute, o.Net)
	case kernel.Bypass:
		if o.Net == nil || !o.Net.Bound.IsValid() {
			return nil, errs.Errorf(errs.Invalid, "no bound address in bypass")
		}
		f.state.bypasses = append(f.state.bypasses, o.Net.Bound)
		return nil, nil
	case kernel.AcquireDone:
		if o.Acquire == nil {
			return nil, errs.Errorf(errs.Invalid, "no acquire in op %d", o.Kind)
		}
		if _, ok := f.acquires[o.Acquire.Seq]; !ok {
			return nil, errs.Errorf(errs.NotFound, "no acquire %d", o.Acquire.Seq)
		}
		f.acquires[o.Acquire.Seq] = o.Acquire.Errno
		delete(f.waiting, o.Acquire.Seq)
		return nil, nil
	}
	return nil, errs.Errorf(errs.Unsupported, "op %d", o.Kind)
}

func (f *Fake) saOp(kind kernel.OpKind, v kernel.SA) ([]kernel.Event, *errs.Error) {
	k := saKey{v.Key.Dst, v.Key.SPI, v.Key.Proto}
	old, exists := f.state.sas[k]
	if kind == kernel.DeleteSA {
		if !exists {
			return nil, errs.Errorf(errs.NotFound, "no SA %s", k)
		}
		delete(f.state.sas, k)
		return []kernel.Event{{Kind: kernel.SADeleted, Key: old.Key}}, nil
	}
	moves := v.NewSrc.IsValid() || v.NewDst.IsValid() || kind == kernel.UpdateSA && v.Encr == nil && v.Auth == nil && v.Comp == 0
	if err := f.checkSA(v, moves); err != nil {
		return nil, err
	}
	switch {
	case kind == kernel.AddSA && exists:
		return nil, errs.Errorf(errs.Exists, "SA %s", k)
	case kind == kernel.UpdateSA && !exists:
		return nil, errs.Errorf(errs.NotFound, "no SA %s", k)
	}
	next := sa{SA: v, stats: old.stats, soft: old.soft}
	if moves {
		if next.SA = old.SA; v.Encap != nil {
			next.Encap = v.Encap
		}
		f.move(k, &next, v.NewSrc, v.NewDst)
		return []kernel.Event{saEvent(kernel.SAUpdated, next)}, nil
	}
	next.Encr, next.Auth = ownKey(v.Encr), ownKey(v.Auth)
	if next.State = kernel.Mature; old.State != kernel.Mature {
		next.stats.Added = f.now()
	}
	if v.Dir != kernel.Out && v.Key.Proto != IPComp && !v.NoReplay {
		next.ReplayWindow = max(v.ReplayWindow, minWindow)
	}
	f.state.sas[k] = next
	delete(f.waiting, v.Seq)
	if kind == kernel.UpdateSA {
		return []kernel.Event{saEvent(kernel.SAUpdated, next)}, nil
	}
	return []kernel.Event{saEvent(kernel.SAAdded, next)}, nil
}

// saEvent tells of an SA, without its keys.
func saEvent(kind kernel.EventKind, s sa) kernel.Event {
	v := s.SA
	v.Encr, v.Auth = keyless(v.Encr), keyless(v.Auth)
	return kernel.Event{Kind: kind, Key: v.Key, SA: &v}
}

// move gives an SA other end points.
func (f *Fake) move(k saKey, s *sa, src, dst netip.Addr) {
	if src.IsValid() {
		s.Key.Src = src
	}
	if dst.IsValid() {
		delete(f.state.sas, k)
		s.Key.Dst, k.dst = dst, dst
	}
	f.state.sas[k] = *s
}

// ownKey is a copy that the caller's zeroing does not reach.
func ownKey(k *kernel.AlgKey) *kernel.AlgKey {
	if k == nil {
		return nil
	}
	return &kernel.AlgKey{ID: k.ID, Trunc: k.Trunc, Key: secret.New(slices.Clone(k.Key.Reveal()))}
}

func (f *Fake) policyOp(kind kernel.OpKind, p kernel.Policy) ([]kernel.Event, *errs.Error) {
	old, exists := f.policy(p.Key)
	k := keyOf(p.Key)
	if exists {
		k = keyOf(old.Key)
	}
	if kind == kernel.DeletePolicy {
		if !exists {
			return nil, errs.Errorf(errs.NotFound, "no policy %v", k.sel)
		}
		delete(f.state.policies, k)
		return []kernel.Event{{Kind: kernel.PolicyDeleted, Policy: &old}}, nil
	}
	if err := f.checkPolicy(p); err != nil {
		return nil, err
	}
	switch {
	case kind == kernel.AddPolicy && exists:
		return nil, errs.Errorf(errs.Exists, "policy %v", p.Key.Sel)
	}
	if exists {
		p.Key.ID = old.Key.ID
	} else if p.Key.ID == 0 {
		f.seq++
		p.Key.ID = f.seq
	}
	f.state.policies[k] = p
	if exists {
		return []kernel.Event{{Kind: kernel.PolicyUpdated, Policy: &p}}, nil
	}
	return []kernel.Event{{Kind: kernel.PolicyAdded, Policy: &p}}, nil
}

func (f *Fake) netOp(table map[netOp]bool, add bool, n *kernel.NetOp) *errs.Error {
	if n == nil || !n.Prefix.IsValid() {
		return errs.Errorf(errs.Invalid, "no prefix")
	}
	k := netOp{n.Prefix, n.Interface, n.Gateway, n.Source}
	switch {
	case add && table[k]:
		return errs.Errorf(errs.Exists, "%s on %s", n.Prefix, n.Interface)
	case !add && !table[k]:
		return errs.Errorf(errs.NotFound, "%s on %s", n.Prefix, n.Interface)
	case add:
		table[k] = true
	default:
		delete(table, k)
	}
	return nil
}
