package doi

import (
	"time"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// Life is how long an SA lives: until either is used up.
type Life struct {
	Time time.Duration
	KB   uint64 // kilobytes of 1024 octets, 0 = without limit
}

const (
	maxLife = 1<<32 - 1 // seconds: the longest in four octets, 136 years
	maxKB   = 1<<53 - 1 // kilobytes: counted in octets they fit the kernel's 64 bits
)

// octets orders numbers of kilobytes, where none is the largest.
func octets(kb uint64) uint64 { return kb - 1 }

// Shorter is what is left of two lives.
func (l Life) Shorter(o Life) Life {
	l.Time = min(l.Time, o.Time)
	if octets(o.KB) < octets(l.KB) {
		l.KB = o.KB
	}
	return l
}

// lifeOf is what a sainfo says.
func lifeOf(s *policy.SAInfo) Life { return Life{s.Lifetime, s.LifetimeKB} }

// lifetime begins the attributes of a transform of ours.
func (c classes) lifetime(l Life) []isakmp.Attribute {
	as := []isakmp.Attribute{
		isakmp.TV(c.lifeType, isakmp.LifeSeconds),
		isakmp.UintAttr(c.duration, uint32(min(l.Time/time.Second, maxLife))),
	}
	if l.KB != 0 {
		as = append(as, isakmp.TV(c.lifeType, isakmp.LifeKilobytes), isakmp.UintAttr(c.duration, uint32(min(l.KB, 1<<32-1))))
	}
	return as
}

// ResponderLifetime is the data of the notify of that name (RFC 2407 section
// 4.6.3.1): attributes as in a transform.
func ResponderLifetime(l Life) []byte {
	return isakmp.AppendAttributes(nil, phase2Classes.lifetime(l))
}

// TakeResponderLifetime is what is left of an agreed life when the responder says
// its own: as with a proposal, check decides whether it may be another, but for
// claim, which lets nobody make ours longer. What does not fit, or cannot be read, is
// ignored, and the answer false.
func TakeResponderLifetime(data []byte, agreed Life, check policy.Check) (Life, bool) {
	as, err := isakmp.ParseAttributes(data)
	if err != nil {
		return agreed, false
	}
	a, err := phase2Classes.read(as)
	if err != nil {
		return agreed, false
	}
	theirs := a.life
	if a.said&(1<<isakmp.LifeSeconds) == 0 {
		theirs.Time = agreed.Time
	}
	if a.said&(1<<isakmp.LifeKilobytes) == 0 {
		theirs.KB = agreed.KB
	}
	if check == policy.Claim {
		check = policy.Strict
	}
	fits := lifeFits(check, theirs.Time, agreed.Time) && lifeFits(check, octets(theirs.KB), octets(agreed.KB))
	if !fits {
		return agreed, false
	}
	return theirs, true
}
