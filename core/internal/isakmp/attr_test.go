package isakmp

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAttributeUint(t *testing.T) {
	for _, c := range []struct {
		name string
		a    Attribute
		want uint64
		ok   bool
	}{
		{"basic", TV(AttrKeyLength, 256), 256, true},
		{"variable, one octet", TLV(AttrKeyLength, []byte{128}), 128, true},
		{"variable, four octets", TLV(AttrLifeDuration, []byte{0, 1, 0x51, 0x80}), 86400, true},
		{"variable, eight octets", TLV(AttrLifeDuration, []byte{0xff, 0, 0, 0, 0, 0, 0, 1}), 0xff00000000000001, true},
		{"variable, nine octets", TLV(AttrLifeDuration, make([]byte, 9)), 0, false},
		{"variable, no octets", TLV(AttrLifeDuration, nil), 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, ok := c.a.Uint(); got != c.want || ok != c.ok {
				t.Errorf("got %d, %t, want %d, %t", got, ok, c.want, c.ok)
			}
		})
	}
}

func TestUintAttrIsBasicWhereItFits(t *testing.T) {
	for v, want := range map[uint32]string{
		28800:  "800c 7080",
		0xffff: "800c ffff",
		86400:  "000c 0004 00015180",
	} {
		got := AppendAttributes(nil, []Attribute{UintAttr(AttrLifeDuration, v)})
		if diff := cmp.Diff(unhex(t, want), got); diff != "" {
			t.Errorf("%d (-want +got):\n%s", v, diff)
		}
	}
}

func TestAttributesEndWhereTheyEnd(t *testing.T) {
	b := unhex(t, "800b0001 000c0004 00015180 00050000")
	boundary := map[int]bool{0: true, 4: true, 12: true} // the list has no length of its own
	for n := range len(b) {
		if _, err := ParseAttributes(b[:n]); (err == nil) != boundary[n] {
			t.Errorf("first %d octets: error %v", n, err)
		}
	}
}

func TestAttributeDoesNotShowItsValue(t *testing.T) {
	if got := TLV(CfgXAuthUserPassword, []byte("hunter2")).String(); got != "16522(7)" {
		t.Errorf("reads %s", got)
	}
}
