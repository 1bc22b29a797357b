package config

import "strings"

// scanner yields the tokens of a file in the classic language, whichever language
// the file is written in.
type scanner interface {
	next() token
	comments() []token // those read since the last call; kept only on request
}

// statement is a directive as it was written, kept for the converter.
type statement struct {
	d     *directive
	word  token
	args  []arg   // what matched the pattern
	words []token // what stands behind the name, the semicolon or brace included
	body  []*statement

	before []string // lines of comment
	behind string   // a comment on the same line
	last   []string // comments before the closing brace
	end    int      // offset behind it
}

// keep records a statement that begins, and gives it the comments before it.
func (p *parser) keep(d *directive, word token) *statement {
	if p.record == nil {
		return nil
	}
	s := &statement{d: d, word: word, before: p.remarks()}
	p.record.body = append(p.record.body, s)
	return s
}

// keepLast gives the comments at the end of a block to the block.
func (p *parser) keepLast() {
	if p.record != nil {
		p.record.last = p.remarks()
	}
}

// within records into s until the function it returns is called.
func (p *parser) within(s *statement) (leave func()) {
	if s == nil {
		return func() {}
	}
	outer := p.record
	p.record = s
	return func() { p.record = outer }
}

// remarks are the comments since the last statement. One that stands on its line
// belongs to it, the others to what follows.
func (p *parser) remarks() (lines []string) {
	var prev *statement
	if n := len(p.record.body); n > 0 {
		prev = p.record.body[n-1]
	}
	for _, c := range p.lex.comments() {
		text := strings.TrimSpace(c.text)
		if prev != nil && prev.behind == "" && len(lines) == 0 && prev.word.src == c.src && prev.end <= c.off && !strings.Contains(c.src.text[prev.end:c.off], "\n") {
			prev.behind = text
			continue
		}
		lines = append(lines, text)
	}
	return lines
}
