package engine

import (
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
)

func TestMessagesFindTheirMachineByCookies(t *testing.T) {
	r := newRegistry(Limits{}.withDefaults())
	peer, stranger := &actor{}, &actor{stranger: true, path: here}
	r.peer(ike.PeerKey{Block: "b"}, peer)
	r.admit(stranger, cookie(9), true)
	steps := []struct {
		name string
		do   func()
		i, r isakmp.Cookie
		from netip.AddrPort
		want *actor
	}{
		{"a stranger's first message again", nil, cookie(9), cookie(0), here.Remote, stranger},
		{"the same cookie from elsewhere", nil, cookie(9), cookie(0), port("192.0.2.3:500"), nil},
		{"the stranger after our answer", func() { r.learn(stranger, cookie(9), cookie(10)) }, cookie(9), cookie(10), here.Remote, stranger},
		{"its first message once more", nil, cookie(9), cookie(0), here.Remote, stranger},
		{"an exchange of ours has one cookie at first", func() { r.learn(peer, cookie(1), cookie(0)) }, cookie(1), cookie(2), here.Remote, peer},
		{"what refuses our first message may lack the responder's cookie", nil, cookie(1), cookie(0), here.Remote, peer},
		{"and then both", func() { r.learn(peer, cookie(1), cookie(2)) }, cookie(1), cookie(2), here.Remote, peer},
		{"another answer to it comes too late", nil, cookie(1), cookie(3), here.Remote, nil},
		{"after its end nothing is left", func() { r.forget(peer, cookie(1), cookie(2)) }, cookie(1), cookie(2), here.Remote, nil},
		{"other cookies stay", nil, cookie(9), cookie(10), here.Remote, stranger},
		{"a stranger that ends takes all along", func() { r.retire(stranger) }, cookie(9), cookie(0), here.Remote, nil},
	}
	for _, s := range steps {
		if s.do != nil {
			s.do()
		}
		if got := r.find(s.i, s.r, s.from); got != s.want {
			t.Errorf("%s: found %p, want %p", s.name, got, s.want)
		}
	}
	if r.learn(&actor{}, cookie(5), cookie(6)); !r.learn(peer, cookie(7), cookie(8)) || r.learn(peer, cookie(5), cookie(6)) {
		t.Error("cookies of one actor were given to another")
	}
	if len(r.cookies) != 2 || len(r.all) != 1 {
		t.Errorf("left over: %v, %d actors", r.cookies, len(r.all))
	}
}

// Who wants to speak to an address finds the peer there, whatever its identity is and
// whatever a NAT has made of its port; who has an identity finds only that.
func TestAPeerIsFoundByItsAddress(t *testing.T) {
	r := newRegistry(Limits{}.withDefaults())
	key := func(id, at string) ike.PeerKey { return ike.PeerKey{Block: "b", ID: id, Addr: port(at)} }
	first := &actor{key: key("x", "192.0.2.2:4500")}
	r.peer(first.key, first)
	other := &actor{key: key("y", "192.0.2.2:500")}
	if r.peer(key("", "192.0.2.2:500"), nil) != first || r.peer(key("y", "192.0.2.2:4500"), nil) != nil || r.peer(key("", "192.0.2.3:500"), nil) != nil {
		t.Error("before there is another one")
	}
	if r.peer(other.key, other) != other || r.peer(key("", "192.0.2.2:500"), nil) != other || r.peer(first.key, nil) != first {
		t.Error("with another one behind the same address")
	}
	r.retire(other)
	if r.peer(other.key, nil) != nil || r.peer(first.key, nil) != first {
		t.Error("when that has ended")
	}
	r.retire(first)
	if len(r.peers)+len(r.places)+len(r.all) != 0 {
		t.Errorf("left over: %v, %v", r.peers, r.places)
	}
	literal := &actor{key: ike.PeerKey{Block: "c"}}
	r.peer(literal.key, literal)
	if r.peer(ike.PeerKey{Block: "c"}, nil) != literal || len(r.places) != 0 {
		t.Error("a section with an address")
	}
}

