package ike_test

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/ike/iketest"
	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/oakley"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// What somebody who has not authenticated can make us send and hold
// (architecture 3.13).
const (
	heldUnknown = 512 + 2048 // main mode, the cookie not returned: the offer is 2048 of it
	heldProven  = 8 << 10    // returned, or in the exchanges in which message 1 has more
	mostTimes   = 3          // as many octets in answer to message 1 of those
)

// target is a stranger's machine that would agree to nearly everything, and the books
// of what it was sent and has said.
type target struct {
	*ike.Peer
	t         testing.TB
	now       time.Time
	got       int // octets
	said      int
	agrees    bool // it negotiates
	fragments int  // said
	proven    bool
	exchange  isakmp.ExchangeType
	ckyR      isakmp.Cookie
	worst     int // octets held
}

// sections that speak every exchange and take every transform with a pre-shared key.
func willing() []*policy.Remote {
	r := &policy.Remote{Name: "anonymous", Modes: []policy.ExchangeMode{policy.Main, policy.Aggressive, policy.Base}, NonceSize: 256,
		MyID: policy.Identity{Type: 2, Data: []byte(strings.Repeat("r", 255))}, ProposalCheck: policy.Obey, InitialContact: true,
		IKEFrag: policy.Force, NATTraversal: policy.On, DPD: true, DPDDelay: time.Second, DPDRetry: time.Second, DPDMaxFail: 3}
	for _, e := range []uint16{uint16(oakley.TripleDES), uint16(oakley.AES)} {
		for _, bits := range []uint16{0, 128, 256} {
			for _, h := range []oakley.Hash{oakley.MD5, oakley.SHA1, oakley.SHA256, oakley.SHA384, oakley.SHA512} {
				for _, g := range []oakley.Group{oakley.MODP1024, oakley.MODP2048, oakley.MODP3072, oakley.ECP256, oakley.ECP384, oakley.X25519} {
					r.Proposals = append(r.Proposals, policy.Phase1Proposal{Encryption: e, KeyBits: bits, Hash: uint16(h), Method: 1, Group: uint16(g), Lifetime: 24 * time.Hour})
				}
			}
		}
	}
	return []*policy.Remote{r}
}

func newTarget(t testing.TB) *target {
	cfg := &policy.Config{Timer: policy.DefaultTimer(), Padding: policy.DefaultPadding()}
	cfg.Timer.PerSend = 3
	r := rand.New(rand.NewPCG(1, 1))
	return &target{t: t, now: iketest.Epoch, Peer: ike.New(ike.Setup{Config: policy.NewCommon(cfg), Remotes: willing(), Stranger: true,
		Rand: func(b []byte) {
			for i := range b {
				b[i] = byte(r.Uint32())
			}
		}, Cookie: func(ike.Path, isakmp.Cookie) isakmp.Cookie { return isakmp.Cookie{0xcc, 1, 2, 3, 4, 5, 6, 7} }})}
}

// take gives the machine a datagram and looks at what comes of it. It reports whether
// the engine would have let the datagram in.
func (g *target) take(data []byte) bool {
	h, err := isakmp.ParseHeader(data)
	if err != nil || h.CkyI.IsZero() || h.Major() != 1 || !h.CkyR.IsZero() && h.CkyR != g.ckyR || g.Done() && g.got > 0 {
		return false
	}
	if g.got == 0 {
		switch h.Exchange {
		case isakmp.Base, isakmp.IdentityProtection, isakmp.Aggressive:
			g.exchange = h.Exchange
		default:
			return false
		}
	}
	g.got += len(data)
	g.proven = g.proven || !h.CkyR.IsZero()
	g.step(ike.Datagram{Data: slices.Clone(data)})
	return true
}

func (g *target) step(ev ike.Event) {
	events := []ike.Event{ev}
	for len(events) > 0 {
		ev, events = events[0], events[1:]
		for _, act := range g.Step(g.now, ev) {
			switch act := act.(type) {
			case ike.Send:
				if _, ok := ev.(ike.Wake); ok {
					g.t.Fatalf("%d octets are sent by a timer", len(act.Data))
				}
				g.said += len(act.Data)
				if isakmp.PayloadType(act.Data[16]) == isakmp.PayloadFragment {
					g.fragments++
				}
				g.ckyR = isakmp.Cookie(act.Data[8:16])
			case ike.Call:
				events = append(events, ike.Reply{ID: act.ID, Value: g.serve(act.Req)})
			}
		}
	}
	g.check()
}

