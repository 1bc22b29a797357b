package logpipe

import (
	"log/slog"

	"github.com/racoon-ike/racoon/core/sdk/logsink"
)

// Bounds of what waits for one sink.
const (
	MaxRecords = 8192
	MaxBytes   = 2 << 20 // of text
)

// severities are the lower bounds of the classes in which records are dropped,
// least important first: debug2, debug, info, notify, warning, error.
var severities = [...]logsink.Level{-128, logsink.Level(slog.LevelDebug), logsink.Level(slog.LevelInfo),
	2, logsink.Level(slog.LevelWarn), logsink.Level(slog.LevelError)}

// ring holds records in order of arrival and, when full, drops the oldest of the
// least important. It is not safe for concurrent use.
type ring struct {
	classes [len(severities)]queue
	arrived uint64
	records int
	bytes   int
}

// queue is a first-in-first-out list; what is before head is free.
type queue struct {
	items []item
	head  int
}

type item struct {
	logsink.Record
	arrived uint64
	bytes   int
}

// push returns how many records had to go.
func (r *ring) push(rec logsink.Record) (dropped uint64) {
	class := 0
	for class+1 < len(severities) && rec.Level >= severities[class+1] {
		class++
	}
	n := len(rec.Msg) + len(rec.Source)
	for _, a := range rec.Attrs {
		n += len(a.Key) + len(a.Value)
	}
	r.arrived++
	r.records++
	r.bytes += n
	r.classes[class].push(item{rec, r.arrived, n})
	for r.records > MaxRecords || r.bytes > MaxBytes {
		for i := range r.classes {
			if r.classes[i].len() > 0 {
				r.removed(r.classes[i].pop())
				dropped++
				break
			}
		}
	}
	return dropped
}

func (r *ring) removed(it item) {
	r.records--
	r.bytes -= it.bytes
}

// take removes up to max records, oldest first.
func (r *ring) take(max int) []logsink.Record {
	out := make([]logsink.Record, 0, min(max, r.records))
	for len(out) < max && r.records > 0 {
		oldest := -1
		for i := range r.classes {
			if r.classes[i].len() > 0 && (oldest < 0 || r.classes[i].first().arrived < r.classes[oldest].first().arrived) {
				oldest = i
			}
		}
		it := r.classes[oldest].pop()
		r.removed(it)
		out = append(out, it.Record)
	}
	return out
}

func (q *queue) len() int     { return len(q.items) - q.head }
func (q *queue) first() *item { return &q.items[q.head] }

func (q *queue) push(it item) {
	if q.head > 32 && q.head > len(q.items)/2 {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	q.items = append(q.items, it)
}

func (q *queue) pop() item {
	it := q.items[q.head]
	q.items[q.head] = item{}
	if q.head++; q.head == len(q.items) {
		*q = queue{} // an idle daemon keeps no ring
	}
	return it
}