// A stranger that turns out to be a peer: what was in its mailbox follows the SA.
func TestHandoverMovesCookiesAndMail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options{}).start(t)
		sa := &ike.ISAKMPSA{}
		hold := make(chan struct{})
		h.step = func(m *script, ev ike.Event) []ike.Action {
			if !m.setup.Stranger {
				return nil
			}
			<-hold
			m.set(func() { m.done = true })
			return []ike.Action{
				ike.Send{Path: here, Data: message(cookie(1), cookie(2), isakmp.IdentityProtection)},
				ike.Handover{Key: ike.PeerKey{Block: "192.0.2.2"}, Remote: h.config.Load().Remotes[0], SA: sa},
				ike.Notice{Notice: notice.Notice{Event: notice.Phase1Up}},
			}
		}
		first := message(cookie(1), cookie(0), isakmp.IdentityProtection)
		h.receive(here, false, first)
		synctest.Wait()
		stranger := h.machine(t, 0)
		h.receive(here, false, append(first[:20:20], 0, 0, 0, 1, 0, 0, 0, 28)) // marked, to be told apart
		status := make(chan bool, 1)
		h.registry.snapshot()[0].post(mail{ask: func(m machine) { status <- m == nil }})
		close(hold)
		synctest.Wait()

		peer := h.machine(t, 1)
		if diff := cmp.Diff([]string{"Adopt", "Datagram"}, peer.kinds()); diff != "" {
			t.Errorf("the peer's machine: %s", diff)
		}
		if got := peer.told()[0].(ike.Adopt).SA; got != sa {
			t.Error("another SA was adopted")
		}
		if d := peer.told()[1].(ike.Datagram); d.Data[23] != 1 {
			t.Error("another datagram was moved")
		}
		if !<-status {
			t.Error("a question to the stranger was put to the peer")
		}
		if n := len(stranger.told()); n != 1 {
			t.Errorf("the stranger's machine was told %v", stranger.kinds())
		}
		h.receive(here, false, message(cookie(1), cookie(2), isakmp.QuickMode))
		h.receive(here, false, first) // a late duplicate is no new stranger
		synctest.Wait()
		if diff := cmp.Diff([]string{"Adopt", "Datagram", "Datagram", "Datagram"}, peer.kinds()); diff != "" {
			t.Error(diff)
		}
		if n := len(h.registry.snapshot()); n != 1 || h.registry.half.literal.len() != 0 {
			t.Errorf("%d actors, %d half open", n, h.registry.half.literal.len())
		}
	})
}

// Two strangers with one peer, datagrams from all sides, handovers in the middle:
// nothing is lost or told twice, and the mailbox never grows a second machine.
func TestHandoverRaces(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	h := newHouse(t, Options{Limits: Limits{SourceRate: 1e9, SourceBurst: 1e9, HalfOpen: 1 << 20}}).start(t)
	const strangers, messages = 100, 10
	var told, handed atomic.Int64
	h.step = func(m *script, ev ike.Event) []ike.Action {
		if d, ok := ev.(ike.Datagram); ok {
			told.Add(1)
			hd, _ := isakmp.ParseHeader(d.Data)
			if m.setup.Stranger && hd.MessageID == 0 && hd.CkyR.IsZero() {
				return []ike.Action{ike.Send{Path: d.Path, Data: message(hd.CkyI, cookie(200), isakmp.IdentityProtection)}}
			}
			if m.setup.Stranger {
				m.set(func() { m.done = true })
				handed.Add(1)
				return []ike.Action{ike.Handover{Key: ike.PeerKey{Block: "192.0.2.2"}, Remote: h.config.Load().Remotes[0], SA: &ike.ISAKMPSA{}}}
			}
		}
		return nil
	}
	var wg sync.WaitGroup
	for s := range strangers {
		wg.Go(func() {
			i := cookie(byte(s))
			i[0] = 1
			h.receive(here, false, message(i, cookie(0), isakmp.IdentityProtection))
			eventually(t, "the stranger answered", func() bool { return h.registry.find(i, cookie(200), here.Remote) != nil })
			var posters sync.WaitGroup
			for range 2 {
				posters.Go(func() {
					for range messages / 2 {
						h.receive(here, false, message(i, cookie(200), isakmp.IdentityProtection))
					}
				})
			}
			posters.Wait()
		})
	}
	wg.Wait()
	lost := func() int64 {
		_, reasons := h.Counters()
		return int64(reasons[notice.MailboxFull] + reasons[notice.Superseded])
	}
	eventually(t, "everything was told or refused by a full mailbox", func() bool { return told.Load()+lost() == strangers*(1+messages) })
	if handed.Load() != strangers {
		t.Errorf("%d handovers, want %d", handed.Load(), strangers)
	}
	if n := len(h.all()); n < strangers+1 {
		t.Errorf("%d machines", n)
	}
	if n := len(h.registry.snapshot()); n != 1 {
		t.Errorf("%d actors are left, want the peer's", n)
	}
}

