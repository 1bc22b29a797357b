package policy

import (
	"net/netip"
	"slices"
)

// Sections are the remote sections of a snapshot, found by address: one look-up for
// each length of network there is, however many sections there are. The rules are
// Query's alone; what is left out here could not have fitted.
//
//	s := policy.NewSections(cfg.Remotes)
//	r, err := s.Choose(policy.Query{Addr: peer, Initiating: true})
type Sections struct {
	all      []*Remote // in file order
	literal  map[netip.Addr][]*Remote
	networks map[netip.Prefix][]*Remote
	v4, v6   []int     // lengths of networks, longest first
	open     []*Remote // without an address
}

// NewSections sorts sections by their addresses. The list is not changed.
func NewSections(remotes []*Remote) *Sections {
	s := &Sections{all: remotes, literal: map[netip.Addr][]*Remote{}, networks: map[netip.Prefix][]*Remote{}}
	for _, r := range remotes {
		switch {
		case r.Addr.IsValid():
			a := r.Addr.Unmap()
			s.literal[a] = append(s.literal[a], r)
		case r.Net.IsValid():
			n := r.Net.Masked()
			if lens := s.lengths(n.Addr()); !slices.Contains(*lens, n.Bits()) {
				*lens = append(*lens, n.Bits())
			}
			s.networks[n] = append(s.networks[n], r)
		default:
			s.open = append(s.open, r)
		}
	}
	for _, lens := range []*[]int{&s.v4, &s.v6} {
		slices.SortFunc(*lens, func(a, b int) int { return b - a })
	}
	return s
}

func (s *Sections) lengths(a netip.Addr) *[]int {
	if a.Is4() {
		return &s.v4
	}
	return &s.v6
}

// Near lists the sections an address does not rule out. The caller must not change
// the list.
func (s *Sections) Near(addr netip.Addr) []*Remote {
	if !addr.IsValid() {
		return s.all
	}
	addr = addr.Unmap()
	near := slices.Clone(s.literal[addr])
	for _, bits := range *s.lengths(addr) {
		if n, err := addr.WithZone("").Prefix(bits); err == nil {
			near = append(near, s.networks[n]...)
		}
	}
	if len(near) == 0 {
		return s.open
	}
	return append(near, s.open...)
}

// Candidates are the sections that fit, best first.
func (s *Sections) Candidates(q Query) []*Remote { return q.Candidates(s.Near(q.Addr)) }

// Choose returns the one section that fits best, as Query.Choose does.
func (s *Sections) Choose(q Query) (*Remote, error) { return q.Choose(s.Near(q.Addr)) }
