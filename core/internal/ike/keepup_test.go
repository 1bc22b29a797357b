package ike

import (
	"testing"
	"time"
)

func TestBackOffGrowsAndBegins(t *testing.T) {
	now := time.Unix(1e9, 0)
	for _, chance := range []byte{0, 128, 255} {
		k := &kept{}
		backOff := func() time.Duration { return k.backOff(now, func() byte { return chance }) }
		if got := backOff(); got != 0 {
			t.Errorf("the first attempt waits for %v", got)
		}
		for want := time.Second; want < time.Hour; want *= 2 {
			if got, most := backOff(), min(want, 5*time.Minute); got < most/2 || got > most {
				t.Errorf("chance %d: %v, want %v to %v", chance, got, most/2, most)
			}
		}
		k.up(now)
		now = now.Add(time.Minute)
		if got := backOff(); got < 2*time.Minute {
			t.Errorf("SAs that were there for a minute only: %v", got)
		}
		k.up(now)
		now = now.Add(time.Hour)
		if got := backOff(); got > time.Second {
			t.Errorf("SAs that were there for an hour: %v", got)
		}
	}
}
