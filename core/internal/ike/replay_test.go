package ike

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/oakley"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// TestReplayOfRecordedSessions lets a machine take one part of a session that two
// strongSwan daemons had, as responder and as initiator. Cookies, nonces, public
// values, the secret g^xy, message IDs and SPIs are those recorded; every payload
// that follows from them must come out octet for octet, and so must the keys.
//
// strongSwan's filler and its vendor IDs, NAT-D and notifies differ from ours. So
// behind each message of ours the IV becomes that of the recorded one.
func TestReplayOfRecordedSessions(t *testing.T) {
	for _, tt := range recordedSessions {
		for _, me := range []role{responder, initiator} {
			t.Run(tt.trace+" as "+map[role]string{responder: "responder", initiator: "initiator"}[me], func(t *testing.T) {
				tt.replay(t, me).run()
			})
		}
	}
}

// session is a recorded session, and how its two ends were configured.
type session struct {
	trace     string
	proposal  policy.Phase1Proposal
	encr      policy.Algorithm
	auth      uint16
	pfs       oakley.Group
	transport bool
	mode      policy.ExchangeMode
}

var recordedSessions = []session{
	{"main-psk-aes128-sha256-modp2048", p1(oakley.AES, 128, oakley.SHA256, oakley.MODP2048), policy.Algorithm{ID: isakmp.ESPAESCBC, KeyBits: 128}, 5, 0, false, policy.Main},
	{"main-psk-3des-sha1-modp1024", p1(oakley.TripleDES, 0, oakley.SHA1, oakley.MODP1024), policy.Algorithm{ID: isakmp.ESP3DES}, 2, 0, false, policy.Main},
	{"main-psk-aes192-md5-modp1536", p1(oakley.AES, 192, oakley.MD5, oakley.MODP1536), policy.Algorithm{ID: isakmp.ESPAESCBC, KeyBits: 192}, 1, 0, false, policy.Main},
	{"main-psk-pfs-aes256-sha512-modp4096", p1(oakley.AES, 256, oakley.SHA512, oakley.MODP4096), policy.Algorithm{ID: isakmp.ESPAESCBC, KeyBits: 256}, 7, oakley.MODP2048, false, policy.Main},
	{"main-psk-transport", p1(oakley.AES, 128, oakley.SHA1, oakley.MODP2048), policy.Algorithm{ID: isakmp.ESPAESCBC, KeyBits: 128}, 2, 0, true, policy.Main},
	{"aggr-psk-aes128-sha1-modp1024", p1(oakley.AES, 128, oakley.SHA1, oakley.MODP1024), policy.Algorithm{ID: isakmp.ESPAESCBC, KeyBits: 128}, 2, 0, false, policy.Aggressive},
	{"natt-main-psk", p1(oakley.AES, 128, oakley.SHA256, oakley.MODP2048), policy.Algorithm{ID: isakmp.ESPAESCBC, KeyBits: 128}, 5, 0, false, policy.Main},
}

func (s session) replay(t *testing.T, me role) *replay {
	r := newReplay(t, s.trace, me)
	r.cfg.SAInfos = []*policy.SAInfo{{PFSGroup: uint16(s.pfs), Lifetime: time.Hour, Encryption: []policy.Algorithm{s.encr}, Auth: []policy.Algorithm{{ID: s.auth}}}}
	r.cfg.Remotes[0].Proposals = []policy.Phase1Proposal{s.proposal}
	r.cfg.Remotes[0].Modes = []policy.ExchangeMode{s.mode}
	r.transport = s.transport
	if r.natt = strings.HasPrefix(s.trace, "natt-"); r.natt {
		r.cfg.Remotes[0].NATTraversal = policy.On
	}
	return r
}

func p1(c oakley.Cipher, bits uint16, h oakley.Hash, g oakley.Group) policy.Phase1Proposal {
	return policy.Phase1Proposal{Encryption: uint16(c), KeyBits: bits, Hash: uint16(h), Method: 1, Group: uint16(g), Lifetime: 4 * time.Hour}
}

// recorded is one message of the session, opened.
type recorded struct {
	from     role
	data     []byte
	port     uint16 // at both ends
	h        isakmp.Header
	payloads []isakmp.Payload
	iv       []byte // it was sealed with
}

func (m recorded) body(t isakmp.PayloadType) []byte {
	for _, p := range m.payloads {
		if p.Type == t {
			return p.Body
		}
	}
	return nil
}

