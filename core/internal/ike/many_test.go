package ike_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/racoon-ike/racoon/core/internal/doi"
	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/ike/iketest"
	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
)

// TestManyQuickModesAtOnce: forty selectors, asked for in one moment by both ends,
// under one ISAKMP SA and heavy loss. Each comes to have one pair, and no message ID
// serves twice.
func TestManyQuickModesAtOnce(t *testing.T) {
	const many = 40
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	w := iketest.New(seed)
	a, b := w.AddHost("a"), w.AddHost("b")
	w.Connect(a, b, iketest.Options{Proposals: []policy.Phase1Proposal{iketest.AES128SHA256X25519}})
	pairs := map[*iketest.Host][]spd.Pair{}
	for _, h := range w.Hosts {
		sainfos(h, &policy.SAInfo{})
		to := a
		if h == a {
			to = b
		}
		for i := range many {
			p := spd.PairFor(policy.Selector{Local: inside(h, i), Remote: inside(to, i)})
			tmpl := spd.Template{Proto: 50, Mode: spd.Tunnel, Level: spd.LevelUnique, ReqID: uint32(100 + i), Src: h.Addr, Dst: to.Addr}
			p.Out.Templates = []spd.Template{tmpl}
			tmpl.Src, tmpl.Dst = tmpl.Dst, tmpl.Src
			p.In.Templates = []spd.Template{tmpl}
			h.SPD.Put(p.Out)
			h.SPD.Put(p.In)
			pairs[h] = append(pairs[h], p)
		}
	}
	begun := map[uint32]int{}
	w.OnAction = func(_ *iketest.Machine, act ike.Action) {
		if n, ok := act.(ike.Notice); ok && n.Event == notice.Phase2Start && n.Exchange == isakmp.QuickMode {
			begun[n.MsgID]++
		}
	}
	a.Establish(b, true)
	w.Run(10 * time.Second)
	w.Net.Loss, w.Net.Duplicate = 0.3, 0.3
	w.Net.MaxDelay = 2 * time.Second
	for i := range many {
		a.Peer(b).Post(ike.Acquire{Seq: uint32(1000 + i), Pair: pairs[a][i], Src: a.Addr, Dst: b.Addr})
		if i%4 == 0 {
			b.Peer(a).Post(ike.Acquire{Seq: uint32(2000 + i), Pair: pairs[b][i], Src: b.Addr, Dst: a.Addr})
		}
	}
	busiest := 0
	for range 60 {
		w.Run(time.Second)
		busiest = max(busiest, len(a.Peer(b).Status(w.Now()).Exchanges))
	}
	w.Net.Loss, w.Net.Duplicate = 0, 0
	w.Run(2 * time.Minute)
	for i := range many { // what timed out is asked for again, as the kernel does
		a.Peer(b).Post(ike.Acquire{Seq: uint32(3000 + i), Pair: pairs[a][i], Src: a.Addr, Dst: b.Addr})
	}
	w.Run(2 * time.Minute)

	for _, h := range w.Hosts {
		to := a
		if h == a {
			to = b
		}
		st := h.Peer(to).Status(w.Now())
		count := map[policy.Selector]int{}
		for _, q := range st.IPsec {
			count[q.Selector]++
		}
		for i, p := range pairs[h] {
			if count[p.Selector()] == 0 {
				t.Errorf("%s: selector %d has no pair", h.Name, i)
			}
		}
		if len(st.ISAKMP) != 1 {
			t.Errorf("%s: %d ISAKMP SAs", h.Name, len(st.ISAKMP))
		}
	}
	if busiest < many/2 {
		t.Errorf("at most %d exchanges at a time: the test says little", busiest)
	}
	for id, n := range begun {
		if n != 1 {
			t.Errorf("message ID %#x began %d quick modes", id, n)
		}
	}
	w.CheckKernel()
	if err := w.Err(); err != nil {
		t.Error(err)
	}
}

// inside is the i-th network behind a host.
func inside(h *iketest.Host, i int) netip.Prefix {
	return netip.MustParsePrefix(fmt.Sprintf("10.%d.%d.0/24", 50+h.Addr.As4()[3], i))
}

