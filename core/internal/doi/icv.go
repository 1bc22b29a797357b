package doi

import (
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
