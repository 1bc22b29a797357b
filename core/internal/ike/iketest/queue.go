package iketest

import "time"

// task is something that happens at a time.
type task struct {
	at     time.Duration
	serial uint64 // of two at one time the one planned first
	f      func()
}

func (t task) before(o task) bool { return t.at < o.at || t.at == o.at && t.serial < o.serial }

// queue is a heap of tasks, the next one first.
type queue []task

func (q *queue) push(t task) {
	h := append(*q, t)
	i := len(h) - 1
	for up := (i - 1) / 2; i > 0 && t.before(h[up]); i, up = up, (up-1)/2 {
		h[i] = h[up]
	}
	h[i] = t
	*q = h
}

func (q *queue) pop() task {
	h := *q
	first, last := h[0], h[len(h)-1]
	h[len(h)-1] = task{} // nothing keeps what it refers to alive
	h = h[:len(h)-1]
	*q = h
	i := 0
	for down := 1; down < len(h); i, down = down, 2*down+1 {
		if down+1 < len(h) && h[down+1].before(h[down]) {
			down++
		}
		if !h[down].before(last) {
			break
		}
		h[i] = h[down]
	}
	if len(h) > 0 {
		h[i] = last
	}
	return first
}
