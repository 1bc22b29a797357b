package engine

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// cutting is a section with sha256_96, or without.
func cutting(short bool) *policy.Config {
	r := literal("192.0.2.2")
	r.ShortSHA256 = short
	c := configOf(r)
	c.SAInfos = []*policy.SAInfo{{Encryption: []policy.Algorithm{{ID: 12, KeyBits: 128}}, Auth: []policy.Algorithm{{ID: 5}}}}
	return c
}

func cutTo(op ike.SAOp, bits uint16) ike.SAOp { op.SA.ICV = bits; return op }

// TestTheICVIsAskedForInTheBackEndsTerms: what is configured, what the back end can do,
// what it is asked for, and what is said.
func TestTheICVIsAskedForInTheBackEndsTerms(t *testing.T) {
	const (
		unlike  = "unsupported: the kernel back end cuts HMAC-SHA2-256 to 96 bits"
		unable  = "unsupported: sha256_96: the kernel back end cannot cut HMAC-SHA2-256 to 96 bits"
		its     = "unsupported: the kernel back end cuts the ICV of its SAs to 96 bits"
		refused = "the kernel back end cannot cut HMAC-SHA2-256 to 96 bits, only to 128"
	)
	for _, tt := range []struct {
		name  string
		can   []uint16
		short bool
		asked uint16 // AlgKey.Trunc
		found []string
		err   string
	}{
		{"the standard's, of one that says nothing", nil, false, 0, nil, ""},
		{"the standard's, of any", []uint16{128, 96}, false, 0, nil, ""},
		{"the standard's, not unasked", []uint16{96, 128}, false, 128, nil, ""},
		{"the standard's, of PF_KEY on Linux", []uint16{96}, false, 0, []string{unlike, its}, ""},
		{"96, of any", []uint16{128, 96}, true, 96, nil, ""},
		{"96, of PF_KEY on Linux", []uint16{96}, true, 0, nil, ""},
		{"96, of PF_KEY on BSD", []uint16{128}, true, 0, []string{unable}, refused},
		{"96, of one that says nothing", nil, true, 0, []string{unable}, refused},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, Options{Config: cutting(tt.short)})
				h.kern.icvs = tt.can
				h.start(t)
				a, m := h.peer("p")
				for i := range 2 { // the peer is told off once
					bits := map[bool]uint16{false: 128, true: 96}[tt.short]
					in := cutTo(inbound(uint32(0x11+i)), bits)
					h.kern.larval(in)
					h.calls(a, ike.Apply{Ops: []ike.SAOp{in}})
					synctest.Wait()
				}
				for _, r := range replies(m) {
					if (r.Err == nil) != (tt.err == "") || r.Err != nil && !strings.Contains(r.Err.Error(), tt.err) {
						t.Errorf("reply %v, want %q", r.Err, tt.err)
					}
				}
				for _, sa := range h.kern.sas {
					if tt.err != "" {
						t.Errorf("SA %#x is left behind", sa.Key.SPI)
					} else if sa.Auth.Trunc != tt.asked {
						t.Errorf("asked for %d bits, want %d", sa.Auth.Trunc, tt.asked)
					}
				}
				found := h.said(notice.Finding)
				if len(found) != len(tt.found) {
					t.Fatalf("found %q, want %q", found, tt.found)
				}
				for i, want := range tt.found {
					if !strings.Contains(found[i], want) {
						t.Errorf("found %q, want %q", found[i], want)
					}
				}
			})
		})
	}
}

// TestAReloadIsHeldAgainstTheBackEnd as the start is.
func TestAReloadIsHeldAgainstTheBackEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options{Config: cutting(true)})
		h.kern.icvs = []uint16{96}
		h.start(t)
		if _, err := h.Reload(cutting(false)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if found := h.said(notice.Finding); len(found) != 1 || !strings.Contains(found[0], "write sha256_96 on;") {
			t.Errorf("found %q", found)
		}
	})
}