type replay struct {
	t         *testing.T
	me        role
	cfg       *policy.Config
	transport bool
	natt      bool
	psk       string
	values    map[string][][]byte // logged by our side, in order
	messages  []recorded
	cbc       *oakley.CBC

	p          *Peer
	now        time.Time
	sent       []Send
	sa         *ISAKMPSA
	quick      uint32   // message ID of the quick mode that succeeds
	ids        []uint32 // of the exchanges we begin
	nonces, dh int      // so far
	sas        []KernelSA
	gone       int // SAs removed
}

func newReplay(t *testing.T, name string, me role) *replay {
	data, err := os.ReadFile("../testdata/ikev1-traces/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var trace struct {
		PSK     string
		Packets []struct {
			From, Hex    string
			Sport, Dport uint16
		}
		I []struct{ Name, Hex string } `json:"initiator_values"`
		R []struct{ Name, Hex string } `json:"responder_values"`
	}
	if err := json.Unmarshal(data, &trace); err != nil {
		t.Fatal(err)
	}
	names := map[role]string{initiator: "a.example", responder: "b.example"}
	r := &replay{t: t, me: me, psk: trace.PSK, values: map[string][][]byte{}, now: time.Unix(1e9, 0)}
	r.cfg = &policy.Config{Timer: policy.DefaultTimer(), Remotes: []*policy.Remote{{Name: "peer", Addr: addrOf(me.other()), NonceSize: 32,
		MyID: policy.Identity{Type: 2, Data: []byte(names[me])}, PeerIDs: []policy.Identity{{Type: 2, Data: []byte(names[me.other()])}},
		VerifyIdentifier: true, ProposalCheck: policy.Obey}}}
	for _, v := range map[role][]struct{ Name, Hex string }{initiator: trace.I, responder: trace.R}[me] {
		r.values[v.Name] = append(r.values[v.Name], unhex(t, v.Hex))
	}
	for _, p := range trace.Packets {
		from := responder
		if p.From == "a" {
			from = initiator
		}
		data := unhex(t, p.Hex)
		if p.Sport == 4500 {
			data = data[4:] // the marker
		}
		r.messages = append(r.messages, recorded{from: from, data: data, port: p.Sport})
	}
	return r
}

func unhex(t *testing.T, s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// path is the way between the two ends, by their port.
func (r *replay) path(port uint16) Path {
	return Path{Local: netip.AddrPortFrom(addrOf(r.me), port), Remote: netip.AddrPortFrom(addrOf(r.me.other()), port)}
}

func addrOf(r role) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(r)}) }

// open decrypts the recorded messages with the recorded keys.
func (r *replay) open() {
	prop := r.cfg.Remotes[0].Proposals[0]
	hash, cipher := oakley.Hash(prop.Hash), oakley.Cipher(prop.Encryption)
	var err error
	if r.cbc, err = oakley.NewCBC(cipher, secret.New(r.values["encryption key Ka"][0])); err != nil {
		r.t.Fatal(err)
	}
	ivs := map[uint32][]byte{0: r.values["initial IV"][0]}
	var lastBlock []byte
	for i := range r.messages {
		m := &r.messages[i]
		if m.h, err = isakmp.ParseHeader(m.data); err != nil {
			r.t.Fatal(err)
		}
		if m.h.Flags&isakmp.FlagEncryption == 0 {
			_, m.payloads, err = isakmp.ParseMessage(m.data)
		} else {
			if m.iv = ivs[m.h.MessageID]; m.iv == nil {
				m.iv = oakley.Phase2IV(hash, cipher, lastBlock, m.h.MessageID)
			}
			m.payloads, ivs[m.h.MessageID], err = r.unseal(m.h, m.iv, m.data)
			if m.h.MessageID == 0 {
				lastBlock = ivs[0]
			}
			if n := slices.ContainsFunc(r.messages[:i], func(o recorded) bool { return o.from != m.from && o.h.MessageID == m.h.MessageID }); n && m.h.Exchange == isakmp.QuickMode {
				r.quick = m.h.MessageID
			}
		}
		if err != nil {
			r.t.Fatalf("message %d: %v", i+1, err)
		}
	}
	for i, m := range r.messages {
		begins := m.h.Exchange == isakmp.Informational || m.h.MessageID == r.quick && m.body(SA) != nil && r.me == initiator
		if m.from == r.me && m.h.MessageID != 0 && begins && !r.skips(m) && r.messages[i-1].h.MessageID != m.h.MessageID {
			r.ids = append(r.ids, m.h.MessageID)
		}
	}
}

