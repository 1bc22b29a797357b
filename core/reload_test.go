package core

import (
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
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