// TestPacketsThatAllFailAreAFinding: what the kernel counts over time, and when something
// is said.
func TestPacketsThatAllFailAreAFinding(t *testing.T) {
	type at struct {
		after time.Duration
		kernel.Stats
	}
	hour := time.Hour
	none := kernel.Stats{}
	fails := kernel.Stats{IntegrityErrors: 3}
	works := kernel.Stats{Packets: 1, Bytes: 84}
	forged := kernel.Stats{Packets: 1, Bytes: 84, IntegrityErrors: 9}
	for _, tt := range []struct {
		name  string
		stats []at
		bits  uint16
		down  bool // Query fails
		when  time.Duration
		says  string
	}{
		{"nothing comes", []at{{0, none}}, 128, false, 0, ""},
		{"all fail at once", []at{{0, fails}}, 128, false, 10 * time.Second, "does the peer have 96? Then write sha256_96 on;"},
		{"all fail, with sha256_96", []at{{0, fails}}, 96, false, 10 * time.Second, "does the peer have the 128 of RFC 4868?"},
		{"the first one comes late", []at{{0, none}, {15 * time.Second, fails}}, 128, false, time.Minute, "3 packets came with this SA and not one has passed"},
		{"the first one comes very late", []at{{0, none}, {9 * time.Minute, fails}}, 128, false, 10 * time.Minute, "not one has passed"},
		{"they pass", []at{{0, works}, {time.Minute - time.Second, fails}}, 128, false, 0, ""},
		{"they pass, and somebody forges others", []at{{0, forged}}, 128, false, 0, ""},
		{"the kernel does not answer", []at{{0, fails}}, 128, true, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, Options{Config: cutting(tt.bits == 96)})
				h.kern.icvs = []uint16{128, 96}
				h.start(t)
				a, _ := h.peer("p")
				in := cutTo(inbound(0x11), tt.bits)
				h.kern.larval(in)
				h.calls(a, ike.Apply{Ops: []ike.SAOp{in, outbound(0x22)}})
				synctest.Wait()
				born := time.Now()
				if tt.down {
					h.kern.set(func() { h.kern.noQuery = errs.Errorf(errs.Unavailable, "gone") })
				}
				var when time.Duration
				for since := time.Duration(0); since < hour; since += 500 * time.Millisecond {
					for _, s := range tt.stats {
						if s.after == since {
							h.kern.set(func() { h.kern.stats = map[ike.SAKey]kernel.Stats{key(in): s.Stats} })
						}
					}
					time.Sleep(500 * time.Millisecond)
					synctest.Wait()
					if when == 0 && len(h.said(notice.Finding)) > 0 {
						when = time.Since(born)
					}
				}
				found := strings.Join(h.said(notice.Finding), "; ")
				if tt.says == "" && found != "" || !strings.Contains(found, tt.says) || strings.Count(found, "bad-icv") > 1 {
					t.Errorf("found %q, want %q", found, tt.says)
				}
				if when < tt.when || when > tt.when+2*lookEvery {
					t.Errorf("said after %v, want %v", when, tt.when)
				}
				if n := h.suspects.lenLocked(); n != 0 {
					t.Errorf("%d are watched after an hour", n)
				}
			})
		})
	}
}

// TestManySuspectsAreAskedAboutTogether.
func TestManySuspectsAreAskedAboutTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 1000
		h := newHouse(t, Options{Config: cutting(false)})
		h.kern.icvs = []uint16{128, 96}
		counted := &countedQueries{memKernel: h.kern}
		h.kernel = counted
		h.start(t)
		a, _ := h.peer("p")
		for i := range n {
			in := cutTo(inbound(uint32(0x1000+i)), 128)
			h.kern.larval(in)
			h.calls(a, ike.Apply{Ops: []ike.SAOp{in}})
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if want := len(looks) * (n/maxLooked + 1); counted.calls > want || counted.keys != n*len(looks) {
			t.Errorf("%d SAs in %d calls, want %d in %d", counted.keys, counted.calls, n*len(looks), want)
		}
	})
}

type countedQueries struct {
	*memKernel
	calls, keys int
}

func (k *countedQueries) Query(ctx context.Context, keys []kernel.Key) ([]kernel.Stats, error) {
	k.calls, k.keys = k.calls+1, k.keys+len(keys)
	return k.memKernel.Query(ctx, keys)
}

// TestARestoredSAIsCutAsItsSectionSays: the file of saved SAs has the original's format,
// which has no place for it.
func TestARestoredSAIsCutAsItsSectionSays(t *testing.T) {
	for _, short := range []bool{false, true} {
		t.Run(fmt.Sprint(short), func(t *testing.T) {
			h := newHouse(t, Options{Config: cutting(short)})
			h.kern.icvs = []uint16{128, 96}
			h.start(t)
			op := install(ike.InstallInbound, inbound(0x11).SA)
			op.Kind, op.SA.Auth.Trunc = kernel.AddSA, 0
			a, _ := h.peer("p")
			r := &restored{destination: destination{remote: h.config.Load().Remotes[0], path: here}, owner: a, ops: []kernel.Op{op},
				keys: []ledgerKey{{saKey(op.SA.Key), whereIs(op.SA.Key)}}}
			if there := h.reinstallSAs(r); len(there) != 1 {
				t.Fatalf("%d SAs are there, want 1", len(there))
			}
			want := map[bool]uint16{false: 0, true: 96}[short]
			if diff := cmp.Diff(want, h.kern.sas[saKey(op.SA.Key)].Auth.Trunc); diff != "" {
				t.Error(diff)
			}
		})
	}
}
