package engine

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/oakley"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// edit is a first message of main mode with some octets changed.
func edit(at int, octets ...byte) []byte {
	m := message(cookie(1), cookie(0), isakmp.IdentityProtection)
	copy(m[at:], octets)
	return m
}

func TestWhatIsRefusedBeforeAnythingIsAllocated(t *testing.T) {
	aggressive := edit(18, byte(isakmp.Aggressive))
	for _, tt := range []struct {
		name   string
		path   ike.Path
		natt   bool
		data   []byte
		reason notice.Reason // 0: admitted
	}{
		{"a first message of main mode is admitted", here, false, edit(0), 0},
		{"on the NAT traversal port with the marker", here, true, append([]byte{0, 0, 0, 0}, edit(0)...), 0},
		{"there without the marker it is ESP", here, true, edit(0, 1), notice.NonESP},
		{"a keepalive", here, true, []byte{0xff}, notice.Keepalive},
		{"a keepalive to the wrong port", here, false, []byte{0xff}, notice.Keepalive},
		{"an empty datagram", here, true, nil, notice.NonESP},
		{"less than a header", here, false, edit(0)[:27], notice.ShortDatagram},
		{"a length beyond the datagram", here, false, edit(27, 29), notice.BadLength},
		{"no initiator cookie", here, false, edit(7, 0), notice.BadCookie},
		{"a responder cookie we never gave", here, false, edit(15, 1), notice.UnknownSA},
		{"version 3", here, false, edit(17, 0x30), notice.BadVersion},
		{"version 0", here, false, edit(17, 0x00), notice.BadVersion},
		{"IKEv2", here, false, edit(17, 0x20), notice.BadVersion},
		{"quick mode without an ISAKMP SA", here, false, edit(18, byte(isakmp.QuickMode)), notice.BadExchange},
		{"an unknown exchange", here, false, edit(18, 99), notice.BadExchange},
		{"an encrypted first message", here, false, edit(19, 1), notice.NotClear},
		{"a message ID in phase 1", here, false, edit(23, 1), notice.BadMessageID},
		{"source port 0", path("192.0.2.1:500", "192.0.2.2:0"), false, edit(0), notice.WrongAddress},
		{"an exchange no section answers", here, false, aggressive, notice.UnknownPeer},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, Options{}).start(t)
				h.receive(tt.path, tt.natt, tt.data)
				synctest.Wait()
				_, reasons := h.Counters()
				if tt.reason == 0 {
					if len(reasons) != 0 || len(h.all()) != 1 {
						t.Fatalf("%v, %d machines", reasons, len(h.all()))
					}
					d := h.machine(t, 0).told()[0].(ike.Datagram)
					if string(d.Data) != string(edit(0)) || d.Path != tt.path {
						t.Errorf("the machine was told %x from %v", d.Data, d.Path)
					}
					return
				}
				if reasons[tt.reason] != 1 || len(reasons) != 1 || len(h.all()) != 0 {
					t.Errorf("%v, %d machines, want one %v", reasons, len(h.all()), tt.reason)
				}
			})
		})
	}
}

func TestNobodyIsAdmittedWithoutASection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options{Config: configOf(literal("192.0.2.99"))}).start(t)
		h.receive(here, false, edit(0))
		synctest.Wait()
		want := "unknown-peer: no remote section for 192.0.2.2 answers main mode"
		if got := h.said(notice.Dropped); !slices.Equal(got, []string{want}) {
			t.Errorf("%q", got)
		}
	})
}

func TestIKEv2IsAnsweredWithNoMoreThanItSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options{}).start(t)
		big := append(edit(17, 0x20, 34), make([]byte, 100)...)
		h.receive(here, false, edit(17, 0x20, 34)) // 28 octets: any answer would be longer
		h.receive(here, false, big)
		response := slices.Clone(big)
		response[15] = 1 // it has both SPIs
		h.receive(here, false, response)
		synctest.Wait()
		if len(h.wire.sent) != 1 {
			t.Fatalf("%d answers", len(h.wire.sent))
		}
		hd, ps, err := isakmp.ParseMessage(h.wire.sent[0].Data)
		if err != nil || hd.Version != isakmp.Version1 || hd.Exchange != isakmp.Informational || hd.CkyI != cookie(1) || len(ps) != 1 {
			t.Fatalf("%v %v %v", hd, ps, err)
		}
		if n, err := isakmp.ParseNotify(ps[0].Body); err != nil || n.Type != isakmp.NotifyInvalidMajorVersion {
			t.Errorf("%v %v", n, err)
		}
		if h.wire.sent[0].Path != here {
			t.Errorf("sent to %v", h.wire.sent[0].Path)
		}
		for range 200 {
			h.receive(here, false, big)
		}
		if n := len(h.wire.sent); n > 41 {
			t.Errorf("%d answers to one source", n)
		}
	})
}

func TestASourceMayNotBeginWithoutLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options{Limits: Limits{SourceRate: 0.04, SourceBurst: 1}}).start(t)
		begin := func(from string, n int) (admitted int) {
			before := len(h.all())
			for i := range n {
				m := edit(6, byte(len(h.all())), byte(i+1))
				h.receive(ike.Path{Local: here.Local, Remote: port(from)}, false, m)
			}
			synctest.Wait()
			return len(h.all()) - before
		}
		for _, s := range []struct {
			wait time.Duration
			from string
			want int
		}{
			{0, "198.51.100.1:500", 6},
			{0, "198.51.100.1:501", 0}, // ports do not matter
			{0, "198.51.100.2:500", 6},
			{time.Second, "198.51.100.1:500", 2},
			{0, "[2001:db8::1]:500", 6},
			{0, "[2001:db8::2]:500", 0}, // nor does the host part of an IPv6 address
			{0, "[2001:db8:0:1::1]:500", 6},
		} {
			time.Sleep(s.wait)
			if got := begin(s.from, 9); got != s.want {
				t.Errorf("%s: %d admitted, want %d", s.from, got, s.want)
			}
		}
	})
}

// Somebody who forges a peer's address, a hundred times a second, does not see what
// we answer; the peer does, and gets through.
func TestForgedFirstMessagesDoNotLockThePeerOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options{})
		h.step = func(m *script, ev ike.Event) []ike.Action {
			switch ev := ev.(type) {
			case ike.Shutdown:
				m.set(func() { m.done = true })
			case ike.Datagram:
				hd, _ := isakmp.ParseHeader(ev.Data)
				if hd.CkyR.IsZero() {
					return []ike.Action{ike.Send{Path: ev.Path, Data: message(hd.CkyI, m.setup.Cookie(ev.Path, hd.CkyI), isakmp.IdentityProtection)}}
				}
			}
			return nil
		}
		h.start(t)
		n := uint64(0)
		forge := func(seconds int) {
			for range 100 * seconds {
				n++
				h.receive(here, false, edit(0, binary.BigEndian.AppendUint64(nil, 1<<32+n)...))
				time.Sleep(10 * time.Millisecond)
			}
		}
		forge(60)
		ours := cookie(9)
		begun := len(h.all())
		h.receive(here, false, message(ours, isakmp.Cookie{}, isakmp.IdentityProtection))
		forge(1) // a slow link
		m := h.machine(t, begun)
		third := message(ours, m.setup.Cookie(here, ours), isakmp.IdentityProtection)
		h.receive(here, false, third)
		forge(60) // and a slow user
		h.receive(here, false, third)
		synctest.Wait()
		if diff := cmp.Diff([]string{"Datagram", "Datagram", "Datagram"}, m.kinds()); diff != "" {
			t.Error(diff)
		}
		if half := len(h.registry.snapshot()); half > 257 {
			t.Errorf("%d half open from one address", half)
		}
	})
}

func TestASourceMayNotMakeUsComputeWithoutLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options{Limits: Limits{SourceRate: 1, SourceBurst: 2}}).start(t)
		h.receive(here, false, edit(0))
		synctest.Wait()
		stranger := h.registry.snapshot()[0]
		for _, want := range []int{2, 1} { // a second later there is one more
			h.machine(t, 0).set(func() { h.machines[0].events = nil })
			g := ike.DHGenerate{Group: oakley.X25519}
			h.calls(stranger, g, g, g)
			synctest.Wait()
			served := 0
			for _, r := range replies(h.machine(t, 0)) {
				if un, ok := r.Err.(*ike.Unavailable); r.Err == nil {
					served++
				} else if !ok || un.Err != errSourceLimit {
					t.Error(r.Err)
				}
			}
			if served != want {
				t.Errorf("%d keys, want %d", served, want)
			}
			time.Sleep(time.Second)
		}
		peer, m := h.peer("p") // who has authenticated is not limited
		g := ike.DHGenerate{Group: oakley.X25519}
		h.calls(peer, g, g, g, g)
		synctest.Wait()
		for _, r := range replies(m) {
			if r.Err != nil {
				t.Error(r.Err)
			}
		}
	})
}