// skips is true of the quick mode that was to fail, which our initiator does not try.
func (r *replay) skips(m recorded) bool {
	return r.me == initiator && (m.h.Exchange == isakmp.Informational && m.from != r.me ||
		m.h.Exchange == isakmp.QuickMode && m.h.MessageID != r.quick)
}

func (r *replay) unseal(h isakmp.Header, iv, data []byte) ([]isakmp.Payload, []byte, error) {
	plain, next, err := r.cbc.Decrypt(iv, data[isakmp.HeaderLen:])
	if err != nil {
		return nil, nil, err
	}
	ps, _, err := isakmp.ParseChain(h.Next, plain)
	return ps, next, err
}

// mine finds our recorded message number n, from 1, of an exchange.
func (r *replay) mine(msgID uint32, n int) recorded {
	for _, m := range r.messages {
		if m.from == r.me && m.h.MessageID == msgID {
			if n--; n == 0 {
				return m
			}
		}
	}
	r.t.Fatalf("no message %d of ours in exchange %08x", n, msgID)
	return recorded{}
}

// said is the payload of one type of ours in an exchange.
func (r *replay) said(msgID uint32, t isakmp.PayloadType) []byte {
	for n := 1; ; n++ {
		if b := r.mine(msgID, n).body(t); b != nil {
			return b
		}
	}
}

// rand hands out what was drawn in the session, told apart by size.
func (r *replay) rand(b []byte) {
	switch len(b) {
	case 8:
		copy(b, r.messages[0].h.CkyI[:])
	case 4:
		if len(r.ids) == 0 {
			r.t.Fatal("more exchanges of ours than were recorded")
		}
		binary.BigEndian.PutUint32(b, r.ids[0])
		r.ids = r.ids[1:]
	case 32:
		id := uint32(0)
		if r.nonces++; r.nonces > 1 {
			id = r.quick
		}
		copy(b, r.said(id, NONCE))
	}
}

// begin makes the machine, and has an initiator's begin.
func (r *replay) begin() Path {
	r.open()
	path := r.path(500)
	r.p = New(Setup{Config: policy.NewCommon(r.cfg), Remotes: r.cfg.Remotes, Path: path, Rand: r.rand, Stranger: r.me == responder,
		NAT:    NATPorts{4500, 4500},
		Cookie: func(Path, isakmp.Cookie) isakmp.Cookie { return r.messages[1].h.CkyR }})
	if r.me == initiator {
		r.step(Establish{})
		// Our offer says the same in other words, which HASH_I covers.
		x := r.p.exchanges[0]
		x.p1.saiB = r.messages[0].body(SA)
	}
	return path
}

func (r *replay) run() {
	path, remote := r.begin(), r.cfg.Remotes[0]
	for i, m := range r.messages {
		if r.skips(m) {
			continue
		}
		if m.from == r.me.other() {
			r.step(Datagram{Path: r.path(m.port), Data: m.data})
			if r.p.gone { // a stranger that has become a peer
				r.p = New(Setup{Config: policy.NewCommon(r.cfg), Remotes: []*policy.Remote{remote}, Path: path, Rand: r.rand})
				r.step(Adopt{r.sa})
			}
			continue
		}
		if r.me == initiator && len(r.sent) == 0 {
			switch m.h.Exchange {
			case isakmp.QuickMode:
				r.step(Acquire{Pair: r.policy(), Src: addrOf(r.me), Dst: addrOf(r.me.other())})
			case isakmp.Informational:
				r.step(Delete{All: true, ISAKMP: true})
			}
		}
		r.compare(i, m)
	}
	if r.sa == nil || len(r.p.sas) != 0 || len(r.p.pairs) != 0 || len(r.p.exchanges) > 1 {
		r.t.Errorf("left behind the deletes: %+v", r.p.Status(r.now))
	}
	r.checkKeys()
}

