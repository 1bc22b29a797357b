// Package plugintest is the contract of a plugin as tests: what Auth, Kernel and Log
// ask is what the engine relies on. A plugin runs as the engine runs it, over gRPC,
// in this process or from its executable:
//
//	func TestConformance(t *testing.T) {
//		plugintest.Auth(t, plugintest.Subject{Spec: psk.Spec, Config: `{"file":"testdata/psk.txt"}`}, plugintest.AuthWant{
//			Known: []plugintest.Known{{Peer: peer, PSK: []byte("secret")}},
//		})
//	}
package plugintest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/racoon-ike/racoon/core/internal/pluginhost"
	"github.com/racoon-ike/racoon/core/internal/schema"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/plugin"
)

// Subject is the plugin under test: exactly one of Spec and Path is set.
type Subject struct {
	Spec func() plugin.Spec // fresh for each check; runs in this process
	Path string             // of an executable
	Env  []string           // added to the executable's environment

	Config     string   // JSON; "" is {}
	BadConfigs []string // each must be refused with a diagnostic
	// Secrets must show up in no log line and no error.
	Secrets []string
	// Log gets what plugin and host log, too; nil: nobody.
	Log io.Writer
	// Refuses: the plugin is not finished. It says what it is and takes its
	// configuration, and refuses everything else with errs.Unsupported.
	Refuses bool

	patience time.Duration // for events; 0 is eventPatience
}

// Check is one rule of the contract. Run returns what is wrong and what to do about it,
// or a *Skipped, in its own time of at most a few seconds.
type Check struct {
	Name string
	Run  func(context.Context) error
}

// Skipped is the error of a check that says nothing about this subject.
type Skipped struct{ Why string }

func (s *Skipped) Error() string { return "skipped: " + s.Why }

func skip(format string, args ...any) error { return &Skipped{fmt.Sprintf(format, args...)} }

// T is a *testing.T, spelled so that a program that is no test can have the checks
// without the testing package.
type T[S any] interface {
	Helper()
	Run(name string, f func(S)) bool
	Context() context.Context
	Error(args ...any)
	Skip(args ...any)
}

// raceExit: a program built with the race detector sleeps a second at its end,
// which is longer than a host waits for a plugin's exit.
const raceExit = "GORACE=atexit_sleep_ms=0"

// checkTimeout bounds one check, on the slowest machine.
const checkTimeout = 2 * time.Minute

func run[S T[S]](t S, checks []Check) {
	t.Helper()
	for _, c := range checks {
		t.Run(c.Name, func(t S) {
			err := c.Run(t.Context())
			if why := (*Skipped)(nil); errors.As(err, &why) {
				t.Skip(why.Why)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

// bench is a host for one check.
type bench struct {
	*pluginhost.Host
	subject Subject
	dir     string
	kernel  kernel.Backend // the plugin's last life as it is, where a call can be cancelled
	mu      sync.Mutex
	output  bytes.Buffer
}

func (b *bench) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.subject.Log != nil {
		_, _ = b.subject.Log.Write(p)
	}
	return b.output.Write(p)
}

// on makes a check of f: a host of its own, and no secret in what comes out.
func (s Subject) on(name string, f func(context.Context, *bench) error) Check {
	return Check{name, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, checkTimeout)
		defer cancel()
		dir, err := os.MkdirTemp("", "rpt")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		b := &bench{subject: s, dir: dir}
		b.Host, err = pluginhost.New(pluginhost.Options{
			RunDir: dir, HostVersion: "conformance", Logger: slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug})),
		})
		if err != nil {
			return err
		}
		err = f(ctx, b)
		b.Close(ctx)
		if leak := b.leaks(err); leak != nil {
			return leak // instead of err, which may hold it
		}
		return err
	}}
}

func (b *bench) leaks(err error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	told := b.output.String()
	if err != nil {
		told += err.Error()
	}
	for i, secret := range b.subject.Secrets {
		if strings.Contains(told, secret) {
			return fmt.Errorf("secret %d of the subject appears in the log or in an error", i)
		}
	}
	return nil
}

