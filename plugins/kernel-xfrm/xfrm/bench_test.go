//go:build linux

package xfrm

import (
	"context"
	"log/slog"
	"net/netip"
	"testing"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

func BenchmarkLiveQuery(b *testing.B) {
	be, _ := New(Config{ReplayWindow: 64, EventBuffer: 2048}, slog.New(slog.DiscardHandler))
	defer be.Close(context.Background())
	var keys []kernel.Key
	for i := range 1000 {
		p := outPolicy()
		p.Key.Sel.Dst = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 10, byte(i >> 8), byte(i)}), 32)
		be.Apply(context.Background(), []kernel.Transaction{{Ops: []kernel.Op{{Kind: kernel.AddPolicy, Policy: p}}}})
		keys = append(keys, kernel.Key{Policy: &p.Key})
	}
	for b.Loop() {
		st, err := be.Query(context.Background(), keys)
		if err != nil || !st[999].Found {
			b.Fatal(err, st[999])
		}
	}
	be.Apply(context.Background(), []kernel.Transaction{{Ops: []kernel.Op{{Kind: kernel.FlushPolicies}}}})
}
