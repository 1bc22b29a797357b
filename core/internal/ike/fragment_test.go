package ike_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/ike/iketest"
	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// cut makes n fragments of a message.
func cut(msg []byte, n int, id uint16) (all [][]byte) {
	size := (len(msg) + n - 1) / n
	for slice := range slices.Chunk(msg, size) {
		i := len(all) + 1
		all = append(all, fragment(msg, isakmp.Fragment{ID: id, Number: uint8(i), Last: i*size >= len(msg), Data: slice}))
	}
	return all
}

// fragment is one of the exchange a message is of.
func fragment(msg []byte, f isakmp.Fragment) []byte {
	h, err := isakmp.ParseHeader(msg)
	if err != nil {
		panic(err)
	}
	h.Flags = 0
	return isakmp.AppendMessage(nil, h, []isakmp.Payload{{Type: isakmp.PayloadFragment, Body: f.Append(nil)}})
}

func frag(to policy.Toggle) func(*policy.Remote) {
	return func(r *policy.Remote) { r.IKEFrag = to }
}

// many are so many proposals that an offer of them is cut.
func many() (ps []policy.Phase1Proposal) {
	for range 16 {
		ps = append(ps, iketest.AES128SHA256X25519)
	}
	return ps
}

// taker is a machine that has got nothing but fragments.
type taker struct {
	*ike.Peer
	now     time.Time
	sent    int // messages
	notices []notice.Notice
}

// stranger is a machine that waits for a first message, and that message.
func stranger(t testing.TB, to policy.Toggle) (func() *taker, []byte) {
	w := iketest.New(1)
	a, b := w.AddHost("a"), w.AddHost("b")
	w.Connect(a, b, iketest.Options{Proposals: many(), Remote: []func(*policy.Remote){frag(to)}})
	var first []byte
	w.OnAction = func(m *iketest.Machine, act ike.Action) {
		if send, ok := act.(ike.Send); ok && first == nil {
			first = send.Data
		}
	}
	a.Acquire(b)
	w.Run(time.Millisecond)
	if first == nil {
		t.Fatal("there is no first message")
	}
	cfg := policy.NewCommon(b.Config)
	return func() *taker {
		return &taker{now: iketest.Epoch, Peer: ike.New(ike.Setup{Config: cfg, Remotes: b.Config.Remotes, Stranger: true,
			Rand: func([]byte) {}, Cookie: func(ike.Path, isakmp.Cookie) isakmp.Cookie { return isakmp.Cookie{1} }})}
	}, first
}

func (k *taker) take(data []byte) {
	for _, act := range k.Step(k.now, ike.Datagram{Data: data}) {
		switch act := act.(type) {
		case ike.Send:
			k.sent++
		case ike.Notice:
			k.notices = append(k.notices, act.Notice)
		}
	}
}

// permutations calls each with every order of 0 … n-1.
func permutations(n int, each func([]int)) {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	var next func(k int)
	next = func(k int) {
		if k == n {
			each(order)
			return
		}
		for i := k; i < n; i++ {
			order[k], order[i] = order[i], order[k]
			next(k + 1)
			order[k], order[i] = order[i], order[k]
		}
	}
	next(0)
}

func TestFragmentsInEveryOrderMakeTheMessage(t *testing.T) {
	fresh, msg := stranger(t, policy.On)
	runs := 0
	for n := 1; n <= 6; n++ {
		fs := cut(msg, n, 1)
		permutations(n, func(order []int) {
			// Once each, and then one of them twice, at every place it may come again.
			for again := -1; again < n; again++ {
				for at := range n + 1 {
					seq := order
					if again >= 0 {
						seq = slices.Insert(slices.Clone(order), at, again)
					} else if at > 0 {
						break
					}
					k := fresh()
					for _, i := range seq {
						k.take(fs[i])
					}
					want := 1
					if n == 1 && again >= 0 {
						want = 2 // a repetition of the message, which is answered
					}
					if runs++; k.sent != want {
						t.Fatalf("%d answers to the fragments %v, want %d: %v", k.sent, seq, want, k.notices)
					}
				}
			}
		})
	}
	t.Logf("%d sequences", runs)
}

func TestFragmentsOfRepetitionsMakeTheMessage(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	fresh, msg := stranger(t, policy.On)
	for i := range 5000 {
		n := 2 + r.IntN(5)
		k, got := fresh(), make([]bool, n)
		// The peer repeats with the same or another ID, of which any may be lost, come
		// late or twice, until all of one ID have come.
		sets := map[uint16]int{}
		for rounds := 0; ; rounds++ {
			id := uint16(1 + i%2*rounds)
			if i%2 == 1 {
				clear(got)
			}
			fs := cut(msg, n, id)
			for _, j := range r.Perm(n) {
				if r.IntN(4) == 0 {
					continue
				}
				for range 1 + r.IntN(8)/7 {
					k.take(fs[j])
				}
				got[j] = true
			}
			if !slices.Contains(got, false) {
				break
			}
			sets[id]++
		}
		if k.sent == 0 {
			t.Fatalf("run %d: all %d fragments of one ID have come, and there is no answer: %v", i, n, k.notices)
		}
	}
}

