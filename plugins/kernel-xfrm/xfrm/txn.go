//go:build linux

package xfrm

import (
	"context"
	"errors"
	"syscall"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/kernel/txn"
)

// Apply runs the transactions one after the other. It does not heed ctx: what
// the kernel was told must be known to have been told.
func (b *Backend) Apply(_ context.Context, txns []kernel.Transaction) ([]kernel.TxnResult, error) {
	res := make([]kernel.TxnResult, len(txns))
	for i, t := range txns {
		res[i] = b.txns.Do(t.TxnID, func() kernel.TxnResult {
			defer b.generation.Store(t.Generation)
			return txn.Run(t, b.runOp)
		})
	}
	return res, nil
}

// runOp does one op. With keep it returns how to undo it, nil if that cannot be.
func (b *Backend) runOp(op kernel.Op, keep bool) (txn.Undo, error) {
	switch op.Kind {
	case kernel.AddSA, kernel.UpdateSA, kernel.DeleteSA:
		if op.SA == nil {
			return nil, invalid("no SA given")
		}
		u, err := b.runSA(op.Kind, op.SA, keep)
		return named(describeKey(op.SA.Key), u, err)
	case kernel.AddPolicy, kernel.UpdatePolicy, kernel.DeletePolicy:
		if op.Policy == nil {
			return nil, invalid("no policy given")
		}
		u, err := b.runPolicy(op.Kind, op.Policy, keep)
		return named(describePolicy(op.Policy.Key), u, err)
	case kernel.FlushSAs:
		// xfrm_usersa_flush.proto 0 is IPSEC_PROTO_ANY. Flushing nothing is no error.
		return named("all", nil, ignoreNotFound(b.xfrm.ack(msgFlushSA, make([]byte, sizeFlushSA))))
	case kernel.FlushPolicies:
		return named("all", nil, ignoreNotFound(b.xfrm.ack(msgFlushPolicy, nil)))
	case kernel.AcquireDone:
		if op.Acquire == nil {
			return nil, invalid("no acquire given")
		}
		// Nothing to tell the kernel. AddSA of an outbound SA removes the larval SA
		// of its acquire. After a failure XFRM has no message for it: it goes after
		// AcquireLifetime, and until then no new acquire of it comes, which paces us.
		return nil, nil
	}
	return nil, unsupported("not an op of this backend")
}

// named has the errors of an op, and of undoing it, say of what.
func named(what string, undo txn.Undo, err error) (txn.Undo, error) {
	switch {
	case err != nil:
		return nil, toError(what, err)
	case undo == nil:
		return nil, nil
	}
	return func() error { return toError(what, undo()).Err() }, nil
}

func ignoreNotFound(err error) error {
	if isNotFound(err) {
		return nil
	}
	return err
}

func (b *Backend) runSA(kind kernel.OpKind, sa *kernel.SA, keep bool) (txn.Undo, error) {
	if kind == kernel.DeleteSA {
		return b.deleteSA(sa.Key, keep)
	}
	if kind == kernel.UpdateSA && movesOnly(sa) {
		return b.moveSA(sa)
	}
	if err := b.checkIgnored(sa.Key, sa); err != nil {
		return nil, err
	}
	opt, err := b.saOptions(sa)
	if err != nil {
		return nil, err
	}
	body, err := encodeSA(sa, opt)
	if err != nil {
		return nil, err
	}
	defer clear(body)
	msg := msgNewSA
	if kind == kernel.UpdateSA {
		msg = msgUpdSA
	}
	if err := b.xfrm.ack(msg, body); err != nil {
		return nil, missingPart(kind, sa.Key, err)
	}
	return func() error { _, err := b.deleteSA(sa.Key, false); return err }, nil
}

// missingPart says what the kernel lacks, and tells the crypto API's ENOENT, a
// missing algorithm, from that of an SA that is not there.
func missingPart(kind kernel.OpKind, k kernel.Key, err error) error {
	switch {
	case errors.Is(err, syscall.EPROTONOSUPPORT) && isIPsec(k.Proto):
		return toError(lacks(k.Proto, k.Dst.Unmap()), err)
	case kind == kernel.AddSA && errors.Is(err, syscall.ENOENT):
		e := toError("the kernel lacks a part of this algorithm", err)
		e.Reason = errs.Unsupported
		return e
	}
	return err
}

// deleteSA deletes an SA, larval ones too. With keep the SA can be put back.
func (b *Backend) deleteSA(k kernel.Key, keep bool) (txn.Undo, error) {
	id, err := encodeSAID(k)
	if err != nil {
		return nil, err
	}
	if !keep {
		return nil, b.xfrm.ack(msgDelSA, id)
	}
	old, err := b.xfrm.get(msgGetSA, id)
	if err != nil {
		return nil, err
	}
	defer clear(old)
	putBack, err := b.restorer(old)
	if err != nil {
		return nil, err
	}
	return putBack, b.xfrm.ack(msgDelSA, id)
}

func (b *Backend) runPolicy(kind kernel.OpKind, p *kernel.Policy, keep bool) (txn.Undo, error) {
	key := p.Key
	if kind != kernel.DeletePolicy {
		key.ID = 0 // the kernel chooses it, and finds the old policy by selector
	}
	id, err := encodePolicyID(key)
	if err != nil {
		return nil, err
	}
	var old []byte
	if keep && kind != kernel.AddPolicy {
		if old, err = b.xfrm.get(msgGetPolicy, id); err != nil && !isNotFound(err) {
			return nil, err
		}
	}
	restore := func() error { return b.xfrm.ack(msgUpdPolicy, old) }
	if old == nil {
		restore = func() error { return b.xfrm.ack(msgDelPolicy, id) }
	}
	if kind == kernel.DeletePolicy {
		return restore, b.xfrm.ack(msgDelPolicy, id)
	}
	if err := b.checkIgnored(kernel.Key{Mark: key.Mark, IfID: key.IfID}, &kernel.SA{}); err != nil {
		return nil, err
	}
	body, err := encodePolicy(p)
	if err != nil {
		return nil, err
	}
	msg := msgNewPolicy
	if kind == kernel.UpdatePolicy {
		msg = msgUpdPolicy
	}
	return restore, b.xfrm.ack(msg, body)
}
