package oakley

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// A trace is a recorded session of two strongSwan daemons with every
// intermediate value that both logged. The test plays the packets through this
// package, knowing only the Diffie-Hellman secrets, and must arrive at each.

type trace struct {
	PSK     string
	Packets []struct{ From, Hex string }

	Initiator []logged `json:"initiator_values"`
	Responder []logged `json:"responder_values"`
}

type logged struct{ Name, Hex string }

// Payload and exchange types used below, RFC 2408 section 3.1.
const (
	payloadSA    = 1
	payloadKE    = 4
	payloadID    = 5
	payloadHash  = 8
	payloadNonce = 10
	payloadSKF   = 132 // IKE fragment, proprietary

	exchangeInformational = 5
	exchangeTransaction   = 6
	exchangeQuick         = 32
)

type message struct {
	ckyI, ckyR     [8]byte
	next, exchange byte
	encrypted      bool
	msgid          uint32
	body           []byte // after the header
}

type payload struct {
	kind byte
	body []byte
	rest []byte // all that follows this payload, cut behind the last one
}

func parseMessage(t *testing.T, b []byte) message {
	t.Helper()
	if len(b) < 28 || int(binary.BigEndian.Uint32(b[24:])) != len(b) {
		t.Fatalf("bad ISAKMP header in %x", b)
	}
	return message{[8]byte(b), [8]byte(b[8:]), b[16], b[18], b[19]&1 != 0, binary.BigEndian.Uint32(b[20:]), b[28:]}
}

func payloadsOf(t *testing.T, next byte, body []byte) []payload {
	t.Helper()
	type span struct {
		kind       byte
		start, end int
	}
	var spans []span
	at := 0
	for next != 0 {
		if at+4 > len(body) || at+int(binary.BigEndian.Uint16(body[at+2:])) > len(body) || body[at+2]|body[at+3] == 0 {
			t.Fatalf("bad payload chain: decrypted with a wrong key or IV? %x", body)
		}
		end := at + int(binary.BigEndian.Uint16(body[at+2:]))
		spans = append(spans, span{next, at + 4, end})
		next, at = body[at], end
	}
	var out []payload
	for _, s := range spans {
		out = append(out, payload{s.kind, body[s.start:s.end], body[s.end:at]})
	}
	return out
}

func first(t *testing.T, payloads []payload, kind byte) []byte {
	t.Helper()
	for _, p := range payloads {
		if p.kind == kind {
			return p.body
		}
	}
	t.Fatalf("no payload of type %d", kind)
	return nil
}

func has(payloads []payload, kind byte) bool {
	return slices.ContainsFunc(payloads, func(p payload) bool { return p.kind == kind })
}

// chosenTransform reads the phase 1 algorithms from the responder's SA payload.
func chosenTransform(t *testing.T, sa []byte) (c Cipher, bits uint16, h Hash, method uint16) {
	t.Helper()
	attributes := sa[8+8+8:] // DOI and situation, proposal header (no SPI), transform header
	for ; len(attributes) >= 4; attributes = attributes[4:] {
		kind, value := binary.BigEndian.Uint16(attributes), binary.BigEndian.Uint16(attributes[2:])
		switch kind {
		case 0x8001:
			c = Cipher(value)
		case 0x800e:
			bits = value
		case 0x8002:
			h = Hash(value)
		case 0x8003:
			method = value
		case 0x000c: // a life duration in four octets
			attributes = attributes[4:]
		}
	}
	return c, bits, h, method
}

// player is one trace in progress.
type player struct {
	t      *testing.T
	seen   map[string][]string // what we computed, by the names of the log
	method uint16
	cipher Cipher
	hash   Hash
	bits   uint16

	ke, nonce, id map[string][]byte // by side, "a" the initiator
	saiB          []byte
	ckyI, ckyR    [8]byte
	keys          Keys
	cbc           *CBC
	iv            []byte            // phase 1
	ivs           map[uint32][]byte // of the other exchanges
	quick         map[uint32]*quickMode
}

type quickMode struct {
	step   int
	nonces [2][]byte
	sa     [2][]byte
	pfs    bool
}

func (p *player) saw(name string, value []byte) {
	p.seen[name] = append(p.seen[name], hex.EncodeToString(value))
}

func TestTracesOfStrongSwanAreReproduced(t *testing.T) {
	files, err := filepath.Glob("../testdata/ikev1-traces/*.json")
	if err != nil || len(files) != 14 {
		t.Fatalf("%d traces: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var tr trace
			if err := json.Unmarshal(text, &tr); err != nil {
				t.Fatal(err)
			}
			p := &player{
				t: t, seen: map[string][]string{}, ivs: map[uint32][]byte{}, quick: map[uint32]*quickMode{},
				ke: map[string][]byte{}, nonce: map[string][]byte{}, id: map[string][]byte{},
			}
			p.play(tr)
			p.compare(slices.Concat(tr.Initiator, tr.Responder))
		})
	}
}

