//go:build linux

package xfrm

import (
	"bytes"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/mdlayher/netlink"
	"github.com/mdlayher/netlink/nltest"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// countingKernel has SAs with odd SPIs, which have sent as many octets as their SPI
// says, and a policy.
func countingKernel(t *testing.T) *fakeKernel {
	k := newFakeKernel(t)
	k.handler[msgGetSA] = func(req []netlink.Message) ([]netlink.Message, error) {
		spi := big.Uint32(req[0].Data[idSPI:])
		if spi%2 == 0 {
			return nltest.Error(int(syscall.ESRCH), req)
		}
		body := bytes.Clone(readGolden(t)["esp-3des-md5"].body)
		native.PutUint64(body[saCur+curBytes:], uint64(spi))
		return reply(req[0], msgNewSA, body), nil
	}
	k.handler[msgGetPolicy] = func(req []netlink.Message) ([]netlink.Message, error) {
		body := bytes.Clone(readGolden(t)["policy-block"].body)
		native.PutUint64(body[polCur+curBytes:], 7)
		return reply(req[0], msgNewPolicy, body), nil
	}
	return k
}

func TestManyCountersAreReadAtOnce(t *testing.T) {
	var keys []kernel.Key
	for spi := uint32(0x100); spi < 0x100+3*pipelined; spi++ {
		keys = append(keys, kernel.Key{Dst: v4b, Proto: protoESP, SPI: spi})
	}
	keys = slices.Insert(keys, 5, kernel.Key{Policy: &goldenPolicies()["policy-block"].Key})
	stats, err := countingKernel(t).backend().Query(t.Context(), keys)
	if err != nil || len(stats) != len(keys) {
		t.Fatal(len(stats), err)
	}
	for i, s := range stats {
		want := uint64(keys[i].SPI)
		if keys[i].Policy != nil {
			want = 7
		}
		if found := want%2 == 1; s.Found != found || found && s.Bytes != want {
			t.Errorf("%d: %+v, want %d octets", i, s, want)
		}
	}
}

func TestAQueryThatFailsSaysOfWhat(t *testing.T) {
	k := countingKernel(t)
	good := k.handler[msgGetSA]
	k.handler[msgGetSA] = func(req []netlink.Message) ([]netlink.Message, error) {
		if big.Uint32(req[0].Data[idSPI:]) == 0x103 {
			return nltest.Error(int(syscall.EPERM), req)
		}
		return good(req)
	}
	b := k.backend()
	keys := []kernel.Key{
		{Dst: v4b, Proto: protoESP, SPI: 0x101}, {Dst: v4b, Proto: protoESP, SPI: 0x103}, {Dst: v4b, Proto: protoESP, SPI: 0x105},
	}
	_, err := b.Query(t.Context(), keys)
	if e := errs.From(err); e == nil || e.Reason != errs.Permission || !strings.Contains(e.Msg, "0x00000103") {
		t.Errorf("%v, want Permission and the SPI", err)
	}
	// No answer is left over for the next.
	if stats, err := b.Query(t.Context(), keys[2:]); err != nil || stats[0].Bytes != 0x105 {
		t.Errorf("the next query: %+v, %v", stats, err)
	}
	k.handler[msgGetSA] = func(req []netlink.Message) ([]netlink.Message, error) {
		m := reply(req[0], msgNewSA, nil)
		m[0].Header.Sequence++
		return m, nil
	}
	if _, err := b.Query(t.Context(), keys); err == nil {
		t.Error("answers to other requests were taken")
	}
	k.handler[msgGetSA] = good
	if stats, err := b.Query(t.Context(), keys); err != nil || stats[2].Bytes != 0x105 {
		t.Errorf("after the socket was opened anew: %+v, %v", stats, err)
	}
}
