package engine

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/isakmp"
)

// cookieSecret makes CKY-R: nobody else can tell which cookie an address will get,
// and it costs no state (RFC 2408 section 2.5.3).
type cookieSecret [32]byte

func newCookieSecret() (s cookieSecret) {
	rand.Read(s[:])
	return s
}

// maker returns the function for one machine. The minute of its birth is part of
// every cookie, so that an exchange that is played again gets another one.
func (s *cookieSecret) maker(born time.Time) func(ike.Path, isakmp.Cookie) isakmp.Cookie {
	return func(p ike.Path, ckyI isakmp.Cookie) (c isakmp.Cookie) {
		b := binary.BigEndian.AppendUint64(make([]byte, 0, 96), uint64(born.Unix()/60))
		b = append(b, ckyI[:]...)
		for _, end := range [...]interface{ MarshalBinary() ([]byte, error) }{p.Local, p.Remote} {
			octets, _ := end.MarshalBinary() // of an AddrPort it never fails
			b = append(append(b, byte(len(octets))), octets...)
		}
		mac := hmac.New(sha256.New, s[:])
		mac.Write(b)
		copy(c[:], mac.Sum(nil))
		if c.IsZero() { // zero is "not yet known"
			c[0] = 1
		}
		return c
	}
}

// random fills b for a machine.
func random(b []byte) { rand.Read(b) }
