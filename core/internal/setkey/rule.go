package setkey

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// maxReqID is the highest number a rule may ask for; those above are the kernel's.
const maxReqID = 0x3fff

// maxRules bounds the rules of a policy: XFRM_MAX_DEPTH of Linux, the least there is.
const maxRules = 6

// ruleError is an error a number of lines below the beginning.
type ruleError struct {
	error
	line int
}

func (e *ruleError) Unwrap() error { return e.error }

// ParseRule reads the text behind -P, without the semicolon:
//
//	out prio high + 5 ipsec esp/tunnel/192.0.2.1-192.0.2.2/unique:5
func ParseRule(text string) (Rule, error) {
	var words []string
	var lines []int
	for i, line := range strings.Split(text, "\n") {
		for _, w := range strings.Fields(line) {
			if at := strings.IndexAny(w, "+-"); at > 0 && bases[w[:at]] != 0 { // high+5
				words, lines = append(words, w[:at]), append(lines, i)
				w = w[at:]
			}
			words, lines = append(words, w), append(lines, i)
		}
	}
	r := ruleReader{words: words}
	rule, err := r.rule()
	if err == nil {
		return rule, nil
	}
	at := 0
	if len(lines) > 0 {
		at = lines[min(r.at, len(lines)-1)]
	}
	return Rule{}, &ruleError{fmt.Errorf("-P: %w", err), at}
}

type ruleReader struct {
	words []string
	at    int
}

// look is the next word, "" at the end.
func (r *ruleReader) look() string {
	if r.at == len(r.words) {
		return ""
	}
	return r.words[r.at]
}

var (
	directions = map[string]kernel.Direction{"in": kernel.In, "out": kernel.Out, "fwd": kernel.Fwd}
	actions    = map[string]uint8{"discard": kernel.ActionDiscard, "none": kernel.ActionNone, "ipsec": kernel.ActionIPsec}
	ruleProtos = map[string]uint8{"esp": protoESP, "ah": protoAH, "ipcomp": protoIPComp}
	ruleModes  = map[string]uint8{"transport": kernel.ModeTransport, "tunnel": kernel.ModeTunnel}
	levels     = map[string]uint8{"default": kernel.LevelDefault, "use": kernel.LevelUse, "require": kernel.LevelRequire, "unique": kernel.LevelUnique}
)

func (r *ruleReader) rule() (v Rule, err error) {
	var ok bool
	if v.Dir, ok = directions[r.look()]; !ok {
		return v, fmt.Errorf("%q is no direction: write in, out or fwd", r.look())
	}
	r.at++
	if w := r.look(); w == "" {
		return v, nil
	} else if w == "priority" || w == "prio" {
		r.at++
		if v.Priority, err = r.priority(); err != nil {
			return v, err
		}
	}
	switch w := r.look(); {
	case actions[w] != 0:
		v.Action = actions[w]
	case w == "bypass" || w == "entrust":
		return v, fmt.Errorf("%s is for the policy of a socket: write none or ipsec", w)
	default:
		return v, fmt.Errorf("%q is no action: write discard, none or ipsec", w)
	}
	r.at++
	for ; r.look() != ""; r.at++ {
		if v.Action != kernel.ActionIPsec {
			return v, fmt.Errorf("%q: rules belong to the action ipsec only", r.look())
		}
		t, err := template(r.look(), v.Dir)
		if err != nil {
			return v, fmt.Errorf("%q: %w", r.look(), err)
		}
		if v.Templates = append(v.Templates, t); len(v.Templates) > maxRules {
			return v, fmt.Errorf("more than %d rules, which no kernel has", maxRules)
		}
	}
	if v.Action == kernel.ActionIPsec && len(v.Templates) == 0 {
		return v, errors.New("ipsec needs a rule: write esp/transport//require")
	}
	return v, nil
}

// Priorities of the kernel that have a name; smaller is tried earlier. kernel.Policy
// counts from the default.
const (
	prioHigh    = 0x40000000
	prioDefault = 0x80000000
	prioLow     = 0xc0000000
)

// bases are the words for them.
var bases = map[string]int64{"low": prioLow, "def": prioDefault, "high": prioHigh}

