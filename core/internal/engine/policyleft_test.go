package engine

import (
	"errors"
	"testing"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// Traffic may be another's when all its policies are gone, and not before: who deleted
// the rest would delete the other's.
func TestTrafficIsNobodysUntilItsLastPolicyIsGone(t *testing.T) {
	sel := policy.Selector{Local: prefix("10.2.0.0/16"), Remote: prefix("192.0.2.7/32")}
	in := spd.Policy{Key: spd.Key{Dir: spd.In, Src: sel.Remote, Dst: sel.Local}, Templates: []spd.Template{{ReqID: 7}}}
	out := spd.Policy{Key: spd.Key{Dir: spd.Out, Src: sel.Local, Dst: sel.Remote}, Templates: []spd.Template{{ReqID: 7}}}
	done, busy := kernel.OpResult{Done: true}, kernel.OpResult{Err: errs.Errorf(errs.Busy, "no buffers")}
	for _, tt := range []struct {
		name   string
		ending func(*testing.T, *house) []spd.Policy
	}{
		{"deleted by its machine", func(t *testing.T, h *house) []spd.Policy {
			a, _ := h.peer("p")
			if _, err := h.generated.reserve(a, sel, func(uint32) bool { return false }); err != nil {
				t.Fatal(err)
			}
			return h.generated.leave(a, []spd.Policy{in, out})
		}},
		{"left over", func(t *testing.T, h *house) []spd.Policy {
			if err := h.ledger.addPolicies([]spd.Policy{in, out}); err != nil {
				t.Fatal(err)
			}
			db := new(spd.DB)
			db.Put(in)
			db.Put(out)
			orphans, _ := h.orphanedPolicies(db)
			if again, absent := h.orphanedPolicies(db); len(again)+len(absent) != 0 {
				t.Errorf("a second comparison would delete %v, %v", again, absent)
			}
			return orphans
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t, Options{RunDir: t.TempDir()})
			other, _ := h.peer("q")
			reserve := func() error {
				_, err := h.generated.reserve(other, sel, func(uint32) bool { return false })
				return err
			}
			ending := tt.ending(t, h)
			if len(ending) != 2 || reserve() == nil {
				t.Fatalf("%d policies are ending, and the traffic could be reserved", len(ending))
			}
			_, later, err := h.strike(deletion{policies: ending}, kernel.TxnResult{Ops: []kernel.OpResult{done, busy}})
			if err != nil || len(later.policies) != 1 || reserve() == nil {
				t.Errorf("one is gone: %v, %+v, or the traffic could be reserved", err, later)
			}
			h.strike(later, kernel.TxnResult{Ops: []kernel.OpResult{done}})
			if err := reserve(); err != nil {
				t.Errorf("both are gone: %v", err)
			}
		})
	}
}

func TestTrafficOfALeftOverIsFreeInAMoment(t *testing.T) {
	h := newHouse(t, Options{})
	a, _ := h.peer("p")
	sel := policy.Selector{Local: prefix("10.2.0.0/16"), Remote: prefix("10.1.0.0/16")}
	if !h.generated.orphan(sel, 7) || h.generated.orphan(sel, 7) {
		t.Error("not claimed once")
	}
	var later *ike.Unavailable
	if _, err := h.generated.reserve(a, sel, func(uint32) bool { return false }); !errors.As(err, &later) {
		t.Errorf("the same traffic: %v", err)
	}
	if _, err := h.generated.reserve(a, policy.Selector{Local: sel.Local, Remote: prefix("10.1.2.0/24")}, func(uint32) bool { return false }); err != nil {
		t.Errorf("some of it: %v", err)
	}
}
