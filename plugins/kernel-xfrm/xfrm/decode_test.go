//go:build linux

package xfrm

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mdlayher/netlink"
	"github.com/mdlayher/netlink/nltest"
	"golang.org/x/sys/unix"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// eventBodies has one message of every kind that decodeEvent reads, made of
// iproute2's and linux/xfrm.h's layouts.
func eventBodies(t testing.TB) map[netlink.HeaderType][]byte {
	all := readGolden(t)
	sa, policy := all["esp-gcm-transport-natt"].body, all["policy-fwd-update"].body
	acquire := make([]byte, sizeAcquire)
	copy(acquire[acqDst:], v4b.AsSlice())
	copy(acquire[acqSrc:], v4a.AsSlice())
	acquire[acqProto] = protoESP
	copy(acquire[acqSel:], sa[saSel:saSel+sizeSelector])
	copy(acquire[acqPolicy:], policy[:sizePolicyInfo])
	native.PutUint32(acquire[acqSeq:], 42)
	acquire = append(acquire, policy[sizePolicyInfo:]...)

	expire := append(bytes.Clone(sa[:sizeSAInfo]), 1, 0, 0, 0, 0, 0, 0, 0)
	expire = append(expire, sa[sizeSAInfo:]...)
	native.PutUint32(expire[saSeq:], 7)

	polExpire := append(bytes.Clone(policy[:sizePolicyInfo]), 1, 0, 0, 0, 0, 0, 0, 0)
	polExpire = append(polExpire, policy[sizePolicyInfo:]...)

	delSA := appendAttr(all["delete-sa"].body[:sizeSAID:sizeSAID], attrSA, sa[:sizeSAInfo])
	delPolicy := appendAttr(make([]byte, sizePolicyID), attrPolicy, policy[:sizePolicyInfo])
	delPolicy = append(delPolicy, policy[sizePolicyInfo:]...)

	mapping := make([]byte, sizeMapping)
	copy(mapping, all["delete-sa"].body[:sizeSAID])
	copy(mapping[mapOldSrc:], v4a.AsSlice())
	copy(mapping[mapNewSrc:], addr("198.51.100.7").AsSlice())
	big.PutUint16(mapping[mapNewPort:], 30033)

	return map[netlink.HeaderType][]byte{
		msgAcquire: acquire, msgExpire: expire, msgPolExpire: polExpire, msgDelSA: delSA, msgDelPolicy: delPolicy,
		msgMapping: mapping, msgNewPolicy: policy, msgUpdPolicy: policy, msgNewSA: sa, msgUpdSA: sa,
	}
}

func TestEventsAreDecoded(t *testing.T) {
	policy := goldenPolicies()["policy-fwd-update"]
	gcm := goldenSAs()["esp-gcm-transport-natt"]
	policyKey := kernel.Key{Policy: &policy.Key, Mark: policy.Key.Mark, IfID: policy.Key.IfID}
	keyless := *gcm
	keyless.Encr = &kernel.AlgKey{ID: gcm.Encr.ID, Trunc: 128}
	keyless.State, keyless.Dir = kernel.Mature, 0 // iproute2 names no direction
	want := map[netlink.HeaderType]kernel.Event{
		msgAcquire: {
			Kind: kernel.Acquire, AcquireSeq: 42, Sel: gcm.Sel, Policy: policy, Templates: policy.Templates,
			Key: kernel.Key{
				Src: v4a, Dst: v4b, Proto: protoESP, Mark: policy.Key.Mark, IfID: policy.Key.IfID, Policy: &policy.Key,
			},
		},
		msgExpire:    {Kind: kernel.ExpireHard, Key: gcm.Key, AcquireSeq: 7},
		msgPolExpire: {Kind: kernel.PolicyDeleted, Policy: policy, Key: policyKey},
		msgDelPolicy: {Kind: kernel.PolicyDeleted, Policy: policy, Key: policyKey},
		msgNewPolicy: {Kind: kernel.PolicyAdded, Policy: policy, Key: policyKey},
		msgUpdPolicy: {Kind: kernel.PolicyUpdated, Policy: policy, Key: policyKey},
		msgDelSA:     {Kind: kernel.SADeleted, Key: kernel.Key{Src: v4a, Dst: v4b, Proto: protoESP, SPI: 0xc0ffee01}},
		msgNewSA:     {Kind: kernel.SAAdded, Key: gcm.Key, SA: &keyless},
		msgUpdSA:     {Kind: kernel.SAUpdated, Key: gcm.Key, SA: &keyless},
		msgMapping: {
			Kind: kernel.Mapping, Key: kernel.Key{Src: v4a, Dst: v4b, Proto: protoESP, SPI: 0xc0ffee01},
			NewRemote: netip.MustParseAddrPort("198.51.100.7:30033"),
		},
	}
	equal := []cmp.Option{
		cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
		cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
		cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
		cmp.Comparer(func(a, b secret.Bytes) bool { return bytes.Equal(a.Reveal(), b.Reveal()) }),
	}
	for typ, body := range eventBodies(t) {
		got, err := decodeEvent(typ, body)
		if err != nil {
			t.Errorf("%#x: %v", uint16(typ), err)
		}
		if d := cmp.Diff(want[typ], got, equal...); d != "" {
			t.Errorf("%#x (-want +got)\n%s", uint16(typ), d)
		}
	}
}

