package setkey

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// Runner carries commands out. The fields are set before its first use.
type Runner struct {
	Kernel kernel.Backend // nil: nothing is sent
	Names  Names
	Out    io.Writer
	Err    io.Writer
	Name   string           // of the program, in front of messages
	Now    func() time.Time // for dumps
	PID    int              // for dumps

	// RFC makes a second policy, of direction fwd, for every policy of direction in:
	// Linux looks for one when it forwards what came through a tunnel.
	RFC     bool
	Ports   bool // dumps show the port 0 too
	Dead    bool // dumps show SAs that have expired
	Verbose bool // every operation is shown

	caps *kernel.Capabilities
	sent int // transactions, for their identifiers
}

// Run carries out commands in order. One that fails is told on Err, and the others
// are carried out all the same. It returns how many failed; ctx's end is a failure
// of all that are left.
func (r *Runner) Run(ctx context.Context, cmds []Command) (failed int) {
	for i := range cmds {
		c := &cmds[i]
		for _, w := range c.Warnings {
			r.warn(c, w)
		}
		if err := r.command(ctx, c); err != nil {
			failed++
			fmt.Fprintf(r.Err, "%s: %s: %v\n", r.Name, c.Pos, err)
		}
	}
	return failed
}

func (r *Runner) warn(c *Command, text string) {
	fmt.Fprintf(r.Err, "%s: %s: warning: %s\n", r.Name, c.Pos, text)
}

func (r *Runner) command(ctx context.Context, c *Command) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	switch c.Verb {
	case Add:
		return r.add(ctx, c)
	case GetSPI:
		return r.getSPI(ctx, c)
	case Get:
		return r.get(ctx, c)
	case Delete:
		return r.delete(ctx, c)
	case DeleteAll:
		return r.deleteAll(ctx, c)
	case Flush:
		return r.flush(ctx, c.Proto)
	case Dump:
		return r.DumpSAs(ctx, c.Proto)
	case SPDAdd, SPDUpdate:
		return r.setPolicy(ctx, c)
	case SPDDelete:
		return r.deletePolicy(ctx, c)
	case SPDFlush:
		return r.FlushPolicies(ctx)
	case SPDDump:
		return r.DumpPolicies(ctx)
	}
	return fmt.Errorf("command %d is unknown", c.Verb)
}

// capabilities of the kernel, asked once.
func (r *Runner) capabilities(ctx context.Context) (kernel.Capabilities, error) {
	if r.caps == nil {
		caps, err := r.Kernel.Capabilities(ctx)
		if err != nil {
			return kernel.Capabilities{}, err
		}
		r.caps = &caps
	}
	return *r.caps, nil
}

const (
	maxOps   = 64 // in one transaction
	maxCalls = 10 // for one transaction that is not answered in time
)

// apply runs operations, in as many transactions as the backend wants, and returns
// their results and the first failure of the calls themselves.
func (r *Runner) apply(ctx context.Context, rule kernel.OnError, ops ...kernel.Op) ([]kernel.OpResult, error) {
	if r.Kernel == nil {
		return make([]kernel.OpResult, len(ops)), nil
	}
	caps, err := r.capabilities(ctx)
	if err != nil {
		return nil, err
	}
	most := maxOps
	if caps.MaxOpsPerTxn > 0 {
		most = min(most, caps.MaxOpsPerTxn)
	}
	var all []kernel.OpResult
	for part := range slices.Chunk(ops, most) {
		for _, op := range part {
			r.show(op)
		}
		r.sent++
		txn := []kernel.Transaction{{TxnID: fmt.Sprintf("setkey-%d-%d", r.PID, r.sent), Ops: part, OnError: rule}}
		res, err := r.Kernel.Apply(ctx, txn)
		// A call that took too long goes on in the plugin, which knows it by its ID.
		for again := 1; again < maxCalls && ctx.Err() == nil && err != nil && errs.From(err).Reason == errs.Timeout; again++ {
			res, err = r.Kernel.Apply(ctx, txn)
		}
		switch {
		case err != nil:
			return all, err
		case len(res) != 1 || len(res[0].Ops) != len(part):
			return all, errs.Errorf(errs.Internal, "the kernel plugin answered %d operations with %d results", len(part), len(res))
		}
		all = append(all, res[0].Ops...)
	}
	return all, nil
}

// do runs operations all or none, and returns the first error.
func (r *Runner) do(ctx context.Context, ops ...kernel.Op) error {
	res, err := r.apply(ctx, kernel.Rollback, ops...)
	for _, o := range res {
		if err == nil {
			err = o.Err.Err()
		}
	}
	return explain(err)
}

// explain puts the kernel's answer into the words of setkey(8).
func explain(err error) error {
	var e *errs.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Reason {
	case errs.NotFound:
		//lint:ignore ST1005 the words of setkey(8)
		return errors.New("No entry")
	case errs.Exists:
		//lint:ignore ST1005 the words of setkey(8)
		return fmt.Errorf("File exists: %s", e.Msg)
	case errs.Unsupported:
		return fmt.Errorf("this kernel plugin cannot do it: %s", e.Msg)
	}
	return errors.New(e.Msg)
}
