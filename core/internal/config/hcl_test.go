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

// TestNastyHCLIsBounded: what would cost the stack, the memory or the day is an error.
func TestNastyHCLIsBounded(t *testing.T) {
	long := "locals {\n  a = \"" + strings.Repeat("x", 1000) + "\"\n"
	for _, c := range []struct{ name, text, want string }{
		{"lists in lists", "a = " + strings.Repeat("[", 1e6), "nested too deeply"},
		{"blocks in blocks", strings.Repeat("a {\n", 1e5), "nested too deeply"},
		{"templates in templates", "a = " + strings.Repeat(`"${`, 1e5), "nested too deeply"},
		{"signs", "a = " + strings.Repeat("- ", 1e6) + "1", "nested too deeply"},
		{"conditions", "a = " + strings.Repeat("true ? 1 : ", 1e5) + "1", "nested too deeply"},
		{"a number of many digits", "locals {\n  a = \"${1e999999999}\"\n}", "too large a number"},
		{"numbers squared", "locals {\n  a = 1e999\n  b = local.a * local.a * local.a * local.a * local.a\n}", "too large a value"},
		{"a text doubled", long + "  b = \"" + strings.Repeat("${local.a}", 100) + "\"\n}", "too large a value"},
		{"a list of lists", "locals {\n  a = range(1000)\n  b = [for x in local.a : local.a]\n}", "too large a value"},
		{"a for inside a for", "locals {\n  a = [for x in [1] : [for y in [1] : x]]\n}", "for inside a for"},
		{"a range", "locals {\n  a = range(1000000000)\n}", "cannot be computed"},
		{"a wide format", "locals {\n  a = format(\"%999999999d\", 1)\n}", "cannot be computed"},
		{"replacements", long + "  b = replace(local.a, \"\", local.a)\n}", "cannot be computed"},
		{"a joint", long + "  b = join(local.a, range(1000))\n}", "cannot be computed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := alone("racoon.hcl", nil)
			p.main(c.text)
			if got := render(p.diags); !strings.Contains(got, c.want) {
				t.Errorf("want %q in %.500s", c.want, got)
			}
		})
	}
}

// TestNoHCLMessageShowsASecret, whatever is wrong around it.
func TestNoHCLMessageShowsASecret(t *testing.T) {
	for _, text := range []string{
		"shared_secret {\n use = \"hunter2\"\n}", "shared_secret {\n use = hunter2\n}", "shared_secret {\n use = 'hunter2'\n}",
		"shared_secret {\n use = \"hunter2\n}", "shared_secret {\n use = (\n \"hunter2\" x\n)\n}", "shared_secret {\n use = [\n 5,\n \"hunter2\" 6]\n}",
		"shared_secret {\n use = upper(\"hunter2\", 5)\n}", "shared_secret {\n use = \"${hunter2}\"\n}", "shared_secret {\n use \"hunter2\"\n}",
		"shared_secret = \"hunter2\"", "shared_secret \"hunter2\" {}", "shared_secret use \"hunter2\";", "secret = \"hunter2\"", "psk = \"hunter2\"",
		"shared_secret {\n use = <<EOT\nhunter2\nEOT\n}", "shared_secret {\n use = <<EOT\nhunter2\n}", "shared_secret {\n use = <<EOT\n${hunter2}\nEOT\n}",
		"passphrase = \"hunter2\"", "rekey_secret = \"hunter2\"",
	} {
		p := alone("racoon.hcl", nil)
		p.main("remote \"192.0.2.1\" {\n" + text + "\n}\n")
		if got := render(p.diags); !Failed(p.diags) || showsCanary(got) {
			t.Errorf("%s: the secret is shown:\n%s", text, got)
		}
	}
}
