package config

import (
	"slices"
	"strings"
)

// learn adds the words of a row to those of the language.
func (l *language) learn(d *directive) {
	for _, w := range strings.FieldsFunc(d.name+" "+d.args+" "+d.hcl+" "+d.fields, func(r rune) bool { return strings.ContainsRune(" |,[]", r) }) {
		l.words[w] = strings.ToLower(w) == w
	}
}

// learnTables adds the words that stand for themselves in tables of their own.
func (l *language) learnTables() {
	for _, table := range [][]algorithm{phase1Ciphers, phase1Hashes, groups, methods, espCiphers, espAuths, compressions} {
		for _, row := range table {
			l.words[row.name] = true
		}
	}
	for _, units := range []map[string]uint64{timeUnits, byteUnits} {
		for w := range units {
			l.words[w] = true
		}
	}
	for w := range upperLayer {
		l.words[w] = true
	}
	for _, w := range slices.Concat(identityTypes, []string{"on", "off", "file", "tag", "yes", "no", "keyid_file", "true", "false"}) {
		l.words[w] = true
	}
}