func (p *player) play(tr trace) {
	var fragments []byte
	for i, packet := range tr.Packets {
		b := unhex(p.t, packet.Hex)
		b = bytes.TrimPrefix(b, make([]byte, 4)) // RFC 3948 non-ESP marker
		if len(b) < 28 {
			continue // NAT keepalive
		}
		m := parseMessage(p.t, b)
		if m.next == payloadSKF {
			fragments = append(fragments, m.body[8:]...)
			if m.body[7]&1 == 0 { // not the last
				continue
			}
			m, fragments = parseMessage(p.t, fragments), nil
		}
		p.packet(i, m, packet.From, tr)
	}
}

func (p *player) packet(i int, m message, from string, tr trace) {
	body := m.body
	if m.encrypted {
		body = p.decrypt(i, m)
	}
	payloads := payloadsOf(p.t, m.next, body)
	switch m.exchange {
	case exchangeQuick:
		p.quickMode(i, m, payloads, tr)
	case exchangeTransaction, exchangeInformational:
		p.wantHash(i, payloads, Hash1(p.hash, p.keys.A, m.msgid, payloads[0].rest), "Hash")
	default:
		p.phase1(m, payloads, from, tr)
	}
}

func (p *player) decrypt(i int, m message) []byte {
	iv := p.iv
	if m.msgid != 0 {
		var ok bool
		if iv, ok = p.ivs[m.msgid]; !ok {
			iv = Phase2IV(p.hash, p.cipher, p.iv, m.msgid)
			p.saw("next IV", iv)
		}
	}
	plain, next, err := p.cbc.Decrypt(iv, m.body)
	if err != nil {
		p.t.Fatalf("packet %d: %v", i, err)
	}
	back, backNext := p.cbc.Encrypt(iv, plain)
	if !bytes.Equal(back, m.body) || !bytes.Equal(backNext, next) {
		p.t.Errorf("packet %d: encrypting again gives other octets", i)
	}
	if m.exchange != exchangeInformational { // of one message: no next IV is logged
		p.saw("next IV", next)
	}
	if m.msgid == 0 {
		p.iv = next
	} else {
		p.ivs[m.msgid] = next
	}
	return plain
}

func (p *player) phase1(m message, payloads []payload, from string, tr trace) {
	if has(payloads, payloadSA) {
		sa := first(p.t, payloads, payloadSA)
		if from == "a" {
			p.saiB = sa
		} else {
			p.cipher, p.bits, p.hash, p.method = chosenTransform(p.t, sa)
		}
	}
	for kind, into := range map[byte]map[string][]byte{payloadKE: p.ke, payloadNonce: p.nonce, payloadID: p.id} {
		if has(payloads, kind) {
			into[from] = first(p.t, payloads, kind)
		}
	}
	if p.cbc == nil && p.ke["b"] != nil {
		p.ckyI, p.ckyR = m.ckyI, m.ckyR
		p.deriveKeys(tr)
	}
	p.proof(payloads, from)
}

func (p *player) deriveKeys(tr trace) {
	gxy := unhex(p.t, value(p.t, tr.Responder, "shared Diffie Hellman secret"))
	skeyid := SKEYIDFromSignature(p.hash, p.nonce["a"], p.nonce["b"], gxy)
	if p.method == 1 || p.method == 65001 { // PSK, XAuth with PSK
		skeyid = SKEYIDFromPSK(p.hash, []byte(tr.PSK), p.nonce["a"], p.nonce["b"])
	}
	p.keys = DeriveKeys(p.hash, skeyid, gxy, p.ckyI, p.ckyR)
	octets, err := p.cipher.KeyLen(p.bits)
	if err != nil {
		p.t.Fatal(err)
	}
	ka := CipherKey(p.hash, p.keys.E, octets)
	if p.cbc, err = NewCBC(p.cipher, ka); err != nil {
		p.t.Fatal(err)
	}
	p.iv = Phase1IV(p.hash, p.cipher, p.ke["a"], p.ke["b"])

	p.saw("shared Diffie Hellman secret", gxy)
	for name, key := range map[string]secret.Bytes{
		"SKEYID": p.keys.SKEYID, "SKEYID_d": p.keys.D, "SKEYID_a": p.keys.A, "SKEYID_e": p.keys.E, "encryption key Ka": ka,
	} {
		p.saw(name, key.Reveal())
	}
	p.saw("initial IV", p.iv)
}

