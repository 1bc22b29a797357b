package engine

import (
	"net/netip"
	"testing"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/spd"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// Where an SA is encapsulated, a kernel may have to know which of its ends is the peer.
func TestAMoveSaysWhichWayItsSAGoes(t *testing.T) {
	for dir, want := range map[spd.Direction]kernel.Direction{spd.In: kernel.In, spd.Out: kernel.Out} {
		m := ike.SAMove{SA: ike.KernelSA{Dir: dir, Encap: &ike.Encap{}}, Src: netip.MustParseAddr("192.0.2.1"), Dst: netip.MustParseAddr("192.0.2.2")}
		if op := moveOp(m); op.Kind != kernel.UpdateSA || op.SA.Dir != want {
			t.Errorf("%+v, want direction %d", op.SA, want)
		}
	}
}
