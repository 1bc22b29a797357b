package hooks

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
)

func TestEnvironment(t *testing.T) {
	n := notice.Notice{Local: netip.MustParseAddrPort("192.0.2.1:500"), Peer: netip.MustParseAddrPort("[2001:db8::1]:4500"),
		PeerID: "gw.example", CkyI: isakmp.Cookie{0xab}, CkyR: isakmp.Cookie{7: 1}, Detail: "with it", Remote: "gw"}
	want := []string{"LOCAL_ADDR=192.0.2.1", "LOCAL_PORT=500", "IKE_COOKIE=ab00000000000000:0000000000000001",
		"REMOTE_ADDR=2001:db8::1", "REMOTE_PORT=4500", "REMOTE_ID=gw.example"}
	if diff := cmp.Diff(want, environment(n)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	n.Peer, n.PeerID = netip.AddrPort{}, ""
	if diff := cmp.Diff(want[:3], environment(n)); diff != "" {
		t.Errorf("nothing known of the peer (-want +got):\n%s", diff)
	}
}

func TestAPeersWordsAreHarmless(t *testing.T) {
	for in, want := range map[string]string{
		"gw.example":            "gw.example",
		"C=DE, O=Größe":         "C=DE, O=Größe",
		"a\nROUTE=0.0.0.0/0":    `a\x0aROUTE=0.0.0.0/0`,
		"nul\x00":               `nul\x00`,
		"\xff\x7f":              `\xff\x7f`,
		`\x0a`:                  `\x5cx0a`,
		"right\u202eto left":    `right\xe2\x80\xaeto left`,
		"$(reboot) `x` ;& \"'|": "$(reboot) `x` ;& \"'|", // an environment variable is no program
	} {
		if got := harmless(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
