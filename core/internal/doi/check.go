package doi

import (
	"cmp"
	"time"

	"github.com/racoon-ike/racoon/core/internal/policy"
)

// The levels of proposal_check. theirs is what the peer says, ours what is
// configured; key lengths are those meant, an absent attribute read as the
// cipher's default.

// keyBitsFit: an answer, which in phase 1 nobody has authenticated yet, cannot
// have a shorter key than what it answers, not even with obey.
func keyBitsFit(c policy.Check, answer bool, theirs, ours uint16) bool {
	return theirs == ours || theirs > ours && c != policy.Exact || c == policy.Obey && !answer
}

func groupFits(c policy.Check, theirs, ours uint16) bool {
	return c == policy.Obey || theirs == ours || ours == 0 && c != policy.Exact
}

// phase1LifeFits: claim has no meaning of its own in phase 1, nothing there can
// tell the peer of our lifetime.
func phase1LifeFits(c policy.Check, theirs, ours time.Duration) bool {
	return lifeFits(c, theirs, ours) && (c != policy.Claim || theirs <= ours)
}

// lifeFits compares times, or octets, in phase 2: with claim the shorter one will apply.
func lifeFits[T cmp.Ordered](c policy.Check, theirs, ours T) bool {
	switch c {
	case policy.Obey, policy.Claim:
		return true
	case policy.Exact:
		return theirs == ours
	default:
		return theirs <= ours
	}
}
