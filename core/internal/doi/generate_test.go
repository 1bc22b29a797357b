package doi

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
)

// TestTemplatesAPeersOfferAsksFor: what policies are generated from.
func TestTemplatesAPeersOfferAsksFor(t *testing.T) {
	auth := tv(isakmp.SAAttrAuth, isakmp.SAAuthHMACSHA256)
	mode := func(m uint16) isakmp.Attribute { return tv(isakmp.SAAttrEncapMode, m) }
	const tun, tra = isakmp.EncapTunnel, isakmp.EncapTransport
	aes := func(n uint8, m uint16) isakmp.Proposal {
		return esp(n, isakmp.ESPAESCBC, mode(m), tv(isakmp.SAAttrKeyLength, 128), auth)
	}
	header := func(n uint8, m uint16) isakmp.Proposal { return ah(n, isakmp.AHSHA256, mode(m), auth) }
	comp := func(n uint8, m uint16) isakmp.Proposal {
		p := esp(n, isakmp.IPCompDeflate, mode(m))
		p.Protocol, p.SPI = isakmp.ProtoIPComp, []byte{0x12, n}
		return p
	}
	want := func(ts ...spd.Template) []spd.Template { return ts }
	e, a := espTransport, ahTransport
	compTransport := spd.Template{Proto: ipComp, Mode: spd.Transport}
	const none = "no acceptable IPsec proposal: in proposal 1 "
	for _, c := range []struct {
		name    string
		offer   []isakmp.Proposal
		oneMode bool
		want    []spd.Template
		err     string
	}{
		{"ESP", []isakmp.Proposal{aes(1, tun)}, false, want(espTunnel), ""},
		{"ESP in transport mode", []isakmp.Proposal{aes(1, tra)}, true, want(e), ""},
		{"IPComp in ESP", []isakmp.Proposal{aes(1, tra), comp(1, tun)}, false, want(compTunnel, e), ""},
		{"IPComp in ESP in AH, as one tunnel", []isakmp.Proposal{header(1, tun), aes(1, tun), comp(1, tun)}, true, want(compTunnel, e, a), ""},
		{"all in transport mode", []isakmp.Proposal{header(1, tra), aes(1, tra), comp(1, tra)}, true, want(compTransport, e, a), ""},
		{"the first alternative that can be", []isakmp.Proposal{header(1, tun), aes(2, tun), comp(2, tun), aes(3, tun)}, false, want(espTunnel), ""},
		{"two tunnels that are two", []isakmp.Proposal{aes(1, tun), comp(1, tun)}, false, nil,
			none + "there is a tunnel that is not the innermost SA, and no policy is generated for that"},
		{"a tunnel around transport", []isakmp.Proposal{header(1, tun), aes(1, tra)}, true, nil,
			none + "there is a tunnel that is not the innermost SA, and no policy is generated for that"},
		{"AH alone", []isakmp.Proposal{header(1, tun)}, false, nil, none + "there is no ESP, and no policy is generated for what is not encrypted"},
		{"IPComp alone", []isakmp.Proposal{comp(1, tun)}, false, nil, none + "there is no ESP, and no policy is generated for what is not encrypted"},
		{"ESP twice", []isakmp.Proposal{aes(1, tra), aes(1, tun)}, false, nil, none + "there is a protocol ESP that no policy can be generated for"},
		{"no mode", []isakmp.Proposal{esp(1, isakmp.ESPAESCBC, tv(isakmp.SAAttrKeyLength, 128), auth)}, false, nil, none + "the encapsulation mode is missing"},
		{"a cipher that is not the sainfo's", []isakmp.Proposal{esp(1, isakmp.ESP3DES, mode(tun), auth)}, false, nil,
			none + "ESP transform 1 the encryption algorithm is 3des-cbc, ours is aes-cbc (sainfo racoon.conf:7, proposal_check strict)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := sainfoOf(func(s *policy.SAInfo) { s.Comp = algs{{ID: isakmp.IPCompDeflate}} })
			got, err := ChooseIPsec(saOf(c.offer...), Side{SAInfo: s, OneMode: c.oneMode, Generate: true})
			wantMismatch(t, err, c.err)
			if diff := cmp.Diff(c.want, got.Templates, cmpopts.EquateComparable(spd.Template{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for i, s := range got.Suites {
				if s.Proto != c.want[i].Proto || s.Mode != c.want[i].Mode {
					t.Errorf("SA %d is %+v for the template %+v", i, s, c.want[i])
				}
			}
		})
	}
}
