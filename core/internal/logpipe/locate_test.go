package logpipe

import (
	"bytes"
	"log/slog"
	"regexp"
	"testing"
)

// TestLocateNamesTheCaller and not the way the record took.
func TestLocateNamesTheCaller(t *testing.T) {
	var b bytes.Buffer
	p := New(nil, slog.LevelInfo, NewLines(&b))
	p.Locate(true)
	slog.New(p.Handler("engine")).Info("hello")
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	// This package is itself on the way, so that the caller is the test runner.
	if want := regexp.MustCompile(`INFO: testing\.go:\d+:tRunner\(\): hello\n$`); !want.MatchString(b.String()) {
		t.Errorf("got %q", b.String())
	}
}
