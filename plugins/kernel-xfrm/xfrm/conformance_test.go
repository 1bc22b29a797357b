//go:build linux

package xfrm

import (
	"testing"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/plugin"
	"github.com/racoon-ike/racoon/core/sdk/plugintest"
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
	for _, c := range plugintest.KernelChecks(subject, plugintest.KernelWant{NoSAs: noSAs}) {
		if noSAs && c.Name == "its capabilities make sense" {
			continue // it wants ESP or AH
		}
		t.Run(c.Name, func(t *testing.T) {
			if err := c.Run(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
