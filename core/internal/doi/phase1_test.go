package doi

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/oakley"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

type p1 = policy.Phase1Proposal

func TestPhase1OfferHasOneTransformForEachBlockInItsOrder(t *testing.T) {
	r := remote(policy.Strict, tripleDES(),
		aes128(func(p *p1) { p.Lifetime = 24 * hour }),
		aes128(func(p *p1) { p.Encryption, p.KeyBits = isakmp.EncBlowfish, 0 }),
		aes128(func(p *p1) { p.Method = isakmp.AuthXAuthRespRSA }))
	want := isakmpOffer(
		[]isakmp.Attribute{tv(11, 1), tv(12, 28800), tv(1, 5), tv(3, 1), tv(2, 4), tv(4, 14)},
		[]isakmp.Attribute{tv(11, 1), isakmp.TLV(12, []byte{0, 1, 0x51, 0x80}), tv(1, 7), tv(14, 128), tv(3, 1), tv(2, 4), tv(4, 14)},
		[]isakmp.Attribute{tv(11, 1), tv(12, 28800), tv(1, 3), tv(14, 448), tv(3, 1), tv(2, 4), tv(4, 14)},
		[]isakmp.Attribute{tv(11, 1), tv(12, 28800), tv(1, 7), tv(14, 128), tv(3, 65005), tv(2, 4), tv(4, 14)})
	for i := range want.Proposals[0].Transforms {
		want.Proposals[0].Transforms[i].Number = uint8(i + 1)
	}
	if diff := cmp.Diff(want, OfferISAKMP(r)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPhase1OfferStaysWithinWhatAParserTakes(t *testing.T) {
	offer := OfferISAKMP(remote(policy.Strict, make([]p1, 300)...))
	if _, err := isakmp.ParseSA(offer.Append(nil)); err != nil {
		t.Error(err)
	}
	if got := len(offer.Proposals[0].Transforms); got != isakmp.MaxTransforms {
		t.Errorf("%d transforms", got)
	}
}

func TestKeyLengthAttributeIsThereForEveryCipherWithAChoice(t *testing.T) {
	for c := oakley.Cipher(0); c < 20; c++ {
		if !c.Supported() {
			continue
		}
		bits, err := keyBits(c, 0)
		if err != nil {
			t.Fatal(err)
		}
		if octets, err := c.KeyLen(bits); err != nil || bits != 0 && octets != int(bits)/8 {
			t.Errorf("%v: %d bits give %d octets, %v", c, bits, octets, err)
		}
		if _, err := c.KeyLen(192); bits == 0 && err == nil {
			t.Errorf("%v takes a key length but none is sent", c)
		}
	}
}

func TestPhase1ChoiceFollowsThePeersOrderThenTheSections(t *testing.T) {
	offer := OfferISAKMP(remote(policy.Strict, aes128(func(p *p1) { p.Hash = isakmp.HashMD5 }), tripleDES(), aes128()))
	a := remote(policy.Strict, aes128(), tripleDES())
	b := remote(policy.Strict, tripleDES())
	for _, test := range []struct {
		name    string
		remotes []*policy.Remote
		want    *policy.Remote
		index   int
	}{
		{"our order of proposals does not count", []*policy.Remote{a}, a, 1},
		{"of two sections the earlier one", []*policy.Remote{a, b}, a, 1},
		{"a section that cannot is passed over", []*policy.Remote{remote(policy.Exact), b}, b, 1},
		{"an earlier transform beats an earlier section", []*policy.Remote{remote(policy.Strict, aes128()), b}, b, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := ChooseISAKMP(offer, test.remotes)
			if err != nil {
				t.Fatal(err)
			}
			if got.Remote != test.want {
				t.Errorf("section %+v", got.Remote)
			}
			want := offer
			want.Proposals = []isakmp.Proposal{offer.Proposals[0]}
			want.Proposals[0].Transforms = offer.Proposals[0].Transforms[test.index : test.index+1]
			if diff := cmp.Diff(want.Append(nil), got.Answer.Append(nil)); diff != "" {
				t.Errorf("answer is not the offer's transform, octet for octet:\n%s", diff)
			}
		})
	}
}

// The levels, racoon.conf(5): P is the peer's value, C ours.
func TestPhase1ProposalCheck(t *testing.T) {
	longer := func(p *p1) { p.Lifetime = 24 * hour }
	shorter := func(p *p1) { p.Lifetime = hour }
	bigger := func(p *p1) { p.KeyBits = 256 }
	ours192 := func(p *p1) { p.KeyBits = 192 }
	same := func(*p1) {}
	const (
		no  = false
		yes = true
	)
	for _, test := range []struct {
		name                        string
		theirs                      func(*p1)
		strict, obey, claim, exact_ bool
		downgrade                   bool // refused as an answer, whatever the level
	}{
		{"equal values fit every level", ours192, yes, yes, yes, yes, no},
		{"a shorter lifetime", func(p *p1) { ours192(p); shorter(p) }, yes, yes, yes, no, no},
		{"a longer lifetime", func(p *p1) { ours192(p); longer(p) }, no, yes, no, no, no},
		{"a longer key", bigger, yes, yes, yes, no, no},
		{"a shorter key", same, no, yes, no, no, yes},
	} {
		for check, want := range map[policy.Check]bool{policy.Strict: test.strict, policy.Obey: test.obey, policy.Claim: test.claim, policy.Exact: test.exact_} {
			t.Run(test.name+" with "+check.String(), func(t *testing.T) {
				theirs := aes128(test.theirs)
				r := remote(check, aes128(ours192))
				offer := OfferISAKMP(remote(policy.Strict, theirs))
				chosen, err := ChooseISAKMP(offer, []*policy.Remote{r})
				if (err == nil) != want {
					t.Errorf("responder: %v, want %v", err, want)
				}
				if err == nil && chosen.Proposal != theirs {
					t.Errorf("used is %+v, not what the peer says", chosen.Proposal)
				}
				checked, err := CheckISAKMP(OfferISAKMP(r), offer, r)
				if want := want && !test.downgrade; (err == nil) != want {
					t.Errorf("initiator: %v, want %v", err, want)
				}
				if err == nil && checked.Proposal != theirs {
					t.Errorf("used is %+v, not what the peer says", checked.Proposal)
				}
			})
		}
	}
}

func TestNoLevelLetsAlgorithmsDiffer(t *testing.T) {
	for name, change := range map[string]func(*p1){
		"method": func(p *p1) { p.Method = isakmp.AuthRSASig }, "group": func(p *p1) { p.Group = isakmp.GroupECP256 },
		"hash": func(p *p1) { p.Hash = isakmp.HashSHA512 }, "cipher": func(p *p1) { p.Encryption = isakmp.EncCamellia },
	} {
		for check := policy.Strict; check <= policy.Exact; check++ {
			r := remote(check, aes128())
			offer := OfferISAKMP(remote(check, aes128(change)))
			if _, err := ChooseISAKMP(offer, []*policy.Remote{r}); err == nil {
				t.Errorf("%v: another %s chosen", check, name)
			}
			if _, err := CheckISAKMP(OfferISAKMP(r), offer, r); err == nil {
				t.Errorf("%v: an answer with another %s accepted", check, name)
			}
		}
	}
}

func TestPhase1TransformsAsPeersWriteThem(t *testing.T) {
	base := []isakmp.Attribute{tv(1, 7), tv(14, 128), tv(2, 4), tv(3, 1), tv(4, 14)}
	with := func(as ...isakmp.Attribute) []isakmp.Attribute { return append(base[:len(base):len(base)], as...) }
	const prefix = "no acceptable phase 1 proposal: in proposal 1 ISAKMP transform 1 "
	for _, test := range []struct {
		name  string
		attrs []isakmp.Attribute
		want  string
	}{
		{"no lifetime means 28800 seconds", base, ""},
		{"vpnc puts the key length before the cipher", []isakmp.Attribute{tv(14, 128), tv(1, 7), tv(2, 4), tv(4, 14), tv(3, 1), tv(11, 1), tv(12, 28800)}, ""},
		{"a lifetime before everything else", append([]isakmp.Attribute{tv(11, 1), tv(12, 28800)}, base...), ""},
		{"a lifetime in kilobytes, too", with(tv(11, 1), tv(12, 28800), tv(11, 2), isakmp.UintAttr(12, 4608000)), ""},
		{"a lifetime in kilobytes only", with(tv(11, 2), tv(12, 1000)), ""},
		{"a lifetime of eight octets", with(tv(11, 1), isakmp.TLV(12, []byte{0, 0, 0, 0, 0, 0, 0x70, 0x80})), ""},
		{"a cipher in the variable form", append([]isakmp.Attribute{isakmp.TLV(1, []byte{0, 7})}, base[1:]...), ""},
		{"an attribute twice with the same value", with(tv(1, 7)), ""},
		{"a group type that says MODP", with(tv(5, 1)), ""},
		{"AES without a key length has 128 bits", append([]isakmp.Attribute{tv(1, 7)}, base[2:]...), ""},

		{"an attribute twice with different values", with(tv(1, 5)), prefix + "attribute enc is both 7 and 5"},
		{"a cipher beyond 16 bits", append([]isakmp.Attribute{isakmp.TLV(1, []byte{1, 0, 7})}, base[1:]...), prefix + "attribute enc is 65543"},
		{"an attribute nobody knows", with(tv(16384, 1)), prefix + "attribute 16384 is not supported"},
		{"a prf of its own", with(tv(13, 1)), prefix + "attribute prf is not supported"},
		{"a private group", with(isakmp.TLV(6, make([]byte, 128))), prefix + "attribute prime is not supported"},
		{"a group type that says ECP", with(tv(5, 2)), prefix + "group type 2 is not supported"},
		{"a duration without a type", with(tv(12, 28800)), prefix + "a life duration without a life type before it"},
		{"a second duration without a type", with(tv(11, 1), tv(12, 28800), tv(12, 28800)), prefix + "a life duration without a life type before it"},
		{"a lifetime of 0 seconds", with(tv(11, 1), tv(12, 0)), prefix + "attribute life is 0"},
		{"a lifetime of 0 kilobytes", with(tv(11, 2), tv(12, 0)), prefix + "attribute life is 0"},
		{"a lifetime of no octets", with(tv(11, 1), isakmp.TLV(12, nil)), prefix + "attribute life of 0 octets"},
		{"a lifetime of nine octets", with(tv(11, 1), isakmp.TLV(12, make([]byte, 9))), prefix + "attribute life of 9 octets"},
		{"two lifetimes in seconds", with(tv(11, 1), tv(12, 28800), tv(11, 1), tv(12, 60)), prefix + "lifetimes 28800 and 60 s"},
		{"an unknown life type", with(tv(11, 3), tv(12, 60)), prefix + "life type 3 is not supported"},
		{"a key length of 0", append([]isakmp.Attribute{tv(1, 7), tv(14, 0)}, base[2:]...), prefix + "attribute keylen is 0"},
		{"a key AES cannot have", append([]isakmp.Attribute{tv(1, 7), tv(14, 136)}, base[2:]...),
			prefix + "oakley: aes key of 136 bits: want 128 to 256 in steps of 64"},
		{"3DES with a key length", append([]isakmp.Attribute{tv(1, 5), tv(14, 192)}, base[2:]...),
			prefix + "oakley: 3des takes no key length, got 192 bits"},
		{"no attribute at all", nil, prefix + "the authentication method is none, ours is psk (remote gw, proposal_check strict)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := ChooseISAKMP(isakmpOffer(test.attrs), []*policy.Remote{remote(policy.Strict, aes128(), tripleDES())})
			wantMismatch(t, err, test.want)
		})
	}
}

