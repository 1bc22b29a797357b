package pluginhost

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	tailSize  = 4 << 10  // of stderr, told with a failed start
	lineSize  = 64 << 10 // longer lines are cut
	linesRate = 200      // per second a plugin may log on and on ...
	linesMore = 2000     // ... and in a burst
)

// stderrReader turns a plugin's stderr into log records: the SDK's JSON lines at
// their level, anything else as a warning marked raw, a Go panic as one error.
type stderrReader struct {
	log   *slog.Logger
	limit *rate.Limiter
	file  *os.File
	done  chan struct{}

	dropped int
	panic   []byte // lines of a panic, once one began

	mu   sync.Mutex
	tail []byte
}

func newStderrReader(log *slog.Logger) *stderrReader {
	return &stderrReader{log: log, limit: rate.NewLimiter(linesRate, linesMore), done: make(chan struct{})}
}

func (s *stderrReader) start(f *os.File) {
	s.file = f
	go s.run()
}

func (s *stderrReader) run() {
	defer close(s.done)
	defer s.file.Close()
	in := bufio.NewReaderSize(s.file, lineSize)
	for {
		line, err := in.ReadSlice('\n')
		if len(line) > 0 {
			s.line(line)
		}
		for err == bufio.ErrBufferFull {
			_, err = in.ReadSlice('\n')
		}
		if err != nil {
			break
		}
	}
	if s.panic != nil {
		s.log.Error("plugin panicked", "output", string(s.panic))
	}
	s.tellDropped()
}

// finish waits for the reader, which reads until deadline at most.
func (s *stderrReader) finish(deadline time.Time) {
	_ = s.file.SetReadDeadline(deadline)
	<-s.done
}

func (s *stderrReader) line(line []byte) {
	s.mu.Lock()
	s.tail = append(s.tail, line...)
	if over := len(s.tail) - tailSize; over > 0 {
		s.tail = append(s.tail[:0], s.tail[over:]...)
	}
	s.mu.Unlock()

	line = bytes.TrimRight(line, "\r\n")
	if s.panic != nil || bytes.HasPrefix(line, []byte("panic: ")) || bytes.HasPrefix(line, []byte("fatal error: ")) {
		if len(s.panic) < 2*tailSize {
			s.panic = append(append(s.panic, line...), '\n')
		}
		return
	}
	if len(line) == 0 {
		return
	}
	if !s.limit.Allow() {
		s.dropped++
		return
	}
	s.tellDropped()
	level, msg, attrs := parseLine(line)
	s.log.LogAttrs(context.Background(), level, msg, attrs...)
}

func (s *stderrReader) tellDropped() {
	if s.dropped > 0 {
		s.log.Warn("plugin logs too fast; lines dropped", "count", s.dropped)
		s.dropped = 0
	}
}

// lastWords is the end of what the process wrote.
func (s *stderrReader) lastWords() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.TrimSpace(strings.ToValidUTF8(string(s.tail), "?"))
}

// lineLevels are hclog's level names, and "notice".
var lineLevels = map[string]slog.Level{
	"error": slog.LevelError, "warn": slog.LevelWarn, "notice": slog.LevelInfo + 2,
	"info": slog.LevelInfo, "debug": slog.LevelDebug, "trace": slog.LevelDebug - 4,
}

// parseLine reads one line of stderr.
func parseLine(line []byte) (slog.Level, string, []slog.Attr) {
	var fields map[string]any
	raw := func() (slog.Level, string, []slog.Attr) {
		return slog.LevelWarn, strings.ToValidUTF8(string(line), "?"), []slog.Attr{slog.Bool("raw", true)}
	}
	if line[0] != '{' || json.Unmarshal(line, &fields) != nil {
		return raw()
	}
	name, _ := fields["@level"].(string)
	msg, ok := fields["@message"].(string)
	level, known := lineLevels[name]
	if !ok || !known {
		return raw()
	}
	var attrs []slog.Attr
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		if !strings.HasPrefix(k, "@") {
			attrs = append(attrs, slog.Any(k, fields[k]))
		}
	}
	return level, msg, attrs
}
