package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/spd"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// Kernel writes are never cancelled: it would not be known what they did.
const (
	// applyPatience is how long an install may stay unanswered while the kernel
	// plugin is away. Then it counts as failed, and is undone when the plugin is back.
	applyPatience = 25 * time.Second

	minRetry = 100 * time.Millisecond
	maxRetry = 5 * time.Second
)

// apply makes the changes one machine asks for. Registry and ledger know the SAs
// before the kernel does, and the keys are copied, all while the machine waits;
// the rest is done by a goroutine that is never cancelled.
func (e *Engine) apply(a *actor, req ike.Apply, reply func(any, error) bool) {
	var ops []kernel.Op
	var made, gone []ledgerKey
	var policies, ending []spd.Policy
	for _, op := range req.Ops {
		switch op.Kind {
		case ike.InstallPolicy:
			ops, policies = append(ops, policyOp(kernel.UpdatePolicy, *op.Policy)), append(policies, *op.Policy)
			continue
		case ike.DeletePolicy:
			ending = append(ending, *op.Policy)
			continue
		}
		k := keyOf(op.SA)
		if op.Kind == ike.DeleteSA {
			if known, ok := e.registry.disown(k.SAKey); ok && unspecified(k.src) {
				k.where = known.where
			}
			gone = append(gone, k)
			continue
		}
		ops = append(ops, install(op.Kind, op.SA))
		made = append(made, k)
	}
	e.registry.own(a, made, installing)
	ending = e.generated.leave(a, ending)
	e.record(errors.Join(e.ledger.add(made), e.ledger.addPolicies(policies)))
	e.run(func() {
		err := e.installSAs(ops, made)
		if err == nil {
			e.putPolicies(policies)
			err = e.deleteSAs(gone, ending)
		}
		if !reply(nil, err) && err == nil {
			e.removeSAs(made, e.generated.leave(a, policies)) // the machine has ended meanwhile
		}
	})
}

// record says that the ledger cannot be kept. Tunnels go on: what it would cost is
// cleaning up after a crash.
func (e *Engine) record(err error) {
	if err != nil {
		e.notify(notice.Notice{Event: notice.LocalFailure, Reason: notice.Internal, Detail: err.Error()})
	}
}

// installSAs makes SAs, all or none.
func (e *Engine) installSAs(ops []kernel.Op, keys []ledgerKey) error {
	if len(ops) == 0 {
		return nil
	}
	defer wipe(ops)
	var res kernel.TxnResult
	var again bool
	err := e.fit(ops, keys)
	if err == nil {
		res, again, err = e.transact(ops, kernel.Rollback, applyPatience)
	}
	if err == nil && larvalGone(ops, res) {
		// The SPI was reserved for too short a time; it is still ours to use.
		for i := range ops {
			if ops[i].Kind == kernel.UpdateSA {
				ops[i].Kind = kernel.AddSA
			}
		}
		onError := kernel.Rollback
		if again { // some of it may be there
			onError = kernel.Continue
		}
		var retried bool
		res, retried, err = e.transact(ops, onError, applyPatience)
		again = again || retried
	}
	known := err == nil
	if known {
		err = outcome(ops, res, again)
	}
	if err == nil {
		e.registry.settle(keys)
		e.suspect(ops)
		e.record(e.backup.save(ops, time.Now()))
		return nil
	}
	for _, k := range keys {
		e.registry.disown(k.SAKey)
	}
	left := func(o kernel.OpResult) bool { return o.Done && !o.Undone }
	if known && !again && !slices.ContainsFunc(res.Ops, left) {
		e.record(e.ledger.remove(keys))
	} else {
		e.removeSAs(keys, nil)
	}
	return err
}

// larvalGone reports whether an SA could not be completed because what
// AllocateSPIs had reserved has expired.
func larvalGone(ops []kernel.Op, r kernel.TxnResult) bool {
	for i, o := range r.Ops {
		if o.Err != nil {
			return i < len(ops) && ops[i].Kind == kernel.UpdateSA && o.Err.Reason == errs.NotFound
		}
	}
	return false
}

// transact runs a transaction to an answer. Where none came it is sent again under
// its ID, which a plugin that still lives recognises; one that was restarted does
// it again and finds its first half done, so that nothing must be rolled back then.
// patience 0 has no end but the engine's. again reports a second attempt.
func (e *Engine) transact(ops []kernel.Op, onError kernel.OnError, patience time.Duration) (res kernel.TxnResult, again bool, err error) {
	n := e.txns.Add(1)
	txn := kernel.Transaction{TxnID: fmt.Sprintf("%s-%d", e.instance, n), Ops: ops, OnError: onError, Generation: n}
	until := time.Now().Add(patience)
	for wait := minRetry; ; wait = min(2*wait, maxRetry) {
		back := e.kernelBack()
		ctx, cancel := context.WithTimeout(e.ctx, kernelTimeout)
		rs, err := e.kernel.Apply(ctx, []kernel.Transaction{txn})
		cancel()
		switch {
		case err != nil:
		case len(rs) != 1:
			err = fmt.Errorf("the kernel plugin gave %d results for one transaction", len(rs))
		default:
			if err = unanswered(rs[0]); err == nil {
				return rs[0], again, nil
			}
		}
		if !uncertain(err) || patience != 0 && !time.Now().Add(wait).Before(until) {
			return res, again, err
		}
		again, txn.OnError = true, kernel.Continue
		select {
		case <-time.After(wait):
		case <-back: // in a moment, for everybody
			wait = minRetry / 2
		case <-e.ctx.Done():
			return res, again, errors.Join(err, e.ctx.Err())
		}
	}
}

// unanswered is why the plugin does not know itself what the kernel has done with an
// operation. It does such a transaction again when it is asked again.
func unanswered(r kernel.TxnResult) error {
	for _, o := range r.Ops {
		if o.Err != nil && (o.Err.Reason == errs.Timeout || o.Err.Reason == errs.Unavailable) {
			return o.Err
		}
	}
	return nil
}

// uncertain reports whether the transaction may have been done, or may yet be.
func uncertain(err error) bool {
	return passes(err) || errs.From(err).Reason == errs.Internal
}

// kernelBack returns a channel that is closed when the kernel plugin is back.
func (e *Engine) kernelBack() <-chan struct{} {
	e.backMu.Lock()
	defer e.backMu.Unlock()
	return e.back
}

func (e *Engine) kernelIsBack() {
	e.backMu.Lock()
	defer e.backMu.Unlock()
	close(e.back)
	e.back = make(chan struct{})
}
