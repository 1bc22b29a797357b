package ike_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/ike/iketest"
	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
)

// natWorld is an initiator a, behind a NAT if so wished, and a responder b.
func natWorld(behind bool, o iketest.Options) (w *iketest.World, a, b *iketest.Host) {
	w = iketest.New(1)
	a, b = w.AddHost("a"), w.AddHost("b")
	if behind {
		a.Behind(w.AddNAT())
	}
	o.NATTraversal = policy.On
	w.Connect(a, b, o)
	return w, a, b
}

// rewrite lets a test change the payloads of the messages in clear on their way.
func rewrite(w *iketest.World, change func(p *iketest.Packet, ps []isakmp.Payload) []isakmp.Payload) {
	w.Fault(func(p *iketest.Packet) ([]time.Duration, bool) {
		h, ps, err := isakmp.ParseMessage(p.Data)
		if err != nil || h.Flags&isakmp.FlagEncryption != 0 {
			return nil, false
		}
		if changed := change(p, ps); changed != nil {
			p.Data = isakmp.AppendMessage(nil, h, changed)
		}
		return nil, false
	})
}

// Each version has its own payload numbers, and a peer that names only one gets only
// that one back.
func TestEachVersionOfNATTraversal(t *testing.T) {
	for _, tt := range []struct {
		id    isakmp.VendorID
		natd  isakmp.PayloadType
		port  uint16
		works bool
	}{
		{isakmp.VendorNATT, 20, 4500, true},
		{isakmp.VendorNATTApple, 15, 4500, true},
		{isakmp.VendorNATT08, 15, 4500, true},
		{isakmp.VendorNATT07, 15, 4500, true},
		{isakmp.VendorNATT06, 15, 4500, true},
		{isakmp.VendorNATT05, 15, 4500, true},
		{isakmp.VendorNATT04, 15, 4500, true},
		{isakmp.VendorNATT03, 130, 4500, true},
		{isakmp.VendorNATT02, 130, 4500, true},
		{isakmp.VendorNATT02n, 130, 4500, true},
		{isakmp.VendorNATT01, 130, 500, false},
		{isakmp.VendorNATT00, 130, 500, false},
	} {
		t.Run(tt.id.String(), func(t *testing.T) {
			w, a, b := natWorld(true, iketest.Options{})
			answered, natds := 0, 0
			rewrite(w, func(p *iketest.Packet, ps []isakmp.Payload) []isakmp.Payload {
				for _, pl := range ps {
					v, _ := isakmp.ParseVendorID(pl.Body)
					if pl.Type == isakmp.PayloadVID && p.From == b {
						if answered++; v != tt.id {
							t.Errorf("the answer is %v", v)
						}
					}
					if pl.Type == tt.natd && len(pl.Body) == 32 {
						natds++
					}
				}
				if p.From == a && p.N == 1 {
					return slices.DeleteFunc(ps, func(pl isakmp.Payload) bool {
						v, _ := isakmp.ParseVendorID(pl.Body)
						return pl.Type == isakmp.PayloadVID && v != tt.id
					})
				}
				return nil
			})
			var last ike.Path
			w.OnAction = func(m *iketest.Machine, act ike.Action) {
				if s, ok := act.(ike.Send); ok && m.Host == a {
					last = s.Path
				}
			}
			a.Acquire(b)
			w.Run(20 * time.Second)
			if answered != 1 || natds != 4 {
				t.Errorf("%d vendor IDs in answer, %d NAT-D payloads of type %d; want 1 and 4", answered, natds, tt.natd)
			}
			if last.Local.Port() != tt.port || last.Remote.Port() != tt.port {
				t.Errorf("the initiator speaks over %v", last)
			}
			if err := w.Err(); err != nil {
				t.Fatal(err)
			}
			for _, h := range w.Hosts {
				wrapped := 0
				for _, sa := range h.Kernel.SAs {
					if sa.Encap != nil && !sa.Larval {
						wrapped++
					}
				}
				if want := map[bool]int{true: 2}[tt.works]; wrapped != want {
					t.Errorf("%s has %d SAs in UDP, want %d", h.Name, wrapped, want)
				}
			}
		})
	}
}

