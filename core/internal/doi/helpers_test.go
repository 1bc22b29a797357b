package doi

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
)

const hour = time.Hour

// aes128 is what most tests start from: PSK, AES-128, SHA2-256, modp2048, 8 hours.
func aes128(change ...func(*policy.Phase1Proposal)) policy.Phase1Proposal {
	p := policy.Phase1Proposal{Encryption: isakmp.EncAES, KeyBits: 128, Hash: isakmp.HashSHA256,
		Method: isakmp.AuthPSK, Group: isakmp.GroupMODP2048, Lifetime: 8 * hour}
	for _, f := range change {
		f(&p)
	}
	return p
}

func tripleDES() policy.Phase1Proposal {
	return aes128(func(p *policy.Phase1Proposal) { p.Encryption, p.KeyBits = isakmp.Enc3DES, 0 })
}

func remote(check policy.Check, ps ...policy.Phase1Proposal) *policy.Remote {
	return &policy.Remote{Name: "gw", ProposalCheck: check, Proposals: ps}
}

// sainfoOf is a section with AES-128 and HMAC-SHA2-256, 8 hours, no PFS.
func sainfoOf(change ...func(*policy.SAInfo)) *policy.SAInfo {
	s := &policy.SAInfo{Where: policy.Position{File: "racoon.conf", Line: 7}, Lifetime: 8 * hour,
		Encryption: []policy.Algorithm{{ID: isakmp.ESPAESCBC, KeyBits: 128}},
		Auth:       []policy.Algorithm{{ID: isakmp.SAAuthHMACSHA256}}}
	for _, f := range change {
		f(s)
	}
	return s
}

var (
	espTunnel    = spd.Template{Proto: ipESP, Mode: spd.Tunnel}
	espTransport = spd.Template{Proto: ipESP, Mode: spd.Transport}
	ahTransport  = spd.Template{Proto: ipAH, Mode: spd.Transport}
	compTunnel   = spd.Template{Proto: ipComp, Mode: spd.Tunnel}
)

func tv(class, v uint16) isakmp.Attribute { return isakmp.TV(class, v) }

// saOf is an SA payload with one proposal for each protocol, all of one number.
func saOf(ps ...isakmp.Proposal) isakmp.SA {
	return isakmp.SA{DOI: isakmp.DOIIPsec, Situation: isakmp.SituationIdentityOnly, Proposals: ps}
}

func isakmpOffer(as ...[]isakmp.Attribute) isakmp.SA {
	p := isakmp.Proposal{Number: 1, Protocol: isakmp.ProtoISAKMP}
	for i, a := range as {
		p.Transforms = append(p.Transforms, isakmp.Transform{Number: uint8(i), ID: isakmp.TransformKeyIKE, Attrs: a})
	}
	return saOf(p)
}

// esp is a proposal with one ESP transform.
func esp(number, transform uint8, as ...isakmp.Attribute) isakmp.Proposal {
	return isakmp.Proposal{Number: number, Protocol: isakmp.ProtoESP, SPI: []byte{0, 0, 0x12, number},
		Transforms: []isakmp.Transform{{Number: 1, ID: transform, Attrs: as}}}
}

func ah(number, transform uint8, as ...isakmp.Attribute) isakmp.Proposal {
	p := esp(number, transform, as...)
	p.Protocol = isakmp.ProtoAH
	return p
}

// tunnelAES are the attributes of AES-128 with HMAC-SHA2-256, and no lifetime.
func tunnelAES(more ...isakmp.Attribute) []isakmp.Attribute {
	return append([]isakmp.Attribute{tv(isakmp.SAAttrEncapMode, isakmp.EncapTunnel), tv(isakmp.SAAttrKeyLength, 128),
		tv(isakmp.SAAttrAuth, isakmp.SAAuthHMACSHA256)}, more...)
}

func seconds(n uint32) []isakmp.Attribute {
	return []isakmp.Attribute{tv(isakmp.SAAttrLifeType, isakmp.LifeSeconds), isakmp.UintAttr(isakmp.SAAttrLifeDuration, n)}
}

// wantMismatch checks the sentence of an error, "" for none.
func wantMismatch(t *testing.T, err error, want string) {
	t.Helper()
	got := ""
	if err != nil {
		got = err.Error()
		if !errors.As(err, new(*Mismatch)) {
			t.Errorf("%T is no *Mismatch", err)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
}
