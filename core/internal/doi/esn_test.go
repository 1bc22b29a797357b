package doi

import (
	"slices"
	"testing"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
)

// What each side says of sequence numbers (RFC 4304), and whether they agree.
func TestExtendedSequenceNumbers(t *testing.T) {
	for _, test := range []struct {
		ours, theirs policy.Toggle
		want         string // of the SA; "": they do not agree
	}{
		{policy.Off, policy.Off, "aes-cbc-128 hmac-sha2-256"},
		{policy.Off, policy.On, "aes-cbc-128 hmac-sha2-256"},
		{policy.Off, policy.Force, ""},
		{policy.On, policy.Off, "aes-cbc-128 hmac-sha2-256"},
		{policy.On, policy.On, "aes-cbc-128 hmac-sha2-256 esn"},
		{policy.On, policy.Force, "aes-cbc-128 hmac-sha2-256 esn"},
		{policy.Force, policy.Off, ""},
		{policy.Force, policy.On, "aes-cbc-128 hmac-sha2-256 esn"},
		{policy.Force, policy.Force, "aes-cbc-128 hmac-sha2-256 esn"},
	} {
		t.Run(test.theirs.String()+" offered to "+test.ours.String(), func(t *testing.T) {
			side := func(esn policy.Toggle) Side {
				return Side{Templates: []spd.Template{espTunnel}, SAInfo: sainfoOf(func(s *policy.SAInfo) { s.ESN = esn })}
			}
			offer, err := OfferIPsec(side(test.theirs), []uint32{0x101})
			if err != nil {
				t.Fatal(err)
			}
			var said []bool
			for _, tr := range offer.Proposals[0].Transforms {
				said = append(said, slices.ContainsFunc(tr.Attrs, func(a isakmp.Attribute) bool { return a.Type == isakmp.SAAttrESN }))
			}
			if want := map[policy.Toggle][]bool{policy.Off: {false}, policy.On: {true, false}, policy.Force: {true}}[test.theirs]; !slices.Equal(said, want) {
				t.Errorf("the transforms of the offer say so: %v, want %v", said, want)
			}
			c, err := ChooseIPsec(offer, side(test.ours))
			if err != nil {
				if test.want != "" {
					t.Error(err)
				}
				return
			}
			if got := c.Suites[0].String(); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
			if _, err := CheckIPsec(c.Answer(offer, []uint32{0x202}), side(test.theirs)); err != nil {
				t.Errorf("the answer: %v", err)
			}
		})
	}
}

func TestSequenceNumbersOfNoKind(t *testing.T) {
	for _, test := range []struct {
		proto isakmp.Protocol
		id    uint8
		tmpl  spd.Template
		as    []isakmp.Attribute
		want  string
	}{
		{isakmp.ProtoESP, isakmp.ESPAESCBC, espTunnel, []isakmp.Attribute{tv(isakmp.SAAttrEncapMode, isakmp.EncapTunnel), tv(isakmp.SAAttrKeyLength, 128), tv(isakmp.SAAttrAuth, isakmp.SAAuthHMACSHA256), tv(isakmp.SAAttrESN, 2)},
			"no acceptable IPsec proposal: in proposal 1 ESP transform 1 the extended sequence number attribute is 2, ours is 64 bits (sainfo racoon.conf:7, proposal_check obey)"},
		{isakmp.ProtoIPComp, isakmp.IPCompDeflate, compTunnel, []isakmp.Attribute{tv(isakmp.SAAttrEncapMode, isakmp.EncapTunnel), tv(isakmp.SAAttrESN, 1)},
			"no acceptable IPsec proposal: in proposal 1 IPCOMP transform 1 IPComp has an authentication algorithm, a key length or sequence numbers"},
	} {
		s := sainfoOf(func(s *policy.SAInfo) {
			s.ESN, s.Comp = policy.Force, []policy.Algorithm{{ID: isakmp.IPCompDeflate}}
		})
		offer := saOf(isakmp.Proposal{Number: 1, Protocol: test.proto, SPI: []byte{0, 0, 18, 1}, Transforms: []isakmp.Transform{{Number: 1, ID: test.id, Attrs: test.as}}})
		_, err := ChooseIPsec(offer, Side{Templates: []spd.Template{test.tmpl}, SAInfo: s, Check: policy.Obey})
		if err == nil || err.Error() != test.want {
			t.Errorf("%v\nwant %s", err, test.want)
		}
	}
}