// What a forger can do to NAT-D is to have the two ends disagree; then no SAs come
// about, and nothing else happens.
func TestForgedNATD(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(ps []isakmp.Payload) []isakmp.Payload
	}{
		{"other hashes", func(ps []isakmp.Payload) []isakmp.Payload {
			for i, p := range ps {
				if p.Type == isakmp.PayloadNATD {
					ps[i].Body = bytes.Repeat([]byte{7}, len(p.Body))
				}
			}
			return ps
		}},
		{"only one", func(ps []isakmp.Payload) []isakmp.Payload {
			i := slices.IndexFunc(ps, func(p isakmp.Payload) bool { return p.Type == isakmp.PayloadNATD })
			return slices.Delete(ps, i, i+1)
		}},
		{"none", func(ps []isakmp.Payload) []isakmp.Payload {
			return slices.DeleteFunc(ps, func(p isakmp.Payload) bool { return p.Type == isakmp.PayloadNATD })
		}},
		{"empty ones", func(ps []isakmp.Payload) []isakmp.Payload {
			for i, p := range ps {
				if p.Type == isakmp.PayloadNATD {
					ps[i].Body = nil
				}
			}
			return ps
		}},
		{"of another version", func(ps []isakmp.Payload) []isakmp.Payload {
			for i, p := range ps {
				if p.Type == isakmp.PayloadNATD {
					ps[i].Type = isakmp.PayloadNATDDraft
				}
			}
			return ps
		}},
	} {
		for _, behind := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, NAT=%v", tt.name, behind), func(t *testing.T) {
				w, a, b := natWorld(behind, iketest.Options{})
				rewrite(w, func(p *iketest.Packet, ps []isakmp.Payload) []isakmp.Payload {
					if p.From == b && p.N > 2 && slices.ContainsFunc(ps, func(p isakmp.Payload) bool { return p.Type == isakmp.PayloadNATD }) {
						return tt.change(ps)
					}
					return nil
				})
				a.Acquire(b)
				w.Run(time.Minute)
				for _, h := range w.Hosts {
					h.Shutdown()
				}
				w.Run(time.Hour)
				w.CheckEmpty()
				if err := w.Err(); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}

// where lists what a host believes of its peer's place: the path of the ISAKMP SA,
// and the ports of its outbound SAs.
func where(w *iketest.World, h *iketest.Host) string {
	s := ""
	for _, m := range h.Machines {
		for _, sa := range m.Status(w.Now()).ISAKMP {
			s += fmt.Sprintf("isakmp %v; ", sa.Path.Remote)
		}
	}
	for _, key := range h.Kernel.Keys() {
		if sa := h.Kernel.SAs[key]; sa.Encap != nil && key.Dst != h.Addr {
			s += fmt.Sprintf("esp %v; ", netip.AddrPortFrom(key.Dst, sa.Encap.DstPort))
		}
	}
	return s
}

