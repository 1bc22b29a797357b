package ike_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/ike/iketest"
	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// identities are one of every type of RFC 2407 section 4.6.2.
var identities = []isakmp.ID{
	{Type: isakmp.IDIPv4Addr, Data: []byte{198, 51, 100, 1}},
	{Type: isakmp.IDFQDN, Data: []byte("b.example")},
	{Type: isakmp.IDUserFQDN, Data: []byte("carol@b.example")},
	{Type: isakmp.IDIPv4Subnet, Data: []byte{198, 51, 100, 0, 255, 255, 255, 0}},
	{Type: isakmp.IDIPv6Addr, Data: bytes.Repeat([]byte{0x20}, 16)},
	{Type: isakmp.IDIPv6Subnet, Data: append(bytes.Repeat([]byte{0x20}, 16), bytes.Repeat([]byte{0xff}, 16)...)},
	{Type: isakmp.IDIPv4Range, Data: []byte{198, 51, 100, 1, 198, 51, 100, 9}},
	{Type: isakmp.IDIPv6Range, Data: append(bytes.Repeat([]byte{0x20}, 16), bytes.Repeat([]byte{0x21}, 16)...)},
	{Type: isakmp.IDDERASN1DN, Data: []byte{0x30, 0}},
	{Type: isakmp.IDDERASN1GN, Data: []byte{0x82, 1, 'b'}},
	{Type: isakmp.IDKeyID, Data: []byte{0, 1, 2, 0xff}},
}

// TestIdentitiesOfEveryType are ours, and the peer's: verified, any of their type,
// and refused.
func TestIdentitiesOfEveryType(t *testing.T) {
	for _, mode := range []policy.ExchangeMode{policy.Main, policy.Aggressive, policy.Base} {
		for _, id := range identities {
			t.Run(id.Type.String()+" in "+mode.String()+" mode", func(t *testing.T) {
				own := policy.Identity{Type: uint8(id.Type), Data: id.Data}
				another := policy.Identity{Type: own.Type, Data: append(slices.Clone(id.Data[1:]), id.Data[0]^1)}
				for _, c := range []struct {
					name string
					want policy.Identity
					up   int
				}{{"verified", own, 1}, {"any of the type", policy.Identity{Type: own.Type}, 1}, {"another value", another, 0}} {
					d := newModeDuel(t, mode)
					edit(d.b, func(r *policy.Remote) { r.MyID = own })
					edit(d.a, func(r *policy.Remote) {
						r.VerifyIdentifier, r.PeerIDs = true, []policy.Identity{c.want}
					})
					d.a.Establish(d.b, true)
					d.Run(5 * time.Second)
					sas := d.a.Peer(d.b).Status(d.Now()).ISAKMP
					if len(sas) != c.up {
						t.Fatalf("%s: %d ISAKMP SAs", c.name, len(sas))
					}
					want := id
					if id.Type == isakmp.IDIPv4Addr || id.Type == isakmp.IDIPv6Addr {
						want.Protocol, want.Port = 17, 500 // as the original sends an address
					}
					if c.up > 0 && sas[0].PeerID != want.String() {
						t.Errorf("the peer is %s, not %v", sas[0].PeerID, want)
					}
				}
			})
		}
	}
}

// firstOfAggressive is a's message 1 with another ID, or SA, in it.
func firstOfAggressive(t *testing.T, d *duel, change func(p *isakmp.Payload)) []byte {
	d.a.Acquire(d.b)
	d.Run(time.Second)
	h, ps, err := isakmp.ParseMessage(d.sent["a"][0])
	if err != nil {
		t.Fatal(err)
	}
	h.CkyI = isakmp.Cookie{1}
	for i := range ps {
		ps[i].Body = slices.Clone(ps[i].Body)
		change(&ps[i])
	}
	d.NoFaults()
	return isakmp.AppendMessage(nil, h, ps)
}

// RFC 2407 section 4.6.2: zero, or UDP port 500.
func TestProtocolAndPortOfAPhase1Identity(t *testing.T) {
	for name, c := range map[string]struct {
		proto uint8
		port  uint16
		fits  bool
	}{
		"nothing": {0, 0, true}, "UDP 500": {17, 500, true}, "UDP": {17, 0, true}, "UDP 4500": {17, 4500, true},
		"UDP 1701": {17, 1701, false}, "TCP": {6, 0, false}, "TCP 500": {6, 500, false}, "port 500": {0, 500, false},
	} {
		t.Run(name, func(t *testing.T) {
			d := newModeDuel(t, policy.Aggressive, iketest.Cut(1))
			msg := firstOfAggressive(t, d, func(p *isakmp.Payload) {
				if p.Type == isakmp.PayloadID {
					p.Body = isakmp.ID{Type: isakmp.IDFQDN, Protocol: c.proto, Port: c.port, Data: []byte("a.example")}.Append(nil)
				}
			})
			got := outcome(d.b)
			d.Net.Inject(d.a, d.b, msg)
			d.Run(time.Second)
			if refused := slices.Contains(*got, "bad-identity"); refused == c.fits {
				t.Errorf("%v", *got)
			}
		})
	}
}

