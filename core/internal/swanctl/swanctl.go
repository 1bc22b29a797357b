// Package swanctl reads strongSwan's swanctl.conf(5) and writes what it says of
// IKEv1 as racoon.conf(5): a remote section for each connection and a sainfo
// section for each child. What racoon.conf has no place for comes out beside it,
// the keys of psk.txt and the policies of setkey(8), and what has no counterpart
// at all is a note.
//
// Where swanctl.conf leaves something out, charon's default is written down, so
// that the peer goes on finding what it has been used to. The package knows the
// two languages and nothing of the daemon. A secret is in Key.Secret and nowhere
// else: notes quote only values of settings that cannot be one.
//
//	r := swanctl.Import("/etc/swanctl/swanctl.conf", text, os.ReadFile)
//	for _, n := range r.Notes {
//		fmt.Fprintln(os.Stderr, n)
//	}
//	fmt.Print(r.Conf)
package swanctl

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// Result is what a swanctl.conf comes to.
type Result struct {
	Conf     string // racoon.conf; empty if the file could not be read as a whole
	PSK      []Key  // psk.txt, in this order
	Policies string // a script for setkey(8): racoon takes its policies from the kernel
	Notes    []Note
}

// Key is one line of psk.txt: ID, a blank, Secret. The file needs mode 0600.
type Key struct {
	ID     string       // "*" is everybody
	Secret secret.Bytes // as psk.txt has it: the text itself, or 0x and hexadecimal digits
	Position
}

// Position is a place in a file. Line and Col count from 1, Col in characters.
type Position struct {
	File      string
	Line, Col int
}

// Severity says what a Note means for the result.
type Severity uint8

// Severities.
const (
	Error   Severity = iota // something was left out: the file, a connection, a child
	Warning                 // a setting has no counterpart
	Remark                  // worth knowing
)

func (s Severity) String() string { return [...]string{"error", "warning", "note"}[min(s, Remark)] }

// Note is something to know about the result. It never holds a secret.
type Note struct {
	Position
	Severity Severity
	What     string // one sentence, no full stop
}

func (n Note) String() string {
	return fmt.Sprintf("%s:%d:%d: %s: %s", n.File, n.Line, n.Col, n.Severity, n.What)
}

// Failed reports whether something was left out.
func (r Result) Failed() bool {
	return slices.ContainsFunc(r.Notes, func(n Note) bool { return n.Severity == Error })
}

// Import reads a swanctl.conf. name says where it stands: relative names in it are
// looked for there. Included files are read with readFile, and the patterns of
// include are matched in the file system; without readFile nothing is included.
func Import(name string, text []byte, readFile func(string) ([]byte, error)) Result {
	im := &importer{name: name, readFile: readFile, glob: glob}
	return im.run(string(text))
}

// importer is one Import.
type importer struct {
	name     string
	readFile func(string) ([]byte, error)
	glob     func(string) ([]string, error)

	said     map[Note]bool
	mistakes int
	files    []string // being read, outermost first
	read     int      // files included so far
	copied   int      // sections and settings inherited so far
	invalid  bool     // charon would not load the file

	root    *section
	conns   []*conn
	secrets []*sharedKey
	result  Result
}

func (im *importer) run(text string) Result {
	im.root = &section{at: Position{im.name, 1, 1}}
	im.file(im.name, text, im.root, 0)
	if im.invalid {
		return im.result
	}
	im.top()
	im.readSecrets()
	im.readConnections()
	if im.invalid {
		return im.result
	}
	im.writeConf()
	im.writeKeys()
	im.writePolicies()
	return im.result
}

// note reports something. The same is reported once, however many sections
// inherit it.
func (im *importer) note(at Position, sev Severity, format string, args ...any) {
	n := Note{at, sev, fmt.Sprintf(format, args...)}
	if im.said[n] {
		return
	}
	if im.said == nil {
		im.said = make(map[Note]bool)
	}
	im.said[n] = true
	im.result.Notes = append(im.result.Notes, n)
}

// known sections of the top level; others are templates, and swanctl ignores them.
var topSections = map[string]string{
	"authorities": "certification authorities have no section in racoon.conf: name the certificate with ca_type",
	"pools":       "pools of addresses need the configuration exchange, which racoon does not have yet",
}

// top says what becomes of the other sections.
func (im *importer) top() {
	for _, s := range im.root.sections {
		if why := topSections[s.name]; why != "" && len(s.sections) > 0 {
			im.note(s.at, Warning, "%s", why)
		}
	}
	if s := im.root.sub("connections"); s == nil || len(s.sections) == 0 && len(s.refs) == 0 {
		im.note(im.root.at, Warning, "there are no connections here")
	}
}

// beside makes a name absolute that is relative to a directory of swanctl's.
func (im *importer) beside(dir, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(im.name), dir, name)
}

// show quotes a value for a note.
func show(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "..."
	}
	return fmt.Sprintf("%q", s)
}

// quotable reports whether a string of racoon.conf can hold s: it has no escapes.
func quotable(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == '"' || r == 0xfffd }) < 0
}

// plain makes s fit for a string or a comment.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '"' || r == 0xfffd {
			return '_'
		}
		return r
	}, s)
}
