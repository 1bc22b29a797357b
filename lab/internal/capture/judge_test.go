package capture

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var (
	gw1, gw2     = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	host1, host2 = netip.MustParseAddr("10.1.0.1"), netip.MustParseAddr("10.2.0.1")
	six1, six2   = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
)

// ip4 is an Ethernet frame with an IPv4 packet; offset is the fragment offset
// in octets.
func ip4(src, dst netip.Addr, proto byte, offset int, payload ...byte) []byte {
	b := append(make([]byte, 12), 0x08, 0x00, 0x45, 0, 0, 0, 0, 7, byte(offset>>11), byte(offset>>3), 64, proto, 0, 0)
	b = append(b, src.AsSlice()...)
	return append(append(b, dst.AsSlice()...), payload...)
}

func ip6(src, dst netip.Addr, next byte, payload ...byte) []byte {
	b := append(make([]byte, 12), 0x86, 0xdd, 0x60, 0, 0, 0, 0, 0, next, 64)
	b = append(b, src.AsSlice()...)
	return append(append(b, dst.AsSlice()...), payload...)
}

func udp(src, dst uint16, payload ...byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, src)
	b = binary.BigEndian.AppendUint16(b, dst)
	return append(append(b, 0, 0, 0, 0), payload...)
}

func TestJudgeKnowsWhatIsProtected(t *testing.T) {
	spi, marker := []byte{0xc0, 0xff, 0xee, 1}, []byte{0, 0, 0, 0}
	for _, tt := range []struct {
		name  string
		frame []byte
		kind  Kind
		clear bool
	}{
		{"ESP between the gateways", ip4(gw1, gw2, 50, 0, spi...), ESP, false},
		{"a later fragment of ESP", ip4(gw1, gw2, 50, 1480, 1, 2, 3), ESP, false},
		{"AH between the gateways", ip4(gw1, gw2, 51, 0, append([]byte{4, 4, 0, 0}, spi...)...), AH, false},
		{"IPComp between the gateways", ip4(gw1, gw2, 108, 0, 4, 0, 0x5f, 9), IPComp, false},
		{"ESP over IPv6", ip6(six1, six2, 50, spi...), ESP, false},
		{"IKE", ip4(gw1, gw2, 17, 0, udp(500, 500, spi...)...), IKE, false},
		{"IKE from another port", ip4(gw1, gw2, 17, 0, udp(30061, 500, spi...)...), IKE, false},
		{"IKE on port 4500", ip4(gw1, gw2, 17, 0, udp(4500, 4500, marker...)...), IKE, false},
		{"a NAT keepalive", ip4(gw1, gw2, 17, 0, udp(4500, 4500, 0xff)...), IKE, false},
		{"ESP in UDP", ip4(gw1, gw2, 17, 0, udp(4500, 4500, spi...)...), ESPinUDP, false},
		{"a ping between the protected hosts", ip4(host1, host2, 1, 0, 8), Other, true},
		{"its answer", ip4(host2, host1, 1, 0, 0), Other, true},
		{"UDP between the protected hosts", ip4(host1, host2, 17, 0, udp(53, 53)...), Other, true},
		{"a ping between the gateways, which no policy of a tunnel covers", ip4(gw1, gw2, 1, 0, 8), Other, false},
		{"a ping from a protected host to elsewhere", ip4(host1, gw2, 1, 0, 8), Other, false},
		{"ARP", append(make([]byte, 12), 0x08, 0x06, 0, 1), Other, false},
		{"an IPv4 header cut short", ip4(host1, host2, 1, 0)[:30], Other, true},
		{"half an Ethernet header", make([]byte, 7), Other, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := NewJudge(netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("10.2.0.0/16"))
			j.See(tt.frame)
			if got := j.Cleared > 0; got != tt.clear {
				t.Errorf("in the clear: %v %v, want %v", got, j.Clear, tt.clear)
			}
			if f, err := Parse(tt.frame); err == nil && f.Kind != tt.kind {
				t.Errorf("is %s, want %s", f.Kind, tt.kind)
			}
		})
	}
}

