//go:build linux

package xfrm

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/mdlayher/netlink"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/kernel/txn"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

func typesOf(msgs []netlink.Message) (list []netlink.HeaderType) {
	for _, m := range msgs {
		list = append(list, m.Header.Type)
	}
	return list
}

func TestATransactionEndsAsOnErrorSays(t *testing.T) {
	add := kernel.Op{Kind: kernel.AddSA, SA: goldenSAs()["esp-3des-md5"]}
	policy := kernel.Op{Kind: kernel.AddPolicy, Policy: goldenPolicies()["policy-out-tunnel"]}
	flush := kernel.Op{Kind: kernel.FlushPolicies}
	for _, tt := range []struct {
		name    string
		on      kernel.OnError
		sent    []netlink.HeaderType
		done    []bool
		undone  []bool
		failing int
	}{
		{"Stop leaves what was done and tries no more", kernel.Stop,
			[]netlink.HeaderType{msgNewSA, msgNewPolicy}, []bool{true, false, false}, []bool{false, false, false}, 1},
		{"Rollback undoes what was done", kernel.Rollback,
			[]netlink.HeaderType{msgNewSA, msgNewPolicy, msgDelSA}, []bool{false, false, false}, []bool{true, false, false}, 1},
		{"Continue tries the rest", kernel.Continue,
			[]netlink.HeaderType{msgNewSA, msgNewPolicy, msgFlushPolicy}, []bool{true, false, true}, []bool{false, false, false}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := newFakeKernel(t)
			k.fail(msgNewPolicy, syscall.EEXIST)
			b := k.backend()
			res, err := b.Apply(t.Context(), []kernel.Transaction{{Ops: []kernel.Op{add, policy, flush}, OnError: tt.on, Generation: 5}})
			if err != nil {
				t.Fatal(err)
			}
			if got := typesOf(k.sent()); !slices.Equal(got, tt.sent) {
				t.Errorf("sent %v, want %v", got, tt.sent)
			}
			for i, r := range res[0].Ops {
				if r.Done != tt.done[i] || r.Undone != tt.undone[i] || (r.Err != nil) != (i == tt.failing) {
					t.Errorf("op %d: %+v", i, r)
				}
			}
			if e := res[0].Ops[1].Err; e.Reason != errs.Exists || e.Op != 1 || e.Errno != int(syscall.EEXIST) || !strings.Contains(e.Msg, "10.1.0.0/16") {
				t.Errorf("error %+v", e)
			}
			if b.generation.Load() != 5 {
				t.Errorf("generation %d, want 5", b.generation.Load())
			}
		})
	}
}

func TestATransactionThatComesAgainIsNotDoneAgain(t *testing.T) {
	k := newFakeKernel(t)
	b := k.backend()
	txn := func(id string) kernel.Transaction {
		return kernel.Transaction{TxnID: id, Ops: []kernel.Op{{Kind: kernel.FlushPolicies}}}
	}
	run := func(id string) kernel.TxnResult {
		res, err := b.Apply(context.Background(), []kernel.Transaction{txn(id)})
		if err != nil {
			t.Fatal(err)
		}
		return res[0]
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if res := run("a"); !res.Ops[0].Done {
				t.Errorf("result %+v", res)
			}
		})
	}
	all.Wait()
	if n := len(k.sent()); n != 1 {
		t.Errorf("done %d times, want once", n)
	}
	k.fail(msgFlushPolicy, syscall.EPERM)
	if res := run("a"); !res.Ops[0].Done {
		t.Errorf("the result of the first time was %+v when asked again", res)
	}
	if res := run("b"); res.Ops[0].Err == nil || res.Ops[0].Err.Reason != errs.Permission {
		t.Errorf("another transaction: %+v, want Permission", res)
	}
	delete(k.handler, msgFlushPolicy)
	if res := run("b"); res.Ops[0].Err == nil {
		t.Error("a failure was forgotten")
	}
	k.sent()
	run("")
	run("")
	if n := len(k.sent()); n != 2 {
		t.Errorf("without an id done %d times, want 2", n)
	}
}

