package psk

import (
	"context"
	"log/slog"
	"sync/atomic"

	"github.com/racoon-ike/racoon/core/sdk/auth"
	"github.com/racoon-ike/racoon/core/sdk/config"
	"github.com/racoon-ike/racoon/core/sdk/plugin"
	"github.com/racoon-ike/racoon/plugins/auth-psk/strength"
)

// Spec describes the plugin.
func Spec(version string) plugin.Spec {
	var current atomic.Pointer[Plugin]
	judge := strength.New()
	return plugin.Spec{
		Name: "psk", Version: version, Vendor: "racoon", Processors: 1,
		Schema:     schema(),
		Privileges: plugin.Privileges{User: "racoon-auth"},
		Validate: func(ctx context.Context, v config.Value) config.Diagnostics {
			p, diags := configure(v, slog.New(slog.DiscardHandler), judge, true)
			if p != nil {
				_ = p.Close(ctx)
			}
			return diags
		},
		// The SDK has called Validate with the same configuration: what is to be said
		// about keys has been said.
		Auth: func(_ context.Context, v config.Value, env plugin.Env) (auth.Authenticator, config.Diagnostics) {
			p, diags := configure(v, env.Logger, judge, false)
			if p == nil {
				return nil, diags
			}
			current.Store(p)
			return p, diags
		},
		Health: func(context.Context) plugin.Health { return health(current.Load()) },
	}
}

func schema() *config.Schema {
	return &config.Schema{
		Version:     1,
		Description: "Pre-shared keys from a psk.txt file",
		Body: config.Body{
			Attrs: []config.Attr{{
				Name: "file", Type: "string", Kind: config.FilePath,
				Doc: "The key file (path pre_shared_key of racoon.conf). It must be a regular file that belongs to root or to the plugin's user, with no permission for others. It is read again when it changes. It may be left out where every secret is a shared_secret with use.",
			}},
			Blocks: []config.Block{{
				Name: "shared_secret", Nesting: config.Map, Labels: []string{"remote"},
				Doc: "The secret of one remote section, named as in the log. It is used for the section's peers instead of what the key file has for their address or identity.",
				Body: config.Body{Attrs: []config.Attr{
					{Name: "key", Type: "string", Doc: "The entry of the key file with this identity."},
					{Name: "use", Type: "string", Kind: config.Secret, Doc: "The secret itself: \"file:/PATH\", a file that holds nothing else and is as safe as the key file, or \"env:NAME\", a variable of the daemon's environment."},
				}},
			}},
		},
	}
}

func health(p *Plugin) plugin.Health {
	if p == nil {
		return plugin.Health{State: plugin.Degraded, Detail: "not configured"}
	}
	h := plugin.Health{State: plugin.Healthy, Counters: map[string]int64{"keys": 0, "shared_secrets": int64(len(p.secrets))}}
	for _, s := range p.stores() {
		keys, err, since := s.state()
		if s == p.keys {
			h.Counters["keys"] = int64(keys)
		}
		if since.After(h.Since) && (err != nil || h.State == plugin.Healthy) {
			h.Since = since
		}
		switch {
		case err == nil || h.State == plugin.Degraded:
		case keys > 0:
			h.State, h.Detail, h.Since = plugin.Degraded, "the old keys are in use: "+err.Msg, since
		default:
			h.State, h.Detail, h.Since = plugin.Degraded, err.Msg, since
		}
	}
	return h
}

// stores are the files of an instance, the key file first.
func (p *Plugin) stores() (all []*store) {
	if p.keys != nil {
		all = append(all, p.keys)
	}
	for _, name := range sorted(p.secrets) {
		if s := p.secrets[name]; s.file != nil {
			all = append(all, s.file)
		}
	}
	return all
}
