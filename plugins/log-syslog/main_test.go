package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/racoon-ike/racoon/core/sdk/plugin"
	"github.com/racoon-ike/racoon/core/sdk/plugintest"
	"github.com/racoon-ike/racoon/plugins/log-syslog/syslog"
)

// The test binary is also the plugin, when the host has started it.
func TestMain(m *testing.M) {
	if os.Getenv("RACOON_PLUGIN") != "" {
		main()
	}
	os.Exit(m.Run())
}

func TestConformance(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bad := []string{`{"facility":"kern"}`, `{"ident":""}`, `{"socket":"log"}`, `{"socket":1}`}
	t.Run("in process", func(t *testing.T) {
		path, want := listen(t)
		spec := func() plugin.Spec { return syslog.Spec("test") }
		plugintest.Log(t, plugintest.Subject{Spec: spec, Config: fmt.Sprintf(`{"socket":%q}`, path), BadConfigs: bad}, want)
	})
	t.Run("process", func(t *testing.T) {
		path, want := listen(t)
		plugintest.Log(t, plugintest.Subject{Path: exe, Config: fmt.Sprintf(`{"socket":%q}`, path), BadConfigs: bad}, want)
	})
}

// listen is a syslog daemon that remembers everything. What it is asked for waits in
// the same queue as what it was sent.
func listen(t *testing.T) (path string, want plugintest.LogWant) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "log")
	addr := &net.UnixAddr{Net: "unixgram", Name: path}
	conn, err := net.ListenUnixgram("unixgram", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	const ask = "?"
	answers := make(chan string)
	go func() {
		var text strings.Builder
		buf := make([]byte, 64<<10)
		for {
			n, err := conn.Read(buf)
			switch {
			case err != nil:
				return
			case string(buf[:n]) == ask:
				answers <- text.String()
			default:
				text.Write(append(buf[:n], '\n'))
			}
		}
	}()
	return path, plugintest.LogWant{Written: func() string {
		if _, err := conn.WriteToUnix([]byte(ask), addr); err != nil {
			t.Error(err)
			return ""
		}
		return <-answers
	}}
}
