package config

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTheKernelPluginIsKnownWithoutTheRest(t *testing.T) {
	for name, tt := range map[string]struct {
		files map[string]string
		path  string
		want  string // "": an error
		other string // plugin named on the command line
	}{
		"no file":                     {path: "racoon.conf", want: defaultKernel()},
		"no HCL file":                 {path: "racoon.hcl", want: defaultKernel()},
		"a classic file alone":        {map[string]string{"racoon.conf": "frob;"}, "racoon.conf", defaultKernel(), ""},
		"one line":                    {map[string]string{"plugins.hcl": `kernel = "pfkey"`}, "racoon.conf", "pfkey", ""},
		"a block":                     {map[string]string{"plugins.hcl": `plugin "kernel" "mine" {}`}, "racoon.conf", "mine", ""},
		"the command line":            {map[string]string{"plugins.hcl": `kernel = "pfkey"`}, "racoon.conf", "xfrm", "xfrm"},
		"HCL, the rest of it wrong":   {map[string]string{"racoon.hcl": "kernel = \"pfkey\"\nfrob = 5\n"}, "racoon.hcl", "pfkey", ""},
		"a value of the wrong type":   {map[string]string{"plugins.hcl": `kernel = 5`}, "racoon.conf", "", ""},
		"something else in the file":  {map[string]string{"plugins.hcl": `frob = 5`}, "racoon.conf", "", ""},
		"HCL, a block of it is wrong": {map[string]string{"racoon.hcl": `plugin "frob" "x" {}`}, "racoon.hcl", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range tt.files {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got, diags, err := KernelPlugin(filepath.Join(dir, tt.path), tt.other)
			if (err == nil) != (tt.want != "") || got.Name != tt.want || err != nil && len(diags) == 0 {
				t.Errorf("%q, %v, %v; want %q", got.Name, diags, err, tt.want)
			}
			if err == nil && got.Kind != "kernel" {
				t.Errorf("kind %q", got.Kind)
			}
		})
	}
}
