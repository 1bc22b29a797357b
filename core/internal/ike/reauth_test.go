package ike_test

import (
	"encoding/binary"
	"fmt"
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

// renewing is a duel with a tunnel and rekey on, its ISAKMP SA so old at a that a
// successor is due.
func renewing(t *testing.T, faults ...iketest.Fault) *duel {
	d := newDuel(t)
	d.Connect(d.a, d.b, iketest.Options{Proposals: []policy.Phase1Proposal{iketest.AES128SHA256X25519}, Rekey: policy.On})
	d.a.Acquire(d.b)
	d.Run(time.Minute)
	for _, f := range faults {
		d.Fault(f)
	}
	ike.Wear(d.a.Peer(d.b).Peer, d.Now())
	d.a.Peer(d.b).Post(ike.Wake{})
	return d
}

// sas are the ISAKMP SAs an end has.
func sas(h *iketest.Host, to *iketest.Host) (all []string) {
	for _, sa := range h.HasPeer(to).Status(iketest.Epoch).ISAKMP {
		all = append(all, fmt.Sprint(sa.CkyI, sa.CkyR))
	}
	return all
}

func TestARenewalSurvivesTheLossOfAnyMessage(t *testing.T) {
	for n := 11; n <= 17; n++ { // the six of phase 1 and the delete
		t.Run(fmt.Sprint("message ", n-10), func(t *testing.T) {
			d := renewing(t, iketest.Lose(n))
			old := sas(d.a, d.b)[0]
			d.Watch(func() { d.CheckCarries(d.a, d.b.Addr); d.CheckCarries(d.b, d.a.Addr) })
			d.Run(5 * time.Minute)
			a, b := sas(d.a, d.b), sas(d.b, d.a)
			if len(a) != 1 || len(b) != 1 || a[0] != b[0] || a[0] == old {
				t.Errorf("there was %v; there are %v and %v", old, a, b)
			}
			if n := len(d.a.Peer(d.b).Status(d.Now()).IPsec); n != 1 {
				t.Errorf("%d pairs: the renewal of phase 1 is none of theirs", n)
			}
		})
	}
}

// INITIAL-CONTACT in a renewal would have the peer drop the SAs that are in use.
func TestARenewalIsNoInitialContact(t *testing.T) {
	d := renewing(t)
	d.Run(5 * time.Minute)
	if got := len(sas(d.b, d.a)); got != 1 {
		t.Fatalf("%d ISAKMP SAs", got)
	}
	d.CheckCarries(d.a, d.b.Addr)
	if st := d.b.Peer(d.a).Status(d.Now()).IPsec; len(st) != 1 || d.Now().Sub(st[0].Since) < 5*time.Minute {
		t.Errorf("the pair has not stayed: %+v", st)
	}
}

// Restored SAs keep the peer from being told that nothing is remembered, and end when
// new ones have carried the traffic for a while, or when the kernel says so.
func TestRestoredSAsEndBehindTheirSuccessors(t *testing.T) {
	d := newDuel(t)
	m := d.a.Peer(d.b)
	var gone []uint32
	d.OnAction = func(m *iketest.Machine, act ike.Action) {
		call, _ := act.(ike.Call)
		if apply, ok := call.Req.(ike.Apply); ok && m.Host == d.a {
			for _, op := range apply.Ops {
				if op.Kind == ike.DeleteSA {
					gone = append(gone, op.SA.SPI)
				}
			}
		}
	}
	var contact bool
	d.b.Notices = func(_ *iketest.Machine, n ike.Notice) {
		contact = contact || strings.Contains(n.Detail, "INITIAL-CONTACT")
	}
	old := func(spi uint32) ike.KernelSA {
		return ike.KernelSA{Dir: spd.In, Src: d.b.Addr, Dst: d.a.Addr, Proto: 50, SPI: spi}
	}
	out, _ := d.a.Policy(d.b)
	m.Post(ike.Restore{SAs: []ike.KernelSA{old(4711), old(4712), old(4713), old(4714)}})
	m.Post(ike.Restore{Wanted: []ike.Wanted{{Pair: d.a.SPD.PairOf(out), Src: d.a.Addr, Dst: d.b.Addr}}})
	d.Run(30 * time.Second)
	d.CheckCarries(d.a, d.b.Addr)
	if contact || gone != nil {
		t.Errorf("INITIAL-CONTACT %v, ended too early: %v", contact, gone)
	}
	m.Post(ike.Expire{Dst: d.a.Addr, Proto: 50, SPI: 4712, Hard: true})
	m.Post(ike.KernelLost{SAs: []ike.SAKey{{Dst: d.a.Addr, Proto: 50, SPI: 4713}}})
	m.Post(ike.Delete{SPI: 4714})
	if !slices.Equal(gone, []uint32{4714}) {
		t.Errorf("ended: %v, want the one an operator deleted", gone)
	}
	d.Run(5 * time.Minute)
	if !slices.Equal(gone, []uint32{4714, 4711}) {
		t.Errorf("ended: %v, want the one that had not expired nor been lost", gone)
	}
	m.Post(ike.Restore{SAs: []ike.KernelSA{old(4715)}})
	d.a.Shutdown()
	if !slices.Contains(gone, 4715) {
		t.Errorf("ended: %v, want all", gone)
	}
}

// A peer may delete what it likes of its own, as often as it likes, and nothing else.
func TestDeletesOfWhatIsNotThere(t *testing.T) {
	d := newDuel(t)
	d.a.Acquire(d.b)
	d.Run(time.Second)
	st := d.b.Peer(d.a).Status(d.Now())
	pair, sa := st.IPsec[0], st.ISAKMP[0]
	u32 := func(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
	cookies := slices.Concat(sa.CkyI[:], sa.CkyR[:])
	other := slices.Clone(cookies)
	other[0] ^= 1
	for name, del := range map[string]isakmp.Delete{
		"an SPI nobody has":                    {Protocol: isakmp.ProtoESP, SPISize: 4, SPIs: [][]byte{u32(0xdead)}},
		"our own inbound SPI":                  {Protocol: isakmp.ProtoESP, SPISize: 4, SPIs: [][]byte{u32(pair.SPIIn)}},
		"the SPI under another protocol":       {Protocol: isakmp.ProtoAH, SPISize: 4, SPIs: [][]byte{u32(pair.SPIOut)}},
		"the SPI with octets too many":         {Protocol: isakmp.ProtoESP, SPISize: 8, SPIs: [][]byte{append(u32(pair.SPIOut), 0, 0, 0, 0)}},
		"an ISAKMP SA nobody has":              {Protocol: isakmp.ProtoISAKMP, SPISize: 16, SPIs: [][]byte{other}},
		"half of the cookies":                  {Protocol: isakmp.ProtoISAKMP, SPISize: 8, SPIs: [][]byte{cookies[:8]}},
		"nothing":                              {Protocol: isakmp.ProtoESP, SPISize: 4},
		"an ISAKMP SA under an IPsec protocol": {Protocol: isakmp.ProtoESP, SPISize: 16, SPIs: [][]byte{cookies}},
	} {
		del.DOI = isakmp.DOIIPsec
		d.Net.Inject(d.a, d.b, ike.Forge(d.a.Peer(d.b).Peer, isakmp.Informational, []isakmp.Payload{{Type: isakmp.PayloadD, Body: del.Append(nil)}}))
		d.Run(time.Second)
		if st := d.b.Peer(d.a).Status(d.Now()); len(st.IPsec) != 1 || len(st.ISAKMP) != 1 {
			t.Fatalf("%s: %d IPsec, %d ISAKMP SAs are left", name, len(st.IPsec), len(st.ISAKMP))
		}
	}
	// The right one counts, its repetitions and a list of it do no harm, and the next
	// packet has SAs again.
	right := isakmp.Delete{DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtoESP, SPISize: 4, SPIs: [][]byte{u32(pair.SPIOut), u32(pair.SPIOut), u32(1)}}
	for range 3 {
		d.Net.Inject(d.a, d.b, ike.Forge(d.a.Peer(d.b).Peer, isakmp.Informational, []isakmp.Payload{{Type: isakmp.PayloadD, Body: right.Append(nil)}}))
		d.Run(time.Second)
	}
	if st := d.b.Peer(d.a).Status(d.Now()); len(st.IPsec) != 0 || len(st.ISAKMP) != 1 {
		t.Errorf("%d IPsec, %d ISAKMP SAs are left", len(st.IPsec), len(st.ISAKMP))
	}
	d.b.Acquire(d.a)
	d.Run(5 * time.Second)
	d.CheckCarries(d.a, d.b.Addr)
	d.CheckCarries(d.b, d.a.Addr)
}

// Behind a section without an address the peer is whoever proved an identity there.
func TestSomebodyElseIsNotThePeersSuccessor(t *testing.T) {
	d := newDuel(t)
	d.Connect(d.a, d.b, iketest.Options{Proposals: []policy.Phase1Proposal{iketest.AES128SHA256X25519}, Rekey: policy.On, Anonymous: true})
	d.a.Acquire(d.b)
	d.Run(time.Minute)
	old := sas(d.a, d.b)
	r := *d.b.Config.Remotes[0]
	r.MyID = policy.Identity{Type: uint8(isakmp.IDFQDN), Data: []byte("mallory.example")}
	c := *d.b.Config
	c.Remotes = []*policy.Remote{&r}
	d.b.Config = &c
	ike.Wear(d.a.HasPeer(d.b).Peer, d.Now())
	d.a.HasPeer(d.b).Post(ike.Wake{})
	d.Run(5 * time.Second)
	if got := sas(d.a, d.b); len(got) != 1 || got[0] != old[0] {
		t.Errorf("there was %v, there is %v", old, got)
	}
}

// What is to be kept up is tried again, ever more rarely, also where a negotiation
// fails before anything is said: nothing else would happen.
func TestKeptUpIsTriedAgainWhereNothingIsSaid(t *testing.T) {
	d := newDuel(t)
	sainfos(d.a, &policy.SAInfo{Local: network("10.77.0.0/16"), Remote: network("10.78.0.0/16")})
	failed := 0
	d.a.Notices = func(_ *iketest.Machine, n ike.Notice) {
		if n.Event == notice.Phase2Failed {
			failed++
		}
	}
	d.a.KeepUp(d.b)
	d.Run(30 * time.Minute)
	if failed < 8 || failed > 30 {
		t.Errorf("%d attempts in half an hour", failed)
	}
}

// Who is at an address may only turn out with phase 1. What is restored of the peer
// goes to its machine with the rest.
func TestRestoredSAsAreHandedOver(t *testing.T) {
	d := newDuel(t)
	d.a.Configure(d.b, iketest.Options{Proposals: []policy.Phase1Proposal{iketest.AES128SHA256X25519}, Anonymous: true})
	var gone []uint32
	handed, contact := false, false
	d.OnAction = func(m *iketest.Machine, act ike.Action) {
		_, h := act.(ike.Handover)
		handed = handed || h && m.Host == d.a
		call, _ := act.(ike.Call)
		if apply, ok := call.Req.(ike.Apply); ok && m.Host == d.a {
			for _, op := range apply.Ops {
				if op.Kind == ike.DeleteSA {
					gone = append(gone, op.SA.SPI)
				}
			}
		}
	}
	d.b.Notices = func(_ *iketest.Machine, n ike.Notice) {
		contact = contact || strings.Contains(n.Detail, "INITIAL-CONTACT")
	}
	out, _ := d.a.Policy(d.b)
	d.a.Peer(d.b).Post(ike.Restore{SAs: []ike.KernelSA{{Dir: spd.In, Src: d.b.Addr, Dst: d.a.Addr, Proto: 50, SPI: 4711}},
		Wanted: []ike.Wanted{{Pair: d.a.SPD.PairOf(out), Src: d.a.Addr, Dst: d.b.Addr}}})
	d.Run(30 * time.Second)
	if !handed || contact || gone != nil {
		t.Errorf("handed over %v, INITIAL-CONTACT %v, ended too early: %v", handed, contact, gone)
	}
	d.Run(5 * time.Minute)
	if !slices.Equal(gone, []uint32{4711}) {
		t.Errorf("ended: %v, want the restored one", gone)
	}
}
