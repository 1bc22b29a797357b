package engine

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/sdk/auth"
)

// reloadTimeout bounds opening sockets for a new configuration.
const reloadTimeout = 10 * time.Second

// snapshot is a configuration in force, and what is derived from it.
type snapshot struct {
	*policy.Config
	sections *policy.Sections
	// machines is what machines see: all but the remote sections, of which each has its
	// own. A machine that no reload concerns keeps it for ever, and must not keep ten
	// thousand sections of the past with it.
	machines *policy.Common
	keepsUp  bool // a section asks for it
}

func newSnapshot(c *policy.Config) *snapshot {
	rest := *c
	rest.Remotes = nil
	return &snapshot{c, policy.NewSections(c.Remotes), policy.NewCommon(&rest),
		slices.ContainsFunc(c.Remotes, func(r *policy.Remote) bool { return r.KeepUp })}
}

// Reload takes a new configuration. If its sockets cannot be had the old one stays,
// and the error says why. Only machines whose part of it has changed are told;
// negotiations under way end as they began.
func (e *Engine) Reload(cfg *policy.Config) (*policy.Plan, error) {
	e.reloading.Lock()
	defer e.reloading.Unlock()
	if e.closing.Load() {
		return nil, errors.New("the daemon is ending")
	}
	ctx, cancel := context.WithTimeout(e.ctx, reloadTimeout)
	defer cancel()
	again, err := e.net.sync(ctx, cfg.Listen)
	if err != nil {
		e.notify(notice.Notice{Event: notice.ConfigRejected, Detail: err.Error()})
		return nil, err
	}
	if again {
		e.refreshListeners()
	}
	old, now := e.config.Load(), newSnapshot(cfg)
	plan := policy.NewPlan(old.Config, cfg)
	if !plan.ConcernsAnyone() {
		now.machines = old.machines
	}
	e.config.Store(now)
	e.checkLocal()
	e.checkFit()
	e.log.SetLevel(cfg.Log.Level())
	if cfg.Paths.BackupSA != old.Paths.BackupSA {
		e.record(e.backup.open(cfg.Paths.BackupSA, true))
	}
	s := newSuccession(plan, now)
	for _, a := range e.registry.snapshot() {
		was := a.section.Load()
		if a.stranger || was == nil { // it ends as it began, or has been told to end
			continue
		}
		next, tell := s.next(a, was)
		a.section.Store(next)
		if tell {
			a.post(mail{ev: ike.Reconfigure{Config: now.machines, Remote: next}})
		}
	}
	e.refreshKept()
	e.notify(notice.Notice{Event: notice.ConfigLoaded, Detail: strings.TrimPrefix(cfg.File+": "+plan.String(), ": ")})
	return plan, nil
}

// AuthChanged tells all machines that an authentication plugin is there, or has other
// keys than before: what it could not answer is asked again at once.
func (e *Engine) AuthChanged(name string) {
	e.credentials(ike.CredentialChanged{})
}

func (e *Engine) credentials(ev ike.CredentialChanged) {
	for _, a := range e.registry.snapshot() {
		a.post(mail{ev: ev})
	}
}

// watchAuth follows an authentication plugin's own news for as long as the engine
// lives; the plugin may come and go.
func (e *Engine) watchAuth(name string, a auth.Authenticator, w auth.Watcher) {
	for wait := time.Second; e.ctx.Err() == nil; wait = min(2*wait, time.Minute) {
		if caps, err := a.Capabilities(e.ctx); err == nil && !caps.Watch {
			return
		}
		began := time.Now()
		_ = w.Watch(e.ctx, func(ev auth.Event) error { // it ends with the plugin, whose supervisor says so
			switch ev.Kind {
			case auth.CredentialRevoked:
				e.credentials(ike.CredentialChanged{Credential: ev.CredentialID, Revoked: true})
			case auth.CredentialsChanged:
				e.AuthChanged(name)
			}
			return nil
		})
		if time.Since(began) > time.Minute {
			wait = time.Second
		}
		select {
		case <-time.After(wait):
		case <-e.ctx.Done():
		}
	}
}
