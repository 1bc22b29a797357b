package setkey

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// maxErrors is how many errors of a text are told.
const maxErrors = 20

// Parse reads a whole text. It finds the errors of all commands in one run; the
// commands are then worth nothing.
func Parse(file, text string) ([]Command, error) {
	cmds, _, err := parseFrom(file, text, 1)
	return cmds, err
}

// parseFrom is Parse of a text that begins in a line of file. over is true if it
// says that nothing shall be read behind it.
func parseFrom(file, text string, line int) (cmds []Command, over bool, err error) {
	p := &parser{lex: lexer{text: text, line: line}, file: file}
	var errs []error
	for len(errs) < maxErrors {
		p.err = nil
		p.advance()
		if over = p.is("exit") || p.is("quit") || p.is("bye"); over || p.err == nil && p.tok.kind == end {
			break
		}
		c := Command{Pos: p.pos()}
		p.command(&c)
		if p.err == nil {
			cmds = append(cmds, c)
			continue
		}
		errs = append(errs, p.err)
		if p.tok.kind != mark || p.tok.text != ";" {
			p.lex.recover()
		}
	}
	return cmds, over, errors.Join(errs...)
}

// parser reads one command after another. Its first error stays until the next
// command; what is read after it is nothing.
type parser struct {
	lex  lexer
	file string
	tok  token // the one that is looked at
	err  error
}

func (p *parser) pos() Pos { return Pos{p.file, p.tok.line} }

func (p *parser) fail(format string, args ...any) {
	p.failAt(p.tok.line, fmt.Errorf(format, args...))
}

func (p *parser) failAt(line int, err error) {
	if p.err == nil {
		p.err = &Error{Pos{p.file, line}, err.Error()}
	}
}

// advance looks at the next token.
func (p *parser) advance() {
	if p.err != nil {
		return
	}
	t, err := p.lex.next()
	p.tok = t
	if err != nil {
		p.failAt(t.line, err)
	}
}

// take is the token that is looked at; the next one is looked at then.
func (p *parser) take() token {
	t := p.tok
	p.advance()
	return t
}

// is reports whether the token is that mark, word or option.
func (p *parser) is(text string) bool {
	return p.err == nil && p.tok.text == text && (p.tok.kind == mark || p.tok.kind == word || p.tok.kind == option)
}

// accept takes a token if it is there.
func (p *parser) accept(text string) bool {
	if !p.is(text) {
		return false
	}
	p.advance()
	return true
}

// close wants the semicolon. It does not look behind it: in a terminal nothing is
// there yet.
func (p *parser) close() {
	if !p.is(";") {
		p.fail("%s is not expected here: a semicolon ends the command", p.tok)
	}
}

func (p *parser) command(c *Command) {
	verb, known := verbs[p.tok.text]
	switch {
	case p.err != nil:
		return
	case p.is("update"):
		p.fail(`there is no command "update": delete the SA and add it again`)
	case p.tok.kind != word || !known:
		p.fail("%s is no command: write add, get, getspi, delete, deleteall, flush, dump, spdadd, spdupdate, spddelete, spdflush or spddump", p.tok)
	}
	if c.Verb = verb; p.err != nil {
		return
	}
	p.advance()
	switch verb {
	case Flush, Dump:
		if !p.is(";") && p.tok.kind != end {
			c.Proto = p.protocol(c)
		}
	case SPDFlush, SPDDump:
	case SPDAdd, SPDUpdate, SPDDelete:
		p.policy(c)
	default:
		p.sa(c)
	}
	p.close()
}

// options reads -4, -6 and -n.
func (p *parser) options(c *Command) {
	for p.err == nil && p.tok.kind == option {
		for _, o := range p.tok.text[1:] {
			switch {
			case o == 'n':
				c.Numeric = true
			case o == '4' && c.Family != kernel.IPv6:
				c.Family = kernel.IPv4
			case o == '6' && c.Family != kernel.IPv4:
				c.Family = kernel.IPv6
			case o == '4' || o == '6':
				p.fail("-4 and -6 in one command")
			default:
				p.fail("%s stands before the addresses, where only -4, -6 and -n may", p.tok)
			}
		}
		p.advance()
	}
}

// keywords cannot be names of hosts.
var keywords = []string{"esp", "esp-old", "esp-udp", "ah", "ah-old", "ipcomp", "tcp", "any", "tagged"}

// host reads an address or a name.
func (p *parser) host(what string) string {
	if p.err == nil && (p.tok.kind != word && p.tok.kind != number || slices.Contains(keywords, p.tok.text)) {
		p.fail("%s is not expected here: the %s is an address or the name of a host", p.tok, what)
	}
	return p.take().text
}

// end reads an address with what may follow it.
func (p *parser) end(what string, prefix, port bool) End {
	e := End{Host: p.host(what), Prefix: -1}
	if p.is("/") && !prefix {
		p.fail("the %s is one address, without a prefix length", what)
	}
	if p.accept("/") {
		if p.err == nil && p.tok.kind != number {
			p.fail("%s is no prefix length of the %s", p.tok, what)
		}
		e.Prefix = int(p.uint(what+"'s prefix length", 128))
	}
	if p.is("[") && !port {
		p.fail("the %s has no port in this command", what)
	}
	if p.accept("[") {
		if p.err == nil && p.tok.kind != number && p.tok.kind != word {
			p.fail("%s is no port of the %s: write a number, the name of a UDP service, or any", p.tok, what)
		}
		if e.Port = p.take().text; e.Port == "any" {
			e.Port = "0"
		}
		if !p.accept("]") {
			p.fail(`%s is not expected here: "]" ends the port`, p.tok)
		}
	}
	return e
}

// uint reads a decimal number up to a bound.
func (p *parser) uint(what string, most uint64) uint64 {
	if p.err != nil {
		return 0
	}
	if p.tok.kind != number {
		p.fail("%s is not expected here: the %s is a decimal number", p.tok, what)
		return 0
	}
	v, err := strconv.ParseUint(p.tok.text, 10, 64)
	if err != nil || v > most {
		p.fail("%s is too large for the %s: it may be up to %d", p.tok.text, what, most)
		return 0
	}
	p.advance()
	return v
}

// context reads what follows -ctx: the numbers of the LSM and of SELinux, and a label.
func (p *parser) context() string {
	doi := p.uint("domain of interpretation of -ctx", 255)
	alg := p.uint("algorithm of -ctx", 255)
	if p.err == nil && (doi != 1 || alg != 1) {
		p.fail("-ctx %d %d: the only security labels there are those of SELinux; write -ctx 1 1 and the label", doi, alg)
	}
	if p.err == nil && p.tok.kind != quoted {
		p.fail("%s is not expected here: the label of -ctx is a quoted string", p.tok)
	}
	if p.err == nil && (p.tok.text == "" || len(p.tok.text) > 255 || strings.ContainsFunc(p.tok.text, func(r rune) bool { return r <= ' ' || r >= 0x7f })) {
		p.fail("the label of -ctx has 1 to 255 characters of ASCII, and no blanks")
	}
	return p.take().text
}
