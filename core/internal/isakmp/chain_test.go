package isakmp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const message = `
	72e2db93c5660054 67852bea280123a0 0a 10 02 00 00000000 00000034
	0d 00 000c 0102030405060708
	0d 00 0006 6162
	00 00 0006 6364`

var (
	messageHeader = Header{
		CkyI: Cookie{0x72, 0xe2, 0xdb, 0x93, 0xc5, 0x66, 0, 0x54},
		CkyR: Cookie{0x67, 0x85, 0x2b, 0xea, 0x28, 1, 0x23, 0xa0},
		Next: PayloadNONCE, Version: Version1, Exchange: IdentityProtection, Length: 52,
	}
	messagePayloads = []Payload{
		{PayloadNONCE, []byte{1, 2, 3, 4, 5, 6, 7, 8}},
		{PayloadVID, []byte("ab")},
		{PayloadVID, []byte("cd")},
	}
)

func TestMessage(t *testing.T) {
	datagram := unhex(t, message)
	h, ps, err := ParseMessage(datagram)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(messageHeader, h); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(messagePayloads, ps); diff != "" {
		t.Errorf("payloads (-want +got):\n%s", diff)
	}
	testPrefixes(t, datagram, 0, func(b []byte) ([]byte, error) {
		h, ps, err := ParseMessage(b)
		return AppendMessage(nil, h, ps), err
	})
	h.Next, h.Length = 0, 0 // filled in
	prefix := []byte("before")
	if diff := cmp.Diff(append(prefix, datagram...), AppendMessage(prefix, h, ps)); diff != "" {
		t.Errorf("appended (-want +got):\n%s", diff)
	}
}

func TestMessageWithoutPayloads(t *testing.T) {
	b := AppendMessage(nil, messageHeader, nil)
	h, ps, err := ParseMessage(b)
	if err != nil || h.Next != PayloadNone || h.Length != HeaderLen || len(ps) != 0 {
		t.Errorf("got %+v, %v, %v", h, ps, err)
	}
}

func TestMessageRefuses(t *testing.T) {
	set := func(at int, octets ...byte) []byte {
		b := unhex(t, message)
		copy(b[at:], octets)
		return b
	}
	for _, c := range []struct {
		datagram []byte
		badBody
	}{
		{nil, badBody{"nothing", "", 0, "0 octets are less than a header", NotifyUnequalPayloadLengths}},
		{set(0)[:27], badBody{"half a header", "", 27, "27 octets are less", NotifyUnequalPayloadLengths}},
		{set(27, 27), badBody{"a length less than the header", "", 24, "message length 27", NotifyUnequalPayloadLengths}},
		{set(27, 53), badBody{"a length beyond the datagram", "", 24, "message length 53", NotifyUnequalPayloadLengths}},
		{set(24, 255, 255, 255, 255), badBody{"a length of 4 GiB", "", 24, "message length 4294967295", NotifyUnequalPayloadLengths}},
		{set(27, 40), badBody{"octets after the message", "", 24, "message length 40 in a datagram of 52", NotifyUnequalPayloadLengths}},
		{set(31, 3), badBody{"a payload shorter than its header", "", 0, "payload length 3", NotifyPayloadMalformed}},
		{set(31, 0), badBody{"a payload of no length, which would loop", "", 0, "payload length 0", NotifyPayloadMalformed}},
		{set(48, 1), badBody{"a payload beyond the message", "", 18, "payload length 262, but 6 octets", NotifyPayloadMalformed}},
		{set(46, 13), badBody{"a next payload that does not come", "", 24, "0 octets where a payload header", NotifyPayloadMalformed}},
		{set(28, 0), badBody{"payloads after the last", "", 40, "12 octets after the last payload", NotifyUnequalPayloadLengths}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, ps, err := ParseMessage(c.datagram)
			checkSyntaxError(t, err, PayloadNone, c.badBody)
			if h != (Header{}) || ps != nil {
				t.Errorf("a refused message leaves %+v, %v", h, ps)
			}
		})
	}
}

func TestChainLeavesPadding(t *testing.T) {
	chain := unhex(t, "00 00 0006 6162 0000000000000007")
	ps, rest, err := ParseChain(PayloadHASH, chain)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Payload{{PayloadHASH, []byte("ab")}}, ps); diff != "" {
		t.Errorf("payloads (-want +got):\n%s", diff)
	}
	if !bytes.Equal(rest, chain[6:]) {
		t.Errorf("rest %x", rest)
	}
}

