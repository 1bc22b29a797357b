//go:build linux

package xfrm

import (
	"testing"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/plugin"
	"github.com/racoon-ike/racoon/core/sdk/plugintest"
	"github.com/racoon-ike/racoon/core/sdk/plugintest/kernellive"
)

// TestConformance runs the contract's checks, over gRPC, against the real kernel.
func TestConformance(t *testing.T) {
	caps, err := live(t).Capabilities(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	noSAs := caps.Features&kernel.FeatESP == 0
	subject := plugintest.Subject{
		Spec:       func() plugin.Spec { return Spec("test") },
		Config:     `{"replay_window":128}`,
		BadConfigs: []string{`{"replay_window":0}`, `{"event_buffer":"big"}`},
	}
	want := plugintest.KernelWant{NoSAs: noSAs, Exclusive: true, DumpKeys: `{"dump_keys":true}`, Send: plugintest.SendUDP}
	kernellive.DocumentationPath(t)
	plugintest.Kernel(t, subject, want)
}
