package pluginhost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/racoon-ike/racoon/core/internal/plugingrpc"
	"github.com/racoon-ike/racoon/core/sdk/config"
	"github.com/racoon-ike/racoon/core/sdk/errs"
)

// State of a plugin.
type State uint8

const (
	Stopped State = iota
	Starting
	Configuring
	Resyncing // its user's OnUp runs
	Healthy
	Degraded // works, says that an operator should look
	Backoff  // waits before the next start
	Failed   // critical, and died: it is not started again
)

func (s State) String() string {
	return [...]string{"stopped", "starting", "configuring", "resyncing", "healthy", "degraded", "backoff", "failed"}[s]
}

// up reports whether calls are answered in state s.
func (s State) up() bool { return s == Healthy || s == Degraded }

// Status is a plugin as an operator sees it.
type Status struct {
	Plugin   Plugin
	State    State
	Reason   string // of the state, where there is one
	Since    time.Time
	PID      int
	Restarts int
	Killed   bool // its last process did not exit by itself when told
	Info     plugingrpc.Info
	Counters map[string]int64
	Calls    uint64 // of methods whose requests are coalesced, in all lives
}

// supervisor keeps one plugin running. Its goroutine owns everything not under mu.
type supervisor struct {
	host   *Host
	plugin Plugin
	log    *slog.Logger
	// up and down are the user's side: up returns once the plugin may be called by
	// everyone, down when nobody can any more.
	up   func(life context.Context, conn grpc.ClientConnInterface, services []string) error
	down func(reason error)

	requests chan request
	stop     chan struct{} // closed by the first Close
	stopOnce sync.Once
	hurry    context.Context // ends when a graceful stop takes too long
	hurryUp  context.CancelFunc
	done     chan struct{} // closed when the plugin is gone for good

	calls atomic.Uint64

	answer chan<- error // of the request whose configuration is in force but not resynced

	mu       sync.Mutex
	spec     Spec
	status   Status
	warnings config.Diagnostics
	served   []string      // services of the configured instance
	changed  chan struct{} // closed and replaced at every change of state
}

// request asks the goroutine to configure the running plugin anew.
type request struct {
	config     json.RawMessage
	generation uint64
	answer     chan error
}

func newSupervisor(h *Host, s Spec) *supervisor {
	v := &supervisor{
		host: h, plugin: s.plugin(), log: h.opts.Logger.With("plugin", s.plugin().String()), spec: s,
		requests: make(chan request), stop: make(chan struct{}), done: make(chan struct{}), changed: make(chan struct{}),
		status: Status{Plugin: s.plugin(), Since: time.Now()},
	}
	v.hurry, v.hurryUp = context.WithCancel(context.Background())
	return v
}

// start runs the supervisor and waits for the first session to be up or to fail; a
// plugin that fails its first start is not tried again.
func (s *supervisor) start(ctx context.Context) error {
	if err := s.spec.check(); err != nil {
		return err
	}
	if err := s.host.add(s); err != nil {
		return err
	}
	first := make(chan error, 1)
	go s.run(first)
	select {
	case err := <-first:
		if err != nil {
			<-s.done // its name is free again
		}
		return err
	case <-ctx.Done():
		s.Close(ctx)
		return fmt.Errorf("start plugin %s: %w", s.plugin, ctx.Err())
	}
}

func (s *supervisor) run(first chan<- error) {
	defer close(s.done)
	defer s.host.remove(s)
	var crashes int
	for {
		var upSince time.Time
		err := s.session(func() {
			upSince = time.Now()
			if first != nil {
				first <- nil
				first = nil
			}
		})
		switch {
		case first != nil:
			s.set(Stopped, err)
			first <- err
			return
		case s.stopping():
			s.set(Stopped, nil)
			return
		case s.spec.Critical:
			s.set(Failed, err)
			return
		}
		if !upSince.IsZero() && time.Since(upSince) >= s.host.timing.steady {
			crashes = 0
		}
		s.mu.Lock()
		s.status.Restarts++
		s.mu.Unlock()
		s.set(Backoff, err)
		if !s.pause(backoff(s.host.timing, crashes)) {
			s.set(Stopped, nil)
			return
		}
		crashes++
	}
}

