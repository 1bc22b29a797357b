//go:build linux

package xfrm

import (
	"slices"
	"testing"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

func TestTheICVsAdvertisedAreThoseTaken(t *testing.T) {
	for _, a := range slices.Concat(authAlgs, encrAlgs) {
		icvs := a.icvs()
		if a.ICV == 0 { // no ICV, no question
			continue
		}
		if icvs[0] != a.ICV {
			t.Errorf("%s: the first is %d, not what Trunc 0 gives, %d", a.crypto, icvs[0], a.ICV)
		}
		for trunc := uint16(1); trunc <= 520; trunc++ {
			_, err := a.icv(&kernel.AlgKey{Trunc: trunc})
			if taken := err == nil; taken != slices.Contains(icvs, trunc) {
				t.Errorf("%s cut to %d bits: taken %v, advertised %v", a.crypto, trunc, taken, icvs)
			}
		}
	}
}

func TestBothCountersOfBadPacketsAreRead(t *testing.T) {
	body := slices.Clone(readGolden(t)["esp-gcm-transport-natt"].body)
	native.PutUint32(body[saStatWindow:], 1)
	native.PutUint32(body[saStatReplay:], 2)
	native.PutUint32(body[saStatIntegrity:], 7)
	o, err := decodeSA(body, time.Time{}, false)
	if err != nil || o.Stats.ReplayErrors != 3 || o.Stats.IntegrityErrors != 7 {
		t.Errorf("got %+v, %v; want 3 replayed, 7 with a wrong ICV", o.Stats, err)
	}
}
