package oakley

import "fmt"

// Tail is what the last octet of a padded message counts.
type Tail uint8

// Tails. IKEv1 settles neither: RFC 2409 appendix B wants zeros and no length at all,
// so that a peer's last octet may count nothing.
const (
	ExclusiveTail Tail = iota // the octets added before it
	InclusiveTail             // those and itself
)

// least is the octets added by the tail 0.
func (t Tail) least() int {
	if t == InclusiveTail {
		return 0
	}
	return 1
}

// MaxPadding is the most octets of padding that a tail can count.
const MaxPadding = 256

// needed are the octets that Pad adds at least: one to a whole block.
func needed(length, blockSize int) int { return blockSize - length%blockSize }

// Room is how many blocks of padding, beyond those that a plaintext of this length
// needs, the last octet can still count.
func (t Tail) Room(length, blockSize int) int {
	return max(0, 255+t.least()-needed(length, blockSize)) / blockSize
}

// Pad returns a copy of the plaintext filled up to whole blocks of blockSize octets
// (at most 128), and by extra blocks more: see [Tail.Room]. At least one octet is
// added; the last is the tail. The filler is taken from random, and is zero where
// random has none.
func (t Tail) Pad(plaintext []byte, blockSize, extra int, random []byte) []byte {
	n := needed(len(plaintext), blockSize) + extra*blockSize
	out := make([]byte, len(plaintext)+n)
	copy(out[copy(out, plaintext):len(out)-1], random)
	out[len(out)-1] = byte(n - t.least())
	return out
}

// Strip removes the padding that the last octet counts. It fails where that is more
// than there is.
func (t Tail) Strip(padded []byte) ([]byte, error) {
	if len(padded) == 0 {
		return nil, fmt.Errorf("oakley: nothing has no padding")
	}
	n := int(padded[len(padded)-1]) + t.least()
	if n > len(padded) {
		return nil, fmt.Errorf("oakley: %d octets of padding in a message of %d", n, len(padded))
	}
	return padded[:len(padded)-n], nil
}
