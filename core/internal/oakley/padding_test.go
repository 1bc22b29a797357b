package oakley

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPadding(t *testing.T) {
	filler := bytes.Repeat([]byte{0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7}, 4)
	for _, tc := range []struct {
		name   string
		plain  string
		block  int
		extra  int
		tail   Tail
		random []byte
		want   string
	}{
		{"nothing becomes a block", "", 8, 0, ExclusiveTail, nil, "0000000000000007"},
		{"one octet short takes the length only", "01020304050607", 8, 0, ExclusiveTail, filler, "0102030405060700"},
		{"whole blocks get another", "0102030405060708", 8, 0, ExclusiveTail, filler, "0102030405060708a0a1a2a3a4a5a607"},
		{"short randomness leaves zeros", "01", 8, 0, ExclusiveTail, []byte{0xee}, "01ee000000000006"},
		{"a block of AES", "0102", 16, 0, ExclusiveTail, filler, "0102a0a1a2a3a4a5a6a7a0a1a2a3a40d"},
		{"an inclusive tail counts itself", "010203040506", 8, 0, InclusiveTail, filler, "010203040506a002"},
		{"whole blocks get another with an inclusive tail", "0102030405060708", 8, 0, InclusiveTail, nil, "01020304050607080000000000000008"},
		{"blocks more than needed", "010203040506", 8, 2, ExclusiveTail, nil, "010203040506" + "0000" + "0000000000000000" + "0000000000000011"},
		{"blocks more than needed, inclusive", "010203040506", 8, 1, InclusiveTail, filler, "010203040506" + "a0a1" + "a2a3a4a5a6a7a00a"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			plain := append(unhex(t, tc.plain), 0x55)[:len(tc.plain)/2]
			padded := tc.tail.Pad(plain, tc.block, tc.extra, tc.random)
			if diff := cmp.Diff(tc.want, hex.EncodeToString(padded)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if plain[:cap(plain)][len(plain)] != 0x55 {
				t.Error("Pad wrote behind its argument")
			}
			if back, err := tc.tail.Strip(padded); err != nil || !bytes.Equal(back, plain) {
				t.Errorf("stripped %x, %v", back, err)
			}
		})
	}
}

// TestPaddingNeverWraps: the original's last octet is modulo 256.
func TestPaddingNeverWraps(t *testing.T) {
	for _, block := range []int{8, 16} {
		for _, tail := range []Tail{ExclusiveTail, InclusiveTail} {
			for length := range 3 * block {
				extra := tail.Room(length, block)
				padded := tail.Pad(make([]byte, length), block, extra, nil)
				if back, err := tail.Strip(padded); err != nil || len(back) != length {
					t.Errorf("blocks of %d, %d octets, %d blocks more: stripped to %d, %v", block, length, extra, len(back), err)
				}
				if n := len(padded) - length; n > MaxPadding || n+block <= 255 {
					t.Errorf("blocks of %d, %d octets: %d octets of padding at most", block, length, n)
				}
			}
		}
	}
}

func TestStrip(t *testing.T) {
	for _, tc := range []struct {
		name   string
		padded string
		tail   Tail
		want   string
		ok     bool
	}{
		{"nothing", "", ExclusiveTail, "", false},
		{"zeros, as RFC 2409 wants them, lose one octet", "0102030400000000", ExclusiveTail, "01020304000000", true},
		{"zeros lose nothing with an inclusive tail", "0102030400000000", InclusiveTail, "0102030400000000", true},
		{"all of it", "0000000000000007", ExclusiveTail, "", true},
		{"all of it, inclusive", "0000000000000008", InclusiveTail, "", true},
		{"one octet more than there is", "0000000000000008", ExclusiveTail, "", false},
		{"one octet more than there is, inclusive", "0000000000000009", InclusiveTail, "", false},
		{"as much as a tail can say", "00000000000000ff", ExclusiveTail, "", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := tc.tail.Strip(unhex(t, tc.padded))
			if (err == nil) != tc.ok || hex.EncodeToString(got) != tc.want {
				t.Errorf("%x, %v", got, err)
			}
		})
	}
}
