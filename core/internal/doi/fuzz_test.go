package doi

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
)

// offered reports whether an answer's one transform is in a proposal of the offer,
// octet for octet.
func offered(offer isakmp.SA, answer isakmp.Proposal) bool {
	return slices.ContainsFunc(offer.Proposals, func(p isakmp.Proposal) bool {
		return p.Number == answer.Number && p.Protocol == answer.Protocol &&
			slices.ContainsFunc(p.Transforms, func(t isakmp.Transform) bool { return cmp.Equal(t, answer.Transforms[0]) })
	})
}

func FuzzChooseISAKMP(f *testing.F) {
	remotes := []*policy.Remote{remote(policy.Strict, aes128(), tripleDES()), remote(policy.Obey, aes128(func(p *p1) { p.Encryption = isakmp.EncBlowfish }))}
	for _, r := range remotes {
		f.Add(OfferISAKMP(r).Append(nil))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		offer, err := isakmp.ParseSA(body)
		if err != nil {
			return
		}
		got, err := ChooseISAKMP(offer, remotes)
		if err != nil {
			return
		}
		if len(got.Answer.Proposals) != 1 || len(got.Answer.Proposals[0].Transforms) != 1 || !offered(offer, got.Answer.Proposals[0]) {
			t.Fatalf("offer %v\nanswer %v", offer, got.Answer)
		}
		if got.Proposal.Lifetime <= 0 {
			t.Fatalf("lifetime %v", got.Proposal.Lifetime)
		}
		if got.Remote.ProposalCheck == policy.Strict && !slices.ContainsFunc(got.Remote.Proposals, func(p p1) bool {
			return got.Proposal.KeyBits >= p.KeyBits && got.Proposal.Lifetime <= p.Lifetime && got.Proposal.Encryption == p.Encryption
		}) {
			t.Fatalf("strict chose %+v", got.Proposal)
		}
		if _, err := CheckISAKMP(got.Answer, got.Answer, got.Remote); err != nil {
			t.Fatalf("what was chosen is no answer to itself: %v", err)
		}
	})
}

func FuzzChooseIPsec(f *testing.F) {
	s := sainfoOf(func(s *policy.SAInfo) {
		s.Encryption = append(s.Encryption, policy.Algorithm{ID: isakmp.ESPAESGCM16, KeyBits: 128}, policy.Algorithm{ID: isakmp.ESP3DES})
	})
	s.Comp = []policy.Algorithm{{ID: isakmp.IPCompDeflate}}
	sets := [][]spd.Template{{espTunnel}, {espTransport}, {espTransport, ahTransport}, {espTransport, espTunnel}, {compTunnel, espTransport}, {compTunnel, ahTransport}, {compTunnel}, {espTunnel, ahTransport}}
	for i, tmpls := range sets {
		offer, err := OfferIPsec(Side{Templates: tmpls, SAInfo: s, OneMode: i%2 == 1}, []uint32{1000, 2000}[:len(tmpls)])
		if err != nil {
			f.Fatal(err)
		}
		f.Add(offer.Append(nil), byte(i))
	}
	f.Fuzz(func(t *testing.T, body []byte, how byte) {
		offer, err := isakmp.ParseSA(body)
		if err != nil {
			return
		}
		tmpls, check := sets[how%8], policy.Check(how/8%4)
		our := Side{Templates: tmpls, SAInfo: s, Check: check, OneMode: how >= 128}
		if how&64 != 0 {
			our.Templates, our.Generate = nil, true
		}
		got, err := ChooseIPsec(offer, our)
		if err != nil {
			return
		}
		if our.Generate {
			if tmpls = got.Templates; !slices.ContainsFunc(tmpls, func(t spd.Template) bool { return t.Proto == ipESP }) || len(tmpls) > 3 {
				t.Fatalf("%v is generated from %v", tmpls, offer)
			}
			our.Templates, our.Generate = tmpls, false
		}
		spis := []uint32{0x1000, 0x1001, 0x1002}
		answer := got.Answer(offer, spis[:len(tmpls)])
		if len(answer.Proposals) != len(tmpls) || got.Life.Time <= 0 || got.Claim && check != policy.Claim {
			t.Fatalf("offer %v\nanswer %v\nlifetime %v, claim %v", offer, answer, got.Life, got.Claim)
		}
		for i, p := range answer.Proposals {
			one := got.Suites[got.tmpl[i]]
			if !offered(offer, p) || p.Number != answer.Proposals[0].Number {
				t.Fatalf("offer %v\nanswer %v", offer, answer)
			}
			if one.PeerSPI < 256 || !slices.ContainsFunc(offer.Proposals, func(o isakmp.Proposal) bool {
				spi, ok := o.Protocol.ReadSPI(o.SPI)
				return ok && spi == one.PeerSPI
			}) {
				t.Fatalf("SPI %#x is not in %v", one.PeerSPI, offer)
			}
			if (one.Auth == 0) != (AEAD(one.Encr) || one.Proto == ipComp) || (one.Comp != 0) != (one.Proto == ipComp) {
				t.Fatalf("%+v authenticates twice or not at all", one)
			}
			if _, err := EncrKeyOctets(one.Encr, one.KeyBits); one.Proto == ipESP && err != nil {
				t.Fatal(err)
			}
		}
		if _, err := CheckIPsec(overTheWire(t, got.Answer(offer, spis)), our); err != nil && got.Group == s.PFSGroup {
			t.Fatalf("what was chosen is no answer to itself: %v", err)
		}
	})
}

func FuzzPrefix(f *testing.F) {
	f.Add([]byte{4, 0, 0, 0, 10, 0, 0, 0, 255, 0, 0, 0})
	f.Add([]byte{7, 0, 0, 0, 10, 0, 0, 0, 10, 0, 0, 255})
	f.Add([]byte{5, 17, 6, 0xa5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1, 2, 3, 4})
	f.Fuzz(func(t *testing.T, body []byte) {
		id, err := isakmp.ParseID(body)
		if err != nil {
			return
		}
		p, err := Prefix(id)
		if err != nil {
			return
		}
		if !p.IsValid() || p.Masked() != p {
			t.Fatalf("%v is %v", id, p)
		}
		if first, last, ok := id.Range(); !ok || !p.Contains(first) || !p.Contains(last) {
			t.Fatalf("%v is not %v to %v", p, first, last)
		}
	})
}
