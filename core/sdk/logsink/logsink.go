// Package logsink is the contract between the engine and a log plugin. The
// engine never waits for it.
package logsink

import (
	"context"
	"time"
)

type Sink interface {
	// Write delivers a batch. Batches of one sink come strictly in order, one at a
	// time. Returning nil acknowledges it; an error makes the engine keep it and
	// try again after a back-off. A batch may come twice around a crash (same Seq).
	Write(context.Context, Batch) error
	// Flush returns when everything acknowledged is as durable as it gets.
	Flush(context.Context) error
	// Reopen follows SIGHUP / log rotation.
	Reopen(context.Context) error
}
type Batch struct {
	Seq     uint64 // of the first record
	Dropped uint64 // records lost before this batch, since the last one
	Records []Record
}
type Level int8 // slog scale; racoon: error 8, warning 4, notify 2, info 0, debug -4, debug2 -8
type Record struct {
	Time   time.Time
	Level  Level
	Msg    string
	Source string // "engine", "plugin:auth/vault", "kernel"
	Attrs  []Attr
}
type Attr struct{ Key, Value string }
