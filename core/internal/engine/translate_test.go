package engine

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/sdk/auth"
)

func TestTheAuthPluginIsToldWhomTheSectionsExpect(t *testing.T) {
	got := skeyidRequest(ike.DeriveSKEYIDs{Remotes: []string{"one"}, Expected: []policy.Identity{
		{Type: 2, Data: []byte("gw.example"), Text: "gw.example"}, {Type: 3}}})
	want := auth.PeerContext{Remotes: []string{"one"}, ExpectedIDs: []auth.IDPattern{
		{Type: 2, Raw: []byte("gw.example"), Text: "gw.example"}, {Type: 3, Wildcard: true}}}
	if diff := cmp.Diff(want, got.Peer, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}