func TestSourcesAreForgottenOldestFirst(t *testing.T) {
	l := newSourceLimiter(Limits{SourceRate: 1, SourceBurst: 1})
	now := time.Now()
	first := addr("192.0.2.1")
	l.allow(now, first)
	a := addr("10.0.0.0")
	for range maxSources - 1 {
		l.allow(now, a)
		a = a.Next()
	}
	if l.allow(now, first) {
		t.Error("forgotten before the table is full")
	}
	for range maxSources { // first has just been seen, but now all are newer
		l.allow(now, a)
		a = a.Next()
	}
	if !l.allow(now, first) || len(l.sources) != maxSources || l.recent.Len() != maxSources {
		t.Errorf("%d sources, %d in order", len(l.sources), l.recent.Len())
	}
}

func TestTheOldestStrangerMakesRoomAndIsToldToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options{Limits: Limits{HalfOpen: 4, Reserve: 1}}).start(t)
		h.step = func(m *script, ev ike.Event) []ike.Action {
			if _, ok := ev.(ike.Shutdown); ok {
				m.set(func() { m.done = true })
			}
			return nil
		}
		for i := range 5 {
			h.receive(ike.Path{Local: here.Local, Remote: netip.AddrPortFrom(addr(fmt.Sprintf("198.51.100.%d", i)), 500)}, false, edit(7, byte(i+1)))
		}
		synctest.Wait()
		for i, m := range h.all() {
			ended := slices.Contains(m.kinds(), "Shutdown")
			if ended != (i < 2) {
				t.Errorf("stranger %d: %v", i, m.kinds())
			}
		}
		if n := len(h.registry.snapshot()); n != 3 {
			t.Errorf("%d actors", n)
		}
		h.receive(here, false, edit(0)) // a section with a literal address has the reserve
		synctest.Wait()
		if n := len(h.registry.snapshot()); n != 4 {
			t.Errorf("%d actors with a configured peer", n)
		}
	})
}

func TestAStrangersMachineIsBornWithItsSectionsAndACookie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options{}).start(t)
		h.receive(here, false, edit(0))
		other := here
		other.Remote = port("192.0.2.2:501")
		h.receive(other, false, edit(0))
		time.Sleep(2 * time.Minute)
		h.receive(here, false, edit(7, 2))
		synctest.Wait()
		s := h.machine(t, 0).setup
		if !s.Stranger || s.Path != here || len(s.Remotes) != 2 || s.Remotes[0].Name != "192.0.2.2" || s.Remotes[1].Name != "anonymous" {
			t.Errorf("%+v", s)
		}
		seen := map[isakmp.Cookie]string{}
		for _, c := range []struct {
			name string
			ckyR isakmp.Cookie
		}{
			{"one", s.Cookie(here, cookie(1))},
			{"another path", h.machine(t, 1).setup.Cookie(other, cookie(1))},
			{"another initiator cookie", s.Cookie(here, cookie(2))},
			{"another time", h.machine(t, 2).setup.Cookie(here, cookie(1))},
		} {
			if old, ok := seen[c.ckyR]; ok || c.ckyR.IsZero() {
				t.Errorf("%s has the cookie of %s: %v", c.name, old, c.ckyR)
			}
			seen[c.ckyR] = c.name
		}
		if first, again := s.Cookie(here, cookie(1)), s.Cookie(here, cookie(1)); first != again {
			t.Error("one exchange is given two cookies")
		}
	})
}

