package engine

import "container/list"

// halfOpen bounds how many strangers negotiate at a time. Those that meet a
// section with a literal address may use all of it, the others leave a reserve: a
// flood from anywhere does not keep out the peers that were configured one by
// one. The oldest makes room.
type halfOpen struct {
	max, reserve    int
	literal, others list.List // of *actor, oldest first
}

// halfOpenPlace is where an actor stands, so that it can be taken off.
type halfOpenPlace struct {
	in *list.List
	at *list.Element
}

// admit enters an actor and returns the one that has to go for it, if any; false
// means that there is no room for it.
func (h *halfOpen) admit(a *actor, literal bool) (evicted *actor, ok bool) {
	in := &h.others
	if literal {
		in = &h.literal
	}
	crowded := h.literal.Len()+h.others.Len() >= h.max
	switch {
	case h.others.Len() > 0 && (crowded || !literal && h.others.Len() >= h.max-h.reserve):
		evicted = h.others.Front().Value.(*actor)
	case crowded && literal:
		evicted = h.literal.Front().Value.(*actor)
	case crowded:
		return nil, false
	}
	if evicted != nil {
		h.remove(evicted)
	}
	a.half = halfOpenPlace{in, in.PushBack(a)}
	return evicted, true
}

// remove takes an actor off, if it is on.
func (h *halfOpen) remove(a *actor) {
	if a.half.in != nil {
		a.half.in.Remove(a.half.at)
		a.half = halfOpenPlace{}
	}
}
