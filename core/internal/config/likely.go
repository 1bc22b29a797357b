package config

import (
	"fmt"
	"strconv"
	"strings"
)

// otherNames are what other programs call an algorithm.
var otherNames = map[string]string{"psk": "pre_shared_key", "preshared": "pre_shared_key", "secret": "pre_shared_key", "rsa": "rsasig", "rsa_sig": "rsasig",
	"pubkey": "rsasig", "none": "non_auth", "tripledes": "3des", "des3": "3des", "sha": "sha1", "sha2": "sha256", "hmac_sha": "hmac_sha1", "hmac_sha2": "hmac_sha256", "curve25519": "x25519"}

// likelyAlgorithm is the advice for a name that is not in the table, "" if there is none.
func likelyAlgorithm(table []algorithm, name string) string {
	rows := map[string]algorithm{}
	var known []string
	for _, row := range table {
		rows[row.name] = row
		known = append(known, row.name)
	}
	low := strings.ToLower(strings.ReplaceAll(name, "-", "_"))
	for _, other := range []string{low, otherNames[low], strings.TrimPrefix(low, "hmac_"), "hmac_" + strings.ReplaceAll(low, "sha_", "sha")} {
		if row, ok := rows[other]; ok && row.never == "" {
			return "did you mean \"" + other + "\"?"
		}
	}
	digits := len(low)
	for digits > 0 && isDigit(low[digits-1]) {
		digits--
	}
	base := strings.TrimRight(low[:digits], "_")
	n, err := strconv.ParseUint(low[digits:], 10, 16)
	if row, ok := rows[base]; ok && err == nil && row.max > 0 && row.never == "" && row.fits(n) {
		return fmt.Sprintf("the length is a word of its own: write %s %d", base, n)
	}
	for _, row := range table {
		if (base == "group" || base == "grp" || base == "dh" || base == "dhgroup" || base == "modp") && err == nil && uint64(row.id) == n && row.never == "" && rows["modp2048"].id > 0 {
			return fmt.Sprintf("write %d or %s", n, row.name)
		}
	}
	best := nearest(low, known)
	if close := distance(low, best) <= min(2, max(1, len(low)/3)); best != "" && (close || strings.HasPrefix(best, low)) && rows[best].never == "" {
		return "did you mean \"" + best + "\"?"
	}
	return ""
}

// fits reports whether a cipher has a key length.
func (r algorithm) fits(bits uint64) bool {
	return bits >= uint64(r.min) && bits <= uint64(r.max) && bits%uint64(max(r.step, 1)) == 0
}
