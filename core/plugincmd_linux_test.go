package core

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// pluginNamed is the test binary under the name of one of its plugins.
func pluginNamed(t *testing.T, name string) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.Symlink(exe, path); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestConformanceFromTheCommandLine(t *testing.T) {
	kernel, auth, log := pluginNamed(t, "racoon-kernel-fake"), pluginNamed(t, "racoon-auth-fake"), pluginNamed(t, "racoon-log-fake")
	bad := filepath.Join(t.TempDir(), "bad.hcl")
	if err := os.WriteFile(bad, []byte("mode = \"bad\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	bare := filepath.Join(t.TempDir(), "bare.hcl")
	if err := os.WriteFile(bare, []byte("mode = \"bare\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	typo := filepath.Join(t.TempDir(), "typo.hcl")
	if err := os.WriteFile(typo, []byte("mood = \"good\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name           string
		args           []string
		status         int
		stdout, stderr []string // in it
	}{
		{"a check that passes", []string{"--volatile", "--run", "^error rules", kernel}, 0,
			[]string{"kernel plugin fake, version 0, of racoon\n", "\nok    error rules stop, roll back and continue are kept\n", "\n1 checks: 1 ok, 0 failed, 0 skipped\n"},
			[]string{"192.0.2.0/24"}},
		{"one that says nothing here", []string{"--volatile", "--run", "^(error rules|a packet without SA)", kernel}, 0,
			[]string{"\nskip  a packet without SA is an acquire\n      nobody here can send", "\n2 checks: 1 ok, 0 failed, 1 skipped\n"}, nil},
		{"a kernel that dies with its plugin, and says it does not", []string{"--run", "survives the plugin$", kernel}, 1,
			[]string{"\nFAIL  what the kernel has survives the plugin\n      after kill -9: the dump does not have the policy", "\n      what to do: keep SAs", "\n1 checks: 0 ok, 1 failed, 0 skipped\n"}, nil},
		{"a kernel without ESP", []string{"--volatile", "--config", bare, "--run", "^(its capabilities|an update of an SA|many SAs)", pluginNamed(t, "racoon-kernel-keys")}, 0,
			[]string{"\nok    its capabilities make sense\n", "\nskip  many SAs are asked for at once, and answered in order\n      it announces no ESP\n",
				"\n3 checks: 1 ok, 0 failed, 2 skipped\nthis kernel has no ESP, says the plugin, so that 2 checks of SAs wait"}, nil},
		{"no such check", []string{"--run", "what nobody checks", kernel}, 1, []string{"\n0 checks: "}, nil},
		{"what the plugin logs", []string{"-v", "--run", "^it runs and stops", kernel}, 0, []string{"ok    it runs and stops when told ("}, []string{"level="}},
		{"authentication", []string{"--kind", "auth", "--run", "what it", auth}, 0, []string{"auth plugin fake", "\nok    what it advertises is what it serves\n"}, nil},
		{"log", []string{"--kind", "log", "--run", "reopens", log}, 0, []string{"\nok    it reopens and goes on\n"}, nil},
		{"a configuration the plugin refuses", []string{"--kind", "auth", "--config", bad, "--run", "finds nothing wrong|runs and stops", auth}, 1, []string{"FAIL", "no such mode"}, nil},
		{"a configuration that does not fit", []string{"--kind", "auth", "--config", typo, auth}, 1, nil, []string{typo, "mood"}},
		{"another kind of plugin", []string{"--kind", "log", kernel}, 1, nil, []string{"racoon plugin conformance: "}},
		{"nothing there", []string{filepath.Join(t.TempDir(), "nothing")}, 1, nil, []string{"no such file"}},
		{"no executable", nil, 1, nil, []string{"name one executable\nusage: racoon plugin conformance "}},
		{"a kind that is none", []string{"--kind", "cornel", kernel}, 1, nil, []string{"--kind takes one of kernel, auth, log"}},
		{"a bad expression", []string{"--run", "(", kernel}, 1, nil, []string{"--run: "}},
		{"traffic of a log", []string{"--kind", "log", "--traffic", log}, 1, nil, []string{"are about kernels"}},
		{"help", []string{"-h"}, 0, []string{"usage: racoon plugin conformance [--kind"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			status := Main(append([]string{"racoon", "plugin", "conformance"}, c.args...), &stdout, &stderr)
			if status != c.status {
				t.Errorf("status %d, want %d\n%s%s", status, c.status, &stdout, &stderr)
			}
			for _, want := range c.stdout {
				if !strings.Contains(stdout.String(), want) {
					t.Errorf("stdout has no %q:\n%s", want, &stdout)
				}
			}
			for _, want := range c.stderr {
				if !strings.Contains(stderr.String(), want) {
					t.Errorf("stderr has no %q:\n%s", want, &stderr)
				}
			}
		})
	}
}
