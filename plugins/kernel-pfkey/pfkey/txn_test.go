package pfkey

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

func espSA(spi uint32) *kernel.SA {
	return &kernel.SA{
		Key: kernel.Key{Src: netip.MustParseAddr("192.0.2.2"), Dst: netip.MustParseAddr("192.0.2.1"), SPI: spi, Proto: protoESP}, ReqID: 7, Mode: kernel.ModeTunnel, Dir: kernel.In,
		Encr: &kernel.AlgKey{ID: 12, Key: secret.New(bytes.Repeat([]byte{0xa5}, 16))},
		Auth: &kernel.AlgKey{ID: 2, Key: secret.New(bytes.Repeat([]byte{0x5a}, 20))},
		Life: kernel.Lifetime{SoftTime: 80 * time.Second, HardTime: 100 * time.Second},
	}
}

func outPolicy() *kernel.Policy {
	return &kernel.Policy{
		Key: kernel.PolicyKey{
			Dir: kernel.Out, Sel: kernel.Selector{Src: netip.MustParsePrefix("10.9.1.0/24"), Dst: netip.MustParsePrefix("10.9.2.0/24")},
		},
		Action: kernel.ActionIPsec,
		Templates: []kernel.Template{{Proto: protoESP, Mode: kernel.ModeTunnel, Level: kernel.LevelUnique, ReqID: 77,
			Src: netip.MustParseAddr("10.9.1.1"), Dst: netip.MustParseAddr("10.9.3.1")}},
	}
}

func run(t *testing.T, b *Backend, txn kernel.Transaction) []kernel.OpResult {
	t.Helper()
	res, err := b.Apply(t.Context(), []kernel.Transaction{txn})
	if err != nil {
		t.Fatal(err)
	}
	return res[0].Ops
}

func TestAFailedTransactionIsTakenBack(t *testing.T) {
	k := newFakeKernel(t, linux())
	b := k.backend()
	k.fail(msgSPDAdd, syscall.EEXIST)
	ops := run(t, b, kernel.Transaction{OnError: kernel.Rollback, Ops: []kernel.Op{
		{Kind: kernel.AddSA, SA: espSA(0x1000)}, {Kind: kernel.UpdateSA, SA: espSA(0x1001)},
		{Kind: kernel.AddPolicy, Policy: outPolicy()}, {Kind: kernel.FlushSAs},
	}})
	if !ops[0].Undone || ops[0].Done || !ops[1].Undone || ops[2].Err == nil || ops[2].Err.Reason != errs.Exists || ops[2].Err.Op != 2 || ops[3].Done || ops[3].Err != nil {
		t.Errorf("%+v", ops)
	}
	if got, want := k.types(), []uint8{msgAdd, msgUpdate, msgSPDAdd, msgDelete, msgDelete}; !slices.Equal(got, want) {
		t.Errorf("the kernel was sent %v, want %v", got, want)
	}
}

func TestAChangedPolicyIsPutBackAsItWas(t *testing.T) {
	s := linux()
	k := newFakeKernel(t, s)
	b := k.backend()
	old := outPolicy()
	old.Priority, old.Key.ID = 99, 0x101
	k.handler[msgSPDDump] = func(req []byte) [][]byte {
		m, err := s.encodePolicy(msgSPDDump, old)
		if err != nil {
			t.Fatal(err)
		}
		copy(m[hdrPID:], req[hdrPID:hdrPID+4])
		return [][]byte{m} // number 0: the last
	}
	k.fail(msgAdd, syscall.EINVAL)
	for _, kind := range []kernel.OpKind{kernel.UpdatePolicy, kernel.DeletePolicy} {
		changed := outPolicy()
		changed.Templates[0].ReqID = 78
		ops := run(t, b, kernel.Transaction{OnError: kernel.Rollback, Ops: []kernel.Op{
			{Kind: kind, Policy: changed}, {Kind: kernel.AddSA, SA: espSA(0x1000)},
		}})
		if !ops[0].Undone || ops[1].Err == nil {
			t.Errorf("%+v", ops)
		}
		sent := k.requests()
		m, err := s.parse(sent[len(sent)-1])
		if err != nil || m.typ != msgSPDUpdate {
			t.Fatalf("the last message is %v, %v, want SPDUPDATE", m, err)
		}
		if p, _, _, err := m.decodePolicy(); err != nil || p.Priority != 99 || p.Templates[0].ReqID != 77 {
			t.Errorf("put back: %+v, %v", p, err)
		}
	}
}

