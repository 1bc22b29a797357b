package pfkey

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"os"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// others is a process that is not ours.
const others = 4711

// by is an instance that has caused what process pid did.
func by(pid uint32) func(*received) bool { return func(m *received) bool { return m.pid == pid } }

// heard is what a message means to a process that did not send it.
func heard(t *testing.T, s System, m []byte) kernel.Event {
	t.Helper()
	native.PutUint32(m[hdrPID:], others)
	r, err := s.parse(m)
	if err != nil {
		t.Fatal(err)
	}
	ev, err := r.event(by(1), 0)
	if err != nil {
		t.Fatal(err)
	}
	return ev
}

var ofEvents = cmp.Options{cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{}, netip.Prefix{}),
	cmp.Comparer(func(a, b secret.Bytes) bool { return bytes.Equal(a.Reveal(), b.Reveal()) })}

var (
	peer = netip.MustParseAddr("192.0.2.2")
	own  = netip.MustParseAddr("192.0.2.1")
)

// An acquire is as Linux and KAME send it: addresses, policy by index, proposal.
func acquireMessage(s System) []byte {
	m := s.message(msgAcquire, saTypeESP, 9)
	m.endpoints(own, peer)
	e := m.ext(extPolicy, sizePolicy)
	native.PutUint16(e[polType:], policyIPsec)
	e[polDir] = 2
	native.PutUint32(e[polID:], 0x101)
	p := m.ext(extProposal, sizeProposal+2*sizeComb)[sizeProposal:]
	aes, _ := s.Encr.own(12)
	sha, _ := s.Auth.own(2)
	p[combAuth], p[combEncrypt] = byte(sha), byte(aes)
	native.PutUint16(p[combEncryptMin:], 128)
	native.PutUint16(p[combEncryptMax:], 256)
	native.PutUint16(p[combAuthMin:], 160)
	native.PutUint16(p[combAuthMax:], 160)
	native.PutUint64(p[combHardAddtime:], 86400)
	p[sizeComb+combEncrypt] = 199 // nobody's
	return m.bytes()
}

func TestAnAcquireNamesItsPolicyAndWhatTheKernelWouldAccept(t *testing.T) {
	for _, s := range []System{linux(), freebsd(), netbsd(), darwin()} {
		got := heard(t, s, acquireMessage(s))
		want := kernel.Event{
			Kind: kernel.Acquire, AcquireSeq: 9,
			Key:    kernel.Key{Src: own, Dst: peer, Proto: protoESP},
			Policy: &kernel.Policy{Key: kernel.PolicyKey{Dir: kernel.Out, ID: 0x101}, Action: kernel.ActionIPsec},
			Proposals: []kernel.Proposal{{Proto: protoESP, Encr: 12, Auth: 2, EncrMinBits: 128, EncrBits: 256, AuthMinBits: 160, AuthBits: 160,
				Life: kernel.Lifetime{HardTime: 86400e9}}},
		}
		if d := cmp.Diff(want, got, ofEvents); d != "" {
			t.Errorf("%s: %s", s.Name, d)
		}
	}
}

func expireMessage(s System, limits ...uint16) []byte {
	m := s.message(msgExpire, saTypeESP, 0)
	big.PutUint32(m.ext(extSA, sizeSA)[saSPI:], 0x1000)
	m.ext(extLifetimeCurrent, sizeLifetime)
	for _, l := range limits {
		m.ext(l, sizeLifetime)
	}
	m.endpoints(peer, own)
	return m.bytes()
}

func TestAnExpireIsSoftOrHard(t *testing.T) {
	s := linux()
	key := kernel.Key{Src: peer, Dst: own, SPI: 0x1000, Proto: protoESP}
	for limit, kind := range map[uint16]kernel.EventKind{extLifetimeSoft: kernel.ExpireSoft, extLifetimeHard: kernel.ExpireHard} {
		if d := cmp.Diff(kernel.Event{Kind: kind, Key: key}, heard(t, s, expireMessage(s, limit)), ofEvents); d != "" {
			t.Error(d)
		}
	}
	for _, b := range [][]byte{expireMessage(s), expireMessage(s, extLifetimeSoft, extLifetimeHard)} {
		m, err := s.parse(b)
		if err != nil {
			t.Fatal(err)
		}
		if ev, err := m.event(by(1), 0); err == nil {
			t.Errorf("an expire that is neither or both is %+v", ev)
		}
	}
}

