//go:build linux

package pfkey

import (
	"errors"
	"log/slog"
	"testing"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/plugintest"
	"github.com/racoon-ike/racoon/core/sdk/plugintest/kernellive"
)

// The live tests talk to the real kernel, in namespaces of their own: TestMain
// runs the test binary once more in them. Without af_key they are skipped with a
// sentence; lab/ runs the same binary in User-Mode Linux, which lacks nothing.
func TestMain(m *testing.M) { kernellive.Main(m) }

// live returns a backend on the real kernel whose tables are empty, now and at
// the end, and what it can do.
func live(t *testing.T) (*Backend, kernel.Capabilities) {
	t.Helper()
	kernellive.Need(t)
	b := New(Config{DumpKeys: true}, slog.New(slog.NewTextHandler(t.Output(), nil)))
	caps, err := b.Capabilities(t.Context())
	if errors.Is(err, &errs.Error{Reason: errs.Unsupported}) {
		t.Skipf("%v: the lab's User-Mode Linux has it", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	kernellive.Clean(t, b)
	return b, caps
}

// TestConformance runs the contract's checks, over gRPC, against the real kernel.
func TestConformance(t *testing.T) {
	live(t)
	kernellive.DocumentationPath(t)
	plugintest.Kernel(t, subject(), plugintest.KernelWant{Exclusive: true, DumpKeys: `{"dump_keys":true}`, Send: plugintest.SendUDP})
}

var errEnough = errors.New("enough")
