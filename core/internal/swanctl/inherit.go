package swanctl

import "strings"

// maxCopied bounds what references may copy: a few lines that refer to one another
// can ask for more than any memory holds.
const (
	maxCopied  = 1_000_000
	maxThrough = 100 // sections a section inherits through
)

// whole returns a section with everything it inherits: its own settings first,
// then those of its references from left to right. What it has itself counts.
func (im *importer) whole(s *section) *section { return im.expand(s, nil) }

// expand is whole for a section that is reached through others: one that refers to
// itself is left out.
func (im *importer) expand(s *section, through []*section) *section {
	out := &section{name: s.name, at: s.at}
	for _, outer := range through {
		if outer == s {
			im.note(s.at, Warning, "this section inherits from itself")
			return out
		}
	}
	if len(through) >= maxThrough || !im.copy(1+len(s.settings)) {
		im.copy(maxCopied)
		return out
	}
	through = append(through[:len(through):len(through)], s)
	for _, v := range s.settings {
		out.set(*v)
	}
	for _, sub := range s.sections {
		im.merge(out.addSub(sub.name, sub.at), im.expand(sub, through))
	}
	for _, ref := range s.refs {
		from := im.find(ref.path)
		if from == nil {
			im.note(ref.at, Warning, "this reference names no section")
			continue
		}
		im.merge(out, im.expand(from, through))
	}
	return out
}

// merge adds to a section what it lacks.
func (im *importer) merge(to, from *section) {
	if !im.copy(len(from.settings) + len(from.sections)) {
		return
	}
	for _, v := range from.settings {
		if to.keys[v.key] == nil {
			to.set(*v)
		}
	}
	for _, sub := range from.sections {
		im.merge(to.addSub(sub.name, sub.at), sub)
	}
}

// copy counts what is copied and reports whether that may be.
func (im *importer) copy(n int) bool {
	if im.copied += n; im.copied > maxCopied {
		im.mistake(im.root.at, "references copy too much")
	}
	return im.copied <= maxCopied
}

// find looks a section up by its absolute name.
func (im *importer) find(path string) *section {
	s := im.root
	for name := range strings.SplitSeq(path, ".") {
		if s = s.sub(name); s == nil {
			return nil
		}
	}
	return s
}