// TestMessage3OfAggressiveModeMayBeInClear, as the original racoon sends it: later IVs
// then start from the first one, and a notify beside it, which nothing protects, has
// no say.
func TestMessage3OfAggressiveModeMayBeInClear(t *testing.T) {
	s := recordedSessions[slices.IndexFunc(recordedSessions, func(s session) bool { return s.mode == policy.Aggressive })]
	for name, spoil := range map[string]byte{"that verifies": 0, "that does not": 1} {
		t.Run("a HASH_I "+name, func(t *testing.T) {
			r := s.replay(t, responder)
			path := r.begin()
			r.step(Datagram{Path: path, Data: r.messages[0].data})
			third := r.messages[2]
			third.h.Flags = 0
			hash := slices.Clone(third.body(isakmp.PayloadHASH))
			hash[0] ^= spoil
			contact := isakmp.Notify{DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtoISAKMP, Type: isakmp.NotifyInitialContact}
			r.step(Datagram{Path: path, Data: isakmp.AppendMessage(nil, third.h, []isakmp.Payload{{Type: AUTH, Body: hash}, {Type: N, Body: contact.Append(nil)}})})
			switch {
			case spoil != 0:
				if r.sa != nil || len(r.p.exchanges) != 1 {
					t.Error("it is taken, or ends the exchange")
				}
			case r.sa == nil:
				t.Fatal("there is no ISAKMP SA")
			case !bytes.Equal(r.sa.lastBlock, r.values["initial IV"][0]) || r.sa.initialContact:
				t.Errorf("later IVs start from %x, not %x; initial contact %v", r.sa.lastBlock, r.values["initial IV"][0], r.sa.initialContact)
			}
		})
	}
}

// compare holds the next message of ours against the recorded one.
func (r *replay) compare(i int, want recorded) {
	r.t.Helper()
	if len(r.sent) == 0 {
		r.t.Fatalf("message %d: nothing was sent", i+1)
	}
	data := r.sent[0].Data
	if at := r.sent[0].Path; at != r.path(want.port) {
		r.t.Errorf("message %d goes over %v, recorded port %d", i+1, at, want.port)
	}
	r.sent = r.sent[1:]
	h, err := isakmp.ParseHeader(data)
	if err != nil {
		r.t.Fatal(err)
	}
	if h.CkyI != want.h.CkyI || h.CkyR != want.h.CkyR || h.Exchange != want.h.Exchange || h.Flags != want.h.Flags || h.MessageID != want.h.MessageID || h.Next != want.h.Next {
		r.t.Errorf("message %d: header %v, recorded %v", i+1, h, want.h)
	}
	var ps []isakmp.Payload
	if want.iv == nil {
		_, ps, err = isakmp.ParseMessage(data)
	} else {
		ps, _, err = r.unseal(h, want.iv, data)
	}
	if err != nil {
		r.t.Fatalf("message %d: %v", i+1, err)
	}
	for _, p := range want.payloads {
		r.comparePayload(i, want, p, ps)
	}
	r.inject(want)
}

func (r *replay) comparePayload(i int, want recorded, p isakmp.Payload, ps []isakmp.Payload) {
	r.t.Helper()
	switch {
	case p.Type == VID, p.Type == isakmp.PayloadNATD, p.Type == N && want.h.MessageID == 0:
		return // strongSwan's own
	case p.Type == SA && r.me == initiator, p.Type == isakmp.PayloadHASH && want.body(SA) != nil && r.me == initiator:
		return // our offer is written in other words
	case p.Type == ID && want.h.MessageID != 0 && r.transport && r.me == initiator:
		return // between two hosts we send none
	case p.Type == N:
		// strongSwan names no SPI of the quick mode it refuses.
		theirs, err := isakmp.ParseNotify(p.Body)
		if ours, _ := isakmp.ParseNotify(ps[len(ps)-1].Body); err != nil || ours.Type != theirs.Type {
			r.t.Errorf("message %d: notify %v, recorded %v", i+1, ours, theirs)
		}
		return
	case p.Type == isakmp.PayloadHASH && want.h.MessageID != 0 && want.body(N) != nil:
		return
	}
	for _, q := range ps {
		if q.Type != p.Type || bytes.Equal(q.Body, p.Body) {
			continue
		}
		if slices.ContainsFunc(ps, func(o isakmp.Payload) bool { return o.Type == p.Type && bytes.Equal(o.Body, p.Body) }) {
			continue // of two IDs the other one
		}
		r.t.Errorf("message %d: %v differs (-recorded +ours):\n%s", i+1, p.Type, cmp.Diff(hex.EncodeToString(p.Body), hex.EncodeToString(q.Body)))
	}
	if !slices.ContainsFunc(ps, func(q isakmp.Payload) bool { return q.Type == p.Type }) {
		r.t.Errorf("message %d: no %v payload", i+1, p.Type)
	}
}

// inject makes the IV what it would be had we sent the recorded octets.
func (r *replay) inject(m recorded) {
	if m.iv == nil {
		return
	}
	last := m.data[len(m.data)-len(m.iv):]
	if m.h.MessageID == 0 && r.sa != nil { // the last of phase 1
		r.sa.lastBlock = last
	}
	for _, x := range r.p.exchanges {
		if x.msgID == m.h.MessageID {
			x.iv = last
		}
	}
}

