package engine

import (
	"container/list"
	"net/netip"
)

// halfOpen bounds how many strangers negotiate at a time. Those that meet a
// section with a literal address may use all of it, the others leave a reserve: a
// flood from anywhere does not keep out the peers that were configured one by
// one. The oldest makes room, and one that has returned our cookie, so that its
// address is not forged, after all those that have not. Of one address so many
// unproven are kept that forging a peer's address does not lock the peer out.
type halfOpen struct {
	max, reserve, perSource int
	literal, others         strangers
	sources                 map[netip.Prefix]*list.List // unproven ones, oldest first
}

// strangers are those of one class, each list of *actor, oldest first.
type strangers struct{ unproven, proven list.List }

func (s *strangers) len() int { return s.unproven.Len() + s.proven.Len() }

func (s *strangers) oldest() *actor {
	if e := s.unproven.Front(); e != nil {
		return e.Value.(*actor)
	}
	return s.proven.Front().Value.(*actor)
}

// halfOpenPlace is where an actor stands, so that it can be moved and taken off.
type halfOpenPlace struct {
	class    *strangers // nil: nowhere
	source   netip.Prefix
	at       *list.Element
	atSource *list.Element // nil: proven
}

// admit enters an actor and returns the one that has to go for it, if any; false
// means that there is no room for it.
func (h *halfOpen) admit(a *actor, literal bool) (evicted *actor, ok bool) {
	in := &h.others
	if literal {
		in = &h.literal
	}
	source := sourceOf(a.path.Remote.Addr())
	same := h.sources[source]
	crowded := h.literal.len()+h.others.len() >= h.max
	switch {
	case same != nil && same.Len() >= h.perSource:
		evicted = same.Front().Value.(*actor)
	case h.others.len() > 0 && (crowded || !literal && h.others.len() >= h.max-h.reserve):
		evicted = h.others.oldest()
	case crowded && literal:
		evicted = h.literal.oldest()
	case crowded:
		return nil, false
	}
	if evicted != nil {
		h.remove(evicted)
	}
	if same = h.sources[source]; same == nil {
		if h.sources == nil {
			h.sources = map[netip.Prefix]*list.List{}
		}
		same = list.New()
		h.sources[source] = same
	}
	a.half = halfOpenPlace{in, source, in.unproven.PushBack(a), same.PushBack(a)}
	return evicted, true
}

// prove notes that the actor's peer has returned our cookie.
func (h *halfOpen) prove(a *actor) {
	if a.half.class == nil || a.half.atSource == nil {
		return
	}
	in := a.half.class
	h.remove(a)
	a.half = halfOpenPlace{class: in, at: in.proven.PushBack(a)}
}

// remove takes an actor off, if it is on.
func (h *halfOpen) remove(a *actor) {
	p := a.half
	a.half = halfOpenPlace{}
	switch {
	case p.class == nil:
	case p.atSource == nil:
		p.class.proven.Remove(p.at)
	default:
		p.class.unproven.Remove(p.at)
		same := h.sources[p.source]
		if same.Remove(p.atSource); same.Len() == 0 {
			delete(h.sources, p.source)
		}
	}
}
