package doi

import (
	"testing"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
)

func TestICVsAreTheStandards(t *testing.T) {
	for auth, want := range map[uint16]uint16{0: 0, isakmp.SAAuthHMACMD5: 96, isakmp.SAAuthHMACSHA1: 96,
		isakmp.SAAuthHMACSHA256: 128, isakmp.SAAuthHMACSHA384: 192, isakmp.SAAuthHMACSHA512: 256} {
		if got := ICV(auth); got != want {
			t.Errorf("%d: %d bits, want %d", auth, got, want)
		}
	}
}
