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
	want := plugintest.KernelWant{NoSAs: noSAs, Exclusive: true, DumpKeys: `{"dump_keys":true}`, Send: plugintest.SendUDP}
	withDocumentationPath(t)
	plugintest.Kernel(t, subject, want)
}

// withDocumentationPath gives this namespace 192.0.2.1 and a route to where the checks
// send packets.
func withDocumentationPath(t *testing.T) {
	t.Helper()
	ip(t, "link add xdoc0 type veth peer name xdoc1")
	t.Cleanup(func() { ip(t, "link delete xdoc0") })
	ip(t, "addr add 192.0.2.1/24 dev xdoc0")
	ip(t, "link set xdoc1 up")
	ip(t, "link set xdoc0 up")
	ip(t, "route add 203.0.113.0/24 via 192.0.2.254 dev xdoc0")
}
