package psk

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"

	"github.com/racoon-ike/racoon/core/sdk/auth"
	"github.com/racoon-ike/racoon/core/sdk/config"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/plugin"
)

// Spec describes the plugin.
func Spec(version string) plugin.Spec {
	var current atomic.Pointer[Plugin]
	return plugin.Spec{
		Name: "psk", Version: version, Vendor: "racoon", Processors: 1,
		Schema:     schema(),
		Privileges: plugin.Privileges{User: "racoon-auth"},
		Validate: func(_ context.Context, v config.Value) config.Diagnostics {
			p, diags := configure(v, slog.New(slog.DiscardHandler))
			if p != nil {
				p.keys.close()
			}
			return diags
		},
		Auth: func(_ context.Context, v config.Value, env plugin.Env) (auth.Authenticator, config.Diagnostics) {
			p, diags := configure(v, env.Logger)
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
		Body: config.Body{Attrs: []config.Attr{{
			Name: "file", Type: "string", Kind: config.FilePath, Required: true,
			Doc: "The key file (path pre_shared_key of racoon.conf). It must be a regular file that belongs to root or to the plugin's user, with no permission for others. It is read again when it changes.",
		}}},
	}
}

// configure makes an instance. A file that cannot be taken is a warning: as with
// racoon, it may come later, and peers without pre-shared key do not need it.
func configure(v config.Value, log *slog.Logger) (*Plugin, config.Diagnostics) {
	var c struct {
		File string `json:"file"`
	}
	if err := v.Decode(&c); err != nil {
		return nil, config.Diagnostics{{Severity: config.Error, Summary: "the configuration is not as described by the schema", Detail: err.Error()}}
	}
	if !filepath.IsAbs(c.File) {
		return nil, config.Diagnostics{{Severity: config.Error, Path: []string{"file"}, Summary: "the key file needs an absolute path",
			Detail: fmt.Sprintf("%q is not one", c.File), Code: "PSK006"}}
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	keys, findings, err := open(c.File, log)
	var diags config.Diagnostics
	if err != nil {
		diags = append(diags, config.Diagnostic{Severity: config.Warning, Path: []string{"file"}, Code: code(err),
			Summary: "no pre-shared key can be used yet", Detail: err.Msg})
	}
	for _, f := range findings {
		diags = append(diags, config.Diagnostic{Severity: config.Warning, Path: []string{"file"}, Code: f.code,
			Summary: fmt.Sprintf("%s:%d: %s", c.File, f.line, f.text), Fix: f.fix})
	}
	return &Plugin{keys: keys, log: log}, diags
}

func code(err *errs.Error) string {
	if err.Reason == errs.Permission {
		return "PSK007"
	}
	return "PSK006"
}

func health(p *Plugin) plugin.Health {
	if p == nil {
		return plugin.Health{State: plugin.Degraded, Detail: "not configured"}
	}
	keys, err, since := p.keys.state()
	switch {
	case err != nil && keys > 0:
		return plugin.Health{State: plugin.Degraded, Since: since, Detail: "the old keys are in use: " + err.Msg}
	case err != nil:
		return plugin.Health{State: plugin.Degraded, Since: since, Detail: err.Msg}
	}
	return plugin.Health{State: plugin.Healthy, Since: since, Counters: map[string]int64{"keys": int64(keys)}}
}
