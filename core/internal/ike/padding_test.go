package ike

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/oakley"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// TestRecordedSessionsUnderEveryPadding: strongSwan fills with zeros and counts
// nothing (RFC 2409 appendix B). It is understood whatever is configured here: a last
// octet of 0 takes one octet of filler with it, or none.
func TestRecordedSessionsUnderEveryPadding(t *testing.T) {
	for _, s := range recordedSessions {
		for _, c := range []policy.Padding{{}, {ExclusiveTail: true}, {StrictCheck: true}, {StrictCheck: true, ExclusiveTail: true}} {
			t.Run(fmt.Sprintf("%s %+v", s.trace, c), func(t *testing.T) {
				r := s.replay(t, responder)
				r.open()
				sealed := 0
				for i, m := range r.messages {
					if m.iv == nil {
						continue
					}
					sealed++
					if whole, _, err := r.cbc.Decrypt(m.iv, m.data[isakmp.HeaderLen:]); err != nil || whole[len(whole)-1] != 0 {
						t.Fatalf("message %d is not filled with zeros: %x, %v", i+1, whole, err)
					}
					got, err := openSealed(r.cbc, m.iv, m.h, m.data, c)
					if err != nil {
						t.Fatalf("message %d: %v", i+1, err)
					}
					if d := cmp.Diff(m.payloads, got.payloads); d != "" {
						t.Errorf("message %d (-want +got):\n%s", i+1, d)
					}
				}
				if sealed == 0 {
					t.Error("no message is sealed")
				}
				r = s.replay(t, responder)
				r.cfg.Padding = c
				r.run()
			})
		}
	}
}

// TestPaddingOfOurs: every message we pad can be opened by whoever checks strictly and
// goes by the same tail.
func TestPaddingOfOurs(t *testing.T) {
	chance := rand.New(rand.NewPCG(1, 2))
	fill := func(b []byte) {
		for i := range b {
			b[i] = byte(chance.Uint32())
		}
	}
	for _, block := range []int{8, 16} {
		for _, c := range []struct {
			name string
			policy.Padding
			most int // blocks beyond those needed
		}{
			{"default", policy.DefaultPadding(), 0},
			{"zeros", policy.Padding{ExclusiveTail: true, MaximumLength: 20}, 0},
			{"inclusive tail", policy.Padding{Randomize: true}, 0},
			{"maximum_length is nothing without randomize_length", policy.Padding{Randomize: true, MaximumLength: 255}, 0},
			{"random length", policy.Padding{RandomizeLength: true, MaximumLength: 3, ExclusiveTail: true}, 4},
			{"maximum_length 0 adds one block", policy.Padding{RandomizeLength: true, ExclusiveTail: true}, 1},
			{"what the tail cannot count is not added", policy.Padding{Randomize: true, RandomizeLength: true, MaximumLength: 255, ExclusiveTail: true}, 256/block - 1},
			{"what an inclusive tail cannot count is not added", policy.Padding{RandomizeLength: true, MaximumLength: 255}, 256/block - 1},
		} {
			t.Run(fmt.Sprintf("%s, blocks of %d", c.name, block), func(t *testing.T) {
				strict, seen := c.Padding, map[int]bool{}
				strict.StrictCheck = true
				for i := range 4000 {
					plain := make([]byte, 28+i%(2*block))
					fill(plain)
					padded := pad(c.Padding, fill, plain, block)
					n := len(padded) - len(plain)
					needed := block - len(plain)%block
					if len(padded)%block != 0 || n < needed || n > oakley.MaxPadding {
						t.Fatalf("%d octets are padded with %d", len(plain), n)
					}
					seen[(n-needed)/block] = true
					want := n
					if c.ExclusiveTail {
						want--
					}
					if got := int(padded[len(padded)-1]); got != want {
						t.Fatalf("the tail of %d octets is %d, want %d", n, got, want)
					}
					if zeros := cmp.Equal(padded[len(plain):len(padded)-1], make([]byte, n-1)); n > 4 && zeros == c.Randomize {
						t.Fatalf("filler %x", padded[len(plain):])
					}
					if back, err := unpad(strict, padded); err != nil || !cmp.Equal(back, plain) {
						t.Fatalf("%d octets and %d of padding are stripped to %d: %v", len(plain), n, len(back), err)
					}
				}
				least := 0
				if c.RandomizeLength {
					least = 1
				}
				for n := range 40 {
					if want := n >= least && n <= c.most; seen[n] != want {
						t.Errorf("%d blocks more than needed: %v, want %v", n, seen[n], want)
					}
				}
			})
		}
	}
}

func TestPaddingOfRandomLengthLeavesAMessageThatCanBeSent(t *testing.T) {
	c := policy.Padding{RandomizeLength: true, MaximumLength: 255, ExclusiveTail: true}
	for length := 65000; length < maxSealed; length++ {
		padded := pad(c, func(b []byte) { clear(b); b[len(b)-1] = byte(length) }, make([]byte, length-isakmp.HeaderLen), 16)
		if total := isakmp.HeaderLen + len(padded); total > maxSealed && total-length > 16 {
			t.Fatalf("a message of %d octets becomes one of %d", length, total)
		}
	}
}

func TestStrictCheckDropsWhatTheTailDoesNotFit(t *testing.T) {
	s := recordedSessions[0]
	r := s.replay(t, responder)
	r.open()
	payload := isakmp.AppendChain(nil, []isakmp.Payload{{Type: ID, Body: make([]byte, 8)}}) // 12 octets
	h := isakmp.Header{Next: ID, Length: isakmp.HeaderLen + 16}
	iv := make([]byte, 16)
	for _, c := range []struct {
		name    string
		filler  string
		padding policy.Padding
		want    notice.Reason // 0: accepted
	}{
		{"exclusive", "aaaaaa03", policy.Padding{StrictCheck: true, ExclusiveTail: true}, 0},
		{"inclusive", "aaaaaa04", policy.Padding{StrictCheck: true}, 0},
		{"exclusive for inclusive leaves an octet", "aaaaaa03", policy.Padding{StrictCheck: true}, 0},
		{"inclusive for exclusive takes one of the payloads", "aaaaaa04", policy.Padding{StrictCheck: true, ExclusiveTail: true}, notice.BadPadding},
		{"all of the message", "aaaaaa0f", policy.Padding{StrictCheck: true, ExclusiveTail: true}, notice.BadPadding},
		{"more than the message", "aaaaaa10", policy.Padding{StrictCheck: true, ExclusiveTail: true}, notice.BadPadding},
		{"random octets", "aabbccdd", policy.Padding{StrictCheck: true, ExclusiveTail: true}, notice.BadPadding},
		{"random octets are only filler without strict_check", "aabbccdd", policy.Padding{ExclusiveTail: true}, 0},
		{"zeros", "00000000", policy.Padding{StrictCheck: true, ExclusiveTail: true}, 0},
		{"zeros without strict_check", "00000000", policy.Padding{ExclusiveTail: true}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			sealed, _ := r.cbc.Encrypt(iv, append(payload[:12:12], unhex(t, c.filler)...))
			m, err := openSealed(r.cbc, iv, h, append(make([]byte, isakmp.HeaderLen), sealed...), c.padding)
			var d drop
			if errors.As(err, &d); d.reason != c.want || (err == nil) != (c.want == 0) {
				t.Errorf("%v", err)
			}
			if err == nil && (len(m.payloads) != 1 || len(m.rest) != 0) {
				t.Errorf("%+v", m)
			}
		})
	}
}
