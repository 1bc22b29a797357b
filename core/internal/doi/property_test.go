package doi

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
	"github.com/racoon-ike/racoon/core/sdk/ipsec"
)

// A responder's answer to our own offer must be one we accept, whatever the two
// configurations are; and then both sides mean the same. Few values, so that
// random configurations often fit.

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

func some[T any](r *rand.Rand, most int, one func() T) []T {
	all := make([]T, 1+r.IntN(most))
	for i := range all {
		all[i] = one()
	}
	return all
}

func randomLife(r *rand.Rand) time.Duration {
	return pick(r, 600*time.Second, hour, 8*hour, 24*hour, 200_000*hour)
}

func randomCheck(r *rand.Rand) policy.Check { return policy.Check(r.IntN(4)) }

func randomRemote(r *rand.Rand) *policy.Remote {
	return remote(randomCheck(r), some(r, 4, func() policy.Phase1Proposal {
		p := policy.Phase1Proposal{
			Encryption: pick[uint16](r, isakmp.EncAES, isakmp.Enc3DES, isakmp.EncBlowfish),
			Hash:       pick[uint16](r, isakmp.HashSHA1, isakmp.HashSHA256),
			Method:     pick[uint16](r, isakmp.AuthPSK, isakmp.AuthXAuthInitPSK, isakmp.AuthXAuthRespPSK),
			Group:      pick[uint16](r, isakmp.GroupMODP2048, isakmp.GroupX25519),
			Lifetime:   randomLife(r),
		}
		if p.Encryption != isakmp.Enc3DES {
			p.KeyBits = pick[uint16](r, 0, 128, 192, 256)
		}
		return p
	})...)
}

func randomSAInfo(r *rand.Rand) *policy.SAInfo {
	return sainfoOf(func(s *policy.SAInfo) {
		s.Lifetime = randomLife(r)
		s.LifetimeKB = pick[uint64](r, 0, 0, 1000, 5000, 1<<31)
		s.ESN = pick(r, policy.Off, policy.Off, policy.On, policy.Force)
		s.Comp = algs{{ID: isakmp.IPCompDeflate}}
		s.PFSGroup = pick[uint16](r, 0, 0, isakmp.GroupMODP2048, isakmp.GroupECP256)
		s.Auth = some(r, 3, func() policy.Algorithm {
			return policy.Algorithm{ID: pick[uint16](r, 0, isakmp.SAAuthHMACSHA1, isakmp.SAAuthHMACSHA256)}
		})
		s.Encryption = some(r, 3, func() policy.Algorithm {
			a := policy.Algorithm{ID: pick[uint16](r, isakmp.ESPAESCBC, isakmp.ESPAESGCM16, isakmp.ESP3DES, isakmp.ESPNull)}
			if ipsec.Encr(a.ID).Step != 0 {
				a.KeyBits = pick[uint16](r, 0, 128, 256)
			}
			return a
		})
	})
}

func randomTemplates(r *rand.Rand) []spd.Template {
	return some(r, 2, func() spd.Template { return pick(r, espTunnel, espTunnel, espTransport, ahTransport, compTunnel) })
}

// overTheWire is what the other side parses.
func overTheWire(t *testing.T, sa isakmp.SA) isakmp.SA {
	t.Helper()
	got, err := isakmp.ParseSA(sa.Append(nil))
	if err != nil {
		t.Fatalf("%v: %v", sa, err)
	}
	return got
}

func newRand(t *testing.T) *rand.Rand {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func TestPhase1AnswersToOurOffersAreAccepted(t *testing.T) {
	r, agreed := newRand(t), 0
	for range 20_000 {
		initiator, responder := randomRemote(r), some(r, 3, func() *policy.Remote { return randomRemote(r) })
		offer := OfferISAKMP(initiator)
		theirs, err := ChooseISAKMP(overTheWire(t, offer), responder)
		if err != nil {
			continue
		}
		agreed++
		ours, err := CheckISAKMP(offer, overTheWire(t, theirs.Answer), initiator)
		if err != nil {
			t.Fatalf("initiator %+v\nresponder %+v\n%v", initiator, theirs.Remote, err)
		}
		if diff := cmp.Diff(ours.Proposal, theirs.Proposal); diff != "" {
			t.Fatalf("initiator %+v\nresponder %+v\n(-initiator +responder):\n%s", initiator, theirs.Remote, diff)
		}
	}
	if agreed < 2000 {
		t.Errorf("only %d agreed, the test says little", agreed)
	}
}

func TestIPsecAnswersToOurOffersAreAccepted(t *testing.T) {
	r, agreed, claims := newRand(t), 0, 0
	for range 20_000 {
		mine, yours := randomTemplates(r), randomTemplates(r)
		if r.IntN(4) != 0 {
			yours = mine
		}
		initiator, responder := randomSAInfo(r), randomSAInfo(r)
		oneMode := r.IntN(2) == 0
		spisI, spisR := []uint32{0x1000, 0x1001}, []uint32{0x2000, 0x2001}
		offer, err := OfferIPsec(Side{Templates: mine, SAInfo: initiator, OneMode: oneMode}, spisI[:len(mine)])
		if err != nil {
			continue
		}
		received := overTheWire(t, offer)
		theirs, err := ChooseIPsec(received, Side{Templates: yours, SAInfo: responder, Check: randomCheck(r), OneMode: oneMode})
		if err != nil {
			continue
		}
		agreed++
		ours, err := CheckIPsec(overTheWire(t, theirs.Answer(received, spisR)), Side{Templates: mine, SAInfo: initiator, Check: randomCheck(r), OneMode: oneMode})
		where := fmt.Sprintf("initiator %+v %+v\nresponder %+v %+v", mine, initiator, yours, responder)
		if err != nil {
			t.Fatalf("%s\n%v", where, err)
		}
		if theirs.Claim { // the initiator learns of it by RESPONDER-LIFETIME
			claims++
			check := randomCheck(r)
			said, ok := TakeResponderLifetime(ResponderLifetime(theirs.Life), ours.Life, check)
			if theirs.Life != ours.Life.Shorter(lifeOf(responder)) || ok != (check != policy.Exact) || ok && said != theirs.Life {
				t.Fatalf("%s\nclaimed %v of %v, with %v taken as %v, %v", where, theirs.Life, ours.Life, check, said, ok)
			}
			theirs.Life = ours.Life
		}
		if ours.Life != theirs.Life || ours.Group != theirs.Group || ours.Claim {
			t.Fatalf("%s\nlifetimes %v and %v, groups %d and %d", where, ours.Life, theirs.Life, ours.Group, theirs.Group)
		}
		// Template i of one side is the other's template with the same pair of SPIs.
		paired := 0
		for i, a := range ours.Suites {
			for j, b := range theirs.Suites {
				if a.PeerSPI == spisR[j] && b.PeerSPI == spisI[i] {
					a.PeerSPI, b.PeerSPI = 0, 0
					if oneMode { // what is inside one tunnel is each side's own
						a.Mode, b.Mode = 0, 0
					}
					if a != b {
						t.Fatalf("%s\n%+v is not %+v", where, a, b)
					}
					paired++
				}
			}
		}
		if paired != len(mine) {
			t.Fatalf("%s\n%d SAs of %d have the same SPIs on both sides", where, paired, len(mine))
		}
	}
	if agreed < 2000 || claims < 50 {
		t.Errorf("only %d agreed, %d claimed, the test says little", agreed, claims)
	}
}
