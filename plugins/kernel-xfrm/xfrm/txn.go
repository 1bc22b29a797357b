//go:build linux

package xfrm

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

const (
	maxOps  = 1024 // of one transaction
	maxTxns = 4096 // remembered results
)

// Apply runs the transactions one after the other. It does not heed ctx: what
// the kernel was told must be known to have been told. An op that was not tried
// has neither Done nor Err.
func (b *Backend) Apply(_ context.Context, txns []kernel.Transaction) ([]kernel.TxnResult, error) {
	res := make([]kernel.TxnResult, len(txns))
	for i, t := range txns {
		res[i] = b.txns.do(t.TxnID, func() kernel.TxnResult { return b.run(t) })
	}
	return res, nil
}

// An undo takes an op back.
type undo func() error

func (b *Backend) run(t kernel.Transaction) kernel.TxnResult {
	res := kernel.TxnResult{Ops: make([]kernel.OpResult, len(t.Ops))}
	if err := checkTxn(t); err != nil {
		for i := range res.Ops {
			res.Ops[i].Err = errs.From(err)
		}
		return res
	}
	undos := make([]undo, len(t.Ops))
	for i, op := range t.Ops {
		u, err := b.runOp(op, t.OnError == kernel.Rollback)
		if err == nil {
			res.Ops[i].Done, undos[i] = true, u
			continue
		}
		res.Ops[i].Err = toError(opName(op.Kind), err)
		res.Ops[i].Err.Op = i
		if t.OnError == kernel.Rollback {
			b.rollback(res.Ops[:i], undos)
		}
		if t.OnError != kernel.Continue {
			break
		}
	}
	b.generation.Store(t.Generation)
	return res
}

func checkTxn(t kernel.Transaction) error {
	switch {
	case t.OnError > kernel.Continue:
		return unsupported("OnError %d", t.OnError)
	case len(t.Ops) > maxOps:
		return invalid("%d ops in one transaction; at most %d", len(t.Ops), maxOps)
	}
	return nil
}

// rollback undoes what was done, last first, as far as the kernel lets it.
func (b *Backend) rollback(ops []kernel.OpResult, undos []undo) {
	for i := len(ops) - 1; i >= 0; i-- {
		if undos[i] == nil {
			continue
		}
		if err := undos[i](); err != nil {
			ops[i].Err = toError("undo", err)
			ops[i].Err.Op = i
			continue
		}
		ops[i].Done, ops[i].Undone = false, true
	}
}

var opNames = map[kernel.OpKind]string{
	kernel.AddSA: "add SA", kernel.UpdateSA: "update SA", kernel.DeleteSA: "delete SA",
	kernel.AddPolicy: "add policy", kernel.UpdatePolicy: "update policy", kernel.DeletePolicy: "delete policy",
	kernel.FlushSAs: "flush SAs", kernel.FlushPolicies: "flush policies",
	kernel.AddAddress: "add address", kernel.DeleteAddress: "delete address",
	kernel.AddRoute: "add route", kernel.DeleteRoute: "delete route",
	kernel.Bypass: "bypass", kernel.AcquireDone: "answer acquire",
}

func opName(k kernel.OpKind) string {
	if name := opNames[k]; name != "" {
		return name
	}
	return fmt.Sprint("op ", k)
}

// runOp does one op. With keep it returns how to undo it, nil if that cannot be.
func (b *Backend) runOp(op kernel.Op, keep bool) (undo, error) {
	switch op.Kind {
	case kernel.AddSA, kernel.UpdateSA, kernel.DeleteSA:
		if op.SA == nil {
			return nil, invalid("no SA given")
		}
		u, err := b.runSA(op.Kind, op.SA, keep)
		if err != nil {
			return nil, toError(describeKey(op.SA.Key), err)
		}
		return u, nil
	case kernel.AddPolicy, kernel.UpdatePolicy, kernel.DeletePolicy:
		if op.Policy == nil {
			return nil, invalid("no policy given")
		}
		u, err := b.runPolicy(op.Kind, op.Policy, keep)
		if err != nil {
			return nil, toError(describePolicy(op.Policy.Key), err)
		}
		return u, nil
	case kernel.FlushSAs:
		// xfrm_usersa_flush.proto 0 is IPSEC_PROTO_ANY. Flushing nothing is no error.
		return nil, ignoreNotFound(b.xfrm.ack(msgFlushSA, make([]byte, sizeFlushSA)))
	case kernel.FlushPolicies:
		return nil, ignoreNotFound(b.xfrm.ack(msgFlushPolicy, nil))
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

func ignoreNotFound(err error) error {
	if isNotFound(err) {
		return nil
	}
	return err
}

func (b *Backend) runSA(kind kernel.OpKind, sa *kernel.SA, keep bool) (undo, error) {
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
func (b *Backend) deleteSA(k kernel.Key, keep bool) (undo, error) {
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

func (b *Backend) runPolicy(kind kernel.OpKind, p *kernel.Policy, keep bool) (undo, error) {
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

// txnMemory remembers the results of recent transactions, so that one that comes
// again is not done again.
type txnMemory struct {
	mu     sync.Mutex
	byID   map[string]*txnEntry
	recent []string // ring of the keys of byID
	next   int
}

type txnEntry struct {
	done chan struct{} // closed when res is there
	res  kernel.TxnResult
}

// do returns run's result, or what it was when id was done before; while another
// does it, do waits for that. A transaction without id is always run.
func (t *txnMemory) do(id string, run func() kernel.TxnResult) kernel.TxnResult {
	if id == "" {
		return run()
	}
	e, mine := t.claim(id)
	if !mine {
		<-e.done
		return e.res
	}
	e.res = run()
	close(e.done)
	return e.res
}

func (t *txnMemory) claim(id string) (e *txnEntry, mine bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.byID[id]; e != nil {
		return e, false
	}
	if t.byID == nil {
		t.byID = make(map[string]*txnEntry)
	}
	if len(t.recent) < maxTxns {
		t.recent = append(t.recent, id)
	} else {
		delete(t.byID, t.recent[t.next])
		t.recent[t.next] = id
		t.next = (t.next + 1) % maxTxns
	}
	e = &txnEntry{done: make(chan struct{})}
	t.byID[id] = e
	return e, true
}
