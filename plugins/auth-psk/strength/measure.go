package strength

import (
	"bytes"
	"math"
	"unicode/utf8"
)

// maxMeasured is how many octets of a key are looked at: whatever those of a random
// key hold is enough.
const maxMeasured = 96

// randomText is the shortest text that is taken for random without a dictionary.
const randomText = 32

// text reports whether a key may be words; dictionaries have nothing else. An octet
// in four may be what a tool has put behind or between them.
func text(key []byte) bool {
	printable, control := 0, false
	for _, c := range key {
		switch {
		case ' ' <= c && c < 0x7f:
			printable++
		case c < utf8.RuneSelf:
			control = true
		}
	}
	return printable*4 >= len(key)*3 || !control && utf8.Valid(key)
}

// shape is what characters a key consists of.
type shape struct {
	lower, upper, digits, symbols, others int
	hexLower, hexUpper                    int // of the letters, those up to f
	pairs, flips, upperPairs              int // adjacent letters; of these, those of different case, and two capitals
	words                                 int // letters in runs of four and more of one case
}

func shapeOf(key []byte) (s shape) {
	var last byte
	run := 0
	for _, c := range key {
		switch {
		case isLower(c):
			s.lower++
			if c <= 'f' {
				s.hexLower++
			}
		case isUpper(c):
			s.upper++
			if c <= 'F' {
				s.hexUpper++
			}
		case isDigit(c):
			s.digits++
		case c < utf8.RuneSelf:
			s.symbols++
		default:
			s.others++
		}
		switch {
		case isLower(c) && isLower(last), isUpper(c) && isUpper(last):
			run++
		default:
			run = 1
		}
		switch {
		case run == 4:
			s.words += 4
		case run > 4:
			s.words++
		}
		if isLetter(c) && isLetter(last) {
			s.pairs++
			switch {
			case isLower(c) != isLower(last):
				s.flips++
			case isUpper(c):
				s.upperPairs++
			}
		}
		last = c
	}
	return s
}

// hex reports hexadecimal digits in one case.
func (s shape) hex() bool {
	return s.symbols+s.others == 0 && s.digits > 0 &&
		(s.upper == 0 && s.lower == s.hexLower && s.lower > 0 || s.lower == 0 && s.upper == s.hexUpper && s.upper > 0)
}

// alphabet is how many characters the key's author may have chosen from.
func (s shape) alphabet() float64 {
	if s.hex() {
		return 16
	}
	n := 0.0
	for _, class := range []struct {
		have int
		size float64
	}{{s.lower, 26}, {s.upper, 26}, {s.digits, 10}, {s.symbols, 33}, {s.others, 32}} {
		if class.have > 0 {
			n += class.size
		}
	}
	return n
}

// measure is how many bits a key can have by its characters alone, and whether it
// looks like a random one in which no word can hide.
//
// Random is: binary octets; 32 hexadecimal digits, among which letters are neither
// rare nor common; and 32 letters and others in which the case changes as a coin
// falls: words have few capitals side by side, and are longer than three letters.
func measure(key []byte) (bits float64, random bool) {
	key = key[:min(len(key), maxMeasured)]
	n := surprises(key)
	if !text(key) {
		bits = float64(n) * 8
		return bits, bits >= Enough
	}
	s := shapeOf(key)
	if n == 0 {
		return 0, false
	}
	bits = float64(n) * math.Log2(s.alphabet())
	if len(key) < randomText || n < len(key)*3/4 {
		return bits, false
	}
	if s.hex() {
		letters := s.lower + s.upper
		return bits, letters*6 >= len(key) && letters*5 <= len(key)*3
	}
	return bits, s.others == 0 && s.pairs >= 10 && s.flips*4 >= s.pairs && s.upperPairs*16 >= s.pairs && s.words*5 <= len(key)*2
}

// surprises counts the octets that do not follow from those before: by repeating
// the last one, by going on in steps as in abcd, 8642, or as at an earlier place.
func surprises(key []byte) (n int) {
	for i, c := range key {
		switch {
		case i > 0 && c == key[i-1]:
		case i > 1 && step(key[i-1], c) == step(key[i-2], key[i-1]) && abs(step(key[i-1], c)) <= 2:
		case i > 2 && bytes.Contains(key[:i], key[i-2:i+1]):
		default:
			n++
		}
	}
	return n
}

func step(a, b byte) int { return int(b) - int(a) }

func abs(n int) int { return max(n, -n) }

// period is the shortest part that the whole key repeats, the last time perhaps
// not to its end.
func period(key []byte) int {
	for p := 1; p <= len(key)/2; p++ {
		if bytes.Equal(key[p:], key[:len(key)-p]) {
			return p
		}
	}
	return len(key)
}

func isLower(c byte) bool  { return 'a' <= c && c <= 'z' }
func isUpper(c byte) bool  { return 'A' <= c && c <= 'Z' }
func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isLetter(c byte) bool { return isLower(c) || isUpper(c) }