// Somebody who has recorded messages of a peer behind a NAT plays them back from an
// address of its own: nothing goes there.
func TestReplayedMessagesDoNotMoveThePeer(t *testing.T) {
	w, a, b := natWorld(true, iketest.Options{})
	thief := w.AddHost("thief")
	var recorded [][]byte
	w.Fault(func(p *iketest.Packet) ([]time.Duration, bool) {
		if p.From == a {
			recorded = append(recorded, p.Data)
		}
		return nil, false
	})
	a.Acquire(b)
	w.Run(10 * time.Second)
	before := where(w, b)
	if n := len(recorded); n < 5 || before == "" {
		t.Fatalf("%d messages, %s", n, before)
	}
	w.OnAction = func(m *iketest.Machine, act ike.Action) {
		if s, ok := act.(ike.Send); ok && s.Path.Remote.Addr() == thief.Addr {
			h, _ := isakmp.ParseHeader(s.Data)
			if h.CkyR == [8]byte(recorded[2][8:16]) {
				t.Errorf("%s sends to the thief: %v", m.Host.Name, h)
			}
		}
	}
	for _, data := range recorded {
		w.Net.Inject(thief, b, data)
		flipped := bytes.Clone(data) // and what does not verify
		flipped[len(flipped)-1] ^= 1
		w.Net.Inject(thief, b, flipped)
		w.Run(2 * time.Second)
		if now := where(w, b); now != before {
			t.Fatalf("b has followed: %s, before %s", now, before)
		}
	}
}

// A new message counts, from wherever it comes: the last one decides.
func TestNewMessagesMoveThePeer(t *testing.T) {
	w, a, b := natWorld(true, iketest.Options{})
	a.Acquire(b)
	w.Run(10 * time.Second)
	for i := range 3 {
		if i < 2 {
			a.NAT.Forget()
		} else {
			a.NAT.Move()
		}
		before := where(w, b)
		a.SoftExpire(b)
		a.HasPeer(b).Post(ike.Establish{Command: uint64(i + 1), HasPair: true, Pair: a.SPD.PairOf(out(t, a, b)), Src: a.Addr, Dst: b.Addr})
		w.Run(time.Minute)
		after := where(w, b)
		if before == after || !bytes.Contains([]byte(after), []byte("isakmp "+a.NAT.Addr.String())) {
			t.Fatalf("round %d: b still sends to %s", i, after)
		}
		if a.NAT.Addr.As4()[3] != 1 { // the tunnel's policy names the address before
			break
		}
		for _, sa := range b.Kernel.SAs {
			if st := b.HasPeer(a).Status(w.Now()).ISAKMP[0].Path.Remote; sa.Dst != b.Addr && sa.Encap.DstPort != st.Port() {
				t.Errorf("round %d: an SA sends to port %d, the peer is at %v", i, sa.Encap.DstPort, st)
			}
		}
	}
	if err := w.Err(); err != nil {
		t.Fatal(err)
	}
}

// A quick mode that is for the peer at its old address is one for the same traffic.
func TestAQuickModeFollowsThePeerToItsNewAddress(t *testing.T) {
	w := iketest.New(1)
	a, b := w.AddHost("a"), w.AddHost("b")
	a.Behind(w.AddNAT())
	o := iketest.Options{NATTraversal: policy.On}
	a.Configure(b, o)
	o.Generate, o.Roaming = policy.GenerateUnique, true
	b.Configure(a, o)
	w.OnStep = w.CheckLimits
	a.Acquire(b)
	w.Run(5 * time.Second)
	for range 2 { // b's quick mode goes to where a was, a's shows b where it is
		a.NAT.Move()
		b.Acquire(a)
		w.Run(time.Millisecond)
		a.Acquire(b)
		w.Run(time.Minute)
	}
	w.CheckKernel()
	w.Send(&iketest.Flow{From: b, To: a, Due: w.Since()})
	w.Run(10 * time.Second)
	if err := w.Err(); err != nil {
		t.Fatal(err)
	}
}

func out(t *testing.T, h, to *iketest.Host) (p spd.Policy) {
	t.Helper()
	p, ok := h.Policy(to)
	if !ok {
		t.Fatal("no policy")
	}
	return p
}

