package syslog

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/sdk/config"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/logsink"
	"github.com/racoon-ike/racoon/core/sdk/plugin"
)

// TestMain settles what the plugin takes for local time, which syslog's is.
func TestMain(m *testing.M) {
	time.Local = time.FixedZone("", 3600)
	os.Exit(m.Run())
}

var stamp = time.Date(2026, 1, 2, 2, 4, 5, 0, time.UTC) // 03:04:05 local time

func TestPacket(t *testing.T) {
	attrs := func(kv ...string) (a []logsink.Attr) {
		for i := 0; i < len(kv); i += 2 {
			a = append(a, logsink.Attr{Key: kv[i], Value: kv[i+1]})
		}
		return a
	}
	tests := []struct {
		name string
		rec  logsink.Record
		want string // without "<PRI>Jan  2 03:04:05 racoon: "
		pri  string
	}{
		{"error", logsink.Record{Level: 8, Msg: "m"}, "ERROR: m", "<27>"},
		{"above error", logsink.Record{Level: 12, Msg: "m"}, "ERROR: m", "<27>"},
		{"warning", logsink.Record{Level: 4, Msg: "m"}, "WARNING: m", "<28>"},
		{"notify", logsink.Record{Level: 2, Msg: "m"}, "NOTIFY: m", "<29>"},
		{"info", logsink.Record{Level: 0, Msg: "m"}, "INFO: m", "<30>"},
		{"between info and notify", logsink.Record{Level: 1, Msg: "m"}, "INFO: m", "<30>"},
		{"debug", logsink.Record{Level: -4, Msg: "m"}, "DEBUG: m", "<31>"},
		{"debug2", logsink.Record{Level: -8, Msg: "m"}, "DEBUG2: m", "<31>"},
		{"far below", logsink.Record{Level: -128, Msg: "m"}, "DEBUG2: m", "<31>"},
		{"plain values are not quoted", logsink.Record{Msg: "up", Attrs: attrs("peer", "192.0.2.1:500", "spi", "0x1")}, "INFO: up peer=192.0.2.1:500 spi=0x1", "<30>"},
		{"values that need it are quoted", logsink.Record{Msg: "m", Attrs: attrs("a", "", "b", "x y", "c", `q"q`, "d", "k=v", "e", `\`)}, `INFO: m a="" b="x y" c="q\"q" d="k=v" e="\\"`, "<30>"},
		{"a peer cannot begin a line of its own", logsink.Record{Msg: "id a\nJan  2 03:04:05 racoon: INFO: up", Attrs: attrs("id", "x\r\n\x00\x1b[2J")},
			`INFO: id a\nJan  2 03:04:05 racoon: INFO: up id="x\r\n\x00\x1b[2J"`, "<30>"},
		{"an escape cannot be forged", logsink.Record{Msg: `a\nb`}, `INFO: a\\nb`, "<30>"},
		{"what is not UTF-8 is shown", logsink.Record{Msg: "a\xffb", Attrs: attrs("k", "\xff")}, `INFO: a\xffb k="\xff"`, "<30>"},
		{"letters of the world are printed", logsink.Record{Msg: "größe", Attrs: attrs("k", "日本")}, "INFO: größe k=日本", "<30>"},
		{"line separators of Unicode are escaped", logsink.Record{Msg: "a\u2028b"}, `INFO: a\u2028b`, "<30>"},
		{"keys are kept in one word", logsink.Record{Msg: "m", Attrs: attrs("a b=\n", "v")}, "INFO: m a_b__=v", "<30>"},
		{"the engine is not named as source", logsink.Record{Msg: "m", Source: "engine"}, "INFO: m", "<30>"},
		{"a plugin is", logsink.Record{Msg: "m", Source: "plugin:auth/psk"}, "INFO: m source=plugin:auth/psk", "<30>"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.rec.Time = stamp
			want := tt.pri + "Jan  2 03:04:05 racoon: " + tt.want
			if d := cmp.Diff(want, string(packet(facilities["daemon"], "racoon", &tt.rec))); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestALongLineIsCutBetweenCharacters(t *testing.T) {
	for n := range 4 {
		p := packet(3, "racoon", &logsink.Record{Time: stamp, Msg: strings.Repeat("a", n) + strings.Repeat("ö", maxMessage)})
		if len(p) > maxMessage || len(p) < maxMessage-4 || !utf8.Valid(p) || !strings.HasSuffix(string(p), "...") {
			t.Errorf("%d octets, valid UTF-8 %v", len(p), utf8.Valid(p))
		}
	}
}

func FuzzPacket(f *testing.F) {
	f.Add("msg", "key", "value", "source")
	f.Add("a\nb\x00\xff", "", "x y\"", "\x7f")
	f.Fuzz(func(t *testing.T, msg, key, value, source string) {
		p := string(packet(3, "racoon", &logsink.Record{Time: stamp, Msg: msg, Source: source, Attrs: []logsink.Attr{{Key: key, Value: value}}}))
		if !strings.HasPrefix(p, "<30>Jan  2 03:04:05 racoon: INFO: ") || len(p) > maxMessage || !utf8.ValidString(p) {
			t.Fatalf("%q", p)
		}
		if i := strings.IndexFunc(p, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
			t.Fatalf("octet %d of %q is not printable", i, p)
		}
	})
}

// daemon is a syslog daemon: it listens on a datagram socket.
type daemon struct {
	path string
	conn *net.UnixConn
}

func (d *daemon) start(t *testing.T) {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: d.path})
	if err != nil {
		t.Fatal(err)
	}
	d.conn = conn
	t.Cleanup(func() { conn.Close() })
}

func (d *daemon) stop(t *testing.T) {
	t.Helper()
	d.conn.Close()
	os.Remove(d.path)
}

// wants reads messages and compares what follows the ident.
func (d *daemon) wants(t *testing.T, want ...string) {
	t.Helper()
	for _, w := range want {
		buf := make([]byte, 2*maxMessage)
		d.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		n, err := d.conn.Read(buf)
		if err != nil {
			t.Fatalf("waiting for %q: %v", w, err)
		}
		_, got, _ := strings.Cut(string(buf[:n]), "racoon: ")
		if got != w {
			t.Errorf("got %q, want %q", got, w)
		}
	}
}

func instance(t *testing.T, cfg map[string]string) (logsink.Sink, plugin.Spec) {
	t.Helper()
	v, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	spec := Spec("test")
	s, diags := spec.Log(t.Context(), config.Value{JSON: v}, plugin.Env{})
	if s == nil || len(diags) != 0 {
		t.Fatalf("no instance: %v", diags)
	}
	t.Cleanup(func() { s.(*Sink).Close(context.Background()) })
	return s, spec
}

func batch(seq uint64, msgs ...string) logsink.Batch {
	b := logsink.Batch{Seq: seq}
	for _, m := range msgs {
		b.Records = append(b.Records, logsink.Record{Time: stamp, Msg: m})
	}
	return b
}

func TestBatchesArriveInOrderWithWhatWasLost(t *testing.T) {
	d := &daemon{path: filepath.Join(t.TempDir(), "log")}
	d.start(t)
	s, spec := instance(t, map[string]string{"socket": d.path})
	if err := s.Write(t.Context(), batch(1, "a", "b")); err != nil {
		t.Fatal(err)
	}
	b := batch(10, "c")
	b.Dropped = 7
	if err := s.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	d.wants(t, "INFO: a", "INFO: b", "WARNING: 7 log records were lost before this one", "INFO: c")
	if err := s.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	if h := spec.Health(t.Context()); h.State != plugin.Healthy {
		t.Errorf("health %+v", h)
	}
}

func TestARestartOfTheSyslogDaemonLosesNothing(t *testing.T) {
	d := &daemon{path: filepath.Join(t.TempDir(), "log")}
	d.start(t)
	s, spec := instance(t, map[string]string{"socket": d.path})
	if err := s.Write(t.Context(), batch(1, "before")); err != nil {
		t.Fatal(err)
	}
	d.wants(t, "INFO: before")

	d.stop(t)
	b := batch(2, "while it is away")
	if err := s.Write(t.Context(), b); !errors.Is(err, &errs.Error{Reason: errs.Unavailable}) {
		t.Fatalf("%v, want unavailable", err)
	}
	if h := spec.Health(t.Context()); h.State != plugin.Degraded || h.Detail == "" || h.Since.IsZero() {
		t.Errorf("health %+v", h)
	}
	d.start(t)
	if err := s.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	d.wants(t, "INFO: while it is away")

	d.stop(t)
	d.start(t)
	if err := s.Write(t.Context(), batch(3, "restarted unseen")); err != nil {
		t.Fatal(err)
	}
	if err := s.Reopen(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Write(t.Context(), batch(4, "reopened")); err != nil {
		t.Fatal(err)
	}
	d.wants(t, "INFO: restarted unseen", "INFO: reopened")
	if h := spec.Health(t.Context()); h.State != plugin.Healthy {
		t.Errorf("health %+v", h)
	}
}

func TestADaemonThatDoesNotReadIsGivenUpAtTheDeadline(t *testing.T) {
	d := &daemon{path: filepath.Join(t.TempDir(), "log")}
	d.start(t)
	s, _ := instance(t, map[string]string{"socket": d.path})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	err := error(nil)
	for i := 0; err == nil && i < 100_000; i++ {
		err = s.Write(ctx, batch(uint64(i), strings.Repeat("x", 4000)))
	}
	if !errors.Is(err, &errs.Error{Reason: errs.Unavailable}) {
		t.Fatalf("%v, want unavailable", err)
	}
}

func TestTheFirstSocketThatIsThereIsUsed(t *testing.T) {
	d := &daemon{path: filepath.Join(t.TempDir(), "log")}
	d.start(t)
	s := &Sink{paths: []string{d.path + ".none", d.path}, facility: 3, ident: "racoon"}
	defer s.Close(t.Context())
	if err := s.Write(t.Context(), batch(1, "a")); err != nil {
		t.Fatal(err)
	}
	d.wants(t, "INFO: a")
}

func TestARecordWithoutTimeGetsOne(t *testing.T) {
	d := &daemon{path: filepath.Join(t.TempDir(), "log")}
	d.start(t)
	s, _ := instance(t, map[string]string{"socket": d.path})
	if err := s.Write(t.Context(), logsink.Batch{Records: []logsink.Record{{Msg: "m"}}}); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, maxMessage)
	n, err := d.conn.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	got, err := time.ParseInLocation(time.Stamp, string(buf[len("<30>"):n])[:len(time.Stamp)], time.Local)
	if now := time.Now(); err != nil || now.Sub(got.AddDate(now.Year(), 0, 0)).Abs() > time.Minute {
		t.Errorf("%q, %v: not now", buf[:n], err)
	}
}

func TestAClosedSinkTakesNothing(t *testing.T) {
	d := &daemon{path: filepath.Join(t.TempDir(), "log")}
	d.start(t)
	s, _ := instance(t, map[string]string{"socket": d.path})
	s.(*Sink).Close(t.Context())
	if err := s.Write(t.Context(), batch(1, "a")); err == nil {
		t.Error("took a record")
	}
}

func TestConfiguration(t *testing.T) {
	tests := []struct {
		name, json string
		wrong      string // name of the attribute, "" = right
		pri        string // of an info message
	}{
		{"defaults", `{}`, "", "<30>racoon"},
		{"all of it", `{"facility":"local3","ident":"vpn","socket":"/x"}`, "", "<158>vpn"},
		{"authpriv", `{"facility":"authpriv"}`, "", "<86>racoon"},
		{"an unknown facility", `{"facility":"kern"}`, "facility", ""},
		{"an empty ident", `{"ident":""}`, "ident", ""},
		{"an ident that would end early", `{"ident":"a: b"}`, "ident", ""},
		{"an ident with a newline", `{"ident":"a\nb"}`, "ident", ""},
		{"a long ident", `{"ident":"` + strings.Repeat("a", 33) + `"}`, "ident", ""},
		{"a relative socket", `{"socket":"log"}`, "socket", ""},
		{"another type", `{"ident":1}`, "-", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := config.Value{JSON: json.RawMessage(tt.json)}
			spec := Spec("test")
			diags := spec.Validate(t.Context(), v)
			s, _ := spec.Log(t.Context(), v, plugin.Env{})
			if tt.wrong != "" {
				if len(diags) != 1 || s != nil || tt.wrong != "-" && diags[0].Path[0] != tt.wrong {
					t.Errorf("diagnostics %v, instance %v", diags, s)
				}
				return
			}
			if len(diags) != 0 || s == nil {
				t.Fatalf("diagnostics %v", diags)
			}
			sink := s.(*Sink)
			got := string(packet(sink.facility, sink.ident, &logsink.Record{Time: stamp, Msg: "m"}))
			if want := strings.Replace(tt.pri, ">", ">Jan  2 03:04:05 ", 1) + ": INFO: m"; got != want {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}
