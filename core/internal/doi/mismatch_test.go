package doi

import (
	"testing"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
)

func TestPhase1MismatchNamesTheClosestOfferAndItsFirstDifference(t *testing.T) {
	const prefix = "no acceptable phase 1 proposal: in proposal 1 ISAKMP "
	a := remote(policy.Strict, aes128(func(p *p1) { p.Group = isakmp.GroupECP384 }), aes128())
	a.Name = "192.0.2.1[500]"
	b := remote(policy.Exact, tripleDES())
	b.Name = "anonymous"
	for _, test := range []struct {
		name  string
		offer []p1
		want  string
	}{
		{"method", []p1{aes128(func(p *p1) { p.Method = isakmp.AuthRSASig })},
			prefix + "transform 1 the authentication method is rsasig, ours is psk (remote 192.0.2.1[500], proposal_check strict)"},
		{"group, the first of equally close proposals", []p1{aes128(func(p *p1) { p.Group = isakmp.GroupMODP1024 })},
			prefix + "transform 1 the DH group is modp1024, ours is ecp384 (remote 192.0.2.1[500], proposal_check strict)"},
		{"cipher", []p1{aes128(func(p *p1) { p.Encryption = isakmp.EncCamellia })},
			prefix + "transform 1 the encryption algorithm is camellia-cbc, ours is aes-cbc (remote 192.0.2.1[500], proposal_check strict)"},
		{"hash, in the third transform, which is closer", []p1{
			aes128(func(p *p1) { p.Group = isakmp.GroupMODP1024 }),
			aes128(func(p *p1) { p.Encryption = isakmp.EncCamellia }),
			aes128(func(p *p1) { p.Hash = isakmp.HashMD5 }),
			aes128(func(p *p1) { p.Group = isakmp.GroupMODP768 })},
			prefix + "transform 3 the hash algorithm is md5, ours is sha2-256 (remote 192.0.2.1[500], proposal_check strict)"},
		{"lifetime, in the other section", []p1{func() p1 { p := tripleDES(); p.Lifetime = hour; return p }()},
			prefix + "transform 1 the lifetime is 3600 s, ours is 28800 s (remote anonymous, proposal_check exact)"},
		{"lifetime, beyond ours", []p1{aes128(func(p *p1) { p.Lifetime = 24 * hour })},
			prefix + "transform 1 the lifetime is 86400 s, ours is 28800 s (remote 192.0.2.1[500], proposal_check strict)"},
		{"no transform at all", nil, "no acceptable phase 1 proposal: none was made"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := ChooseISAKMP(OfferISAKMP(remote(policy.Strict, test.offer...)), []*policy.Remote{a, b})
			wantMismatch(t, err, test.want)
		})
	}
	_, err := ChooseISAKMP(isakmpOffer([]isakmp.Attribute{tv(13, 1)}, []isakmp.Attribute{tv(99, 1)}), []*policy.Remote{a})
	wantMismatch(t, err, prefix+"transform 1 attribute prf is not supported")
	r := remote(policy.Strict, aes128(func(p *p1) { p.KeyBits = 256 }))
	_, err = ChooseISAKMP(OfferISAKMP(remote(policy.Strict, aes128())), []*policy.Remote{r})
	wantMismatch(t, err, prefix+"transform 1 the key length is 128 bits, ours is 256 bits (remote gw, proposal_check strict)")
}

func TestIPsecMismatchNamesTheClosestOfferAndItsFirstDifference(t *testing.T) {
	s := sainfoOf(func(s *policy.SAInfo) {
		s.PFSGroup = isakmp.GroupMODP2048
		s.Encryption = algs{{ID: isakmp.ESPAESGCM16, KeyBits: 256}, {ID: isakmp.ESPAESCBC, KeyBits: 256}}
	})
	offer := saOf(
		esp(1, isakmp.ESP3DES, tv(4, 1), tv(5, 5)),
		esp(2, isakmp.ESPAESCBC, tv(4, 1), tv(6, 128), tv(5, 5)),
		esp(3, isakmp.ESPAESCBC, tv(4, 1), tv(6, 256), tv(5, 5), tv(3, 2)),
		esp(4, isakmp.ESPAESCBC, tv(4, 1), tv(6, 256), tv(5, 2)))
	_, err := ChooseIPsec(offer, Side{Templates: []spd.Template{espTunnel}, SAInfo: s, Check: policy.Claim})
	wantMismatch(t, err, "no acceptable IPsec proposal: in proposal 3 ESP transform 1 the PFS group is modp1024, ours is modp2048 (sainfo racoon.conf:7, proposal_check claim)")
	_, err = CheckIPsec(saOf(offer.Proposals[1]), Side{Templates: []spd.Template{espTunnel}, SAInfo: s, Check: policy.Claim})
	wantMismatch(t, err, "no acceptable IPsec answer: in proposal 2 ESP transform 1 the key length is 128 bits, ours is 256 bits (sainfo racoon.conf:7, proposal_check claim)")
}
