//go:build linux

package xfrm

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/mdlayher/netlink"
	"github.com/mdlayher/netlink/nltest"
	"golang.org/x/sys/unix"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/plugintest/kernellive"
)

// multipart answers a dump with bodies; from interrupted on each says that the table
// changed.
func multipart(typ netlink.HeaderType, interrupted int, bodies ...[]byte) nltest.Func {
	return func(req []netlink.Message) ([]netlink.Message, error) {
		var msgs []netlink.Message
		for i, body := range bodies {
			m := reply(req[0], typ, bytes.Clone(body))[0] // who reads it wipes it
			if i >= interrupted {
				m.Header.Flags |= netlink.DumpInterrupted
			}
			msgs = append(msgs, m)
		}
		return nltest.Multipart(append(msgs, netlink.Message{Header: netlink.Header{Sequence: req[0].Header.Sequence}}))
	}
}

const uninterrupted = 1 << 30

func addressBody(last byte) []byte {
	b := make([]byte, sizeIfAddr)
	b[ifAddrPrefLen] = 24
	native.PutUint32(b[ifAddrIndex:], 7)
	return appendAttr(b, unix.IFA_LOCAL, []byte{192, 0, 2, last})
}

func TestAddressesThatChangeAreReadAgain(t *testing.T) {
	b := newFakeKernel(t).backend()
	route := withLink(t, b)
	bodies := [][]byte{addressBody(1), addressBody(2)}
	tries := 0
	route.handler[unix.RTM_GETADDR] = func(req []netlink.Message) ([]netlink.Message, error) {
		interrupted := 1
		if tries++; tries == 3 {
			interrupted = uninterrupted
		}
		return multipart(unix.RTM_NEWADDR, interrupted, bodies...)(req)
	}
	list := kernellive.Dump(t, b, kernel.DumpFilter{Addresses: true})
	if len(list) != 2 || list[0].Address != prefix("192.0.2.1/24") || list[1].Address != prefix("192.0.2.2/24") || list[1].Iface != "eth7" || tries != 3 {
		t.Errorf("%v after %d tries, want each address once after 3", list, tries)
	}
	route.handler[unix.RTM_GETADDR] = multipart(unix.RTM_NEWADDR, 1, bodies...)
	err := b.Dump(t.Context(), kernel.DumpFilter{Addresses: true}, func(kernel.Object) error { t.Error("half a table"); return nil })
	if e := errs.From(err); e == nil || e.Reason != errs.Busy {
		t.Errorf("addresses that always change: %v, want Busy", err)
	}
}

func TestATableThatChangedIsNotTakenForWhole(t *testing.T) {
	k := newFakeKernel(t)
	body := readGolden(t)["esp-3des-md5"].body
	k.handler[msgGetSA] = multipart(msgNewSA, 1, body, body)
	err := k.backend().Dump(t.Context(), kernel.DumpFilter{SAs: true}, func(kernel.Object) error { return nil })
	if e := errs.From(err); e == nil || e.Reason != errs.Busy {
		t.Errorf("%v, want Busy", err)
	}
}

// TestADumpHoldsUpNoRequest makes requests from within a dump, which would wait for
// each other for ever if they shared a socket.
func TestADumpHoldsUpNoRequest(t *testing.T) {
	k := newFakeKernel(t)
	body := readGolden(t)["esp-3des-md5"].body
	k.handler[msgGetSA] = func(req []netlink.Message) ([]netlink.Message, error) {
		if req[0].Header.Flags&netlink.Dump == netlink.Dump {
			return multipart(msgNewSA, uninterrupted, body, body, body)(req)
		}
		return reply(req[0], msgNewSA, bytes.Clone(body)), nil
	}
	b := k.backend()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	n := 0
	err := b.Dump(ctx, kernel.DumpFilter{SAs: true}, func(o kernel.Object) error {
		n++
		kernellive.Apply(t, b, kernel.Stop, kernel.Op{Kind: kernel.FlushPolicies})
		stats, err := b.Query(ctx, []kernel.Key{o.SA.Key})
		if err == nil && !stats[0].Found {
			t.Error("an SA of the dump is not found")
		}
		return err
	})
	if err != nil || n != 3 {
		t.Errorf("%d SAs, %v; want 3", n, err)
	}
}

// Keys are for the instance that setkey has, and for nobody else.
func TestKeysAreDumpedOnlyByAnInstanceForSetkey(t *testing.T) {
	k := newFakeKernel(t)
	k.handler[msgGetSA] = multipart(msgNewSA, uninterrupted, readGolden(t)["esp-aes-sha256-tunnel"].body)
	for _, tt := range []struct{ configured, asked, want bool }{
		{false, false, false}, {false, true, false}, {true, false, false}, {true, true, true},
	} {
		b := k.backend()
		b.cfg.DumpKeys = tt.configured
		list := kernellive.Dump(t, b, kernel.DumpFilter{SAs: true, WithKeys: tt.asked})
		if got := list[0].SA.Encr.Key.Len() == 16 && list[0].SA.Auth.Key.Len() == 32; got != tt.want {
			t.Errorf("%+v: keys %v", tt, got)
		}
		if !tt.want && list[0].SA.Encr.Key.Len()+list[0].SA.Auth.Key.Len() != 0 {
			t.Errorf("%+v: some keys", tt)
		}
	}
}
