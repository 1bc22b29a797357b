package logpipe

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"unicode"

	"github.com/racoon-ike/racoon/core/sdk/logsink"
)

// Lines is a sink that writes racoon's line format, for -F and -l:
//
//	2024-05-01 12:00:00: [192.0.2.1] INFO: ISAKMP-SA established cookies=…
//
// The time is local; the peer stands there without port. What a peer can put into
// a message cannot break out of its line: everything unprintable is escaped.
type Lines struct {
	open func() (io.WriteCloser, error)
	mu   sync.Mutex
}

// NewLines writes to w.
func NewLines(w io.Writer) *Lines {
	return &Lines{open: func() (io.WriteCloser, error) { return leaveOpen{w}, nil }}
}

type leaveOpen struct{ io.Writer }

func (leaveOpen) Close() error { return nil }

// NewFile appends to the file, which is created with mode 0600 and opened for each
// batch, so that it may be renamed away at any time. A symbolic link is refused.
func NewFile(path string) *Lines {
	return &Lines{open: func() (io.WriteCloser, error) {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
		if err != nil {
			return nil, fmt.Errorf("open log file: %w", err)
		}
		return f, nil
	}}
}

func (l *Lines) Write(_ context.Context, b logsink.Batch) error {
	var s strings.Builder
	if b.Dropped > 0 && len(b.Records) > 0 {
		fmt.Fprintf(&s, "%s: WARNING: %d log records were lost\n", b.Records[0].Time.Local().Format(timeFormat), b.Dropped)
	}
	for _, r := range b.Records {
		appendLine(&s, r)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	w, err := l.open()
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, s.String())
	if e := w.Close(); err == nil {
		err = e
	}
	return err
}

// Flush has nothing to do: a written line is written.
func (l *Lines) Flush(context.Context) error { return nil }

// Reopen has nothing to do: the file is opened for every batch.
func (l *Lines) Reopen(context.Context) error { return nil }

const timeFormat = "2006-01-02 15:04:05"

// levelNames are those of racoon(8).
var levelNames = [...]struct {
	from logsink.Level
	name string
}{
	{logsink.Level(slog.LevelError), "ERROR"}, {logsink.Level(slog.LevelWarn), "WARNING"}, {2, "NOTIFY"},
	{logsink.Level(slog.LevelInfo), "INFO"}, {logsink.Level(slog.LevelDebug), "DEBUG"}, {-128, "DEBUG2"},
}

func appendLine(s *strings.Builder, r logsink.Record) {
	s.WriteString(r.Time.Local().Format(timeFormat))
	s.WriteString(": ")
	for _, a := range r.Attrs {
		if a.Key == "peer" {
			s.WriteString("[" + host(a.Value) + "] ")
		}
	}
	for _, l := range levelNames {
		if r.Level >= l.from {
			s.WriteString(l.name)
			break
		}
	}
	s.WriteString(": ")
	if r.Source != "" && r.Source != "engine" {
		s.WriteString(printable(r.Source) + ": ")
	}
	s.WriteString(printable(r.Msg))
	for _, a := range r.Attrs {
		if a.Key == "peer" {
			continue
		}
		v := printable(a.Value)
		if strings.ContainsAny(v, " \"=") || v == "" {
			v = strconv.Quote(v)
		}
		s.WriteString(" " + printable(a.Key) + "=" + v)
	}
	s.WriteByte('\n')
}

// host is an address without its port.
func host(s string) string {
	if a, err := netip.ParseAddrPort(s); err == nil {
		return a.Addr().String()
	}
	return printable(s)
}

func printable(s string) string {
	clean := true
	for _, r := range s {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	q := strconv.Quote(s)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}