func (r *replay) step(ev Event) {
	for _, act := range r.p.Step(r.now, ev) {
		switch act := act.(type) {
		case Send:
			r.sent = append(r.sent, act)
		case Handover:
			r.sa = act.SA
		case Notice:
			r.t.Logf("%v %v %s", act.Event, act.Reason, act.Detail)
		case Call:
			v, err := r.answer(act.Req)
			r.step(Reply{act.ID, v, err})
		}
	}
	if len(r.p.sas) > 0 {
		r.sa = r.p.sas[0]
	}
}

func (r *replay) answer(req Request) (any, error) {
	switch req := req.(type) {
	case DHGenerate:
		id := r.quick
		if r.dh == 0 {
			id = 0
		}
		return oakley.KeyPair{Group: req.Group, Public: r.said(id, KE)}, nil
	case DHShared:
		name := "shared Diffie Hellman secret"
		if r.dh++; r.dh == 2 {
			name = "DH secret"
		}
		if !slices.ContainsFunc(r.messages, func(m recorded) bool { return m.from != r.me && bytes.Equal(m.body(KE), req.PeerPublic) }) {
			r.t.Error("g^xy is asked for with another public value than the peer's")
		}
		return secret.New(slices.Clone(r.values[name][0])), nil
	case DeriveSKEYIDs:
		return []SKEYIDCandidate{{SKEYID: oakley.SKEYIDFromPSK(req.PRF, []byte(r.psk), req.Ni, req.Nr)}}, nil
	case AllocateSPIs:
		sa, err := isakmp.ParseSA(r.mine(r.quick, 1).body(SA))
		if err != nil {
			r.t.Fatal(err)
		}
		spi := sa.Proposals[0].SPI
		return []uint32{uint32(spi[0])<<24 | uint32(spi[1])<<16 | uint32(spi[2])<<8 | uint32(spi[3])}, nil
	case MatchPolicy:
		if req.Selector != r.policy().Selector() {
			return nil, &NoPolicyError{Selector: req.Selector}
		}
		return r.policy(), nil
	case Apply:
		for _, op := range req.Ops {
			if op.Kind == DeleteSA {
				r.gone++
				continue
			}
			op.SA.EncrKey, op.SA.AuthKey = secret.New(slices.Clone(op.SA.EncrKey.Reveal())), secret.New(slices.Clone(op.SA.AuthKey.Reveal()))
			r.sas = append(r.sas, op.SA)
		}
	}
	return nil, nil
}

// policy is what the session's configuration protects.
func (r *replay) policy() spd.Pair {
	net := func(o role) netip.Prefix {
		if r.transport {
			return netip.PrefixFrom(addrOf(o), 32)
		}
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(o), 0, 0}), 16)
	}
	tmpl := spd.Template{Proto: 50, Mode: spd.Tunnel, Src: addrOf(r.me), Dst: addrOf(r.me.other())}
	if r.transport {
		tmpl.Mode = spd.Transport
	}
	return spd.Pair{Out: spd.Policy{Key: spd.Key{Dir: spd.Out, Src: net(r.me), Dst: net(r.me.other())}, Action: spd.IPsec, Templates: []spd.Template{tmpl}}}
}

// checkKeys compares KEYMAT with what was logged. The initiator's key is that of
// the SA the initiator sends with.
func (r *replay) checkKeys() {
	if len(r.sas) != 2 || r.gone != 2 {
		r.t.Fatalf("%d SAs installed, %d removed, want 2 and 2", len(r.sas), r.gone)
	}
	for _, sa := range r.sas {
		if want := (&Encap{SrcPort: 4500, DstPort: 4500}); r.natt != (sa.Encap != nil) || r.natt && *sa.Encap != *want {
			r.t.Errorf("an SA is wrapped as %+v", sa.Encap)
		}
		by := "responder"
		if (sa.Dir == spd.Out) == (r.me == initiator) {
			by = "initiator"
		}
		encr, auth := r.values["encryption "+by+" key"][0], r.values["integrity "+by+" key"][0]
		if !bytes.Equal(sa.EncrKey.Reveal(), encr) || !bytes.Equal(sa.AuthKey.Reveal(), auth) {
			r.t.Errorf("KEYMAT of the SA the %s sends with is not the recorded one", by)
		}
	}
}
