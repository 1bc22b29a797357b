//go:build linux

package xfrm

import (
	"context"

	"github.com/racoon-ike/racoon/core/sdk/config"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/plugin"
)

// Spec is the plugin as its main serves it.
func Spec(version string) plugin.Spec {
	return plugin.Spec{
		Name: "xfrm", Version: version, Vendor: "racoon", Processors: 1,
		Schema:     Schema(),
		Privileges: plugin.Privileges{User: "racoon-kernel", Capabilities: []string{"CAP_NET_ADMIN"}, Network: true},
		Validate: func(_ context.Context, v config.Value) config.Diagnostics {
			_, diags := ParseConfig(v)
			return diags
		},
		Kernel: func(_ context.Context, v config.Value, env plugin.Env) (kernel.Backend, config.Diagnostics) {
			cfg, diags := ParseConfig(v)
			if len(diags) > 0 {
				return nil, diags
			}
			b, err := New(cfg, env.Logger)
			if err != nil {
				return nil, config.Diagnostics{{Severity: config.Error, Summary: "kernel-xfrm cannot run here", Detail: err.Error(), Code: "XFRM003"}}
			}
			return b, nil
		},
	}
}
