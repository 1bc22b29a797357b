package doi

import (
	"fmt"
	"slices"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/sdk/ipsec"
)

// ShortSHA256 is what implementations of a draft cut HMAC-SHA2-256 to, in bits. The
// negotiation has no word for it: two ends that differ have SAs over which nothing passes.
const ShortSHA256 = 96

// ICV is the length of the integrity check value of an authentication algorithm in
// bits, as its standard has it: RFC 2403, 2404 and 4868. 0 is none.
func ICV(auth uint16) uint16 { return ipsec.Auth(auth).ICV }

// ICVFor is the length that the SAs of a section have.
func ICVFor(r *policy.Remote, auth uint16) uint16 {
	if r.ShortSHA256 && auth == isakmp.SAAuthHMACSHA256 {
		return ShortSHA256
	}
	return ICV(auth)
}

// Misfit is a section that asks for another length than the back end does.
type Misfit struct {
	Remote    *policy.Remote
	What, Fix string
}

// Misfits finds the sections whose SAs with HMAC-SHA2-256 a kernel back end cannot cut as
// they ask for. can are its lengths in bits, the first what it does unasked.
func Misfits(c *policy.Config, can []uint16) (all []Misfit) {
	for _, r := range c.Remotes {
		want := ICVFor(r, isakmp.SAAuthHMACSHA256)
		if len(can) == 0 || slices.Contains(can, want) || !negotiates(c, r, isakmp.SAAuthHMACSHA256) {
			continue
		}
		m := Misfit{Remote: r}
		if r.ShortSHA256 {
			m.What = fmt.Sprintf("sha256_96: the kernel back end cannot cut HMAC-SHA2-256 to %d bits, only to %d: SAs with hmac_sha256 are refused", want, can[0])
			m.Fix = "name hmac_sha1 or hmac_sha512 instead of hmac_sha256 in its sainfo sections, or use another kernel back end"
		} else {
			m.What = fmt.Sprintf("the kernel back end cuts HMAC-SHA2-256 to %d bits, where RFC 4868 has %d: with a peer that does as the RFC says the tunnel comes up and carries nothing", can[0], want)
			m.Fix = "write sha256_96 on; if the peer does 96 too (the original racoon on Linux does); if not, name hmac_sha512 or hmac_sha1 instead of hmac_sha256, or use the kernel back end xfrm"
		}
		all = append(all, m)
	}
	return all
}

// negotiates reports whether a sainfo section that a remote section may use names an
// authentication algorithm, beside a cipher that needs one.
func negotiates(c *policy.Config, r *policy.Remote, auth uint16) bool {
	return slices.ContainsFunc(c.SAInfos, func(s *policy.SAInfo) bool {
		return s.RemoteID == r.Ph1ID &&
			slices.ContainsFunc(s.Auth, func(a policy.Algorithm) bool { return a.ID == auth }) &&
			slices.ContainsFunc(s.Encryption, func(e policy.Algorithm) bool { return !AEAD(e.ID) })
	})
}