// TestWhatIsNotUnderstoodIsRefused must send nothing to the kernel.
func TestWhatIsNotUnderstoodIsRefused(t *testing.T) {
	sa := func(change func(*kernel.SA)) kernel.Op {
		sa := goldenSAs()["esp-aes-sha256-tunnel"]
		change(sa)
		return kernel.Op{Kind: kernel.AddSA, SA: sa}
	}
	policy := func(change func(*kernel.Policy)) kernel.Op {
		p := goldenPolicies()["policy-out-tunnel"]
		change(p)
		return kernel.Op{Kind: kernel.AddPolicy, Policy: p}
	}
	for _, tt := range []struct {
		name string
		op   kernel.Op
		want errs.Reason
	}{
		{"an op that is none", kernel.Op{Kind: 99}, errs.Unsupported},
		{"an address, which Capabilities does not offer", kernel.Op{Kind: kernel.AddAddress, Net: &kernel.NetOp{}}, errs.Unsupported},
		{"bypass, which the socket options make needless", kernel.Op{Kind: kernel.Bypass, Net: &kernel.NetOp{}}, errs.Unsupported},
		{"AddSA without an SA", kernel.Op{Kind: kernel.AddSA}, errs.Invalid},
		{"AddPolicy without a policy", kernel.Op{Kind: kernel.AddPolicy}, errs.Invalid},
		{"AcquireDone without an acquire", kernel.Op{Kind: kernel.AcquireDone}, errs.Invalid},
		{"a mode that is none", sa(func(s *kernel.SA) { s.Mode = 9 }), errs.Unsupported},
		{"a direction that is none", sa(func(s *kernel.SA) { s.Dir = kernel.Fwd }), errs.Unsupported},
		{"offload of an SA that is neither in nor out", sa(func(s *kernel.SA) { s.Offload, s.Dir = "lo", 0 }), errs.Invalid},
		{"a label", sa(func(s *kernel.SA) { s.Label = "x" }), errs.Unsupported},
		{"BEET without inner addresses", sa(func(s *kernel.SA) { s.Mode = kernel.ModeBEET }), errs.Invalid},
		{"SPI 0", sa(func(s *kernel.SA) { s.Key.SPI = 0 }), errs.Invalid},
		{"addresses of two families", sa(func(s *kernel.SA) { s.Key.Src = v6a }), errs.Invalid},
		{"no source", sa(func(s *kernel.SA) { s.Key.Src = netip.Addr{} }), errs.Invalid},
		{"a selector of two families", sa(func(s *kernel.SA) { s.Sel = &kernel.Selector{Src: prefix("::/0"), Dst: prefix("0.0.0.0/0")} }), errs.Invalid},
		{"a protocol that is none of IPsec", sa(func(s *kernel.SA) { s.Key.Proto = 6 }), errs.Unsupported},
		{"a cipher unknown", sa(func(s *kernel.SA) { s.Encr.ID = 2 }), errs.Unsupported},
		{"an authentication unknown", sa(func(s *kernel.SA) { s.Auth.ID = 3 }), errs.Unsupported},
		{"a key too short", sa(func(s *kernel.SA) { s.Encr.Key = secret.New(make([]byte, 15)) }), errs.Invalid},
		{"an AES key between the lengths", sa(func(s *kernel.SA) { s.Encr.Key = secret.New(make([]byte, 20)) }), errs.Invalid},
		{"an authentication key too long", sa(func(s *kernel.SA) { s.Auth.Key = secret.New(make([]byte, 33)) }), errs.Invalid},
		{"a truncation too short", sa(func(s *kernel.SA) { s.Auth.Trunc = 64 }), errs.Invalid},
		{"a truncation longer than the hash", sa(func(s *kernel.SA) { s.Auth.Trunc = 264 }), errs.Invalid},
		{"ESP NULL without authentication", sa(func(s *kernel.SA) { s.Encr, s.Auth = counting(11, 0, 0), nil }), errs.Invalid},
		{"ESP without encryption", sa(func(s *kernel.SA) { s.Encr = nil }), errs.Invalid},
		{"GCM with another authentication", sa(func(s *kernel.SA) { s.Encr = counting(20, 20, 0) }), errs.Invalid},
		{"GCM with another ICV", sa(func(s *kernel.SA) { s.Encr, s.Auth = counting(20, 20, 96), nil }), errs.Invalid},
		{"AH with encryption", sa(func(s *kernel.SA) { s.Key.Proto = protoAH }), errs.Invalid},
		{"AH with UDP encapsulation", sa(func(s *kernel.SA) {
			s.Key.Proto, s.Encr, s.Encap = protoAH, nil, &kernel.Encap{}
		}), errs.Invalid},
		{"IPComp with a key", sa(func(s *kernel.SA) { s.Key.Proto = protoIPComp }), errs.Invalid},
		{"IPComp LZS", sa(func(s *kernel.SA) { s.Key.Proto, s.Encr, s.Auth, s.Comp = protoIPComp, nil, nil, 3 }), errs.Unsupported},
		{"a window too wide", sa(func(s *kernel.SA) { s.ReplayWindow = 4097 }), errs.Invalid},
		{"a policy of no direction", policy(func(p *kernel.Policy) { p.Key.Dir = 0 }), errs.Unsupported},
		{"a policy of no action", policy(func(p *kernel.Policy) { p.Action = 9 }), errs.Unsupported},
		{"IPsec without templates", policy(func(p *kernel.Policy) { p.Templates = nil }), errs.Invalid},
		{"discard with templates", policy(func(p *kernel.Policy) { p.Action = kernel.ActionDiscard }), errs.Invalid},
		{"a template level that is none", policy(func(p *kernel.Policy) { p.Templates[0].Level = 9 }), errs.Unsupported},
		{"a template mode that is none", policy(func(p *kernel.Policy) { p.Templates[0].Mode = 9 }), errs.Unsupported},
		{"a template of UDP", policy(func(p *kernel.Policy) { p.Templates[0].Proto = 17 }), errs.Unsupported},
		{"unique without reqid", policy(func(p *kernel.Policy) { p.Templates[0].ReqID = 0 }), errs.Invalid},
		{"a tunnel without end points", policy(func(p *kernel.Policy) { p.Templates[0].Dst = netip.Addr{} }), errs.Invalid},
		{"deleting an SA without SPI", kernel.Op{Kind: kernel.DeleteSA, SA: &kernel.SA{Key: kernel.Key{Dst: v4a, Proto: protoESP}}}, errs.Invalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := newFakeKernel(t)
			res, err := k.backend().Apply(t.Context(), []kernel.Transaction{{Ops: []kernel.Op{tt.op}}})
			if err != nil {
				t.Fatal(err)
			}
			if r := res[0].Ops[0]; r.Done || r.Err == nil || r.Err.Reason != tt.want {
				t.Errorf("%+v (%v), want %s", r, r.Err, tt.want)
			}
			if n := len(k.sent()); n != 0 {
				t.Errorf("%d messages sent", n)
			}
		})
	}
	k := newFakeKernel(t)
	b := k.backend()
	for _, tx := range []kernel.Transaction{
		{OnError: 3, Ops: []kernel.Op{{Kind: kernel.FlushSAs}}},
		{Ops: make([]kernel.Op, txn.MaxOps+1)},
	} {
		res, err := b.Apply(t.Context(), []kernel.Transaction{tx})
		if err != nil || res[0].Ops[0].Err == nil || len(k.sent()) != 0 {
			t.Errorf("transaction with OnError %d and %d ops: %+v, %v", tx.OnError, len(tx.Ops), res[0].Ops[0], err)
		}
	}
}