func TestARepeatedTransactionIsNotDoneAgain(t *testing.T) {
	k := newFakeKernel(t, linux())
	b := k.backend()
	txn := kernel.Transaction{TxnID: "1", Ops: []kernel.Op{{Kind: kernel.AddSA, SA: espSA(0x1000)}}}
	for range 2 {
		if ops := run(t, b, txn); !ops[0].Done {
			t.Errorf("%+v", ops)
		}
	}
	if got := k.types(); len(got) != 1 {
		t.Errorf("the kernel was sent %v, want one ADD", got)
	}
}

// The engine asks again with the same number when it does not know what became of a
// transaction; then the kernel must be asked again too.
func TestAnUnansweredTransactionIsDoneAgain(t *testing.T) {
	k := newFakeKernel(t, linux())
	b := k.backend()
	k.handler[msgAdd] = func([]byte) [][]byte { return nil }
	txn := kernel.Transaction{TxnID: "1", Ops: []kernel.Op{{Kind: kernel.AddSA, SA: espSA(0x1000)}}}
	if ops := run(t, b, txn); ops[0].Done || ops[0].Err.Reason != errs.Timeout {
		t.Errorf("%+v, want a timeout", ops)
	}
	delete(k.handler, msgAdd)
	if ops := run(t, b, txn); !ops[0].Done {
		t.Errorf("%+v", ops)
	}
	if len(k.sockets) != 2 {
		t.Errorf("%d sockets, want another after the lost answer", len(k.sockets))
	}
}

// A socket hears what others do, and late answers; neither is the answer.
func TestAnAnswerIsKnownByItsNumberTypeAndSender(t *testing.T) {
	k := newFakeKernel(t, linux())
	b := k.backend()
	k.handler[msgAdd] = func(req []byte) [][]byte {
		late, foreign, other := refusalOf(req, syscall.EPERM), refusalOf(req, syscall.EPERM), refusalOf(req, syscall.EPERM)
		late[hdrSeq]++
		foreign[hdrPID]++
		other[hdrType] = msgDelete
		return [][]byte{late, foreign, other, {1, 2, 3}, req}
	}
	if ops := run(t, b, kernel.Transaction{Ops: []kernel.Op{{Kind: kernel.AddSA, SA: espSA(0x1000)}}}); !ops[0].Done {
		t.Errorf("%+v", ops)
	}
	// What nobody has read goes before the next request, as it would take the answer's room.
	for range 3 {
		k.sockets[0].deliver(k.requests()...)
	}
	k.sockets[0].failNext(syscall.ENOBUFS)
	if ops := run(t, b, kernel.Transaction{Ops: []kernel.Op{{Kind: kernel.FlushSAs}}}); !ops[0].Done {
		t.Errorf("%+v", ops)
	}
}

// The kernel tells everybody of a new SA, keys included.
func TestNoKeyOfOthersStaysInTheBuffer(t *testing.T) {
	k := newFakeKernel(t, linux())
	b := k.backend()
	foreign, err := k.sys.encodeSA(msgAdd, espSA(0x1000))
	if err != nil {
		t.Fatal(err)
	}
	refused := kernel.Op{Kind: kernel.AcquireDone, Acquire: &kernel.AcquireResult{Seq: 6, Errno: 2}}
	run(t, b, kernel.Transaction{Ops: []kernel.Op{refused}})
	for _, op := range []kernel.Op{refused, {Kind: kernel.FlushSAs}} {
		k.sockets[0].deliver(foreign)
		run(t, b, kernel.Transaction{Ops: []kernel.Op{op}})
		if bytes.Contains(b.conn.buf, bytes.Repeat([]byte{0xa5}, 16)) {
			t.Errorf("after op %d the key is still there", op.Kind)
		}
	}
}