func TestHalfOpenExchangesAreBoundedWithAReserve(t *testing.T) {
	h := halfOpen{max: 4, reserve: 2, perSource: 100}
	name := map[*actor]string{nil: ""}
	var in []string
	admit := func(n string, literal bool) string {
		a := &actor{}
		name[a] = n
		evicted, ok := h.admit(a, literal)
		in = append(in, n)
		if !ok {
			return "refused"
		}
		return name[evicted]
	}
	for _, s := range []struct {
		who     string
		literal bool
		evicted string
	}{
		{"a", false, ""}, {"b", false, ""},
		{"c", false, "a"}, // the reserve is not for everybody
		{"L1", true, ""}, {"L2", true, ""},
		{"L3", true, "b"}, // crowded: the oldest of the others goes first
		{"L4", true, "c"},
		{"d", false, "refused"}, // configured peers fill all of it
		{"L5", true, "L1"},
	} {
		if got := admit(s.who, s.literal); got != s.evicted {
			t.Errorf("%s: %q had to go, want %q", s.who, got, s.evicted)
		}
	}
	if n := h.literal.len() + h.others.len(); n != 4 {
		t.Errorf("%d half open", n)
	}
}

func TestWhoReturnedTheCookieGoesLast(t *testing.T) {
	h := halfOpen{max: 4, reserve: 0, perSource: 2}
	at := func(a string) *actor { return &actor{path: ike.Path{Remote: port(a)}} }
	a, b, c, d := at("192.0.2.2:500"), at("192.0.2.2:501"), at("192.0.2.2:500"), at("192.0.2.3:500")
	admit := func(x, want *actor) {
		t.Helper()
		if evicted, ok := h.admit(x, false); !ok || evicted != want {
			t.Errorf("%v had to go, want %v", evicted, want)
		}
	}
	admit(a, nil)
	h.prove(a)
	h.prove(a) // a repetition
	admit(b, nil)
	admit(c, nil) // two unproven of one address
	admit(d, nil)
	admit(at("192.0.2.2:500"), b) // a third takes the place of the first
	admit(at("192.0.2.4:500"), c) // no room at all: the oldest unproven
	admit(at("192.0.2.5:500"), d)
	for _, x := range []*actor{b, c, d} {
		h.remove(x) // is off already
		h.prove(x)
	}
	if a.half.class == nil || h.others.len() != 4 || len(h.sources) != 3 {
		t.Errorf("%d half open, %d sources", h.others.len(), len(h.sources))
	}
	h.remove(a)
	for e := h.others.unproven.Front(); e != nil; e = h.others.unproven.Front() {
		h.remove(e.Value.(*actor))
	}
	if h.others.len() != 0 || len(h.sources) != 0 {
		t.Errorf("%d half open, %d sources are left", h.others.len(), len(h.sources))
	}
}

// Who turns out to be a certain peer hands over the SAs that were restored for it, and
// what was posted meanwhile.
func TestAnAddressHandsOverItsSAs(t *testing.T) {
	r := newRegistry(Limits{}.withDefaults())
	at, peer := &actor{key: ike.PeerKey{Block: "b", Addr: here.Remote}}, &actor{key: ike.PeerKey{Block: "b", Addr: here.Remote, ID: "x"}}
	r.peer(at.key, at)
	at.busy, peer.busy = true, true // nobody drains
	k := ledgerKey{ike.SAKey{Dst: here.Local.Addr(), Proto: 50, SPI: 4711}, where{src: here.Remote.Addr()}}
	r.own(at, []ledgerKey{k}, settled)
	at.post(mail{ev: ike.KeepUp{}})
	if got, _ := r.adopt(at, peer.key, &ike.ISAKMPSA{}, peer); got != peer {
		t.Fatal("it is not the peer's")
	}
	if s, ok := r.owner(k.SAKey); !ok || s.owner != peer || s.state != settled || s.src != k.src {
		t.Errorf("the SA is %+v, known %v", s, ok)
	}
	if m, ok := peer.box[len(peer.box)-1].ev.(ike.KeepUp); !ok || len(peer.box) != 2 {
		t.Errorf("the peer has %d events, the last %T", len(peer.box), m)
	}
	r.retire(at)
	if r.disown(k.SAKey); len(peer.sas) != 0 {
		t.Errorf("%d SAs are left", len(peer.sas))
	}
}