func TestChainBoundsItsPayloads(t *testing.T) {
	vids := make([]Payload, MaxPayloads+1)
	for i := range vids {
		vids[i].Type = PayloadVID
	}
	if ps, _, err := ParseChain(PayloadVID, AppendChain(nil, vids[1:])); err != nil || len(ps) != MaxPayloads {
		t.Errorf("%d payloads: %v", MaxPayloads, err)
	}
	if _, _, err := ParseChain(PayloadVID, AppendChain(nil, vids)); err == nil {
		t.Errorf("%d payloads are accepted", len(vids))
	}
}

func TestChainIgnoresReservedOctet(t *testing.T) {
	ps, _, err := ParseChain(PayloadVID, unhex(t, "00 ff 0006 6162"))
	if err != nil {
		t.Fatal(err)
	}
	if got := AppendChain(nil, ps); got[1] != 0 {
		t.Error("it is not sent as zero")
	}
}

func TestChainErrorNamesThePayload(t *testing.T) {
	_, _, err := ParseChain(PayloadHASH, unhex(t, "0b 00 0006 6162 00 00 0003"))
	want := "payload 2, N: isakmp message, octet 6: payload length 3 is less than its header"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// Bodies are views: whoever appends to one must not write into the datagram,
// whoever hashes one must see what came.
func TestBodiesAliasTheDatagram(t *testing.T) {
	datagram := unhex(t, message)
	_, ps, err := ParseMessage(datagram)
	if err != nil {
		t.Fatal(err)
	}
	datagram[32] = 0xee
	if ps[0].Body[0] != 0xee {
		t.Error("the body is a copy")
	}
	before := bytes.Clone(datagram)
	for _, p := range ps {
		_ = append(p.Body, 0xaa, 0xbb)
	}
	if !bytes.Equal(datagram, before) {
		t.Error("appending to a body wrote into the datagram")
	}
}

func TestCheckSize(t *testing.T) {
	for _, c := range []struct {
		name  string
		sizes []int
		want  string // empty: fits
	}{
		{"no payloads", nil, ""},
		{"the largest message", []int{MaxDatagram - HeaderLen - 4}, ""},
		{"one octet more", []int{MaxDatagram - HeaderLen - 3}, "message of 65536 octets"},
		{"the sum is too large", []int{40000, 30000}, "message of 70036 octets"},
		{"a body that wraps its length", []int{MaxBody + 1}, "CERT payload of 65532 octets"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var ps []Payload
			for _, n := range c.sizes {
				ps = append(ps, Payload{PayloadCERT, make([]byte, n)})
			}
			err := CheckSize(ps)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestChainLayerAllocates(t *testing.T) {
	datagram := unhex(t, message)
	if n := testing.AllocsPerRun(100, func() { ParseMessage(datagram) }); n > 1 {
		t.Errorf("ParseMessage allocates %v times, want the payloads' slice only", n)
	}
	chain, rest := datagram[HeaderLen:], error(nil)
	chain = append(chain, 0, 0)
	if n := testing.AllocsPerRun(100, func() { _, _, rest = ParseChain(PayloadNONCE, chain) }); n > 1 || rest != nil {
		t.Errorf("ParseChain allocates %v times, error %v", n, rest)
	}
	buf := make([]byte, 0, 128)
	if n := testing.AllocsPerRun(100, func() { AppendMessage(buf, messageHeader, messagePayloads) }); n > 0 {
		t.Errorf("AppendMessage allocates %v times", n)
	}
}

// The longest walks a datagram can cause: none may loop or grow without bound.
func TestLargestDatagrams(t *testing.T) {
	huge := bytes.Repeat([]byte{byte(PayloadVID), 0, 0, 4}, MaxDatagram/4)
	if _, _, err := ParseChain(PayloadVID, huge); err == nil {
		t.Error("16383 empty payloads are accepted")
	}
	sa := unhex(t, "00000001 00000001 00 00 fff7 01 01 00 80")
	sa = append(sa, bytes.Repeat(unhex(t, "03 00 0008 01 01 0000"), 8190)...)
	binary.BigEndian.PutUint16(sa[10:], uint16(len(sa)-8))
	if _, err := ParseSA(sa); err == nil {
		t.Error("8190 transforms are accepted")
	}
}

func TestSyntaxErrorIsFoundThroughWrapping(t *testing.T) {
	_, _, err := ParseChain(PayloadSA, nil)
	var e *SyntaxError
	if !errors.As(err, &e) || e.Notify() != NotifyPayloadMalformed {
		t.Errorf("got %v", err)
	}
}
