package spd

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"github.com/racoon-ike/racoon/core/internal/policy"
)

// PairOf completes an outbound policy with the inbound one that mirrors it.
func (db *DB) PairOf(out Policy) Pair {
	p := Pair{Out: out}
	p.In, p.HasIn = db.counterpart(out)
	return p
}

// PairFor is a pair of policies for traffic, without templates yet.
func PairFor(s policy.Selector) Pair {
	out := outbound(s).normal()
	return Pair{Out: Policy{Key: out, Action: IPsec}, In: Policy{Key: out.mirror(), Action: IPsec}, HasIn: true}
}

// Forward is the policy for what is inside the inbound tunnel and is not for this host;
// false: there is no tunnel.
func (p Pair) Forward() (Policy, bool) {
	fwd := p.In
	fwd.Key.Dir, fwd.Index = Fwd, 0
	return fwd, slices.ContainsFunc(fwd.Templates, func(t Template) bool { return t.Mode == Tunnel })
}

// Knows reports whether some inbound policy, of whatever action, contains the traffic.
func (db *DB) Knows(s policy.Selector) bool {
	want := outbound(s).mirror().normal()
	return want.Src.IsValid() && want.Dst.IsValid() && len(db.containing(want)) > 0
}

// UsesReqID reports whether a template of some policy has the request ID.
func (db *DB) UsesReqID(id uint32) bool { return db.reqIDs[id] > 0 }

// counterpart finds the policy for the same traffic in the other direction. Marks
// may differ between directions, interfaces may not; of several it is the one of the same
// tunnel.
func (db *DB) counterpart(p Policy) (Policy, bool) {
	want := p.Key.mirror()
	if e := db.byKey[want]; e != nil {
		return e.Policy, true
	}
	same := slices.DeleteFunc(db.exact(want), func(e *entry) bool { return e.Key.IfID != want.IfID })
	src, dst, _ := p.EndPoints()
	return value(between(same, src, dst))
}

// Respond returns the policies for traffic that a peer proposes in quick mode: the
// inbound policy that says exactly the same, else the first in the kernel's order
// that contains it. Of several interfaces or marks, each of which has a policy of its
// own for it, the one whose tunnel runs from remote to local is meant; where these are
// invalid, or none does, the first. A selector wider than the policy is refused; the original
// accepted it and so let a peer claim a network that is not its own. Without a
// match the string names the policy that came closest, and why it is not it.
//
// A missing outbound policy is legal, nothing will use the outbound SA then; Out
// is the mirror of In with no request IDs.
func (db *DB) Respond(s policy.Selector, local, remote netip.Addr) (Pair, string, bool) {
	want := outbound(s).mirror().normal()
	if !want.Src.IsValid() || !want.Dst.IsValid() {
		return Pair{}, "", false
	}
	in := between(db.exact(want), local, remote)
	if in == nil {
		in = between(db.containing(want), local, remote)
	}
	if in == nil {
		return Pair{}, db.closest(want), false
	}
	if in.Action != IPsec {
		return Pair{}, fmt.Sprintf("%v does not ask for IPsec", in.Key), false
	}
	p := Pair{In: in.Policy, HasIn: true}
	var ok bool
	if p.Out, ok = db.counterpart(in.Policy); !ok {
		p.Out = reversed(in.Policy)
	}
	return p, "", true
}

