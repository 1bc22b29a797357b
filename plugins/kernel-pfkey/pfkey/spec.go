package pfkey

import (
	"context"
	"runtime"

	"github.com/racoon-ike/racoon/core/sdk/config"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/plugin"
)

// Spec is the plugin as its main serves it.
func Spec(version string) plugin.Spec {
	return plugin.Spec{
		Name: "pfkey", Version: version, Vendor: "racoon", Processors: 1,
		Schema:     Schema(),
		Privileges: privileges(),
		Validate: func(_ context.Context, v config.Value) config.Diagnostics {
			_, diags := ParseConfig(v)
			return diags
		},
		Kernel: func(_ context.Context, v config.Value, env plugin.Env) (kernel.Backend, config.Diagnostics) {
			cfg, diags := ParseConfig(v)
			if len(diags) > 0 {
				return nil, diags
			}
			return New(cfg, env.Logger), nil
		},
	}
}

func privileges() plugin.Privileges {
	if runtime.GOOS == "linux" {
		return plugin.Privileges{User: "racoon-kernel", Capabilities: []string{"CAP_NET_ADMIN"}, Network: true}
	}
	return plugin.Privileges{Root: true, Network: true}
}
