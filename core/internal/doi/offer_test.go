package doi

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
)

type algs = []policy.Algorithm

func TestIPsecOfferHasATransformForEachPairEncryptionOutermost(t *testing.T) {
	s := sainfoOf(func(s *policy.SAInfo) {
		s.Encryption = algs{{ID: isakmp.ESPAESCBC}, {ID: isakmp.ESPAESGCM16, KeyBits: 256}, {ID: isakmp.ESP3DES}}
		s.Auth = algs{{ID: isakmp.SAAuthHMACSHA256}, {ID: 0}, {ID: isakmp.SAAuthHMACMD5}}
		s.PFSGroup, s.Lifetime = isakmp.GroupMODP2048, 24*hour
	})
	life := []isakmp.Attribute{tv(1, 1), isakmp.TLV(2, []byte{0, 1, 0x51, 0x80})}
	transforms := func(ids []uint8, as ...[]isakmp.Attribute) (ts []isakmp.Transform) {
		for i, a := range as {
			ts = append(ts, isakmp.Transform{Number: uint8(i + 1), ID: ids[i], Attrs: append(life[:2:2], a...)})
		}
		return ts
	}
	want := saOf(
		isakmp.Proposal{Number: 1, Protocol: isakmp.ProtoAH, SPI: []byte{0, 0, 2, 2}, Transforms: transforms([]uint8{isakmp.AHSHA256, isakmp.AHMD5},
			[]isakmp.Attribute{tv(4, 2), tv(5, 5), tv(3, 14)},
			[]isakmp.Attribute{tv(4, 2), tv(5, 1), tv(3, 14)})},
		isakmp.Proposal{Number: 1, Protocol: isakmp.ProtoESP, SPI: []byte{0, 0, 1, 1}, Transforms: transforms([]uint8{12, 12, 20, 3, 3},
			[]isakmp.Attribute{tv(4, 1), tv(6, 128), tv(5, 5), tv(3, 14)},
			[]isakmp.Attribute{tv(4, 1), tv(6, 128), tv(5, 1), tv(3, 14)},
			[]isakmp.Attribute{tv(4, 1), tv(6, 256), tv(3, 14)},
			[]isakmp.Attribute{tv(4, 1), tv(5, 5), tv(3, 14)},
			[]isakmp.Attribute{tv(4, 1), tv(5, 1), tv(3, 14)})})
	got, err := OfferIPsec(Side{Templates: []spd.Template{espTunnel, ahTransport}, SAInfo: s}, []uint32{0x101, 0x202})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestIPsecOffersThatCannotBeMade(t *testing.T) {
	many := func(s *policy.SAInfo) {
		s.Encryption = nil
		for bits := uint16(40); bits <= 448; bits += 8 {
			s.Encryption = append(s.Encryption, policy.Algorithm{ID: isakmp.ESPBlowfish, KeyBits: bits})
		}
		s.Auth = algs{{ID: 1}, {ID: 2}, {ID: 5}}
	}
	for _, test := range []struct {
		name  string
		tmpls []spd.Template
		s     *policy.SAInfo
		want  string
	}{
		{"more combinations than a peer's parser takes", []spd.Template{espTunnel}, sainfoOf(many), "sainfo racoon.conf:7: 156 combinations of algorithms for ESP, an offer has room for 128"},
		{"more SAs than a peer's parser takes", make([]spd.Template, 33), sainfoOf(), "an offer of 33 SAs with 33 SPIs: want an SPI for each, 1 to 32 SAs"},
		{"no SA", nil, sainfoOf(), "an offer of 0 SAs with 0 SPIs"},
		{"ESP without authentication", []spd.Template{espTunnel}, sainfoOf(func(s *policy.SAInfo) { s.Auth = algs{{ID: 0}} }), "sainfo racoon.conf:7: no algorithms for ESP"},
		{"AH without authentication", []spd.Template{ahTransport}, sainfoOf(func(s *policy.SAInfo) { s.Auth = nil }), "sainfo racoon.conf:7: no algorithms for AH"},
		{"IPComp without compression", []spd.Template{{Proto: 108, Mode: spd.Tunnel}}, sainfoOf(), "sainfo racoon.conf:7: no algorithms for IPCOMP"},
		{"LZS", []spd.Template{compTunnel}, sainfoOf(func(s *policy.SAInfo) { s.Comp = algs{{ID: isakmp.IPCompLZS}} }), "sainfo racoon.conf:7: compression algorithm lzs is not supported"},
		{"a protocol without a number", []spd.Template{{Proto: 6, Mode: spd.Tunnel}}, sainfoOf(), "sainfo racoon.conf:7: IP protocol 6 is not supported"},
		{"a mode of no name", []spd.Template{{Proto: ipESP, Mode: 4}}, sainfoOf(), "sainfo racoon.conf:7: mode 4 of an SA is neither tunnel nor transport"},
		{"a key Twofish cannot have", []spd.Template{espTunnel}, sainfoOf(func(s *policy.SAInfo) { s.Encryption = algs{{ID: isakmp.ESPTwofish, KeyBits: 40}} }),
			"sainfo racoon.conf:7: twofish-cbc cannot have a key of 40 bits"},
		{"single DES", []spd.Template{espTunnel}, sainfoOf(func(s *policy.SAInfo) { s.Encryption = algs{{ID: isakmp.ESPDES}} }),
			"sainfo racoon.conf:7: ESP transform des-cbc is not supported"},
		{"a MAC nobody has", []spd.Template{espTunnel}, sainfoOf(func(s *policy.SAInfo) { s.Auth = algs{{ID: isakmp.SAAuthKPDK}} }),
			"sainfo racoon.conf:7: authentication algorithm kpdk is not supported"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := OfferIPsec(Side{Templates: test.tmpls, SAInfo: test.s}, make([]uint32, len(test.tmpls)))
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("got  %v\nwant %v", err, test.want)
			}
		})
	}
	if _, err := OfferIPsec(Side{Templates: []spd.Template{espTunnel}, SAInfo: sainfoOf()}, nil); err == nil {
		t.Error("an offer without an SPI")
	}
}

