package pluginhost

import (
	"bytes"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"
)

// read lets a reader have text as a plugin's whole stderr.
func read(t *testing.T, text string) (*stderrReader, string) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	s := newStderrReader(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{
		Level: slog.Level(-8),
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	})))
	s.start(r)
	if _, err := w.WriteString(text); err != nil {
		t.Fatal(err)
	}
	w.Close()
	s.finish(time.Now().Add(10 * time.Second))
	return s, out.String()
}

func TestStderrBecomesLogRecords(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"a line of the SDK", `{"@level":"warn","@message":"low","n":1}`, "level=WARN msg=low n=1\n"},
		{"racoon's own levels", `{"@level":"notice","@message":"a"}` + "\n" + `{"@level":"trace","@message":"b"}`, "level=INFO+2 msg=a\nlevel=DEBUG-4 msg=b\n"},
		{"plain text", "libfoo: warning\n", "level=WARN msg=\"libfoo: warning\" raw=true\n"},
		{"foreign JSON", `{"msg":"x"}` + "\n", `level=WARN msg="{\"msg\":\"x\"}" raw=true` + "\n"},
		{"an unknown level", `{"@level":"loud","@message":"x"}`, `level=WARN msg="{\"@level\":\"loud\",\"@message\":\"x\"}" raw=true` + "\n"},
		{"an empty line", "\n", ""},
		{"a panic is one record", "panic: boom\n\ngoroutine 1 [running]:\nmain.main()\n", "level=ERROR msg=\"plugin panicked\" output=\"panic: boom\\n\\ngoroutine 1 [running]:\\nmain.main()\\n\"\n"},
		{"a line without end", "half", "level=WARN msg=half raw=true\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, got := read(t, test.text); got != test.want {
				t.Errorf("got\n%swant\n%s", got, test.want)
			}
		})
	}
}

func TestAFloodOfLinesIsCutAndCountedAndItsEndKept(t *testing.T) {
	lines := strings.Repeat("noise\n", linesMore+5000) + "last words\n"
	s, out := read(t, lines)
	if n := strings.Count(out, "noise"); n < linesMore || n > linesMore+linesRate*5 {
		t.Errorf("%d lines came through, want about %d", n, linesMore)
	}
	if !strings.Contains(out, "lines dropped") {
		t.Error("nobody says that lines were dropped")
	}
	if got := s.lastWords(); !strings.HasSuffix(got, "last words") || len(got) > tailSize {
		t.Errorf("last words of %d octets: …%q", len(got), got[max(0, len(got)-20):])
	}
	_, out = read(t, strings.Repeat("x", 3*lineSize)+"\nnext\n")
	if strings.Count(out, "x") > lineSize+100 || !strings.Contains(out, "msg=next") {
		t.Errorf("a line of %d octets gave %d octets of log", 3*lineSize, len(out))
	}
}

func FuzzParseLine(f *testing.F) {
	for _, s := range []string{"{}", "x", `{"@level":"info","@message":"m","k":[1,{"a":null}]}`, "\xff{"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		if len(line) == 0 {
			return
		}
		level, msg, attrs := parseLine(line)
		if level < -8 || level > 8 {
			t.Errorf("level %d", level)
		}
		slog.New(slog.DiscardHandler).LogAttrs(t.Context(), level, msg, attrs...)
	})
}
