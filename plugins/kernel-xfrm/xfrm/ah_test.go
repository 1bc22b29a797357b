//go:build linux

package xfrm

import (
	"testing"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// An AH header is as long as RFC 4302 says only if the kernel is asked for it: its
// own padding to 8 octets makes a packet with a MAC of 128 bits that others drop.
func TestAHOfIPv4IsPaddedTo4Octets(t *testing.T) {
	for _, tt := range []struct {
		what string
		sa   kernel.SA
		want byte
	}{
		{"AH of IPv4", kernel.SA{Key: kernel.Key{Src: v4a, Dst: v4b, Proto: protoAH, SPI: 1000}, Auth: counting(5, 32, 128)}, flagAlign4},
		{"AH of IPv6", kernel.SA{Key: kernel.Key{Src: v6a, Dst: v6b, Proto: protoAH, SPI: 1000}, Auth: counting(5, 32, 128)}, 0},
		{"ESP of IPv4", kernel.SA{Key: kernel.Key{Src: v4a, Dst: v4b, Proto: protoESP, SPI: 1000}, Encr: counting(12, 16, 0), Auth: counting(5, 32, 128)}, 0},
	} {
		tt.sa.Mode = kernel.ModeTransport
		b, err := encodeSA(&tt.sa, saOptions{})
		if err != nil {
			t.Fatalf("%s: %v", tt.what, err)
		}
		if got := b[saFlags] & flagAlign4; got != tt.want {
			t.Errorf("%s: flag %d, want %d", tt.what, got, tt.want)
		}
	}
}
