// Package plugin is what a plugin's main calls.
package plugin

import (
	"context"
	"log/slog"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/auth"
	"github.com/racoon-ike/racoon/core/sdk/config"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/logsink"
)

// Spec describes one plugin. Exactly one of Auth, Kernel, Log is set. The
// factory runs at every Configure: the new instance replaces the old one only
// if it succeeds, and the old one is closed when its calls have drained.
type Spec struct {
	Name, Version, Vendor string
	Schema                *config.Schema
	Privileges            Privileges
	Validate              func(context.Context, config.Value) config.Diagnostics
	Auth                  func(context.Context, config.Value, Env) (auth.Authenticator, config.Diagnostics)
	Kernel                func(context.Context, config.Value, Env) (kernel.Backend, config.Diagnostics)
	Log                   func(context.Context, config.Value, Env) (logsink.Sink, config.Diagnostics)
	Health                func(context.Context) Health // nil: healthy
	Features              []string                     // free-form, for minor-version negotiation
	// Processors bounds how many processors the plugin computes on at once; 0: all.
	// A plugin whose calls take microseconds wants 1: with more, its threads wake each
	// other up for nothing, and drive the engine off its processors.
	Processors int
}
type Env struct {
	Logger      *slog.Logger
	StateDir    string // writable by this plugin's uid only; may be ""
	Generation  uint64
	HostVersion string
}

// Privileges is a declaration the packager and `racoon plugin describe` use; it
// grants nothing.
type Privileges struct {
	User         string
	Groups       []string
	Capabilities []string // "CAP_NET_ADMIN"
	Root         bool     // platforms without capabilities
	ReadPaths    []string
	Network      bool
}
type Health struct {
	State  HealthState
	Detail string
	Since  time.Time
	// Counters are shown to the operator under these names.
	Counters map[string]int64
}
type HealthState uint8

const (
	Healthy   HealthState = iota + 1
	Degraded              // works, operator should look
	Unhealthy             // asks to be restarted
)