// backoff is the pause after the given number of crashes in a row, with jitter so
// that plugins that died together do not come back together.
func backoff(t timing, crashes int) time.Duration {
	d := t.backoffMax
	if crashes < 16 {
		d = min(d, t.backoffMin<<crashes)
	}
	return d - d/4 + rand.N(d/2+1)
}

// pause waits, and refuses requests meanwhile. It returns false when the supervisor
// shall stop.
func (s *supervisor) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return true
		case <-s.stop:
			return false
		case r := <-s.requests:
			r.answer <- s.gone()
		}
	}
}

func (s *supervisor) stopping() bool {
	select {
	case <-s.stop:
		return true
	default:
		return false
	}
}

// reply answers the request that waits for the resync, if there is one.
func (s *supervisor) reply(err error) {
	if s.answer != nil {
		s.answer <- err
		s.answer = nil
	}
}

// gone is the error of a call to a plugin that is not up.
func (s *supervisor) gone() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := errs.Errorf(errs.Unavailable, "plugin %s is %s", s.plugin, s.status.State)
	if s.status.Reason != "" {
		e.Msg += ": " + s.status.Reason
	}
	e.PluginGone = true
	return e
}

// set changes the state and tells everybody.
func (s *supervisor) set(state State, reason error) {
	text := ""
	if reason != nil {
		text = reason.Error()
	}
	s.mu.Lock()
	if s.status.State == state && s.status.Reason == text {
		s.mu.Unlock()
		return
	}
	s.status.State, s.status.Reason, s.status.Since = state, text, time.Now()
	close(s.changed)
	s.changed = make(chan struct{})
	s.mu.Unlock()
	level := slog.LevelDebug
	if state == Degraded { // Backoff and Failed are OnState's to tell
		level = slog.LevelWarn
	}
	var why []any
	if text != "" {
		why = []any{"reason", text}
	}
	s.log.Log(context.Background(), level, "plugin is "+state.String(), why...)
	s.host.opts.OnState(s.plugin, state, reason)
}

// Status of the plugin now.
func (s *supervisor) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.status
	st.Calls = s.calls.Load()
	return st
}

// Warnings of the running configuration.
func (s *supervisor) Warnings() config.Diagnostics {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.warnings
}

// Wait returns nil when the plugin is up, or ctx's error.
func (s *supervisor) Wait(ctx context.Context) error {
	for {
		s.mu.Lock()
		state, changed := s.status.State, s.changed
		s.mu.Unlock()
		if state.up() {
			return nil
		}
		select {
		case <-changed:
		case <-s.done:
			return s.gone()
		case <-ctx.Done():
			return fmt.Errorf("wait for plugin %s: %w", s.plugin, ctx.Err())
		}
	}
}

// Configure hands the running plugin a new configuration. An error leaves it
// running with the old one; a *ConfigError says what is wrong. Before it returns nil
// OnDown and OnUp have run, because streams of the old instance have ended. The same
// configuration again is not handed over. cfg is kept for restarts, and overwritten
// when the next one takes its place.
func (s *supervisor) Configure(ctx context.Context, cfg json.RawMessage, generation uint64) error {
	if s.host == nil {
		return errs.Errorf(errs.Unsupported, "%s is not a plugin of its own", s.plugin)
	}
	r := request{cfg, generation, make(chan error, 1)}
	select {
	case s.requests <- r:
	case <-s.done:
		return s.gone()
	case <-ctx.Done():
		return fmt.Errorf("configure plugin %s: %w", s.plugin, ctx.Err())
	}
	return <-r.answer
}

// Close stops the plugin, gracefully as long as ctx lasts, and returns when its
// process is gone.
func (s *supervisor) Close(ctx context.Context) {
	s.stopOnce.Do(func() { close(s.stop) })
	defer context.AfterFunc(ctx, s.hurryUp)()
	<-s.done
}

var errStop = errors.New("stopped")