// TestInitialContactInQuickMode: it counts as in an exchange of its own (RFC 2407
// section 4.6.3.3), once the message has proved whose it is.
func TestInitialContactInQuickMode(t *testing.T) {
	d := newDuel(t)
	d.Connect(d.a, d.b, iketest.Options{Proposals: []policy.Phase1Proposal{iketest.AES128SHA256X25519}, NoInitialContact: true})
	d.a.Acquire(d.b)
	d.Run(time.Minute)
	d.a.Crash()
	d.a.Establish(d.b, true)
	d.Run(10 * time.Second)
	pairs := func() int { return len(d.b.Peer(d.a).Status(d.Now()).IPsec) }
	if pairs() != 1 {
		t.Fatalf("%d pairs before", pairs())
	}
	m := d.a.Peer(d.b).Peer
	offer, err := doi.OfferIPsec(doi.Side{Templates: []spd.Template{{Proto: 50, Mode: spd.Tunnel}}, SAInfo: d.a.Config.SAInfos[0]}, []uint32{0xa1a1a1a1})
	if err != nil {
		t.Fatal(err)
	}
	contact := isakmp.Notify{DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtoISAKMP, Type: isakmp.NotifyInitialContact}
	msg := ike.Forge(m, isakmp.QuickMode, []isakmp.Payload{
		{Type: isakmp.PayloadSA, Body: offer.Append(nil)}, {Type: isakmp.PayloadNONCE, Body: make([]byte, 16)},
		{Type: isakmp.PayloadID, Body: doi.PrefixID(d.a.Net, 0, 0).Append(nil)}, {Type: isakmp.PayloadID, Body: doi.PrefixID(d.b.Net, 0, 0).Append(nil)},
		{Type: isakmp.PayloadN, Body: contact.Append(nil)}})
	bad := append([]byte(nil), msg...)
	bad[28+16] ^= 1 // in HASH(1)
	d.Net.Inject(d.a, d.b, bad)
	d.Run(time.Second)
	if pairs() != 1 {
		t.Errorf("%d pairs behind a forged one", pairs())
	}
	d.Net.Inject(d.a, d.b, msg)
	d.Run(time.Second)
	if pairs() != 0 {
		t.Errorf("%d pairs of an earlier life", pairs())
	}
	d.Run(time.Minute)
}

// Of several quick modes that time out together the first ends their ISAKMP SA, once;
// what all of them were for is tried again with a new phase 1.
func TestAnISAKMPSAInDoubtEndsOnce(t *testing.T) {
	d := newDuel(t)
	for _, h := range d.Hosts {
		sainfos(h, &policy.SAInfo{})
	}
	d.a.Establish(d.b, true)
	d.Run(10 * time.Second)
	down, said, begun := 0, 0, 0
	d.a.Notices = func(_ *iketest.Machine, n ike.Notice) {
		switch {
		case n.Event == notice.Phase1Down:
			down++
		case n.Event == notice.Phase2Start:
			begun++
		}
	}
	d.b.Crash()
	d.OnAction = func(m *iketest.Machine, act ike.Action) {
		if s, ok := act.(ike.Send); ok && m.Host == d.a && s.Data[18] == byte(isakmp.Informational) {
			said++
		}
	}
	for i := range 3 {
		p := spd.PairFor(policy.Selector{Local: inside(d.a, i), Remote: inside(d.b, i)})
		p.Out.Templates = []spd.Template{{Proto: 50, Mode: spd.Tunnel, Level: spd.LevelUnique, ReqID: uint32(100 + i), Src: d.a.Addr, Dst: d.b.Addr}}
		d.a.Peer(d.b).Post(ike.Acquire{Seq: uint32(1000 + i), Pair: p, Src: d.a.Addr, Dst: d.b.Addr})
	}
	d.Run(40 * time.Second)
	if down != 1 || said != 2 {
		t.Errorf("the ISAKMP SA has ended %d times; %d informational messages, want its delete and an INITIAL-CONTACT", down, said)
	}
	if begun != 6 {
		t.Errorf("%d quick modes were begun, want three and three again", begun)
	}
}
