package core

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/racoon-ike/racoon/core/internal/config"
	"github.com/racoon-ike/racoon/core/internal/control"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/policy"
	sdk "github.com/racoon-ike/racoon/core/sdk/config"
	"github.com/racoon-ike/racoon/core/sdk/errs"
)

// Reload reads the configuration again and puts it into force as a whole, or not at
// all: it implements the control socket's Daemon.
func (d *racoon) Reload(ctx context.Context) (control.ReloadResult, error) {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	loaded, diags, err := d.read()
	if err != nil {
		for _, c := range diags {
			if c.Severity == config.Error {
				d.log.Error(c.String(), "code", c.Code)
			}
		}
		return d.rejected(err)
	}
	old := d.running
	cfg := d.prepare(loaded.Policy, old.Policy.Generation+1)
	changed := d.changedPlugins(loaded)
	undo, err := d.reconfigure(ctx, loaded)
	if err != nil {
		forget(loaded)
		return d.rejected(err)
	}
	d.hooks.Configure(cfg) // an SA of a new section must find its hooks
	plan, err := d.engine.Load().Reload(cfg)
	if err != nil { // it has said so itself
		d.hooks.Configure(old.Policy)
		undo()
		forget(loaded)
		return control.ReloadResult{}, err
	}
	plan.Others = append(plan.Others, changed...)
	d.running = loaded
	forget(old)
	d.findings(diags)
	found := findingTexts(diags)
	for _, text := range atNextStart(old.Policy, cfg) {
		d.log.Warn(text)
		found = append(found, text)
	}
	return control.ReloadResult{Generation: cfg.Generation, Findings: found, Plan: plan}, nil
}

// atNextStart says what of a change has to wait.
func atNextStart(a, b *policy.Config) (said []string) {
	for _, c := range []struct {
		name    string
		changed bool
	}{
		{"adminsock", a.Listen.AdminSock != b.Listen.AdminSock},
		{"path pidfile", a.Paths.PidFile != b.Paths.PidFile},
		{"path logfile", a.Paths.LogFile != b.Paths.LogFile},
	} {
		if c.changed {
			said = append(said, c.name+" has changed: that takes effect at the next start only")
		}
	}
	return said
}

// PlanReload implements control.Daemon.
func (d *racoon) PlanReload(context.Context) (control.ReloadResult, error) {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	loaded, diags, err := d.read()
	if err != nil {
		return control.ReloadResult{}, err
	}
	defer forget(loaded)
	if err = d.samePlugins(loaded); err == nil {
		err = d.acceptable(loaded)
	}
	if err != nil {
		return control.ReloadResult{}, err
	}
	old := d.running.Policy
	cfg := d.prepare(loaded.Policy, 0)
	plan := policy.NewPlan(old, cfg)
	plan.Others = append(plan.Others, d.changedPlugins(loaded)...)
	return control.ReloadResult{Generation: old.Generation, Findings: append(findingTexts(diags), atNextStart(old, cfg)...), Plan: plan}, nil
}

// read reads the configuration. The error has what is wrong in it, line by line.
func (d *racoon) read() (*config.Loaded, []config.Diagnostic, error) {
	loaded, diags, err := config.Load(d.flags.config)
	if err == nil {
		return loaded, diags, nil
	}
	var b strings.Builder
	for _, c := range diags {
		if c.Severity == config.Error {
			b.WriteString("\n" + strings.TrimSuffix(c.Text(), "\n"))
		}
	}
	return nil, diags, errs.Errorf(errs.Invalid, "%v%s", err, b.String())
}

func findingTexts(diags []config.Diagnostic) (all []string) {
	for _, c := range diags {
		all = append(all, c.Code+" "+c.String())
	}
	return all
}

func (d *racoon) rejected(err error) (control.ReloadResult, error) {
	first, _, _ := strings.Cut(errs.From(err).Msg, "\n")
	d.engine.Load().Notify(notice.Notice{Event: notice.ConfigRejected, Detail: first})
	return control.ReloadResult{}, err
}