// RFC 2409 appendix B: Blowfish without the attribute has 448 bits. CAST-128 below
// 88 bits is another cipher, which we do not have.
func TestKeyLengthsOfOldCiphers(t *testing.T) {
	offer := isakmpOffer([]isakmp.Attribute{tv(1, isakmp.EncBlowfish), tv(2, 4), tv(3, 1), tv(4, 14)})
	got, err := ChooseISAKMP(offer, []*policy.Remote{remote(policy.Strict, aes128(func(p *p1) { p.Encryption = isakmp.EncBlowfish }))})
	if err != nil || got.Proposal.KeyBits != 448 {
		t.Errorf("Blowfish of %d bits, %v", got.Proposal.KeyBits, err)
	}
	cast := func(p *p1) { p.Encryption, p.KeyBits = isakmp.EncCAST, 80 }
	offer = OfferISAKMP(remote(policy.Obey, aes128(cast)))
	if _, err = ChooseISAKMP(offer, []*policy.Remote{remote(policy.Obey, aes128(cast))}); err == nil {
		t.Error("CAST-128 of 80 bits accepted")
	}
}

func TestPhase1AnswerMustBeOneTransformOfTheOffer(t *testing.T) {
	r := remote(policy.Obey, aes128(), tripleDES())
	offer := OfferISAKMP(r)
	renumbered := OfferISAKMP(remote(policy.Obey, tripleDES()))
	renumbered.Proposals[0].Number, renumbered.Proposals[0].Transforms[0].Number = 9, 77
	espAnswer := saOf(esp(1, isakmp.ESPAESCBC, tunnelAES()...))
	for _, test := range []struct {
		name   string
		answer isakmp.SA
		want   string
	}{
		{"renumbered proposals and transforms are the same", renumbered, ""},
		{"the whole offer is no answer", offer, "no acceptable phase 1 answer: in it there is not exactly one transform"},
		{"nothing is no answer", saOf(), "no acceptable phase 1 answer: in it there is not exactly one transform"},
		{"two proposals are no answer", saOf(renumbered.Proposals[0], renumbered.Proposals[0]), "no acceptable phase 1 answer: in it there is not exactly one transform"},
		{"ESP is no answer", espAnswer, "no acceptable phase 1 answer: in proposal 1 ESP transform 1 ESP 12 is not KEY_IKE"},
		{"a cipher not offered", OfferISAKMP(remote(policy.Obey, aes128(func(p *p1) { p.Encryption = isakmp.EncCamellia }))),
			"no acceptable phase 1 answer: in proposal 1 ISAKMP transform 1 the encryption algorithm is camellia-cbc, ours is aes-cbc (remote gw, proposal_check obey)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := CheckISAKMP(offer, test.answer, r)
			wantMismatch(t, err, test.want)
		})
	}
}
