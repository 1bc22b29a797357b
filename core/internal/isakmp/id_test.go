package isakmp

import (
	"net/netip"
	"testing"
)

const (
	any6    = "00000000000000000000000000000000"
	doc6    = "20010db8000000000000000000000000"
	doc6One = "20010db8000000000000000000000001"
)

func TestID(t *testing.T) {
	testGood(t, ParseID, []goodBody[ID]{
		{name: "IPv4 address of phase 1", hex: "01 11 01f4 c0000201",
			want: ID{IDIPv4Addr, 17, 500, []byte{192, 0, 2, 1}}, text: "ID{IPV4_ADDR 192.0.2.1 17/500}"},
		{name: "IPv6 address", hex: "05 00 0000" + doc6One,
			want: AddrID(netip.MustParseAddr("2001:db8::1")), text: "ID{IPV6_ADDR 2001:db8::1}"},
		{name: "IPv4 address", hex: "01 00 0000 c0000201",
			want: AddrID(netip.MustParseAddr("::ffff:192.0.2.1")), text: "ID{IPV4_ADDR 192.0.2.1}"},
		{name: "IPv4 range of one", hex: "07 00 0000 0a000001 0a000001",
			want: RangeID(netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.1")), text: "ID{IPV4_ADDR_RANGE 10.0.0.1-10.0.0.1}"},
		{name: "IPv4 subnet", hex: "04 00 0000 0a010000 ffffe000",
			want: PrefixID(netip.MustParsePrefix("10.1.0.0/19")), text: "ID{IPV4_ADDR_SUBNET 10.1.0.0/19}"},
		{name: "IPv4 subnet with holes in its mask", hex: "04 00 0000 0a010000 ff00ff00",
			want: ID{Type: IDIPv4Subnet, Data: []byte{10, 1, 0, 0, 255, 0, 255, 0}}, text: "ID{IPV4_ADDR_SUBNET 0x0a010000ff00ff00}"},
		{name: "IPv6 subnet of everything", hex: "06 00 0000" + any6 + any6,
			want: PrefixID(netip.MustParsePrefix("::/0")), text: "ID{IPV6_ADDR_SUBNET ::/0}"},
		{name: "IPv4 range", hex: "07 06 0050 0a000001 0a000009",
			want: ID{IDIPv4Range, 6, 80, []byte{10, 0, 0, 1, 10, 0, 0, 9}}, text: "ID{IPV4_ADDR_RANGE 10.0.0.1-10.0.0.9 6/80}"},
		{name: "IPv6 range", hex: "08 00 0000" + doc6 + doc6One,
			want: RangeID(netip.MustParseAddr("2001:db8::"), netip.MustParseAddr("2001:db8::1")), text: "ID{IPV6_ADDR_RANGE 2001:db8::-2001:db8::1}"},
		{name: "FQDN", hex: "02 00 0000 612e6578616d706c65",
			want: ID{Type: IDFQDN, Data: []byte("a.example")}, text: `ID{FQDN "a.example"}`, open: 4, why: "a name has no length"},
		{name: "FQDN that would forge a log line", hex: "02 00 0000 610a00",
			want: ID{Type: IDFQDN, Data: []byte("a\n\x00")}, text: `ID{FQDN "a\n\x00"}`, open: 4, why: "a name has no length"},
		{name: "key ID", hex: "0b 00 0000 c0ffee",
			want: ID{Type: IDKeyID, Data: []byte{0xc0, 0xff, 0xee}}, text: "ID{KEY_ID 0xc0ffee}", open: 4, why: "a key ID has no length"},
		{name: "unknown type", hex: "63 00 0000 01",
			want: ID{Type: 99, Data: []byte{1}}, text: "ID{99 0x01}", open: 4, why: "nothing is known of it"},
	})
}

func TestIDRefuses(t *testing.T) {
	testBad(t, PayloadID, ParseID, []badBody{
		{"nothing", "", 0, "truncated", NotifyInvalidIDInformation},
		{"an IPv4 address of five octets", "01 00 0000 0a00000100", 4, "IPV4_ADDR of 5 octets, not 4", NotifyInvalidIDInformation},
		{"an IPv6 address in an IPv4 one's size", "05 00 0000 0a000001", 4, "IPV6_ADDR of 4 octets, not 16", NotifyInvalidIDInformation},
		{"an IPv6 subnet without a mask", "06 00 0000" + any6, 4, "IPV6_ADDR_SUBNET of 16 octets, not 32", NotifyInvalidIDInformation},
	})
}

func TestIDAsAddresses(t *testing.T) {
	for _, c := range []struct {
		name, hex           string
		first, last, prefix string // empty: none
	}{
		{"address", "01 00 0000 0a000001", "10.0.0.1", "10.0.0.1", "10.0.0.1/32"},
		{"subnet", "04 00 0000 0a010000 ffffe000", "10.1.0.0", "10.1.31.255", "10.1.0.0/19"},
		{"subnet with host bits", "04 00 0000 0a011fff ffffe000", "10.1.0.0", "10.1.31.255", "10.1.0.0/19"},
		{"subnet of everything", "04 00 0000 00000000 00000000", "0.0.0.0", "255.255.255.255", "0.0.0.0/0"},
		{"subnet of one address", "04 00 0000 0a000001 ffffffff", "10.0.0.1", "10.0.0.1", "10.0.0.1/32"},
		{"IPv6 subnet", "06 00 0000" + doc6 + "ffffffff000000000000000000000000", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db8::/32"},
		{"mask with a hole within an octet", "04 00 0000 0a010000 ffa00000", "", "", ""},
		{"mask with a hole at an octet", "04 00 0000 0a010000 ff00ff00", "", "", ""},
		{"mask that continues after a partial octet", "04 00 0000 0a010000 fff0f000", "", "", ""},
		{"range", "07 00 0000 0a000001 0a000009", "10.0.0.1", "10.0.0.9", ""},
		{"range upside down", "07 00 0000 0a000009 0a000001", "", "", ""},
		{"name", "02 00 0000 61", "", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			id, err := ParseID(unhex(t, c.hex))
			if err != nil {
				t.Fatal(err)
			}
			first, last, ok := id.Range()
			if ok != (c.first != "") || ok && (first.String() != c.first || last.String() != c.last) {
				t.Errorf("range %v-%v %t, want %s-%s", first, last, ok, c.first, c.last)
			}
			p, ok := id.Prefix()
			if ok != (c.prefix != "") || ok && p.String() != c.prefix {
				t.Errorf("prefix %v %t, want %s", p, ok, c.prefix)
			}
		})
	}
}

// IDs that were not parsed may hold anything.
func TestIDOfWrongSizeHasNoAddresses(t *testing.T) {
	for typ := range IDType(13) {
		for size := range 40 {
			id := ID{Type: typ, Data: make([]byte, size)}
			want, count := typ.addrs()
			_, _, ok := id.Range()
			if ok != (count > 0 && size == want*count) {
				t.Errorf("%v of %d octets: Range ok %t", typ, size, ok)
			}
			if _, ok := id.Addr(); ok != (count == 1 && size == want) {
				t.Errorf("%v of %d octets: Addr ok %t", typ, size, ok)
			}
		}
	}
}

func TestTextIsTheIdentityAlone(t *testing.T) {
	for _, test := range []struct {
		id   ID
		want string
	}{
		{AddrID(netip.MustParseAddr("192.0.2.1")), "192.0.2.1"},
		{AddrID(netip.MustParseAddr("2001:db8::1")), "2001:db8::1"},
		{PrefixID(netip.MustParsePrefix("10.0.0.0/8")), "10.0.0.0/8"},
		{ID{Type: IDFQDN, Data: []byte("gw.example")}, "gw.example"},
		{ID{Type: IDUserFQDN, Data: []byte("a@b\n")}, "a@b\n"},
		{ID{Type: IDKeyID, Data: []byte("a group")}, "a group"},
		{ID{Type: IDKeyID, Data: []byte{1, 2}}, "0x0102"},
		{ID{Type: IDDERASN1DN, Data: []byte{0x30, 0}}, "0x3000"},
		{ID{Type: IDIPv4Addr, Data: []byte{1}}, "0x01"},
	} {
		if got := test.id.Text(); got != test.want {
			t.Errorf("%v: %q, want %q", test.id, got, test.want)
		}
	}
}