// An engine makes SAs by the thousand: what it does not ask for is not even read, and
// the kernel's own SAs of IP in IP are nobody's.
func TestSAsThatWereMadeAreToldToWhoAsks(t *testing.T) {
	b := newFakeKernel(t).backend()
	sa := readGolden(t)["esp-gcm-transport-natt"].body
	inIP := bytes.Clone(sa)
	inIP[saProto] = 4
	for _, tt := range []struct {
		name string
		typ  netlink.HeaderType
		body []byte
		mask kernel.EventMask
		want kernel.EventKind
	}{
		{"a new one", msgNewSA, sa, kernel.MaskOf(kernel.SAAdded), kernel.SAAdded},
		{"an updated one", msgUpdSA, sa, kernel.MaskOf(kernel.SAUpdated), kernel.SAUpdated},
		{"not asked for", msgNewSA, sa, 0, 0},
		{"not asked for, unreadable", msgUpdSA, nil, 0, 0},
		{"IP in IP", msgNewSA, inIP, kernel.MaskOf(kernel.SAAdded), 0},
	} {
		ev, err := b.decodeXFRM(netlink.Message{Header: netlink.Header{Type: tt.typ}, Data: bytes.Clone(tt.body)}, tt.mask)
		if err != nil || ev.Kind != tt.want {
			t.Errorf("%s: %+v, %v", tt.name, ev, err)
		}
	}
}

// sockets of a program have policies that are not of the SPD.
func TestPoliciesOfSocketsAreNotReported(t *testing.T) {
	body := bytes.Clone(eventBodies(t)[msgNewPolicy])
	body[polDir] = 3
	if ev, err := decodeEvent(msgNewPolicy, body); ev.Kind != 0 || err != nil {
		t.Errorf("event %+v, %v", ev, err)
	}
}

func TestSubPoliciesAreNotReported(t *testing.T) {
	for typ, reported := range map[byte]bool{0: true, 1: false} {
		body := appendAttr(bytes.Clone(eventBodies(t)[msgNewPolicy]), attrPolicyType, []byte{typ, 0, 0, 0, 0, 0})
		if ev, err := decodeEvent(msgNewPolicy, body); (ev.Kind != 0) != reported || err != nil {
			t.Errorf("type %d: event %+v, %v", typ, ev, err)
		}
	}
}

// Who moves SAs and policies by XFRM_MSG_MIGRATE does it without us.
func TestMigrationsAreLeftAlone(t *testing.T) {
	const msgMigrate = 0x21
	body := append(bytes.Clone(eventBodies(t)[msgDelPolicy][:sizePolicyID]), make([]byte, 64)...)
	if ev, err := decodeEvent(msgMigrate, body); ev.Kind != 0 || err != nil {
		t.Errorf("event %+v, %v", ev, err)
	}
}

