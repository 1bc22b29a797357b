package plugintest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/racoon-ike/racoon/core/internal/pluginhost"
	"github.com/racoon-ike/racoon/core/sdk/logsink"
)

// LogWant tells where to look for what the subject wrote.
type LogWant struct {
	// Written returns what arrived so far, as text. nil: nobody can tell, and the check
	// of it is left out.
	Written func() string
}

// Log runs every check of the contract of a log plugin.
func Log[S T[S]](t S, s Subject, want LogWant) {
	t.Helper()
	run(t, LogChecks(s, want))
}

// LogChecks are the checks that Log runs.
func LogChecks(s Subject, want LogWant) []Check {
	start := func(ctx context.Context, b *bench) (*pluginhost.Log, error) {
		return b.StartLog(ctx, s.spec(pluginhost.KindLog), pluginhost.Hooks[logsink.Sink]{})
	}
	on := func(name string, f func(context.Context, *pluginhost.Log) error) Check {
		return s.on(name, func(ctx context.Context, b *bench) error {
			l, err := start(ctx, b)
			if err != nil {
				return err
			}
			return f(ctx, l)
		})
	}
	checks := s.base(pluginhost.KindLog, func(ctx context.Context, b *bench) (running, func(context.Context) error, error) {
		l, err := start(ctx, b)
		if err != nil {
			return nil, nil, err
		}
		return l, l.Flush, nil
	})
	checks = append(checks,
		on("it writes records of every level, with control characters and without attributes", func(ctx context.Context, l *pluginhost.Log) error {
			err := l.Write(ctx, logsink.Batch{Seq: 1, Records: []logsink.Record{
				record(8, "an error"), record(4, "a warning"), record(2, "a notification"), record(0, "information"),
				record(-4, "debug"), record(-8, "more debug"), record(0, ""), record(0, "two\nlines \x00 \xff"),
				{Level: 0, Msg: "no time"},
			}})
			return errors.Join(err, l.Flush(ctx))
		}),
		on("it takes a batch twice, an empty one, and one after a gap of dropped records", func(ctx context.Context, l *pluginhost.Log) error {
			b := logsink.Batch{Seq: 10, Records: []logsink.Record{record(0, "once or twice")}}
			err := errors.Join(l.Write(ctx, b), l.Write(ctx, b), l.Write(ctx, logsink.Batch{Seq: 11}))
			return errors.Join(err, l.Write(ctx, logsink.Batch{Seq: 11, Dropped: 42, Records: []logsink.Record{record(0, "after the gap")}}))
		}),
		on("it reopens and goes on", func(ctx context.Context, l *pluginhost.Log) error {
			return errors.Join(l.Reopen(ctx), l.Write(ctx, logsink.Batch{Seq: 1, Records: []logsink.Record{record(0, "after reopen")}}), l.Flush(ctx))
		}),
	)
	if want.Written == nil {
		return checks
	}
	return append(checks,
		on("what it acknowledged is written, in order", func(ctx context.Context, l *pluginhost.Log) error {
			mark := fmt.Sprintf("mark-%d-", time.Now().UnixNano())
			for i := range 3 {
				b := logsink.Batch{Seq: uint64(1 + 2*i), Records: []logsink.Record{record(4, fmt.Sprintf("%s%d", mark, 2*i)), record(4, fmt.Sprintf("%s%d", mark, 2*i+1))}}
				if err := l.Write(ctx, b); err != nil {
					return err
				}
			}
			if err := l.Flush(ctx); err != nil {
				return err
			}
			at, text := -1, want.Written()
			for i := range 6 {
				next := strings.Index(text, fmt.Sprintf("%s%d", mark, i))
				if next <= at {
					return fmt.Errorf("record %d is missing or out of order in %q", i, text)
				}
				at = next
			}
			return nil
		}),
	)
}

func record(l logsink.Level, msg string) logsink.Record {
	return logsink.Record{Time: time.Now(), Level: l, Msg: msg, Source: "engine", Attrs: []logsink.Attr{{Key: "peer", Value: "192.0.2.1"}}}
}
