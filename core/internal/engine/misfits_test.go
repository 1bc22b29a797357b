package engine

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// counting is a sainfo section with esn, for peers that have the standard's ICV.
func counting(esn policy.Toggle) *policy.Config {
	c := cutting(false)
	c.SAInfos[0].ESN, c.SAInfos[0].Where = esn, policy.Position{File: "racoon.conf", Line: 3}
	return c
}

// TestSequenceNumbersTheBackEndLacks: who asks for them is told at the start.
func TestSequenceNumbersTheBackEndLacks(t *testing.T) {
	const lacks = "the kernel back end has no sequence numbers of 64 bits: "
	for _, tt := range []struct {
		esn  policy.Toggle
		can  kernel.Feature
		want string
	}{
		{policy.Off, 0, ""},
		{policy.On, 0, "unsupported: racoon.conf:3: esn on: " + lacks + "the SAs have those of 32; "},
		{policy.Force, 0, "unsupported: racoon.conf:3: esn force: " + lacks + "no SAs are negotiated; "},
		{policy.On, kernel.FeatESN, ""},
		{policy.Force, kernel.FeatESN, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t, Options{Config: counting(tt.esn)})
			h.kern.features |= tt.can
			h.start(t)
			synctest.Wait()
			said := strings.Join(h.said(notice.Finding), "; ")
			if (tt.want == "") != (said == "") || !strings.HasPrefix(said, tt.want) {
				t.Errorf("esn %v, features %v: said %q, want %q", tt.esn, tt.can, said, tt.want)
			}
		})
	}
}

// TestFindingsFollowTheBackEnd: a kernel plugin that comes back may be another one, or
// over another kernel. What does not fit any more is said, once.
func TestFindingsFollowTheBackEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options{Config: counting(policy.On)})
		h.kern.features |= kernel.FeatESN
		h.start(t)
		const esn, icv = "esn on: the kernel back end has no", "the kernel back end cuts HMAC-SHA2-256 to 96 bits"
		said := 0
		for _, step := range []struct {
			name string
			icvs []uint16
			esn  bool
			want []string
		}{
			{"as at the start", nil, true, nil},
			{"without either", []uint16{96}, false, []string{icv, esn}},
			{"the same again", []uint16{96}, false, nil},
			{"with one of them", []uint16{96}, true, nil},
			{"without either again", []uint16{96}, false, []string{esn}},
			{"with both", []uint16{128}, true, nil},
			{"with the other one only", []uint16{96}, true, []string{icv}},
		} {
			h.kern.set(func() {
				h.kern.icvs = step.icvs
				if h.kern.features |= kernel.FeatESN; !step.esn {
					h.kern.features &^= kernel.FeatESN
				}
			})
			if err := h.KernelUp(t.Context()); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			found := h.said(notice.Finding)[said:]
			said += len(found)
			if len(found) != len(step.want) {
				t.Fatalf("%s: found %q, want %q", step.name, found, step.want)
			}
			for _, want := range step.want {
				if !slices.ContainsFunc(found, func(s string) bool { return strings.Contains(s, want) }) {
					t.Errorf("%s: found %q, want %q", step.name, found, step.want)
				}
			}
		}
		if _, err := h.Reload(counting(policy.Off)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if found := h.said(notice.Finding)[said:]; len(found) != 1 || !strings.Contains(found[0], icv) {
			t.Errorf("a reload says of the new configuration: %q", found)
		}
	})
}

// TestAMachineIsToldOfTheBackEndThatRuns: it asks when it negotiates, and a plugin that has
// come back counts.
func TestAMachineIsToldOfTheBackEndThatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options{})
		h.start(t)
		a, m := h.peer("p")
		h.calls(a, ike.HasESN{})
		synctest.Wait()
		h.kern.set(func() { h.kern.features |= kernel.FeatESN })
		if err := h.KernelUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.calls(a, ike.HasESN{})
		synctest.Wait()
		var got []any
		for _, r := range replies(m) {
			if r.Err != nil {
				t.Error(r.Err)
			}
			got = append(got, r.Value)
		}
		if want := []any{false, true}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}
