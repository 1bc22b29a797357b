package core

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/racoon-ike/racoon/core/internal/config"
	"github.com/racoon-ike/racoon/core/internal/pluginhost"
	sdk "github.com/racoon-ike/racoon/core/sdk/config"
)

// codeUnchecked: what a plugin would say about its configuration is not known.
const codeUnchecked = "RC2103"

// unreadable are the codes by which plugins say that their user may not read a file.
var unreadable = map[string]bool{"PSK008": true}

// checkPlugins lets each authentication plugin of a configuration look at what it
// is configured with, keys and certificates included, as the daemon would run it:
// from the same executable and as the same user, where we are root. It needs no
// running daemon and has no effect. What could not be checked is a note.
func checkPlugins(ctx context.Context, loaded *config.Loaded) (found []config.Diagnostic, err error) {
	dir, err := os.MkdirTemp(shortTempDir(), "racoon")
	if err != nil {
		return nil, fmt.Errorf("check plugins: %w", err)
	}
	defer os.RemoveAll(dir)
	host, err := pluginhost.New(pluginhost.Options{RunDir: dir, HostVersion: Version})
	if err != nil {
		return nil, fmt.Errorf("check plugins: %w", err)
	}
	defer host.Close(context.WithoutCancel(ctx))
	d := &racoon{running: loaded, log: slog.New(slog.DiscardHandler)}
	for _, s := range loaded.Plugins {
		if s.Kind != pluginhost.KindAuth {
			continue
		}
		p := &plugin{kind: s.Kind, name: s.Name, spec: s}
		spec := pluginhost.Spec{Kind: s.Kind, Name: s.Name, Path: s.Path, SHA256: s.SHA256, Decode: p.decode, Env: environment(s)}
		d.lower(&spec)
		said, err := host.Check(ctx, spec)
		if err == nil {
			found = append(found, p.checked(said)...)
			continue
		}
		if ctx.Err() != nil {
			return found, fmt.Errorf("check plugins: %w", context.Cause(ctx))
		}
		var invalid *config.Invalid
		if errors.As(err, &invalid) {
			found = append(found, invalid.Diagnostics...)
			continue
		}
		what, _, _ := strings.Cut(err.Error(), "\n")
		found = append(found, config.Diagnostic{Code: codeUnchecked, Severity: config.Note, File: s.Where.File, Line: s.Where.Line,
			What: fmt.Sprintf("the configuration of plugin %s is not checked: %s", p, what)})
	}
	return found, nil
}

// checked locates what a plugin found. What only root may read is no fault of the
// configuration.
func (p *plugin) checked(said sdk.Diagnostics) []config.Diagnostic {
	found := p.located(said)
	for i, c := range said {
		if unreadable[c.Code] && os.Geteuid() != 0 {
			found[i].Severity, found[i].Fix = config.Note, "run as root"
			why, _, _ := strings.Cut(or(c.Detail, c.Summary), "; run: ") // as this user
			found[i].What = fmt.Sprintf("plugin %s: not checked: %s", p, why)
		}
	}
	return found
}

// shortTempDir is a directory for temporary files that leaves room for the path of
// a socket, and that every user may pass through: root's own may be root's alone.
func shortTempDir() string {
	if dir := os.TempDir(); os.Geteuid() != 0 && len(dir) <= 40 {
		return dir
	}
	return "/tmp"
}
