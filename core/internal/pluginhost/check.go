package pluginhost

import (
	"context"
	"fmt"

	"github.com/racoon-ike/racoon/core/internal/plugingrpc"
	"github.com/racoon-ike/racoon/core/sdk/config"
)

// Description is what a plugin says about itself.
type Description struct {
	Info   plugingrpc.Info
	Schema *config.Schema // nil: it takes no configuration
}

// Describe starts a plugin, asks it what it is and how it is configured, and stops
// it again.
func (h *Host) Describe(ctx context.Context, s Spec) (Description, error) {
	var d Description
	err := h.visit(ctx, s, func(ctx context.Context, base *plugingrpc.BaseClient, info plugingrpc.Info) error {
		schema, err := base.Schema(ctx)
		d = Description{info, schema}
		return err
	})
	return d, err
}

// Check starts a plugin, lets it validate s's configuration without effect, and
// stops it again.
func (h *Host) Check(ctx context.Context, s Spec) (config.Diagnostics, error) {
	var diags config.Diagnostics
	err := h.visit(ctx, s, func(ctx context.Context, base *plugingrpc.BaseClient, _ plugingrpc.Info) error {
		cfg := s.Config
		if s.Decode != nil {
			schema, err := base.Schema(ctx)
			if err != nil {
				return err
			}
			if cfg, err = s.Decode(schema); err != nil {
				return err
			}
			defer clear(cfg) // it may hold secrets
		}
		var err error
		diags, err = base.Validate(ctx, orEmpty(cfg))
		return err
	})
	return diags, err
}

// orEmpty is a configuration as a plugin gets it.
func orEmpty(cfg []byte) []byte {
	if len(cfg) == 0 {
		return []byte("{}")
	}
	return cfg
}

// visit runs f on a plugin that is started for it.
func (h *Host) visit(ctx context.Context, s Spec, f func(context.Context, *plugingrpc.BaseClient, plugingrpc.Info) error) error {
	if err := s.check(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, h.timing.start)
	defer cancel()
	p, err := h.launch(ctx, &s)
	if err != nil {
		return err
	}
	defer h.destroy(p)
	base := plugingrpc.NewBaseClient(p.conn)
	info, err := base.Info(ctx, h.opts.HostVersion, []string{services[s.Kind]})
	if err == nil {
		err = understands(&s, info)
	}
	if err == nil {
		err = f(ctx, base, info)
	}
	if err != nil {
		return fmt.Errorf("plugin %s: %w", s.plugin(), explain(p, err))
	}
	h.dismiss(ctx, p, base)
	return nil
}
