package config

import (
	"fmt"
	"math/big"
	"net/netip"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

// expected reports that the next token is not what is wanted, with the advice its
// kind suggests.
func (p *parser) expected(want string, words []string) {
	t := p.peek()
	quotes := len(words) <= 1 && strings.Contains(want, "in double quotes") && t.kind != str
	p.witness.unfit(t, quotes, false)
	if t.kind == bad {
		return // the lexer has said so
	}
	fix := ""
	switch {
	case t.kind == number && t.n > maxNumber:
		want = "a number of at most 32 bits"
	case t.src.hcl:
		if fix = didYouMean(t.text, words); fix == "" && slices.Contains([]string{"on", "off", "yes", "no"}, t.text) {
			fix = "write true or false, without quotes"
		}
	case t.kind == word && strings.HasPrefix(t.text, "0x"):
		fix = "racoon.conf knows decimal numbers only"
	default:
		if fix = p.slip(t, want); fix == "" {
			fix = p.advice(t, want, slices.Concat(words, p.seconds))
		}
		if fix == "" && strings.HasPrefix(want, aName) {
			if t.kind == word && isLetter(t.text[0]) {
				fix = "a section with a name is written remote \"NAME\" { remote_address ADDRESS; ... }"
			}
		} else if fix == "" && quotes && !t.is(";") && t.kind != punct && t.kind != eof {
			fix = p.quoteIt(t)
		}
	}
	if t.kind == eof {
		p.add(t, codeSyntax, Error, "the file ends where "+want+" is expected", fix)
		return
	}
	p.add(t, codeSyntax, Error, "is not expected here: "+want+" is", fix)
}

// advice is what the wanted words and numbers suggest.
func (p *parser) advice(t token, want string, words []string) string {
	switch {
	case want == aUnit && t.is(";"):
		return "a time needs a unit: sec, min or hour"
	case want == aUnit && (t.kind == word || t.kind == number):
		if fix := spelledTime(p.last.text + " " + t.text); fix != "" {
			return "write " + fix
		}
		return "write a unit, for example: " + p.last.quotable(p.last.text) + " sec"
	case want == aTime && t.kind == word:
		rest, _, _ := strings.Cut(t.src.show(t.off, min(t.off+maxToken, len(t.src.text))), ";")
		rest, _, _ = strings.Cut(rest, "\n")
		for _, text := range []string{rest, t.text} {
			if fix := spelledTime(text); fix != "" {
				return "write " + fix
			}
		}
		return "write a number and a unit, for example: 30 sec"
	case want == decimal && t.kind == word:
		if whole, zeros, ok := strings.Cut(t.text, "."); ok && whole != "" && run(whole, isDigit) == len(whole) && strings.Trim(zeros, "0") == "" {
			return "write " + whole
		}
	case t.kind != word:
	case slices.Contains([]string{"yes", "no", "true", "false", "enable", "disable", "enabled"}, t.text) && slices.Contains(words, "on"):
		return "write " + want
	default:
		return didYouMean(t.text, words)
	}
	return ""
}

// slip knows what other programs write.
func (p *parser) slip(t token, want string) string {
	text := t.text
	if ap, err := netip.ParseAddrPort(text); err == nil && t.kind == word {
		return fmt.Sprintf("write %s [%d]", ap.Addr(), ap.Port())
	}
	switch {
	case t.kind == number && p.last.kind == address && t.n <= 65535 && want != decimal && t.off > p.last.end:
		return fmt.Sprintf("a port stands in brackets: write [%d]", t.n)
	case t.kind == word && strings.HasPrefix(text, "/"):
		if mask, err := netip.ParseAddr(text[1:]); err == nil && mask.Is4() {
			if n := maskLength(mask); n >= 0 {
				return fmt.Sprintf("write /%d", n)
			}
		}
	case slices.Contains([]string{"any", "%any", "default", "all"}, text) && strings.Contains(want, `"anonymous"`):
		return "write anonymous"
	case want == ";" && p.in == inProposal && strings.HasSuffix(strings.TrimRight(t.src.text[:t.off], " \t\r\n"), ","):
		return "a proposal has one of each: write another proposal { ... } for the next"
	case want == ";" && p.last.kind == number && t.kind == word && spelledUnits[text] > 0:
		return "the number stands without a unit"
	case want == "time or byte" && t.kind == number:
		return "write lifetime time " + t.quotable(text) + " and the unit"
	case want == "a type of identity" && t.kind == address:
		return "write address before it"
	case strings.HasPrefix(want, "an upper layer protocol") && (t.is("{") || t.kind == word && (t.text == "from" || t.text == "anonymous" || slices.Contains(identityTypes, t.text))):
		return "write any before it"
	}
	return ""
}

// maskLength is the length of a network mask, -1 if it is none.
func maskLength(mask netip.Addr) int {
	v := new(big.Int).SetBytes(mask.AsSlice()).Text(2)
	ones := strings.TrimRight(v, "0")
	if len(v) != 32 && v != "0" || strings.Contains(ones, "0") {
		return -1
	}
	return len(ones)
}

// quoteIt advises to put a value in quotes, all of it, and spares the reader what
// the lexer says of its other characters.
func (p *parser) quoteIt(t token) string {
	whole := t.glued()
	if l, ok := p.lex.(*lexer); ok {
		l.silent = max(l.silent, t.off+len(whole))
	}
	behind := strings.TrimLeft(t.src.text[t.off+len(whole):], " \t")
	switch shown := t.src.show(t.off, t.off+len(whole)); {
	case slices.Contains(identityTypes, t.text) && p.in == inRemote:
		return "one directive takes one identity"
	case strings.HasPrefix(behind, `"`) && t.kind == word:
		return "delete it"
	case shown != whole:
		return "write the value in double quotes"
	default:
		return `write it in double quotes: "` + shown + `"`
	}
}

// addQuoted reports a string whose quotes are the mistake, and shows them.
func (p *parser) addQuoted(t token, what, fix string) {
	n := len(p.diags)
	if p.add(t, codeSyntax, Error, what, fix); len(p.diags) > n {
		p.diags[n].Token = t.src.show(t.off, t.end)
	}
}

// misquoted reports whether a string is the right value in quotes, and gives it. Of
// words only those the language has count: others may be anything.
func (t term) misquoted(l *language, tok token) (string, bool) {
	if tok.kind != str || tok.src.hcl {
		return "", false
	}
	lex := &lexer{src: newSource("", tok.text), report: func(Diagnostic) {}}
	inner := lex.next()
	fits := t.fits(inner) != "" && (inner.kind != word || l.words[inner.text])
	if lex.next().kind == eof && fits {
		return tok.text, true
	}
	return "", false
}

// spelledUnits are units as people write them, in seconds.
var spelledUnits = map[string]int64{"s": 1, "sec": 1, "secs": 1, "second": 1, "seconds": 1,
	"m": 60, "mn": 60, "min": 60, "mins": 60, "minute": 60, "minutes": 60, "h": 3600, "hr": 3600, "hrs": 3600, "hour": 3600, "hours": 3600,
	"d": 86400, "day": 86400, "days": 86400, "w": 7 * 86400, "week": 7 * 86400, "weeks": 7 * 86400}

// spelledTime reads a time as people write it and writes it as racoon.conf does; "" if
// it is none.
func spelledTime(text string) string {
	total := new(big.Rat)
	text = strings.ToLower(strings.TrimSpace(text))
	if text == "" {
		return ""
	}
	for text != "" {
		n := run(text, func(c byte) bool { return isDigit(c) || c == '.' })
		value, ok := new(big.Rat).SetString(text[:n])
		text = strings.TrimLeft(text[n:], " \t")
		u := run(text, isLetter)
		factor := spelledUnits[text[:u]]
		if !ok || factor == 0 {
			return ""
		}
		total.Add(total, value.Mul(value, big.NewRat(factor, 1)))
		text = strings.TrimLeft(text[u:], " \t")
	}
	if !total.IsInt() || total.Sign() < 0 || total.Num().BitLen() > 32 {
		return ""
	}
	return duration(total.Num().Uint64())
}

// didYouMean proposes the nearest of the known words, "" if none is near.
func didYouMean(got string, known []string) string {
	if best := nearest(got, known); best != "" {
		return `did you mean "` + best + `"?`
	}
	return ""
}

func nearest(got string, known []string) string {
	if len(got) > maxToken { // it is no word
		return ""
	}
	best, dist := "", 1+len(got)/3
	low := strings.ToLower(strings.ReplaceAll(got, "-", "_"))
	for _, k := range known {
		d := distance(low, strings.ToLower(k))
		if d < dist || d == dist && (best == "" || k < best) {
			best, dist = k, d
		}
	}
	if best != "" || len(low) < 3 {
		return best
	}
	for _, k := range known { // what begins the same
		if strings.HasPrefix(k, low) && (best == "" || k < best) {
			best = k
		}
	}
	return best
}

// distance counts letters that are wrong, missing or too many; two that changed
// places are one.
func distance(a, b string) int {
	d := levenshtein.Distance(a, b, nil)
	if sameLetters(a, b) {
		d--
	}
	return d
}

// sameLetters reports whether two words differ in the order of their letters only.
func sameLetters(a, b string) bool {
	x, y := []byte(a), []byte(b)
	slices.Sort(x)
	slices.Sort(y)
	return string(x) == string(y)
}