// between picks from policies in the kernel's order the first whose tunnel runs from
// remote to local, or that has none. What another one of the same interface and mark hides is
// no choice.
func between(all []*entry, local, remote netip.Addr) *entry {
	for i, e := range all {
		if src, dst, ok := e.EndPoints(); ok && (src != remote || dst != local) {
			continue
		}
		if !slices.ContainsFunc(all[:i], func(o *entry) bool { return o.Key.Mark == e.Key.Mark && o.Key.IfID == e.Key.IfID }) {
			return e
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all[0]
}

// exact are the policies in order with want's selector, whatever mark and interface.
func (db *DB) exact(want Key) (all []*entry) {
	for _, e := range db.byNets[want.nets()] {
		if e.Key.Proto == want.Proto && e.Key.SrcPort == want.SrcPort && e.Key.DstPort == want.DstPort {
			all = append(all, e)
		}
	}
	return all
}

func reversed(p Policy) Policy {
	p.Key, p.Index = p.Key.mirror(), 0
	p.Templates = slices.Clone(p.Templates)
	for i, t := range p.Templates {
		p.Templates[i].Src, p.Templates[i].Dst, p.Templates[i].ReqID = t.Dst, t.Src, 0
	}
	return p
}

// Between returns the outbound IPsec policies, in the kernel's order, whose SAs run
// from local to remote: by the end points of a tunnel, in transport mode by the
// selector. An invalid local or remote means any.
func (db *DB) Between(local, remote netip.Addr) []Policy {
	var found []*entry
	for _, e := range db.byKey {
		if e.Key.Dir != Out || e.Action != IPsec {
			continue
		}
		src, dst, ok := e.EndPoints()
		if !ok {
			src, dst, ok = hosts(e.Key)
		}
		if ok && (!remote.IsValid() || dst == remote) && (!local.IsValid() || src == local) {
			found = append(found, e)
		}
	}
	slices.SortFunc(found, order)
	all := make([]Policy, len(found))
	for i, e := range found {
		all[i] = e.Policy
	}
	return all
}

// EndPoints are the outer addresses of the policy's first tunnel template; false
// where the packet's own addresses are meant.
func (p Policy) EndPoints() (src, dst netip.Addr, ok bool) {
	for _, t := range p.Templates {
		if t.Mode == Tunnel && t.Dst.IsValid() && !t.Dst.IsUnspecified() {
			return t.Src.Unmap(), t.Dst.Unmap(), true
		}
	}
	return netip.Addr{}, netip.Addr{}, false
}

func hosts(k Key) (src, dst netip.Addr, ok bool) {
	return k.Src.Addr(), k.Dst.Addr(), k.Src.IsSingleIP() && k.Dst.IsSingleIP()
}

// String is the key in the words of setkey(8): "in 10.1.0.0/16[any] 10.0.0.0/8[any] any".
func (k Key) String() string {
	s := policy.Selector{Local: k.Src, Remote: k.Dst, LocalPort: k.SrcPort, RemotePort: k.DstPort, Proto: k.Proto}.String()
	return k.Dir.String() + " " + s
}

// Selector is the traffic of the policy, from this host's side.
func (k Key) Selector() policy.Selector {
	if k.Dir == Out {
		return policy.Selector{Local: k.Src, Remote: k.Dst, LocalPort: k.SrcPort, RemotePort: k.DstPort, Proto: k.Proto}
	}
	return policy.Selector{Local: k.Dst, Remote: k.Src, LocalPort: k.DstPort, RemotePort: k.SrcPort, Proto: k.Proto}
}

func (d Direction) String() string {
	switch d {
	case In:
		return "in"
	case Out:
		return "out"
	case Fwd:
		return "fwd"
	}
	return "direction " + strconv.Itoa(int(d))
}

// closest says which inbound policy nearly contains want and what is in the way.
// It reads every policy, which only a peer that has authenticated can make it do.
func (db *DB) closest(want Key) string {
	var best *entry
	var why []string
	for _, e := range db.byKey {
		if e.Key.Dir != want.Dir || e.Action != IPsec {
			continue
		}
		diff := differences(e.Key, want)
		if len(diff) > 2 {
			continue
		}
		if best == nil || len(diff) < len(why) || len(diff) == len(why) && order(e, best) < 0 {
			best, why = e, diff
		}
	}
	if best == nil {
		return ""
	}
	s := best.Key.String() + ": " + why[0]
	if len(why) > 1 {
		s += ", " + why[1]
	}
	return s
}

func differences(k, want Key) []string {
	var d []string
	network := func(who string, have, want netip.Prefix) {
		switch {
		case have.Bits() <= want.Bits() && have.Contains(want.Addr()):
		case have.Overlaps(want):
			d = append(d, fmt.Sprintf("%s %v is wider than %v", who, want, have))
		default:
			d = append(d, fmt.Sprintf("%s %v is not in %v", who, want, have))
		}
	}
	number := func(what string, have, want uint16) {
		if have != 0 && have != want {
			d = append(d, fmt.Sprintf("%s is %s, not %s", what, orAny(want), orAny(have)))
		}
	}
	network("remote", k.Src, want.Src)
	network("local", k.Dst, want.Dst)
	number("protocol", uint16(k.Proto), uint16(want.Proto))
	number("remote port", k.SrcPort, want.SrcPort)
	number("local port", k.DstPort, want.DstPort)
	return d
}

func orAny(n uint16) string {
	if n == 0 {
		return "any"
	}
	return strconv.Itoa(int(n))
}
