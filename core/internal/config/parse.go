package config

import (
	"fmt"
	"time"

	"github.com/racoon-ike/racoon/core/internal/policy"
)

// parser reads the classic language by recursive descent over the table. An HCL
// file reaches it as the same tokens, see hcl.go.
type parser struct {
	lang *language
	reading
	in          section
	commasBlank bool     // inside remote a comma is white space
	files       []string // being read, outermost first: the include stack
	read        int      // files read so far
	readFile    func(string) ([]byte, error)
	glob        func(string) ([]string, error)
	executable  func(string) string // why a file is no program, "" if it is one
	diags       []Diagnostic
	today       time.Time
	given       map[string]bool // what this block names, rightly or wrongly, by first words
	inner       map[string]bool // the same of the block read last
	fresh       bool            // nothing but allow_legacy has been read in this block
	dry         bool            // only read, set nothing: for a text of ours, and for the witness
	witness     *witness        // of a dry run for what may be shown; nil in any other
	record      *statement      // the block whose statements are kept for the converter; nil: none is
	taken       []token         // since the statement began, while record is set

	cfg      *policy.Config
	word     token // the directive being set
	row      *directive
	seconds  []string // second words its name could have had
	remote   *remote
	proposal *proposal
	sainfo   *sainfo
	remotes  []*remote       // finished ones, parents of later ones
	broken   []*remote       // those with an error in their header
	legacy   legacy          // allow_legacy of the top level
	held     []held          // about the profile of the section being read
	hclMain  *hclFile        // the main file, if it is HCL and can be parsed
	pskAt    policy.Position // of path pre_shared_key
	// pfkeyBuffer is the value of pfkey_buffer, which is the kernel plugin's.
	pfkeyBuffer *arg
	relative    policy.Position // of the first relative path in the main file
}

// reading is where the parser is in a text.
type reading struct {
	lex    scanner
	ahead  token // one token of lookahead
	looked bool  // there is one
	last   token // the token taken before
}

// add reports a diagnostic about a token.
func (p *parser) add(t token, code string, sev Severity, what, fix string) {
	if p.dry {
		return
	}
	d := at(t, code, sev, what, fix)
	if n := len(p.diags); n > 0 && sev == Error { // one error per place is enough
		if e := p.diags[n-1]; e.Severity == Error && e.File == d.File && e.Line == d.Line && e.Col == d.Col {
			return
		}
	}
	p.diags = append(p.diags, d)
}

// errorf reports a wrong value.
func (p *parser) errorf(t token, format string, a ...any) {
	p.add(t, codeValue, Error, fmt.Sprintf(format, a...), "")
}

func (p *parser) peek() token {
	if !p.looked {
		t := p.lex.next()
		for t.kind == remark || p.commasBlank && t.is(",") {
			t = p.lex.next()
		}
		p.ahead, p.looked = t, true
	}
	return p.ahead
}

func (p *parser) next() token {
	p.last = p.peek()
	p.looked = false
	p.witness.took(p.last)
	if p.record != nil {
		p.taken = append(p.taken, p.last)
	}
	return p.last
}

// accept takes a punctuation or a word if it is next.
func (p *parser) accept(text string) bool {
	if t := p.peek(); (t.kind == punct || t.kind == word) && t.text == text {
		p.next()
		return true
	}
	return false
}

// block reads directives until the closing brace, or the end of the file at the
// top level.
func (p *parser) block(in section, open token) {
	defer func(outer section, fresh bool, given map[string]bool) {
		p.in, p.fresh, p.given, p.inner = outer, fresh, given, p.given
	}(p.in, p.fresh, p.given)
	p.fresh, p.given = true, map[string]bool{}
	for p.in = in; ; {
		switch t := p.peek(); {
		case t.kind == eof && in == top:
			p.keepLast()
			return
		case t.kind == eof:
			p.add(open, codeSyntax, Error, "this brace is never closed", "")
			return
		case in != top && p.opensOther(t, in):
			p.add(open, codeSyntax, Error, "this brace is not closed before the next section", "")
			p.keepLast()
			return
		case t.is("}") && in != top:
			p.next()
			p.keepLast()
			return
		default:
			p.statement(in)
			p.fresh = p.fresh && t.text == "allow_legacy"
		}
	}
}

