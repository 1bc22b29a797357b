package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/policy"
)

func TestScripts(t *testing.T) {
	const conf = `%s
remote "gw" { remote_address 192.0.2.1; exchange_mode main; %s
proposal { encryption_algorithm aes; hash_algorithm sha256; authentication_method pre_shared_key; dh_group 14; } }
`
	for _, test := range []struct {
		name, top, in string
		want          []policy.Script
		diags         []string
	}{
		{"relative to path script", `path script "hooks";`, `script "up" phase1_up;`, []policy.Script{{Event: "phase1-up", Path: "/etc/racoon/hooks/up"}}, nil},
		{"relative to the file", ``, `script "hooks/up" phase1_up;`, []policy.Script{{Event: "phase1-up", Path: "/etc/racoon/hooks/up"}}, nil},
		{"absolute", `path script "hooks";`, `script "/bin/x" phase1_dead;`, []policy.Script{{Event: "phase1-dead", Path: "/bin/x"}}, nil},
		{"the last one for an event", ``, `script "/a" phase1_up; script "/b" phase1_down; script "/c" phase1_up;`,
			[]policy.Script{{Event: "phase1-down", Path: "/b"}, {Event: "phase1-up", Path: "/c"}}, nil},
		{"one that is not there", ``, `script "gone" phase1_up;`, []policy.Script{{Event: "phase1-up", Path: "/etc/racoon/gone"}},
			[]string{`RC3008 /etc/racoon/racoon.conf:2: "gone" cannot be run: /etc/racoon/gone: no such file`}},
		{"no name", ``, `script "" phase1_up;`, nil, []string{"RC0004 /etc/racoon/racoon.conf:2: `\"\"` is an empty path"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := hermetic(t, t.TempDir(), "racoon.conf")
			p.executable = func(name string) string {
				if strings.HasSuffix(name, "gone") {
					return "no such file"
				}
				return ""
			}
			p.main(fmt.Sprintf(conf, test.top, test.in))
			var diags []string
			for _, d := range p.diags {
				if d.Severity == Warning || d.Severity == Error {
					diags = append(diags, d.Code+" "+d.String())
				}
			}
			if diff := cmp.Diff(test.diags, diags); diff != "" {
				t.Errorf("diagnostics (-want +got):\n%s", diff)
			}
			if len(p.cfg.Remotes) != 1 {
				t.Fatal(render(p.diags))
			}
			if diff := cmp.Diff(test.want, p.cfg.Remotes[0].Scripts); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestExecutable(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"yes": 0o755, "no": 0o644} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{"yes": "", "no": "is not executable", "gone": "no such file or directory", ".": "is no file"} {
		if got := executable(filepath.Join(dir, name)); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