// A message finds its machine for as long as the machine wants to hear, which may be longer
// than there is an ISAKMP SA.
func TestCookiesAreForgottenWhenTheMachineSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options{})
		i, r := cookie(1), cookie(2)
		answers := [][]ike.Action{
			{ike.Send{Path: here, Data: message(i, r, isakmp.IdentityProtection)}},
			{ike.Notice{Notice: notice.Notice{Event: notice.Phase1Down, Reason: notice.PeerDeleted, CkyI: i, CkyR: r}}},
			{ike.Forget{CkyI: i, CkyR: r}},
		}
		h.step = func(m *script, ev ike.Event) (acts []ike.Action) {
			switch ev.(type) {
			case ike.Shutdown:
				m.set(func() { m.done = true })
			case ike.Datagram:
				if len(answers) > 0 {
					acts, answers = answers[0], answers[1:]
				}
			}
			return acts
		}
		h.start(t)
		h.receive(here, false, message(i, isakmp.Cookie{}, isakmp.IdentityProtection))
		for range 4 {
			synctest.Wait()
			h.receive(here, false, message(i, r, isakmp.Informational))
		}
		synctest.Wait()
		if diff := cmp.Diff([]string{"Datagram", "Datagram", "Datagram"}, h.machine(t, 0).kinds()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAFloodOfWarningsIsCountedButNotLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options{Config: configOf(literal("192.0.2.99"), anonymous())})
		h.step = func(*script, ike.Event) []ike.Action {
			return []ike.Action{ike.Notice{Notice: notice.Notice{Event: notice.Phase1Failed, Reason: notice.NoProposal, Peer: here.Remote}}}
		}
		h.start(t)
		for i := range 200 { // what is refused at the door, what a machine refuses, what cannot be sent
			h.receive(here, false, edit(17, 0x30))
			h.receive(here, false, edit(7, byte(i+1)))
			h.noticed(&actor{stranger: true}, ike.Notice{Notice: notice.Notice{Event: notice.LocalFailure, Reason: notice.SendFailed, Peer: here.Remote}})
		}
		synctest.Wait()
		said := func() int {
			synctest.Wait()
			return len(h.said(notice.Dropped)) + len(h.said(notice.Phase1Failed)) + len(h.said(notice.LocalFailure))
		}
		_, reasons := h.Counters()
		if n := said(); n != 10 || reasons[notice.BadVersion]+reasons[notice.NoProposal]+reasons[notice.SendFailed] != 600 {
			t.Errorf("%d of one source logged; %v", n, reasons)
		}
		for i := range 1000 { // forged
			h.receive(ike.Path{Local: here.Local, Remote: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 500)}, false, edit(17, 0x30))
		}
		if n := said(); n != 100 {
			t.Errorf("%d of all logged", n)
		}
		time.Sleep(time.Minute)
		h.receive(here, false, edit(17, 0x30))
		synctest.Wait()
		drops := h.said(notice.Dropped)
		if last := drops[len(drops)-1]; !strings.Contains(last, "(910 more") {
			t.Errorf("%q does not say what was left out since", last)
		}
		peer, _ := h.peer("p")
		for range 200 {
			h.noticed(peer, ike.Notice{Notice: notice.Notice{Event: notice.Phase2Failed, Peer: here.Remote}})
		}
		synctest.Wait()
		if n := len(h.said(notice.Phase2Failed)); n != 200 {
			t.Errorf("%d of a peer's logged", n)
		}
	})
}

func TestExchangeModesAreExchangeTypes(t *testing.T) {
	for mode, x := range map[policy.ExchangeMode]isakmp.ExchangeType{policy.Base: isakmp.Base,
		policy.Main: isakmp.IdentityProtection, policy.Aggressive: isakmp.Aggressive} {
		if uint8(mode) != uint8(x) {
			t.Errorf("%v is %d on the wire, %d in the configuration", x, x, mode)
		}
	}
}

// fragmentOf is a fragment of a first message.
func fragmentOf(i isakmp.Cookie, number uint8) []byte {
	body := isakmp.Fragment{ID: 1, Number: number, Data: []byte{1}}.Append(nil)
	return isakmp.AppendMessage(nil, isakmp.Header{CkyI: i, Version: isakmp.Version1, Exchange: isakmp.IdentityProtection},
		[]isakmp.Payload{{Type: isakmp.PayloadFragment, Body: body}})
}

func TestFragmentsOfAFirstMessage(t *testing.T) {
	frag := literal("192.0.2.2")
	frag.IKEFrag = policy.On
	h := newHouse(t, Options{Config: configOf(frag, literal("192.0.2.3"))}).start(t)
	for n := range uint8(3) {
		h.receive(here, false, fragmentOf(cookie(1), n+1))
	}
	eventually(t, "one machine gets all fragments", func() bool { return len(h.all()) == 1 && len(h.machine(t, 0).told()) == 3 })
	h.receive(path("192.0.2.1:500", "192.0.2.3:500"), false, fragmentOf(cookie(1), 1))
	eventually(t, "they are refused where they are off", func() bool { return len(h.said(notice.Dropped)) == 1 })
	if got := h.said(notice.Dropped)[0]; len(h.all()) != 1 || got != "unexpected-payload: fragments are not taken: ike_frag is off" {
		t.Errorf("%d machines, %q", len(h.all()), got)
	}
}
