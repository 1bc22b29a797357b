package swanctl_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/config"
	"github.com/racoon-ike/racoon/core/internal/swanctl"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// notYet is the code of what racoon.conf has words for and racoon nothing behind
// them yet.
const notYet = "RC0008"

// TestGoldenFiles: every swanctl.conf under testdata becomes the files beside it,
// and racoon reads what comes out.
func TestGoldenFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/*/swanctl.conf")
	if err != nil || len(files) < 12 {
		t.Fatalf("%d test files: %v", len(files), err)
	}
	for _, f := range files {
		dir := filepath.Dir(f)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			r := swanctl.Import(f, text, os.ReadFile)
			golden(t, filepath.Join(dir, "racoon.conf"), r.Conf)
			golden(t, filepath.Join(dir, "policies"), r.Policies)
			golden(t, filepath.Join(dir, "notes"), render(r))
			loads(t, r)
		})
	}
}

// render writes the notes, and the keys without what is secret.
func render(r swanctl.Result) string {
	var b strings.Builder
	for _, n := range r.Notes {
		fmt.Fprintln(&b, n)
	}
	for _, k := range r.PSK {
		fmt.Fprintf(&b, "key %s: %s, %s:%d\n", k.ID, k.Secret, k.File, k.Line)
	}
	return b.String()
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got):\n%s", file, d)
	}
}

// loads checks that racoon reads a result, but for what it does not have yet.
func loads(t *testing.T, r swanctl.Result) {
	t.Helper()
	if r.Conf == "" {
		return
	}
	file := filepath.Join(t.TempDir(), "racoon.conf")
	if err := os.WriteFile(file, []byte(r.Conf), 0o600); err != nil {
		t.Fatal(err)
	}
	_, diags, err := config.Load(file)
	unexplained := err
	for _, d := range diags {
		if d.Severity == config.Error {
			unexplained = nil
			if d.Code != notYet {
				t.Errorf("racoon does not read it: %s", d.Text())
			}
		}
	}
	if unexplained != nil {
		t.Error(unexplained)
	}
	if t.Failed() {
		t.Logf("%s", r.Conf)
	}
}

// FuzzConf: whatever is imported, racoon reads what comes out.
func FuzzConf(f *testing.F) {
	files, err := filepath.Glob("testdata/*/swanctl.conf")
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		loads(t, swanctl.Import("/etc/swanctl/swanctl.conf", []byte(text), nil))
	})
}
