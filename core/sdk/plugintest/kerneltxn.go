package plugintest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

var txnChecks = []kernelCheck{
	{name: "error rules stop, roll back and continue are kept", run: errorRules,
		fix: "Stop leaves what was done and does no more; Rollback undoes it, last first, with Undone in place of Done; Continue tries every op. An op that was not tried has neither Done nor Err"},
	{name: "a rollback puts back what was changed and deleted", run: rollbackRestores,
		fix: "read an object before you change or delete it under Rollback; where it cannot be put back leave Done and say why in Err: the results are what the engine believes"},
	{name: "a rollback takes back an SA", run: rollbackOfSA, sas: true,
		fix: "an SA that was added in a transaction that fails must be gone: the peer has never heard of it"},
	{name: "the error of an op says which one it is", run: errorIndex,
		fix: "set Err.Op to the index of the op in its transaction"},
	{name: "transactions of one call are independent of each other", run: independent,
		fix: "the failure of a transaction is in its own result; the call as a whole fails only if nothing was done"},
	{name: "a transaction that comes again is not done again", run: idempotent,
		fix: "keep the results of the last few thousand transactions by TxnID and give them again, whatever the error rule of the second time: the engine sends a transaction again when no answer came"},
	{name: "a transaction that failed and comes again has failed", run: idempotentFailure,
		fix: "keep the results of failed transactions too: what was rolled back must not be done by a retry"},
	{name: "a transaction twice in one call is done once", run: idempotentAtOnce,
		fix: "claim the TxnID before you do the transaction, and let the second wait for the first"},
	{name: "transactions without an ID are all done", run: nameless,
		fix: "an empty TxnID is no ID: do not look it up"},
	{name: "a call whose caller went away is done whole and known", run: cancelledApply,
		fix: "do not heed the context in Apply: what the kernel was told must be known to have been told"},
	{name: "many transactions at once are all done", run: manyTransactions,
		fix: "one Apply may carry many transactions of 64 ops each"},
}

// failing is a deletion that finds nothing.
func (d *bed) failing() kernel.Op {
	p := d.policy()
	p.Key.Sel.Proto = 253 // RFC 3692: for experiments
	return policyOp(kernel.DeletePolicy, p)
}

func errorRules(ctx context.Context, d *bed) error {
	for _, c := range []struct {
		name        string
		rule        kernel.OnError
		first, last kernel.OpResult
	}{
		{"Stop", kernel.Stop, kernel.OpResult{Done: true}, kernel.OpResult{}},
		{"Rollback", kernel.Rollback, kernel.OpResult{Undone: true}, kernel.OpResult{}},
		{"Continue", kernel.Continue, kernel.OpResult{Done: true}, kernel.OpResult{Done: true}},
	} {
		first, last := d.policy(), d.policy()
		last.Key.Dir = kernel.In
		res, err := d.apply(ctx, c.rule, policyOp(kernel.AddPolicy, first), d.failing(), policyOp(kernel.AddPolicy, last))
		if err != nil {
			return err
		}
		if res[0] != c.first || res[2] != c.last || res[1].Done || res[1].Undone {
			return fmt.Errorf("rule %s, the second of three ops fails: results %+v, want the first %+v and the third %+v", c.name, res, c.first, c.last)
		}
		if err := is(res[1].Err.Err(), errs.NotFound, "the second op under "+c.name); err != nil {
			return err
		}
		err = errors.Join(d.policyIs(ctx, first.Key, onlyIf(res[0].Done, first)), d.policyIs(ctx, last.Key, onlyIf(res[2].Done, last)))
		if err != nil {
			return fmt.Errorf("rule %s: the results are not true: %w", c.name, err)
		}
	}
	return nil
}

func onlyIf[V any](there bool, v *V) *V {
	if there {
		return v
	}
	return nil
}

