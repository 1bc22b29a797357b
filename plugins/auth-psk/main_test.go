package main

import (
	"encoding/base64"
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
	own := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(own, []byte("the third secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := base64.StdEncoding.EncodeToString([]byte("the fourth secret"))
	of := func(remote, addr string) auth.PeerContext {
		p := peer(addr)
		p.Remotes = []string{remote}
		return p
	}
	blocks := fmt.Sprintf(`"file":{"use":"file:%s"},"literal":{"use":"literal:%s"},"key":{"key":"192.0.2.2"},"gone":{"key":"nobody"}`, own, text)
	subject := plugintest.Subject{
		Config: fmt.Sprintf(`{"file":%q,"shared_secret":{%s}}`, path, blocks),
		BadConfigs: []string{`{}`, `{"file":""}`, `{"file":"psk.txt"}`, `{"file":["x"]}`, `{"shared_secret":{"x":{}}}`, `{"shared_secret":{"x":{"use":"the text"}}}`,
			`{"shared_secret":{"x":{"use":"literal:?"}}}`},
		Secrets: []string{text},
	}
	want := plugintest.AuthWant{
		Known: []plugintest.Known{
			{Peer: peer("192.0.2.1"), PSK: []byte("the first secret")}, {Peer: peer("192.0.2.2"), PSK: []byte("the second")},
			{Peer: of("file", "192.0.2.1"), PSK: []byte("the third secret")}, {Peer: of("literal", "192.0.2.9"), PSK: []byte("the fourth secret")},
			{Peer: of("key", "192.0.2.1"), PSK: []byte("the second")},
		},
		Unknown: []auth.PeerContext{peer("192.0.2.3"), of("gone", "192.0.2.1")},
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
