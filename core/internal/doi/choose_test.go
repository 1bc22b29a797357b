package doi

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
)

// The levels, racoon.conf(5), for both roles. Ours are 192 bits and 8 hours.
func TestPhase2ProposalCheck(t *testing.T) {
	const none = 0
	for _, test := range []struct {
		name               string
		bits, group, ours  uint16 // theirs, theirs, our PFS group
		life               uint32 // theirs
		responds, confirms string // levels that accept as responder, as initiator
	}{
		{"equal values", 192, none, none, 28800, "strict obey claim exact", "strict obey claim exact"},
		{"equal values with PFS", 192, 14, 14, 28800, "strict obey claim exact", "strict obey claim exact"},
		{"no lifetime, which means 28800 seconds", 192, none, none, 0, "strict obey claim exact", "strict obey claim exact"},
		{"a shorter lifetime", 192, none, none, 3600, "strict obey claim", "strict obey claim"},
		{"a longer lifetime", 192, none, none, 86400, "obey claim", "obey claim"},
		{"a longer key", 256, none, none, 28800, "strict obey claim", "strict obey claim"},
		{"a shorter key", 128, none, none, 28800, "obey", ""},
		{"PFS we did not ask for", 192, 14, none, 28800, "strict obey claim", ""},
		{"another PFS group", 192, 19, 14, 28800, "obey", ""},
		{"no PFS where we want it", 192, none, 14, 28800, "obey", ""},
		{"PFS in a group we do not have", 192, 22, none, 28800, "", ""},
	} {
		for check := policy.Strict; check <= policy.Exact; check++ {
			t.Run(test.name+" with "+check.String(), func(t *testing.T) {
				s := sainfoOf(func(s *policy.SAInfo) { s.Encryption[0].KeyBits, s.PFSGroup = 192, test.ours })
				as := []isakmp.Attribute{tv(isakmp.SAAttrEncapMode, isakmp.EncapTunnel), tv(isakmp.SAAttrKeyLength, test.bits), tv(isakmp.SAAttrAuth, isakmp.SAAuthHMACSHA256)}
				as = present(as, isakmp.SAAttrGroup, test.group)
				want := IPsecChoice{Group: test.group, Life: Life{Time: 8 * hour},
					Suites: []Suite{{Proto: ipESP, Mode: spd.Tunnel, Encr: isakmp.ESPAESCBC, KeyBits: test.bits, Auth: isakmp.SAAuthHMACSHA256, PeerSPI: 0x1201}}}
				if test.life != 0 {
					as = append(as, seconds(test.life)...)
					want.Claim = check == policy.Claim && test.life > 28800
					if !want.Claim {
						want.Life.Time = time.Duration(test.life) * time.Second
					}
				}
				sa := saOf(esp(1, isakmp.ESPAESCBC, as...))
				for i, choose := range []func(isakmp.SA, Side) (IPsecChoice, error){ChooseIPsec, CheckIPsec} {
					levels := []string{test.responds, test.confirms}[i]
					got, err := choose(sa, Side{Templates: []spd.Template{espTunnel}, SAInfo: s, Check: check})
					if accepted := strings.Contains(levels, check.String()); accepted != (err == nil) {
						t.Errorf("%v, accepted by %q", err, levels)
					}
					if err != nil {
						continue
					}
					got.answer, got.tmpl, got.Templates = nil, nil, nil
					if diff := cmp.Diff(want, got, cmp.AllowUnexported(IPsecChoice{})); diff != "" {
						t.Errorf("(-want +got):\n%s", diff)
					}
				}
			})
		}
	}
}

