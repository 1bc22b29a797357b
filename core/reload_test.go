package core

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/racoon-ike/racoon/core/internal/config"
	sdk "github.com/racoon-ike/racoon/core/sdk/config"
)

const hubHCL = `remote "hub" {
  exchange_mode = "main"
  shared_secret { use = "SECRET" }
  proposal {
    encryption_algorithm  = "aes 256"
    hash_algorithm        = "sha256"
    authentication_method = "pre_shared_key"
    dh_group              = "ecp256"
  }
}
`

// running is a daemon that runs what a configuration asks for, and the file it reads.
func running(t *testing.T, text string) (d *racoon, file string) {
	t.Helper()
	file = writeFile(t, t.TempDir(), "racoon.hcl", text)
	d = &racoon{flags: &flags{config: file}, log: slog.New(slog.DiscardHandler)}
	var err error
	if d.running, _, err = d.read(); err != nil {
		t.Fatal(err)
	}
	for _, s := range d.running.Plugins {
		d.plugins = append(d.plugins, &plugin{kind: s.Kind, name: s.Name, spec: s, env: environment(s)})
	}
	return d, file
}

// TestANewVariableNeedsANewStart: a plugin keeps the environment it was started with, and
// would run without the secret.
func TestANewVariableNeedsANewStart(t *testing.T) {
	t.Setenv("RACOON_TEST_A", "0c1f6ad2b7e94835")
	t.Setenv("RACOON_TEST_B", "e7d1026c9f3b48a5")
	d, file := running(t, strings.Replace(hubHCL, "SECRET", "env:RACOON_TEST_A", 1))
	for name, want := range map[string]string{"RACOON_TEST_A": "", "RACOON_TEST_B": "variable RACOON_TEST_B now"} {
		writeFile(t, filepath.Dir(file), "racoon.hcl", strings.Replace(hubHCL, "SECRET", "env:"+name, 1))
		loaded, _, err := d.read()
		if err != nil {
			t.Fatal(err)
		}
		if err := d.samePlugins(loaded); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}

// TestKeyFilesOfAConfiguration: those of sections as well as path pre_shared_key, for
// none of them may be the plugin's own.
func TestKeyFilesOfAConfiguration(t *testing.T) {
	d, file := running(t, "path { pre_shared_key = \"psk.txt\" }\n"+strings.Replace(hubHCL, "SECRET", "file:hub.secret", 1))
	want := []string{filepath.Join(filepath.Dir(file), "hub.secret"), filepath.Join(filepath.Dir(file), "psk.txt")}
	if got := keyFiles(d.running); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// configured counts what a running plugin is told.
type configured struct{ texts []string }

func (c *configured) Configure(_ context.Context, text json.RawMessage, _ uint64) error {
	c.texts = append(c.texts, string(text))
	if strings.Contains(string(text), "bad") {
		return errors.New("refused")
	}
	return nil
}
func (*configured) Warnings() sdk.Diagnostics { return nil }
func (*configured) Close(context.Context)     {}

// TestOnlyAChangedPluginIsConfigured: a kernel plugin made anew misses events, and the
// reload of a remote section is none of its business.
func TestOnlyAChangedPluginIsConfigured(t *testing.T) {
	hub := strings.Replace(hubHCL, "SECRET", "file:/etc/racoon/hub.secret", 1)
	block := func(value string) string {
		return "\nplugin \"kernel\" \"fake\" {\n config { a = \"" + value + "\" }\n}\n"
	}
	d, file := running(t, hub+block("one"))
	c := &configured{}
	p := d.plugins[slices.IndexFunc(d.plugins, func(p *plugin) bool { return p.kind == "kernel" })]
	p.running, p.schema = c, &sdk.Schema{Body: sdk.Body{Attrs: []sdk.Attr{{Name: "a", Type: "string"}}}}
	change := func(text string) (func(), error) {
		t.Helper()
		writeFile(t, filepath.Dir(file), "racoon.hcl", text)
		loaded, _, err := d.read()
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(loaded.Plugins, func(s config.PluginSpec) bool { return s.Kind == "kernel" })
		return p.change(t.Context(), loaded.Plugins[i], 2)
	}
	if _, err := change(block("one") + strings.Replace(hub, "aes 256", "aes 128", 1)); err != nil || len(c.texts) != 0 || p.spec.Where.Line != 2 {
		t.Errorf("nothing has changed for the plugin: %q, %v, line %d", c.texts, err, p.spec.Where.Line)
	}
	back, err := change(hub + block("two"))
	if err != nil {
		t.Fatal(err)
	}
	back()
	if _, err := change(hub + block("bad")); err == nil {
		t.Error("a refusal is no error")
	}
	if _, err := change(hub + block("one")); err != nil {
		t.Error(err)
	}
	if want := []string{`{"a":"two"}`, `{"a":"one"}`, `{"a":"bad"}`}; !slices.Equal(c.texts, want) {
		t.Errorf("configured with %q, want %q", c.texts, want)
	}
}
