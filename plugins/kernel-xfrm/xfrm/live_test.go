//go:build linux

package xfrm

import (
	"errors"
	"log/slog"
	"testing"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/plugintest/kernellive"
)

// The live tests talk to the real kernel, in namespaces of their own: TestMain
// runs the test binary once more in them. What the kernel lacks (ESP and AH on
// many build machines) is skipped with a sentence; lab/ runs the same binary in
// User-Mode Linux, which lacks nothing. See ../README.md.
func TestMain(m *testing.M) { kernellive.Main(m) }

// live returns a backend on the real kernel whose tables are empty, now and at
// the end.
func live(t *testing.T) *Backend {
	t.Helper()
	kernellive.Need(t)
	b, err := New(Config{ReplayWindow: 64, EventBuffer: 2048}, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	kernellive.Clean(t, b)
	return b
}

// liveESP is live on a kernel that has ESP.
func liveESP(t *testing.T) (*Backend, kernel.Capabilities) {
	t.Helper()
	b := live(t)
	caps, err := b.Capabilities(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if caps.Features&kernel.FeatESP == 0 {
		t.Skipf("%s has no ESP: run this test in the lab's User-Mode Linux (README.md)", caps.Platform)
	}
	return b, caps
}

func outPolicy() *kernel.Policy {
	return &kernel.Policy{
		Key: kernel.PolicyKey{
			Dir: kernel.Out, Sel: kernel.Selector{Src: prefix("10.9.1.0/24"), Dst: prefix("10.9.2.0/24")},
		},
		Action:    kernel.ActionIPsec,
		Templates: []kernel.Template{{Proto: protoESP, Mode: kernel.ModeTunnel, Level: kernel.LevelUnique, ReqID: 77, Src: addr("10.9.1.1"), Dst: addr("10.9.3.1")}},
	}
}

var errEnough = errors.New("enough")
