package main

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/racoon-ike/racoon/core/sdk/auth"
	"github.com/racoon-ike/racoon/core/sdk/plugin"
	"github.com/racoon-ike/racoon/core/sdk/plugintest"
	"github.com/racoon-ike/racoon/plugins/auth-psk/psk"
)

// The test binary is also the plugin, when the host has started it.
func TestMain(m *testing.M) {
	if os.Getenv("RACOON_PLUGIN") != "" {
		main()
	}
	os.Exit(m.Run())
}

func TestConformance(t *testing.T) {
	peer := func(addr string) auth.PeerContext {
		return auth.PeerContext{RemoteAddr: netip.MustParseAddrPort(addr + ":500")}
	}
	path := filepath.Join(t.TempDir(), "psk.txt")
	if err := os.WriteFile(path, []byte("192.0.2.1 the first secret\n192.0.2.2 0x74686520 7365636f6e64\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	subject := plugintest.Subject{
		Config:     fmt.Sprintf(`{"file":%q}`, path),
		BadConfigs: []string{`{}`, `{"file":""}`, `{"file":"psk.txt"}`, `{"file":["x"]}`},
	}
	want := plugintest.AuthWant{
		Known:   []plugintest.Known{{Peer: peer("192.0.2.1"), PSK: []byte("the first secret")}, {Peer: peer("192.0.2.2"), PSK: []byte("the second")}},
		Unknown: []auth.PeerContext{peer("192.0.2.3")},
	}
	t.Run("in process", func(t *testing.T) {
		s := subject
		s.Spec = func() plugin.Spec { return psk.Spec("test") }
		plugintest.Auth(t, s, want)
	})
	t.Run("process", func(t *testing.T) {
		s := subject
		s.Path = self(t)
		plugintest.Auth(t, s, want)
	})
}

func self(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return exe
}
