package core

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// run is one call of racoon with its output.
func runMain(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	status = Main(append([]string{"racoon"}, args...), &out, &err)
	return status, out.String(), err.String()
}

func writeFile(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const classicText = `path pre_shared_key "psk.txt";
remote 192.0.2.2 { # the hub
	exchange_mode main;
	shared_secret use "canary-secret";
	proposal { encryption_algorithm aes 256; hash_algorithm sha256; authentication_method pre_shared_key; dh_group ecp256; }
}
sainfo anonymous { pfs_group ecp256; encryption_algorithm aes_gcm 256; }
`

// TestConvertKeepsSecretsOutOfSight: they go to files of their own, or nowhere.
func TestConvertKeepsSecretsOutOfSight(t *testing.T) {
	dir := t.TempDir()
	in := writeFile(t, dir, "racoon.conf", classicText)
	status, out, errs := runMain(t, "config", "convert", in)
	if status != 1 || !strings.Contains(errs, "--secrets DIR") {
		t.Errorf("without --secrets: %d\n%s%s", status, out, errs)
	}
	hcl := filepath.Join(dir, "racoon.hcl")
	if status, out, errs := runMain(t, "config", "convert", "--secrets", filepath.Join(dir, "keys"), "-o", hcl, in); status != 0 || !strings.Contains(errs, "wrote "+filepath.Join(dir, "keys")) {
		t.Fatalf("status %d\n%s%s", status, out, errs)
	}
	text, err := os.ReadFile(hcl)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"# the hub", `remote "192.0.2.2" {`, "shared_secret {", `use = "file:` + dir} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	keys, err := filepath.Glob(filepath.Join(dir, "keys", "*"))
	if err != nil || len(keys) != 1 {
		t.Fatalf("%v, %v", keys, err)
	}
	if fi, err := os.Stat(keys[0]); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", fi.Mode(), err)
	}
	status, out, errs = runMain(t, "config", "convert", hcl)
	if status != 1 || !strings.Contains(errs, "-o FILE") {
		t.Errorf("back to standard output: %d\n%s%s", status, out, errs)
	}
	back := filepath.Join(dir, "back.conf")
	if status, out, errs := runMain(t, "config", "convert", "-o", back, hcl); status != 0 {
		t.Fatalf("status %d\n%s%s", status, out, errs)
	}
	if text, err := os.ReadFile(back); err != nil || !strings.Contains(string(text), `shared_secret use "canary-secret";`) {
		t.Errorf("%v\n%s", err, text)
	}
	if status, _, errs := runMain(t, "config", "convert", "-o", back, hcl); status != 1 || !strings.Contains(errs, "exists") {
		t.Errorf("over an existing file: %d %s", status, errs)
	}
	for _, file := range []string{in, hcl} {
		for _, format := range []string{"classic", "hcl", "json"} {
			status, out, errs := runMain(t, "config", "show", "-f", file, "--format", format)
			if status != 0 || strings.Contains(out+errs, "canary") || !strings.Contains(out, "192.0.2.2") {
				t.Errorf("show %s as %s: %d\n%s%s", file, format, status, out, errs)
			}
		}
	}
}

// TestConvertIsIntoTheOtherLanguage, into a file that will be read as such.
func TestConvertIsIntoTheOtherLanguage(t *testing.T) {
	dir := t.TempDir()
	in := writeFile(t, dir, "racoon.conf", strings.ReplaceAll(classicText, "shared_secret", "#"))
	hcl := filepath.Join(dir, "racoon.hcl")
	for _, c := range []struct {
		args   []string
		status int
		stderr string
	}{
		{[]string{"--to", "classic", in}, 1, "is in that language already"},
		{[]string{"-o", in, "--force", in}, 1, "read from files named .hcl only"},
		{[]string{"-o", filepath.Join(dir, "other", "racoon.hcl"), in}, 1, "names a path relative to that file's directory"},
		{[]string{"-o", hcl, in}, 0, ""},
		{[]string{"-o", hcl, hcl}, 1, "are not named .hcl"},
		{[]string{"--to", "hcl", hcl}, 1, "is in that language already"},
	} {
		if status, out, errs := runMain(t, append([]string{"config", "convert"}, c.args...)...); status != c.status || !strings.Contains(errs, c.stderr) || out != "" {
			t.Errorf("%v: %d\n%s%s", c.args, status, out, errs)
		}
	}
	if status, out, errs := runMain(t, "config", "convert", "-o", "-", in); status != 0 || !strings.Contains(out, "path {") || errs != "" {
		t.Errorf("to standard output: %d\n%s%s", status, out, errs)
	}
}

