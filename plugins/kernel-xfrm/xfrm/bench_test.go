//go:build linux

package xfrm

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/mdlayher/netlink"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

const many = 50000

// manySA is the n-th of many SAs.
func manySA(n int) *kernel.SA {
	sa := goldenSAs()["esp-aes-sha256-tunnel"]
	sa.Key.Dst = netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
	sa.Key.SPI = 0x1000 + uint32(n)
	return sa
}

// BenchmarkAdd50000SAs is our part of it: the kernel is a function that says yes.
func BenchmarkAdd50000SAs(b *testing.B) {
	k := newFakeKernel(b)
	k.forget = true
	backend := k.backend()
	var txns []kernel.Transaction
	for i := range many {
		txns = append(txns, kernel.Transaction{Ops: []kernel.Op{{Kind: kernel.AddSA, SA: manySA(i)}}})
	}
	for b.Loop() {
		res, err := backend.Apply(b.Context(), txns)
		if err != nil || !res[many-1].Ops[0].Done {
			b.Fatal(err, res[many-1])
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*many), "ns/SA")
}

func BenchmarkDump50000SAs(b *testing.B) {
	var bodies [][]byte
	for i := range many {
		body, err := encodeSA(manySA(i), saOptions{window: 64})
		if err != nil {
			b.Fatal(err)
		}
		bodies = append(bodies, body)
	}
	k := newFakeKernel(b)
	k.forget = true
	k.handler[msgGetSA] = multipart(msgNewSA, uninterrupted, bodies...)
	backend := k.backend()
	for b.Loop() {
		n := 0
		if err := backend.Dump(b.Context(), kernel.DumpFilter{SAs: true}, func(kernel.Object) error { n++; return nil }); err != nil || n != many {
			b.Fatal(n, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*many), "ns/SA")
}

func BenchmarkDecodeSA(b *testing.B) {
	body := readGolden(b)["esp-aes-sha256-tunnel"].body
	for b.Loop() {
		if _, err := decodeSA(body, time.Time{}, false); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodePolicyEvent(b *testing.B) {
	m := netlink.Message{Header: netlink.Header{Type: msgNewPolicy}, Data: bytes.Clone(readGolden(b)["policy-out-tunnel"].body)}
	for b.Loop() {
		if ev, err := decodeEvent(m.Header.Type, m.Data); err != nil || ev.Kind != kernel.PolicyAdded {
			b.Fatal(ev, err)
		}
	}
}