// A forged fragment costs one repetition of the real ones at most.
func TestForgedFragmentsDoNotKeepTheRealOnesOut(t *testing.T) {
	fresh, msg := stranger(t, policy.On)
	const n = 4
	fs := cut(msg, n, 7)
	junk := []byte("junk")
	forged := map[string][]byte{
		"another slice":       fragment(msg, isakmp.Fragment{ID: 7, Number: 2, Data: junk}),
		"a slice as large":    fragment(msg, isakmp.Fragment{ID: 7, Number: 2, Data: make([]byte, (len(msg)+n-1)/n)}),
		"an early end":        fragment(msg, isakmp.Fragment{ID: 7, Number: 2, Last: true, Data: junk}),
		"an end at once":      fragment(msg, isakmp.Fragment{ID: 7, Number: 1, Last: true, Data: msg[:28]}),
		"a late end":          fragment(msg, isakmp.Fragment{ID: 7, Number: 100, Last: true, Data: junk}),
		"a slice beyond":      fragment(msg, isakmp.Fragment{ID: 7, Number: 100, Data: junk}),
		"another beginning":   fragment(msg, isakmp.Fragment{ID: 7, Number: 1, Data: append(slices.Clone(msg[:28]), junk...)}),
		"a foreign beginning": fragment(msg, isakmp.Fragment{ID: 7, Number: 1, Data: make([]byte, 100)}),
		"another message":     fragment(msg, isakmp.Fragment{ID: 8, Number: 2, Data: junk}),
	}
	for name, forgery := range forged {
		for at := range n + 1 {
			k := fresh()
			for _, f := range slices.Insert(slices.Clone(fs), at, forgery) {
				k.take(f)
			}
			once := k.sent
			for _, f := range fs {
				k.take(f)
			}
			if k.sent == 0 {
				t.Errorf("%s before fragment %d: no answer even to the repetition", name, at+1)
			}
			if name == "another message" && once == 0 {
				t.Errorf("%s before fragment %d: no answer to the first transmission", name, at+1)
			}
		}
	}
}

func TestFragmentsOfMessagesThatCrossDoNotMix(t *testing.T) {
	fresh, msg := stranger(t, policy.On)
	var all [][]byte
	for id := range uint16(3) { // the same message under several IDs: each must come whole
		all = append(all, cut(msg, 4, id+1)...)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 2))
	for range 500 {
		k := fresh()
		for _, i := range r.Perm(len(all)) {
			k.take(all[i])
		}
		if k.sent != 3 {
			t.Fatalf("%d answers to a message and its two repetitions: %v", k.sent, k.notices)
		}
	}
}

func TestFragmentsAreRefusedWhereTheyAreOff(t *testing.T) {
	fresh, msg := stranger(t, policy.Off)
	k := fresh()
	for _, f := range cut(msg, 2, 1) {
		k.take(f)
	}
	if k.sent != 0 || len(k.notices) != 2 || k.notices[0].Reason != notice.UnexpectedPayload || !k.Done() {
		t.Errorf("%d answers, notices %v", k.sent, k.notices)
	}
}

func TestFragmentsAreForgottenInTime(t *testing.T) {
	fresh, msg := stranger(t, policy.On)
	k := fresh()
	k.take(cut(msg, 2, 1)[0])
	if k.Done() || k.Deadline().After(k.now.Add(90*time.Second)) {
		t.Fatalf("done %v, deadline %v", k.Done(), k.Deadline())
	}
	k.Step(k.Deadline(), ike.Wake{})
	if !k.Done() || ike.FragmentOctets(k.Peer) != 0 {
		t.Errorf("it is not done, and holds %d octets", ike.FragmentOctets(k.Peer))
	}
}

