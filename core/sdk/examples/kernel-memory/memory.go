package main

import (
	"context"

	"github.com/racoon-ike/racoon/core/sdk/config"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/plugin"
	"github.com/racoon-ike/racoon/core/sdk/plugintest/kerneltest"
)

// backend is one configuration of the plugin. What it embeds is the kernel, which all
// configurations share: yours is a socket to the real one.
type backend struct {
	*kerneltest.Fake
	cfg settings
}

var _ kernel.Backend = (*backend)(nil)

// settings is the configuration block.
type settings struct {
	DumpKeys bool `json:"dump_keys"`
}

var schema = &config.Schema{
	Version:     1,
	Description: "a kernel in memory, as an example",
	Body: config.Body{Attrs: []config.Attr{
		{Name: "dump_keys", Type: "bool", Default: "false", Doc: "give out keys of SAs when asked; for setkey -D only"},
	}},
}

// newSpec is the plugin as main serves it. The factory runs at every configuration;
// the kernel is there before the first and after the last.
func newSpec(version string) plugin.Spec {
	memory := kerneltest.New()
	memory.Timers, memory.DumpKeys = true, true
	return plugin.Spec{
		Name: "memory", Version: version, Vendor: "racoon",
		Schema:     schema,
		Privileges: plugin.Privileges{User: "racoon-kernel"}, // and yours: Root, or Capabilities
		Validate: func(_ context.Context, v config.Value) config.Diagnostics {
			_, diags := parse(v)
			return diags
		},
		Kernel: func(_ context.Context, v config.Value, _ plugin.Env) (kernel.Backend, config.Diagnostics) {
			cfg, diags := parse(v)
			if diags.HasErrors() {
				return nil, diags
			}
			return &backend{Fake: memory, cfg: cfg}, nil
		},
	}
}

func parse(v config.Value) (settings, config.Diagnostics) {
	var s settings
	if err := v.Decode(&s); err != nil {
		return s, config.Errorf(nil, "MEMORY001", "Invalid configuration", "%v", err)
	}
	return s, nil
}

// Dump gives out keys only if it is configured so.
func (b *backend) Dump(ctx context.Context, f kernel.DumpFilter, each func(kernel.Object) error) error {
	f.WithKeys = f.WithKeys && b.cfg.DumpKeys
	return b.Fake.Dump(ctx, f, each)
}
