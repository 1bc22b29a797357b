package swanctl

import (
	"strings"
)

// setting is one KEY = VALUE.
type setting struct {
	key, value string
	at         Position // of the key
	valueAt    Position
}

// reference is the absolute name of a section another one inherits from.
type reference struct {
	path string
	at   Position
}

// section is NAME : REFERENCES { ... }. One that stands in several places is one.
type section struct {
	name     string
	at       Position
	refs     []reference
	settings []*setting
	sections []*section
	keys     map[string]*setting
	subs     map[string]*section
}

// sub finds a section by name, nil if there is none.
func (s *section) sub(name string) *section { return s.subs[name] }

func (s *section) addSub(name string, at Position) *section {
	if old := s.subs[name]; old != nil {
		return old
	}
	n := &section{name: name, at: at}
	if s.subs == nil {
		s.subs = make(map[string]*section)
	}
	s.subs[name] = n
	s.sections = append(s.sections, n)
	return n
}

// set sets a key; the last value counts.
func (s *section) set(v setting) {
	if old := s.keys[v.key]; old != nil {
		*old = v
		return
	}
	if s.keys == nil {
		s.keys = make(map[string]*setting)
	}
	s.keys[v.key] = &v
	s.settings = append(s.settings, &v)
}

// Limits: how deep sections stand in one another, and how many mistakes of a file
// are worth reporting.
const (
	maxNesting  = 32
	maxMistakes = 20
)

// mistake reports what keeps the file from being read. The words are fixed: what
// stands there may be a secret.
func (im *importer) mistake(at Position, what string) {
	im.invalid = true
	if im.mistakes++; im.mistakes <= maxMistakes {
		im.note(at, Error, "%s", what)
	}
}

// statements reads statements into a section until its closing brace, or the end
// of the file where open is nil.
func (im *importer) statements(sc *scanner, in *section, open *Position, depth int) {
	for {
		sc.skipSpace()
		at := sc.at(sc.pos)
		switch c := sc.peek(); {
		case sc.eof() && open != nil:
			if !sc.lost {
				sc.lost = true
				im.mistake(*open, "this section is never closed")
			}
			return
		case sc.eof():
			return
		case c == '}' && open != nil:
			sc.pos++
			return
		case c == '}':
			im.mistake(at, "this brace closes nothing")
			sc.pos++
		case strings.IndexByte(notName, c) >= 0:
			im.mistake(at, "a name is expected here")
			sc.line()
		case sc.includes():
			im.include(sc, in, depth)
		default:
			im.statement(sc, in, depth)
		}
	}
}

// includes reports whether an include stands here, and takes the word. A setting
// may be called so too.
func (sc *scanner) includes() bool {
	rest, ok := strings.CutPrefix(sc.text[sc.pos:], "include")
	name := strings.TrimLeft(rest, " \t")
	if !ok || len(name) == len(rest) || strings.HasPrefix(name, "=") {
		return false
	}
	sc.pos = len(sc.text) - len(name)
	return true
}

// statement reads a setting or a section.
func (im *importer) statement(sc *scanner, in *section, depth int) {
	at := sc.at(sc.pos)
	name := sc.until(notName)
	sc.skipSpace()
	var refs []reference
	if sc.peek() == ':' {
		refs = sc.references()
	}
	switch {
	case sc.peek() == '=' && refs == nil:
		sc.pos++
		value, valueAt, ok := sc.value(name == "secret")
		switch {
		case !ok && sc.eof():
			sc.lost = true
			im.mistake(valueAt, "this quote is never closed")
			return
		case !ok:
			im.mistake(valueAt, "a secret begins in the middle of a line")
			sc.line()
			return
		}
		in.set(setting{name, value, at, valueAt})
	case sc.peek() == '{' && depth >= maxNesting:
		im.mistake(at, "sections are nested too deeply")
		sc.pos, sc.lost = len(sc.text), true
	case sc.peek() == '{':
		open := sc.at(sc.pos)
		sc.pos++
		sub := in.addSub(name, at)
		sub.refs = append(sub.refs, refs...)
		im.statements(sc, sub, &open, depth+1)
	default:
		im.mistake(at, "this name is followed neither by = nor by {")
		sc.line()
	}
}

// references reads ": NAME, NAME" and is never nil.
func (sc *scanner) references() []reference {
	refs := []reference{}
	for sep := byte(':'); sc.peek() == sep; sep = ',' {
		sc.pos++
		sc.skipSpace()
		at := sc.at(sc.pos)
		var parts []string
		for {
			parts = append(parts, sc.until(notName))
			if sc.peek() != '.' {
				break
			}
			sc.pos++
		}
		refs = append(refs, reference{strings.Join(parts, "."), at})
		sc.skipSpace()
	}
	return refs
}
