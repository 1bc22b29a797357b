package config

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// hclFiles are those of testdata/hcl/KIND.
func hclFiles(t testing.TB, kind string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata/hcl", kind, "*.hcl"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no test files: %v", err)
	}
	return files
}

// TestGoldenHCLFiles is TestGoldenFiles for the other spelling. The plugins a file
// names belong to what it says.
func TestGoldenHCLFiles(t *testing.T) {
	for _, kind := range []string{"good", "bad"} {
		for _, f := range hclFiles(t, kind) {
			t.Run(kind+"/"+filepath.Base(f), func(t *testing.T) {
				text, err := os.ReadFile(f)
				if err != nil {
					t.Fatal(err)
				}
				p := hermetic(t, filepath.Dir(f), filepath.Base(f))
				p.main(string(text))
				plugins := p.plugins()
				if got := unusable(p.diags); got != (kind == "bad") {
					t.Errorf("failed = %v\n%s", got, render(p.diags))
				}
				golden(t, strings.TrimSuffix(f, ".hcl")+".txt", render(p.diags))
				if kind == "good" {
					model, err := json.MarshalIndent(Loaded{p.cfg, explicit(plugins)}, "", " ")
					if err != nil {
						t.Fatal(err)
					}
					golden(t, strings.TrimSuffix(f, ".hcl")+".json", string(model)+"\n")
				}
			})
		}
	}
}

// explicit are the plugins a file names: the others depend on the platform.
func explicit(specs []PluginSpec) (out []PluginSpec) {
	for _, s := range specs {
		if s.Explicit() {
			out = append(out, s)
		}
	}
	return out
}
