package psk

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/racoon-ike/racoon/core/sdk/config"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/plugins/auth-psk/strength"
)

// settings are the plugin's configuration.
type settings struct {
	File          string           `json:"file"`
	SharedSecrets map[string]block `json:"shared_secret"`
}

// wipe overwrites what may be secrets.
func (c *settings) wipe() {
	for _, b := range c.SharedSecrets {
		clear(b.Use)
	}
}

// configuring is an instance while it is made.
type configuring struct {
	*Plugin
	judge *strength.Judge
	round *strength.Round // nil: keys are not judged now
	asked map[string]bool // names of the key file that sections ask for
	diags config.Diagnostics
}

// configure makes an instance. A file that cannot be taken is a warning: as with
// racoon, it may come later, and peers without pre-shared key do not need it.
// Without tell only errors are told; what is read later is judged in any case.
func configure(v config.Value, log *slog.Logger, judge *strength.Judge, tell bool) (*Plugin, config.Diagnostics) {
	var c settings
	defer c.wipe()
	if err := v.Decode(&c); err != nil {
		return nil, config.Errorf(nil, "PSK013", "the configuration is not as described by the schema", "%v", err)
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	m := configuring{Plugin: &Plugin{log: log, secrets: map[string]*sharedSecret{}}, judge: judge, asked: map[string]bool{}}
	if tell {
		m.round = judge.Round()
	}
	needsFile := len(c.SharedSecrets) == 0
	for _, b := range c.SharedSecrets {
		if b.Key != "" {
			m.asked[canonical(b.Key)] = true
			needsFile = true
		}
	}
	switch {
	case c.File == "" && needsFile:
		m.fail([]string{"file"}, "PSK006", "no key file is named", `file = "/etc/racoon/psk.txt"`)
	case c.File != "" && !filepath.IsAbs(c.File):
		m.fail([]string{"file"}, "PSK006", fmt.Sprintf("the key file needs an absolute path: %q is not one", c.File), "")
	case c.File != "":
		m.openFile(c.File)
	}
	for _, name := range sorted(c.SharedSecrets) {
		m.openSecret(name, c.SharedSecrets[name])
	}
	m.secretsAsked()
	if m.diags.HasErrors() {
		_ = m.Close(context.Background())
		return nil, m.diags
	}
	if !tell {
		return m.Plugin, nil
	}
	return m.Plugin, m.diags
}

func (m *configuring) fail(path []string, code, summary, fix string) {
	m.diags = append(m.diags, config.Diagnostic{Severity: config.Error, Path: path, Code: code, Summary: summary, Fix: fix})
}

func (m *configuring) warn(path []string, code, summary, detail string) {
	m.diags = append(m.diags, config.Diagnostic{Severity: config.Warning, Path: path, Code: code, Summary: summary, Detail: detail})
}

// found tells findings. at is what they are about, but for the line.
func (m *configuring) found(path []string, at string, findings []finding) {
	for _, f := range findings {
		where := at
		if f.line > 0 {
			where = fmt.Sprintf("%s:%d", at, f.line)
		}
		m.diags = append(m.diags, config.Diagnostic{Severity: f.severity, Path: path, Code: f.code, Summary: where + ": " + f.text, Fix: f.fix})
	}
}

func (m *configuring) openFile(name string) {
	path := []string{"file"}
	keys, findings, err := open(name, m.log, fileKind{parse, m.judge, m.asked}, m.round)
	if m.keys = keys; err != nil {
		m.warn(path, code(err), "no pre-shared key can be used yet", err.Msg)
	}
	m.found(path, name, findings)
}

func (m *configuring) openSecret(remote string, b block) {
	path := []string{"shared_secret", remote}
	s, findings, err := b.open(remote, m.log, m.judge, m.round)
	if s == nil {
		m.fail(path, "PSK013", fmt.Sprintf("shared_secret of section %.80q: %s", remote, err.Msg), "")
		return
	}
	m.secrets[remote] = s
	if err != nil {
		c := code(err)
		if s.file == nil {
			c = "PSK014"
		}
		m.warn(path, c, fmt.Sprintf("section %.80q has no secret yet", remote), err.Msg)
	}
	m.found(path, fmt.Sprintf("shared_secret of section %.80q", remote), findings)
}

// secretsAsked looks whether the key file has what sections ask for.
func (m *configuring) secretsAsked() {
	if m.keys == nil || m.keys.table == nil {
		return
	}
	for _, remote := range sorted(m.secrets) {
		s := m.secrets[remote]
		if found := m.keys.table.named(s.key); s.key != "" && (len(found) == 0 || found[0].bad) {
			m.warn([]string{"shared_secret", remote}, "PSK014", fmt.Sprintf("section %.80q has no secret yet", remote),
				fmt.Sprintf("%s has no key for %.80q", m.keys.path, s.key))
		}
	}
}

// code names what keeps a file from being read.
func code(err *errs.Error) string {
	switch {
	case err.Errno == int(syscall.EACCES):
		return "PSK008"
	case err.Reason == errs.Permission:
		return "PSK007"
	}
	return "PSK006"
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