func TestJudgeComparesTheLinkWithThePolicy(t *testing.T) {
	spi := []byte{0xc0, 0xff, 0xee, 1}
	ah := func(next byte) []byte { return ip4(gw1, gw2, 51, 0, append([]byte{next, 4, 0, 0}, spi...)...) }
	esp, natted, comp := ip4(gw1, gw2, 50, 0, spi...), ip4(gw1, gw2, 17, 0, udp(4500, 4500, spi...)...), ip4(gw1, gw2, 108, 0, 4, 0, 0x5f, 9)
	const transport, ipip = 1, 4
	for _, tt := range []struct {
		protocols string
		like      bool
		frames    [][]byte
	}{
		{"esp", true, [][]byte{esp, natted}},
		{"esp", false, [][]byte{esp, ah(transport)}},
		{"esp", false, [][]byte{ah(50)}},
		{"ah", true, [][]byte{ah(transport), ah(ipip)}},
		{"ah", false, [][]byte{esp}},
		{"ah", false, [][]byte{ah(transport), ah(50)}},
		{"esp+ah", true, [][]byte{ah(50)}},
		{"esp+ah", false, [][]byte{ah(transport)}},
		{"esp+ah", false, [][]byte{ah(50), esp}},
		{"ipcomp+esp", true, [][]byte{esp}},
		{"ipcomp+esp", false, [][]byte{esp, comp}},
		{"ipcomp+esp+ah", true, [][]byte{ah(50)}},
		{"ipcomp+esp+ah", false, [][]byte{ah(108)}},
		{"ipcomp", true, [][]byte{comp}},
		{"ipcomp", false, [][]byte{esp}},
		{"ipcomp+ah", true, [][]byte{ah(108), ah(transport)}},
		{"ipcomp+ah", false, [][]byte{ah(transport)}},
		{"ipcomp+ah", false, [][]byte{ah(108), comp}},
		{"esp", false, nil},
	} {
		j := NewJudge()
		for _, f := range tt.frames {
			j.See(f)
		}
		if got := j.Unlike(gw1, tt.protocols); (got == "") != tt.like {
			t.Errorf("%d frames, %v: for %s it says %q", len(tt.frames), j.Visible[gw1], tt.protocols, got)
		}
	}
}

func TestJudgeKnowsAFragmentOfIKE(t *testing.T) {
	header := func(next byte) []byte {
		b := append([]byte{1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8}, next)
		return append(b, make([]byte, 11)...)
	}
	marker := []byte{0, 0, 0, 0}
	for _, tt := range []struct {
		name  string
		frame []byte
		want  int
	}{
		{"a fragment", ip4(gw1, gw2, 17, 0, udp(500, 500, header(132)...)...), 1},
		{"a fragment on port 4500", ip4(gw1, gw2, 17, 0, udp(4500, 30000, append(marker, header(132)...)...)...), 1},
		{"a whole message", ip4(gw1, gw2, 17, 0, udp(500, 500, header(1)...)...), 0},
		{"a whole message on port 4500", ip4(gw1, gw2, 17, 0, udp(4500, 4500, append(marker, header(8)...)...)...), 0},
		{"half a header", ip4(gw1, gw2, 17, 0, udp(500, 500, header(132)[:20]...)...), 0},
		{"ESP in UDP that looks like one", ip4(gw1, gw2, 17, 0, udp(4500, 4500, header(132)...)...), 0},
	} {
		j := NewJudge()
		if j.See(tt.frame); j.Frags[gw1] != tt.want {
			t.Errorf("%s: %d fragments, want %d", tt.name, j.Frags[gw1], tt.want)
		}
	}
}

