package core

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync/atomic"

	"github.com/racoon-ike/racoon/core/internal/config"
	"github.com/racoon-ike/racoon/core/internal/logpipe"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/sdk/logsink"
)

// startLog makes the log. It goes to standard output with -F, to a file with -l or
// path logfile, and else to the log plugin, which comes up later: what is logged
// before waits for it, and warnings are seen on standard error meanwhile.
func (d *racoon) startLog(cfg *policy.Config, stdout, stderr io.Writer) {
	var sinks []logsink.Sink
	if d.flags.foreground {
		sinks = append(sinks, logpipe.NewLines(stdout))
	}
	if file := or(d.flags.logFile, cfg.Paths.LogFile); file != "" {
		sinks = append(sinks, logpipe.NewFile(file))
	}
	if d.wantsLogPlugin() {
		sinks = append(sinks, &d.sink)
	}
	var bootstrap io.Writer = stderr
	if d.flags.foreground { // it is seen anyhow
		bootstrap = nil
	}
	d.pipe = logpipe.New(bootstrap, cfg.Log.Level(), sinks...)
	d.pipe.Locate(d.flags.locations)
	d.log = slog.New(d.pipe.Handler("engine"))
}

// wantsLogPlugin: always if plugins.hcl names one, else only where nothing else
// takes the log.
func (d *racoon) wantsLogPlugin() bool {
	for _, p := range d.running.Plugins {
		if p.Kind == "log" && p.Explicit() {
			return true
		}
	}
	return !d.flags.foreground && or(d.flags.logFile, d.running.Policy.Paths.LogFile) == ""
}

func (d *racoon) closeLog() {
	patience := logPatience
	if d.wantsLogPlugin() && d.sink.to.Load() == nil { // it never came up: what failed is said on stderr
		patience = 0
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_ = d.pipe.Close(ctx) // there is nowhere left to complain
}

// lateSink is a sink whose plugin is not there yet.
type lateSink struct{ to atomic.Pointer[logsink.Sink] }

var errNoSink = errors.New("the log plugin is not up yet")

func (s *lateSink) use(sink logsink.Sink) { s.to.Store(&sink) }

func (s *lateSink) each(f func(logsink.Sink) error) error {
	if to := s.to.Load(); to != nil {
		return f(*to)
	}
	return errNoSink
}

// Write implements logsink.Sink.
func (s *lateSink) Write(ctx context.Context, b logsink.Batch) error {
	return s.each(func(to logsink.Sink) error { return to.Write(ctx, b) })
}

// Flush implements logsink.Sink.
func (s *lateSink) Flush(ctx context.Context) error {
	return s.each(func(to logsink.Sink) error { return to.Flush(ctx) })
}

// Reopen implements logsink.Sink.
func (s *lateSink) Reopen(ctx context.Context) error {
	return s.each(func(to logsink.Sink) error { return to.Reopen(ctx) })
}

// findings reports what a configuration that works still gives to say.
func (d *racoon) findings(diags []config.Diagnostic) {
	e := d.engine.Load()
	for _, c := range diags {
		if c.Severity == config.Warning {
			e.Notify(notice.Notice{Event: notice.Finding, Detail: c.Code + " " + c.String()})
		} else {
			d.log.Info("note: " + c.Code + " " + c.String())
		}
	}
	for _, p := range d.plugins {
		said := map[string]bool{} // a plugin may find the same when it checks and when it starts
		for _, c := range p.located(p.running.Warnings()) {
			if text := c.Code + " " + c.String(); !said[text] {
				said[text] = true
				if c.Severity == config.Note {
					d.log.Info("note: "+text, "plugin", p.String())
					continue
				}
				e.Notify(notice.Notice{Event: notice.Finding, Plugin: p.String(), Detail: text})
			}
		}
	}
	if d.flags.dump {
		for _, r := range d.running.Policy.Remotes {
			d.log.Info("configured: " + config.Describe(r))
		}
	}
}