// attacks are ways to send fragments without end. Each makes number i.
var attacks = map[string]func(i int) isakmp.Fragment{
	"never the last": func(i int) isakmp.Fragment {
		return isakmp.Fragment{ID: 1, Number: uint8(1 + i%128), Data: make([]byte, 512)}
	},
	"never the first": func(i int) isakmp.Fragment {
		return isakmp.Fragment{ID: 1, Number: uint8(2 + i%127), Last: i%127 == 126, Data: make([]byte, 512)}
	},
	"backwards": func(i int) isakmp.Fragment {
		return isakmp.Fragment{ID: 1, Number: uint8(128 - i%127), Data: []byte{1}}
	},
	"one over and over": func(i int) isakmp.Fragment { return isakmp.Fragment{ID: 1, Number: 5, Data: make([]byte, 1+i%127)} },
	"ends that contradict": func(i int) isakmp.Fragment {
		return isakmp.Fragment{ID: 1, Number: uint8(2 + 120*(i%2)), Last: true, Data: make([]byte, 8)}
	},
	"a high one after an end": func(i int) isakmp.Fragment {
		return isakmp.Fragment{ID: 1, Number: uint8(2 + i%127), Last: i%2 == 0, Data: make([]byte, 8)}
	},
	"every ID": func(i int) isakmp.Fragment {
		return isakmp.Fragment{ID: uint16(i), Number: 2, Data: make([]byte, 1400)}
	},
	"a few IDs": func(i int) isakmp.Fragment {
		return isakmp.Fragment{ID: uint16(i % 5), Number: uint8(2 + i/5%127), Data: make([]byte, 1400)}
	},
	"large ones": func(i int) isakmp.Fragment {
		return isakmp.Fragment{ID: 1, Number: uint8(2 + i%127), Data: make([]byte, 60000)}
	},
	"tiny ones": func(i int) isakmp.Fragment {
		return isakmp.Fragment{ID: uint16(i / 127), Number: uint8(2 + i%127), Data: []byte{1}}
	},
	"all but for the size": func(i int) isakmp.Fragment { // complete, but not what its header says
		return isakmp.Fragment{ID: 1, Number: uint8(2 + i%100), Last: i%100 == 99, Data: make([]byte, 40)}
	},
}

func TestFragmentAttacksStayWithinBounds(t *testing.T) {
	peer := newDuel(t)
	peer.Connect(peer.a, peer.b, iketest.Options{Proposals: []policy.Phase1Proposal{iketest.AES128SHA256X25519}, Remote: []func(*policy.Remote){frag(policy.On)}})
	peer.a.Acquire(peer.b)
	peer.Run(time.Second)
	st := peer.b.Peer(peer.a).Status(peer.Now()).ISAKMP[0]
	sealed := isakmp.Header{CkyI: st.CkyI, CkyR: st.CkyR, Version: isakmp.Version1, Exchange: isakmp.QuickMode, MessageID: 1, Length: isakmp.HeaderLen}.Append(nil)
	fresh, first := stranger(t, policy.On)
	for name, attack := range attacks {
		for who, limit := range map[string]int{"a stranger": 512 + 2048, "a peer": 64 << 10} {
			t.Run(name+" by "+who, func(t *testing.T) {
				m, msg := fresh().Peer, first
				if who == "a peer" {
					m, msg = peer.b.Peer(peer.a).Peer, sealed
				}
				path := ike.Path{}
				if name == "all but for the size" {
					m.Step(peer.Now(), ike.Datagram{Data: fragment(msg, isakmp.Fragment{ID: 1, Number: 1, Data: msg[:28]})})
				}
				worst, next := 0, 0
				// play measures the octets allocated: work that grows with what has come
				// before would show, for whatever is looked at here has been copied.
				play := func(n int) (allocs, octets uint64) {
					var before, after runtime.MemStats
					datagrams := make([][]byte, n)
					for i := range datagrams {
						datagrams[i] = fragment(msg, attack(next))
						next++
					}
					runtime.ReadMemStats(&before)
					for _, data := range datagrams {
						m.Step(peer.Now(), ike.Datagram{Path: path, Data: data})
						worst = max(worst, ike.FragmentOctets(m))
					}
					runtime.ReadMemStats(&after)
					return after.Mallocs - before.Mallocs, after.TotalAlloc - before.TotalAlloc
				}
				const n = 4 * 127
				play(n)
				a1, o1 := play(n)
				a4, o4 := play(4 * n)
				if a4 > 5*a1+100 || o4 > 5*o1+10000 {
					t.Errorf("%d cost %d allocations of %d octets, four times as many %d of %d", n, a1, o1, a4, o4)
				}
				if worst > limit {
					t.Errorf("%d octets held, %d are allowed", worst, limit)
				}
			})
		}
	}
}

