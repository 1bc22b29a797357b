package core

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	strongConf = `path pre_shared_key "/etc/racoon/psk.txt";
remote 192.0.2.2 { exchange_mode main; proposal { encryption_algorithm aes 256; hash_algorithm sha256; authentication_method pre_shared_key; dh_group modp2048; } }
sainfo anonymous { pfs_group modp2048; lifetime time 1 hour; encryption_algorithm aes_gcm 256; compression_algorithm deflate; }
`
	// A note for the parser, a warning for any policy.
	oldConf = `path pre_shared_key "/etc/racoon/psk.txt";
remote 192.0.2.2 { exchange_mode main; proposal { encryption_algorithm 3des; hash_algorithm sha256; authentication_method pre_shared_key; dh_group modp2048; } }
`
	weakConf = `path pre_shared_key "/etc/racoon/psk.txt";
remote 192.0.2.2 { exchange_mode main; proposal { encryption_algorithm aes; hash_algorithm md5; authentication_method pre_shared_key; dh_group modp2048; } }
`
)

func writeConf(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "racoon.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestStatusOfLintAndTest: 0, 1 and 2, end to end; -t knows no policies, and notes do
// not count for either.
func TestStatusOfLintAndTest(t *testing.T) {
	for _, c := range []struct {
		name, conf     string
		args           string
		status         int
		stdout, stderr string
	}{
		{"-t, strong", strongConf, "-t", 0, "test is successful\n", ""},
		{"-t, a note", oldConf, "-t", 0, "test is successful\n", "[RC1102]"},
		{"-t, a warning", weakConf, "-t", 2, "test is successful, with findings\n", "[RC1001]"},
		{"-t, an error", "logg info;", "-t", 1, "", "test failed"},
		{"-t, no file", "", "-t", 1, "", "could not read configuration file"},
		{"lint, strong", strongConf, "lint", 0, "0 errors, 0 warnings, 1 note (policy modern)\n", ""}, // no plugin to ask about keys: RC2103,
		{"lint, a policy's warning", oldConf, "lint", 2, "[MOD001]", ""},
		{"lint, a policy's note", strongConf, "lint --policy nist", 0, "0 errors, 0 warnings, 3 notes (policy nist)\n", ""},
		{"lint, another policy", strongConf, "lint --policy bsi", 2, "[BSI004]", ""},
		{"lint, several policies", strongConf, "lint --policy nist --policy modern,nist", 0, "(policy nist, modern)", ""},
		{"lint, the parser's warning", weakConf, "lint", 2, "[RC1001]", ""},
		{"lint, an error", "logg info;", "lint", 1, "1 error, 0 warnings, 0 notes\n", "fatal parse failure"},
		{"lint, no file", "", "lint", 1, "[RC0007]", "could not read configuration file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "does-not-exist")
			if c.conf != "" {
				file = writeConf(t, c.conf)
			}
			var stdout, stderr bytes.Buffer
			args := append([]string{"/usr/sbin/racoon"}, strings.Fields(c.args)...)
			if got := Main(append(args, "-f", file), &stdout, &stderr); got != c.status {
				t.Errorf("status %d, want %d", got, c.status)
			}
			if !strings.Contains(stdout.String(), c.stdout) || !strings.Contains(stderr.String(), c.stderr) {
				t.Errorf("stdout %q\nstderr %q", stdout.String(), stderr.String())
			}
		})
	}
}

// TestLintCommandLine: what needs no configuration.
func TestLintCommandLine(t *testing.T) {
	for _, c := range []struct {
		args           string
		status         int
		stdout, stderr string
	}{
		{"lint --explain RC1007", 0, "RC1007: aggressive mode", ""},
		{"lint --explain bsi004", 0, "BSI004: ", ""},
		{"lint --explain RC9999", 1, "", `racoon lint: "RC9999" is no code`},
		{"lint -h", 0, "usage: racoon lint [-f file]", ""},
		{"lint --policy cnsa", 1, "", "--policy takes one of bsi, nist, modern"},
		{"lint --format xml", 1, "", "--format takes one of text, json, sarif"},
		{"lint now", 1, "", `"now" is no option`},
		{"lint -f", 1, "", "needs an argument"},
		{"-h", 0, "racoon lint [-f file]", ""},
		{"-t lint", 1, "", `"lint" is no option`},
		{"lint x.conf", 1, "", "write -f x.conf"},
		{"lint --policy=", 1, "", "--policy takes one of"},
		{"-t -f", 1, "", "usage: racoon ["},
	} {
		t.Run(c.args, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			if got := Main(append([]string{"racoon"}, strings.Fields(c.args)...), &stdout, &stderr); got != c.status {
				t.Errorf("status %d, want %d", got, c.status)
			}
			if !strings.Contains(stdout.String(), c.stdout) || !strings.Contains(stderr.String(), c.stderr) {
				t.Errorf("stdout %q\nstderr %q", stdout.String(), stderr.String())
			}
		})
	}
}

// TestLintForPrograms: standard output is one document, whatever happens.
func TestLintForPrograms(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "does-not-exist")
	for _, format := range []string{"json", "sarif"} {
		for _, file := range []string{writeConf(t, strongConf), writeConf(t, weakConf), writeConf(t, "logg info;"), missing} {
			var stdout, stderr bytes.Buffer
			Main([]string{"racoon", "lint", "--format", format, "-f", file}, &stdout, &stderr)
			var v map[string]any
			if err := json.Unmarshal(stdout.Bytes(), &v); err != nil {
				t.Errorf("%s: %v\n%s", format, err, stdout.String())
			}
		}
	}
}

// TestLintTakesTheFileTheDaemonTakes: racoon.hcl where there is no racoon.conf.
func TestLintTakesTheFileTheDaemonTakes(t *testing.T) {
	dir := t.TempDir()
	defer func(files []string) { configFiles = files }(configFiles)
	configFiles = []string{filepath.Join(dir, "racoon.conf"), writeFile(t, dir, "racoon.hcl", "")}
	daemon, err := parseFlags([]string{"racoon"})
	if err != nil {
		t.Fatal(err)
	}
	lint, err := parseLintFlags([]string{"lint"})
	if err != nil || lint.config != configFiles[1] || daemon.config != lint.config {
		t.Errorf("lint reads %s, the daemon %s: %v", lint.config, daemon.config, err)
	}
}
