// Package txn is what every kernel backend needs for Apply: the error rules of a
// transaction, and the memory that makes a repeated one harmless.
//
//	func (b *Backend) Apply(_ context.Context, txns []kernel.Transaction) ([]kernel.TxnResult, error) {
//		res := make([]kernel.TxnResult, len(txns))
//		for i, t := range txns {
//			res[i] = b.memory.Do(t.TxnID, func() kernel.TxnResult { return txn.Run(t, b.do) })
//		}
//		return res, nil
//	}
package txn

import (
	"fmt"
	"slices"
	"sync"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

const (
	MaxOps  = 1024 // of one transaction
	maxTxns = 4096 // remembered results
)

// An Undo takes an op back.
type Undo func() error

// A Do does one op. With keep it returns how to undo it, nil if that cannot be. An
// error that is no *errs.Error is errs.Internal.
type Do func(op kernel.Op, keep bool) (Undo, error)

// Run does the ops of t in their order and by its error rule. An op that was not
// tried has neither Done nor Err.
func Run(t kernel.Transaction, do Do) kernel.TxnResult {
	res := kernel.TxnResult{Ops: make([]kernel.OpResult, len(t.Ops))}
	if err := check(t); err != nil {
		for i := range res.Ops {
			res.Ops[i].Err = errs.From(err)
		}
		return res
	}
	undos := make([]Undo, len(t.Ops))
	for i, op := range t.Ops {
		undo, err := do(op, t.OnError == kernel.Rollback)
		if err == nil {
			res.Ops[i].Done, undos[i] = true, undo
			continue
		}
		res.Ops[i].Err = opError(i, opName(op.Kind), err)
		if t.OnError == kernel.Rollback {
			rollback(res.Ops[:i], undos)
		}
		if t.OnError != kernel.Continue {
			break
		}
	}
	return res
}

func check(t kernel.Transaction) error {
	switch {
	case t.OnError > kernel.Continue:
		return errs.Errorf(errs.Unsupported, "OnError %d", t.OnError)
	case len(t.Ops) > MaxOps:
		return errs.Errorf(errs.Invalid, "%d ops in one transaction; at most %d", len(t.Ops), MaxOps)
	}
	return nil
}

// rollback undoes what was done, last first, as far as it can be undone.
func rollback(ops []kernel.OpResult, undos []Undo) {
	for i := len(ops) - 1; i >= 0; i-- {
		if undos[i] == nil {
			continue
		}
		if err := undos[i](); err != nil {
			ops[i].Err = opError(i, "undo", err)
			continue
		}
		ops[i].Done, ops[i].Undone = false, true
	}
}

func opError(i int, what string, err error) *errs.Error {
	e := *errs.From(err)
	e.Op, e.Msg = i, what+": "+e.Msg
	return &e
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

// Memory remembers the results of recent transactions, so that one that comes
// again is not done again. The zero value is ready.
type Memory struct {
	mu     sync.Mutex
	byID   map[string]*entry
	recent []*entry // ring
	next   int
}

type entry struct {
	id   string
	done chan struct{} // closed when res is there
	res  kernel.TxnResult
}

// Do returns run's result, or what it was when id was done before; while another
// does it, Do waits for that. Always run is a transaction without id, and one
// of which the kernel gave no answer the last time.
func (m *Memory) Do(id string, run func() kernel.TxnResult) kernel.TxnResult {
	if id == "" {
		return run()
	}
	e, mine := m.claim(id)
	if !mine {
		<-e.done
		return e.res
	}
	e.res = run()
	if unanswered(e.res) {
		m.forget(id)
	}
	close(e.done)
	return e.res
}

func unanswered(res kernel.TxnResult) bool {
	return slices.ContainsFunc(res.Ops, func(r kernel.OpResult) bool {
		return r.Err != nil && (r.Err.Reason == errs.Timeout || r.Err.Reason == errs.Unavailable)
	})
}

func (m *Memory) forget(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.byID, id)
}

func (m *Memory) claim(id string) (e *entry, mine bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.byID[id]; e != nil {
		return e, false
	}
	if m.byID == nil {
		m.byID = make(map[string]*entry)
	}
	e = &entry{id: id, done: make(chan struct{})}
	if len(m.recent) < maxTxns {
		m.recent = append(m.recent, e)
	} else {
		if old := m.recent[m.next]; m.byID[old.id] == old { // not tried again since
			delete(m.byID, old.id)
		}
		m.recent[m.next] = e
		m.next = (m.next + 1) % maxTxns
	}
	m.byID[id] = e
	return e, true
}
