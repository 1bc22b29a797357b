package ike

import (
	"net/netip"
	"testing"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// TestWhatASAInfoIsChosenBy: which ph1id, which identity and which client address
// each role looks a sainfo up with (racoon-conf section 10.1).
func TestWhatASAInfoIsChosenBy(t *testing.T) {
	peer := netip.MustParseAddrPort("192.0.2.2:500")
	gw := &policy.Identity{Type: 2, Data: []byte("gw")}
	seven := &policy.SAInfo{RemoteID: 7}
	for _, c := range []struct {
		name      string
		section   *policy.SAInfo
		role, sa  role // of the quick mode, of its phase 1
		ambiguous bool
		want      bool
	}{
		{"as initiator, ph1id is the section's", seven, initiator, initiator, false, true},
		{"as initiator, of a section that was named among several ph1id is 0", seven, initiator, initiator, true, false},
		{"as initiator, of a section that was named among several remoteid 0 fits", &policy.SAInfo{}, initiator, initiator, true, true},
		{"as initiator under the peer's phase 1 the identity has chosen the section", seven, initiator, responder, true, true},
		{"as responder, ph1id is the section's", seven, responder, initiator, true, true},
		{"as responder, clientaddr is the peer's address", &policy.SAInfo{RemoteID: 7, ClientAddr: true}, responder, responder, false, true},
		{"as initiator, clientaddr is nobody's", &policy.SAInfo{RemoteID: 7, ClientAddr: true}, initiator, responder, false, false},
		{"as initiator too, from is compared: phase 1 is over", &policy.SAInfo{RemoteID: 7, From: gw}, initiator, initiator, false, true},
		{"as initiator too, from is another peer", &policy.SAInfo{RemoteID: 7, From: &policy.Identity{Type: 2, Data: []byte("other")}}, initiator, initiator, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := &exchange{p: &Peer{setup: Setup{Ambiguous: c.ambiguous}}, cfg: policy.NewCommon(&policy.Config{SAInfos: []*policy.SAInfo{c.section}}), role: c.role,
				sa: &ISAKMPSA{role: c.sa, Remote: &policy.Remote{Ph1ID: 7}, Path: Path{Remote: peer}, PeerID: isakmp.ID{Type: 2, Data: []byte("gw")}},
				qm: &quick{want: &want{}, local: netip.MustParseAddr("192.0.2.1"), remote: peer.Addr()}}
			if err := x.findSAInfo(); (err == nil) != c.want {
				t.Errorf("%v", err)
			}
		})
	}
}
