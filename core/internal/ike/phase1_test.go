package ike

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/policy"
)

func TestTheAuthPluginIsToldOfIdentitiesOnlyIfEverySectionInsists(t *testing.T) {
	a, b := policy.Identity{Type: 2, Data: []byte("a.example")}, policy.Identity{Type: 2, Data: []byte("b.example")}
	insists := &policy.Remote{VerifyIdentifier: true, PeerIDs: []policy.Identity{a}}
	too := &policy.Remote{VerifyIdentifier: true, PeerIDs: []policy.Identity{b}}
	for _, c := range []struct {
		name    string
		remotes []*policy.Remote
		want    []policy.Identity
	}{
		{"one section", []*policy.Remote{insists}, []policy.Identity{a}},
		{"two sections, either will do", []*policy.Remote{insists, too}, []policy.Identity{a, b}},
		{"one section has no peers_identifier", []*policy.Remote{insists, {VerifyIdentifier: true}}, nil},
		{"one section does not verify", []*policy.Remote{insists, {PeerIDs: []policy.Identity{b}}}, nil},
	} {
		if diff := cmp.Diff(c.want, expectedIDs(c.remotes)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}
