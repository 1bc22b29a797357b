package isakmp

import (
	"net/netip"
	"strings"
	"testing"
)

func TestCert(t *testing.T) {
	testGood(t, ParseCert, []goodBody[Cert]{
		{name: "X.509", hex: "04 3082", want: Cert{CertX509Sign, []byte{0x30, 0x82}}, text: "CERT{X509-SIGN (2)}", open: 1, why: "DER is not looked into"},
	})
	testBad(t, PayloadCERT, ParseCert, []badBody{{"nothing", "", 0, "truncated", NotifyInvalidCertificate}})
}

func TestCertRequest(t *testing.T) {
	testGood(t, ParseCertRequest, []goodBody[CertRequest]{
		{name: "of an authority", hex: "04 3082", want: CertRequest{CertX509Sign, []byte{0x30, 0x82}}, text: "CR{X509-SIGN (2)}", open: 1, why: "DER is not looked into"},
		{name: "of any authority", hex: "07", want: CertRequest{CertCRL, nil}, text: "CR{CRL (0)}"},
	})
	testBad(t, PayloadCR, ParseCertRequest, []badBody{{"nothing", "", 0, "truncated", NotifyInvalidCertAuthority}})
}

func TestNotify(t *testing.T) {
	const cookies = "0102030405060708 1112131415161718"
	spi := []byte{1, 2, 3, 4, 5, 6, 7, 8, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18}
	testGood(t, ParseNotify, []goodBody[Notify]{
		{name: "error without SPI or data", hex: "00000001 01 00 000e",
			want: Notify{DOI: 1, Protocol: ProtoISAKMP, Type: NotifyNoProposalChosen}, text: "N{NO-PROPOSAL-CHOSEN ISAKMP}"},
		{name: "initial contact", hex: "00000001 01 10 6002" + cookies,
			want: Notify{DOI: 1, Protocol: ProtoISAKMP, SPI: spi, Type: NotifyInitialContact},
			text: "N{INITIAL-CONTACT ISAKMP spi=0x01020304050607081112131415161718}"},
		{name: "dead peer detection", hex: "00000001 01 10 8d28" + cookies + "00000011",
			want: Notify{1, ProtoISAKMP, spi, NotifyRUThere, []byte{0, 0, 0, 17}},
			text: "N{R-U-THERE ISAKMP spi=0x01020304050607081112131415161718 seq=17}", open: 24, why: "data has no length"},
		{name: "responder lifetime", hex: "00000001 03 04 6000 c0ffee12 80010001 80020e10",
			want: Notify{1, ProtoESP, []byte{0xc0, 0xff, 0xee, 0x12}, NotifyResponderLifetime, []byte{0x80, 1, 0, 1, 0x80, 2, 0x0e, 0x10}},
			text: "N{RESPONDER-LIFETIME ESP spi=0xc0ffee12 lifetype=s life=3600}", open: 12, why: "data has no length"},
		{name: "unknown type of DOI 0", hex: "00000000 00 00 9f00 ff",
			want: Notify{Type: 0x9f00, Data: []byte{255}}, text: "N{40704 0 data(1)}", open: 8, why: "data has no length"},
	})
	testBad(t, PayloadN, ParseNotify, []badBody{
		{"nothing", "", 0, "truncated", NotifyPayloadMalformed},
		{"an SPI longer than two cookies", "00000001 01 11 000e" + cookies + "00", 8, "SPI of 17 octets", NotifyInvalidSPI},
		{"an SPI cut short", "00000001 01 10 000e 01", 8, "truncated", NotifyPayloadMalformed},
	})
}

func TestNotifyTypeIsErrorOrStatus(t *testing.T) {
	for n, want := range map[NotifyType]bool{NotifyInvalidPayloadType: true, NotifyUnequalPayloadLengths: true, 16383: true, NotifyConnected: false, NotifyRUThere: false} {
		if n.IsError() != want {
			t.Errorf("%v: IsError %t", n, !want)
		}
	}
}

func TestDelete(t *testing.T) {
	testGood(t, ParseDelete, []goodBody[Delete]{
		{name: "two ESP SAs", hex: "00000001 03 04 0002 c0ffee12 00001000",
			want: Delete{1, ProtoESP, 4, [][]byte{{0xc0, 0xff, 0xee, 0x12}, {0, 0, 0x10, 0}}}, text: "D{ESP 0xc0ffee12 0x00001000}"},
		{name: "an ISAKMP SA", hex: "00000001 01 10 0001 0102030405060708 1112131415161718",
			want: Delete{1, ProtoISAKMP, 16, [][]byte{{1, 2, 3, 4, 5, 6, 7, 8, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18}}},
			text: "D{ISAKMP 0x01020304050607081112131415161718}"},
		{name: "nothing to delete", hex: "00000000 03 04 0000", want: Delete{0, ProtoESP, 4, nil}, text: "D{ESP}"},
	})
	testBad(t, PayloadD, ParseDelete, []badBody{
		{"nothing", "", 0, "truncated", NotifyPayloadMalformed},
		{"SPIs of no octets, however many", "00000001 03 00 ffff", 8, "65535 SPIs of 0 octets", NotifyInvalidSPI},
		{"SPIs longer than two cookies", "00000001 03 11 0000", 8, "0 SPIs of 17 octets", NotifyInvalidSPI},
		{"fewer SPIs than told", "00000001 03 04 0002 c0ffee12", 8, "2 SPIs of 4 octets in 4", NotifyPayloadMalformed},
		{"more SPIs than told", "00000001 03 04 0001 c0ffee12 c0", 8, "1 SPIs of 4 octets in 5", NotifyPayloadMalformed},
		{"more SPIs than accepted", "00000001 03 01 05dd" + strings.Repeat("00", 1501), 8, "1501 SPIs", NotifyPayloadMalformed},
	})
}

