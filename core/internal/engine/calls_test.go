package engine

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/sdk/errs"
)

func TestOctetsAreThoseOfTheKernel(t *testing.T) {
	h := newHouse(t, Options{})
	one, two := ike.SAKey{Dst: addr("192.0.2.1"), Proto: 50, SPI: 1}, ike.SAKey{Dst: addr("192.0.2.2"), Proto: 50, SPI: 2}
	h.kern.octets = map[ike.SAKey]uint64{one: 1000, two: 7}
	var v any
	var err error
	reply := func(got any, e error) bool { v, err = got, e; return true }
	h.readOctets(ike.ReadOctets{SAs: []ike.SAKey{two, {Dst: one.Dst, Proto: 50, SPI: 3}, one}}, reply)
	if d := cmp.Diff([]uint64{7, 0, 1000}, v); d != "" || err != nil {
		t.Errorf("%v\n%s", err, d)
	}
	h.kern.noQuery = errs.Errorf(errs.Unavailable, "it restarts")
	if h.readOctets(ike.ReadOctets{SAs: []ike.SAKey{one}}, reply); v != nil || !errors.As(err, new(*ike.Unavailable)) {
		t.Errorf("%v, %v", v, err)
	}
}
