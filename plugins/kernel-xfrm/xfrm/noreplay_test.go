//go:build linux

package xfrm

import (
	"testing"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

func TestAntiReplayIsOffOnlyWhereItIsAskedFor(t *testing.T) {
	opt := saOptions{window: defaultWindow}
	window := func(sa kernel.SA) (uint32, error) {
		sa.Key = kernel.Key{Src: v4a, Dst: v4b, SPI: 0x1000, Proto: protoESP}
		sa.Mode, sa.Encr, sa.Auth = kernel.ModeTunnel, counting(12, 16, 0), counting(2, 20, 0)
		b, err := encodeSA(&sa, opt)
		if err != nil {
			return 0, err
		}
		o, err := decodeSA(b, time.Time{}, false)
		if err != nil {
			return 0, err
		}
		return o.SA.ReplayWindow, nil
	}
	for name, tt := range map[string]struct {
		sa   kernel.SA
		want uint32
	}{
		"nothing said":          {kernel.SA{}, defaultWindow},
		"inbound":               {kernel.SA{Dir: kernel.In}, defaultWindow},
		"without":               {kernel.SA{NoReplay: true}, 0},
		"without, and a window": {kernel.SA{NoReplay: true, ReplayWindow: 64}, 0},
	} {
		if got, err := window(tt.sa); err != nil || got != tt.want {
			t.Errorf("%s: window %d, %v; want %d", name, got, err, tt.want)
		}
	}
	if _, err := window(kernel.SA{NoReplay: true, ESN: true}); err == nil {
		t.Error("extended sequence numbers without anti-replay were accepted")
	}
}
