//go:build linux

package xfrm

import (
	"testing"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// TestReplayWindowsAreNeverOffAndPowersOfTwo looks at both forms a window has.
func TestReplayWindowsAreNeverOffAndPowersOfTwo(t *testing.T) {
	for _, tt := range []struct {
		name   string
		window uint32 // of the SA
		config uint32
		dir    kernel.Direction
		esn    bool
		want   uint32
		bitmap int // words; 0 is the old form
	}{
		{"none asked: the configured one", 0, 64, kernel.In, false, 64, 2},
		{"none asked, 32 configured", 0, 32, kernel.In, false, 32, 0},
		{"too small", 1, 64, kernel.In, false, 32, 0},
		{"an SA of no direction has one", 0, 32, 0, false, 32, 0},
		{"an outbound SA has none", 64, 64, kernel.Out, false, 0, 0},
		{"33 is 64", 33, 64, kernel.In, false, 64, 2},
		{"100 is 128", 100, 64, kernel.In, false, 128, 4},
		{"a configured one too", 0, 1000, kernel.In, false, 1024, 32},
		{"the widest", 4096, 64, kernel.In, false, 4096, 128},
		{"ESN with 32", 32, 64, kernel.In, true, 32, 1},
		{"ESN with 2000", 2000, 64, kernel.In, true, 2048, 64},
		{"ESN outbound: this kernel wants one", 0, 64, kernel.Out, true, 32, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sa := goldenSAs()["esp-3des-md5"]
			sa.ReplayWindow, sa.Dir, sa.ESN = tt.window, tt.dir, tt.esn
			body, err := encodeSA(sa, saOptions{window: tt.config})
			if err != nil {
				t.Fatal(err)
			}
			words := 0
			eachAttr(body[sizeSAInfo:], func(typ uint16, data []byte) error {
				if typ == attrReplayESN {
					words = int(native.Uint32(data))
				}
				return nil
			})
			o, err := decodeSA(body, time.Time{}, false)
			if err != nil || o.SA.ReplayWindow != tt.want || words != tt.bitmap || o.SA.ESN != tt.esn {
				t.Errorf("window %d, bitmap of %d words, ESN %v, %v; want %d, %d, %v", o.SA.ReplayWindow, words, o.SA.ESN, err, tt.want, tt.bitmap, tt.esn)
			}
		})
	}
}