// All large messages of both ends go in fragments, lost ones are repeated whole, and
// repetitions are known for what they are.
func TestNegotiationsInFragmentsOverABadNetwork(t *testing.T) {
	for seed := range uint64(40) {
		w := iketest.New(seed)
		a, b := w.AddHost("a"), w.AddHost("b")
		w.Connect(a, b, iketest.Options{Proposals: many(), Remote: []func(*policy.Remote){frag(policy.Force), func(r *policy.Remote) { r.NonceSize = 256 }}})
		w.Net.Loss, w.Net.Duplicate, w.Net.MaxDelay = 0.2, 0.2, time.Second
		fragments, large := 0, 0
		w.OnAction = func(m *iketest.Machine, act ike.Action) {
			if send, ok := act.(ike.Send); ok {
				if len(send.Data) > 548 {
					large++
				}
				if isakmp.PayloadType(send.Data[16]) == isakmp.PayloadFragment {
					fragments++
				}
			}
		}
		for range 5 {
			a.Acquire(b)
			w.Run(time.Minute)
		}
		if err := w.Err(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if n := len(a.Peer(b).Status(w.Now()).IPsec); n == 0 || fragments == 0 || large != 0 {
			t.Errorf("seed %d: %d IPsec SAs, %d fragments, %d datagrams too large", seed, n, fragments, large)
		}
	}
}

func TestWhoSendsInFragments(t *testing.T) {
	for _, tt := range []struct {
		a, b policy.Toggle
		cut  string // which messages of main mode
	}{
		{policy.Off, policy.Off, ""},
		{policy.On, policy.Off, ""},
		{policy.Off, policy.On, ""},
		{policy.On, policy.On, "3 4"},
		{policy.Force, policy.On, "1 3 4"},
		{policy.Force, policy.Force, "1 3 4"},
		{policy.On, policy.Force, "3 4"},
	} {
		w := iketest.New(1)
		a, b := w.AddHost("a"), w.AddHost("b")
		o := iketest.Options{Proposals: []policy.Phase1Proposal{}}
		for range 16 {
			o.Proposals = append(o.Proposals, proposals["aes128-sha256-modp3072"])
		}
		o.Remote = []func(*policy.Remote){func(r *policy.Remote) { r.NonceSize = 256 }}
		oa, ob := o, o
		oa.Remote, ob.Remote = append(oa.Remote, frag(tt.a)), append(slices.Clone(ob.Remote), frag(tt.b))
		a.Configure(b, oa)
		b.Configure(a, ob)
		number, got := 0, ""
		w.OnAction = func(m *iketest.Machine, act ike.Action) {
			send, ok := act.(ike.Send)
			if !ok || isakmp.ExchangeType(send.Data[18]) != isakmp.IdentityProtection {
				return
			}
			if isakmp.PayloadType(send.Data[16]) != isakmp.PayloadFragment {
				number++
				return
			}
			_, ps, err := isakmp.ParseMessage(send.Data)
			if err != nil {
				t.Fatal(err)
			}
			if f, _ := isakmp.ParseFragment(ps[0].Body); f.Number == 1 {
				number++
				got += fmt.Sprintf(" %d", number)
			}
		}
		a.Acquire(b)
		w.Run(5 * time.Second)
		if want := tt.cut; got != "" && got[1:] != want || got == "" && want != "" {
			t.Errorf("with ike_frag %v and %v messages%s are cut, want %q", tt.a, tt.b, got, want)
		}
		if n := len(a.Peer(b).Status(w.Now()).IPsec); n != 1 {
			t.Errorf("with ike_frag %v and %v there are %d IPsec SAs", tt.a, tt.b, n)
		}
	}
}

// FuzzFragments gives a machine fragments as octets say: number and flags, ID, size
// and where the slice is from. Whatever comes, nothing panics, what is held stays
// within the bound, and two rounds of the real ones make the message.
func FuzzFragments(f *testing.F) {
	f.Add([]byte{1, 0, 30, 2, 0, 30, 0x83, 0, 30})
	f.Add([]byte{0x81, 0, 200, 0xff, 1, 1, 3, 2, 255})
	fresh, msg := stranger(f, policy.On)
	f.Fuzz(func(t *testing.T, plan []byte) {
		k := fresh()
		for plan = plan[:min(len(plan), 600)]; len(plan) >= 3; plan = plan[3:] {
			from := int(binary.BigEndian.Uint16(plan[1:3])) % len(msg)
			fr := isakmp.Fragment{ID: uint16(plan[1] % 4), Number: plan[0] & 0x7f, Last: plan[0]&0x80 != 0, Data: msg[from:min(len(msg), from+int(plan[2])+1)]}
			k.take(fragment(msg, fr))
			if got := ike.FragmentOctets(k.Peer); got > 512+2048 {
				t.Fatalf("%d octets are held", got)
			}
		}
		before := k.sent
		for range 2 {
			for _, d := range cut(msg, 3, 2) {
				k.take(d)
			}
		}
		if k.sent == before && before < 5 { // a duplicate is answered five times
			t.Fatalf("no answer to the real fragments: %v", k.notices)
		}
	})
}
