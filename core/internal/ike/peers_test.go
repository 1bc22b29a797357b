package ike_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/ike/iketest"
	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
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

// Cisco and others say INVALID-SPI of what comes with SAs they have lost. That is not
// about the quick mode that makes new ones, unless it bears its SPI.
func TestAnInvalidSPIOfOtherSAsEndsNoQuickMode(t *testing.T) {
	d := newDuel(t)
	deaf := true
	d.Fault(func(p *iketest.Packet) ([]time.Duration, bool) {
		h, err := isakmp.ParseHeader(p.Data)
		return nil, deaf && err == nil && h.Exchange == isakmp.QuickMode
	})
	failed := 0
	d.a.Notices = func(_ *iketest.Machine, n ike.Notice) {
		if n.Event == notice.Phase2Failed {
			failed++
		}
	}
	d.a.Acquire(d.b)
	d.Run(5 * time.Second)
	n := isakmp.Notify{DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtoESP, SPI: []byte{0xc0, 0xff, 0xee, 0x12}, Type: isakmp.NotifyInvalidSPI}
	d.Net.Inject(d.b, d.a, ike.ForgeNotify(d.b.Peer(d.a).Peer, n))
	d.Run(time.Second)
	deaf = false
	d.Run(time.Minute)
	if pairs := len(d.a.Peer(d.b).Status(d.Now()).IPsec); failed != 0 || pairs != 1 {
		t.Errorf("%d quick modes failed, there are %d pairs, want 0 and 1", failed, pairs)
	}
}

// Of several quick modes under way the one whose SPI a refusal bears ends, whichever
// began first.
func TestARefusalEndsTheQuickModeWhoseSPIItBears(t *testing.T) {
	d := newDuel(t)
	sainfos(d.a, &policy.SAInfo{})
	sainfos(d.b, &policy.SAInfo{})
	d.a.Establish(d.b, true)
	d.Run(5 * time.Second)
	var ids []uint32 // message IDs of quick modes; those of the first two are lost
	d.Fault(func(p *iketest.Packet) ([]time.Duration, bool) {
		h, err := isakmp.ParseHeader(p.Data)
		if err != nil || h.Exchange != isakmp.QuickMode {
			return nil, false
		}
		if !slices.Contains(ids, h.MessageID) {
			ids = append(ids, h.MessageID)
		}
		return nil, slices.Index(ids, h.MessageID) < 2
	})
	var refused []uint32
	d.a.Notices = func(_ *iketest.Machine, n ike.Notice) {
		if n.Event == notice.Phase2Failed && n.Reason == notice.PeerRefused {
			refused = append(refused, n.MsgID)
		}
	}
	for i := range 3 { // b has a policy for none of them
		p := spd.PairFor(policy.Selector{Local: inside(d.a, i), Remote: inside(d.b, i)})
		p.Out.Templates = []spd.Template{{Proto: 50, Mode: spd.Tunnel, Level: spd.LevelUnique, ReqID: uint32(100 + i), Src: d.a.Addr, Dst: d.b.Addr}}
		d.a.Peer(d.b).Post(ike.Acquire{Seq: uint32(1000 + i), Pair: p, Src: d.a.Addr, Dst: d.b.Addr})
	}
	d.Run(time.Second)
	if len(ids) != 3 || !slices.Equal(refused, ids[2:]) {
		t.Errorf("refused are %x of %x, want the last", refused, ids)
	}
}

// A peer that a section names by its address is called there again once it is not
// where a NAT has had it last, and there again if that does not help.
func TestAPeerIsCalledWhereItsSectionHasIt(t *testing.T) {
	for _, tt := range []struct {
		name string
		back func(box *iketest.NAT, b *iketest.Host)
	}{
		{"the mapping is gone", func(box *iketest.NAT, b *iketest.Host) {
			box.Forget()
			box.Forward(b, 500, 4500)
		}},
		{"the mapping is still there", func(*iketest.NAT, *iketest.Host) {}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := iketest.New(1)
			a, b := w.AddHost("a"), w.AddHost("b")
			box := w.AddNAT()
			b.Behind(box)
			o := iketest.Options{NATTraversal: policy.On, Remote: []func(*policy.Remote){dpd(10 * time.Second)}}
			a.Configure(b, o)
			o.Remote = []func(*policy.Remote){dpd(0)}
			b.Configure(a, o)
			b.Acquire(a)
			w.Run(5 * time.Second)
			o.Passive = true
			b.Configure(a, o)
			a.KeepUp(b)
			w.Run(5 * time.Second)
			cut := true
			w.Fault(func(*iketest.Packet) ([]time.Duration, bool) { return nil, cut })
			w.Run(10 * time.Minute)
			b.Crash()
			if m := a.HasPeer(b); m != nil && len(m.Status(w.Now()).ISAKMP) != 0 {
				t.Fatal("a has not noticed")
			}
			tt.back(box, b)
			cut = false
			w.Run(20 * time.Minute)
			n := 0
			for _, sa := range a.Kernel.SAs {
				if sa.Dir == spd.Out && !sa.Larval {
					n++
				}
			}
			if n != 1 {
				t.Errorf("a has %d outbound SAs, want 1", n)
			}
		})
	}
}
