package engine

import (
	"slices"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// succession says what becomes of the peers of each remote section when a
// configuration replaces another. Whatever there are of either, a peer costs one
// look-up by address.
type succession struct {
	plan   *policy.Plan
	now    *snapshot
	kept   map[*policy.Remote]*policy.Remote // old to new
	edited map[*policy.Remote]*policy.Remote
	before map[*policy.Remote]*policy.Remote // edited, new to old
	rivals *policy.Sections                  // those that may come first now and did not before
}

func newSuccession(p *policy.Plan, now *snapshot) *succession {
	s := &succession{plan: p, now: now, kept: make(map[*policy.Remote]*policy.Remote, len(p.Remotes.Kept)),
		edited: map[*policy.Remote]*policy.Remote{}, before: map[*policy.Remote]*policy.Remote{}}
	for _, r := range p.Remotes.Kept {
		s.kept[r.Old] = r.New
	}
	rivals := slices.Clone(p.Remotes.Added)
	for _, r := range p.Remotes.Changed {
		s.edited[r.Old], s.before[r.New] = r.New, r.Old
		rivals = append(rivals, r.New)
	}
	s.rivals = policy.NewSections(rivals)
	return s
}

// next returns a peer's new section, nil if there is none, and whether its machine
// has to be told.
func (s *succession) next(a *actor, was *policy.Remote) (next *policy.Remote, tell bool) {
	q := a.query(was)
	if next = s.kept[was]; next != nil {
		tell = s.plan.Concerns(next.Ph1ID) || a.ambiguous && s.plan.Concerns(0)
	} else if tell, next = true, s.edited[was]; next == nil {
		next = s.now.section(a, was) // removed, or it is one of an even older snapshot
	}
	if next == nil || next != s.kept[was] && (q.Rate(next) == 0 || next.LocalAddr != a.key.Local) || s.outdone(q, was, next) {
		return nil, true
	}
	return next, tell
}

// outdone reports whether the change has made another section fit the peer better.
func (s *succession) outdone(q policy.Query, was, next *policy.Remote) bool {
	return slices.ContainsFunc(s.rivals.Near(q.Addr), func(r *policy.Remote) bool {
		if r == next || q.Rate(r) <= q.Rate(next) {
			return false
		}
		old := s.before[r]
		return old == nil || q.Rate(old) <= q.Rate(was) // it came first already, and was not chosen
	})
}

// query is what is known of the peer of a machine, whose section is or was r.
func (a *actor) query(r *policy.Remote) policy.Query {
	q := policy.Query{Addr: a.path.Remote.Addr(), Local: a.path.Local.Addr()}
	if r.Addr.IsValid() && r.Addr.Zone() == "" { // the path has the zone of our own address
		q.Addr = q.Addr.WithZone("")
	}
	if id := a.key.ID; id != "" {
		q.Peer = &policy.Identity{Type: id[0], Data: []byte(id[1:])}
	}
	return q
}

// section is what a peer's section is in this snapshot: itself, one of its name that
// fits the peer, or nil.
func (s *snapshot) section(a *actor, r *policy.Remote) *policy.Remote {
	q := a.query(r)
	q.Section = r.Name
	var first *policy.Remote
	for _, o := range s.sections.Candidates(q) {
		switch {
		case o.LocalAddr != a.key.Local: // another peer's, by its key
		case o == r:
			return r
		case first == nil:
			first = o
		}
	}
	return first
}

// catchUp is for a machine that is new, or has a new SA, made under section r: a
// reload may have come between.
func (e *Engine) catchUp(a *actor, r *policy.Remote) {
	now, was := e.config.Load(), a.section.Load()
	if was != nil {
		r = was
	}
	if next := now.section(a, r); (next != r || was == nil) && a.section.CompareAndSwap(was, next) {
		a.post(mail{ev: ike.Reconfigure{Config: now.machines, Remote: next}})
	}
}
