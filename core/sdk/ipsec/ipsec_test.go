package ipsec

import (
	"slices"
	"testing"
)

func TestTheTablesMakeSense(t *testing.T) {
	for name, table := range map[string][]Algorithm{"encrs": encrs, "auths": auths, "comps": comps} {
		last := uint16(0) // which is no number
		for _, a := range table {
			if a.ID <= last || a.Name == "" || (a.MinKey|a.MaxKey|a.Step|a.Salt|a.ICV)%8 != 0 ||
				(a.Step != 0) != (a.MinKey < a.MaxKey) || (a.ICV != 0) != (a.AEAD || name == "auths") {
				t.Errorf("%s: %+v behind %d", name, a, last)
			}
			last = a.ID
		}
	}
}

func TestAKeyHasALengthOfItsAlgorithm(t *testing.T) {
	for _, test := range []struct {
		a    Algorithm
		want []int // octets
	}{
		{Encr(3), []int{24}}, {Encr(Null), []int{0}}, {Encr(12), []int{16, 24, 32}}, {Encr(6), []int{5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}},
		{Encr(13), []int{20, 28, 36}}, {Encr(14), []int{19, 27, 35}}, {Encr(20), []int{20, 28, 36}}, // with a salt
		{Auth(6), []int{48}}, {Comp(2), []int{0}}, {Encr(249), []int{0}}, {Auth(0), []int{0}}, // the last two nobody knows
	} {
		var got []int
		for octets := range 71 {
			if test.a.CheckKey(octets) == nil {
				got = append(got, octets)
			}
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%+v takes keys of %d octets, want %d", test.a, got, test.want)
		}
	}
}