// samePlugins says what of a configuration needs other plugins than those that run.
func (d *racoon) samePlugins(loaded *config.Loaded) error {
	specs := map[string]config.PluginSpec{}
	for _, s := range loaded.Plugins {
		specs[s.Kind+"/"+s.Name] = s
	}
	for _, p := range d.plugins {
		s, ok := specs[p.String()]
		if !ok || s.Path != p.spec.Path || s.SHA256 != p.spec.SHA256 || s.Critical != p.spec.Critical {
			return fmt.Errorf("plugin %s is another one now: that takes effect at the next start only", p)
		}
		for _, v := range environment(s) {
			if name, _, _ := strings.Cut(v, "="); !slices.Contains(p.env, v) {
				return fmt.Errorf("plugin %s is to read the variable %s now: that takes effect at the next start only", p, name)
			}
		}
		delete(specs, p.String())
	}
	for name, s := range specs {
		if s.Kind != "log" || s.Explicit() {
			return fmt.Errorf("plugin %s is new: that takes effect at the next start only", name)
		}
	}
	return nil
}

// changedPlugins names the plugins that get another configuration.
func (d *racoon) changedPlugins(loaded *config.Loaded) (names []string) {
	for _, p := range d.plugins {
		for _, s := range loaded.Plugins {
			p.mu.Lock()
			old, schema := p.spec, p.schema
			p.mu.Unlock()
			if s.Kind == p.kind && s.Name == p.name && differ(schema, old, s) {
				names = append(names, "plugin "+p.String())
			}
		}
	}
	return names
}

// differ reports whether a plugin gets something else by the one than by the other.
func differ(schema *sdk.Schema, a, b config.PluginSpec) bool {
	x, err1 := a.Decode(schema)
	y, err2 := b.Decode(schema)
	defer clear(x) // they may hold secrets
	defer clear(y)
	return err1 != nil || err2 != nil || !bytes.Equal(x, y)
}

// acceptable compares the plugins' part of a configuration with their schemas, which
// is as far as one can go without asking them.
func (d *racoon) acceptable(loaded *config.Loaded) error {
	for _, p := range d.plugins {
		for _, s := range loaded.Plugins {
			if s.Kind != p.kind || s.Name != p.name {
				continue
			}
			p.mu.Lock()
			schema := p.schema
			p.mu.Unlock()
			if _, err := s.Decode(schema); err != nil {
				return explain(p, err)
			}
		}
	}
	return nil
}

// reconfigure hands the plugins their part of a new configuration. If one refuses,
// those before it get the old one back; undo does that for all.
func (d *racoon) reconfigure(ctx context.Context, loaded *config.Loaded) (undo func(), err error) {
	if err := d.samePlugins(loaded); err != nil {
		return nil, err
	}
	var undos []func()
	undo = func() {
		for _, f := range undos {
			f()
		}
	}
	for _, p := range d.plugins {
		for _, s := range loaded.Plugins {
			if s.Kind != p.kind || s.Name != p.name {
				continue
			}
			back, err := p.change(ctx, s, loaded.Policy.Generation)
			if err != nil {
				undo()
				return nil, explain(p, err)
			}
			undos = append(undos, back)
		}
	}
	return undo, nil
}

// change gives a running plugin its part of a new configuration. One for which nothing
// is different is left alone: a new instance would miss what happens meanwhile. back
// gives it its old configuration.
func (p *plugin) change(ctx context.Context, s config.PluginSpec, generation uint64) (back func(), err error) {
	p.mu.Lock()
	old, schema := p.spec, p.schema
	p.mu.Unlock()
	swap := func(ctx context.Context, from, to config.PluginSpec, generation uint64) error {
		text, err := to.Decode(schema)
		if err != nil {
			return err
		}
		p.use(to)
		if !differ(schema, from, to) {
			clear(text)
			return nil
		}
		if err := p.running.Configure(ctx, text, generation); err != nil {
			p.use(from)
			return err
		}
		return nil
	}
	if err := swap(ctx, old, s, generation); err != nil {
		return nil, err
	}
	return func() { _ = swap(context.WithoutCancel(ctx), s, old, generation-1) }, nil
}

// use sets the configuration for the next start.
func (p *plugin) use(s config.PluginSpec) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spec = s
}
