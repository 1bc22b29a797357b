package doi

import (
	"fmt"
	"strings"
	"time"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
)

// Mismatch says why nothing fitted: for the offer that came closest, the first
// field that differs, or what is wrong with it.
type Mismatch struct {
	What   string // "phase 1 proposal", "IPsec answer"
	Offer  string // the closest: "proposal 1 ESP transform 2"; "" = there was none
	Field  string // "DH group", "lifetime"; "" = see Why
	Theirs string
	Ours   string
	Why    string
	Where  string // our side of the comparison: "sainfo racoon.conf:12, proposal_check strict"
}

// Error is one sentence:
//
//	no acceptable phase 1 proposal: in proposal 1 ISAKMP transform 2 the DH group is modp1024, ours is modp2048 (remote "b", proposal_check strict)
func (m *Mismatch) Error() string {
	var b strings.Builder
	b.WriteString("no acceptable " + m.What)
	if m.Offer != "" {
		b.WriteString(": in " + m.Offer + " ")
	}
	switch {
	case m.Field != "":
		b.WriteString("the " + m.Field + " is " + m.Theirs + ", ours is " + m.Ours)
	case m.Why != "":
		b.WriteString(m.Why)
	default:
		b.WriteString(": none was made")
	}
	if m.Where != "" {
		b.WriteString(" (" + m.Where + ")")
	}
	return b.String()
}

// field is one comparison. Numbers become words only for the one sentence that is
// printed: a stranger can make us compare thousands.
type field struct {
	name         string
	theirs, ours uint64
	fits         bool
	table        isakmp.Names // nil: a quantity
	unit         string
}

func named(name string, theirs, ours uint16, t isakmp.Names) field {
	return field{name, uint64(theirs), uint64(ours), theirs == ours, t, ""}
}

func keyLength(theirs, ours uint16, fits bool) field {
	return field{"key length", uint64(theirs), uint64(ours), fits, nil, " bits"}
}

func lifetime(theirs, ours time.Duration, fits bool) field {
	return field{"lifetime", uint64(theirs / time.Second), uint64(ours / time.Second), fits, nil, " s"}
}

func kilobytes(theirs, ours uint64, fits bool) field {
	return field{"lifetime", theirs, ours, fits, nil, " kB"}
}

func (f field) word(n uint64) string {
	if f.unit == " kB" && n == 0 {
		return "without limit of octets"
	}
	if f.table != nil {
		return word(f.table, uint16(n))
	}
	return fmt.Sprintf("%d%s", n, f.unit)
}

// word is a number's name as users write it, "none" for an absent attribute.
func word(t isakmp.Names, n uint16) string {
	if n == 0 {
		return "none"
	}
	return strings.ToLower(t.Name(uint32(n)))
}

// place is where in an offer we are.
type place struct {
	proposal  uint8
	protocol  isakmp.Protocol // 0 = all of the proposal
	transform int             // from 1, as the peer's numbers may repeat; 0 = all
}

func (p place) String() string {
	s := fmt.Sprintf("proposal %d", p.proposal)
	if p.protocol != 0 {
		s += " " + p.protocol.String()
	}
	if p.transform != 0 {
		s += fmt.Sprintf(" transform %d", p.transform)
	}
	return s
}

// closest keeps the mismatch that got furthest: the more fields agreed before one
// differed, the closer the offer was; of equals the first.
type closest struct {
	depth int
	best  Mismatch
}

// agree reports whether every field fits.
func (c *closest) agree(at place, where func() string, fields []field) bool {
	for i, f := range fields {
		if f.fits {
			continue
		}
		if i+2 > c.depth {
			c.depth = i + 2
			c.best = Mismatch{Offer: at.String(), Field: f.name, Theirs: f.word(f.theirs), Ours: f.word(f.ours), Where: where()}
		}
		return false
	}
	return true
}

// refuse notes an offer with which nothing could be compared.
func (c *closest) refuse(at place, why string) {
	if c.depth == 0 {
		c.depth, c.best = 1, Mismatch{Offer: at.String(), Why: why}
	}
}

func (c *closest) err(what string) *Mismatch {
	c.best.What = what
	return &c.best
}
