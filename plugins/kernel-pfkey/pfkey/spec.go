package pfkey

import (
	"context"
	"fmt"
	"runtime"
	"syscall"

	"github.com/racoon-ike/racoon/core/sdk/config"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/plugin"
)

const maxBuffer = 1 << 20 // of pfkey_buffer, kB

// Spec is the plugin as its main serves it.
func Spec(version string) plugin.Spec { return spec(version, syscall.Socket) }

func spec(version string, socket socketFunc) plugin.Spec {
	lo, hi := 0.0, float64(maxBuffer)
	return plugin.Spec{
		Name: "pfkey", Version: version, Vendor: "racoon", Processors: 1,
		Schema: &config.Schema{
			Version:     1,
			Description: "Kernel IPsec over PF_KEY version 2",
			Body: config.Body{Attrs: []config.Attr{{
				Name: "pfkey_buffer", Type: "number", Default: "0", Min: &lo, Max: &hi,
				Doc: "Receive buffer of the PF_KEY socket in kB; 0 is the system's default.",
			}}},
		},
		Privileges: privileges(),
		Validate:   func(_ context.Context, v config.Value) config.Diagnostics { return check(v) },
		Kernel: func(_ context.Context, v config.Value, _ plugin.Env) (kernel.Backend, config.Diagnostics) {
			if diags := check(v); diags != nil {
				return nil, diags
			}
			return &Backend{socket: socket}, nil
		},
		Health: func(context.Context) plugin.Health {
			return plugin.Health{State: plugin.Degraded, Detail: refusal("install SAs").Error()}
		},
	}
}

func privileges() plugin.Privileges {
	if runtime.GOOS == "linux" {
		return plugin.Privileges{User: "racoon-kernel", Capabilities: []string{"CAP_NET_ADMIN"}}
	}
	return plugin.Privileges{Root: true}
}

// check looks at a configuration; nothing uses it yet.
func check(v config.Value) config.Diagnostics {
	var c struct {
		Buffer uint32 `json:"pfkey_buffer"`
	}
	if len(v.JSON) > 0 {
		if err := v.Decode(&c); err != nil {
			return config.Diagnostics{{Severity: config.Error, Summary: "the configuration is not as described by the schema", Detail: err.Error(), Code: "PFKEY001"}}
		}
	}
	if c.Buffer > maxBuffer {
		return config.Diagnostics{{
			Severity: config.Error, Path: []string{"pfkey_buffer"}, Code: "PFKEY002",
			Summary: fmt.Sprintf("pfkey_buffer of %d kB is too large", c.Buffer), Fix: fmt.Sprintf("at most %d", maxBuffer),
		}}
	}
	return nil
}
