package config

import "slices"

// end takes the semicolon. One that was forgotten at the end of a line does not
// cost the next line.
func (p *parser) end() bool {
	t := p.peek()
	if t.is(";") {
		p.next()
		return true
	}
	if t.kind == bad {
		p.recover()
		return false
	}
	if p.beginsLine(t) || t.kind == eof || t.is("}") {
		p.add(p.last, codeSyntax, Error, "is followed by no semicolon", `write ";" after it`)
		return true
	}
	p.add(t, codeSyntax, Error, "is one word too many: ; is expected", p.slip(t, ";"))
	p.recover()
	return false
}

// beginsLine reports whether the next token stands on a later line than the last.
func (p *parser) beginsLine(t token) bool {
	here, _ := t.src.position(t.off)
	before, _ := t.src.position(max(p.last.end-1, 0))
	return here > before
}

// opensOther reports whether a token begins a section of the top level, at the
// beginning of a line, in a file that has more opening braces than closing ones:
// then the closing brace of the present section is missing.
func (p *parser) opensOther(t token, in section) bool {
	if t.kind != word || t.src.hcl || p.lang.rows[in][t.text] != nil || !p.beginsLine(t) {
		return false
	}
	block := slices.ContainsFunc(p.lang.rows[top][t.text], func(d *directive) bool { return d.body != top })
	return block && t.src.unclosed() > 0
}

// unclosed is how many opening braces of a classic file have no closing one.
func (s *source) unclosed() int {
	if s.braces == 0 {
		lex := &lexer{src: s, report: func(Diagnostic) {}}
		s.braces = 1 // counted
		for t := lex.next(); t.kind != eof; t = lex.next() {
			switch {
			case t.is("{"):
				s.braces++
			case t.is("}"):
				s.braces--
			}
		}
		s.braces = max(s.braces, 1)
	}
	return s.braces - 1
}

// stray reports a token that begins no directive.
func (p *parser) stray(t token) {
	switch {
	case t.kind == bad:
		return
	case t.is(";"):
		p.add(t, codeSyntax, Error, "stands alone", "no semicolon follows a closing brace")
		return
	case t.is("}"):
		p.add(t, codeSyntax, Error, "closes nothing", "")
		return
	case t.is("{"):
		p.add(t, codeSyntax, Error, "opens a block that has no name", "")
		p.skipBlock()
		return
	}
	p.add(t, codeSyntax, Error, "is not expected here: a directive is", "")
	p.recover()
}

// recover skips to the end of the statement: behind its semicolon or block, or
// before the brace that closes the section, or before a line that begins with a
// directive.
func (p *parser) recover() {
	p.witness.done(false)
	for {
		switch t := p.peek(); {
		case t.kind == eof, t.is("}"), t.kind == word && p.lang.rows[p.in][t.text] != nil && p.beginsLine(t):
			return
		case t.is(";"):
			p.next()
			return
		case t.is("{"):
			p.next()
			p.skipBlock()
			return
		default:
			p.next()
		}
	}
}

// skipBlock skips to the brace that closes the block just opened.
func (p *parser) skipBlock() {
	for depth := 1; depth > 0; {
		t := p.next()
		switch {
		case t.kind == eof:
			return
		case t.is("{"):
			depth++
		case t.is("}"):
			depth--
		}
	}
}
