package spd

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/racoon-ike/racoon/core/internal/policy"
)

// DB is the kernel's SPD. Look-ups cost the same with ten and with a hundred
// thousand policies: they try the combinations of prefix lengths in use, which
// are few, against a hash table. The zero value is empty. A DB is not safe for
// concurrent use.
type DB struct {
	byKey   map[Key]*entry
	byIndex map[uint32]*entry
	byNets  map[nets][]*entry // each in the kernel's order
	shapes  map[shape]int     // how many policies have it
	reqIDs  map[uint32]int    // how many templates have it
	arrived uint64
}

// entry is a policy with its place among those of the same priority.
type entry struct {
	Policy
	arrived uint64
}

type (
	nets struct {
		dir      Direction
		src, dst netip.Prefix
	}
	shape struct {
		dir      Direction
		v6       bool
		src, dst int // prefix lengths
	}
)

func (k Key) nets() nets { return nets{k.Dir, k.Src, k.Dst} }
func (k Key) shape() shape {
	return shape{k.Dir, k.Src.Addr().Is6(), k.Src.Bits(), k.Dst.Bits()}
}

// normal is the one spelling of a key: host bits cleared, IPv4 as IPv4.
func (k Key) normal() Key {
	k.Src, k.Dst = normal(k.Src), normal(k.Dst)
	return k
}

func normal(p netip.Prefix) netip.Prefix {
	if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	return p.Masked()
}

// mirror is the key of the same traffic in the other direction.
func (k Key) mirror() Key {
	k.Src, k.Dst, k.SrcPort, k.DstPort = k.Dst, k.Src, k.DstPort, k.SrcPort
	k.Dir = In + Out - k.Dir
	return k
}

// Len is the number of policies.
func (db *DB) Len() int { return len(db.byKey) }

// Put adds a policy, or replaces the one with its key, which keeps its place. A
// policy without valid prefixes is ignored: no traffic could match it.
func (db *DB) Put(p Policy) {
	p.Key = p.Key.normal()
	if !p.Key.Src.IsValid() || !p.Key.Dst.IsValid() {
		return
	}
	if db.byKey == nil {
		*db = DB{map[Key]*entry{}, map[uint32]*entry{}, map[nets][]*entry{}, map[shape]int{}, map[uint32]int{}, 0}
	}
	db.arrived++
	e := &entry{p, db.arrived}
	if old := db.byKey[p.Key]; old != nil {
		e.arrived = old.arrived
		db.remove(old)
	}
	db.byKey[p.Key] = e
	if p.Index != 0 {
		db.byIndex[p.Index] = e
	}
	db.shapes[p.Key.shape()]++
	for _, t := range p.Templates {
		db.reqIDs[t.ReqID]++
	}
	list := db.byNets[p.Key.nets()]
	at, _ := slices.BinarySearchFunc(list, e, order)
	db.byNets[p.Key.nets()] = slices.Insert(list, at, e)
}

// Remove deletes a policy. An unknown key is not an error.
func (db *DB) Remove(k Key) {
	if e := db.byKey[k.normal()]; e != nil {
		db.remove(e)
	}
}

// RemoveIndex deletes the policy with the kernel's number.
func (db *DB) RemoveIndex(index uint32) {
	if e := db.byIndex[index]; e != nil && index != 0 {
		db.remove(e)
	}
}

func (db *DB) remove(e *entry) {
	delete(db.byKey, e.Key)
	if db.byIndex[e.Index] == e {
		delete(db.byIndex, e.Index)
	}
	list := slices.DeleteFunc(db.byNets[e.Key.nets()], func(x *entry) bool { return x == e })
	if db.byNets[e.Key.nets()] = list; len(list) == 0 {
		delete(db.byNets, e.Key.nets())
	}
	if db.shapes[e.Key.shape()]--; db.shapes[e.Key.shape()] == 0 {
		delete(db.shapes, e.Key.shape())
	}
	for _, t := range e.Templates {
		if db.reqIDs[t.ReqID]--; db.reqIDs[t.ReqID] == 0 {
			delete(db.reqIDs, t.ReqID)
		}
	}
}

// order is the kernel's: lower priority first, then who came first.
func order(a, b *entry) int {
	return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.arrived, b.arrived))
}

// Get returns the policy with exactly this key.
func (db *DB) Get(k Key) (Policy, bool) { return value(db.byKey[k.normal()]) }

// GetIndex returns the policy with the kernel's number.
func (db *DB) GetIndex(index uint32) (Policy, bool) { return value(db.byIndex[index]) }

func value(e *entry) (Policy, bool) {
	if e == nil {
		return Policy{}, false
	}
	return e.Policy, true
}

// Packet returns the outbound policy the kernel applies to traffic of the selector.
func (db *DB) Packet(s policy.Selector) (Policy, bool) {
	return value(db.search(outbound(s)))
}

// Asking returns the outbound policy the kernel applies to traffic of the selector that
// has the mark and the interface of the SA it asks for.
func (db *DB) Asking(s policy.Selector, m Mark, ifID uint32) (Policy, bool) {
	for _, e := range db.containing(outbound(s)) {
		if e.Key.Mark == m && e.Key.IfID == ifID {
			return e.Policy, true
		}
	}
	return Policy{}, false
}

// search returns the first policy, in the kernel's order, that contains want.
func (db *DB) search(want Key) (best *entry) {
	db.each(want, func(e *entry) bool {
		if best == nil || order(e, best) < 0 {
			best = e
		}
		return false
	})
	return best
}

// containing returns the policies, in the kernel's order, that contain want.
func (db *DB) containing(want Key) (all []*entry) {
	db.each(want, func(e *entry) bool {
		all = append(all, e)
		return true
	})
	slices.SortFunc(all, order)
	return all
}

// each shows the policies that contain want: those between the same networks in the
// kernel's order, for as long as more is true.
func (db *DB) each(want Key, more func(*entry) bool) {
	want = want.normal()
	for s := range db.shapes {
		if s.dir != want.Dir || s.v6 != want.Src.Addr().Is6() || s.src > want.Src.Bits() || s.dst > want.Dst.Bits() {
			continue
		}
		at := nets{s.dir,
			netip.PrefixFrom(want.Src.Addr(), s.src).Masked(),
			netip.PrefixFrom(want.Dst.Addr(), s.dst).Masked()}
		for _, e := range db.byNets[at] {
			if covers(e.Key, want) && !more(e) {
				break
			}
		}
	}
}

// covers compares what is left when the networks fit: 0 in a policy is any, and
// any in want is more than one number in a policy.
func covers(k, want Key) bool {
	return (k.Proto == 0 || k.Proto == want.Proto) &&
		(k.SrcPort == 0 || k.SrcPort == want.SrcPort) &&
		(k.DstPort == 0 || k.DstPort == want.DstPort)
}

func outbound(s policy.Selector) Key {
	return Key{Dir: Out, Src: s.Local, Dst: s.Remote, SrcPort: s.LocalPort, DstPort: s.RemotePort, Proto: s.Proto}
}