func TestPhase2TransformsAsPeersWriteThem(t *testing.T) {
	mode, bits, auth := tv(isakmp.SAAttrEncapMode, isakmp.EncapTunnel), tv(isakmp.SAAttrKeyLength, 128), tv(isakmp.SAAttrAuth, isakmp.SAAuthHMACSHA256)
	ciphers := func(s *policy.SAInfo) {
		s.Encryption = algs{{ID: isakmp.ESPAESCBC, KeyBits: 128}, {ID: isakmp.ESPAESGCM16, KeyBits: 128}, {ID: isakmp.ESP3DES}, {ID: isakmp.ESPNull}}
		s.Comp = algs{{ID: isakmp.IPCompDeflate}}
	}
	const prefix = "no acceptable IPsec proposal: in proposal 1 "
	const where = " (sainfo racoon.conf:7, proposal_check strict)"
	low := esp(1, isakmp.ESPAESCBC, mode, bits, auth)
	low.SPI = []byte{0, 0, 0, 255}
	short := esp(1, isakmp.ESPAESCBC, mode, bits, auth)
	short.SPI = []byte{1, 2}
	ipcomp := esp(1, isakmp.IPCompDeflate, mode)
	ipcomp.Protocol, ipcomp.SPI = isakmp.ProtoIPComp, []byte{0, 0, 0x12, 0x34}
	cpi := func(spi ...byte) isakmp.Proposal { p := ipcomp; p.SPI = spi; return p }
	lzs, compAuth := ipcomp, ipcomp
	lzs.Transforms = []isakmp.Transform{{Number: 1, ID: isakmp.IPCompLZS, Attrs: []isakmp.Attribute{mode}}}
	compAuth.Transforms = []isakmp.Transform{{Number: 1, ID: isakmp.IPCompDeflate, Attrs: []isakmp.Attribute{mode, auth}}}
	for _, test := range []struct {
		name string
		prop isakmp.Proposal
		tmpl spd.Template
		want string
	}{
		{"AES-CBC", esp(1, isakmp.ESPAESCBC, mode, bits, auth), espTunnel, ""},
		{"attributes in another order", esp(1, isakmp.ESPAESCBC, auth, tv(1, 1), tv(2, 60), bits, mode), espTunnel, ""},
		{"a Cisco's lifetimes in seconds and kilobytes", esp(1, isakmp.ESPAESCBC, append(tunnelAES(seconds(28800)...), tv(1, 2), isakmp.UintAttr(2, 4608000))...), espTunnel, ""},
		{"AES-GCM without an authentication attribute", esp(1, isakmp.ESPAESGCM16, mode, bits), espTunnel, ""},
		{"null encryption with authentication", esp(1, isakmp.ESPNull, mode, auth), espTunnel, ""},
		{"AH", ah(1, isakmp.AHSHA256, tv(isakmp.SAAttrEncapMode, isakmp.EncapTransport), auth), ahTransport, ""},

		{"AES-GCM with an authentication attribute", esp(1, isakmp.ESPAESGCM16, mode, bits, auth), espTunnel,
			prefix + "ESP transform 1 the authentication algorithm is hmac-sha2-256, ours is none" + where},
		{"AES-CBC without an authentication attribute", esp(1, isakmp.ESPAESCBC, mode, bits), espTunnel,
			prefix + "ESP transform 1 the authentication algorithm is none, ours is hmac-sha2-256" + where},
		{"null encryption without authentication", esp(1, isakmp.ESPNull, mode), espTunnel,
			prefix + "ESP transform 1 the authentication algorithm is none, ours is hmac-sha2-256" + where},
		{"null encryption with a key length", esp(1, isakmp.ESPNull, mode, bits, auth), espTunnel, prefix + "ESP transform 1 null takes no key length, got 128 bits"},
		{"a cipher we do not have", esp(1, isakmp.ESPDES, mode, auth), espTunnel, prefix + "ESP transform 1 the encryption algorithm is des-cbc, ours is aes-cbc" + where},
		{"transport where the policy says tunnel", esp(1, isakmp.ESPAESCBC, tv(4, 2), bits, auth), espTunnel, prefix + "ESP transform 1 the encapsulation mode is transport, ours is tunnel" + where},
		{"no encapsulation mode", esp(1, isakmp.ESPAESCBC, bits, auth), espTunnel, prefix + "ESP transform 1 the encapsulation mode is missing"},
		{"extended sequence numbers", esp(1, isakmp.ESPAESCBC, mode, bits, auth, tv(isakmp.SAAttrESN, 1)), espTunnel, prefix + "ESP transform 1 the extended sequence number attribute is 64 bits, ours is none (sainfo racoon.conf:7, proposal_check strict)"},
		{"a lifetime of 0 seconds", esp(1, isakmp.ESPAESCBC, tunnelAES(tv(1, 1), tv(2, 0))...), espTunnel, prefix + "ESP transform 1 attribute life is 0"},
		{"a mode twice with different values", esp(1, isakmp.ESPAESCBC, tunnelAES(tv(4, 2))...), espTunnel, prefix + "ESP transform 1 attribute mode is both 1 and 2"},
		{"AH whose transform and algorithm disagree", ah(1, isakmp.AHSHA1, tv(4, 2), auth), ahTransport,
			prefix + "AH transform 1 AH transform sha1 does not go with authentication algorithm hmac-sha2-256 and a key length of 0"},
		{"AH with a key length", ah(1, isakmp.AHSHA256, tv(4, 2), auth, bits), ahTransport,
			prefix + "AH transform 1 AH transform sha2-256 does not go with authentication algorithm hmac-sha2-256 and a key length of 128"},
		{"AH without an authentication attribute", ah(1, isakmp.AHSHA256, tv(4, 2)), ahTransport,
			prefix + "AH transform 1 AH transform sha2-256 does not go with authentication algorithm none and a key length of 0"},
		{"AH where the policy says ESP", ah(1, isakmp.AHSHA256, mode, auth), espTunnel, prefix + "AH there is a protocol the policy does not ask for"},
		{"IPComp", ipcomp, compTunnel, ""},
		{"IPComp with a CPI of two octets", cpi(0x12, 0x34), compTunnel, ""},
		{"IPComp with a CPI that is none", cpi(0, 1, 0x12, 0x34), compTunnel, prefix + "IPCOMP there is the reserved SPI 70196"},
		{"IPComp with a well-known CPI", cpi(0, 2), compTunnel, prefix + "IPCOMP there is the reserved SPI 2"},
		{"IPComp with LZS", lzs, compTunnel, prefix + "IPCOMP transform 1 the compression algorithm is lzs, ours is deflate" + where},
		{"IPComp with an authentication algorithm", compAuth, compTunnel, prefix + "IPCOMP transform 1 IPComp has an authentication algorithm, a key length or sequence numbers"},
		{"IPComp where the policy says ESP", ipcomp, espTunnel, prefix + "IPCOMP there is a protocol the policy does not ask for"},
		{"a reserved SPI", low, espTunnel, prefix + "ESP there is the reserved SPI 255"},
		{"an SPI of two octets", short, espTunnel, prefix + "ESP there is an SPI of 2 octets"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := ChooseIPsec(saOf(test.prop), Side{Templates: []spd.Template{test.tmpl}, SAInfo: sainfoOf(ciphers), Check: policy.Strict})
			wantMismatch(t, err, test.want)
		})
	}
}

