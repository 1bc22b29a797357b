package setkey

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// setPolicy is spdadd and spdupdate.
func (r *Runner) setPolicy(ctx context.Context, c *Command) error {
	sel, err := r.selector(ctx, c)
	if err != nil {
		return err
	}
	rule := c.Policy.Rule
	p := &kernel.Policy{Key: kernel.PolicyKey{Dir: rule.Dir, Sel: sel}, Action: rule.Action, Priority: rule.Priority,
		Templates: slices.Clone(rule.Templates), Label: c.Policy.Label}
	if r.Kernel != nil {
		caps, err := r.capabilities(ctx)
		if err != nil {
			return explain(err)
		}
		if p.Label != "" && caps.Features&kernel.FeatLabel == 0 {
			return fmt.Errorf("%s has no security labels (-ctx)", caps.Platform)
		}
	}
	twin := r.twin(p)
	if err := r.number(ctx, p); err != nil {
		return err
	}
	kind := kernel.AddPolicy
	if c.Verb == SPDUpdate {
		kind = kernel.UpdatePolicy
	}
	ops := []kernel.Op{{Kind: kind, Policy: p}}
	if twin != nil {
		ops = append(ops, kernel.Op{Kind: kind, Policy: twin})
	}
	return r.do(ctx, ops...)
}

// twin is the policy of direction fwd that goes with one of direction in, nil where
// there is none. The SA it wants is any that fits: what is forwarded has been
// checked against the policy of direction in.
func (r *Runner) twin(p *kernel.Policy) *kernel.Policy {
	if !r.RFC || p.Key.Dir != kernel.In {
		return nil
	}
	t := *p
	t.Key.Dir = kernel.Fwd
	t.Templates = slices.Clone(p.Templates)
	if len(t.Templates) > 0 && t.Templates[0].Level == kernel.LevelUnique {
		t.Templates[0].Level, t.Templates[0].ReqID = kernel.LevelRequire, 0
	}
	return &t
}

// number gives each template of level unique that names none a number that nobody
// has: from above, as racoon counts from 1.
func (r *Runner) number(ctx context.Context, p *kernel.Policy) error {
	var open []*kernel.Template
	for i := range p.Templates {
		if t := &p.Templates[i]; t.Level == kernel.LevelUnique && t.ReqID == 0 {
			open = append(open, t)
		}
	}
	if len(open) == 0 || r.Kernel == nil {
		return nil
	}
	taken := map[uint32]bool{}
	err := r.Kernel.Dump(ctx, kernel.DumpFilter{SAs: true, Policies: true}, func(o kernel.Object) error {
		if o.SA != nil {
			taken[o.SA.ReqID] = true
		}
		if o.Policy != nil {
			for _, t := range o.Policy.Templates {
				taken[t.ReqID] = true
			}
		}
		return nil
	})
	if err != nil {
		return explain(err)
	}
	next := uint32(maxReqID)
	for _, t := range open {
		for next > 0 && taken[next] {
			next--
		}
		if next == 0 {
			return fmt.Errorf("level unique: all numbers up to %d are taken", maxReqID)
		}
		t.ReqID, taken[next] = next, true
	}
	return nil
}

// deletePolicy deletes a policy, and its twin if there is one.
func (r *Runner) deletePolicy(ctx context.Context, c *Command) error {
	sel, err := r.selector(ctx, c)
	if err != nil {
		return err
	}
	p := &kernel.Policy{Key: kernel.PolicyKey{Dir: c.Policy.Rule.Dir, Sel: sel}}
	ops := []kernel.Op{{Kind: kernel.DeletePolicy, Policy: p}}
	if twin := r.twin(p); twin != nil {
		ops = append(ops, kernel.Op{Kind: kernel.DeletePolicy, Policy: twin})
	}
	res, err := r.apply(ctx, kernel.Continue, ops...)
	for i, o := range res {
		if err == nil && o.Err != nil && (i == 0 || o.Err.Reason != errs.NotFound) {
			err = o.Err
		}
	}
	return explain(err)
}

// FlushPolicies deletes all policies.
func (r *Runner) FlushPolicies(ctx context.Context) error {
	return r.do(ctx, kernel.Op{Kind: kernel.FlushPolicies})
}

// policies of the kernel.
func (r *Runner) policies(ctx context.Context) (all []kernel.Object, err error) {
	if r.Kernel == nil {
		return nil, errors.New("nothing is sent")
	}
	err = r.Kernel.Dump(ctx, kernel.DumpFilter{Policies: true}, func(o kernel.Object) error {
		if o.Policy != nil {
			all = append(all, o)
		}
		return nil
	})
	return all, err
}
