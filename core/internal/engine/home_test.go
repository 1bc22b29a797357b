package engine

import (
	"net/netip"
	"testing"
	"testing/synctest"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// A machine knows where its section has the peer, also if the peer has come through a
// NAT.
func TestAPeersHome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { testHome(t, newHouse(t, Options{}).start(t)) })
}

func testHome(t *testing.T, h *house) {
	found := ike.Path{Local: netip.AddrPortFrom(here.Local.Addr(), 4500), Remote: netip.MustParseAddrPort("192.0.2.2:61234")}
	other := literal("192.0.2.2")
	other.Port = 1500
	for _, tt := range []struct {
		name   string
		remote *policy.Remote
		at     ike.Path
		want   ike.Path
	}{
		{"an address", literal("192.0.2.2"), found, ike.Path{Local: here.Local, Remote: netip.MustParseAddrPort("192.0.2.2:500")}},
		{"an address and a port", other, found, ike.Path{Local: here.Local, Remote: netip.MustParseAddrPort("192.0.2.2:1500")}},
		{"any address", anonymous(), found, ike.Path{}},
		{"an address of ours that is gone", literal("192.0.2.2"), path("192.0.2.77:4500", "192.0.2.2:61234"), ike.Path{}},
	} {
		if got := h.home(tt.remote, tt.at); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}
