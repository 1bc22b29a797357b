package pluginhost

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/racoon-ike/racoon/core/internal/plugingrpc"
	"github.com/racoon-ike/racoon/core/sdk/errs"
)

// session is one life of the plugin: start, configure, resync, watch, end. It
// returns why it ended; errStop if it was told to.
func (s *supervisor) session(isUp func()) error {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	watching := make(chan struct{})
	defer close(watching)
	go func() { // being told to stop ends whatever the start is waiting for
		select {
		case <-s.stop:
			cancel(errStop)
		case <-watching:
		}
	}()

	s.set(Starting, nil)
	startCtx, startCancel := context.WithTimeout(ctx, s.host.timing.start)
	defer startCancel()
	p, err := s.host.launch(startCtx, &s.spec)
	if err != nil {
		return err
	}
	base := plugingrpc.NewBaseClient(p.conn)
	err = explain(p, s.configureFirst(startCtx, p, base))
	for err == nil {
		err = s.upOnce(ctx, p, base, &isUp)
	}
	s.reply(err)
	s.end(p, base)
	return err
}

// reconfigured ends one stretch of being up without ending the process.
var errReconfigured = errors.New("configured anew")

// configureFirst takes a fresh process from handshake to configured.
func (s *supervisor) configureFirst(ctx context.Context, p *process, base *plugingrpc.BaseClient) error {
	info, err := base.Info(ctx, s.host.opts.HostVersion, []string{services[s.spec.Kind]})
	if err != nil {
		return fmt.Errorf("plugin %s does not answer: %w", s.plugin, err)
	}
	if err := understands(&s.spec, info); err != nil {
		return err
	}
	s.mu.Lock()
	s.status.PID, s.status.Info = p.pid, info
	s.mu.Unlock()
	s.set(Configuring, nil)
	if s.spec.Decode != nil {
		schema, err := base.Schema(ctx)
		if err != nil {
			return fmt.Errorf("plugin %s: get schema: %w", s.plugin, err)
		}
		clear(s.spec.Config) // of the last start; it may hold secrets
		if s.spec.Config, err = s.spec.Decode(schema); err != nil {
			return err
		}
	}
	return s.configure(ctx, base, &s.spec)
}

// configure hands spec's configuration over.
func (s *supervisor) configure(ctx context.Context, base *plugingrpc.BaseClient, spec *Spec) error {
	cfg := plugingrpc.Configuration{
		JSON: orEmpty(spec.Config), Generation: spec.Generation, StateDir: spec.StateDir, LogLevel: int(spec.LogLevel),
	}
	served, diags, err := base.Configure(ctx, cfg)
	if err != nil {
		return fmt.Errorf("configure plugin %s: %w", s.plugin, err)
	}
	if diags.HasErrors() {
		return &ConfigError{s.plugin, diags}
	}
	s.mu.Lock()
	s.warnings, s.served = diags, served
	s.mu.Unlock()
	return nil
}

// upOnce lets the plugin's user resync, opens the plugin to everyone and watches it.
// It returns nil if it was configured anew and goes on.
func (s *supervisor) upOnce(ctx context.Context, p *process, base *plugingrpc.BaseClient, isUp *func()) error {
	life, end := context.WithCancelCause(ctx)
	defer end(nil)
	go func() {
		select {
		case <-p.exited:
			end(p.reason())
		case <-life.Done():
		}
	}()
	s.set(Resyncing, nil)
	slow := time.AfterFunc(s.host.timing.resync, func() { end(errors.New("it takes too long")) })
	err := s.up(life, p.conn, s.served)
	slow.Stop()
	if life.Err() != nil {
		err = context.Cause(life)
	}
	if err != nil {
		s.down(err)
		return fmt.Errorf("plugin %s: resync: %w", s.plugin, err)
	}
	s.set(Healthy, nil)
	s.reply(nil)
	(*isUp)()
	*isUp = func() {}
	err = s.watch(ctx, p, base)
	end(err)
	s.down(err)
	if errors.Is(err, errReconfigured) {
		return nil
	}
	return err
}