// priority reads "N", "- N", "def", "high + N" and their like. What is added makes a
// policy more important: the kernel's number smaller.
func (r *ruleReader) priority() (int32, error) {
	base, named := bases[r.look()]
	text := ""
	if named {
		r.at++
		if sign := r.look(); strings.HasPrefix(sign, "+") || strings.HasPrefix(sign, "-") {
			text = r.offset()
		}
	} else {
		base, text = prioDefault, r.offset()
		if text == "" || text[0] == '+' {
			return 0, fmt.Errorf("%q is no priority: write a number, or low, def or high and an offset", r.words[min(r.at, len(r.words)-1)])
		}
	}
	if text == "" {
		return fromKernel(base), nil
	}
	most := int64(math.MaxInt32)
	if named {
		most = 1 << 30
	}
	n, err := strconv.ParseInt(strings.TrimPrefix(text, "+"), 10, 64)
	// "- 2^30" of low, and "+" of a value that would become 0, are beyond the range.
	if err != nil || n > most || n < -most || base-n > math.MaxUint32 || base-n < 1 {
		return 0, fmt.Errorf("offset %s of a priority is out of range", text)
	}
	return fromKernel(base - n), nil
}

// offset reads a number with its sign, which may be a word of its own.
func (r *ruleReader) offset() string {
	text := r.look()
	r.at++
	if text == "+" || text == "-" {
		text += r.look()
		r.at++
	}
	r.at = min(r.at, len(r.words))
	return text
}

func fromKernel(p int64) int32      { return int32(uint32(p) ^ prioDefault) }
func toKernel(priority int32) int64 { return int64(uint32(priority) ^ prioDefault) }

// template reads PROTO/MODE[/[SRC-DST][/LEVEL]].
func template(text string, dir kernel.Direction) (t kernel.Template, err error) {
	parts := strings.Split(text, "/")
	if len(parts) < 2 || len(parts) > 4 {
		return t, errors.New("a rule is PROTOCOL/MODE/SOURCE-DESTINATION/LEVEL")
	}
	var ok bool
	if t.Proto, ok = ruleProtos[parts[0]]; !ok {
		return t, fmt.Errorf("protocol %q: write esp, ah or ipcomp", parts[0])
	}
	if t.Mode, ok = ruleModes[parts[1]]; !ok {
		return t, fmt.Errorf("mode %q: write transport or tunnel", parts[1])
	}
	if len(parts) > 2 {
		if t.Src, t.Dst, err = tunnelEnds(parts[2], dir); err != nil {
			return t, err
		}
	}
	if t.Mode == kernel.ModeTunnel && !t.Src.IsValid() {
		return t, errors.New("tunnel mode needs the addresses of both ends: write esp/tunnel/192.0.2.1-192.0.2.2/require")
	}
	if len(parts) == 4 && parts[3] != "" {
		err = level(&t, parts[3])
	}
	return t, err
}

func tunnelEnds(text string, dir kernel.Direction) (src, dst netip.Addr, err error) {
	switch {
	case text == "", text == "me-any" && dir == kernel.Out, text == "any-me" && dir == kernel.In:
		return src, dst, nil
	case text == "me-any", text == "any-me":
		return src, dst, fmt.Errorf("%s: me-any is for out, any-me for in", text)
	}
	a, b, ok := strings.Cut(text, "-")
	if !ok {
		return src, dst, fmt.Errorf("addresses %q: write SOURCE-DESTINATION", text)
	}
	if src, err = tunnelEnd(a); err == nil {
		dst, err = tunnelEnd(b)
	}
	switch {
	case err != nil:
	case strings.Contains(a, "[") != strings.Contains(b, "["):
		err = errors.New("a port at one of two addresses")
	case src.Is4() != dst.Is4():
		err = fmt.Errorf("%s and %s are of two families", src, dst)
	}
	return src, dst, err
}

// tunnelEnd reads an address, and a port that says nothing.
func tunnelEnd(text string) (netip.Addr, error) {
	host, port, has := strings.Cut(text, "[")
	if has && port != "0]" && port != "any]" {
		return netip.Addr{}, fmt.Errorf("port [%s: no kernel plugin has UDP ports in a rule; the SA has them", port)
	}
	a, err := netip.ParseAddr(host)
	switch {
	case err != nil:
		return a, fmt.Errorf("%q is no numeric address", host)
	case a.Zone() != "":
		return a, fmt.Errorf("%s: no kernel plugin has scopes in a rule", host)
	}
	return a.Unmap(), nil
}

func level(t *kernel.Template, text string) error {
	name, id, has := strings.Cut(text, ":")
	l, ok := levels[name]
	if !ok || has && name != "unique" {
		return fmt.Errorf("level %q: write default, use, require, unique or unique:N", text)
	}
	if t.Level = l; !has {
		return nil
	}
	n, err := strconv.ParseUint(id, 10, 32)
	if err != nil || n < 1 || n > maxReqID {
		return fmt.Errorf("level %q: the number is 1 to %d; those above are the kernel's", text, maxReqID)
	}
	t.ReqID = uint32(n)
	return nil
}
