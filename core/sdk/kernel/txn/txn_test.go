package txn

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// A journal does ops and keeps what was done; it fails at those of failAt.
type journal struct {
	done   []string
	failAt kernel.OpKind
	noUndo kernel.OpKind
}

func (j *journal) do(op kernel.Op, keep bool) (Undo, error) {
	if op.Kind == j.failAt {
		return nil, errs.Errorf(errs.Exists, "it is there")
	}
	j.done = append(j.done, fmt.Sprint("do ", op.Kind, " ", keep))
	if op.Kind == j.noUndo {
		return nil, nil
	}
	return func() error {
		j.done = append(j.done, fmt.Sprint("undo ", op.Kind))
		return nil
	}, nil
}

func ops(kinds ...kernel.OpKind) (list []kernel.Op) {
	for _, k := range kinds {
		list = append(list, kernel.Op{Kind: k})
	}
	return list
}

func TestErrorRules(t *testing.T) {
	for _, tt := range []struct {
		rule kernel.OnError
		want []string
		done []bool
	}{
		{kernel.Stop, []string{"do 1 false", "do 2 false"}, []bool{true, true, false, false}},
		{kernel.Rollback, []string{"do 1 true", "do 2 true", "undo 2", "undo 1"}, []bool{false, false, false, false}},
		{kernel.Continue, []string{"do 1 false", "do 2 false", "do 4 false"}, []bool{true, true, false, true}},
	} {
		j := &journal{failAt: 3}
		res := Run(kernel.Transaction{OnError: tt.rule, Ops: ops(1, 2, 3, 4)}, j.do)
		if !slices.Equal(j.done, tt.want) {
			t.Errorf("rule %d: %v, want %v", tt.rule, j.done, tt.want)
		}
		for i, r := range res.Ops {
			if r.Done != tt.done[i] || (r.Err != nil) != (i == 2) || r.Undone != (tt.rule == kernel.Rollback && i < 2) {
				t.Errorf("rule %d, op %d: %+v", tt.rule, i, r)
			}
		}
		if e := res.Ops[2].Err; e.Op != 2 || e.Reason != errs.Exists || e.Msg != "delete SA: it is there" {
			t.Errorf("%+v", e)
		}
	}
}

func TestWhatCannotBeUndoneStaysDone(t *testing.T) {
	j := &journal{failAt: 3, noUndo: 2}
	res := Run(kernel.Transaction{OnError: kernel.Rollback, Ops: ops(1, 2, 3)}, j.do)
	if !res.Ops[0].Undone || res.Ops[1].Undone || !res.Ops[1].Done {
		t.Errorf("%+v", res.Ops)
	}
}

func TestAnUndoThatFailsIsTold(t *testing.T) {
	res := Run(kernel.Transaction{OnError: kernel.Rollback, Ops: ops(1, 2)}, func(op kernel.Op, _ bool) (Undo, error) {
		if op.Kind == 2 {
			return nil, errors.New("broken")
		}
		return func() error { return errs.Errorf(errs.NotFound, "it is gone") }, nil
	})
	if r := res.Ops[0]; !r.Done || r.Undone || r.Err == nil || r.Err.Reason != errs.NotFound {
		t.Errorf("%+v", r)
	}
	if e := res.Ops[1].Err; e.Reason != errs.Internal {
		t.Errorf("%+v", e)
	}
}

func TestATransactionThatCannotBeIsNotBegun(t *testing.T) {
	for _, txn := range []kernel.Transaction{
		{OnError: 9, Ops: ops(1)}, {Ops: make([]kernel.Op, MaxOps+1)},
	} {
		j := &journal{}
		for i, r := range Run(txn, j.do).Ops {
			if r.Done || r.Err == nil {
				t.Fatalf("op %d: %+v", i, r)
			}
		}
		if len(j.done) != 0 {
			t.Error(j.done)
		}
	}
}

func TestMemory(t *testing.T) {
	var m Memory
	n := 0
	run := func() kernel.TxnResult { n++; return kernel.TxnResult{Ops: []kernel.OpResult{{Done: true}}} }
	for _, id := range []string{"a", "a", "b", "", ""} {
		if res := m.Do(id, run); !res.Ops[0].Done {
			t.Errorf("%+v", res)
		}
	}
	if n != 4 {
		t.Errorf("%d runs, want one of a, one of b and every one without a name", n)
	}
	for i := range maxTxns {
		m.Do(fmt.Sprint(i), run)
	}
	n = 0
	if m.Do("b", run); n != 1 {
		t.Error("the oldest is still remembered")
	}
	if m.Do(fmt.Sprint(maxTxns-1), run); n != 1 {
		t.Error("the newest is forgotten")
	}
}

// The engine asks again when it does not know; so must we.
func TestMemoryForgetsWhatWasNotAnswered(t *testing.T) {
	for _, reason := range []errs.Reason{errs.Timeout, errs.Unavailable} {
		var m Memory
		m.Do("a", func() kernel.TxnResult {
			return kernel.TxnResult{Ops: []kernel.OpResult{{Err: errs.Errorf(reason, "nothing")}}}
		})
		if res := m.Do("a", func() kernel.TxnResult { return kernel.TxnResult{Ops: []kernel.OpResult{{Done: true}}} }); !res.Ops[0].Done {
			t.Errorf("%s: %+v", reason, res)
		}
	}
}

func TestMemoryLetsTheSecondWaitForTheFirst(t *testing.T) {
	var m Memory
	var wg sync.WaitGroup
	begun, end := make(chan struct{}), make(chan struct{})
	wg.Go(func() {
		m.Do("a", func() kernel.TxnResult {
			close(begun)
			<-end
			return kernel.TxnResult{Ops: make([]kernel.OpResult, 7)}
		})
	})
	<-begun
	wg.Go(func() {
		if res := m.Do("a", func() kernel.TxnResult { t.Error("done twice"); return kernel.TxnResult{} }); len(res.Ops) != 7 {
			t.Errorf("%+v", res)
		}
	})
	close(end)
	wg.Wait()
}

func TestWhatIsTriedAgainIsRememberedAsLongAsTheRest(t *testing.T) {
	var m Memory
	n, reason := 0, errs.Timeout
	run := func() kernel.TxnResult {
		n++
		return kernel.TxnResult{Ops: []kernel.OpResult{{Err: errs.Errorf(reason, "x")}}}
	}
	m.Do("again", run)
	reason = errs.Exists
	m.Do("again", run)
	for i := range maxTxns - 1 {
		m.Do(fmt.Sprint(i), run)
	}
	if n = 0; m.Do("again", run).Ops[0].Err == nil || n != 0 {
		t.Error("done again, though fewer have come since than are remembered")
	}
}