// refusalOf is the notify b answers a message with.
func (d *duel) refusalOf(t *testing.T, msg []byte) string {
	d.Net.Inject(d.a, d.b, msg)
	d.Run(time.Second)
	if len(d.sent["b"]) != 1 {
		t.Fatalf("%d messages in answer", len(d.sent["b"]))
	}
	_, ps, err := isakmp.ParseMessage(d.sent["b"][0])
	if err != nil || len(ps) != 1 {
		t.Fatalf("%v, %v", ps, err)
	}
	n, err := isakmp.ParseNotify(ps[0].Body)
	if err != nil {
		t.Fatal(err)
	}
	return n.Type.String()
}

func TestAnOfferOfAnotherDOIOrSituationIsRefusedByName(t *testing.T) {
	for want, at := range map[string]int{"DOI-NOT-SUPPORTED": 3, "SITUATION-NOT-SUPPORTED": 7} {
		d := newModeDuel(t, policy.Aggressive, iketest.Cut(1))
		msg := firstOfAggressive(t, d, func(p *isakmp.Payload) {
			if p.Type == isakmp.PayloadSA {
				p.Body[at] = 2
			}
		})
		if diff := cmp.Diff(want, d.refusalOf(t, msg)); diff != "" {
			t.Error(diff)
		}
	}
}

// TestDeletesOfEveryForm: DOI 0 is ISAKMP's own, others are not ours to follow.
func TestDeletesOfEveryForm(t *testing.T) {
	for name, c := range map[string]struct {
		doi   uint32
		proto isakmp.Protocol
		spi   func(b ike.Status) []byte
		up    int // ISAKMP SAs and pairs left
	}{
		"an ISAKMP SA":               {1, isakmp.ProtoISAKMP, ownSPI, 1},
		"an ISAKMP SA, DOI 0":        {0, isakmp.ProtoISAKMP, ownSPI, 1},
		"an ISAKMP SA, DOI 2":        {2, isakmp.ProtoISAKMP, ownSPI, 2},
		"an ISAKMP SA of nobody":     {1, isakmp.ProtoISAKMP, func(ike.Status) []byte { return make([]byte, 16) }, 2},
		"an ISAKMP SA by its cookie": {1, isakmp.ProtoISAKMP, func(s ike.Status) []byte { return ownSPI(s)[:8] }, 2},
		"ESP":                        {1, isakmp.ProtoESP, espSPI, 1},
		"ESP, DOI 0":                 {0, isakmp.ProtoESP, espSPI, 2},
		"AH with the SPI of ESP":     {1, isakmp.ProtoAH, espSPI, 2},
		"ESP with half an SPI":       {1, isakmp.ProtoESP, func(s ike.Status) []byte { return espSPI(s)[2:] }, 2},
		"a protocol nobody knows":    {1, 77, espSPI, 2},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDuel(t)
			d.a.Acquire(d.b)
			d.Run(5 * time.Second)
			spi := c.spi(d.b.Peer(d.a).Status(d.Now()))
			del := isakmp.Delete{DOI: c.doi, Protocol: c.proto, SPISize: uint8(len(spi)), SPIs: [][]byte{spi}}
			d.Net.Inject(d.a, d.b, ike.Forge(d.a.Peer(d.b).Peer, isakmp.Informational, []isakmp.Payload{{Type: isakmp.PayloadD, Body: del.Append(nil)}}))
			d.Run(time.Second)
			st := d.b.Peer(d.a).Status(d.Now())
			if got := len(st.ISAKMP) + len(st.IPsec); got != c.up {
				t.Errorf("%d ISAKMP SAs and %d pairs are left", len(st.ISAKMP), len(st.IPsec))
			}
		})
	}
}

func ownSPI(s ike.Status) []byte { return slices.Concat(s.ISAKMP[0].CkyI[:], s.ISAKMP[0].CkyR[:]) }

// espSPI is the SPI the peer receives with.
func espSPI(s ike.Status) []byte {
	n := s.IPsec[0].SPIOut
	return []byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
}

// TestNotifiesOfEveryTypeAreNamed: whatever its type, an authenticated notify is
// written down with its name, and ends nothing but the quick mode it is about.
func TestNotifiesOfEveryTypeAreNamed(t *testing.T) {
	d := newDuel(t)
	d.a.Acquire(d.b)
	d.Run(5 * time.Second)
	var heard []string
	d.b.Notices = func(_ *iketest.Machine, n ike.Notice) {
		if n.Event == notice.PeerNotify {
			heard = append(heard, n.Detail)
		}
	}
	var want []string
	for _, typ := range isakmp.NotifyTypes {
		switch isakmp.NotifyType(typ.Number) {
		case isakmp.NotifyInitialContact, isakmp.NotifyRUThere, isakmp.NotifyRUThereAck:
			continue // they have transcripts of their own
		}
		n := isakmp.Notify{DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtoISAKMP, Type: isakmp.NotifyType(typ.Number)}
		want = append(want, "N{"+typ.Name+" ISAKMP}")
		d.Net.Inject(d.a, d.b, ike.Forge(d.a.Peer(d.b).Peer, isakmp.Informational, []isakmp.Payload{{Type: isakmp.PayloadN, Body: n.Append(nil)}}))
		d.Run(time.Second)
	}
	if diff := cmp.Diff(want, heard); diff != "" {
		t.Error(diff)
	}
	if st := d.b.Peer(d.a).Status(d.Now()); len(st.ISAKMP) != 1 || len(st.IPsec) != 1 {
		t.Errorf("%d ISAKMP SAs and %d pairs are left", len(st.ISAKMP), len(st.IPsec))
	}
}