func rollbackRestores(ctx context.Context, d *bed) error {
	changed, deleted, added, replaced := d.policy(), d.policy(), d.policy(), d.policy()
	if err := d.must(ctx, policyOp(kernel.AddPolicy, changed), policyOp(kernel.AddPolicy, deleted)); err != nil {
		return err
	}
	other := *changed
	other.Action, other.Templates = kernel.ActionDiscard, nil
	res, err := d.apply(ctx, kernel.Rollback, policyOp(kernel.UpdatePolicy, &other), policyOp(kernel.DeletePolicy, deleted),
		policyOp(kernel.UpdatePolicy, added), policyOp(kernel.AddPolicy, replaced), policyOp(kernel.UpdatePolicy, replaced), d.failing())
	if err != nil {
		return err
	}
	for i, r := range res[:5] {
		if r.Done == r.Undone || r.Done && r.Err == nil {
			return fmt.Errorf("op %d of a transaction that was rolled back: %+v; want Undone, or Done with an error that says why it could not be undone", i, r)
		}
	}
	return errors.Join(
		d.policyIs(ctx, changed.Key, pick(res[0].Undone, changed, &other)),
		d.policyIs(ctx, deleted.Key, onlyIf(res[1].Undone, deleted)),
		d.policyIs(ctx, added.Key, onlyIf(res[2].Done, added)),
		d.policyIs(ctx, replaced.Key, onlyIf(res[3].Done, replaced)),
	)
}

func pick[V any](first bool, a, b V) V {
	if first {
		return a
	}
	return b
}

func rollbackOfSA(ctx context.Context, d *bed) error {
	out, in, deleted := d.newSA(), d.newSA(), d.newSA()
	out.Dir, out.Key.Src, out.Key.Dst = kernel.Out, here, there
	if err := d.must(ctx, saOp(kernel.AddSA, deleted)); err != nil {
		return err
	}
	res, err := d.apply(ctx, kernel.Rollback, saOp(kernel.AddSA, in), saOp(kernel.AddSA, out), deleteSA(deleted.Key), d.failing())
	if err != nil {
		return err
	}
	if !res[0].Undone || !res[1].Undone {
		return fmt.Errorf("two SAs were added in a transaction that failed: results %+v, want Undone", res[:2])
	}
	if res[2].Done == res[2].Undone {
		return fmt.Errorf("the deletion of an SA was rolled back: %+v, want Done or Undone", res[2])
	}
	return errors.Join(d.saIs(ctx, in.Key, nil), d.saIs(ctx, out.Key, nil), d.saIs(ctx, deleted.Key, onlyIf(res[2].Undone, deleted)))
}

func errorIndex(ctx context.Context, d *bed) error {
	p := d.policy()
	res, err := d.apply(ctx, kernel.Continue, policyOp(kernel.AddPolicy, p), d.failing(), policyOp(kernel.DeletePolicy, p), d.failing())
	if err != nil {
		return err
	}
	for _, i := range []int{1, 3} {
		if e := res[i].Err; e == nil || e.Op != i {
			return fmt.Errorf("the error of op %d is %+v, want one with Op = %d", i, e, i)
		}
	}
	return nil
}

func independent(ctx context.Context, d *bed) error {
	first, last := d.policy(), d.policy()
	d.remember([]kernel.Op{policyOp(kernel.AddPolicy, first), policyOp(kernel.AddPolicy, last)})
	res, err := d.Apply(ctx, []kernel.Transaction{
		{TxnID: txnID(), OnError: kernel.Rollback, Ops: []kernel.Op{policyOp(kernel.AddPolicy, first)}},
		{TxnID: txnID(), OnError: kernel.Rollback, Ops: []kernel.Op{d.failing()}},
		{TxnID: txnID(), OnError: kernel.Rollback, Ops: []kernel.Op{policyOp(kernel.AddPolicy, last)}},
		{TxnID: txnID()},
	})
	switch {
	case err != nil:
		return err
	case !res[0].Ops[0].Done || res[1].Ops[0].Err == nil || !res[2].Ops[0].Done || len(res[3].Ops) != 0:
		return fmt.Errorf("of four transactions the second fails and the last is empty: results %+v", res)
	}
	return errors.Join(d.policyIs(ctx, first.Key, first), d.policyIs(ctx, last.Key, last))
}