func TestPhase2ChoiceOfProposalsAndBundles(t *testing.T) {
	both := func(as ...isakmp.Attribute) []isakmp.Attribute {
		return append([]isakmp.Attribute{tv(4, 2), tv(isakmp.SAAttrAuth, isakmp.SAAuthHMACSHA256)}, as...)
	}
	aes := func(n uint8, as ...isakmp.Attribute) isakmp.Proposal {
		return esp(n, isakmp.ESPAESCBC, both(append(as, tv(isakmp.SAAttrKeyLength, 128))...)...)
	}
	auth := func(n uint8, as ...isakmp.Attribute) isakmp.Proposal { return ah(n, isakmp.AHSHA256, both(as...)...) }
	tunnel := func(n, spi uint8) isakmp.Proposal {
		p := esp(n, isakmp.ESPAESCBC, tunnelAES()...)
		p.SPI[3] = spi
		return p
	}
	bundle := []spd.Template{espTransport, ahTransport}
	for _, test := range []struct {
		name  string
		offer []isakmp.Proposal
		tmpls []spd.Template
		want  []uint32
		order []isakmp.Protocol
		err   string
	}{
		{"ESP before AH", []isakmp.Proposal{aes(1), auth(1)}, bundle, []uint32{0x1201, 0x1201}, []isakmp.Protocol{isakmp.ProtoESP, isakmp.ProtoAH}, ""},
		{"AH before ESP", []isakmp.Proposal{auth(1), aes(1)}, bundle, []uint32{0x1201, 0x1201}, []isakmp.Protocol{isakmp.ProtoAH, isakmp.ProtoESP}, ""},
		{"the second proposal when the first cannot be", []isakmp.Proposal{single(1), aes(2)}, bundle[:1], []uint32{0x1202}, []isakmp.Protocol{isakmp.ProtoESP}, ""},
		{"the first proposal when both can be", []isakmp.Proposal{aes(7), aes(2)}, bundle[:1], []uint32{0x1207}, []isakmp.Protocol{isakmp.ProtoESP}, ""},
		{"an alternative without the protocol we have no policy for", []isakmp.Proposal{aes(1), auth(1), aes(2)}, bundle[:1], []uint32{0x1202}, []isakmp.Protocol{isakmp.ProtoESP}, ""},
		{"two ESP SAs of different modes, whichever comes first", []isakmp.Proposal{aes(1), tunnel(1, 9)}, []spd.Template{espTransport, espTunnel}, []uint32{0x1201, 0x1209}, []isakmp.Protocol{isakmp.ProtoESP, isakmp.ProtoESP}, ""},
		{"two ESP SAs alike, the outermost first", []isakmp.Proposal{tunnel(1, 8), tunnel(1, 9)}, []spd.Template{espTunnel, espTunnel}, []uint32{0x1209, 0x1208}, []isakmp.Protocol{isakmp.ProtoESP, isakmp.ProtoESP}, ""},

		{"half a bundle is never taken", []isakmp.Proposal{aes(1), auth(1)}, bundle[:1], nil, nil,
			"no acceptable IPsec proposal: in proposal 1 there are 2 protocols, the policy asks for 1"},
		{"nor when the halves are not neighbours", []isakmp.Proposal{aes(1), single(2), auth(1)}, bundle[:1], nil, nil,
			"no acceptable IPsec proposal: in proposal 2 ESP transform 1 the encryption algorithm is des-cbc, ours is aes-cbc (sainfo racoon.conf:7, proposal_check claim)"},
		{"one protocol where the policy asks for two", []isakmp.Proposal{aes(1)}, bundle, nil, nil,
			"no acceptable IPsec proposal: in proposal 1 there are 1 protocols, the policy asks for 2"},
		{"the same protocol twice where the policy has two", []isakmp.Proposal{aes(1), aes(1)}, bundle, nil, nil,
			"no acceptable IPsec proposal: in proposal 1 ESP there is a protocol the policy does not ask for"},
		{"one PFS group for each protocol", []isakmp.Proposal{aes(1, tv(3, 14)), auth(1, tv(3, 19))}, bundle, nil, nil,
			"no acceptable IPsec proposal: in proposal 1 AH transform 1 the PFS group is ecp256, ours is modp2048 (sainfo racoon.conf:7, proposal_check claim)"},
		{"nothing at all", nil, bundle, nil, nil, "no acceptable IPsec proposal: none was made"},
	} {
		t.Run(test.name, func(t *testing.T) {
			offer := saOf(test.offer...)
			got, err := ChooseIPsec(offer, Side{Templates: test.tmpls, SAInfo: sainfoOf(), Check: policy.Claim})
			wantMismatch(t, err, test.err)
			if err != nil {
				return
			}
			var spis []uint32
			ours := make([]uint32, len(test.tmpls))
			for i, s := range got.Suites {
				spis = append(spis, s.PeerSPI)
				ours[i] = uint32(0xc0000000 + i)
			}
			if diff := cmp.Diff(test.want, spis); diff != "" {
				t.Errorf("SPI of each template (-want +got):\n%s", diff)
			}
			answer := got.Answer(offer, ours)
			var order []isakmp.Protocol
			for i, p := range answer.Proposals {
				order = append(order, p.Protocol)
				if want := ours[got.tmpl[i]]; string(p.SPI) != string([]byte{0xc0, 0, 0, byte(want)}) {
					t.Errorf("SPI %x answers for template %d", p.SPI, got.tmpl[i])
				}
			}
			if diff := cmp.Diff(test.order, order); diff != "" {
				t.Errorf("protocols of the answer (-want +got):\n%s", diff)
			}
		})
	}
}