// statement reads one directive of a section and sets it.
func (p *parser) statement(in section) {
	t := p.next()
	if t.kind != word {
		p.stray(t)
		return
	}
	d := p.lookup(&t, in)
	if d == nil {
		p.recover()
		return
	}
	if d.state == refused && !p.dry { // whatever follows
		p.add(t, codeRefused, Error, d.why, "")
		p.recover()
		return
	}
	s := p.keep(d, t)
	p.taken = nil
	var args []arg
	ok := true
	p.witness.named(t)
	p.witness.begin(d)
	if p.word = t; d.head != nil {
		ok = d.head(p)
	} else {
		args, ok = p.match(p.lang.forms[d])
	}
	p.witness.done(ok)
	if s != nil {
		s.args, s.words = args, p.taken
	}
	if p.word = t; !ok {
		p.abandon(d)
		return
	}
	if d.body != top {
		leave := p.within(s)
		p.body(d, args)
		if leave(); s != nil {
			s.end = p.last.end
		}
		return
	}
	if !p.end() {
		return
	}
	if s != nil {
		s.end = p.last.end
	}
	p.apply(d, args)
}

// apply lets a directive have its effect.
func (p *parser) apply(d *directive, args []arg) {
	if p.dry {
		return
	}
	p.row = d
	p.judge(p.word, d)
	p.overridden(d)
	if d.set != nil {
		d.set(p, args)
	}
}

// body reads a block directive's block.
func (p *parser) body(d *directive, args []arg) {
	name := p.word
	if d.head != nil && p.last.is(";") { // remote X inherit Y;
		p.inner = nil // that of another block
		p.close(d)
		return
	}
	if !p.peek().is("{") {
		p.expected("{", map[section][]string{inRemote: {"inherit"}, inSAInfo: {"from", "group"}}[d.body])
		p.abandon(d)
		return
	}
	open := p.next()
	p.apply(d, args)
	blank := p.commasBlank
	p.commasBlank = blank || d.body == inRemote
	p.block(d.body, open)
	p.commasBlank = blank
	p.word = name
	p.close(d)
}

func (p *parser) close(d *directive) {
	if d.close != nil && !p.dry {
		d.close(p)
	}
}

// abandon skips the rest of a directive that could not be read. A block is still
// read, so that its errors are found in the same run.
func (p *parser) abandon(d *directive) {
	if d.body == top {
		p.recover()
		return
	}
	for t := p.peek(); t.kind != eof && !t.is(";") && !t.is("{") && !t.is("}"); t = p.peek() {
		p.next()
	}
	switch t := p.peek(); {
	case t.is("{"):
		if d.body == inRemote || d.body == inSAInfo {
			p.body(d, nil)
		} else {
			p.recover()
		}
	case t.is(";"):
		p.next()
	}
}

// lookup finds the directive a word begins, and takes the second word of the name
// where there is one.
func (p *parser) lookup(t *token, in section) *directive {
	if d := p.lang.hcl[in][t.text]; d != nil && d.header && t.src.hcl {
		return d
	}
	rows := p.lang.rows[in][t.text]
	if rows == nil {
		fix := didYouMean(t.text, p.lang.names(in))
		if s := p.lang.elsewhere(t.text, in); s != "" {
			fix = s
		} else {
			p.name(nearest(t.text, p.lang.names(in))) // it is not missing too
		}
		p.witness.stranger(*t, in, fix != "")
		p.add(*t, codeUnknown, Error, "is no directive of "+in.String(), fix)
		return nil
	}
	p.name(t.text)
	var plain *directive
	var words []string
	p.seconds = nil
	for _, d := range rows {
		switch second := d.second(); {
		case second == "":
			plain = d
		case p.accept(second):
			t.end = p.last.end
			return d
		default:
			words = append(words, second)
		}
	}
	if p.seconds = words; plain == nil {
		p.witness.begin(rows...)
		p.expected(term{alts: words}.want(false), nil)
	}
	return plain
}

// name remembers that the block has a directive of that name.
func (p *parser) name(first string) {
	if p.given != nil {
		p.given[first] = true
	}
}

// judge says what is to be said about a directive as such.
func (p *parser) judge(t token, d *directive) {
	switch d.state {
	case idle:
		p.add(t, codeNoEffectYet, Warning, "is accepted and has no effect yet: "+d.why, "")
	case mapped:
		p.add(t, codeMapped, Warning, "has no effect: "+d.why, "")
	case missing:
		p.add(t, codeNotYet, Error, d.why, "")
	}
}