func (g *target) serve(req ike.Request) any {
	switch req := req.(type) {
	case ike.DHGenerate:
		public := make([]byte, req.Group.PublicLen())
		public[1] = 2
		return oakley.KeyPair{Group: req.Group, Public: public}
	case ike.DHShared: // nobody here can tell it from a real one
		return secret.New(make([]byte, 32))
	case ike.DeriveSKEYIDs:
		return []ike.SKEYIDCandidate{{SKEYID: oakley.SKEYIDFromPSK(req.PRF, []byte("key"), req.Ni, req.Nr)}}
	}
	return nil
}

func (g *target) check() {
	g.t.Helper()
	held := octetsHeld(g.Peer)
	g.worst = max(g.worst, held)
	g.agrees = g.agrees || len(g.Status(g.now).Exchanges) > 0
	limit, most := heldUnknown, 1
	if g.exchange != isakmp.IdentityProtection {
		limit, most = heldProven, mostTimes
	}
	if g.proven {
		limit = heldProven
	} else if g.said > most*g.got {
		g.t.Fatalf("%v: %d octets are said to somebody who has sent %d and not returned our cookie", g.exchange, g.said, g.got)
	}
	if held > limit {
		g.t.Fatalf("%v, cookie returned %v: %d octets are held, %d are allowed", g.exchange, g.proven, held, limit)
	}
}

// wait lets time pass until the machine has nothing to wait for. Nothing is said.
func (g *target) wait() {
	for range 100 {
		d := g.Deadline()
		if g.Done() || d.IsZero() {
			break
		}
		g.now = d
		g.step(ike.Wake{})
	}
	if !g.Done() {
		g.t.Fatalf("it is still there: %+v", g.Status(g.now))
	}
}

// octetsHeld counts the octets a machine keeps in slices and strings, wherever they
// stand: whatever field they are added in, they count.
func octetsHeld(p *ike.Peer) int {
	seen := map[uintptr]bool{}
	shared := map[string]bool{"*policy.Common": true, "*policy.Remote": true, "*policy.Config": true, "ike.scripts": true, "ike.script": true, "ike.Setup": true}
	var walk func(v reflect.Value) int
	walk = func(v reflect.Value) (n int) {
		if shared[v.Type().String()] {
			return 0
		}
		switch v.Kind() {
		case reflect.Pointer:
			if v.IsNil() || seen[v.Pointer()] {
				return 0
			}
			seen[v.Pointer()] = true
			return walk(v.Elem())
		case reflect.Interface:
			if !v.IsNil() {
				return walk(v.Elem())
			}
		case reflect.Struct:
			for i := range v.NumField() {
				n += walk(v.Field(i))
			}
		case reflect.Slice:
			if v.IsNil() || v.Cap() == 0 || seen[v.Pointer()] {
				return 0
			}
			seen[v.Pointer()] = true
			if v.Type().Elem().Kind() == reflect.Uint8 {
				return v.Cap()
			}
			for i := range v.Len() {
				n += walk(v.Index(i))
			}
		case reflect.Array:
			for i := range v.Len() {
				if k := v.Type().Elem().Kind(); k != reflect.Uint8 {
					n += walk(v.Index(i))
				}
			}
		case reflect.Map:
			for it := v.MapRange(); it.Next(); {
				n += walk(it.Key()) + walk(it.Value())
			}
		}
		return n
	}
	return walk(reflect.ValueOf(p))
}

// corpus is all there is to send: the messages of each recorded session, those of its
// initiator first, and whatever the fuzzer has found.
func corpus(t testing.TB) (sessions [][][]byte) {
	files, err := filepath.Glob("../testdata/ikev1-traces/*.json")
	if err != nil || len(files) < 14 {
		t.Fatalf("%d traces: %v", len(files), err)
	}
	for _, f := range files {
		var trace struct {
			Packets []struct {
				From  string
				DPort int
				Hex   string
			}
		}
		b, err := os.ReadFile(f)
		if err == nil {
			err = json.Unmarshal(b, &trace)
		}
		if err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		var own, other [][]byte
		for _, p := range trace.Packets {
			data, err := hex.DecodeString(p.Hex)
			if err != nil {
				t.Fatalf("%s: %v", f, err)
			}
			if p.DPort == 4500 {
				data = data[4:]
			}
			if p.From == trace.Packets[0].From {
				own = append(own, data)
			} else {
				other = append(other, data)
			}
		}
		sessions = append(sessions, own, other)
		if based := baseMode(own[0]); based != nil {
			sessions = append(sessions, [][]byte{based})
		}
	}
	found, err := filepath.Glob("../*/testdata/fuzz/*/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) { // of the format "go test fuzz v1"
			if text, ok := strings.CutPrefix(strings.TrimSpace(line), "[]byte("); ok {
				if data, err := strconv.Unquote(strings.TrimSuffix(text, ")")); err == nil {
					sessions = append(sessions, [][]byte{[]byte(data)})
				}
			}
		}
	}
	return sessions
}

