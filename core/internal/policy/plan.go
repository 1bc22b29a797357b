package policy

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Plan is what is different between two snapshots, by what they say: where a section
// stands in a file is no part of it, and neither is the order of remote sections.
type Plan struct {
	Remotes Changes[Remote]
	SAInfos Changes[SAInfo]
	Others  []string // the rest, by section: "timer", "padding", "listen", "paths", "log"

	everyone bool
	remoteID map[uint32]bool
}

// Changes are the sections of one kind.
type Changes[T any] struct {
	Added, Removed []*T
	Changed, Kept  []Pair[T]
}

// Pair is one section in both snapshots.
type Pair[T any] struct{ Old, New *T }

// NewPlan compares two snapshots. A remote section is known by its name, which for
// one without a name is its address; a sainfo by its header. Of several that are
// known by the same, equal ones belong together, then the others in their order.
func NewPlan(old, now *Config) *Plan {
	p := &Plan{
		Remotes: compare(old.Remotes, now.Remotes, func(r *Remote) string { return r.Name }),
		SAInfos: compare(old.SAInfos, now.SAInfos, (*SAInfo).String),
	}
	a, b := reflect.ValueOf(old).Elem(), reflect.ValueOf(now).Elem()
	for i := range a.NumField() {
		// Whatever a field is that is added one day: it is compared, and concerns everyone.
		switch name := a.Type().Field(i).Name; name {
		case "Generation", "File", "Remotes", "SAInfos":
		default:
			if !sameValue(a.Field(i), b.Field(i)) {
				p.Others = append(p.Others, strings.ToLower(name))
				p.everyone = p.everyone || name != "Log" && name != "Paths" && name != "Listen"
			}
		}
	}
	p.remoteID = changedChoices(old.SAInfos, now.SAInfos, p.SAInfos)
	return p
}

func compare[T any](old, now []*T, key func(*T) string) (c Changes[T]) {
	left := map[string][]*T{} // old ones, by what they are known by
	for _, o := range old {
		left[key(o)] = append(left[key(o)], o)
	}
	take := func(k string, i int) (o *T) {
		o = left[k][i]
		if i == 0 { // as a rule: then nothing has to move
			left[k] = left[k][1:]
		} else {
			left[k] = slices.Delete(left[k], i, i+1)
		}
		return o
	}
	var rest []*T
	for _, n := range now {
		k, found := key(n), false
		for i, o := range left[k] {
			if found = same(o, n); found {
				c.Kept = append(c.Kept, Pair[T]{take(k, i), n})
				break
			}
		}
		if !found {
			rest = append(rest, n)
		}
	}
	for _, n := range rest {
		if k := key(n); len(left[k]) > 0 {
			c.Changed = append(c.Changed, Pair[T]{take(k, 0), n})
		} else {
			c.Added = append(c.Added, n)
		}
	}
	for _, o := range old {
		if k := key(o); len(left[k]) > 0 && left[k][0] == o {
			c.Removed = append(c.Removed, take(k, 0))
		}
	}
	return c
}

// changedChoices are the values of remoteid whose sainfo sections are not the same
// list any more. The choice looks at one such list only, there is no wildcard.
func changedChoices(old, now []*SAInfo, c Changes[SAInfo]) map[uint32]bool {
	kept := make(map[*SAInfo]*SAInfo, len(c.Kept)) // new to old
	for _, s := range c.Kept {
		kept[s.New] = s.Old
	}
	left := map[uint32][]*SAInfo{}
	for _, s := range old {
		left[s.RemoteID] = append(left[s.RemoteID], s)
	}
	changed := map[uint32]bool{}
	for _, s := range now {
		id := s.RemoteID
		if len(left[id]) == 0 || left[id][0] != kept[s] {
			changed[id] = true
			continue
		}
		left[id] = left[id][1:]
	}
	for id, more := range left {
		if len(more) > 0 {
			changed[id] = true
		}
	}
	return changed
}

// Concerns reports whether a peer whose section is kept has to be told all the same:
// of what every peer goes by, or of a sainfo that can be chosen where ph1id is this.
func (p *Plan) Concerns(ph1id uint32) bool { return p.everyone || p.remoteID[ph1id] }

// ConcernsAnyone reports whether there is a ph1id that Concerns is true for.
func (p *Plan) ConcernsAnyone() bool {
	return p.everyone || len(p.remoteID) > 0
}

// Empty reports whether the snapshots say the same.
func (p *Plan) Empty() bool {
	return p.Remotes.empty() && p.SAInfos.empty() && len(p.Others) == 0
}

func (c Changes[T]) empty() bool { return len(c.Added)+len(c.Removed)+len(c.Changed) == 0 }

// String is a line for a person, with the counts.
func (p *Plan) String() string {
	if p.Empty() {
		return "nothing has changed"
	}
	var parts []string
	for _, s := range []struct {
		what  string
		count string
	}{{"remote", p.Remotes.count()}, {"sainfo", p.SAInfos.count()}, {"changed too", strings.Join(p.Others, ", ")}} {
		if s.count != "" {
			parts = append(parts, s.what+": "+s.count)
		}
	}
	return strings.Join(parts, "; ")
}

// count is "" where nothing has changed.
func (c Changes[T]) count() string {
	if c.empty() {
		return ""
	}
	var parts []string
	for _, n := range []struct {
		n    int
		what string
	}{{len(c.Added), "added"}, {len(c.Removed), "removed"}, {len(c.Changed), "changed"}, {len(c.Kept), "kept"}} {
		if n.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n.n, n.what))
		}
	}
	return strings.Join(parts, ", ")
}
