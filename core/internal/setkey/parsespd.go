package setkey

import "errors"

// policy reads what follows spdadd, spdupdate and spddelete.
func (p *parser) policy(c *Command) {
	if p.is("tagged") {
		p.fail("policies for tagged packets no kernel plugin has: write the addresses")
	}
	p.options(c)
	c.Policy = &Policy{}
	c.Policy.Src = p.end("source", true, true)
	c.Policy.Dst = p.end("destination", true, true)
	c.Policy.Upper = p.upper()
	p.misc(c.Policy)
	if p.accept("-ctx") {
		c.Policy.Label = p.context()
	}
	if !p.is("-P") {
		p.fail("%s is not expected here: the policy begins with -P", p.tok)
		return
	}
	text, line, err := p.lex.policy()
	if err != nil {
		p.failAt(line, err)
		return
	}
	c.Policy.Rule, err = ParseRule(text)
	var at *ruleError
	if errors.As(err, &at) {
		line += at.line
	}
	switch {
	case err != nil:
		p.failAt(line, err)
	case c.Policy.Rule.Action == 0 && c.Verb != SPDDelete:
		p.failAt(line, errors.New("-P: what shall be done is missing: write discard, none or ipsec behind the direction"))
	}
	p.advance()
}

// upper reads the protocol of a selector.
func (p *parser) upper() string {
	switch name := p.tok.text; {
	case p.err != nil:
	case p.tok.kind == number:
		if p.uint("upper-layer protocol", 255); p.err == nil {
			return name
		}
	case p.tok.kind == word && (name == "esp" || name == "ah" || name == "ipcomp"):
		p.fail("%s is another word of the language: write the protocol's number, %s", name, map[string]string{"esp": "50", "ah": "51", "ipcomp": "108"}[name])
	case p.tok.kind == word:
		_, plain := protocols[name]
		_, more := spelled[name]
		if name != "any" && !plain && !more {
			p.fail("%s is no upper-layer protocol: write any, a name as tcp, udp, icmp6, or a number", p.tok)
		}
		p.advance()
		return name
	default:
		p.fail("%s is not expected here: the upper-layer protocol is any, a name or a number", p.tok)
	}
	return ""
}

// misc reads "TYPE,CODE" of ICMP or a GRE key.
func (p *parser) misc(c *Policy) {
	if p.err != nil || p.tok.kind != number && p.tok.kind != word {
		return
	}
	first := p.take()
	switch proto := upperNumber(c.Upper); {
	case p.err != nil:
	case proto == protoGRE && first.kind == word:
		c.Misc = first.text
	case proto == protoGRE:
		p.fail("%q is no key of GRE: write it as a dotted quad, 0.0.0.5", first.text)
	case !typed(proto):
		p.fail("%q is not expected here: only icmp, icmp6, mh and gre have something behind the protocol", first.text)
	case first.kind != number || !p.accept(","):
		p.fail("%q is not expected here: write type and code, 8,0", first.text)
	case p.tok.kind != number:
		p.fail("%s is no code: write type and code, 8,0", p.tok)
	default:
		c.Misc = first.text + "," + p.take().text
	}
	if p.err == nil && (c.Src.Port != "" || c.Dst.Port != "") {
		p.fail("ports, and what takes their place behind the protocol: write one of them")
	}
}
