package xfrm

import (
	"net/netip"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestParseStates(t *testing.T) {
	text, err := os.ReadFile("testdata/states.txt")
	if err != nil {
		t.Fatal(err)
	}
	left, right := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	left6, right6 := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	want := []State{
		{Src: left, Dst: right, Proto: "esp", SPI: 0xc79abbdb, ReqID: 1, Mode: "tunnel", Keyed: true, Bytes: 4284, Packets: 51},
		{Src: right, Dst: left, Proto: "esp", SPI: 0xc4e8f64b, ReqID: 1, Mode: "tunnel", Keyed: true, Bytes: 4200, Packets: 50},
		{Src: left, Dst: right, Proto: "esp", SPI: 0, ReqID: 1, Mode: "tunnel"},
		{Src: left6, Dst: right6, Proto: "esp", SPI: 0xc45bb5ae, ReqID: 1, Mode: "transport", Keyed: true, Bytes: 3264, Packets: 51},
	}
	got, err := ParseStates(string(text))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
	if n := len(Keyed(got)); n != 3 {
		t.Errorf("%d SAs can carry traffic, want 3: the larval one cannot", n)
	}
	if in, out := Packets(got, left); in != 50 || out != 51 {
		t.Errorf("left received %d and sent %d, want 50 and 51", in, out)
	}
}

func TestParseStatesRefuses(t *testing.T) {
	for _, tt := range []struct{ name, text string }{
		{"a line before the first SA", "\tproto esp spi 0x1 reqid 0 mode tunnel\n"},
		{"a head that is none", "RTNETLINK answers: Operation not permitted\n"},
		{"an address that is none", "src here dst there\n"},
		{"an SPI that is no number", "src 192.0.2.1 dst 192.0.2.2\n\tproto esp spi zero reqid 0 mode tunnel\n"},
		{"counters that are no numbers", "src 192.0.2.1 dst 192.0.2.2\n\tlifetime current:\n\t  many(bytes), some(packets)\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if all, err := ParseStates(tt.text); err == nil {
				t.Errorf("read as %v", all)
			}
		})
	}
}

func TestRisenNamesOnlyWhatMayNotRise(t *testing.T) {
	before, err := ParseStat("XfrmInError 0\nXfrmInNoStates 2\nXfrmOutNoStates 5\n")
	if err != nil {
		t.Fatal(err)
	}
	after, err := ParseStat("XfrmInError 0\nXfrmInNoStates 4\nXfrmOutNoStates 9\n")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"XfrmInNoStates +2"}, after.Risen(before, "XfrmOutNoStates")); diff != "" {
		t.Errorf("risen (-want +got):\n%s", diff)
	}
	if risen := before.Risen(before); len(risen) != 0 {
		t.Errorf("unchanged counters have risen: %v", risen)
	}
}

func TestParseStatRefuses(t *testing.T) {
	for _, text := range []string{"", "XfrmInError\n", "XfrmInError x\n"} {
		if st, err := ParseStat(text); err == nil {
			t.Errorf("%q is read as %v", text, st)
		}
	}
}
