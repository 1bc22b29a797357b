package strength

import (
	"bytes"
	"math"
	"strings"

	"github.com/ccojocar/zxcvbn-go/match"
	"github.com/ccojocar/zxcvbn-go/matching"
	"github.com/ccojocar/zxcvbn-go/scoring"
)

const (
	// chunk is how much goes to the dictionaries at once: their work grows with the
	// square of it.
	chunk = 32
	// leetBits is what writing a word as w0rd costs who guesses.
	leetBits = 2
	// partBits is what each part of a key costs besides itself: where it begins has to
	// be guessed too. zxcvbn leaves that out and finds words in random letters.
	partBits = 2
)

// trade are words of people who write pre-shared keys, most common first, behind
// which come the years zxcvbn's dates do not know.
var trade = append(strings.Fields(`
psk vpn ipsec secret key test racoon cisco preshared presharedkey sharedsecret shared secretkey mysecret changeme default tunnel
gateway firewall router remote office branch headquarter site sitetosite client server corporate company network internal access
admin strongswan openswan libreswan l2tp ike ikev1 xauth fritzbox avm juniper netscreen fortinet fortigate sonicwall checkpoint
paloalto sophos watchguard zywall zyxel draytek vigor lancom bintec mikrotik ubiquiti unifi edgerouter netgear linksys dlink tplink
asus synology qnap pfsense opnsense vyatta vyos openwrt azure amazon aws google cloud huawei ericsson nokia android iphone deadbeef cafebabe`),
	strings.Fields("2024 2025 2026 2023 2022 2021 2020 2027 2028 2029 2030 2031 2032 2033 2034 2035")...)

// noLeet leaves out zxcvbn's own reading of w0rds, whose work grows without bound
// with the number of symbols; plain below is enough.
func noLeet(m match.Matcher) bool { return matching.FilterL33tMatcher(m) }

// lookUp is how many bits a text has when it is put together from words, names,
// dates, sequences, keyboard patterns and leaked passwords, and how often the
// dictionaries were asked. hints are words of the identity that are in the key.
func lookUp(key []byte, hints []string) (bits float64, lookups int) {
	p := period(key)
	if p < len(key) {
		bits = math.Log2(float64(len(key)) / float64(p))
	}
	words := append(hints[:len(hints):len(hints)], trade...)
	rest := ascii(key[:min(p, maxMeasured)])
	for len(rest) > 0 && bits < Enough {
		part := rest[:min(len(rest), chunk)]
		rest = rest[len(part):]
		least := math.Inf(1)
		for i, form := range forms(part) {
			b := entropy(form, words)
			lookups++
			if i > 0 {
				b += leetBits
			}
			least = min(least, b)
		}
		bits += least
	}
	return bits, lookups
}

// entropy is zxcvbn's, for a text taken apart in the cheapest way.
func entropy(form string, words []string) float64 {
	parts := matching.Omnimatch(form, words, noLeet)
	for i := range parts {
		parts[i].Entropy += partBits
	}
	return scoring.MinimumEntropyMatchSequence(form, parts).Entropy
}

// ascii puts one character for whatever is no printable one of ASCII's: the
// dictionaries have no others.
func ascii(key []byte) []byte {
	return []byte(strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '~'
		}
		return r
	}, string(key)))
}

// forms are a text as written, and with letters for the digits and symbols that
// stand for them beside letters, where there are any.
func forms(part []byte) []string {
	all := []string{string(part)}
	if shapeOf(part).hex() {
		return all
	}
	for _, one := range []byte("il") {
		if s := plain(part, one); s != all[len(all)-1] {
			all = append(all, s)
		}
	}
	return all
}

// leet are what people write for letters.
var leet = map[byte]byte{'0': 'o', '3': 'e', '4': 'a', '@': 'a', '5': 's', '$': 's', '7': 't', '+': 't', '!': 'i', '8': 'b', '(': 'c'}

// plain takes s3cr3t for secret. one is what a 1 stands for. A digit among digits
// is a number.
func plain(part []byte, one byte) string {
	out := bytes.Clone(part)
	for i, c := range part {
		letter, ok := leet[c]
		if c == '1' {
			letter, ok = one, true
		}
		if beside := i > 0 && isLetter(out[i-1]) || i+1 < len(part) && isLetter(part[i+1]); ok && beside {
			out[i] = letter
		}
	}
	return string(out)
}

// within are the words of an identity that a key contains, the longest first:
// whoever guesses tries those before any dictionary.
func within(key []byte, id string) (words []string) {
	low := strings.ToLower(string(key))
	id = strings.ToLower(id)
	separators := func(r rune) bool { return strings.ContainsRune(".:@-_%/[] ", r) }
	for _, w := range append([]string{id}, strings.FieldsFunc(id, separators)...) {
		if len(w) >= 3 && strings.Contains(low, w) {
			words = append(words, w)
		}
	}
	return words
}
