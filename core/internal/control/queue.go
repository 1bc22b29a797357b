package control

import (
	"sync"

	controlv1 "github.com/racoon-ike/racoon/core/control/proto/racoon/control/v1"
)

// queue is what a monitor has yet to be told. Putting never waits: what does not
// fit is counted, and the count stands where the notices are missing.
type queue struct {
	filled chan struct{} // has a token while there is something to take

	mu      sync.Mutex
	waiting []*controlv1.MonitorResponse
	dropped uint64
}

func newQueue() *queue { return &queue{filled: make(chan struct{}, 1)} }

func (q *queue) put(n *controlv1.Notice) {
	q.mu.Lock()
	if len(q.waiting) < monitorBuf {
		q.waiting = append(q.waiting, &controlv1.MonitorResponse{What: &controlv1.MonitorResponse_Notice{Notice: n}})
	} else {
		q.dropped++
	}
	q.mu.Unlock()
	select {
	case q.filled <- struct{}{}:
	default:
	}
}

func (q *queue) take() []*controlv1.MonitorResponse {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := q.waiting
	if q.dropped > 0 {
		all = append(all, &controlv1.MonitorResponse{What: &controlv1.MonitorResponse_Dropped{Dropped: q.dropped}})
	}
	q.waiting, q.dropped = nil, 0
	return all
}
