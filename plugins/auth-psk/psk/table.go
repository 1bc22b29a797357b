package psk

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"

	"github.com/racoon-ike/racoon/core/sdk/config"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

const (
	// maxLine is what the original's reader takes of a line. Longer keys were cut
	// there; they are cut here too, or a peer that shares the file would not agree.
	maxLine = 1023
	// maxCandidates is what the engine takes of one answer.
	maxCandidates = 4
	// blanks is C's isspace, without the end of the line.
	blanks = " \t\v\f\r"
)

// entry is one line that names an identity and a key.
type entry struct {
	id   string // "*", or as written; addresses in canonical form
	key  secret.Bytes
	bad  bool // the key could not be read: this identity has no key (racoon tries no further)
	line int
}

// table is a parsed psk.txt.
type table struct {
	entries []entry
	first   map[string]int // of each id, the index of its first entry
}

// parse reads the content of a psk.txt. Every input gives a table; lines that give
// no key give a finding. The table shares no memory with data.
func parse(data []byte) (*table, []finding) {
	t := &table{first: make(map[string]int)}
	var findings []finding
	data, findings = withoutMark(data)
	for n := 1; len(data) > 0; n++ {
		var line []byte
		line, data, _ = bytes.Cut(data, []byte("\n"))
		e, found := parseLine(n, line)
		findings = append(findings, found...)
		if e.id == "" {
			continue
		}
		if _, ok := t.first[e.id]; !ok {
			t.first[e.id] = len(t.entries)
		}
		t.entries = append(t.entries, e)
	}
	return t, findings
}

// withoutMark takes away what some editors put before the first line, where it would
// become part of the first identity.
func withoutMark(data []byte) ([]byte, []finding) {
	rest, ok := bytes.CutPrefix(data, []byte("\ufeff"))
	if !ok {
		return data, nil
	}
	return rest, []finding{{line: 1, code: "PSK015", severity: config.Note, text: "begins with a byte order mark, which is ignored", fix: "save the file as plain UTF-8 or ASCII"}}
}

// parseLine reads one line; an entry without id means that there is none.
func parseLine(n int, line []byte) (e entry, findings []finding) {
	find := func(code, fix, format string, args ...any) {
		findings = append(findings, finding{n, code, config.Warning, fmt.Sprintf(format, args...), fix})
	}
	if len(line) > maxLine {
		find("PSK005", "shorten the key", "longer than %d octets; the rest of the line is ignored", maxLine)
		line = line[:maxLine]
	}
	if len(line) == 0 || line[0] == '#' {
		return entry{}, findings
	}
	end := bytes.IndexAny(line, blanks)
	if end < 0 {
		end = len(line)
	}
	id, key := line[:end], bytes.TrimLeft(line[end:], blanks)
	switch {
	case len(id) == 0 && len(key) == 0: // only blanks
		return entry{}, findings
	case len(id) == 0:
		find("PSK004", "remove the blanks before the identity", "begins with a blank; the line is ignored")
		return entry{}, findings
	case len(key) == 0:
		find("PSK004", "write the key after the identity, or remove the line", "has no key; the line is ignored")
		return entry{}, findings
	case bytes.IndexByte(line, 0) >= 0:
		find("PSK004", "save the file as plain text", "contains a NUL octet; the line is ignored")
		return entry{}, findings
	}

	e = entry{id: canonical(string(id)), line: n}
	if digits, ok := bytes.CutPrefix(key, []byte("0x")); ok {
		raw, ok := unhex(digits)
		if !ok {
			e.bad = true
			find("PSK003", "write pairs of hexadecimal digits after 0x", "the key begins with 0x but is not an even number of hexadecimal digits; nobody can use this line")
			return e, findings
		}
		e.key = secret.New(raw)
	} else {
		e.key = secret.New(bytes.Clone(key))
		if bytes.IndexByte([]byte(blanks), key[len(key)-1]) >= 0 {
			find("PSK002", "remove it, unless the peer's key ends with it too", "ends with a blank or a carriage return, which is part of the key")
		}
	}
	return e, findings
}

// unhex decodes hexadecimal digits with blanks between them.
func unhex(s []byte) ([]byte, bool) {
	digits := make([]byte, 0, len(s))
	defer func() { clear(digits) }()
	for _, c := range s {
		if bytes.IndexByte([]byte(blanks), c) < 0 {
			digits = append(digits, c)
		}
	}
	raw := make([]byte, hex.DecodedLen(len(digits)))
	if _, err := hex.Decode(raw, digits); err != nil || len(raw) == 0 {
		clear(raw)
		return nil, false
	}
	return raw, true
}

// canonical gives addresses the one form the engine's look-up uses.
func canonical(id string) string {
	if strings.ContainsAny(id, ".:") {
		if a, err := netip.ParseAddr(id); err == nil {
			return a.Unmap().String()
		}
	}
	return id
}

// lookup returns the entries of an identity: the first line that names it or is a
// wildcard, and the lines directly after it (comments apart) that have the same
// first word, so that a key can be replaced without an outage.
func (t *table) lookup(id string) []entry {
	i, ok := t.first[id]
	if w, wild := t.first["*"]; wild && (!ok || w < i) {
		i, ok = w, true
	}
	if !ok {
		return nil
	}
	return t.group(i)
}

// named returns the entries of the first line that has this name itself: what a
// section asks for by name is never a wildcard.
func (t *table) named(name string) []entry {
	if i, ok := t.first[canonical(name)]; ok {
		return t.group(i)
	}
	return nil
}

// group is the keys of the identity at i: its line and those directly after it.
func (t *table) group(i int) []entry {
	end := i + 1
	for end < len(t.entries) && end-i < maxCandidates && t.entries[end].id == t.entries[i].id && !t.entries[end].bad {
		end++
	}
	return t.entries[i:end]
}

func (t *table) zero() {
	for _, e := range t.entries {
		e.key.Zero()
	}
}