// The SA is named by source and SPI; the extension that says where the peer is now
// has the number of NAT_T_OAI elsewhere.
func mappingMessage(s System) []byte {
	m := s.message(23, saTypeESP, 1)
	big.PutUint32(m.ext(extSA, sizeSA)[saSPI:], 0x1000)
	m.address(extAddressSrc, netip.PrefixFrom(peer, 0), 0, 0)
	big.PutUint16(m.ext(21, sizeNATT)[nattPort:], 4500)
	m.address(extAddressDst, netip.MustParsePrefix("192.0.2.99/0"), 0, 0)
	big.PutUint16(m.ext(22, sizeNATT)[nattPort:], 30001)
	return m.bytes()
}

func TestANewMappingIsLinuxOnly(t *testing.T) {
	want := kernel.Event{
		Kind: kernel.Mapping, Key: kernel.Key{Src: peer, SPI: 0x1000, Proto: protoESP},
		NewRemote: netip.MustParseAddrPort("192.0.2.99:30001"),
	}
	if d := cmp.Diff(want, heard(t, linux(), mappingMessage(linux())), ofEvents); d != "" {
		t.Error(d)
	}
	for _, s := range []System{freebsd(), netbsd(), darwin()} { // there 23 is something else
		if ev := heard(t, s, mappingMessage(s)); ev.Kind != 0 {
			t.Errorf("%s: %+v", s.Name, ev)
		}
	}
}

func TestDeletionsOfSAsAreThoseOfOthers(t *testing.T) {
	s := linux()
	del, err := s.encodeSAID(msgDelete, espSA(0x1000).Key)
	if err != nil {
		t.Fatal(err)
	}
	all := s.message(msgDelete, saTypeESP, 1)
	all.endpoints(peer, own)
	flush := s.message(msgFlush, 0, 1).bytes()
	for _, tt := range []struct {
		name string
		b    []byte
		want kernel.Event
	}{
		{"one", del, kernel.Event{Kind: kernel.SADeleted, Key: espSA(0x1000).Key}},
		{"all between two addresses", all.bytes(), kernel.Event{Kind: kernel.SAFlushed}},
		{"all", flush, kernel.Event{Kind: kernel.SAFlushed}},
	} {
		if d := cmp.Diff(tt.want, heard(t, s, tt.b), ofEvents); d != "" {
			t.Errorf("%s: %s", tt.name, d)
		}
		m, err := s.parse(tt.b)
		if err != nil {
			t.Fatal(err)
		}
		if ev, err := m.event(by(others), 0); err != nil || ev.Kind != 0 {
			t.Errorf("%s, by ourselves: %+v, %v", tt.name, ev, err)
		}
	}
}

// Linux tells everybody a new SA with its keys, KAME without. An event has none, and
// comes to who asks, whoever has made the SA.
func TestSAsThatWereMadeAreToldToWhoAsks(t *testing.T) {
	asked := kernel.MaskOf(kernel.SAAdded, kernel.SAUpdated)
	for _, s := range []System{linux(), freebsd(), netbsd(), darwin()} {
		for name, tt := range map[string]struct {
			kind kernel.EventKind
			dir  kernel.Direction
		}{"add-esp-tunnel4": {kernel.SAAdded, kernel.Out}, "update-esp-tunnel4": {kernel.SAUpdated, kernel.In}} {
			m, err := s.parse(structure(t, s, name))
			if err != nil {
				t.Fatal(err)
			}
			if s.Name != "linux" {
				delete(m.ext, extKeyAuth)
				delete(m.ext, extKeyEncrypt)
			}
			if ev, err := m.event(by(1), 0); err != nil || ev.Kind != 0 {
				t.Errorf("%s: %s to who did not ask: %+v, %v", s.Name, name, ev, err)
			}
			want := *structSA(tt.dir, kernel.ModeTunnel)
			want.Encr, want.Auth = &kernel.AlgKey{ID: 12}, &kernel.AlgKey{ID: 5, Trunc: map[bool]uint16{true: 96, false: 128}[s.Name == "linux"]}
			want.Seq, want.Dir, want.State, want.ReplayWindow = 0, 0, kernel.Mature, 32
			for _, by := range []func(*received) bool{by(1), by(m.pid)} {
				ev, err := m.event(by, asked)
				if d := cmp.Diff(kernel.Event{Kind: tt.kind, Key: want.Key, SA: &want}, ev, ofEvents); d != "" || err != nil {
					t.Errorf("%s: %s: %v %s", s.Name, name, err, d)
				}
			}
		}
	}
}

// FreeBSD sends the request of a move to everybody: the SA is where it is now.
func TestAnSAThatHasMovedIsToldWhereItIs(t *testing.T) {
	s := freebsd()
	m, err := s.parse(structure(t, s, "move-natt-tunnel4"))
	if err != nil {
		t.Fatal(err)
	}
	key := structSA(kernel.Out, kernel.ModeTunnel).Key
	key.Dst = elsewhere
	ev, err := m.event(by(1), kernel.MaskOf(kernel.SAUpdated))
	if err != nil || ev.Kind != kernel.SAUpdated || ev.Key != key || ev.SA.Key != key || ev.SA.Encap == nil || ev.SA.Encap.DstPort != 30002 {
		t.Errorf("%+v %+v, %v", ev, ev.SA, err)
	}
}

