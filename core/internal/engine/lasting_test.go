package engine

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/plugintest/kerneltest"
)

// withLeftOver is a house whose kernel has an SA of a racoon that was killed.
func withLeftOver(t *testing.T) (*house, *kerneltest.Fake) {
	k := kerneltest.New()
	h := newHouse(t, Options{Kernel: k, RunDir: t.TempDir()})
	leaveSA(t, k, h.ledger, addr("192.0.2.1"))
	return h, k
}

// What a kernel will not delete must not keep racoon from starting, nor have a plugin
// that comes back killed for it again and again.
func TestLeftoversThatCannotBeDeletedAreNoReasonToEnd(t *testing.T) {
	for _, tt := range []struct {
		name  string
		err   *errs.Error
		said  []string
		lasts bool // when the kernel would do it again
	}{
		{"refused", errs.Errorf(errs.Permission, "operation not permitted"), []string{"kernel-refused: delete SAs left over: PERMISSION: operation not permitted"}, true},
		{"no room", noBuffers(), nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, k := withLeftOver(t)
				var room atomic.Bool
				k.OpError = func(op kernel.Op) *errs.Error {
					if room.Load() || op.Kind != kernel.DeleteSA {
						return nil
					}
					e := *tt.err
					return &e
				}
				h.start(t)
				time.Sleep(time.Minute)
				synctest.Wait()
				if diff := cmp.Diff(tt.said, h.said(notice.LocalFailure)); diff != "" {
					t.Error(diff)
				}
				if n := len(k.SAs()); n != 1 || len(h.ledger.all()) != 1 {
					t.Errorf("the kernel has %d SAs, the ledger %d", n, len(h.ledger.all()))
				}
				room.Store(true)
				time.Sleep(time.Minute)
				synctest.Wait()
				if got := len(k.SAs()) == 1; got != tt.lasts {
					t.Errorf("it is there: %v", got)
				}
				if err := h.KernelUp(t.Context()); err != nil {
					t.Error(err)
				}
				if n := len(k.SAs()); n != 0 || len(h.ledger.all()) != 0 {
					t.Errorf("after a comparison the kernel has %d SAs, the ledger %d", n, len(h.ledger.all()))
				}
			})
		})
	}
}

// unready is a kernel plugin whose events never begin.
type unready struct{ *kerneltest.Fake }

func (unready) Events(ctx context.Context, _ kernel.EventMask, _ func(kernel.Event) error) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestEventsThatDoNotBeginAreNotWaitedForForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options{Kernel: unready{kerneltest.New()}})
		began := time.Now()
		err := h.Start(t.Context())
		if err == nil || !strings.Contains(err.Error(), "the stream of the kernel's events does not begin") || time.Since(began) != kernelTimeout {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

// A stream that breaks while its plugin lives is followed again, and one that goes on
// breaking is said once.
func TestABrokenStreamOfEventsIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options{}).start(t)
		h.kern.set(func() { h.kern.noStream = errs.Errorf(errs.Internal, "netlink: no buffer space available") })
		h.kern.breakStreams()
		time.Sleep(30 * time.Second)
		synctest.Wait()
		want := []string{"plugin-unavailable: follow the kernel: UNAVAILABLE: stream broken", "plugin-unavailable: follow the kernel: INTERNAL: netlink: no buffer space available"}
		if got := h.said(notice.LocalFailure); !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
		h.kern.set(func() { h.kern.noStream = nil })
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if got := h.said(notice.KernelResync); len(got) != 2 {
			t.Errorf("compared %d times", len(got))
		}
	})
}

// The host says that a plugin is back a moment before everybody can call it.
func TestAnInstallDoesNotSleepWhenThePluginIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options{}).start(t)
		a, m := h.peer("p")
		back := time.Now().Add(2 * time.Second)
		h.kern.set(func() {
			h.kern.fault = func(kernel.Transaction) (before, after error) {
				if time.Now().Before(back.Add(50 * time.Millisecond)) {
					return &errs.Error{Reason: errs.Unavailable, Msg: "plugin kernel/memory is resyncing", PluginGone: true}, nil
				}
				return nil, nil
			}
		})
		h.calls(a, ike.Apply{Ops: []ike.SAOp{outbound(0x22)}})
		time.Sleep(time.Until(back))
		h.kernelIsBack()
		time.Sleep(2 * minRetry)
		synctest.Wait()
		if rs := replies(m); len(rs) != 1 || rs[0].Err != nil {
			t.Errorf("%v after the plugin is back: %+v", 2*minRetry, rs)
		}
	})
}
