package setkey

import (
	"encoding/hex"
	"errors"
	"math"
	"strconv"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/ipsec"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// Protocols of SAs.
const (
	protoESP    = 50
	protoAH     = 51
	protoIPComp = 108
)

// sa reads what follows add, getspi, get, delete and deleteall.
func (p *parser) sa(c *Command) {
	p.options(c)
	c.SA = &SA{}
	one := c.Verb == DeleteAll
	c.SA.Src = p.end("source", false, !one)
	c.SA.Dst = p.end("destination", false, !one)
	c.Proto = p.protocol(c)
	if one {
		return
	}
	c.SA.SPI = p.spi(c)
	for p.err == nil && p.tok.kind == option && p.extension(c) {
	}
	if c.Verb == Add {
		p.algorithms(c)
	}
}

// protocol reads the protocol of an SA.
func (p *parser) protocol(c *Command) (v Proto) {
	if p.err != nil {
		return v
	}
	switch name := p.tok.text; name {
	case "esp":
		v.Number = protoESP
	case "esp-udp":
		v.Number, v.UDP = protoESP, true
	case "ah":
		v.Number = protoAH
	case "ipcomp":
		v.Number = protoIPComp
	case "esp-old", "ah-old":
		p.fail("%s is of RFC 1826 and 1827, which no kernel plugin does: write %s", name, name[:len(name)-4])
	case "tcp":
		p.fail("SAs of TCP (RFC 2385) no kernel plugin has")
	default:
		p.fail("%s is no protocol of an SA: write esp, esp-udp, ah or ipcomp", p.tok)
	}
	p.advance()
	if v.UDP && c.SA != nil && p.err == nil && p.tok.kind == word {
		c.SA.Original = p.host("original address")
	}
	return v
}

func (p *parser) spi(c *Command) uint32 {
	if p.err != nil {
		return 0
	}
	t := p.tok
	text, base := t.text, 10
	switch t.kind {
	case number:
	case hexNumber:
		text, base = t.text[2:], 16
	default:
		p.fail("%s is not expected here: the SPI is a number", t)
		return 0
	}
	v, err := strconv.ParseUint(text, base, 32)
	switch {
	case err != nil:
		p.fail("the SPI %s is too large: it has 32 bits", t.text)
	case c.Verb == GetSPI && v == 0: // the kernel chooses
	case c.Proto.Number == protoIPComp && (v == 0 || v > 0xffff):
		p.fail("the CPI %s is out of range: 1 to 65535", t.text) // RFC 3173 section 3.3
	case c.Proto.Number != protoIPComp && v < 256:
		p.fail("the SPI %s is reserved: write 256 or more", t.text) // RFC 2406 section 2.1
	}
	p.advance()
	return uint32(v)
}

// extension reads one option behind the SPI, and false if it is none of them.
func (p *parser) extension(c *Command) bool {
	name, sa := p.tok.text, c.SA
	if name == "-E" || name == "-A" || name == "-C" {
		return false
	}
	p.advance()
	switch name {
	case "-m":
		p.mode(c)
	case "-u":
		sa.ReqID = uint32(p.uint("reqid behind -u", math.MaxUint32))
	case "-r":
		sa.Window = uint32(p.uint("replay window behind -r", math.MaxUint32))
		if sa.Window != 0 && c.Proto.Number == protoIPComp {
			p.fail("-r: IPComp has no sequence numbers")
		}
	case "-f":
		p.padding()
	case "-lh":
		sa.Life.HardTime = p.seconds(name)
	case "-ls":
		sa.Life.SoftTime = p.seconds(name)
	case "-bh":
		sa.Life.HardBytes = p.uint("number of octets behind -bh", math.MaxUint64)
	case "-bs":
		sa.Life.SoftBytes = p.uint("number of octets behind -bs", math.MaxUint64)
	case "-ctx":
		sa.Label = p.context()
	default:
		p.fail("option %s is unknown: write -m, -u, -r, -f, -lh, -ls, -bh, -bs, -ctx, or the algorithm behind -E, -A or -C", name)
	}
	if p.err == nil && c.Verb != Add && c.Verb != GetSPI {
		c.Warnings = append(c.Warnings, name+" has no meaning in this command: an SA is named by its addresses, protocol and SPI")
	}
	return true
}

func (p *parser) seconds(name string) time.Duration {
	return time.Duration(p.uint("number of seconds behind "+name, math.MaxUint32)) * time.Second
}

func (p *parser) mode(c *Command) {
	modes := map[string]uint8{"any": 0, "transport": kernel.ModeTransport, "tunnel": kernel.ModeTunnel}
	m, ok := modes[p.tok.text]
	if p.err == nil && !ok {
		p.fail("%s is no mode: write -m transport, -m tunnel or -m any", p.tok)
	}
	c.SA.Mode = m
	p.advance()
}

// padding reads what follows -f. Padding and sequence numbers are as RFC 2406 wants
// them (sections 2.4 and 3.3.3), which is the same as two of the words.
func (p *parser) padding() {
	switch {
	case p.err != nil, p.is("seq-pad"), p.is("nocyclic-seq"):
	case p.is("zero-pad"), p.is("random-pad"):
		p.fail("-f %s: no kernel plugin pads otherwise than RFC 2406 section 2.4 says; write -f seq-pad or leave it out", p.tok.text)
	default:
		p.fail("%s is not expected here: behind -f stands seq-pad or nocyclic-seq", p.tok)
	}
	p.advance()
}

// algorithms reads -E, -A and -C, which must fit the protocol.
func (p *parser) algorithms(c *Command) {
	sa, line := c.SA, p.tok.line
	null := false // -A null
	if p.accept("-E") {
		if p.is("simple") {
			c.Warnings = append(c.Warnings, "simple is an obsolete name of null")
		}
		sa.Encr, _ = p.algorithm(encrs, "-E")
	}
	if p.accept("-A") {
		sa.Auth, null = p.algorithm(auths, "-A")
	}
	if p.is("-C") && (sa.Encr != nil || sa.Auth != nil || null) {
		p.fail("-C is for ipcomp, and does not go with -E and -A")
	}
	if p.accept("-C") {
		a, err := find(comps, p.tok.text)
		if err != nil {
			p.fail("-C: %w", err)
		}
		sa.Comp = a.ID
		p.advance()
		if p.is("-R") && sa.SPI > 0xffff {
			p.fail("-R: the SPI is the CPI, and that has 16 bits")
		}
		p.accept("-R") // it always is
	}
	if p.err == nil && p.tok.kind == option {
		p.fail("option %s stands behind the algorithm: the order is SPI, options, -E, -A", p.tok.text)
	}
	if p.err != nil {
		return
	}
	if why := misfit(c.Proto.Number, sa, null); why != "" {
		p.failAt(line, errors.New(why))
	}
}

// misfit says what algorithms the protocol wants instead.
func misfit(proto uint8, sa *SA, null bool) string {
	encr, auth, comp := sa.Encr != nil, sa.Auth != nil, sa.Comp != 0
	switch {
	case proto == protoIPComp && !comp:
		return "ipcomp wants an algorithm behind -C and no other: write -C deflate"
	case proto == protoESP && !encr:
		return "esp wants an algorithm behind -E: write -E null for authentication alone"
	case proto == protoESP && sa.Encr.ID == ipsec.Null && !auth:
		return "esp with -E null and no authentication protects nothing: write an algorithm behind -A" // RFC 2406 section 5
	case proto == protoAH && (encr || comp || !auth):
		return "ah wants an algorithm behind -A and no other"
	case proto == protoIPComp && (encr || auth || null):
		return "ipcomp takes no keys: write -C alone"
	}
	return ""
}

// algorithm reads a name and its key; none is true for one that is no algorithm at all.
func (p *parser) algorithm(table []algorithm, opt string) (key *kernel.AlgKey, none bool) {
	if p.err != nil {
		return nil, false
	}
	a, err := find(table, p.tok.text)
	if err != nil {
		p.fail("%s: %w", opt, err)
		return nil, false
	}
	p.advance()
	var k []byte
	switch {
	case p.err != nil:
		return nil, false
	case a.MaxKey == 0 && (p.tok.kind == quoted || p.tok.kind == hexNumber):
		p.fail("%s %s takes no key", opt, a.name)
		return nil, false
	case a.MaxKey == 0:
	case p.tok.kind == quoted:
		k = []byte(p.take().text)
	case p.tok.kind == hexNumber:
		k = octets(p.take().text[2:])
	default: // it may be the key
		p.fail(`the key of %s is 0x and hexadecimal digits, or a "quoted string"`, a.name)
		return nil, false
	}
	if a.MaxKey != 0 {
		if err := a.check(len(k)); err != nil {
			p.fail("%w", err)
			return nil, false
		}
		if p.err == nil && (p.tok.kind == word || p.tok.kind == number) { // the rest of it
			p.fail("the key of %s is one word: more stands behind it", a.name)
			return nil, false
		}
	}
	if a.ID == 0 {
		return nil, true
	}
	return &kernel.AlgKey{ID: a.ID, Key: secret.New(k)}, false
}

// octets are those of a hexadecimal number: of an odd count of digits the first is
// an octet of its own.
func octets(digits string) []byte {
	if len(digits)%2 != 0 {
		digits = "0" + digits
	}
	b, err := hex.DecodeString(digits)
	if err != nil { // the lexer lets no other digits through
		panic(err)
	}
	return b
}