// Two instances may be one process.
func TestAnInstanceKnowsWhatItDidByItsNumbers(t *testing.T) {
	s := linux()
	a, b := newConn(&s, nil), newConn(&s, nil)
	a.name, b.name = ownSeq|1<<16, ownSeq|2<<16
	m := &received{sys: &s, pid: a.pid, seq: a.name | 7}
	if !a.sent(m) || b.sent(m) {
		t.Errorf("number %#x: a %v, b %v", m.seq, a.sent(m), b.sent(m))
	}
	m.pid++
	if a.sent(m) {
		t.Error("of another process")
	}
}

func TestPolicyChangesAreReportedWhoeverMadeThem(t *testing.T) {
	for _, s := range []System{linux(), freebsd(), netbsd(), darwin()} {
		p := outPolicy()
		for typ, kind := range map[uint8]kernel.EventKind{msgSPDAdd: kernel.PolicyAdded, msgSPDUpdate: kernel.PolicyUpdated} {
			b, err := s.encodePolicy(typ, p)
			if err != nil {
				t.Fatal(err)
			}
			want := *p
			if !s.Priorities {
				want.Priority = 0
			}
			if d := cmp.Diff(kernel.Event{Kind: kind, Policy: &want}, heard(t, s, b), ofEvents); d != "" {
				t.Errorf("%s: %s", s.Name, d)
			}
		}
		b, err := s.encodePolicyID(p.Key)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(kernel.Event{Kind: kernel.PolicyDeleted, Policy: &kernel.Policy{Key: p.Key}}, heard(t, s, b), ofEvents); d != "" {
			t.Errorf("%s: %s", s.Name, d)
		}
		// KAME sends no addresses with what was deleted by index.
		if b, err = s.encodePolicyIndex(msgSPDDelete2, kernel.PolicyKey{Dir: kernel.Out, ID: 0x101}); err != nil {
			t.Fatal(err)
		}
		byIndex := kernel.PolicyKey{ID: 0x101}
		if d := cmp.Diff(kernel.Event{Kind: kernel.PolicyDeleted, Policy: &kernel.Policy{Key: byIndex}}, heard(t, s, b), ofEvents); d != "" {
			t.Errorf("%s: %s", s.Name, d)
		}
		// Linux leaves what was there in the SA type of a flush.
		if ev := heard(t, s, s.message(msgSPDFlush, 0xcd, 1).bytes()); ev.Kind != kernel.PolicyFlushed {
			t.Errorf("%s: %+v", s.Name, ev)
		}
	}
}

// Linux keeps the policies of sockets in the same table, with indices of their own.
func TestPoliciesOfSocketsAreNobodysBusiness(t *testing.T) {
	s := linux()
	p := outPolicy()
	for _, id := range []uint32{0x103, 0x104} {
		b, err := s.encodePolicy(msgSPDAdd, p)
		if err != nil {
			t.Fatal(err)
		}
		m, err := s.parse(b)
		if err != nil {
			t.Fatal(err)
		}
		native.PutUint32(m.ext[extPolicy][polID:], id)
		if ev := heard(t, s, b); ev.Kind != 0 {
			t.Errorf("%+v", ev)
		}
	}
}

// FreeBSD has those of if_ipsec(4) there too.
func TestPoliciesOfInterfacesAreNobodysBusiness(t *testing.T) {
	for scope, want := range map[byte]kernel.EventKind{0: kernel.PolicyAdded, 1: kernel.PolicyAdded, 2: 0, 4: 0} {
		s := freebsd()
		b, err := s.encodePolicy(msgSPDAdd, outPolicy())
		if err != nil {
			t.Fatal(err)
		}
		m, err := s.parse(b)
		if err != nil {
			t.Fatal(err)
		}
		m.ext[extPolicy][polScope] = scope
		if ev := heard(t, s, b); ev.Kind != want {
			t.Errorf("scope %d: %+v", scope, ev)
		}
	}
}

func TestAnErrorOfSomebodysRequestIsNoEvent(t *testing.T) {
	s := linux()
	b, err := s.encodePolicy(msgSPDAdd, outPolicy())
	if err != nil {
		t.Fatal(err)
	}
	b[hdrErrno] = byte(syscall.EEXIST) // KAME sends all of it back
	if ev := heard(t, s, b); ev.Kind != 0 {
		t.Errorf("%+v", ev)
	}
}