// single is an offer of single DES.
func single(n uint8) isakmp.Proposal { return esp(n, isakmp.ESPDES, tv(4, 2), tv(5, 5)) }

func TestABundleLivesAsLongAsItsShortestSA(t *testing.T) {
	life := func(n uint32) []isakmp.Attribute {
		return append([]isakmp.Attribute{tv(4, 2), tv(isakmp.SAAttrAuth, isakmp.SAAuthHMACSHA256)}, seconds(n)...)
	}
	offer := saOf(esp(1, isakmp.ESPNull, life(3600)...), ah(1, isakmp.AHSHA256, life(86400)...))
	s := sainfoOf(func(s *policy.SAInfo) { s.Encryption = algs{{ID: isakmp.ESPNull}} })
	got, err := ChooseIPsec(offer, Side{Templates: []spd.Template{espTransport, ahTransport}, SAInfo: s, Check: policy.Claim})
	if err != nil || got.Life.Time != hour || !got.Claim {
		t.Errorf("%v claim %v, %v", got.Life, got.Claim, err)
	}
}

func TestIPsecAnswerMustBeOneTransformForEachProtocol(t *testing.T) {
	one := esp(1, isakmp.ESPAESCBC, tunnelAES()...)
	two := one
	two.Transforms = append(two.Transforms[:1:1], two.Transforms[0])
	other := one
	other.Number = 2
	const want = "no acceptable IPsec answer: in it there is not exactly one transform for each protocol"
	for name, test := range map[string]struct {
		answer isakmp.SA
		want   string
	}{
		"one transform":     {saOf(one), ""},
		"two transforms":    {saOf(two), want},
		"two alternatives":  {saOf(one, other), want},
		"no proposal":       {saOf(), want},
		"one SA too many":   {saOf(one, one), "no acceptable IPsec answer: in proposal 1 there are 2 protocols, the policy asks for 1"},
		"not our algorithm": {saOf(single(1)), "no acceptable IPsec answer: in proposal 1 ESP transform 1 the encapsulation mode is transport, ours is tunnel (sainfo racoon.conf:7, proposal_check obey)"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := CheckIPsec(test.answer, Side{Templates: []spd.Template{espTunnel}, SAInfo: sainfoOf(), Check: policy.Obey})
			wantMismatch(t, err, test.want)
		})
	}
}

func TestASainfoThatCannotBeKeyedAcceptsNothing(t *testing.T) {
	s := sainfoOf(func(s *policy.SAInfo) {
		s.Encryption = append(s.Encryption, policy.Algorithm{ID: isakmp.ESPTwofish, KeyBits: 40})
	})
	_, err := ChooseIPsec(saOf(esp(1, isakmp.ESPAESCBC, tunnelAES()...)), Side{Templates: []spd.Template{espTunnel}, SAInfo: s, Check: policy.Obey})
	wantMismatch(t, err, "no acceptable IPsec proposal: in proposal 1 ESP nothing is accepted, sainfo racoon.conf:7: twofish-cbc cannot have a key of 40 bits")
}
