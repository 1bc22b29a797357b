package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// maxOrphans is how many leftovers go in one transaction.
const maxOrphans = 64

// deleteOrphans deletes what the ledger has and no machine knows; sas and db are what
// the kernel has. The registry is asked after the ledger: an SA enters the registry
// first. It returns how many SAs that were, and what the kernel has no room to delete
// now; what it refuses to delete is said, and is found again by the next comparison.
func (w *watch) deleteOrphans(ctx context.Context, sas map[ike.SAKey]where, db *spd.DB) (n int, later deletion, err error) {
	e := w.e
	var orphans, absent deletion
	orphans.policies, absent.policies = e.orphanedPolicies(db)
	for k := range e.ledger.all() {
		if _, known := e.registry.owner(k); known {
			continue
		}
		if at, there := sas[k]; there {
			orphans.sas = append(orphans.sas, ledgerKey{k, at})
		} else {
			absent.sas = append(absent.sas, ledgerKey{SAKey: k})
		}
	}
	e.record(errors.Join(e.ledger.remove(absent.sas), e.ledger.removePolicies(absent.policies)))
	e.generated.release(except(absent.policies, orphans.policies))
	var bad []error
	for orphans.len() > 0 {
		var batch deletion
		batch, orphans = orphans.split(maxOrphans)
		res, err := w.applyOne(ctx, batch.ops())
		if err != nil {
			e.generated.release(batch.policies)
			e.generated.release(orphans.policies)
			return n, later, fmt.Errorf("delete SAs left over: %w", err)
		}
		gone, busy, refused := e.strike(batch, res)
		n, bad = n+len(gone.sas), append(bad, refused)
		later.sas, later.policies = append(later.sas, busy.sas...), append(later.policies, busy.policies...)
	}
	if err := errors.Join(bad...); err != nil {
		e.notify(notice.Notice{Event: notice.LocalFailure, Reason: notice.KernelRefused, Detail: "delete SAs left over: " + err.Error()})
	}
	return n, later, nil
}

// applyOne has the plugin do one transaction, as far as it can be done.
func (w *watch) applyOne(ctx context.Context, ops []kernel.Op) (kernel.TxnResult, error) {
	ctx, cancel := context.WithTimeout(ctx, kernelTimeout)
	defer cancel()
	rs, err := w.backend.Apply(ctx, []kernel.Transaction{{TxnID: fmt.Sprintf("%s-%d", w.e.instance, w.e.txns.Add(1)), Ops: ops, OnError: kernel.Continue}})
	switch {
	case err != nil:
		return kernel.TxnResult{}, err
	case len(rs) != 1 || len(rs[0].Ops) != len(ops):
		return kernel.TxnResult{}, errs.Errorf(errs.Internal, "the results are not those of %d operations", len(ops))
	}
	return rs[0], nil
}

// orphanedPolicies are the generated policies in the ledger that are no machine's: those
// the kernel has, and those it has not, or has from somebody else. Their traffic is
// nobody's to reserve until they are released.
func (e *Engine) orphanedPolicies(db *spd.DB) (orphans, absent []spd.Policy) {
	claimed := map[policy.Selector]bool{}
	for k, id := range e.ledger.allPolicies() {
		sel := k.Selector()
		if !claimed[sel] && !e.generated.orphan(sel, id) {
			continue
		}
		claimed[sel] = true
		p := spd.Policy{Key: k, Templates: []spd.Template{{ReqID: id}}}
		if there, ok := db.Get(k); ok && reqIDOf(there) == id {
			orphans = append(orphans, p)
		} else {
			absent = append(absent, p)
		}
	}
	return orphans, absent
}
