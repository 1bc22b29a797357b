package engine

import (
	"fmt"
	"maps"
	"net/netip"
	"strings"

	"github.com/racoon-ike/racoon/core/internal/spd"
)

// A generated policy is in the ledger with its request ID: one with another ID, or
// none, has been put in its place by somebody else.

var directions = map[string]spd.Direction{"in": spd.In, "out": spd.Out, "fwd": spd.Fwd}

// formatPolicy writes "out 10.2.0.0/16 0 10.1.0.0/16 0 6 17": direction, both ends with
// port, protocol, request ID.
func formatPolicy(k spd.Key, reqID uint32) string {
	return fmt.Sprintf("%v %v %d %v %d %d %d", k.Dir, k.Src, k.SrcPort, k.Dst, k.DstPort, k.Proto, reqID)
}

func parsePolicy(s string) (k spd.Key, reqID uint32, ok bool) {
	var dir, src, dst string
	if n, err := fmt.Sscanf(s, "%s %s %d %s %d %d %d", &dir, &src, &k.SrcPort, &dst, &k.DstPort, &k.Proto, &reqID); n != 7 || err != nil {
		return k, 0, false
	}
	var errSrc, errDst error
	k.Dir = directions[dir]
	k.Src, errSrc = netip.ParsePrefix(src)
	k.Dst, errDst = netip.ParsePrefix(dst)
	return k, reqID, errSrc == nil && errDst == nil && s == formatPolicy(k, reqID)
}

func (l *ledger) readPolicy(sign, rest string) {
	k, reqID, ok := parsePolicy(rest)
	switch {
	case ok && sign == "+":
		l.spd[k] = reqID
	case ok && sign == "-":
		delete(l.spd, k)
	}
}

func reqIDOf(p spd.Policy) uint32 {
	if len(p.Templates) == 0 {
		return 0
	}
	return p.Templates[0].ReqID
}

func (l *ledger) addPolicies(ps []spd.Policy) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	for _, p := range ps {
		id := reqIDOf(p)
		if old, ok := l.spd[p.Key]; ok && old == id {
			continue
		}
		l.spd[p.Key] = id
		l.lines++
		b.WriteString("+p " + formatPolicy(p.Key, id) + "\n")
	}
	return l.append(b.String())
}

func (l *ledger) removePolicies(ps []spd.Policy) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	for _, p := range ps {
		if id, ok := l.spd[p.Key]; ok {
			delete(l.spd, p.Key)
			l.lines++
			b.WriteString("-p " + formatPolicy(p.Key, id) + "\n")
		}
	}
	return l.append(b.String())
}

// allPolicies lists the generated policies in the ledger, with their request IDs.
func (l *ledger) allPolicies() map[spd.Key]uint32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.spd)
}
