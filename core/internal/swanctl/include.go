package swanctl

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// Limits of include: how deep, counting the main file, and how many files in all.
const (
	maxIncludes = 10
	maxFiles    = 1000
)

// file reads one file into a section.
func (im *importer) file(name, text string, in *section, depth int) {
	im.files = append(im.files, name)
	im.statements(newScanner(name, text), in, nil, depth)
	im.files = im.files[:len(im.files)-1]
}

// include reads the files a pattern names into the section it stands in. As with
// strongSwan, files that do not exist are no mistake. Notes do not repeat the
// pattern: it may stand where a secret was meant to.
func (im *importer) include(sc *scanner, in *section, depth int) {
	at := sc.at(sc.pos)
	pattern, ok := sc.pattern()
	switch {
	case !ok:
		sc.lost = true
		im.mistake(at, "this quote is never closed")
		return
	case pattern == "":
		im.mistake(at, "include names no file")
		return
	case im.readFile == nil:
		im.note(at, Warning, "included files are not read")
		return
	case len(im.files) >= maxIncludes:
		im.mistake(at, "includes are nested too deeply")
		return
	}
	if !filepath.IsAbs(pattern) {
		pattern = filepath.Join(filepath.Dir(sc.name), pattern)
	}
	names := []string{pattern}
	if strings.ContainsAny(pattern, "*?[") {
		var err error
		if names, err = im.glob(pattern); err != nil {
			im.mistake(at, "this is no pattern for file names")
			return
		}
	}
	for _, name := range names {
		if im.read++; im.read > maxFiles {
			im.mistake(at, "too many files are included")
			return
		}
		if slices.Contains(im.files, name) {
			im.mistake(at, "this file includes itself")
			continue
		}
		text, err := im.readFile(name)
		if err != nil {
			im.note(at, Warning, "an included file cannot be read: %s", reason(err))
			continue
		}
		im.file(name, string(text), in, depth)
	}
}

// glob matches as glob(3) does: sorted, and names that begin with a dot only where
// the pattern does.
func glob(pattern string) ([]string, error) {
	names, err := filepath.Glob(pattern)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(filepath.Base(pattern), ".") {
		names = slices.DeleteFunc(names, func(n string) bool { return strings.HasPrefix(filepath.Base(n), ".") })
	}
	slices.Sort(names)
	return names, nil
}

// reason is why a file cannot be read, without its name.
func reason(err error) string {
	for _, known := range []error{fs.ErrNotExist, fs.ErrPermission} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return "reading fails"
}