func TestJudgeOfTransportMode(t *testing.T) {
	fragment := func(offset byte, payload ...byte) []byte {
		return append([]byte{17, 0, 0, offset, 0, 0, 0, 9}, payload...)
	}
	options := []byte{58, 0, 1, 4, 0, 0, 0, 0}
	for _, tt := range []struct {
		name   string
		frames [][]byte
		clear  int
	}{
		{"an ICMPv6 echo request is in the clear", [][]byte{ip6(six1, six2, 58, 128)}, 1},
		{"so it is behind an extension header", [][]byte{ip6(six1, six2, 60, append(options, 128)...)}, 1},
		{"a neighbour's advertisement to all is nobody's policy", [][]byte{ip6(six1, netip.MustParseAddr("ff02::1"), 58, 136)}, 0},
		{"fragments of an IKE message are IKE", [][]byte{
			ip6(six1, six2, 44, fragment(1, udp(500, 500)...)...), ip6(six1, six2, 44, fragment(200, 1, 2)...)}, 0},
		{"a fragment of something else is in the clear", [][]byte{ip6(six1, six2, 44, fragment(200, 1, 2)...)}, 1},
		{"an extension header cut short cannot be judged", [][]byte{ip6(six1, six2, 60, 58, 9, 0, 0)}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := NewJudge(netip.PrefixFrom(six1, 128), netip.PrefixFrom(six2, 128))
			for _, f := range tt.frames {
				j.See(f)
			}
			if j.Cleared != tt.clear {
				t.Errorf("%d frames in the clear, want %d: %v", j.Cleared, tt.clear, j.Clear)
			}
		})
	}
}

func TestJudgeCountsESPBySenderAndSPI(t *testing.T) {
	j := NewJudge(netip.PrefixFrom(host1, 32), netip.PrefixFrom(host2, 32))
	for range 3 {
		j.See(ip4(gw1, gw2, 50, 0, 1, 2, 3, 4))
	}
	j.See(ip4(gw1, gw2, 50, 1480, 9, 9, 9, 9)) // what a later fragment begins with is no SPI
	j.See(ip4(gw1, gw2, 50, 0, 1, 2, 3, 5))
	j.See(ip4(gw2, gw1, 17, 0, udp(4500, 4500, 5, 6, 7, 8)...))
	want := map[netip.Addr]map[uint32]int{gw1: {0x01020304: 3, 0x01020305: 1}, gw2: {0x05060708: 1}}
	if diff := cmp.Diff(want, j.SPIs, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("ESP by sender and SPI (-want +got):\n%s", diff)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(ip4(gw1, gw2, 50, 0, 1, 2, 3, 4))
	f.Add(ip4(gw1, gw2, 17, 0, udp(4500, 4500, 1, 2, 3, 4)...))
	f.Add(ip6(six1, six2, 60, 58, 0, 1, 4, 0, 0, 0, 0, 128))
	f.Add(ip6(six1, six2, 44, 17, 0, 0, 1, 0, 0, 0, 9))
	f.Fuzz(func(t *testing.T, b []byte) {
		low, high := netip.MustParsePrefix("0.0.0.0/1"), netip.MustParsePrefix("128.0.0.0/1")
		j := NewJudge(low, high)
		frame, err := Parse(b)
		j.See(b)
		if err != nil && j.Cleared != 1 {
			t.Errorf("%x cannot be read (%v) and was passed over", b, err)
		}
		if err == nil && frame.Src.Is4() && low.Contains(frame.Src) != low.Contains(frame.Dst) && frame.Kind == Other && !frame.Rest && j.Cleared != 1 {
			t.Errorf("%s was passed over", frame)
		}
	})
}

func TestPcapIsReadBack(t *testing.T) {
	var out bytes.Buffer
	w, err := newPcapWriter(&out)
	if err != nil {
		t.Fatal(err)
	}
	at, frame := time.Unix(1_700_000_000, 123_456_789), ip4(gw1, gw2, 50, 0, 1, 2, 3, 4)
	if err := w.write(at, frame); err != nil {
		t.Fatal(err)
	}
	want := slices.Concat(
		[]byte{0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x40, 0, 1, 0, 1, 0, 0, 0}, // header
		[]byte{0x00, 0xf1, 0x53, 0x65, 0x15, 0xcd, 0x5b, 0x07, byte(len(frame)), 0, 0, 0, byte(len(frame)), 0, 0, 0}, frame)
	if diff := cmp.Diff(want, out.Bytes()); diff != "" {
		t.Errorf("pcap (-want +got):\n%s", diff)
	}
}
