package main

import (
	"os"
	"testing"

	"github.com/racoon-ike/racoon/core/sdk/plugintest"
)

// The test binary is also the plugin.
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
	plugintest.Kernel(t, plugintest.Subject{
		Path:       exe,
		Config:     `{"dump_keys":false}`,
		BadConfigs: []string{`{"dump_keys":"perhaps"}`},
	}, plugintest.KernelWant{Exclusive: true, Volatile: true, DumpKeys: `{"dump_keys":true}`})
}