func TestNATOA(t *testing.T) {
	testGood(t, ParseNATOA, []goodBody[NATOA]{
		{name: "IPv4", hex: "01 000000 c0000201", want: NATOA{netip.MustParseAddr("192.0.2.1")}, text: "NAT-OA{192.0.2.1}"},
		{name: "IPv6", hex: "05 000000" + doc6One, want: NATOA{netip.MustParseAddr("2001:db8::1")}, text: "NAT-OA{2001:db8::1}"},
	})
	testBad(t, PayloadNATOA, ParseNATOA, []badBody{
		{"nothing", "", 0, "truncated", NotifyPayloadMalformed},
		{"a subnet", "04 000000 0a010000 ffff0000", 4, "IPV4_ADDR_SUBNET of 8 octets is not an address", NotifyPayloadMalformed},
		{"an IPv4 address of 16 octets", "01 000000" + doc6One, 4, "IPV4_ADDR of 16 octets", NotifyPayloadMalformed},
	})
}

func TestFragment(t *testing.T) {
	testGood(t, ParseFragment, []goodBody[Fragment]{
		{name: "first", hex: "0001 01 00 c0ffee", want: Fragment{1, 1, false, []byte{0xc0, 0xff, 0xee}}, text: "FRAGMENT{1 #1 (3)}", open: 5, why: "a slice of octets"},
		{name: "last", hex: "0001 80 01 c0", want: Fragment{1, 128, true, []byte{0xc0}}, text: "FRAGMENT{1 #128 last (1)}"},
	})
	testBad(t, PayloadFragment, ParseFragment, []badBody{
		{"nothing", "", 0, "truncated", NotifyPayloadMalformed},
		{"no data (CVE-2009-1574)", "0001 01 01", 4, "truncated", NotifyPayloadMalformed},
		{"number 0", "0001 00 01 c0", 4, "fragment number 0", NotifyPayloadMalformed},
		{"number 129", "0001 81 00 c0", 4, "fragment number 129", NotifyPayloadMalformed},
	})
}

func TestConfig(t *testing.T) {
	const list = "the list of attributes ends with the body"
	testGood(t, ParseConfig, []goodBody[Config]{
		{name: "Xauth request", hex: "01 00 002a c0880000 40890000 408a0000",
			want: Config{ConfigRequest, 42, []Attribute{TV(CfgXAuthType, 0), TLV(CfgXAuthUserName, nil), TLV(CfgXAuthUserPassword, nil)}},
			text: "ATTR{REQUEST id=42 XAUTH_TYPE=0 XAUTH_USER_NAME XAUTH_USER_PASSWORD}", open: 4, why: list},
		{name: "Xauth reply, the password by its size", hex: "02 00 002a 40890005 6361726f6c 408a0003 707764",
			want: Config{ConfigReply, 42, []Attribute{TLV(CfgXAuthUserName, []byte("carol")), TLV(CfgXAuthUserPassword, []byte("pwd"))}},
			text: `ATTR{REPLY id=42 XAUTH_USER_NAME="carol" XAUTH_USER_PASSWORD(3)}`, open: 4, why: list},
		{name: "passcode in the basic form", hex: "02 00 0000 c08b 04d2",
			want: Config{ConfigReply, 0, []Attribute{TV(CfgXAuthPasscode, 1234)}}, text: "ATTR{REPLY id=0 XAUTH_PASSCODE(2)}", open: 4, why: list},
		{name: "address and DNS", hex: "02 00 0000 00010004 0a090001 00030004 0a090002 00020000",
			want: Config{ConfigReply, 0, []Attribute{TLV(CfgIP4Address, []byte{10, 9, 0, 1}), TLV(CfgIP4DNS, []byte{10, 9, 0, 2}), TLV(CfgIP4Netmask, nil)}},
			text: "ATTR{REPLY id=0 INTERNAL_IP4_ADDRESS=10.9.0.1 INTERNAL_IP4_DNS=10.9.0.2 INTERNAL_IP4_NETMASK}", open: 4, why: list},
	})
	testBad(t, PayloadAttr, ParseConfig, []badBody{
		{"nothing", "", 0, "truncated", NotifyPayloadMalformed},
		{"an attribute cut short", "02 00 0000 00010004 0a09", 4, "attribute 1 of 4 octets, but 2", NotifyPayloadMalformed},
		{"half an attribute type", "02 00 0000 00", 4, "truncated", NotifyPayloadMalformed},
		{"too many attributes", "02 00 0000" + strings.Repeat("80010001", MaxConfigAttributes+1), 4 + 4*MaxConfigAttributes, "more than 128 attributes", NotifyPayloadMalformed},
	})
}

func TestNonce(t *testing.T) {
	for size, want := range map[int]bool{0: false, 7: false, 8: true, 256: true, 257: false} {
		if _, err := ParseNonce(make([]byte, size)); (err == nil) != want {
			t.Errorf("%d octets: error %v", size, err)
		}
	}
}
