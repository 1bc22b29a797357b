package config

import (
	"slices"
	"strings"

	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// units and their factors: seconds for times, octets for sizes.
var (
	timeUnits = map[string]uint64{"sec": 1, "secs": 1, "second": 1, "seconds": 1,
		"min": 60, "mins": 60, "minute": 60, "minutes": 60, "hour": 3600, "hours": 3600}
	byteUnits = map[string]uint64{"B": 1, "byte": 1, "bytes": 1, "KB": 1 << 10, "MB": 1 << 20, "TB": 1 << 30}
)

func isUnit(s string) bool { return timeUnits[s] != 0 || byteUnits[s] != 0 }

// maxNumber bounds what a directive takes: everything that goes on the wire has
// at most 32 bits.
const maxNumber = 1<<32 - 1

// match reads what a pattern wants. It reports the first thing that does not fit.
func (p *parser) match(form pattern) (args []arg, ok bool) {
	for _, t := range form {
		if t.group != nil {
			inner, ok := p.optional(t.group)
			if !ok {
				return nil, false
			}
			args = append(args, inner...)
			continue
		}
		a, ok := p.term(t)
		if !ok {
			return nil, false
		}
		for t.many && p.another() {
			b, ok := p.term(t)
			if !ok {
				return nil, false
			}
			a.more = append(a.more, b)
		}
		args = append(args, a)
	}
	return args, true
}

// another reports whether a list goes on, and takes the comma. Where commas are
// white space a list goes on until the semicolon, or until a line that begins with a
// directive: there the semicolon was forgotten.
func (p *parser) another() bool {
	if p.commasBlank {
		t := p.peek()
		forgotten := t.kind == word && p.lang.rows[p.in][t.text] != nil && p.beginsLine(t)
		return !forgotten && (t.kind == word || t.kind == str)
	}
	return p.accept(",")
}

// optional reads a group if its first term is there.
func (p *parser) optional(group pattern) ([]arg, bool) {
	if group[0].fits(p.peek()) == "" {
		return make([]arg, width(group)), true
	}
	return p.match(group)
}

// width is how many args a pattern yields.
func width(form pattern) (n int) {
	for _, t := range form {
		if t.group != nil {
			n += width(t.group)
		} else {
			n++
		}
	}
	return n
}

// term reads one term. It reports what does not fit.
func (p *parser) term(t term) (arg, bool) {
	tok := p.peek()
	alt := t.fits(tok)
	if alt == "" {
		if inner, ok := t.misquoted(p.lang, tok); ok {
			p.witness.unfit(tok, false, true)
			p.addQuoted(tok, "is not expected here: "+t.want(false)+" is", strings.TrimSuffix("write it without quotes: "+tok.quotable(inner), ": ***"))
			return arg{}, false
		}
		p.expected(t.want(tok.src.hcl), t.words())
		return arg{}, false
	}
	p.next()
	a := arg{token: tok, ok: true}
	if types[alt].fits != nil {
		a.typ = alt
	}
	if read := types[alt].read; read != nil && !read(p, &a) {
		return arg{}, false
	}
	return a, true
}

func readSwitch(_ *parser, a *arg) bool {
	if a.text == "on" {
		a.n = 1
	}
	return true
}

func readKeyLength(p *parser, a *arg) bool {
	if length := p.peek(); length.kind == number {
		a.keyed, a.n, a.end = true, length.n, length.end
		p.next()
	}
	return true
}

func readPort(p *parser, a *arg) bool {
	if n := p.peek(); isPort(n) {
		a.keyed, a.n, a.end = true, n.n, n.end
		p.next()
	}
	return true
}

// readUnit makes seconds of a number; at most 32 + 12 bits.
func readUnit(p *parser, a *arg) bool {
	unit := p.peek()
	if !timeUnit.fits(unit) {
		p.expected(timeUnit.name, nil)
		return false
	}
	a.n *= timeUnits[unit.text]
	p.next()
	return true
}

func readPrefix(p *parser, a *arg) bool {
	length := p.peek()
	switch {
	case length.kind != prefix:
		p.expected("a prefix length as /24", nil)
		return false
	case length.n > uint64(a.addr.BitLen()):
		p.errorf(length, "is longer than the address: at most /%d", a.addr.BitLen())
		return false
	}
	a.n, a.end = length.n, length.end
	p.next()
	return true
}

// readSecret: only a classic file may hold a secret itself.
func readSecret(p *parser, a *arg) bool {
	if a.src.hcl && !isReference(a.text) {
		p.add(a.token, codeSecret, Error, "holds a secret itself", `write where it is: "file:/etc/racoon/NAME.secret", readable by nobody else, or "env:NAME"`)
		return false
	}
	return true
}

// isReference reports whether a text says where a secret is.
func isReference(text string) bool {
	return slices.ContainsFunc([]string{"file:", "env:", "handle:"}, func(p string) bool { return strings.HasPrefix(text, p) && len(text) > len(p) })
}

// secretOf is the value of a SECRET.
func secretOf(a arg) policy.Secret {
	if a.src.hcl { // with an absolute path, see hclReader.value
		return policy.Secret{Ref: a.text}
	}
	return policy.Secret{Literal: secret.New([]byte(a.text))}
}