func TestAnAcquireKeepsItsNumberAndOurOwnAreApart(t *testing.T) {
	k := newFakeKernel(t, linux())
	b := k.backend()
	sa := espSA(0x1000)
	sa.Seq = 5
	run(t, b, kernel.Transaction{Ops: []kernel.Op{
		{Kind: kernel.AddSA, SA: sa}, {Kind: kernel.AddSA, SA: espSA(0x1001)},
		{Kind: kernel.AcquireDone, Acquire: &kernel.AcquireResult{Seq: 6, Errno: 2}},
		{Kind: kernel.AcquireDone, Acquire: &kernel.AcquireResult{Seq: 7}},
	}})
	sent := k.requests()
	if len(sent) != 3 {
		t.Fatalf("%d messages, want two ADDs and one ACQUIRE: success needs none", len(sent))
	}
	if seq := native.Uint32(sent[0][hdrSeq:]); seq != 5 {
		t.Errorf("ADD for acquire 5 has number %d", seq)
	}
	if seq := native.Uint32(sent[1][hdrSeq:]); seq < ownSeq {
		t.Errorf("ADD of our own has number %d, which may be the kernel's", seq)
	}
	m, err := k.sys.parse(sent[2])
	if err != nil || m.typ != msgAcquire || m.errno != 2 || m.seq != 6 || len(m.ext) != 0 || protocols[m.saType] == 0 {
		t.Errorf("negative ACQUIRE: %+v, %v", m, err)
	}
}

func TestWhatIsNotThereIsNotFound(t *testing.T) {
	for _, s := range systems() {
		if s.Refuse != "" {
			continue
		}
		k := newFakeKernel(t, s)
		b := k.backend()
		k.fail(msgDelete, syscall.ESRCH)
		k.fail(msgGet, syscall.ESRCH)
		k.fail(msgSPDDelete, syscall.ENOENT)
		if s.NoSuchPolicy != 0 {
			k.fail(msgSPDDelete, syscall.EINVAL)
		}
		ops := run(t, b, kernel.Transaction{OnError: kernel.Continue, Ops: []kernel.Op{
			{Kind: kernel.DeleteSA, SA: espSA(0x1000)}, {Kind: kernel.DeletePolicy, Policy: outPolicy()},
		}})
		for _, r := range ops {
			if r.Err == nil || r.Err.Reason != errs.NotFound {
				t.Errorf("%s: %+v", s.Name, r)
			}
		}
		stats, err := b.Query(t.Context(), []kernel.Key{espSA(0x1000).Key})
		if err != nil || stats[0].Found {
			t.Errorf("%s: %+v, %v", s.Name, stats, err)
		}
	}
}

func TestFlushingNothingIsNoError(t *testing.T) {
	k := newFakeKernel(t, linux())
	k.fail(msgFlush, syscall.ESRCH)
	if ops := run(t, k.backend(), kernel.Transaction{Ops: []kernel.Op{{Kind: kernel.FlushSAs}}}); !ops[0].Done {
		t.Errorf("%+v", ops)
	}
}

// On NetBSD ports are part of what finds a reserved SPI, and AllocateSPIs has none.
func TestNetBSDReplacesAReservedSPIThatGetsPorts(t *testing.T) {
	sa := espSA(0x1000)
	sa.Encap = &kernel.Encap{SrcPort: 4500, DstPort: 4500}
	for s, want := range map[string][]uint8{"netbsd": {msgDelete, msgAdd}, "freebsd": {msgUpdate}} {
		i := slices.IndexFunc(systems(), func(x System) bool { return x.Name == s })
		k := newFakeKernel(t, systems()[i])
		run(t, k.backend(), kernel.Transaction{Ops: []kernel.Op{{Kind: kernel.UpdateSA, SA: sa}}})
		if got := k.types(); !slices.Equal(got, want) {
			t.Errorf("%s was sent %v, want %v", s, got, want)
		}
	}
}

