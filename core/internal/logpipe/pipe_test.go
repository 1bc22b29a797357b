package logpipe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/sdk/logsink"
)

// sink keeps what it is given; while it is told so it fails or wedges.
type sink struct {
	mu      sync.Mutex
	batches []logsink.Batch
	fail    error
	wedged  chan struct{} // non-nil: Write waits for it, whatever its context says
}

func (s *sink) Write(_ context.Context, b logsink.Batch) error {
	s.mu.Lock()
	w := s.wedged
	s.mu.Unlock()
	if w != nil {
		<-w
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batches = append(s.batches, b)
	return s.fail
}
func (*sink) Flush(context.Context) error  { return nil }
func (*sink) Reopen(context.Context) error { return nil }

func (s *sink) set(f func()) { s.mu.Lock(); defer s.mu.Unlock(); f() }

func (s *sink) seqs() (seqs []string) {
	s.set(func() {
		for _, b := range s.batches {
			seqs = append(seqs, fmt.Sprintf("%d+%d", b.Seq, len(b.Records)))
		}
	})
	return seqs
}

func rec(l slog.Level, msg string) logsink.Record {
	return logsink.Record{Time: time.Unix(0, 0), Level: logsink.Level(l), Msg: msg, Source: "engine"}
}

func TestRecordsTravelInBatchesOf64OrAfter50Milliseconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		p := New(nil, slog.LevelInfo, s)
		p.Push(rec(slog.LevelInfo, "lonely"))
		p.Push(rec(slog.LevelDebug, "below the level"))
		time.Sleep(49 * time.Millisecond)
		synctest.Wait()
		if got := s.seqs(); got != nil {
			t.Fatalf("sent %v before 50 ms", got)
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		for range 65 {
			p.Push(rec(slog.LevelInfo, "crowd"))
		}
		time.Sleep(50 * time.Millisecond) // the last may have come behind the full batch
		synctest.Wait()
		if diff := cmp.Diff([]string{"0+1", "1+64", "65+1"}, s.seqs()); diff != "" {
			t.Error(diff)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestARefusedBatchIsSentAgainWithItsNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{fail: errors.New("the sink is away")}
		var stderr lockedBuffer
		p := New(&stderr, slog.LevelInfo, s)
		p.Push(rec(slog.LevelInfo, "one"))
		p.Push(rec(slog.LevelWarn, "two"))
		time.Sleep(200 * time.Millisecond) // 50 ms, then two attempts 100 ms apart
		s.set(func() { s.fail = nil })
		p.Push(rec(slog.LevelError, "three"))
		time.Sleep(time.Second)
		synctest.Wait()
		p.Push(rec(slog.LevelError, "not for stderr: the sink works"))
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]string{"0+2", "0+2", "0+2", "2+1", "3+1"}, s.seqs()); diff != "" {
			t.Error(diff)
		}
		got := stderr.String()
		if !strings.Contains(got, "WARNING: two") || !strings.Contains(got, "ERROR: three") ||
			strings.Contains(got, "one") || strings.Contains(got, "sink works") {
			t.Errorf("stderr:\n%s", got)
		}
	})
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}
func (l *lockedBuffer) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }

func TestAWedgedSinkDelaysNobodyAndLosesTheLeastImportantFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wedged, fine := &sink{wedged: make(chan struct{})}, &sink{}
		p := New(nil, slog.LevelDebug, wedged, fine)
		start := time.Now()
		p.Push(rec(slog.LevelInfo, "taken by the wedged write"))
		time.Sleep(60 * time.Millisecond)
		synctest.Wait()
		for i := range 2 * MaxRecords {
			l := slog.LevelDebug
			if i%2 == 0 {
				l = slog.LevelWarn
			}
			p.Push(rec(l, fmt.Sprint(i)))
		}
		if d := time.Since(start); d != 60*time.Millisecond {
			t.Errorf("pushing took %v of simulated time", d)
		}
		if got := p.Dropped(); got < MaxRecords { // the other sink may have had no time to run either
			t.Errorf("dropped %d", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.Flush(ctx); err == nil {
			t.Error("a flush of a wedged sink succeeded")
		}
		close(wedged.wedged)
		wedged.set(func() { wedged.wedged = nil })
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
		var warnings, rest int
		var dropped uint64
		next := uint64(0)
		for _, b := range wedged.batches {
			if b.Seq != next {
				t.Fatalf("batch %d follows %d", b.Seq, next)
			}
			next += uint64(len(b.Records))
			dropped += b.Dropped
			for _, r := range b.Records {
				if r.Level == logsink.Level(slog.LevelWarn) {
					warnings++
				} else {
					rest++
				}
			}
		}
		if warnings != MaxRecords || rest != 1 || dropped != MaxRecords {
			t.Errorf("%d warnings and %d others arrived, %d reported lost", warnings, rest, dropped)
		}
	})
}

