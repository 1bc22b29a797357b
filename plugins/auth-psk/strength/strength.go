// Package strength says how hard a pre-shared key is to guess for somebody who has
// one SKEYID, or one recorded aggressive mode, and all the time he wants. It knows
// nothing of files and says nothing about a key but a number.
//
//	round := judge.Round() // one reading of a key file
//	if v := round.Key(key, "vpn.example.org"); v.Bits < strength.Enough { ... }
//
// What is clearly random is recognised by simple statistics; the rest is looked up
// in dictionaries by zxcvbn. That costs up to a millisecond a key and leaves copies
// of its parts on the heap, so nothing random is handed to it, no key is looked up
// twice, and one reading looks up a bounded number of keys.
package strength

import (
	"hash/maphash"
	"sync"
)

// Enough is how many bits a key needs: fewer, and it can be guessed off line.
const Enough = 80

const (
	// maxLookups is how often one reading of a file asks the dictionaries.
	maxLookups = 250
	// maxSeen keys are remembered; then all are forgotten.
	maxSeen = 1 << 16
)

// Verdict is an estimate. It is a lower bound on nothing and an upper bound on
// little: a key of few bits is certainly weak, one of many bits may still stand in
// a list we do not have.
type Verdict struct {
	Bits float64
	Sure bool // false: dictionaries were not asked, Bits is what the characters allow
}

// Judge remembers what it has looked up, by a keyed hash, so that a file that is
// read again costs only its new keys.
type Judge struct {
	seed maphash.Seed
	mu   sync.Mutex
	seen map[uint64]float64
}

// New makes a Judge.
func New() *Judge { return &Judge{seed: maphash.MakeSeed(), seen: map[uint64]float64{}} }

// Round is one reading of a file.
type Round struct {
	judge *Judge
	left  int
}

// Round begins one.
func (j *Judge) Round() *Round { return &Round{judge: j, left: maxLookups} }

// Key judges a key. id is the identity it belongs to, which an attacker knows.
func (r *Round) Key(key []byte, id string) Verdict {
	quick, random := measure(key)
	if random || !text(key) {
		return Verdict{quick, true}
	}
	hints := within(key, id)
	sum := r.judge.hash(key, hints)
	if bits, ok := r.judge.recall(sum); ok {
		return Verdict{min(bits, quick), true}
	}
	if r.left <= 0 {
		return Verdict{quick, false}
	}
	bits, lookups := lookUp(key, hints)
	r.left -= lookups
	r.judge.remember(sum, bits)
	return Verdict{min(bits, quick), true}
}

func (j *Judge) recall(sum uint64) (bits float64, ok bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	bits, ok = j.seen[sum]
	return bits, ok
}

func (j *Judge) remember(sum uint64, bits float64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.seen) >= maxSeen {
		clear(j.seen)
	}
	j.seen[sum] = bits
}

func (j *Judge) hash(key []byte, hints []string) uint64 {
	var h maphash.Hash
	h.SetSeed(j.seed)
	h.Write(key)
	for _, w := range hints {
		h.WriteByte(0)
		h.WriteString(w)
	}
	return h.Sum64()
}