// The inbound policy of KAME is for forwarded packets too.
func TestForwardPoliciesAreLinuxOnly(t *testing.T) {
	fwd := outPolicy()
	fwd.Key.Dir = kernel.Fwd
	for _, s := range systems() {
		if s.Refuse != "" {
			continue
		}
		k := newFakeKernel(t, s)
		ops := run(t, k.backend(), kernel.Transaction{Ops: []kernel.Op{{Kind: kernel.AddPolicy, Policy: fwd}, {Kind: kernel.DeletePolicy, Policy: fwd}}})
		if want := map[bool]int{true: 2}[s.Name == "linux"]; !ops[0].Done || !ops[1].Done || len(k.requests()) != want {
			t.Errorf("%s: %+v", s.Name, ops)
		}
	}
}

func TestAnSAMovesOnFreeBSDOnly(t *testing.T) {
	sa := espSA(0x1000)
	sa.NewDst = netip.MustParseAddr("192.0.2.9")
	ports := &kernel.SA{Key: sa.Key, Encap: &kernel.Encap{SrcPort: 1, DstPort: 2}}
	for _, s := range []System{linux(), netbsd(), darwin()} {
		k := newFakeKernel(t, s)
		for _, sa := range []*kernel.SA{sa, ports} {
			if ops := run(t, k.backend(), kernel.Transaction{Ops: []kernel.Op{{Kind: kernel.UpdateSA, SA: sa}}}); ops[0].Err == nil || ops[0].Err.Reason != errs.Unsupported {
				t.Errorf("%s: %+v", s.Name, ops)
			}
		}
		if len(k.requests()) != 0 {
			t.Errorf("%s: the kernel was asked", s.Name)
		}
	}
}

// movable is a FreeBSD that has the SA of the recorded sa-dump.
func movable(t *testing.T) (*fakeKernel, *kernel.SA) {
	k := newFakeKernel(t, freebsd())
	k.handler[msgGet] = func(req []byte) [][]byte {
		a := structure(t, k.sys, "sa-dump")
		a[hdrType] = msgGet
		copy(a[hdrSeq:sizeHeader], req[hdrSeq:sizeHeader])
		return [][]byte{a}
	}
	was := structSA(kernel.Out, kernel.ModeTunnel).Key
	return k, &kernel.SA{Key: was, NewSrc: own, NewDst: elsewhere, Encap: &kernel.Encap{SrcPort: 4500, DstPort: 30002}}
}

func TestAMoveIsTakenBack(t *testing.T) {
	k, move := movable(t)
	k.fail(msgAdd, syscall.EEXIST)
	ops := run(t, k.backend(), kernel.Transaction{OnError: kernel.Rollback, Ops: []kernel.Op{{Kind: kernel.UpdateSA, SA: move}, {Kind: kernel.AddSA, SA: espSA(0x1000)}}})
	if !ops[0].Undone || ops[1].Err == nil {
		t.Fatalf("%+v", ops)
	}
	sent := k.requests()
	if len(sent) != 4 || sent[0][hdrType] != msgGet || sent[1][hdrType] != msgUpdate || sent[3][hdrType] != msgUpdate {
		t.Fatalf("%d messages, want GET, UPDATE, ADD, UPDATE", len(sent))
	}
	back, err := k.sys.parse(sent[3])
	if err != nil {
		t.Fatal(err)
	}
	src, dst, err := back.addresses()
	to, errTo := back.address(k.sys.NewDst)
	port, errPort := back.port(k.sys.NATT.DstPort)
	if err := errors.Join(err, errTo, errPort); err != nil || src.addr != own || dst.addr != elsewhere || to.addr != peer || port != 30001 || back.ext[k.sys.NewSrc] != nil {
		t.Errorf("back from %v -> %v to %v port %d, %v", src, dst, to, port, err)
	}
	for _, m := range sent {
		if bytes.Contains(m, count(0x10, 16).Reveal()) {
			t.Error("a key is sent where the kernel has it")
		}
	}
}