func TestKEYMATLengths(t *testing.T) {
	for _, test := range []struct {
		name       string
		encr, bits uint16
		octets     int
		err        string
	}{
		{"3des-cbc", isakmp.ESP3DES, 0, 24, ""},
		{"null", isakmp.ESPNull, 0, 0, ""},
		{"cast-cbc-128", isakmp.ESPCAST, 0, 16, ""},
		{"cast-cbc-40", isakmp.ESPCAST, 40, 5, ""},
		{"blowfish-cbc-128", isakmp.ESPBlowfish, 0, 16, ""},
		{"blowfish-cbc-448", isakmp.ESPBlowfish, 448, 56, ""},
		{"aes-cbc-128", isakmp.ESPAESCBC, 0, 16, ""},
		{"aes-cbc-192", isakmp.ESPAESCBC, 192, 24, ""},
		{"aes-ctr-128", isakmp.ESPAESCTR, 128, 20, ""}, // RFC 3686 section 5.1: and a nonce of 4 octets
		{"aes-ctr-256", isakmp.ESPAESCTR, 256, 36, ""},
		{"aes-gcm-8-128", isakmp.ESPAESGCM8, 128, 20, ""}, // RFC 4106 section 8.1: and a salt of 4 octets
		{"aes-gcm-12-192", isakmp.ESPAESGCM12, 192, 28, ""},
		{"aes-gcm-16-256", isakmp.ESPAESGCM16, 256, 36, ""},
		{"camellia-cbc-256", isakmp.ESPCamellia, 256, 32, ""},
		{"twofish-cbc-256", isakmp.ESPTwofish, 256, 32, ""},
		{"3des-cbc", isakmp.ESP3DES, 192, 0, "3des-cbc takes no key length, got 192 bits"},
		{"null", isakmp.ESPNull, 128, 0, "null takes no key length, got 128 bits"},
		{"aes-cbc", isakmp.ESPAESCBC, 129, 0, "aes-cbc cannot have a key of 129 bits"},
		{"aes-cbc", isakmp.ESPAESCBC, 512, 0, "aes-cbc cannot have a key of 512 bits"},
		{"blowfish-cbc", isakmp.ESPBlowfish, 456, 0, "blowfish-cbc cannot have a key of 456 bits"},
		{"des-cbc", isakmp.ESPDES, 0, 0, "ESP transform des-cbc is not supported"},
		{"999", 999, 128, 0, "ESP transform 999 is not supported"},
	} {
		got, err := EncrKeyOctets(test.encr, test.bits)
		msg := ""
		if err != nil {
			msg = err.Error()
		}
		if got != test.octets || msg != test.err || EncrName(test.encr, test.bits) != test.name {
			t.Errorf("%d of %d bits: %q, %d octets, %q; want %q, %d, %q", test.encr, test.bits, EncrName(test.encr, test.bits), got, msg, test.name, test.octets, test.err)
		}
	}
	for auth, want := range map[uint16]int{0: 0, 1: 16, 2: 20, 5: 32, 6: 48, 7: 64} {
		if got, err := AuthKeyOctets(auth); err != nil || got != want {
			t.Errorf("%s: %d octets, %v, want %d", AuthName(auth), got, err, want)
		}
	}
	if _, err := AuthKeyOctets(isakmp.SAAuthAESXCBC); err == nil || AuthName(9) != "aes-xcbc-mac" || AuthName(0) != "none" {
		t.Errorf("AES-XCBC-MAC: %v", err)
	}
}
