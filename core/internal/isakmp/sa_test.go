package isakmp

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var saCases = []goodBody[SA]{
	{
		name: "phase 1 with one transform of TV attributes",
		hex: `00000001 00000001
		      00 00 0024 01 01 00 01
		      00 00 001c 00 01 0000 80010007 800e0080 80020004 8004000e 80030001`,
		want: SA{DOIIPsec, SituationIdentityOnly, []Proposal{{
			Number: 1, Protocol: ProtoISAKMP, SPI: nil,
			Transforms: []Transform{{Number: 0, ID: TransformKeyIKE, Attrs: []Attribute{
				TV(AttrEncryption, EncAES), TV(AttrKeyLength, 128), TV(AttrHash, HashSHA256),
				TV(AttrGroup, GroupMODP2048), TV(AttrAuthMethod, AuthPSK),
			}}},
		}}},
		text: "SA{#1 ISAKMP 0:KEY_IKE enc=AES-CBC keylen=128 hash=SHA2-256 group=modp2048 auth=PSK}",
	},
	{
		name: "a life duration keeps the form it came in",
		hex: `00000001 00000001
		      00 00 002e 01 01 00 02
		      03 00 0014 01 01 0000 800b0001 000c0004 00015180
		      00 00 0012 02 01 0000 000b0002 0001 800c 7080`,
		want: SA{DOIIPsec, SituationIdentityOnly, []Proposal{{
			Number: 1, Protocol: ProtoISAKMP,
			Transforms: []Transform{
				{1, TransformKeyIKE, []Attribute{TV(AttrLifeType, LifeSeconds), TLV(AttrLifeDuration, []byte{0, 1, 0x51, 0x80})}},
				{2, TransformKeyIKE, []Attribute{TLV(AttrLifeType, []byte{0, LifeSeconds}), TV(AttrLifeDuration, 28800)}},
			},
		}}},
		text: "SA{#1 ISAKMP 1:KEY_IKE lifetype=s life=86400, 2:KEY_IKE lifetype=s life=28800}",
	},
	{
		name: "phase 2 bundle of ESP and IPComp, then AH",
		hex: `00000001 00000001
		      02 00 001c 01 03 04 01 c0ffee12
		      00 00 0010 01 14 0000 80040001 80060100
		      02 00 0016 01 04 02 01 1234
		      00 00 000c 01 02 0000 80040001
		      00 00 001c 02 02 04 01 00001000
		      00 00 0010 01 05 0000 80040002 80050005`,
		want: SA{DOIIPsec, SituationIdentityOnly, []Proposal{
			{1, ProtoESP, []byte{0xc0, 0xff, 0xee, 0x12}, []Transform{
				{1, ESPAESGCM16, []Attribute{TV(SAAttrEncapMode, EncapTunnel), TV(SAAttrKeyLength, 256)}}}},
			{1, ProtoIPComp, []byte{0x12, 0x34}, []Transform{
				{1, IPCompDeflate, []Attribute{TV(SAAttrEncapMode, EncapTunnel)}}}},
			{2, ProtoAH, []byte{0, 0, 0x10, 0}, []Transform{
				{1, AHSHA256, []Attribute{TV(SAAttrEncapMode, EncapTransport), TV(SAAttrAuth, SAAuthHMACSHA256)}}}},
		}},
		text: "SA{#1 ESP spi=0xc0ffee12 1:AES-GCM-16 mode=tunnel keylen=256; " +
			"#1 IPCOMP spi=0x1234 1:DEFLATE mode=tunnel; " +
			"#2 AH spi=0x00001000 1:SHA2-256 mode=transport auth=HMAC-SHA2-256}",
	},
	{
		name: "a phase 1 SPI and an unknown protocol are carried, to be judged by policy",
		hex: `00000001 00000001
		      02 00 0018 01 01 08 01 0102030405060708
		      00 00 0008 01 01 0000
		      00 00 0014 02 63 00 01
		      00 00 000c 01 02 0000 80040001`,
		want: SA{DOIIPsec, SituationIdentityOnly, []Proposal{
			{1, ProtoISAKMP, []byte{1, 2, 3, 4, 5, 6, 7, 8}, []Transform{{Number: 1, ID: 1}}},
			{2, 99, nil, []Transform{{1, 2, []Attribute{TV(4, 1)}}}},
		}},
		text: "SA{#1 ISAKMP spi=0x0102030405060708 1:KEY_IKE; #2 99 1:2 4=1}",
	},
}

func TestSA(t *testing.T) { testGood(t, ParseSA, saCases) }

