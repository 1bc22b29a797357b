package doi

import (
	"fmt"
	"slices"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// BackEnd is what a kernel back end can do of what not every one can.
type BackEnd struct {
	SHA256 []uint16 // bits it can cut HMAC-SHA2-256 to, the first unasked; none: nobody knows
	ESN    bool     // sequence numbers of 64 bits
}

// Misfit is a section that asks a back end for what it cannot do.
type Misfit struct {
	Where     policy.Position
	Remote    string // name of the remote section, "" of a sainfo section
	What, Fix string
}

// Misfits finds the sections of a configuration that a back end does not fit.
func Misfits(c *policy.Config, can BackEnd) (all []Misfit) {
	names := map[uint32]bool{} // HMAC-SHA2-256, by remoteid
	for _, s := range c.SAInfos {
		names[s.RemoteID] = names[s.RemoteID] || negotiates(s, isakmp.SAAuthHMACSHA256)
		if s.ESN != policy.Off && !can.ESN {
			all = append(all, lacksESN(s))
		}
	}
	for _, r := range c.Remotes {
		want := ICVFor(r, isakmp.SAAuthHMACSHA256)
		if len(can.SHA256) > 0 && !slices.Contains(can.SHA256, want) && names[r.Ph1ID] {
			all = append(all, cutsOtherwise(r, can.SHA256[0], want))
		}
	}
	return all
}

func lacksESN(s *policy.SAInfo) Misfit {
	m := Misfit{Where: s.Where, What: fmt.Sprintf("esn %v: the kernel back end has no sequence numbers of 64 bits: ", s.ESN)}
	if s.ESN == policy.Force {
		m.What += "no SAs are negotiated"
		m.Fix = "write esn on; where those of 32 bits will do, or use the kernel back end xfrm"
	} else {
		m.What += "the SAs have those of 32"
		m.Fix = "write esn off; or use the kernel back end xfrm"
	}
	return m
}

func cutsOtherwise(r *policy.Remote, does, want uint16) Misfit {
	m := Misfit{Where: r.Where, Remote: r.Name}
	if r.ShortSHA256 {
		m.What = fmt.Sprintf("sha256_96: the kernel back end cannot cut HMAC-SHA2-256 to %d bits, only to %d: SAs with hmac_sha256 are refused", want, does)
		m.Fix = "name hmac_sha1 or hmac_sha512 instead of hmac_sha256 in its sainfo sections, or use another kernel back end"
	} else {
		m.What = fmt.Sprintf("the kernel back end cuts HMAC-SHA2-256 to %d bits, where RFC 4868 has %d: with a peer that does as the RFC says the tunnel comes up and carries nothing", does, want)
		m.Fix = "write sha256_96 on; if the peer does 96 too (the original racoon on Linux does); if not, name hmac_sha512 or hmac_sha1 instead of hmac_sha256, or use the kernel back end xfrm"
	}
	return m
}

// negotiates reports whether a sainfo section names an authentication algorithm, beside a
// cipher that needs one.
func negotiates(s *policy.SAInfo, auth uint16) bool {
	return slices.ContainsFunc(s.Auth, func(a policy.Algorithm) bool { return a.ID == auth }) &&
		slices.ContainsFunc(s.Encryption, func(e policy.Algorithm) bool { return !AEAD(e.ID) })
}
