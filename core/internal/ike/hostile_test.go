package ike_test

import (
	"runtime"
	"slices"
	"testing"
	"time"
	"weak"

	"github.com/racoon-ike/racoon/core/internal/doi"
	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/ike/iketest"
	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/oakley"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
)

// duel is two hosts, everything they have sent, and how to forge more.
type duel struct {
	*iketest.World
	a, b *iketest.Host
	sent map[string][][]byte // by the name of the sender
}

func newDuel(t *testing.T, faults ...iketest.Fault) *duel {
	d := &duel{World: iketest.New(1), sent: map[string][][]byte{}}
	d.Net.Numbered = true
	d.a, d.b = d.AddHost("a"), d.AddHost("b")
	d.Connect(d.a, d.b, iketest.Options{Proposals: []policy.Phase1Proposal{iketest.AES128SHA256X25519}})
	for _, f := range faults {
		d.Fault(f)
	}
	d.OnAction = func(m *iketest.Machine, act ike.Action) {
		if send, ok := act.(ike.Send); ok {
			d.sent[m.Host.Name] = append(d.sent[m.Host.Name], send.Data)
		}
	}
	t.Cleanup(func() {
		if err := d.Err(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// cookies changes the cookies of a message.
func withCookies(msg []byte, i, r isakmp.Cookie) []byte {
	return slices.Concat(i[:], r[:], msg[16:])
}

// step is the message a host's only exchange sends or waits for, 0 if it has none.
func step(h *iketest.Host) int {
	for _, m := range h.Machines {
		for _, x := range m.Status(iketest.Epoch).Exchanges {
			return x.Step
		}
	}
	return 0
}

func TestAnInitiatorIsNotAnsweredByItself(t *testing.T) {
	t.Run("its first message is no answer", func(t *testing.T) {
		d := newDuel(t, iketest.Cut(1))
		d.a.Acquire(d.b)
		d.Run(time.Millisecond)
		own := d.sent["a"][0]
		ckyI := isakmp.Cookie(own[:8])
		for _, ckyR := range []isakmp.Cookie{{}, ckyI} {
			d.NoFaults()
			d.Net.Inject(d.b, d.a, withCookies(own, ckyI, ckyR))
			d.Run(20 * time.Millisecond)
			if got := step(d.a); got != 2 {
				t.Errorf("behind an answer with the responder cookie %v it plays message %d", ckyR, got)
			}
		}
	})
	t.Run("its own public value is no answer", func(t *testing.T) {
		d := newDuel(t, iketest.Cut(3))
		d.a.Acquire(d.b)
		d.Run(30 * time.Millisecond)
		d.NoFaults()
		d.Net.Inject(d.b, d.a, d.sent["a"][1])
		d.Run(20 * time.Millisecond)
		if got := step(d.a); got != 4 {
			t.Errorf("it plays message %d", got)
		}
	})
}

func TestAResponderDoesNothingForAThirdMessageWithoutItsCookie(t *testing.T) {
	d := newDuel(t, iketest.Cut(3))
	d.a.Acquire(d.b)
	d.Run(30 * time.Millisecond)
	d.NoFaults()
	third := d.sent["a"][1]
	d.Net.Inject(d.a, d.b, withCookies(third, isakmp.Cookie(third[:8]), isakmp.Cookie{}))
	d.Run(20 * time.Millisecond)
	if got := step(d.b); got != 3 {
		t.Errorf("it plays message %d: whoever sends this has not shown that it can receive", got)
	}
}

func TestAStrangerGetsNoMoreOctetsThanItSends(t *testing.T) {
	for name, proposal := range map[string]policy.Phase1Proposal{"an answer": iketest.AES128SHA256X25519, "a refusal": iketest.TripleDESSHA1MODP1024} {
		t.Run(name, func(t *testing.T) {
			d := newDuel(t, iketest.Cut(2))
			d.b.Config.Timer.PerSend = 3
			d.b.Configure(d.a, iketest.Options{Proposals: []policy.Phase1Proposal{proposal}})
			d.a.Acquire(d.b)
			d.Run(time.Second)
			octets := 0
			for _, msg := range d.sent["b"] {
				octets += len(msg)
			}
			if octets == 0 || octets > len(d.sent["a"][0]) {
				t.Errorf("%d octets for %d", octets, len(d.sent["a"][0]))
			}
		})
	}
}

func TestAStrangersDatagramIsNotKept(t *testing.T) {
	d := newDuel(t, iketest.Cut(1))
	d.a.Acquire(d.b)
	d.Run(time.Millisecond)
	m := ike.New(ike.Setup{Config: policy.NewCommon(d.b.Config), Remotes: d.b.Config.Remotes, Stranger: true, Rand: func([]byte) {},
		Cookie: func(ike.Path, isakmp.Cookie) isakmp.Cookie { return isakmp.Cookie{1} }})
	data := slices.Clone(d.sent["a"][0])
	kept := weak.Make(&data[0])
	m.Step(d.Now(), ike.Datagram{Data: data})
	if x := m.Status(d.Now()).Exchanges; len(x) != 1 || x[0].Step != 3 {
		t.Fatalf("message 1 has not been answered: %+v", x)
	}
	data = nil
	runtime.GC()
	if kept.Value() != nil {
		t.Error("the datagram is still in memory")
	}
	runtime.KeepAlive(m)
}

func TestAStrangersOfferIsBounded(t *testing.T) {
	d := newDuel(t, iketest.Cut(1))
	d.a.Acquire(d.b)
	d.Run(time.Millisecond)
	h, ps, err := isakmp.ParseMessage(d.sent["a"][0])
	if err != nil {
		t.Fatal(err)
	}
	sa, err := isakmp.ParseSA(ps[0].Body)
	if err != nil {
		t.Fatal(err)
	}
	one := sa.Proposals[0].Transforms[0]
	for len(sa.Append(nil)) <= 2048 {
		sa.Proposals[0].Transforms = append(sa.Proposals[0].Transforms, one)
	}
	d.NoFaults()
	h.CkyI[0] ^= 1 // the first is known already
	d.Net.Inject(d.a, d.b, isakmp.AppendMessage(nil, h, []isakmp.Payload{{Type: isakmp.PayloadSA, Body: sa.Append(nil)}}))
	d.Run(20 * time.Millisecond)
	if len(d.b.Machines) != 0 {
		t.Errorf("an SA payload of %d octets is kept for a stranger", len(sa.Append(nil)))
	}
}

func TestAnAuthenticatedMessageCountsOnceHoweverBadItIs(t *testing.T) {
	d := newDuel(t)
	d.a.Acquire(d.b)
	d.Run(time.Second)
	bad := ike.Forge(d.a.Peer(d.b).Peer, isakmp.QuickMode, []isakmp.Payload{{Type: isakmp.PayloadSA, Body: make([]byte, 5)}, {Type: isakmp.PayloadNONCE, Body: make([]byte, 16)}})
	before := len(d.sent["b"])
	for range 3 {
		d.Net.Inject(d.a, d.b, bad)
		d.Run(time.Second)
	}
	if got := len(d.sent["b"]) - before; got != 1 {
		t.Errorf("%d answers to one message and two replays of it, want 1", got)
	}
}

func TestSPIsNobodyAskedForEndTheQuickModeOnly(t *testing.T) {
	d := newDuel(t)
	d.OnAction = func(m *iketest.Machine, act ike.Action) {
		if call, ok := act.(ike.Call); ok {
			if _, ok := call.Req.(ike.AllocateSPIs); ok {
				d.After(0, func() { m.Post(ike.Reply{ID: call.ID, Value: []uint32{0x1001, 0x1002, 0x1003}}) })
			}
		}
	}
	d.a.Acquire(d.b)
	d.Run(time.Second)
	if st := d.a.Peer(d.b).Status(d.Now()); len(st.IPsec) != 0 || len(st.ISAKMP) != 1 {
		t.Errorf("%d IPsec SAs, %d ISAKMP SAs; want none and one", len(st.IPsec), len(st.ISAKMP))
	}
}

func TestFinishedQuickModesDoNotKeepAPeerFromNewOnes(t *testing.T) {
	d := newDuel(t)
	for i := range 100 {
		d.a.Establish(d.b, false)
		d.Run(200 * time.Millisecond)
		a, b := d.a.Peer(d.b).Status(d.Now()).IPsec, d.b.Peer(d.a).Status(d.Now()).IPsec
		if len(a) != 1 || len(b) != 1 || a[0].SPIIn != b[0].SPIOut {
			t.Fatalf("behind negotiation %d there are, at its ends,\n%+v\n%+v", i+1, a, b)
		}
		d.a.Delete(d.b, false, true)
		d.Run(100 * time.Millisecond)
	}
}

func TestSoftLifetimesStayBelowHardOnes(t *testing.T) {
	for _, hard := range []time.Duration{time.Second, time.Hour, 8 * time.Hour, 4 * 365 * 24 * time.Hour, (1<<32 - 1) * time.Second} {
		for _, initiator := range []bool{false, true} {
			for _, jitter := range []byte{0, 255} {
				for _, kb := range []uint64{0, 2, 100, 4608000, 1<<53 - 1} {
					soft := ike.SoftLife(doi.Life{Time: hard, KB: kb}, initiator, jitter)
					if soft.Time < hard/2 || soft.Time >= hard || soft.KB < kb/2 || kb != 0 && soft.KB >= kb || kb == 0 && soft.KB != 0 {
						t.Errorf("hard %v %d kB, initiator %v, jitter %d: soft %+v", hard, kb, initiator, jitter, soft)
					}
				}
			}
		}
	}
}

func TestARenewalWhoseOldPairEndsSendsAtOnce(t *testing.T) {
	d := newDuel(t)
	d.a.Acquire(d.b)
	d.Run(2 * time.Minute)
	m := d.a.Peer(d.b)
	old := m.Status(d.Now()).IPsec[0]
	d.OnAction = func(m *iketest.Machine, act ike.Action) {
		call, _ := act.(ike.Call)
		if apply, ok := call.Req.(ike.Apply); ok && m.Host == d.a && apply.Ops[0].Kind == ike.InstallInbound {
			d.After(0, func() { m.Post(ike.Expire{Dst: d.b.Addr, Proto: 50, SPI: old.SPIOut, Hard: true}) })
		}
	}
	d.a.SoftExpire(d.b)
	d.Run(300 * time.Millisecond)
	if st := m.Status(d.Now()).IPsec; len(st) != 1 || st[0].SPIOut == old.SPIOut || !st[0].Outbound {
		t.Errorf("there is no new pair to send with: %+v", st)
	}
}

func TestAWishToRenewDoesNotShortenWhatThePeerMayPropose(t *testing.T) {
	d := newDuel(t)
	opts := iketest.Options{Proposals: []policy.Phase1Proposal{iketest.AES128SHA256X25519}, IPsecLife: 10 * time.Minute}
	d.a.Configure(d.b, opts)
	d.a.Acquire(d.b)
	d.Run(time.Second)
	a, b := d.a.Peer(d.b), d.b.Peer(d.a)
	old := b.Status(d.Now()).IPsec[0]
	opts.IPsecLife = time.Hour
	d.a.Configure(d.b, opts)
	a.Post(ike.Reconfigure{Config: policy.NewCommon(d.a.Config), Remote: d.a.Config.Remotes[0]})
	d.OnAction = func(m *iketest.Machine, act ike.Action) {
		call, _ := act.(ike.Call)
		if _, ok := call.Req.(ike.AllocateSPIs); ok && m == b {
			d.After(0, func() { b.Post(ike.Expire{Dst: d.a.Addr, Proto: 50, SPI: old.SPIOut}) })
		}
	}
	d.a.Establish(d.b, false)
	d.Run(time.Second)
	if st := b.Status(d.Now()).IPsec; len(st) != 2 || st[1].Hard != time.Hour {
		t.Errorf("the hour both are configured for is not agreed on: %+v", st)
	}
}

func TestAQuickModeEndsUnderTheSnapshotItBeganUnder(t *testing.T) {
	d := newDuel(t)
	began := d.b.Config
	d.OnAction = func(m *iketest.Machine, act ike.Action) {
		call, _ := act.(ike.Call)
		if _, ok := call.Req.(ike.AllocateSPIs); ok && m.Host == d.b {
			empty := *began
			empty.SAInfos = nil
			d.After(0, func() { m.Post(ike.Reconfigure{Config: policy.NewCommon(&empty), Remote: empty.Remotes[0]}) })
		}
	}
	d.a.Acquire(d.b)
	d.Run(time.Second)
	if n := len(d.b.Peer(d.a).Status(d.Now()).IPsec); n != 1 {
		t.Errorf("%d SAs: a reload has taken its sainfo away", n)
	}
}

func TestAnISAKMPSAHasTheSectionOfTheSnapshotItIsUsedUnder(t *testing.T) {
	d := newDuel(t)
	d.a.Acquire(d.b)
	d.Run(30 * time.Millisecond) // in the middle of phase 1
	r := *d.a.Config.Remotes[0]
	r.NonceSize = 250
	d.a.Peer(d.b).Post(ike.Reconfigure{Config: policy.NewCommon(d.a.Config), Remote: &r})
	d.Run(time.Second)
	for _, msg := range d.sent["a"] {
		if h, err := isakmp.ParseHeader(msg); err == nil && h.Exchange == isakmp.QuickMode {
			if h.Length < 250 {
				t.Errorf("the nonce of a quick mode of %d octets has not 250, as configured since", h.Length)
			}
			return
		}
	}
	t.Error("there was no quick mode")
}

func TestAPrivateKeyStaysWhileSomebodyComputesWithIt(t *testing.T) {
	for name, number := range map[string]int{"in main mode": 1, "in quick mode": 2} {
		t.Run(name, func(t *testing.T) {
			d := newDuel(t)
			d.KeepSecrets()
			d.Connect(d.a, d.b, iketest.Options{Proposals: []policy.Phase1Proposal{iketest.AES128SHA256X25519}, PFS: oakley.X25519})
			calls := map[*iketest.Host]int{}
			d.OnAction = func(m *iketest.Machine, act ike.Action) {
				call, _ := act.(ike.Call)
				req, ok := call.Req.(ike.DHShared)
				if !ok {
					return
				}
				if calls[m.Host]++; calls[m.Host] != number {
					return
				}
				d.After(0, func() { m.Post(ike.Shutdown{}) })
				d.After(100*time.Microsecond, func() {
					if _, err := req.Key.Shared(req.PeerPublic); err != nil {
						t.Errorf("%s, shut down meanwhile: %v", m.Host.Name, err)
					}
				})
			}
			d.a.Acquire(d.b)
			d.Run(time.Hour)
			if calls[d.b] < number {
				t.Errorf("b has computed %d times only", calls[d.b])
			}
			d.CheckWiped("private key")
		})
	}
}

func TestARevokedCredentialEndsAllThatWasMadeWithIt(t *testing.T) {
	d := newDuel(t)
	d.a.Acquire(d.b)
	d.Run(time.Second)
	m := d.b.Peer(d.a)
	m.Post(ike.CredentialChanged{Credential: "psk:2", Revoked: true})
	if st := m.Status(d.Now()); len(st.ISAKMP) != 1 || len(st.IPsec) != 1 {
		t.Fatalf("another credential has ended them: %+v", st)
	}
	m.Post(ike.CredentialChanged{Credential: "psk:1", Revoked: true})
	if st := m.Status(d.Now()); len(st.ISAKMP) != 0 || len(st.IPsec) != 0 {
		t.Errorf("left: %d ISAKMP, %d IPsec SAs", len(st.ISAKMP), len(st.IPsec))
	}
	d.Run(time.Second)
	if st := d.a.Peer(d.b).Status(d.Now()); len(st.ISAKMP) != 0 || len(st.IPsec) != 0 {
		t.Errorf("the peer has not been told: %d ISAKMP, %d IPsec SAs", len(st.ISAKMP), len(st.IPsec))
	}
}

// A quick mode under an ISAKMP SA that a newer one has relieved yields to the peer's
// under the newer: a peer that has lost its memory knows only that one.
func TestTheQuickModeUnderTheNewerISAKMPSAGoesOn(t *testing.T) {
	for seed := range uint64(16) { // the cookies fall either way
		w := iketest.New(seed)
		a, b := w.AddHost("a"), w.AddHost("b")
		w.Connect(a, b, iketest.Options{Proposals: []policy.Phase1Proposal{iketest.AES128SHA256X25519}, NoInitialContact: true})
		a.Acquire(b)
		w.Run(2 * time.Minute)
		a.Crash()
		b.SoftExpire(a)
		w.Run(time.Second)
		a.Acquire(b)
		w.Send(&iketest.Flow{From: a, To: b, Due: w.Since() + time.Second}, &iketest.Flow{From: b, To: a, Due: w.Since() + time.Second})
		w.Run(2 * time.Second)
		if err := w.Err(); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
}

// INITIAL-CONTACT of a phase 1 that began together with ours is not about ours, whose
// first message may have been slower than the whole of it.
func TestTwoWhoBeginAtOneMomentDoNotForgetEachOther(t *testing.T) {
	for _, mode := range []policy.ExchangeMode{policy.Main, policy.Aggressive, policy.Base} {
		for seed := range uint64(64) {
			w := iketest.New(seed)
			w.Net.MinDelay, w.Net.MaxDelay = 5*time.Millisecond, 100*time.Millisecond
			a, b := w.AddHost("a"), w.AddHost("b")
			w.Connect(a, b, iketest.Options{Proposals: []policy.Phase1Proposal{iketest.AES128SHA256X25519}, Modes: []policy.ExchangeMode{mode}})
			w.Send(&iketest.Flow{From: a, To: b, Due: 15 * time.Second}, &iketest.Flow{From: b, To: a, Due: 15 * time.Second})
			w.Run(20 * time.Second)
			if err := w.Err(); err != nil {
				t.Errorf("%v, seed %d: %v", mode, seed, err)
			}
		}
	}
}

// The kernel says once that a soft lifetime is over, perhaps to nobody.
func TestAPairIsRenewedAlthoughItsExpireWasNotHeard(t *testing.T) {
	d := newDuel(t)
	d.Connect(d.a, d.b, iketest.Options{Proposals: []policy.Phase1Proposal{iketest.AES128SHA256X25519}, IPsecLife: 600 * time.Second})
	d.a.Acquire(d.b)
	d.Run(440 * time.Second)
	d.a.Kernel.Die(50 * time.Second) // the soft lifetime ends between 450 and 480 s
	d.Run(80 * time.Second)
	st := d.a.Peer(d.b).Status(d.Now()).IPsec
	if young := st[len(st)-1]; d.Now().Sub(young.Since) > 80*time.Second {
		t.Errorf("the pair is %v old and lives 600 s", d.Now().Sub(young.Since))
	}
}

// What was reserved for a quick mode is given back, also when the quick mode ends
// before the kernel refuses its SAs.
func TestASelectorIsNotKeptForAQuickModeThatIsNoMore(t *testing.T) {
	d := newDuel(t)
	o := iketest.Options{Proposals: []policy.Phase1Proposal{iketest.AES128SHA256X25519}, Generate: policy.GenerateUnique}
	d.b.SPD = spd.DB{}
	d.b.Configure(d.a, o)
	once := true
	d.OnAction = func(m *iketest.Machine, act ike.Action) {
		if call, ok := act.(ike.Call); ok && once {
			if req, ok := call.Req.(ike.Apply); ok && req.Ops[0].Kind == ike.InstallInbound && m.Host == d.b {
				once = false
				d.b.Kernel.RefuseInstalls = 1
				d.After(0, func() { d.b.Delete(d.a, true, true) })
			}
		}
	}
	d.a.Acquire(d.b)
	d.Run(5 * time.Second)
	if once {
		t.Fatal("nothing has been installed")
	}
	d.CheckKernel()
}

// What a peer says first under a new ISAKMP SA may come while we still compute its
// keys: it is not lost, in any exchange.
func TestAQuickModeMayComeBeforeOurEndOfPhase1(t *testing.T) {
	for _, mode := range []policy.ExchangeMode{policy.Main, policy.Aggressive, policy.Base} {
		for seed := range uint64(40) {
			w := iketest.New(seed)
			w.Net.MinDelay, w.Net.MaxDelay = time.Millisecond, time.Millisecond
			w.MaxService = 200 * time.Millisecond
			a, b := w.AddHost("a"), w.AddHost("b")
			w.Connect(a, b, iketest.Options{Proposals: []policy.Phase1Proposal{iketest.AES128SHA256X25519}, Modes: []policy.ExchangeMode{mode}})
			a.Acquire(b)
			w.Run(5 * time.Second)
			if n := len(a.Peer(b).Status(w.Now()).IPsec); n != 1 || w.Err() != nil {
				t.Errorf("%v mode, seed %d: %d IPsec SAs in 5 s, %v", mode, seed, n, w.Err())
			}
		}
	}
}

// The outbound SA of a renewed pair is due while its inbound one is being moved to
// where a NAT has the peer now: it goes there too.
func TestAnOutboundSAWaitsForItsPairToMove(t *testing.T) {
	for seed := range uint64(20) {
		w := iketest.New(seed)
		a, b, box := w.AddHost("a"), w.AddHost("b"), w.AddNAT()
		a.Behind(box)
		o := iketest.Options{Proposals: []policy.Phase1Proposal{iketest.AES128SHA256X25519}, NATTraversal: policy.On}
		a.Configure(b, o)
		o.Roaming = true
		b.Configure(a, o)
		w.Send(&iketest.Flow{From: a, To: b}, &iketest.Flow{From: b, To: a})
		w.Run(2*time.Minute + time.Duration(seed)*50*time.Millisecond)
		b.SoftExpire(a)
		w.Run(200 * time.Millisecond)
		box.Move()
		w.MinService, w.MaxService = 3*time.Second, 3*time.Second
		w.Run(time.Minute)
		w.CheckKernel()
		if err := w.Err(); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
}

// With weak_phase1_check a refusal in clear is believed, but not from where the peer is not.
func TestAClearRefusalFromElsewhereIsNotBelieved(t *testing.T) {
	w := iketest.New(1)
	a, b, c := w.AddHost("a"), w.AddHost("b"), w.AddHost("c")
	w.Connect(a, b, iketest.Options{Weak: true})
	b.Off = true
	a.Acquire(b)
	w.Run(time.Second)
	m := a.Peer(b)
	refuse := func(from *iketest.Host) int {
		h := isakmp.Header{CkyI: m.Status(w.Now()).Exchanges[0].CkyI, CkyR: isakmp.Cookie{1}, Version: isakmp.Version1, Exchange: isakmp.Informational, MessageID: 1}
		n := isakmp.Notify{DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtoISAKMP, Type: isakmp.NotifyNoProposalChosen}
		w.Net.Inject(from, a, isakmp.AppendMessage(nil, h, []isakmp.Payload{{Type: isakmp.PayloadN, Body: n.Append(nil)}}))
		w.Run(time.Second)
		return len(m.Status(w.Now()).Exchanges)
	}
	if refuse(c) != 1 {
		t.Error("anybody can end a negotiation")
	}
	if refuse(b) != 0 {
		t.Error("the peer cannot")
	}
}

// A peer that is killed and back within a few seconds has forgotten all it had begun,
// however little time lies between its two phases 1.
func TestAPeerThatIsBackAtOnceIsBelieved(t *testing.T) {
	for seed := range uint64(20) {
		w := iketest.New(seed)
		w.Net.MinDelay, w.Net.MaxDelay = 200*time.Millisecond, 200*time.Millisecond
		a, b := w.AddHost("a"), w.AddHost("b")
		w.Connect(a, b, iketest.Options{Proposals: []policy.Phase1Proposal{iketest.AES128SHA256X25519}})
		a.Acquire(b)
		w.Run(1500 * time.Millisecond) // the answer to its quick mode is under way
		a.Crash()
		a.Acquire(b)
		w.Run(6 * time.Second)
		st, own := b.Peer(a).Status(w.Now()), a.Peer(b).Status(w.Now())
		if len(st.ISAKMP) != 1 || len(own.ISAKMP) != 1 || st.ISAKMP[0].CkyI != own.ISAKMP[0].CkyI || len(st.Exchanges) != 0 || len(st.IPsec) != 1 {
			t.Errorf("seed %d: b has %+v, %+v, a has %+v", seed, st.ISAKMP, st.Exchanges, own.ISAKMP)
		}
	}
}

// The responder's first answer may meet its policy before the outbound SA is in.
func TestAnAcquireThatCrossedTheSAsIsAnsweredByThem(t *testing.T) {
	d := newDuel(t)
	d.a.Acquire(d.b)
	d.Run(100 * time.Millisecond)
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{0, 1}, {3 * time.Second, 2}} {
		d.Run(step.after)
		seq := d.b.Acquire(d.a)
		d.Run(2 * time.Second) // a renewed pair's outbound SAs come a second later
		pairs := 0
		for _, h := range []*iketest.Host{d.a, d.b} {
			pairs += len(h.Kernel.SAs)
		}
		if pairs != 4*step.want || d.b.Kernel.Acquires[seq] != "done" {
			t.Errorf("after %v: %d SAs at both ends, want %d; the kernel's request ended %q", step.after, pairs, 4*step.want, d.b.Kernel.Acquires[seq])
		}
	}
}