// follow runs Events on a fake kernel and returns its sockets of events and of links,
// and what comes.
func follow(t *testing.T, k *fakeKernel) (key, net *fakeSocket, next func() kernel.Event) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	events, ended := make(chan kernel.Event, 100), make(chan error, 1)
	b := k.backend()
	go func() { ended <- b.Events(ctx, 0, func(ev kernel.Event) error { events <- ev; return nil }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Events ended with %v", err)
		}
	})
	next = func() kernel.Event {
		t.Helper()
		select {
		case ev := <-events:
			return ev
		case err := <-ended:
			t.Fatalf("the stream ended: %v", err)
		}
		return kernel.Event{}
	}
	if ev := next(); ev.Kind != kernel.Ready {
		t.Fatalf("the first event is %+v", ev)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.sockets[0], k.sockets[1], next
}

func TestEventsWhileRegisteringComeAfterReady(t *testing.T) {
	s := linux()
	k := newFakeKernel(t, s)
	k.handler[msgRegister] = func(req []byte) [][]byte {
		if req[hdrSAType] == saTypeAH { // ESP is registered by then
			return [][]byte{acquireMessage(s), req}
		}
		return [][]byte{req}
	}
	_, _, next := follow(t, k)
	if ev := next(); ev.Kind != kernel.Acquire || ev.AcquireSeq != 9 {
		t.Errorf("%+v", ev)
	}
	var types []uint8
	for _, r := range k.requests() {
		types = append(types, r[hdrSAType])
	}
	if d := cmp.Diff([]uint8{saTypeESP, saTypeAH, saTypeIPComp}, types); d != "" {
		t.Error(d)
	}
}

func TestLostEventsAreAnOverflow(t *testing.T) {
	k := newFakeKernel(t, linux())
	key, net, next := follow(t, k)
	flush := k.sys.message(msgSPDFlush, 0, 1).bytes()

	key.failNext(syscall.ENOBUFS) // the BSDs say so
	if ev := next(); ev.Kind != kernel.Overflow {
		t.Errorf("after ENOBUFS: %+v", ev)
	}
	// Linux does not: a buffer that was more than half full counts, once it is empty.
	key.mu.Lock()
	key.full = true
	key.queue = append(key.queue, flush, flush)
	key.ring()
	key.mu.Unlock()
	for _, want := range []kernel.EventKind{kernel.PolicyFlushed, kernel.PolicyFlushed, kernel.Overflow} {
		if ev := next(); ev.Kind != want {
			t.Errorf("with a full buffer: %+v, want kind %d", ev, want)
		}
	}
	key.mu.Lock()
	key.full = false
	key.mu.Unlock()
	key.deliver([]byte{1, 2, 3}) // unreadable: something has happened
	for ev := next(); ev.Kind != kernel.Overflow; ev = next() {
		t.Errorf("%+v", ev)
	}
	net.deliver(make([]byte, 16))
	for ev := next(); ev.Kind != kernel.NetChanged; ev = next() {
		if ev.Kind != kernel.Overflow { // one more look at the full buffer
			t.Errorf("%+v", ev)
		}
	}
	net.failNext(syscall.ENOBUFS)
	if ev := next(); ev.Kind != kernel.NetChanged {
		t.Errorf("%+v", ev)
	}
}

func TestTheMappingOfAnSAIsCompletedFromTheKernel(t *testing.T) {
	s := linux()
	k := newFakeKernel(t, s)
	k.handler[msgDump] = func(req []byte) [][]byte { return dumpOf(s, req, 2) }
	key, _, next := follow(t, k)
	key.deliver(mappingMessage(s), mappingMessage(s)) // one for every packet
	for range 2 {
		if ev := next(); ev.Kind != kernel.Mapping || ev.Key.Dst != own || ev.NewRemote.Port() != 30001 {
			t.Errorf("%+v", ev)
		}
	}
	dumps := 0
	for _, typ := range k.types() {
		if typ == msgDump {
			dumps++
		}
	}
	if dumps != 1 {
		t.Errorf("%d dumps for one SA", dumps)
	}
}

func TestEventsEndWithAnErrorOfTheSocket(t *testing.T) {
	k := newFakeKernel(t, linux())
	b := k.backend()
	ended := make(chan error, 1)
	go func() {
		ended <- b.Events(context.Background(), 0, func(ev kernel.Event) error {
			if ev.Kind == kernel.Ready {
				k.mu.Lock()
				defer k.mu.Unlock()
				k.sockets[0].failNext(os.ErrInvalid)
			}
			return nil
		})
	}()
	if err := <-ended; !errors.Is(err, &errs.Error{Reason: errs.Unavailable}) {
		t.Errorf("%v", err)
	}
}
