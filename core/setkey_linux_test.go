package core

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/racoon-ike/racoon/core/sdk/config"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	sdkplugin "github.com/racoon-ike/racoon/core/sdk/plugin"
	"github.com/racoon-ike/racoon/core/sdk/plugintest/kerneltest"
)

// keyKernel is a kernel in memory that has the attribute dump_keys.
func keyKernel() sdkplugin.Spec {
	return sdkplugin.Spec{
		Name: "keys", Version: "0", Vendor: "racoon",
		Schema: &config.Schema{Body: config.Body{Attrs: []config.Attr{{Name: "dump_keys", Type: "bool"}, {Name: "mode", Type: "string"}}}},
		Kernel: func(_ context.Context, v config.Value, _ sdkplugin.Env) (kernel.Backend, config.Diagnostics) {
			var c struct {
				DumpKeys bool `json:"dump_keys"`
				Mode     string
			}
			f := kerneltest.New()
			if err := v.Decode(&c); err != nil || c.Mode == "bad" {
				return nil, config.Diagnostics{{Summary: "no such mode", Path: []string{"mode"}, Code: "FAKE1"}}
			}
			f.DumpKeys = c.DumpKeys
			if c.Mode == "bare" {
				f.Without = kernel.FeatESP | kernel.FeatAH
			}
			return f, nil
		},
	}
}

// setkeySite is a site whose kernel is keyKernel in a mode.
func setkeySite(t *testing.T, mode string) *site {
	s := newSite(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(exe, filepath.Join(s.dir, "racoon-kernel-keys")); err != nil {
		t.Fatal(err)
	}
	s.write("plugins.hcl", fmt.Sprintf("plugin \"kernel\" \"keys\" {\n  path = \"racoon-kernel-keys\"\n  config {\n    mode = %q\n  }\n}\n", mode))
	t.Setenv("TMPDIR", filepath.Join(s.dir, "t"))
	if err := os.Mkdir(filepath.Join(s.dir, "t"), 0o755); err != nil {
		t.Fatal(err)
	}
	return s
}

// setkey runs the program and wants that it leaves nothing behind.
func (s *site) setkey(stdin string, args ...string) (status int, stdout, stderr string) {
	s.t.Helper()
	var out, errs bytes.Buffer
	args = append([]string{"/usr/sbin/setkey", "-C", filepath.Join(s.dir, "racoon.conf")}, args...)
	status = Setkey(args, strings.NewReader(stdin), &out, &errs)
	if left, err := os.ReadDir(filepath.Join(s.dir, "t")); err != nil || len(left) != 0 {
		s.t.Errorf("setkey has left %v, %v", left, err)
	}
	s.until("no plugin is left", func() bool { return len(s.pluginPIDs()) == 0 })
	return status, out.String(), errs.String()
}

func TestSetkeyOnTheKernelThatTheConfigurationChooses(t *testing.T) {
	s := setkeySite(t, "good")
	const add = `add 192.0.2.1 192.0.2.2 ah 0x1000 -A hmac-md5 "sixteen octets !";`
	for _, tt := range []struct {
		name, stdin, args string
		status            int
		stdout, stderr    string // what they have in them; "": nothing
	}{
		{"keys are shown", add + "dump;", "-c", 0, "A: hmac-md5  73697874 65656e20 6f637465 74732021\n", ""},
		{"from standard input as a file", add + "get 192.0.2.1 192.0.2.2 ah 0x1000;", "-f -", 0, "state=mature", ""},
		{"a failure is told and the rest done", "delete 192.0.2.1 192.0.2.2 ah 0x1000;\n" + add + "dump;", "-c", 1, "state=mature", "setkey: stdin:1: No entry\n"},
		{"a command nobody understands", add + "\nfrob;\n dump;", "-c", 1, "state=mature", `setkey: stdin:2: "frob" is no command`},
		{"in a file nothing is done", "dump;\nfrob;", "-f -", 1, "", "nothing was done, because the commands cannot be understood:\nstdin:2: \"frob\""},
		{"nothing is sent", add + "dump;", "-n -f -", 0, "", ""},
		{"an empty kernel", "", "-D", 0, "No SAD entries.\n", ""},
		{"no policies", "", "-DP", 0, "No SPD entries.\n", ""},
		{"flush", "", "-F", 0, "", ""},
		{"flush policies", "", "-FPv", 0, "sadb_msg{ version=2 type=19", ""},
		{"no messages in hexadecimal", "", "-FPvH", 0, "sadb_msg{ version=2 type=19", "setkey: warning: -H: there are no PF_KEY messages"},
		{"nothing that could be in hexadecimal", "", "-DPH", 0, "No SPD entries.\n", ""},
		{"no file", "", "-f nowhere", 1, "", "setkey: open nowhere: no such file"},
		{"another plugin", "", "-K nowhere -D", 1, "", "racoon-kernel-nowhere"},
		{"a wrong option", "", "-z", 1, "", "usage: setkey"},
		{"no option", "", "", 1, "", "usage: setkey"},
		{"the usage", "", "-h", 0, "usage: setkey", ""},
		{"the version", "", "-V", 0, "setkey " + Version, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, stdout, stderr := s.setkey(tt.stdin, strings.Fields(tt.args)...)
			if status != tt.status || !strings.Contains(stdout, tt.stdout) || !strings.Contains(stderr, tt.stderr) ||
				tt.stdout == "" && stdout != "" || tt.stderr == "" && stderr != "" {
				t.Errorf("status %d, output %q, errors %q", status, stdout, stderr)
			}
		})
	}
}

func TestSetkeyTellsWhereThePluginsConfigurationIsWrong(t *testing.T) {
	s := setkeySite(t, "bad")
	if status, _, stderr := s.setkey("", "-D"); status != 1 || !strings.Contains(stderr, "plugins.hcl:4") || !strings.Contains(stderr, "no such mode") {
		t.Errorf("status %d: %s", status, stderr)
	}
	s.write("plugins.hcl", "kernel = 5\n")
	if status, _, stderr := s.setkey("", "-D"); status != 1 || !strings.Contains(stderr, "plugins.hcl:1") {
		t.Errorf("status %d: %s", status, stderr)
	}
}
