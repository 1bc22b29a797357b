package ike_test

import (
	"slices"
	"strings"
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

// Up to draft 04 of NAT traversal, which Windows XP and old openswans speak, each end
// tells its own address in transport mode; from draft 05 on each tells both.
func TestTheOriginalAddressesOfEachVersionOfNATTraversal(t *testing.T) {
	both := []string{"NAT-OA{192.168.1.2} NAT-OA{192.0.2.2}", "NAT-OA{198.51.100.1} NAT-OA{192.0.2.2}"}
	own := []string{"NAT-OA{192.168.1.2}", "NAT-OA{192.0.2.2}"}
	for id, want := range map[isakmp.VendorID][]string{
		isakmp.VendorNATT: both, isakmp.VendorNATT08: both, isakmp.VendorNATT05: both,
		isakmp.VendorNATT04: own, isakmp.VendorNATT03: own, isakmp.VendorNATT02: own, isakmp.VendorNATT02n: own,
	} {
		t.Run(id.String(), func(t *testing.T) {
			w, a, b := natWorld(true, iketest.Options{Transport: true})
			w.Log = iketest.NewTranscript()
			rewrite(w, func(p *iketest.Packet, ps []isakmp.Payload) []isakmp.Payload {
				if p.N != 1 {
					return nil
				}
				return slices.DeleteFunc(ps, func(pl isakmp.Payload) bool {
					v, _ := isakmp.ParseVendorID(pl.Body)
					return pl.Type == isakmp.PayloadVID && v != id
				})
			})
			a.Acquire(b)
			w.Run(5 * time.Second)
			var said []string
			for line := range strings.Lines(w.Log.Take()) {
				if i := strings.Index(line, "NAT-OA"); i >= 0 {
					said = append(said, strings.TrimSuffix(line[i:], "]\n"))
				}
			}
			if !slices.Equal(said, want) {
				t.Errorf("said %q, want %q", said, want)
			}
			for _, tt := range []struct{ at, of *iketest.Host }{{a, b}, {b, a}} {
				n := 0
				for _, sa := range tt.at.Kernel.SAs {
					if sa.Encap != nil {
						if n++; sa.Encap.OrigDst != tt.of.Addr {
							t.Errorf("%s takes %v for the address of %s, want %v", tt.at.Name, sa.Encap.OrigDst, tt.of.Name, tt.of.Addr)
						}
					}
				}
				if n != 2 {
					t.Errorf("%s has %d SAs in UDP", tt.at.Name, n)
				}
			}
			if err := w.Err(); err != nil {
				t.Fatal(err)
			}
		})
	}
}