// baseMode makes a first message of base mode of one of aggressive mode, nil if it is
// another one: nobody else speaks it, so there is no recording.
func baseMode(data []byte) []byte {
	h, ps, err := isakmp.ParseMessage(data)
	if err != nil || h.Exchange != isakmp.Aggressive {
		return nil
	}
	h.Exchange = isakmp.Base
	return isakmp.AppendMessage(nil, h, slices.DeleteFunc(ps, func(p isakmp.Payload) bool { return p.Type == isakmp.PayloadKE }))
}

// answering makes a recorded message one of an exchange with the machine.
func (g *target) answering(data []byte, first bool) []byte {
	if data = slices.Clone(data); len(data) >= 16 {
		ckyR := g.ckyR
		if first {
			ckyR = isakmp.Cookie{}
		}
		copy(data[8:], ckyR[:])
	}
	return data
}

func TestBoundsBeforeAuthenticationOverTheCorpus(t *testing.T) {
	sessions := corpus(t)
	worst, exchanges, played := map[bool]int{}, map[isakmp.ExchangeType]int{}, 0
	note := func(g *target) {
		played++
		if g.worst > worst[g.proven] {
			worst[g.proven] = g.worst
		}
		if g.agrees {
			exchanges[g.exchange]++
		}
		g.wait()
	}
	for _, session := range sessions {
		for _, data := range session { // every message as the first, and again
			g := newTarget(t)
			for range 10 {
				g.take(g.answering(data, true))
			}
			note(g)
		}
		g := newTarget(t) // all of them, as far as they lead
		for i, data := range session {
			g.take(g.answering(data, i == 0))
		}
		note(g)
	}
	t.Logf("%d runs; negotiations: %v; octets held at most: %d before the cookie was returned, %d behind it", played, exchanges, worst[false], worst[true])
	for _, x := range []isakmp.ExchangeType{isakmp.IdentityProtection, isakmp.Aggressive, isakmp.Base} {
		if exchanges[x] == 0 {
			t.Errorf("%v has not been negotiated at all", x)
		}
	}
}

func TestBoundsBeforeAuthenticationOverChanges(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 4))
	sessions := corpus(t)
	const runs = 8000
	answered := 0
	for range runs {
		session := sessions[r.IntN(len(sessions))]
		g := newTarget(t)
		for i, data := range session[:min(len(session), 4)] {
			data = mutate(r, g.answering(data, i == 0))
			for range 1 + r.IntN(3) {
				g.take(data)
			}
		}
		if g.agrees {
			answered++
		}
		g.wait()
	}
	t.Logf("%d of %d led to a negotiation", answered, runs)
}

// mutate changes a message as somebody might who wants us to keep it: octets, more
// payloads, larger ones.
func mutate(r *rand.Rand, data []byte) []byte {
	h, ps, err := isakmp.ParseMessage(data)
	if err != nil || len(ps) == 0 || r.IntN(3) == 0 {
		for range r.IntN(4) {
			if len(data) > 28 {
				data[16+r.IntN(len(data)-16)] ^= byte(1 << r.IntN(8))
			}
		}
		return data
	}
	ps = slices.Clone(ps)
	for range r.IntN(4) {
		i := r.IntN(len(ps))
		switch r.IntN(4) {
		case 0:
			ps = slices.Insert(ps, i, ps[r.IntN(len(ps))])
		case 1:
			ps[i].Body = append(slices.Clone(ps[i].Body), make([]byte, r.IntN(20000))...)
		case 2:
			if n := len(ps[i].Body); n > 0 {
				ps[i].Body = slices.Clone(ps[i].Body)
				ps[i].Body[r.IntN(n)] ^= byte(1 << r.IntN(8))
			}
		case 3:
			types := []isakmp.PayloadType{isakmp.PayloadSA, isakmp.PayloadKE, isakmp.PayloadID, isakmp.PayloadNONCE, isakmp.PayloadVID, isakmp.PayloadCR, isakmp.PayloadCERT, isakmp.PayloadN, isakmp.PayloadFragment}
			ps[i].Type = types[r.IntN(len(types))]
		}
	}
	if isakmp.CheckSize(ps) != nil {
		return data
	}
	return isakmp.AppendMessage(nil, h, ps)
}

