package logpipe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/racoon-ike/racoon/core/sdk/logsink"
)

// Pipe is where records go in. Its methods may be called from anywhere.
type Pipe struct {
	level     slog.LevelVar
	locate    atomic.Bool
	outputs   []*output
	bootstrap *output // nil: nowhere
	stop      context.CancelFunc
	running   sync.WaitGroup
}

// New starts a pipe to the sinks, of which nil ones are left out. Records below
// level are not taken. bootstrap, usually stderr, may be nil; a Write to it that
// blocks delays nobody.
func New(bootstrap io.Writer, level slog.Level, sinks ...logsink.Sink) *Pipe {
	ctx, stop := context.WithCancel(context.Background())
	p := &Pipe{stop: stop}
	p.level.Set(level)
	start := func(s logsink.Sink) *output {
		o := newOutput(s)
		p.running.Go(func() { o.run(ctx) })
		return o
	}
	if bootstrap != nil {
		p.bootstrap = start(NewLines(bootstrap))
	}
	for _, s := range sinks {
		if s != nil {
			p.outputs = append(p.outputs, start(s))
		}
	}
	return p
}

// Enabled reports whether a record of the level would be taken.
func (p *Pipe) Enabled(l slog.Level) bool { return l >= p.level.Level() }

// SetLevel changes what is taken from now on.
func (p *Pipe) SetLevel(l slog.Level) { p.level.Set(l) }

// Push hands a record over. It never blocks.
func (p *Pipe) Push(r logsink.Record) {
	if !p.Enabled(slog.Level(r.Level)) {
		return
	}
	if p.locate.Load() {
		r.Msg = location() + r.Msg
	}
	healthy := false
	for _, o := range p.outputs {
		o.push(r)
		healthy = healthy || o.healthy.Load()
	}
	if !healthy && p.bootstrap != nil && slog.Level(r.Level) >= slog.LevelWarn {
		p.bootstrap.push(r)
	}
}

// Dropped is how many records were lost to full rings.
func (p *Pipe) Dropped() (n uint64) {
	for _, o := range p.outputs {
		n += o.dropped.Load()
	}
	return n
}

// Flush waits until every sink has what was pushed before, or ctx ends.
func (p *Pipe) Flush(ctx context.Context) error {
	return p.each(func(o *output) error { return o.flush(ctx) })
}

// Reopen tells every sink that its file was rotated.
func (p *Pipe) Reopen(ctx context.Context) error {
	return p.each(func(o *output) error { return o.sink.Reopen(ctx) })
}

// each runs f for all outputs at once: a wedged sink must not keep the others
// from being flushed before ctx ends.
func (p *Pipe) each(f func(*output) error) error {
	outs := p.outputs
	if p.bootstrap != nil {
		outs = append([]*output{p.bootstrap}, outs...)
	}
	errs := make([]error, len(outs))
	var wg sync.WaitGroup
	for i, o := range outs {
		wg.Go(func() { errs[i] = f(o) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Close flushes and ends the pipe. What a sink does not take before ctx ends is
// lost; a sink that ignores its context keeps its goroutine.
func (p *Pipe) Close(ctx context.Context) error {
	err := p.Flush(ctx)
	p.stop()
	ended := make(chan struct{})
	go func() { p.running.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-ctx.Done():
		err = errors.Join(err, fmt.Errorf("log sink does not return: %w", ctx.Err()))
	}
	return err
}
