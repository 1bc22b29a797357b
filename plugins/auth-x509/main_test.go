package main

import (
	"os"
	"testing"

	"github.com/racoon-ike/racoon/core/sdk/plugin"
	"github.com/racoon-ike/racoon/core/sdk/plugintest"
	"github.com/racoon-ike/racoon/plugins/auth-x509/x509"
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
	bad := []string{`{"directory":"certs"}`, `{"directory":"/nonexistent"}`, `{"directory":1}`}
	t.Run("in process", func(t *testing.T) {
		spec := func() plugin.Spec { return x509.Spec("test") }
		plugintest.Auth(t, plugintest.Subject{Spec: spec, BadConfigs: bad, Refuses: true}, plugintest.AuthWant{})
	})
	t.Run("process", func(t *testing.T) {
		plugintest.Auth(t, plugintest.Subject{Path: exe, BadConfigs: bad, Refuses: true}, plugintest.AuthWant{})
	})
}