// Who carries a peer's ESP over two ways at once has SAs moved once a second, not
// with every packet.
func TestFlappingIsBounded(t *testing.T) {
	w, a, b := natWorld(true, iketest.Options{})
	a.Acquire(b)
	w.Run(10 * time.Second)
	m := b.HasPeer(a)
	spi := m.Status(w.Now()).IPsec[0].SPIIn
	moves := 0
	w.OnAction = func(_ *iketest.Machine, act ike.Action) {
		if c, ok := act.(ike.Call); ok {
			if _, ok := c.Req.(ike.MoveSAs); ok {
				moves++
			}
		}
	}
	for i := range 1000 {
		m.Post(ike.Mapping{SPI: spi, Remote: netip.AddrPortFrom(a.NAT.Addr, uint16(30000+i%2))})
		w.Run(10 * time.Millisecond)
	}
	if moves < 5 || moves > 11 {
		t.Errorf("%d moves in 10 s", moves)
	}
	m.Post(ike.Mapping{SPI: 1, Remote: netip.MustParseAddrPort("203.0.113.1:4500")})
	m.Post(ike.Mapping{SPI: spi, Remote: netip.MustParseAddrPort("[2001:db8::1]:4500")})
	w.Run(10 * time.Second)
	if s := where(w, b); bytes.Contains([]byte(s), []byte("203.0.113.1")) || bytes.Contains([]byte(s), []byte("2001")) {
		t.Errorf("b sends to %s", s)
	}
}

// Two clients that have one identity, and even one address inside, stay apart.
func TestClientsBehindNATs(t *testing.T) {
	for _, boxes := range []int{1, 2} {
		t.Run(fmt.Sprintf("%d boxes", boxes), func(t *testing.T) {
			w := iketest.New(1)
			gw := w.AddHost("gw")
			box := w.AddNAT()
			o := iketest.Options{NATTraversal: policy.On, Roaming: true}
			var clients []*iketest.Host
			for i := range 2 {
				c := w.AddHost(fmt.Sprintf("c%d", i))
				if i == 1 && boxes == 2 {
					box = w.AddNAT()
				}
				c.Behind(box)
				c.Configure(gw, iketest.Options{NATTraversal: policy.On})
				c.Config.Remotes[0].MyID = policy.Identity{Type: 2, Data: []byte("group")}
				gw.Configure(c, o)
				clients = append(clients, c)
			}
			for _, c := range clients {
				c.Acquire(gw)
				w.Run(5 * time.Second)
			}
			w.Run(time.Minute)
			up := 0
			for _, m := range gw.Machines {
				st := m.Status(w.Now())
				if len(st.ISAKMP) == 1 && len(st.IPsec) == 1 {
					up++
				}
			}
			if up != 2 {
				t.Errorf("%d clients are up", up)
			}
			if err := w.Err(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// The outbound SA of a renewal, due while the kernel is moving the inbound one, does
// not stay where the peer was.
func TestAnOutboundSAIsNotLeftBehindAMove(t *testing.T) {
	w, a, b := natWorld(true, iketest.Options{})
	a.Acquire(b)
	w.Run(2 * time.Minute)
	b.SoftExpire(a)
	w.Run(700 * time.Millisecond) // message 3 is out, the outbound SA is not in
	st := b.HasPeer(a).Status(w.Now()).IPsec
	if len(st) != 2 {
		t.Fatalf("%d pairs, want the old one and its successor", len(st))
	}
	w.MinService, w.MaxService = 2*time.Second, 2*time.Second
	to := netip.AddrPortFrom(a.Outside(), 60000)
	for key, sa := range b.Kernel.SAs {
		if sa.Dir == spd.In {
			b.HasPeer(a).Post(ike.Mapping{SPI: key.SPI, Remote: to})
			break
		}
	}
	w.Run(10 * time.Second)
	n := 0
	for key, sa := range b.Kernel.SAs {
		if sa.Dir != spd.Out {
			continue
		}
		if n++; sa.Encap == nil || sa.Encap.DstPort != to.Port() {
			t.Errorf("%s is sent to %+v, the peer is at %v", b.Kernel.Name(key), sa.Encap, to)
		}
	}
	if n != 2 {
		t.Errorf("%d outbound SAs, want 2", n)
	}
}
