package ike_test

import (
	"slices"
	"testing"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/ike/iketest"
	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// Under an ISAKMP SA that has ended a peer is heard, but only to delete IPsec SAs.
func TestUnderAnEndedISAKMPSAOnlyDeletesCount(t *testing.T) {
	d := newDuel(t)
	d.b.Configure(d.a, iketest.Options{Proposals: []policy.Phase1Proposal{iketest.AES128SHA256X25519}})
	d.a.Acquire(d.b)
	d.Run(time.Minute)
	a, b := d.a.Peer(d.b), d.b.Peer(d.a)
	st := a.Status(d.Now())
	spi := slices.Concat(st.ISAKMP[0].CkyI[:], st.ISAKMP[0].CkyR[:])
	notify := func(n isakmp.NotifyType) []byte {
		return ike.ForgeNotify(a.Peer, isakmp.Notify{DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtoISAKMP, SPI: spi, Type: n, Data: []byte{0, 0, 0, 1}})
	}
	del := isakmp.Delete{DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtoESP, SPISize: 4, SPIs: [][]byte{isakmp.ProtoESP.AppendSPI(nil, st.IPsec[0].SPIIn)}}
	others := [][]byte{
		notify(isakmp.NotifyRUThere),
		notify(isakmp.NotifyInitialContact),
		ike.Forge(a.Peer, isakmp.QuickMode, []isakmp.Payload{{Type: isakmp.PayloadSA, Body: make([]byte, 8)}, {Type: isakmp.PayloadNONCE, Body: make([]byte, 16)}}),
		ike.Forge(a.Peer, isakmp.Transaction, []isakmp.Payload{{Type: isakmp.PayloadAttr, Body: make([]byte, 4)}}),
	}
	deletes := ike.Forge(a.Peer, isakmp.Informational, []isakmp.Payload{{Type: isakmp.PayloadD, Body: del.Append(nil)}})

	d.a.Delete(d.b, true, false)
	d.Run(time.Second)
	sent := len(d.sent["b"])
	for _, msg := range others {
		d.Net.Inject(d.a, d.b, msg)
	}
	d.Run(time.Second)
	if n := len(d.sent["b"]); n != sent {
		t.Errorf("b says %d things under an ISAKMP SA that has ended", n-sent)
	}
	if st := b.Status(d.Now()); len(st.ISAKMP) != 0 || len(st.Exchanges) != 0 || len(st.IPsec) != 1 {
		t.Errorf("b has %+v", st)
	}
	d.Net.Inject(d.a, d.b, deletes)
	d.Run(100 * time.Millisecond)
	if st := b.Status(d.Now()); len(st.IPsec) != 0 {
		t.Errorf("b still has %+v", st.IPsec)
	}
	for name := range ike.Secrets(b.Peer) {
		t.Errorf("without IPsec SAs there is nothing to be heard, and b keeps %s", name)
	}
}

// However many ISAKMP SAs end at a time, a machine keeps two of them, and those no
// longer than a message is under way.
func TestFewEndedISAKMPSAsLinger(t *testing.T) {
	d := newDuel(t)
	d.a.Acquire(d.b)
	d.Run(time.Minute)
	forgotten := 0
	d.OnAction = func(m *iketest.Machine, act ike.Action) {
		if _, ok := act.(ike.Forget); ok && m.Host == d.b {
			forgotten++
		}
	}
	ends := 0
	d.b.Notices = func(_ *iketest.Machine, n ike.Notice) {
		if n.Event == notice.Phase1Down {
			ends++
		}
	}
	for range 10 { // a second and a half for all of them
		d.a.Delete(d.b, true, false)
		d.Run(50 * time.Millisecond)
		d.a.Establish(d.b, true)
		d.Run(100 * time.Millisecond)
	}
	if ends != 10 || ends-forgotten > 2 {
		t.Errorf("of %d ISAKMP SAs that have ended %d are forgotten", ends, forgotten)
	}
	d.Run(3 * time.Second)
	if ends != forgotten {
		t.Errorf("of %d ISAKMP SAs that have ended %d are forgotten", ends, forgotten)
	}
}
