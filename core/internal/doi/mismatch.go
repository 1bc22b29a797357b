package doi

import "strings"

// Mismatch says why nothing fitted: for the offer that came closest, the first
// field that differs.
type Mismatch struct {
	What     string // "phase 1 proposal", "IPsec proposal"
	Field    string // "DH group", "lifetime", ... ; "" = nothing to compare with
	Theirs   string
	Ours     string
	Where    string // the section of the configuration that came closest
	Lifetime bool   // only the lifetime is in the way
}

func (m *Mismatch) Error() string {
	var b strings.Builder
	b.WriteString("no acceptable " + m.What)
	if m.Field != "" {
		b.WriteString(": " + m.Field + " differs, theirs " + m.Theirs + ", ours " + m.Ours)
	}
	if m.Where != "" {
		b.WriteString(" (" + m.Where + ")")
	}
	return b.String()
}

// closest keeps the mismatch that got furthest: the more fields agreed before one
// differed, the closer the offer was.
type closest struct {
	depth int
	best  *Mismatch
}

func (c *closest) note(depth int, m *Mismatch) {
	if c.best == nil || depth > c.depth {
		c.depth, c.best = depth, m
	}
}

func (c *closest) err(what string) *Mismatch {
	if c.best == nil {
		return &Mismatch{What: what}
	}
	c.best.What = what
	return c.best
}
