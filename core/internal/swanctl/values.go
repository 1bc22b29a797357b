package swanctl

import (
	"slices"
	"strconv"
	"strings"
)

// get returns a setting's value and place. One that is absent or empty has its
// default.
func (s *section) get(key, def string) (string, Position) {
	if v := s.keys[key]; v != nil && v.value != "" {
		return v.value, v.valueAt
	}
	return def, s.at
}

// has reports whether a setting has a value.
func (s *section) has(key string) bool { return s.keys[key] != nil && s.keys[key].value != "" }

// list returns a setting's comma separated values.
func (s *section) list(key, def string) ([]string, Position) {
	text, at := s.get(key, def)
	var items []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items, at
}

// oneOf returns a setting's value if it is one of the words, else the default.
func (im *importer) oneOf(s *section, key, def string, words ...string) string {
	text, at := s.get(key, def)
	if text = strings.ToLower(text); slices.Contains(words, text) {
		return text
	}
	im.note(at, Warning, "%s: this is none of its values, %s is used", key, def)
	return def
}

// flag reads a switch.
func (im *importer) flag(s *section, key string, def bool) bool {
	text, at := s.get(key, "")
	switch text = strings.ToLower(text); {
	case slices.Contains(yes, text):
		return true
	case slices.Contains(never, text):
		return false
	case text != "":
		im.note(at, Warning, "%s: this is neither yes nor no", key)
	}
	return def
}

// units of a time; longer ones are spelled with the first letter too.
var units = map[string]uint64{"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}

// maxLife is the longest life of an SA: 32 bits of seconds (RFC 2407 section 4.5).
const maxLife = 1<<32 - 1

// seconds reads a time; ok is false if the setting is absent or wrong.
func (im *importer) seconds(s *section, key string) (n uint64, ok bool) {
	if !s.has(key) {
		return 0, false
	}
	text, at := s.get(key, "")
	digits := strings.TrimRight(text, "sSmMhHdD")
	unit, known := units[strings.ToLower(text[len(digits):])]
	n, err := strconv.ParseUint(strings.TrimSpace(digits), 0, 32)
	if err != nil || !known {
		im.note(at, Warning, "%s: this is no time, the default is used", key)
		return 0, false
	}
	if n *= unit; n > maxLife {
		im.note(at, Warning, "%s: longer than an SA can live, cut to %d seconds", key, uint64(maxLife))
		n = maxLife
	}
	return n, true
}

// octets reads an amount of data; ok is false if the setting is absent or wrong.
func (im *importer) octets(s *section, key string) (n uint64, ok bool) {
	if !s.has(key) {
		return 0, false
	}
	text, at := s.get(key, "")
	digits, shift := text, 0
	if i := strings.IndexByte("kmg", text[len(text)-1]|0x20); i >= 0 {
		digits, shift = text[:len(text)-1], 10*(i+1)
	}
	n, err := strconv.ParseUint(strings.TrimSpace(digits), 0, 64)
	if err != nil || n > maxVolume>>shift {
		im.note(at, Warning, "%s: this is no number of octets, the default is used", key)
		return 0, false
	}
	return n << shift, true
}

// maxVolume is more than an SA will carry, and fits lifetime_kb with a tenth on top.
const maxVolume = 1 << 41

// number reads a number up to a limit.
func (im *importer) number(s *section, key string, def, most uint64) uint64 {
	if !s.has(key) {
		return def
	}
	text, at := s.get(key, "")
	n, err := strconv.ParseUint(text, 0, 64)
	if err != nil || n > most {
		im.note(at, Warning, "%s: this is no number from 0 to %d, %d is used", key, most, def)
		return def
	}
	return n
}