func TestErrorsCarryReasonAndSentenceOfTheKernel(t *testing.T) {
	for errno, want := range map[syscall.Errno]errs.Reason{
		syscall.EPERM: errs.Permission, syscall.EEXIST: errs.Exists, syscall.ESRCH: errs.NotFound, syscall.ENOENT: errs.NotFound,
		syscall.EPROTONOSUPPORT: errs.Unsupported, syscall.ENOSYS: errs.Unsupported, syscall.EOPNOTSUPP: errs.Unsupported,
		syscall.ENOBUFS: errs.Busy, syscall.ENOMEM: errs.Busy, syscall.EINVAL: errs.Invalid, syscall.EIO: errs.Internal,
	} {
		e := toError("delete SA", &netlink.OpError{Op: "receive", Err: errno, Sequence: 1, Message: "the kernel's own words"})
		if e.Reason != want || e.Errno != int(errno) || !strings.HasSuffix(e.Msg, "the kernel's own words") || !strings.HasPrefix(e.Msg, "delete SA: ") {
			t.Errorf("%v: %+v, want %s", errno, e, want)
		}
	}
	if e := toError("ask", context.Canceled); e.Reason != errs.Unavailable || e.Errno != 0 {
		t.Errorf("no errno: %+v, want Unavailable", e)
	}
	if toError("nothing", nil) != nil {
		t.Error("no error became one")
	}
}

func TestASocketThatFailsIsOpenedAnew(t *testing.T) {
	k := newFakeKernel(t)
	dials := 0
	b := k.backend()
	b.xfrm.dial = func() (*netlink.Conn, error) {
		dials++
		return k.dial()
	}
	k.handler[msgFlushPolicy] = func(req []netlink.Message) ([]netlink.Message, error) {
		stale := reply(req[0], msgNewSA, nil)
		stale[0].Header.Sequence++ // an answer to something else
		return stale, nil
	}
	for i, want := range []int{1, 2, 2} {
		res, _ := b.Apply(t.Context(), []kernel.Transaction{{Ops: []kernel.Op{{Kind: kernel.FlushPolicies}}}})
		if failed := res[0].Ops[0].Err != nil; failed != (i == 0) || dials != want {
			t.Errorf("request %d: failed %v after %d dials, want %d", i, failed, dials, want)
		}
		delete(k.handler, msgFlushPolicy)
	}
}