// TestShowIsOfOneSection, if it is named.
func TestShowIsOfOneSection(t *testing.T) {
	in := writeFile(t, t.TempDir(), "racoon.conf", strings.ReplaceAll(classicText, "shared_secret", "#")+
		"remote \"other\" { exchange_mode main; ph1id 7; proposal { encryption_algorithm aes 256; hash_algorithm sha256; authentication_method pre_shared_key; dh_group ecp256; } }\n")
	status, out, errs := runMain(t, "config", "show", "-f", in, "other")
	if status != 0 || strings.Contains(out, "192.0.2.2") || !strings.Contains(out, `remote "other"`) || strings.Contains(out, "sainfo") {
		t.Errorf("%d\n%s%s", status, out, errs)
	}
	if status, out, errs := runMain(t, "config", "show", "-f", in, "192.0.2.2"); status != 0 || !strings.Contains(out, "remote 192.0.2.2 {") || strings.Contains(out, "other") {
		t.Errorf("by its address: %d\n%s%s", status, out, errs)
	}
	if status, _, errs := runMain(t, "config", "show", "-f", in, "other", "nobody"); status != 1 || !strings.Contains(errs, "is called nobody") {
		t.Errorf("one of two: %d %s", status, errs)
	}
	if status, _, errs := runMain(t, "config", "show", "-f", in, "nobody"); status != 1 || !strings.Contains(errs, "nobody") {
		t.Errorf("%d %s", status, errs)
	}
}

// TestImportWritesThreeFiles, and says on standard output what it keeps back.
func TestImportWritesThreeFiles(t *testing.T) {
	dir := t.TempDir()
	in := writeFile(t, dir, "swanctl.conf", `connections { a { version = 1
	local_addrs = 192.0.2.1
	remote_addrs = 192.0.2.2
	proposals = aes256-sha256-modp2048
	local { auth = psk }
	remote { auth = psk }
	children { a { local_ts = 10.1.0.0/24
		remote_ts = 10.2.0.0/24
		esp_proposals = aes256-sha256
		start_action = trap } } } }
secrets { ike-a { id = 192.0.2.2
	secret = canary-secret-of-the-test } }
`)
	status, out, errs := runMain(t, "config", "import", in)
	if status != 0 || strings.Contains(out+errs, "canary") || !strings.Contains(errs, "1 key is") || !strings.Contains(out, "# spdadd") {
		t.Errorf("%d\n%s%s", status, out, errs)
	}
	to := filepath.Join(dir, "out")
	if status, out, errs := runMain(t, "config", "import", "-o", to, in); status != 0 {
		t.Fatalf("%d\n%s%s", status, out, errs)
	}
	for name, want := range map[string]string{"racoon.conf": "remote", "psk.txt": "192.0.2.2 canary", "policies.conf": "spdadd"} {
		if text, err := os.ReadFile(filepath.Join(to, name)); err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
	}
	if status, out, errs := runMain(t, "-t", "-f", filepath.Join(to, "racoon.conf")); status == 1 {
		t.Errorf("%d\n%s%s", status, out, errs)
	}
}

// TestConfigCommandLinesThatMakeNoSense say how it is done.
func TestConfigCommandLinesThatMakeNoSense(t *testing.T) {
	for _, args := range [][]string{{"config"}, {"config", "shew"}, {"config", "show", "--format", "xml"}, {"config", "convert", "a", "b"},
		{"config", "convert", "--to", "xml", "a"}, {"config", "convert", "--legacy-until", "2020-01-01", "a"}, {"config", "profiles", "a"}, {"config", "convert", "--legacy-until", "soon", "a"}, {"config", "import"}} {
		if status, out, errs := runMain(t, args...); status != 1 || !strings.Contains(out+errs, "usage") {
			t.Errorf("%v: %d\n%s%s", args, status, out, errs)
		}
	}
}

// TestConvertIntoAnotherDirectory: a relative path would be another file there.
func TestConvertIntoAnotherDirectory(t *testing.T) {
	dir := t.TempDir()
	in := writeFile(t, dir, "racoon.conf", strings.Replace(classicText, `shared_secret use "canary-secret";`, "", 1))
	out := filepath.Join(t.TempDir(), "racoon.hcl")
	if status, _, errs := runMain(t, "config", "convert", "-o", out, in); status != 1 || !strings.Contains(errs, in+":1 names a path relative") {
		t.Errorf("status %d\n%s", status, errs)
	}
	in = writeFile(t, dir, "racoon.conf", strings.Replace(classicText, `"psk.txt"`, `"/etc/racoon/psk.txt"`, 1))
	if status, _, errs := runMain(t, "config", "convert", "--secrets", dir, "-o", out, in); status != 0 {
		t.Errorf("without relative paths: status %d\n%s", status, errs)
	}
}
