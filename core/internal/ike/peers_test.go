package ike_test

import (
	"slices"
	"testing"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike/iketest"
	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// What known peers do that ours do not.

// Cisco names dead peer detection in message 3. It is answered in message 4, once, and
// counts as if both had said so at first.
func TestAVendorIDInMessage3IsAnsweredInMessage4(t *testing.T) {
	for _, m := range []policy.ExchangeMode{policy.Main, policy.Base} {
		t.Run(m.String(), func(t *testing.T) {
			d := newDuel(t)
			o := iketest.Options{Proposals: []policy.Phase1Proposal{iketest.AES128SHA256X25519}, Modes: []policy.ExchangeMode{m}, Remote: []func(*policy.Remote){dpd(10 * time.Second)}}
			d.a.Configure(d.b, o)
			d.b.Configure(d.a, o)
			is := func(pl isakmp.Payload) bool {
				v, _ := isakmp.ParseVendorID(pl.Body)
				return pl.Type == isakmp.PayloadVID && v == isakmp.VendorDPD
			}
			said := map[int]int{}
			rewrite(d.World, func(p *iketest.Packet, ps []isakmp.Payload) []isakmp.Payload {
				switch {
				case p.From == d.b:
					for _, pl := range ps {
						if is(pl) {
							said[p.N]++
						}
					}
				case p.N == 1:
					return slices.DeleteFunc(ps, is)
				case p.N == 3:
					return append(ps, isakmp.Payload{Type: isakmp.PayloadVID, Body: isakmp.VendorDPD.Append(nil)})
				}
				return nil
			})
			d.a.Acquire(d.b)
			d.Run(5 * time.Second)
			if len(said) != 1 || said[4] != 1 {
				t.Errorf("the answer is in messages %v, want one in message 4", said)
			}
			for _, m := range []*iketest.Machine{d.a.Peer(d.b), d.b.Peer(d.a)} {
				if st := m.Status(d.Now()).ISAKMP; len(st) != 1 || !st[0].DPD {
					t.Errorf("%s: dead peer detection is not agreed on: %+v", m.Host.Name, st)
				}
			}
		})
	}
}
