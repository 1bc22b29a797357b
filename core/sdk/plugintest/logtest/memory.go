// Package logtest has a log plugin that keeps its records in memory.
package logtest

import (
	"context"
	"slices"
	"sync"

	"github.com/racoon-ike/racoon/core/sdk/config"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/logsink"
	"github.com/racoon-ike/racoon/core/sdk/plugin"
)

// Memory implements logsink.Sink. Safe for concurrent use.
type Memory struct {
	// Before, if set, runs first in every method, and its error is the call's.
	Before func(ctx context.Context, method string) error

	mu      sync.Mutex
	records []logsink.Record
	next    uint64 // sequence number after the last one written
	dropped uint64
	flushes int
	reopens int
}

// Spec serves m whatever the configuration.
func (m *Memory) Spec(name string) plugin.Spec {
	return plugin.Spec{
		Name: name, Version: "0", Vendor: "racoon",
		Log: func(context.Context, config.Value, plugin.Env) (logsink.Sink, config.Diagnostics) { return m, nil },
	}
}

func (m *Memory) begin(ctx context.Context, method string) error {
	if m.Before == nil {
		return nil
	}
	return m.Before(ctx, method)
}

// Write keeps what it has not seen: a batch that comes again around a crash is
// recognised by its sequence number.
func (m *Memory) Write(ctx context.Context, b logsink.Batch) error {
	if err := m.begin(ctx, "Write"); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if b.Seq > m.next && m.next != 0 {
		return errs.Errorf(errs.Invalid, "batch %d after %d: a batch is missing", b.Seq, m.next)
	}
	if m.next == 0 {
		m.next = b.Seq
	}
	seen := min(m.next-b.Seq, uint64(len(b.Records)))
	if seen == 0 {
		m.dropped += b.Dropped
	}
	m.records = append(m.records, b.Records[seen:]...)
	m.next = max(m.next, b.Seq+uint64(len(b.Records)))
	return nil
}

func (m *Memory) Flush(ctx context.Context) error {
	if err := m.begin(ctx, "Flush"); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.flushes++
	return nil
}

func (m *Memory) Reopen(ctx context.Context) error {
	if err := m.begin(ctx, "Reopen"); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reopens++
	return nil
}

// Records written so far, each once.
func (m *Memory) Records() []logsink.Record {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.records)
}

// Counts of what else happened.
func (m *Memory) Counts() (dropped uint64, flushes, reopens int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dropped, m.flushes, m.reopens
}