func idempotent(ctx context.Context, d *bed) error {
	p, id := d.policy(), txnID()
	for _, rule := range []kernel.OnError{kernel.Rollback, kernel.Rollback, kernel.Continue} {
		res, err := d.applyAs(ctx, id, rule, policyOp(kernel.AddPolicy, p))
		if err != nil {
			return err
		}
		if !res[0].Done {
			return fmt.Errorf("the same transaction again: %w", orNoReason(res[0].Err))
		}
	}
	return d.refuses(ctx, policyOp(kernel.AddPolicy, p), errs.Exists) // another one is another one
}

func idempotentFailure(ctx context.Context, d *bed) error {
	p, id := d.policy(), txnID()
	missing := d.failing()
	for i := range 2 {
		res, err := d.applyAs(ctx, id, kernel.Rollback, policyOp(kernel.AddPolicy, p), missing)
		if err != nil {
			return err
		}
		if !res[0].Undone || res[1].Done {
			return fmt.Errorf("time %d: results %+v", i+1, res)
		}
		if i == 0 { // now it could succeed
			if err := d.must(ctx, policyOp(kernel.AddPolicy, missing.Policy)); err != nil {
				return err
			}
		}
	}
	return errors.Join(d.policyIs(ctx, p.Key, nil), d.must(ctx, missing))
}

func idempotentAtOnce(ctx context.Context, d *bed) error {
	p := d.policy()
	t := kernel.Transaction{TxnID: txnID(), Ops: []kernel.Op{policyOp(kernel.AddPolicy, p)}}
	d.remember(t.Ops)
	res, err := d.Apply(ctx, []kernel.Transaction{t, t})
	if err != nil {
		return err
	}
	if !res[0].Ops[0].Done || !res[1].Ops[0].Done {
		return fmt.Errorf("results %+v", res)
	}
	return nil
}

func nameless(ctx context.Context, d *bed) error {
	p := d.policy()
	for i, kind := range []kernel.OpKind{kernel.AddPolicy, kernel.DeletePolicy, kernel.AddPolicy} {
		res, err := d.applyAs(ctx, "", kernel.Stop, policyOp(kind, p))
		if err != nil {
			return err
		}
		if !res[0].Done {
			return orNoReason(res[0].Err)
		}
		if err := d.policyIs(ctx, p.Key, onlyIf(i != 1, p)); err != nil {
			return err
		}
	}
	return nil
}

func cancelledApply(ctx context.Context, d *bed) error {
	for i := range 12 {
		t := kernel.Transaction{TxnID: txnID(), OnError: kernel.Rollback}
		for range opsPerTxn {
			t.Ops = append(t.Ops, policyOp(kernel.AddPolicy, d.policy()))
		}
		gone, leave := context.WithTimeout(ctx, time.Duration(i)*300*time.Microsecond)
		_, _ = d.bench.kernel.Apply(gone, []kernel.Transaction{t}) // nobody waits for the answer
		leave()
		res, err := d.applyAs(ctx, t.TxnID, kernel.Continue, t.Ops...)
		if err != nil {
			return err
		}
		for i, r := range res {
			if !r.Done {
				return fmt.Errorf("op %d of a transaction that was sent again: %w", i, orNoReason(r.Err))
			}
		}
		if err := d.policyIs(ctx, t.Ops[opsPerTxn-1].Policy.Key, t.Ops[opsPerTxn-1].Policy); err != nil {
			return err
		}
	}
	return nil
}

func manyTransactions(ctx context.Context, d *bed) error {
	txns := make([]kernel.Transaction, 16)
	for i := range txns {
		txns[i] = kernel.Transaction{TxnID: txnID(), OnError: kernel.Rollback}
		for range opsPerTxn {
			txns[i].Ops = append(txns[i].Ops, policyOp(kernel.AddPolicy, d.policy()))
		}
		d.remember(txns[i].Ops)
	}
	res, err := d.Apply(ctx, txns)
	if err != nil {
		return err
	}
	for i, r := range res {
		for j, o := range r.Ops {
			if !o.Done {
				return fmt.Errorf("op %d of transaction %d: %w", j, i, orNoReason(o.Err))
			}
		}
	}
	return nil
}