// Whoever has returned our cookie sends fragments and messages of the next exchange
// without end: they share the room there is.
func TestBoundsBeforeAuthenticationBehindTheCookie(t *testing.T) {
	tried := 0
	for _, session := range corpus(t) {
		for name, attack := range attacks {
			g := newTarget(t)
			for i, data := range session[:min(2, len(session))] {
				g.take(g.answering(data, i == 0))
			}
			if !g.proven || !g.agrees {
				break
			}
			tried++
			h, err := isakmp.ParseHeader(g.answering(session[1], false))
			if err != nil {
				t.Fatal(err)
			}
			early := h
			early.Exchange, early.MessageID, early.Flags = isakmp.QuickMode, 7, isakmp.FlagEncryption
			h.Length = isakmp.HeaderLen
			msg := h.Append(nil)
			for i := range 300 {
				g.take(fragment(msg, attack(i)))
				if i%3 == 0 {
					early.Length = uint32(isakmp.HeaderLen + 16*i)
					g.take(append(early.Append(nil), make([]byte, 16*i)...))
				}
			}
			if g.worst < 1000 {
				t.Errorf("%s: %d octets were held at most: nothing has been tried", name, g.worst)
			}
			g.wait()
		}
	}
	t.Logf("%d runs", tried)
	if tried == 0 {
		t.Error("no session came that far")
	}
}

// What fragments add counts: the answer of aggressive mode may fit as a whole and not
// in fragments.
func TestBoundsBeforeAuthenticationOfAnswersInFragments(t *testing.T) {
	cut := 0
	for size := 8; size <= 256; size++ {
		w := iketest.New(1)
		a, b := w.AddHost("a"), w.AddHost("b")
		w.Connect(a, b, iketest.Options{Proposals: []policy.Phase1Proposal{iketest.AES128SHA256X25519}, Modes: []policy.ExchangeMode{policy.Aggressive},
			Remote: []func(*policy.Remote){frag(policy.On), func(r *policy.Remote) { r.NonceSize = size }}})
		var first []byte
		w.OnAction = func(m *iketest.Machine, act ike.Action) {
			if send, ok := act.(ike.Send); ok && first == nil {
				first = send.Data
			}
		}
		a.Acquire(b)
		w.Run(10 * time.Millisecond)
		g := newTarget(t)
		if g.take(first); g.fragments > 0 {
			cut++
		}
		g.wait()
	}
	t.Logf("%d answers were cut", cut)
	if cut == 0 {
		t.Error("no answer was cut")
	}
}

// A stranger's machine, with all that belongs to it.
func TestAHalfOpenExchangeIsSmall(t *testing.T) {
	var first []byte
	for _, s := range corpus(t) {
		g := newTarget(t)
		if g.take(g.answering(s[0], true)); g.agrees && g.exchange == isakmp.IdentityProtection {
			first = g.answering(s[0], true)
			break
		}
	}
	const n = 1000
	remotes := willing()
	cfg := policy.NewCommon(&policy.Config{Timer: policy.DefaultTimer(), Padding: policy.DefaultPadding()})
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	machines := make([]*ike.Peer, n)
	before := heap()
	for i := range machines {
		machines[i] = ike.New(ike.Setup{Config: cfg, Remotes: remotes, Stranger: true, Rand: func([]byte) {},
			Cookie: func(ike.Path, isakmp.Cookie) isakmp.Cookie { return isakmp.Cookie{1} }})
		machines[i].Step(iketest.Epoch, ike.Datagram{Data: slices.Clone(first)})
	}
	each := (heap() - before) / n
	if st := machines[0].Status(iketest.Epoch).Exchanges; len(st) != 1 || st[0].Step != 3 {
		t.Fatalf("message 1 has not been answered: %+v", st)
	}
	t.Logf("%d octets of heap for each half-open exchange, message 1 having %d", each, len(first))
	if each > 5<<10 {
		t.Error("more than 5 KiB")
	}
	runtime.KeepAlive(machines)
}

// FuzzStranger sends what octets say to a machine that knows nobody: the length of
// each datagram, in two octets, and the datagram. The bounds hold whatever comes.
func FuzzStranger(f *testing.F) {
	for _, session := range corpus(f) {
		var plan []byte
		for _, data := range session[:min(3, len(session))] {
			plan = append(binary.BigEndian.AppendUint16(plan, uint16(len(data))), data...)
		}
		f.Add(plan)
	}
	f.Fuzz(func(t *testing.T, plan []byte) {
		g := newTarget(t)
		for i := 0; len(plan) > 2 && i < 8; i++ {
			n := min(int(binary.BigEndian.Uint16(plan)), len(plan)-2)
			data := g.answering(plan[2:2+n], i == 0)
			plan = plan[2+n:]
			g.take(data)
		}
		g.wait()
	})
}