func TestSARefuses(t *testing.T) {
	const head = "00000001 00000001"
	testBad(t, PayloadSA, ParseSA, []badBody{
		{"nothing", "", 0, "truncated", NotifyBadProposalSyntax},
		{"another DOI", "00000002 00000001", 0, "DOI 2", NotifyDOINotSupported},
		{"labels in the situation (CVE-2015-3204)", "00000001 ffffffff", 4, "situation 0xffffffff", NotifySituationNotSupported},
		{"no proposals", head, 8, "0 octets where a payload header", NotifyBadProposalSyntax},
		{"a proposal shorter than its header", head + "00 00 0003", 8, "less than its header", NotifyBadProposalSyntax},
		{"a proposal longer than the payload", head + "00 00 0009 01 01 00 01", 8, "length 9, but 8 octets", NotifyBadProposalSyntax},
		{"a next payload that is not a proposal", head + "03 00 0010 01 01 00 01 00 00 0008 01 01 0000", 8, "next payload 3", NotifyBadProposalSyntax},
		{"octets after the last proposal", head + "00 00 0010 01 01 00 01 00 00 0008 01 01 0000 00", 24, "1 octets after the last P", NotifyBadProposalSyntax},
		{"a next proposal that does not come", head + "02 00 0010 01 01 00 01 00 00 0008 01 01 0000", 24, "0 octets where", NotifyBadProposalSyntax},
		{"an ESP SPI of no octets", head + "00 00 0010 01 03 00 01 00 00 0008 01 01 0000", 12, "ESP SPI of 0 octets", NotifyInvalidSPI},
		{"a CPI of three octets", head + "00 00 0013 01 04 03 01 010203 00 00 0008 01 01 0000", 12, "IPCOMP SPI of 3 octets", NotifyInvalidSPI},
		{"an ISAKMP SPI longer than two cookies", head + "00 00 0009 01 01 11 01 00", 12, "ISAKMP SPI of 17 octets", NotifyInvalidSPI},
		{"an SPI cut short", head + "00 00 000a 01 03 04 01 c0ff", 16, "truncated", NotifyBadProposalSyntax},
		{"no transforms", head + "00 00 0008 01 01 00 00", 12, "0 transforms", NotifyBadProposalSyntax},
		{"too many transforms told", head + "00 00 0010 01 01 00 81 00 00 0008 01 01 0000", 12, "129 transforms", NotifyBadProposalSyntax},
		{"fewer transforms than told", head + "00 00 0010 01 01 00 02 00 00 0008 01 01 0000", 24, "1 transforms of the 2", NotifyBadProposalSyntax},
		{"more transforms than told", head + "00 00 0018 01 01 00 01 03 00 0008 01 01 0000 00 00 0008 02 01 0000", 24, "more than the 1", NotifyBadProposalSyntax},
		{"a transform cut short", head + "00 00 000f 01 01 00 01 00 00 0007 01 01 00", 22, "truncated", NotifyBadProposalSyntax},
		{"an attribute longer than its transform", head + "00 00 0015 01 01 00 01 00 00 000d 01 01 0000 000c0004 00", 24, "attribute 12 of 4 octets, but 1", NotifyBadProposalSyntax},
		{"too many attributes", head + "00 00 0094 01 01 00 01 00 00 008c 01 01 0000" + strings.Repeat("80010001", MaxAttributes+1), 152, "more than 32 attributes", NotifyBadProposalSyntax},
	})
}

func TestSABoundsItsProposals(t *testing.T) {
	p := Proposal{Number: 1, Protocol: ProtoISAKMP, Transforms: []Transform{{Number: 1, ID: 1}}}
	sa := SA{DOI: DOIIPsec, Situation: SituationIdentityOnly}
	for range MaxProposals {
		sa.Proposals = append(sa.Proposals, p)
	}
	if _, err := ParseSA(sa.Append(nil)); err != nil {
		t.Errorf("%d proposals: %v", MaxProposals, err)
	}
	sa.Proposals = append(sa.Proposals, p)
	if _, err := ParseSA(sa.Append(nil)); err == nil {
		t.Errorf("%d proposals are accepted", MaxProposals+1)
	}
}

func TestSAIgnoresReservedOctets(t *testing.T) {
	body := unhex(t, saCases[0].hex)
	for _, at := range []int{9, 17, 22, 23} { // of the proposal, the transform and the transform's own two
		dirty := bytes.Clone(body)
		dirty[at] = 0xff
		got, err := ParseSA(dirty)
		if err != nil {
			t.Fatalf("octet %d: %v", at, err)
		}
		if diff := cmp.Diff(saCases[0].want, got); diff != "" {
			t.Errorf("octet %d (-want +got):\n%s", at, diff)
		}
		if !bytes.Equal(got.Append(nil), body) {
			t.Errorf("octet %d is not sent as zero", at)
		}
	}
}
