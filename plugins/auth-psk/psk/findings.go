package psk

import (
	"bytes"
	"cmp"
	"fmt"
	"hash/maphash"
	"log/slog"
	"math"
	"slices"

	"github.com/racoon-ike/racoon/core/sdk/config"
	"github.com/racoon-ike/racoon/plugins/auth-psk/strength"
)

// maxFindings of one code are told; a file of many thousand weak keys is one
// problem, and its findings must fit into one answer.
const maxFindings = 100

// finding is something about a key its owner should know. It contains nothing of
// the line: where somebody has mixed up the columns, the identity is a key.
type finding struct {
	line     int
	code     string
	severity config.Severity
	text     string
	fix      string
}

func (f finding) String() string { return fmt.Sprintf("line %d: %s", f.line, f.text) }

func (f finding) level() slog.Level {
	if f.severity == config.Note {
		return slog.LevelInfo
	}
	return slog.LevelWarn
}

const useRandom = "use a random key, e.g. from: openssl rand -hex 32"

// audit looks at the keys of a file together: which can be guessed, which are not
// secrets between two, which are never used. asked are the names that sections ask
// for.
func audit(t *table, round *strength.Round, asked map[string]bool) []finding {
	var findings []finding
	find := func(line int, code string, severity config.Severity, fix, format string, args ...any) {
		findings = append(findings, finding{line, code, severity, fmt.Sprintf(format, args...), fix})
	}
	unsure, firstUnsure := 0, 0
	for i := range t.entries {
		e := &t.entries[i]
		if by := t.shadow(i, asked); by > 0 {
			find(e.line, "PSK011", config.Warning, "remove it, or move it", "is never used: line %d comes first", by)
		}
		if e.bad {
			continue
		}
		v := round.Key(e.key.Reveal(), e.id)
		switch {
		case v.Bits < strength.Enough:
			find(e.line, "PSK001", config.Warning, useRandom, "%s", guessable(v))
		case !v.Sure:
			if unsure++; unsure == 1 {
				firstUnsure = e.line
			}
		}
		if e.id == "*" {
			find(e.line, "PSK010", config.Note, "give each peer a key of its own", "this key serves every peer that has none of its own, and each of them can pass for any other")
		}
	}
	if unsure > 0 {
		find(firstUnsure, "PSK012", config.Note, "reload the configuration for the next ones", "this key, and %d more, may contain words: too many are new for looking all of them up at once", unsure-1)
	}
	return append(findings, shared(t)...)
}

// guessable says how weak a key is, coarsely: how weak exactly helps who guesses.
func guessable(v strength.Verdict) string {
	class := 20 * max(1, int(math.Floor(v.Bits/20))+1)
	if class >= strength.Enough {
		return fmt.Sprintf("the key can be guessed: it has fewer than %d bits", strength.Enough)
	}
	return fmt.Sprintf("the key can be guessed: it has fewer than %d bits, %d are needed", class, strength.Enough)
}

// shadow is the line because of which entry i is never used, 0 if it is used.
func (t *table) shadow(i int, asked map[string]bool) int {
	e := t.entries[i]
	found := t.lookup(e.id)
	if asked[e.id] {
		found = t.named(e.id)
	}
	if slices.ContainsFunc(found, func(f entry) bool { return f.line == e.line }) {
		return 0
	}
	return found[0].line
}

// shared finds keys that several identities have: each of them can pass for the
// others.
func shared(t *table) (findings []finding) {
	type owner struct{ first, others, next int } // index, number, and line of the second
	owners := map[uint64]*owner{}
	seed := maphash.MakeSeed()
	var order []*owner
	for i, e := range t.entries {
		if e.bad {
			continue
		}
		sum := maphash.Bytes(seed, e.key.Reveal())
		o := owners[sum]
		switch {
		case o == nil:
			o = &owner{first: i}
			owners[sum], order = o, append(order, o)
		case t.entries[o.first].id != e.id && bytes.Equal(t.entries[o.first].key.Reveal(), e.key.Reveal()):
			if o.others++; o.others == 1 {
				o.next = e.line
			}
		}
	}
	for _, o := range order {
		if o.others > 0 {
			findings = append(findings, finding{t.entries[o.first].line, "PSK009", config.Warning,
				fmt.Sprintf("%s, so that each can pass for the others", alsoOn(o.next, o.others)), "give each identity a key of its own"})
		}
	}
	return findings
}

func alsoOn(line, n int) string {
	if n == 1 {
		return fmt.Sprintf("the key is also that of the identity in line %d", line)
	}
	return fmt.Sprintf("the key is also that of %d more identities, the next in line %d", n, line)
}

// ordered are findings by line, not too many of one code.
func ordered(findings []finding) []finding {
	slices.SortStableFunc(findings, func(a, b finding) int { return cmp.Compare(a.line, b.line) })
	count := map[string]int{}
	var out []finding
	for _, f := range findings {
		if count[f.code]++; count[f.code] <= maxFindings {
			out = append(out, f)
		}
	}
	for i := len(out) - 1; i >= 0; i-- { // the last of its code tells how many follow
		code := out[i].code
		if more := count[code] - maxFindings; more > 0 {
			out[i].text += fmt.Sprintf(" (and %d more lines like this)", more)
			count[code] = 0
		}
	}
	return out
}
