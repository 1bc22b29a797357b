package core

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/racoon-ike/racoon/core/internal/config"
	"github.com/racoon-ike/racoon/core/internal/pluginhost"
	"github.com/racoon-ike/racoon/core/sdk/auth"
	sdk "github.com/racoon-ike/racoon/core/sdk/config"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/logsink"
)

// plugin is one plugin we run, with the configuration it shall have at its next
// start: that of the last reload, not that of the first start.
type plugin struct {
	kind, name string
	running    interface {
		Configure(context.Context, json.RawMessage, uint64) error
		Warnings() sdk.Diagnostics
		Close(context.Context)
	}
	auth   *pluginhost.Auth
	kernel *pluginhost.Kernel

	env []string // its environment, the same as long as we live

	mu     sync.Mutex
	spec   config.PluginSpec
	schema *sdk.Schema // as the plugin declared it at its last start
}

func (p *plugin) String() string { return p.kind + "/" + p.name }

// decode is called at each start of the plugin.
func (p *plugin) decode(schema *sdk.Schema) (json.RawMessage, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.schema = schema
	return p.spec.Decode(schema)
}

// startPlugins starts what the configuration asks for, the log first.
func (d *racoon) startPlugins(ctx context.Context) error {
	for _, kind := range []string{pluginhost.KindLog, pluginhost.KindKernel, pluginhost.KindAuth} {
		for _, s := range d.running.Plugins {
			if s.Kind != kind || kind == pluginhost.KindLog && !d.wantsLogPlugin() {
				continue
			}
			p := &plugin{kind: s.Kind, name: s.Name, spec: s}
			if err := d.startPlugin(ctx, p); err != nil {
				return explain(p, err)
			}
			d.plugins = append(d.plugins, p)
		}
	}
	return nil
}

func (d *racoon) startPlugin(ctx context.Context, p *plugin) (err error) {
	p.env = environment(p.spec)
	spec := pluginhost.Spec{Kind: p.kind, Name: p.name, Path: p.spec.Path, SHA256: p.spec.SHA256, Critical: p.spec.Critical,
		Decode: p.decode, Generation: d.running.Policy.Generation, Env: p.env}
	d.lower(&spec)
	switch p.kind {
	case pluginhost.KindLog:
		log, err := d.host.StartLog(ctx, spec, pluginhost.Hooks[logsink.Sink]{})
		if err != nil {
			return err
		}
		p.running = log
		d.sink.use(log)
	case pluginhost.KindKernel:
		p.kernel, err = d.host.StartKernel(ctx, spec, pluginhost.Hooks[kernel.Backend]{
			OnUp: func(ctx context.Context, client kernel.Backend) error {
				if e := d.engine.Load(); e != nil {
					return e.Resync(ctx, client)
				}
				return nil // the engine's own start compares
			}})
		p.running = p.kernel
	case pluginhost.KindAuth:
		p.auth, err = d.host.StartAuth(ctx, spec, pluginhost.Hooks[auth.Authenticator]{
			OnUp: func(context.Context, auth.Authenticator) error {
				if e := d.engine.Load(); e != nil {
					e.AuthChanged(p.name)
				}
				return nil
			}})
		p.running = p.auth
	}
	return err
}

// environment is what a plugin gets of ours: the variables its configuration names.
func environment(s config.PluginSpec) (env []string) {
	for _, name := range s.Variables() {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// forget overwrites the secrets of a configuration that nobody uses any more.
func forget(l *config.Loaded) {
	for _, s := range l.Plugins {
		s.Zero()
	}
}

// lower gives a plugin a user of its own, where root has made one for it:
// racoon-auth, racoon-kernel, racoon-log.
func (d *racoon) lower(s *pluginhost.Spec) {
	if os.Geteuid() != 0 {
		return
	}
	name := userName(s.Kind)
	uid, gid, err := userOf(s.Kind)
	var unknown user.UnknownUserError
	switch {
	case errors.As(err, &unknown):
		d.log.Info("RC2101 plugin "+s.Kind+"/"+s.Name+" runs as root: there is no user "+name, "fix", "useradd --system "+name)
		return
	case err != nil:
		d.log.Warn("RC2101 plugin "+s.Kind+"/"+s.Name+" runs as root: user "+name+" cannot be used", "error", err)
		return
	}
	s.UID, s.GID = uid, gid
	switch s.Kind {
	case pluginhost.KindKernel:
		s.Capabilities = []string{capNetAdmin}
	case pluginhost.KindAuth:
		for _, file := range keyFiles(d.running) {
			if !ownedBy(file, uid) {
				s.Capabilities = []string{"CAP_DAC_READ_SEARCH"}
				d.log.Info("RC2102 plugin "+s.Kind+"/"+s.Name+" may read every file, because the keys are not its own", "fix", "chown "+name+" "+file)
			}
		}
	}
}

// capNetAdmin is what a kernel plugin keeps of root's powers.
const capNetAdmin = "CAP_NET_ADMIN"

func userName(kind string) string { return "racoon-" + kind }

// userOf is the user that root has made for plugins of a kind.
func userOf(kind string) (uid, gid int, err error) {
	u, err := user.Lookup(userName(kind))
	if err != nil {
		return 0, 0, err
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	return uid, gid, errors.Join(err1, err2)
}

// keyFiles are the files with secrets the authentication plugins are told to read by the
// configuration itself; their own blocks only they understand.
func keyFiles(l *config.Loaded) (files []string) {
	if psk := l.Policy.Paths.PreSharedKey; psk != "" {
		files = append(files, psk)
	}
	for _, s := range l.Plugins {
		for _, ref := range s.References {
			if file, ok := strings.CutPrefix(ref, "file:"); ok && !slices.Contains(files, file) {
				files = append(files, file)
			}
		}
	}
	slices.Sort(files)
	return files
}

// located gives what a plugin says about its configuration its file and line.
func (p *plugin) located(ds sdk.Diagnostics) []config.Diagnostic {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.spec.Explain(p.schema, ds)
}

// explain gives a plugin's complaints about its configuration their file and line.
func explain(p *plugin, err error) error {
	var refused *pluginhost.ConfigError
	if !errors.As(err, &refused) {
		return err
	}
	text := ""
	for _, c := range p.located(refused.Diagnostics) {
		text += "\n" + strings.TrimSuffix(c.Text(), "\n")
	}
	return fmt.Errorf("plugin %s refused its configuration%s", p, text)
}

// stopPlugins stops all but the log.
func (d *racoon) stopPlugins(ctx context.Context) {
	var wg sync.WaitGroup
	for _, p := range d.plugins {
		if p.kind != pluginhost.KindLog {
			wg.Go(func() { p.running.Close(ctx) })
		}
	}
	wg.Wait()
}

func (d *racoon) auths() map[string]auth.Authenticator {
	m := map[string]auth.Authenticator{}
	for _, p := range d.plugins {
		if p.auth != nil {
			m[p.name] = p.auth
		}
	}
	return m
}

func (d *racoon) kernel() kernel.Backend {
	for _, p := range d.plugins {
		if p.kernel != nil {
			return p.kernel
		}
	}
	return nil
}