// proof computes HASH_I or HASH_R once the side's identity is known, and checks
// the hash payload of the methods that send one instead of a signature.
func (p *player) proof(payloads []payload, from string) {
	id := p.id[from]
	if id == nil || p.cbc == nil || p.seen["HASH_"+from] != nil {
		return
	}
	prove := HashI
	if from == "b" {
		prove = HashR
	}
	hash := prove(p.hash, p.keys.SKEYID, p.ke["a"], p.ke["b"], p.ckyI, p.ckyR, p.saiB, id)
	if has(payloads, payloadHash) && !Equal(hash, first(p.t, payloads, payloadHash)) {
		p.t.Errorf("the hash of side %s is not what we compute", from)
	}
	p.saw("HASH_"+from, hash)
}

func (p *player) wantHash(i int, payloads []payload, want []byte, name string) {
	if payloads[0].kind != payloadHash || !Equal(payloads[0].body, want) {
		p.t.Errorf("packet %d: %s is not what we compute", i, name)
	}
	p.saw(name, want)
}

func (p *player) quickMode(i int, m message, payloads []payload, tr trace) {
	q := p.quick[m.msgid]
	if q == nil {
		q = &quickMode{}
		p.quick[m.msgid] = q
	}
	rest := payloads[0].rest
	switch q.step {
	case 0:
		p.wantHash(i, payloads, Hash1(p.hash, p.keys.A, m.msgid, rest), "Hash(1)")
	case 1:
		p.wantHash(i, payloads, Hash2(p.hash, p.keys.A, m.msgid, q.nonces[0], rest), "Hash(2)")
		q.pfs = has(payloads, payloadKE)
	case 2:
		p.wantHash(i, payloads, Hash3(p.hash, p.keys.A, m.msgid, q.nonces[0], q.nonces[1]), "Hash(3)")
		p.childKeys(q, tr)
		return
	}
	q.nonces[q.step], q.sa[q.step] = first(p.t, payloads, payloadNonce), first(p.t, payloads, payloadSA)
	q.step++
}

// childKeys: the key for what the initiator sends is that of the SPI which the
// responder, its receiver, put into its SA payload.
func (p *player) childKeys(q *quickMode, tr trace) {
	var gxy []byte
	if q.pfs {
		gxy = unhex(p.t, value(p.t, tr.Responder, "DH secret"))
		p.saw("DH secret", gxy)
	}
	for side, receiver := range map[string][]byte{"initiator": q.sa[1], "responder": q.sa[0]} {
		protocol, spi := receiver[8+5], receiver[8+8:][:receiver[8+6]]
		encryption := len(value(p.t, tr.Responder, "encryption "+side+" key")) / 2
		octets := encryption
		if integrity, ok := lookup(tr.Responder, "integrity "+side+" key"); ok {
			octets += len(integrity) / 2
		}
		keymat := KEYMAT(p.hash, p.keys.D, gxy, protocol, spi, q.nonces[0], q.nonces[1], octets).Reveal()
		p.saw("encryption "+side+" key", keymat[:encryption])
		if octets > encryption {
			p.saw("integrity "+side+" key", keymat[encryption:])
		}
	}
}

// compare demands that each value either side logged was computed under its
// name, and that none was computed which neither logged.
func (p *player) compare(log []logged) {
	want := map[string][]string{}
	var chunk []byte
	for _, v := range log {
		name := v.Name
		switch {
		case name == "natd_chunk": // CKY-I | CKY-R | address | port, RFC 3947 section 3.2
			chunk = unhex(p.t, v.Hex)
			continue
		case name == "natd_hash":
			if got := hex.EncodeToString(p.hash.Sum(chunk)); got != v.Hex {
				p.t.Errorf("natd_hash %s, logged %s", got, v.Hex)
			}
			continue
		case name == "" || strings.HasSuffix(name, "_hash") || strings.HasSuffix(name, " data") || strings.HasSuffix(name, " seed"):
			continue // events, comparisons of natd_hash, inputs that the outputs prove
		case strings.HasPrefix(name, "next IV for MID"):
			name = "next IV"
		case name == "HASH_I":
			name = "HASH_a"
		case name == "HASH_R":
			name = "HASH_b"
		}
		want[name] = append(want[name], v.Hex)
	}
	if diff := cmp.Diff(sortedSets(want), sortedSets(p.seen)); diff != "" {
		p.t.Errorf("-logged +computed:\n%s", diff)
	}
}

// sortedSets: a value is logged by each side that meets it, by some twice.
func sortedSets(values map[string][]string) map[string][]string {
	out := map[string][]string{}
	for name, v := range values {
		out[name] = slices.Compact(slices.Sorted(slices.Values(v)))
	}
	return out
}

func lookup(log []logged, name string) (string, bool) {
	for _, v := range log {
		if v.Name == name {
			return v.Hex, true
		}
	}
	return "", false
}

func value(t *testing.T, log []logged, name string) string {
	t.Helper()
	v, ok := lookup(log, name)
	if !ok {
		t.Fatalf("the trace logs no %q", name)
	}
	return v
}
