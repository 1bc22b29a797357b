package ike

import (
	"encoding/binary"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/oakley"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// maxSealed is the largest message that padding of random length may make: what
// UDP over IPv4 can carry behind a non-ESP marker.
const maxSealed = 65535 - 20 - 8 - 4

func tailOf(c policy.Padding) oakley.Tail {
	if c.ExclusiveTail {
		return oakley.ExclusiveTail
	}
	return oakley.InclusiveTail
}

// pad fills up a message of ours (racoon-conf section 4.5). What is drawn for it
// does not depend on the message.
func pad(c policy.Padding, rand func([]byte), plain []byte, blockSize int) []byte {
	tail, extra, octets := tailOf(c), 0, 32
	if c.RandomizeLength {
		octets = oakley.MaxPadding
		// Whole blocks, one at least. The last octet has to count them, and the message
		// to fit a datagram: what remains is drawn from, rather than cut off, so that
		// no length is more frequent than another.
		room := min(tail.Room(len(plain), blockSize), (maxSealed-isakmp.HeaderLen-len(plain))/blockSize-1)
		if n := min(int(c.MaximumLength)+1, room); n > 0 {
			var b [4]byte
			rand(b[:])
			extra = int(binary.BigEndian.Uint32(b[:])%uint32(n)) + 1
		}
	}
	filler := make([]byte, octets)
	if c.Randomize {
		rand(filler)
	}
	return tail.Pad(plain, blockSize, extra, filler)
}

// unpad removes a peer's padding where its length is believed. Otherwise whatever
// is behind the last payload is padding: RFC 2409 appendix B has no length in it.
func unpad(c policy.Padding, plain []byte) ([]byte, error) {
	if !c.StrictCheck {
		return plain, nil
	}
	plain, err := tailOf(c).Strip(plain)
	if err != nil {
		return nil, drop{notice.BadPadding, err.Error()}
	}
	return plain, nil
}
