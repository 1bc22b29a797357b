package engine

import (
	"context"
	"errors"
	"reflect"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/sdk/auth"
)

// reloadTimeout bounds opening sockets for a new configuration.
const reloadTimeout = 10 * time.Second

// Reload takes a new snapshot. If its sockets cannot be had the old one stays, and
// the error says why. Only machines whose part of it has changed are told;
// negotiations under way end as they began.
func (e *Engine) Reload(cfg *policy.Config) error {
	e.reloading.Lock()
	defer e.reloading.Unlock()
	if e.closing.Load() {
		return errors.New("the daemon is ending")
	}
	ctx, cancel := context.WithTimeout(e.ctx, reloadTimeout)
	defer cancel()
	again, err := e.net.sync(ctx, cfg.Listen)
	if err != nil {
		e.notify(notice.Notice{Event: notice.ConfigRejected, Detail: err.Error()})
		return err
	}
	if again {
		e.refreshListeners()
	}
	old := e.config.Swap(cfg)
	e.log.SetLevel(cfg.Log.Level())
	rest := sameRest(old, cfg)
	for _, a := range e.registry.snapshot() {
		if a.stranger {
			continue
		}
		before, now := sectionOf(old, a), sectionOf(cfg, a)
		if !rest || before == nil || now == nil || !sameRemote(before, now) {
			a.post(mail{ev: ike.Reconfigure{Config: cfg, Remote: now}})
		}
	}
	e.notify(notice.Notice{Event: notice.ConfigLoaded, Detail: cfg.File})
	return nil
}

// sectionOf is the remote section a peer belongs to, nil if it is gone or another
// one is now closer to its address.
func sectionOf(c *policy.Config, a *actor) *policy.Remote {
	rs := named(c.RemotesFor(a.path.Remote.Addr(), 0, false), a.key.Block)
	if len(rs) == 0 {
		return nil
	}
	return rs[0]
}

// The values are compared by reflection: a field that is added one day and
// forgotten in a comparison by hand would be a reload without effect. Where a
// section stands in the file is no part of what it says.

func sameRemote(a, b *policy.Remote) bool {
	x, y := *a, *b
	x.Where, y.Where = policy.Position{}, policy.Position{}
	return reflect.DeepEqual(x, y)
}

// sameRest compares what every machine uses. Which sainfo a machine will want is
// known when a peer asks, so that all of them count.
func sameRest(a, b *policy.Config) bool {
	if a.Timer != b.Timer || a.Padding != b.Padding || len(a.SAInfos) != len(b.SAInfos) {
		return false
	}
	for i := range a.SAInfos {
		x, y := *a.SAInfos[i], *b.SAInfos[i]
		x.Where, y.Where = policy.Position{}, policy.Position{}
		if !reflect.DeepEqual(x, y) {
			return false
		}
	}
	return true
}

// AuthChanged tells all machines that an authentication plugin was configured anew:
// what they have cached of it is out of date.
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