func TestTheRingIsBoundedInOctetsToo(t *testing.T) {
	var r ring
	long := strings.Repeat("x", MaxBytes/4)
	for range 100 {
		r.push(rec(slog.LevelInfo, long))
	}
	if r.bytes > MaxBytes || r.records != 3 {
		t.Errorf("%d octets in %d records", r.bytes, r.records)
	}
}

func TestLinesReadLikeRacoons(t *testing.T) {
	at := time.Date(2024, 5, 1, 12, 0, 0, 0, time.Local)
	for _, tt := range []struct {
		name string
		rec  logsink.Record
		want string
	}{
		{"a peer without port", Record(at, slog.LevelInfo, "ISAKMP-SA established", "engine",
			[]slog.Attr{slog.String("peer", "192.0.2.1:500"), slog.String("cookies", "01:02")}),
			"2024-05-01 12:00:00: [192.0.2.1] INFO: ISAKMP-SA established cookies=01:02"},
		{"an IPv6 peer", Record(at, slog.LevelWarn, "x", "engine", []slog.Attr{slog.String("peer", "[fe80::1%eth0]:500")}),
			"2024-05-01 12:00:00: [fe80::1%eth0] WARNING: x"},
		{"notify has a level of its own", Record(at, 2, "x", "engine", nil), "2024-05-01 12:00:00: NOTIFY: x"},
		{"debug2", Record(at, -8, "x", "engine", nil), "2024-05-01 12:00:00: DEBUG2: x"},
		{"another source and a group", Record(at, slog.LevelError, "x", "plugin:auth/psk", []slog.Attr{slog.Group("a", slog.Int("b", 1), slog.String("c", "d e"))}),
			`2024-05-01 12:00:00: ERROR: plugin:auth/psk: x a.b=1 a.c="d e"`},
		{"a forged line stays in its line", Record(at, slog.LevelDebug, "id \"x\"\n2024-05-01 12:00:00: INFO: fine\x1b[1m", "engine", nil),
			`2024-05-01 12:00:00: DEBUG: id "x"\n2024-05-01 12:00:00: INFO: fine\x1b[1m`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b bytes.Buffer
			if err := NewLines(&b).Write(t.Context(), logsink.Batch{Records: []logsink.Record{tt.rec}}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want+"\n", b.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestALogFileMayBeRotatedAtAnyTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "racoon.log")
	l := NewFile(path)
	write := func(msg string) {
		t.Helper()
		if err := l.Write(t.Context(), logsink.Batch{Dropped: 1, Records: []logsink.Record{rec(slog.LevelInfo, msg)}}); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	write("two")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	write("three")
	for file, want := range map[string]int{path + ".1": 4, path: 2} {
		b, err := os.ReadFile(file)
		if err != nil || strings.Count(string(b), "\n") != want || !strings.Contains(string(b), "1 log records were lost") {
			t.Errorf("%s: %v\n%s", file, err, b)
		}
	}
	if fi, _ := os.Stat(path); fi.Mode() != 0o600 {
		t.Errorf("mode %v", fi.Mode())
	}
	if err := os.Symlink(path, path+".link"); err != nil {
		t.Fatal(err)
	}
	if err := NewFile(path+".link").Write(t.Context(), logsink.Batch{}); err == nil {
		t.Error("a symbolic link was followed")
	}
}

func TestSlogReachesTheSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		p := New(nil, slog.LevelInfo, s, nil)
		log := slog.New(p.Handler("plugin:auth/psk")).With("pid", 7).WithGroup("g").With("a", 1)
		log.Debug("no")
		p.SetLevel(slog.LevelDebug)
		log.Debug("yes", "b", true)
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		r := s.batches[0].Records[0]
		want := []logsink.Attr{{Key: "pid", Value: "7"}, {Key: "g.a", Value: "1"}, {Key: "g.b", Value: "true"}}
		if diff := cmp.Diff(want, r.Attrs); diff != "" || r.Msg != "yes" || r.Source != "plugin:auth/psk" {
			t.Errorf("%s%+v", diff, r)
		}
	})
}

func BenchmarkPush(b *testing.B) {
	p := New(nil, slog.LevelInfo, &sink{wedged: make(chan struct{})})
	r := rec(slog.LevelInfo, "ISAKMP-SA established")
	for b.Loop() {
		p.Push(r)
	}
}
