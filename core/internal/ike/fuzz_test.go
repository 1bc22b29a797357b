package ike_test

import (
	"testing"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike/iketest"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// FuzzStep reads bytes as a schedule of two hosts: their exchange of phase 1, what
// happens next, which datagram is lost, repeated or has one octet changed. Whatever it
// is, nothing panics, the deadline is never left in the past, and behind a shutdown
// nothing is left.
func FuzzStep(f *testing.F) {
	for mode := range byte(3) {
		f.Add([]byte{mode, 0, 40})
		f.Add([]byte{mode, 0, 40, 9, 40, 1, 40, 2, 250})
		f.Add([]byte{mode, 0, 1, 5, 3, 77, 0, 12, 4, 0, 20, 6, 20, 7, 30, 8, 40})
		f.Add([]byte{mode, 5, 2, 0, 128, 14, 40, 8, 2, 99, 4, 0, 14, 250})
	}
	f.Fuzz(func(t *testing.T, plan []byte) {
		if len(plan) > 256 {
			return
		}
		w := iketest.New(1)
		w.KeepSecrets()
		w.Net.Numbered = true
		a, b := w.AddHost("a"), w.AddHost("b")
		hosts := [2]*iketest.Host{a, b}
		next := func() (c byte) {
			if len(plan) > 0 {
				c, plan = plan[0], plan[1:]
			}
			return c
		}
		mode := []policy.ExchangeMode{policy.Main, policy.Aggressive, policy.Base}[next()%3]
		w.Connect(a, b, iketest.Options{Modes: []policy.ExchangeMode{mode}, Proposals: []policy.Phase1Proposal{iketest.AES128SHA256X25519}, ISAKMPLife: 3 * time.Minute, IPsecLife: 2 * time.Minute})
		for len(plan) > 0 && w.Err() == nil {
			c := next()
			h, to := hosts[c>>7], hosts[1-c>>7]
			switch c & 0x7f % 16 {
			case 0:
				h.Acquire(to)
			case 1:
				h.Establish(to, true)
			case 2:
				h.Delete(to, false, true)
			case 3:
				h.Delete(to, true, true)
			case 4:
				h.SoftExpire(to)
			case 5:
				w.Fault(iketest.Lose(w.Net.Messages() + 1 + int(next()%4)))
			case 6:
				w.Fault(iketest.Duplicate(w.Net.Messages() + 1 + int(next()%4)))
			case 7:
				w.Fault(iketest.Reorder(w.Net.Messages() + 1 + int(next()%4)))
			case 8: // one octet of one of the next messages
				n, at := next(), next()
				w.Fault(iketest.Mutate(w.Net.Messages()+1+int(n%4), int(at), next()))
			case 9:
				w.Net.Replay(int(next()))
			case 10:
				h.Kernel.Die(time.Duration(next()) * 100 * time.Millisecond)
			case 11:
				h.Kernel.RefuseInstalls++
			case 12:
				h.AuthDown = !h.AuthDown
			case 13:
				h.Shutdown()
			default:
				w.Run(time.Duration(next()) * 50 * time.Millisecond)
			}
			w.Run(time.Duration(c&3) * 7 * time.Millisecond)
		}
		for _, h := range hosts {
			h.AuthDown = false
			h.Shutdown()
		}
		w.Run(5 * time.Minute)
		w.CheckEmpty()
		w.CheckWiped()
		if err := w.Err(); err != nil {
			t.Fatal(err)
		}
	})
}