// watch returns when the plugin died, was killed, was configured anew or shall stop.
func (s *supervisor) watch(ctx context.Context, p *process, base *plugingrpc.BaseClient) error {
	every := time.NewTicker(s.host.timing.healthEvery)
	defer every.Stop()
	for {
		select {
		case <-p.exited:
			return fmt.Errorf("plugin %s died: %w", s.plugin, p.reason())
		case <-s.stop:
			return errStop
		case r := <-s.requests:
			if bytes.Equal(r.config, s.spec.Config) {
				r.answer <- nil
				continue
			}
			if err := s.reconfigure(ctx, base, r); err != nil {
				r.answer <- err
				continue
			}
			s.answer = r.answer
			return errReconfigured
		case <-every.C:
			if err := s.checkHealth(ctx, p, base); err != nil {
				return err
			}
		}
	}
}

// reconfigure runs a request of Configure.
func (s *supervisor) reconfigure(ctx context.Context, base *plugingrpc.BaseClient, r request) error {
	next := s.spec
	next.Config, next.Generation, next.Decode = r.config, r.generation, nil
	if err := s.configure(ctx, base, &next); err != nil {
		return err
	}
	clear(s.spec.Config) // it may hold secrets
	s.spec = next
	return nil
}

// checkHealth asks the plugin how it is. One that does not answer several times in
// a row is wedged and shall be killed.
func (s *supervisor) checkHealth(ctx context.Context, p *process, base *plugingrpc.BaseClient) error {
	var err error
	for range s.host.timing.healthMisses {
		var h plugingrpc.Health
		h, err = base.Health(ctx)
		if err != nil {
			select {
			case <-p.exited:
				return fmt.Errorf("plugin %s died: %w", s.plugin, p.reason())
			case <-ctx.Done():
				return errStop
			default:
			}
			continue
		}
		s.mu.Lock()
		s.status.Counters = h.Counters
		s.mu.Unlock()
		switch h.State {
		case plugingrpc.Unhealthy:
			return fmt.Errorf("plugin %s asks to be restarted: %s", s.plugin, h.Detail)
		case plugingrpc.Degraded:
			s.set(Degraded, errors.New(h.Detail))
		default:
			s.set(Healthy, nil)
		}
		return nil
	}
	return fmt.Errorf("plugin %s does not answer its health check: %w", s.plugin, err)
}

// dyingTime is how long after a broken connection we expect to see the process end.
const dyingTime = time.Second

// explain adds what a process said last to the error of a start during which it died.
func explain(p *process, err error) error {
	if e := errs.From(err); e == nil || !e.PluginGone {
		return err
	}
	if !await(context.Background(), p.exited, dyingTime) {
		return err
	}
	return fmt.Errorf("%w; it ended with %v; its last words: %s", err, p.reason(), p.words())
}

// end stops this life's process; gracefully only if we were told to stop, because a
// plugin that failed gets no second chance.
func (s *supervisor) end(p *process, base *plugingrpc.BaseClient) {
	killed := !s.stopping() || !s.host.dismiss(s.hurry, p, base)
	s.host.destroy(p)
	s.mu.Lock()
	s.status.PID, s.status.Killed = 0, killed
	s.mu.Unlock()
}

// dismiss and then destroy stop a process in the order that cannot hang: our own
// Shutdown with a deadline, the end of the lifeline, SIGKILL, and only then
// go-plugin's clean-up. ctx cuts the graceful part short; dismiss reports whether it
// was enough.
func (h *Host) dismiss(ctx context.Context, p *process, base *plugingrpc.BaseClient) bool {
	ctx, cancel := context.WithTimeout(ctx, h.timing.grace+h.timing.exit)
	defer cancel()
	_ = base.Shutdown(ctx, h.timing.grace)
	p.leave()
	return await(ctx, p.exited, h.timing.exit)
}

func (h *Host) destroy(p *process) {
	p.kill()
	<-p.exited
	freed := make(chan struct{})
	go func() { defer close(freed); p.free() }()
	await(context.Background(), freed, h.timing.cleanup)
}

// await waits for done, at most for d or until ctx ends, and reports whether it came.
func await(ctx context.Context, done <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}