// FreeBSD says EINVAL to a process that has not made the SA, an earlier one of ours
// perhaps. Then the engine makes new SAs.
func TestAMoveThatIsRefused(t *testing.T) {
	k, move := movable(t)
	k.fail(msgUpdate, syscall.EINVAL)
	b := k.backend()
	tryMove := func(sa *kernel.SA) *errs.Error {
		return run(t, b, kernel.Transaction{Ops: []kernel.Op{{Kind: kernel.UpdateSA, SA: sa}}})[0].Err
	}
	if err := tryMove(move); err == nil || err.Reason != errs.Unsupported {
		t.Errorf("an SA of another process: %v", err)
	}
	other := *move
	other.NewSrc, other.NewDst = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	if err := tryMove(&other); err == nil || err.Reason != errs.Unsupported {
		t.Errorf("to another family: %v", err)
	}
	k.fail(msgGet, syscall.ESRCH)
	if err := tryMove(move); err == nil || err.Reason != errs.NotFound {
		t.Errorf("an SA that is not there: %v", err)
	}
}

func TestAMissingProtocolIsSaidWithWhatToDo(t *testing.T) {
	k := newFakeKernel(t, linux())
	k.fail(msgAdd, syscall.EPROTONOSUPPORT)
	ops := run(t, k.backend(), kernel.Transaction{Ops: []kernel.Op{{Kind: kernel.AddSA, SA: espSA(0x1000)}}})
	const want = "add SA: esp spi 0x00001000 to 192.0.2.1: this kernel has no ESP for IPv4; load the module esp4, or use a kernel with CONFIG_INET_ESP: protocol not supported"
	if e := ops[0].Err; e == nil || e.Reason != errs.Unsupported || e.Msg != want {
		t.Errorf("%v, want %s", e, want)
	}
}

func TestOpenBSDIsRefusedWithASentence(t *testing.T) {
	b := newBackend(openbsd(), Config{}, nil, dialSystem(openbsd()), nil)
	_, caps := b.Capabilities(t.Context())
	_, spis := b.AllocateSPIs(t.Context(), make([]kernel.SPIRequest, 1))
	_, txns := b.Apply(t.Context(), make([]kernel.Transaction, 1))
	_, opts := b.SocketOptions(t.Context(), kernel.SocketIKE, kernel.IPv4)
	_, routes := b.LookupRoutes(t.Context(), make([]kernel.RouteQuery, 1))
	dump := b.Dump(t.Context(), kernel.DumpFilter{SAs: true}, func(kernel.Object) error { return nil })
	events := b.Events(t.Context(), 0, func(kernel.Event) error { return nil })
	for i, err := range []error{caps, spis, txns, opts, routes, dump, events} {
		if !errors.Is(err, &errs.Error{Reason: errs.Unsupported}) {
			t.Errorf("%d: %v", i, err)
		}
	}
}

// FreeBSD and Darwin have one errno for an SPI whose reservation has ended and for a
// message they do not like: the engine makes the SA anew in the first case only.
func TestAnSPIThatIsNotReservedAnyMore(t *testing.T) {
	for _, s := range []System{freebsd(), darwin()} {
		for _, tt := range []struct {
			get  syscall.Errno // 0: it is there
			want errs.Reason
		}{{syscall.ESRCH, errs.NotFound}, {syscall.ENOENT, errs.NotFound}, {0, errs.Invalid}} {
			k := newFakeKernel(t, s)
			b := k.backend()
			k.fail(msgUpdate, syscall.EINVAL)
			if tt.get != 0 {
				k.fail(msgGet, tt.get)
			}
			ops := run(t, b, kernel.Transaction{Ops: []kernel.Op{{Kind: kernel.UpdateSA, SA: espSA(0x1000)}}})
			if ops[0].Done || ops[0].Err == nil || ops[0].Err.Reason != tt.want {
				t.Errorf("%s: GET says %v: %+v, want %s", s.Name, tt.get, ops[0].Err, tt.want)
			}
		}
	}
}
