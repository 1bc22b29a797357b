package engine

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// deletion is what is to be gone from the kernel: SAs, and then generated policies.
type deletion struct {
	sas      []ledgerKey
	policies []spd.Policy
}

func (d deletion) len() int { return len(d.sas) + len(d.policies) }

func (d deletion) ops() []kernel.Op {
	ops := make([]kernel.Op, 0, d.len())
	for _, k := range d.sas {
		ops = append(ops, deleteOp(k))
	}
	for _, p := range d.policies {
		ops = append(ops, policyOp(kernel.DeletePolicy, p))
	}
	return ops
}

// except is ps without those for traffic that others are for too.
func except(ps, others []spd.Policy) []spd.Policy {
	sels := make(map[policy.Selector]bool, len(others))
	for _, o := range others {
		sels[o.Key.Selector()] = true
	}
	return slices.DeleteFunc(ps, func(p spd.Policy) bool { return sels[p.Key.Selector()] })
}

// split takes up to n off the front.
func (d deletion) split(n int) (first, rest deletion) {
	i := min(n, len(d.sas))
	j := min(n-i, len(d.policies))
	return deletion{d.sas[:i], d.policies[:j]}, deletion{d.sas[i:], d.policies[j:]}
}

// removeSAs deletes SAs and generated policies that nobody waits for.
func (e *Engine) removeSAs(keys []ledgerKey, policies []spd.Policy) {
	if len(keys)+len(policies) == 0 {
		return
	}
	for _, k := range keys {
		e.registry.disown(k.SAKey)
	}
	e.run(func() {
		if err := e.deleteSAs(keys, policies); err != nil && e.ctx.Err() == nil {
			e.notify(notice.Notice{Event: notice.LocalFailure, Reason: notice.KernelRefused, Detail: "delete SAs: " + err.Error()})
		}
	})
}

// deleteSAs deletes SAs, and then generated policies, however long the kernel plugin is
// away or the kernel has no room for it. What the kernel refuses to delete stays in the
// ledger for the next comparison.
func (e *Engine) deleteSAs(keys []ledgerKey, policies []spd.Policy) error {
	var bad []error
	d := deletion{keys, policies}
	for wait := minRetry; d.len() > 0; wait = min(2*wait, maxRetry) {
		res, _, err := e.transact(d.ops(), kernel.Continue, 0)
		if err == nil && len(res.Ops) != d.len() {
			err = fmt.Errorf("%d results for %d operations", len(res.Ops), d.len())
		}
		if err != nil {
			e.generated.release(d.policies)
			return errors.Join(append(bad, err)...)
		}
		var refused error
		_, d, refused = e.strike(d, res)
		bad = append(bad, refused)
		if d.len() > 0 {
			select {
			case <-time.After(wait):
			case <-e.ctx.Done():
			}
		}
	}
	return errors.Join(bad...)
}

// strike takes what was deleted, or was not there, off the ledger and returns it, with
// what may be deleted later, and why the rest was refused.
func (e *Engine) strike(d deletion, res kernel.TxnResult) (gone, later deletion, refused error) {
	var stays deletion
	var bad []error
	for i, o := range res.Ops {
		to := &stays
		switch {
		case o.Done, o.Err != nil && o.Err.Reason == errs.NotFound:
			to = &gone
		case o.Err == nil:
			bad = append(bad, errors.New("not done, without a reason"))
		case passes(o.Err):
			to = &later
		default:
			bad = append(bad, o.Err)
		}
		if i < len(d.sas) {
			to.sas = append(to.sas, d.sas[i])
		} else {
			to.policies = append(to.policies, d.policies[i-len(d.sas)])
		}
	}
	e.dropPolicies(gone.policies)
	e.record(errors.Join(e.ledger.remove(gone.sas), e.ledger.removePolicies(gone.policies)))
	e.generated.release(except(slices.Concat(gone.policies, stays.policies), later.policies))
	return gone, later, errors.Join(bad...)
}