func TestShortMessagesAreErrors(t *testing.T) {
	head := map[netlink.HeaderType]int{
		msgAcquire: sizeAcquire, msgExpire: sizeExpire, msgPolExpire: sizePolExpire, msgDelSA: sizeSAID,
		msgDelPolicy: sizePolicyID, msgMapping: sizeMapping, msgNewPolicy: sizePolicyInfo, msgUpdPolicy: sizePolicyInfo,
		msgNewSA: sizeSAInfo, msgUpdSA: sizeSAInfo,
	}
	for typ, body := range eventBodies(t) {
		for n := range body {
			// Attributes are optional, so a message cut between two of them parses; but not
			// the structure at its head.
			if _, err := decodeEvent(typ, body[:n]); err == nil && n < head[typ] {
				t.Errorf("%#x parses with %d octets", uint16(typ), n)
			}
		}
	}
	for name, g := range readGolden(t) {
		if g.message != "XFRM_MSG_NEWSA" {
			continue
		}
		for n := range g.body {
			_, err := decodeSA(g.body[:n], time.Time{}, true)
			if err == nil && n < sizeSAInfo {
				t.Errorf("%s parses with %d octets", name, n)
			}
		}
	}
}

func TestLostMessagesAreAnOverflow(t *testing.T) {
	k := newFakeKernel(t)
	b := k.backend()
	script := make(chan func() ([]netlink.Message, error), 8)
	b.xfrm.dial = func() (*netlink.Conn, error) {
		return netlink.NewConn(&scriptedSocket{receive: script, closed: make(chan struct{})}, 1), nil
	}
	b.route.dial = func() (*netlink.Conn, error) {
		return netlink.NewConn(&scriptedSocket{closed: make(chan struct{})}, 1), nil
	}
	script <- func() ([]netlink.Message, error) { return nil, syscall.ENOBUFS }
	script <- func() ([]netlink.Message, error) {
		return []netlink.Message{
			{Header: netlink.Header{Type: msgNewPolicy}, Data: []byte{1}}, // unreadable
			{Header: netlink.Header{Type: msgUpdSA}},                      // of no concern
			{Header: netlink.Header{Type: msgFlushPolicy}},
		}, nil
	}
	var kinds []kernel.EventKind
	err := b.Events(t.Context(), kernel.MaskOf(kernel.PolicyFlushed), func(ev kernel.Event) error {
		if kinds = append(kinds, ev.Kind); ev.Kind == kernel.PolicyFlushed {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		t.Errorf("Events ended with %v", err)
	}
	if want := []kernel.EventKind{kernel.Ready, kernel.Overflow, kernel.Overflow, kernel.PolicyFlushed}; !slices.Equal(kinds, want) {
		t.Errorf("events %v, want %v", kinds, want)
	}
	script <- func() ([]netlink.Message, error) { return nil, syscall.EBADF }
	if err := b.Events(context.Background(), 0, func(kernel.Event) error { return nil }); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("a broken socket ended the stream with %v", err)
	}
}

// A scriptedSocket receives what it is told, and then nothing until it is closed.
type scriptedSocket struct {
	receive chan func() ([]netlink.Message, error)
	closed  chan struct{}
}

func (s *scriptedSocket) Close() error                         { close(s.closed); return nil }
func (s *scriptedSocket) Send(netlink.Message) error           { return nil }
func (s *scriptedSocket) SendMessages([]netlink.Message) error { return nil }
func (s *scriptedSocket) JoinGroup(uint32) error               { return nil }
func (s *scriptedSocket) LeaveGroup(uint32) error              { return nil }
func (s *scriptedSocket) Receive() ([]netlink.Message, error) {
	select {
	case f := <-s.receive:
		return f()
	case <-s.closed:
		return nil, syscall.EBADF
	}
}

func (s *scriptedSocket) ReceiveIter() iter.Seq2[netlink.Message, error] {
	return func(yield func(netlink.Message, error) bool) {
		msgs, err := s.Receive()
		if err != nil {
			yield(netlink.Message{}, err)
			return
		}
		for _, m := range msgs {
			if !yield(m, nil) {
				return
			}
		}
	}
}

func TestAMovedSAKeepsAllButItsEndpoints(t *testing.T) {
	old := bytes.Clone(readGolden(t)["esp-gcm-transport-natt"].body)
	native.PutUint64(old[saCur+curBytes:], 1234)
	replayState := make([]byte, sizeReplay)
	native.PutUint32(replayState[replayOSeq:], 10)
	old = appendAttr(old, attrReplayVal, replayState)
	move := &kernel.SA{NewDst: addr("198.51.100.9"), Encap: &kernel.Encap{SrcPort: 4500, DstPort: 31000}}
	b, err := movedSA(old, move)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeSA(b, time.Now(), true)
	if err != nil {
		t.Fatal(err)
	}
	if sa := got.SA; sa.Key.Dst != move.NewDst || sa.Key.Src != v4a || sa.Encap.DstPort != 31000 || sa.Sel.Dst != prefix("198.51.100.9/32") ||
		sa.Sel.Src != prefix("192.0.2.1/32") || sa.Encr.Key.Len() != 20 {
		t.Errorf("moved: %+v", sa)
	}
	attrs := parseMessage(t, msgNewSA, b, sizeSAInfo).Attrs
	if seq := attrs[attrReplayVal][:8]; seq != "0a000100" {
		t.Errorf("outbound sequence number %s, want 10 + 2^16: those in between may have been used", seq)
	}
	if life := attrs[attrLifetimeVal]; life[:4] != "d204" {
		t.Errorf("lifetime so far %s, want 1234 octets", life)
	}
	native.PutUint32(old[len(old)-sizeReplay:], ^uint32(0)-5)
	if _, err := movedSA(old, move); err == nil {
		t.Error("an SA at the end of its sequence numbers was moved")
	}
	if _, err := movedSA(old, &kernel.SA{NewDst: v6a}); err == nil {
		t.Error("an SA was moved to another family")
	}
}

func TestDumpReportsTheCallersError(t *testing.T) {
	k := newFakeKernel(t)
	body := readGolden(t)["policy-out-tunnel"].body
	k.handler[msgGetPolicy] = func(req []netlink.Message) ([]netlink.Message, error) {
		if len(req) == 0 {
			return nil, errEnough
		}
		m := reply(req[0], msgNewPolicy, body)
		return nltest.Multipart(append(m, m[0], netlink.Message{Header: netlink.Header{Sequence: req[0].Header.Sequence}}))
	}
	n := 0
	err := k.backend().Dump(t.Context(), kernel.DumpFilter{Policies: true}, func(kernel.Object) error {
		n++
		return errEnough
	})
	if err != errEnough || n != 1 {
		t.Errorf("%v after %d objects, want the caller's own error after 1", err, n)
	}
}

// FuzzDecode feeds octets to everything that reads the kernel's messages: the
// first octet chooses.
func FuzzDecode(f *testing.F) {
	for typ, body := range eventBodies(f) {
		f.Add(uint16(typ), body)
	}
	for _, g := range readGolden(f) {
		f.Add(uint16(types[g.message]), g.body)
	}
	f.Add(uint16(unix.RTM_NEWROUTE), append(make([]byte, sizeRtMsg), 8, 0, unix.RTA_OIF, 0, 1, 0, 0, 0))
	f.Fuzz(func(t *testing.T, typ uint16, b []byte) {
		m := netlink.Message{Header: netlink.Header{Type: netlink.HeaderType(typ)}, Data: b}
		decodeEvent(m.Header.Type, b)
		decodeNetChange(m)
		decodePolicy(b)
		decodeRoute(b, new(kernel.Route))
		if o, err := decodeSA(b, time.Now(), true); err == nil && o.SA == nil {
			t.Error("neither SA nor error")
		}
		if moved, err := movedSA(b, &kernel.SA{}); err == nil {
			if _, err := decodeSA(moved, time.Now(), false); err != nil {
				// What the kernel sent has been readable; what we send back must be.
				if _, was := decodeSA(b, time.Now(), false); was == nil {
					t.Errorf("moved SA: %v", err)
				}
			}
		}
	})
}

// The kernel makes a selector of everything for an SA that has none; in tunnel mode
// one of everything leaves the other family out, and so is one.
func TestASelectorOfEverythingIsNoneInTransportMode(t *testing.T) {
	for mode, want := range map[uint8]bool{kernel.ModeTransport: false, kernel.ModeTunnel: true} {
		sa := goldenSAs()["esp-3des-md5"]
		sa.Mode, sa.Sel = mode, &kernel.Selector{Src: prefix("0.0.0.0/0"), Dst: prefix("0.0.0.0/0")}
		body, err := encodeSA(sa, saOptions{window: 32})
		if err != nil {
			t.Fatal(err)
		}
		if o, err := decodeSA(body, time.Time{}, false); err != nil || (o.SA.Sel != nil) != want {
			t.Errorf("mode %d: selector %v, %v", mode, o.SA.Sel, err)
		}
	}
}