// spec is how the host runs the subject.
func (s Subject) spec(kind string) pluginhost.Spec {
	h := pluginhost.Spec{Kind: kind, Name: "subject", Path: s.Path, Env: append(s.Env[:len(s.Env):len(s.Env)], raceExit), Config: json.RawMessage(s.Config), LogLevel: slog.LevelDebug - 4}
	if s.Spec != nil {
		spec := s.Spec()
		h.InProcess = &spec
	}
	return h
}

// running is what the base checks need of a started plugin.
type running interface {
	Configure(context.Context, json.RawMessage, uint64) error
	Wait(context.Context) error
	Status() pluginhost.Status
	Close(context.Context)
}

// base are the checks of the base service. start starts the subject and returns also
// a call that must work while it runs.
func (s Subject) base(kind string, start func(context.Context, *bench) (running, func(context.Context) error, error)) []Check {
	checks := []Check{
		s.on("it says what it is", func(ctx context.Context, b *bench) error {
			d, err := b.Describe(ctx, s.spec(kind))
			if err != nil {
				return err
			}
			if d.Info.Name == "" || d.Info.Version == "" || d.Info.Vendor == "" {
				return fmt.Errorf("name %q, version %q, vendor %q: none may be empty", d.Info.Name, d.Info.Version, d.Info.Vendor)
			}
			if d.Schema == nil {
				return nil
			}
			if _, err := schema.Compile(*d.Schema); err != nil {
				return fmt.Errorf("its schema cannot be read: %w", err)
			}
			return nil
		}),
		s.on("it finds nothing wrong with its configuration", func(ctx context.Context, b *bench) error {
			diags, err := b.Check(ctx, s.spec(kind))
			if err == nil && diags.HasErrors() {
				err = &pluginhost.ConfigError{Diagnostics: diags}
			}
			return err
		}),
		s.on("it runs and stops when told", func(ctx context.Context, b *bench) error {
			p, call, err := start(ctx, b)
			if err != nil {
				return err
			}
			if err := call(ctx); err != nil {
				return err
			}
			p.Close(ctx)
			if p.Status().Killed {
				return errors.New("it had to be killed: it ignores Shutdown or the end of its lifeline")
			}
			return nil
		}),
	}
	for i, bad := range s.BadConfigs {
		checks = append(checks, s.on(fmt.Sprintf("it refuses bad configuration %d and goes on with the good one", i), func(ctx context.Context, b *bench) error {
			p, call, err := start(ctx, b)
			if err != nil {
				return err
			}
			err = p.Configure(ctx, json.RawMessage(bad), 2)
			var refused *pluginhost.ConfigError
			if !errors.As(err, &refused) {
				return fmt.Errorf("it answered %v, want diagnostics with an error", err)
			}
			for _, d := range refused.Diagnostics {
				if d.Summary == "" {
					return fmt.Errorf("a diagnostic without summary: %+v", d)
				}
			}
			return call(ctx)
		}))
	}
	if s.Path != "" {
		checks = append(checks, s.on("it comes back after kill -9", func(ctx context.Context, b *bench) error {
			p, call, err := start(ctx, b)
			if err != nil {
				return err
			}
			victim, err := os.FindProcess(p.Status().PID)
			if err != nil {
				return err
			}
			if err := victim.Kill(); err != nil {
				return err
			}
			for p.Status().Restarts == 0 && ctx.Err() == nil {
				time.Sleep(time.Millisecond)
			}
			if err := p.Wait(ctx); err != nil {
				return err
			}
			return call(ctx)
		}))
	}
	return checks
}

// is checks that err has a reason.
func is(err error, want errs.Reason, what string) error {
	if e := errs.From(err); e == nil || e.Reason != want {
		return fmt.Errorf("%s: got %v, want %s", what, err, want)
	}
	return nil
}

// each runs f over items and joins what is wrong.
func each[T any](items []T, f func(T) error) error {
	var all error
	for _, i := range items {
		all = errors.Join(all, f(i))
	}
	return all
}
