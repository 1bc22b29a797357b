package core

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/config"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// lintMain prints what checkPlugins finds about the file of its first argument: for
// tests that need another user.
func lintMain() int {
	found, err := findings(context.Background(), os.Args[1])
	if err != nil {
		fmt.Println("error:", err)
		return 1
	}
	for _, f := range found {
		fmt.Println(f)
	}
	return 0
}

// findings are those of checkPlugins in the form SEVERITY CODE LINE TEXT.
func findings(ctx context.Context, file string) ([]string, error) {
	loaded, _, err := config.Load(file)
	if err != nil {
		return nil, err
	}
	diags, err := checkPlugins(ctx, loaded)
	var all []string
	for _, d := range diags {
		all = append(all, fmt.Sprintf("%s %s %d %s", d.Severity, d.Code, d.Line, d.What))
	}
	return all, err
}

// realPSK is a site whose only authentication plugin is the real auth-psk.
func realPSK(t *testing.T) *site {
	t.Helper()
	s := newSite(t)
	if out, err := exec.Command("go", "build", "-o", filepath.Join(s.dir, "racoon-auth-psk"), "../plugins/auth-psk").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s.write("plugins.hcl", `plugin "auth" "psk" {
  path = "racoon-auth-psk"
  config {
    file = "psk.txt"
    shared_secret "one" { use = "file:`+s.dir+`/secret" }
    shared_secret "two" { use = "env:RACOON_TEST_SECRET" }
  }
}
`)
	s.write("secret", "0c1f6ad2b7e94835f0a1c2d4e58b7796\n")
	return s
}

// TestKeysAreChecked with the real plugin, without a daemon, a port or the kernel.
func TestKeysAreChecked(t *testing.T) {
	s := realPSK(t)
	t.Setenv("RACOON_TEST_SECRET", "e7d1026c9f3b48a5a6c0f4d1927be358")
	path := filepath.Join(s.dir, "racoon.conf")
	weak := func(text string) {
		s.write("psk.txt", text)
	}
	psk := filepath.Join(s.dir, "psk.txt")
	for _, c := range []struct {
		name   string
		change func()
		want   []string
	}{
		{"nothing to say", func() { weak("192.0.2.1 6a1c77e0b24d5f8a6b3f9a1c77e0b25c\n") }, nil},
		{"a weak key and a wildcard", func() { weak("192.0.2.1 password\n* 6a1c77e0b24d5f8a6b3f9a1c77e0b25c\n") }, []string{
			"warning PSK001 4 plugin auth/psk: " + psk + ":1: the key can be guessed: it has fewer than 20 bits, 80 are needed",
			"note PSK010 4 plugin auth/psk: " + psk + ":2: this key serves every peer that has none of its own, and each of them can pass for any other"}},
		{"no key file", func() { os.Remove(psk) }, []string{"warning PSK006 4 plugin auth/psk: no pre-shared key can be used yet: " + psk + " does not exist"}},
		{"no variable", func() { weak("192.0.2.1 6a1c77e0b24d5f8a6b3f9a1c77e0b25c\n"); os.Unsetenv("RACOON_TEST_SECRET") }, []string{
			`warning PSK014 6 plugin auth/psk: section "two" has no secret yet: the daemon was started without the variable "RACOON_TEST_SECRET"`}},
		{"a block that does not fit", func() {
			s.write("plugins.hcl", "plugin \"auth\" \"psk\" {\n path = \"racoon-auth-psk\"\n config {\n  fiel = \"psk.txt\"\n }\n}")
		}, []string{`error RC0011 4 is no setting here`}},
		{"no such executable", func() { s.write("plugins.hcl", "plugin \"auth\" \"psk\" {\n path = \"nothing\"\n}") }, []string{
			"note RC2103 1 the configuration of plugin auth/psk is not checked: start plugin auth/psk"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.change()
			got, err := findings(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			for i, w := range c.want {
				if i < len(got) && strings.HasPrefix(got[i], w) {
					got[i] = w // tests where and what, not all that follows
				}
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
	if left, _ := filepath.Glob("/tmp/racoon*/plugin-dir*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestKeysAreCheckedAsFarAsAUserMay: who is not root hears what he could not see.
func TestKeysAreCheckedAsFarAsAUserMay(t *testing.T) {
	s := realPSK(t)
	s.write("psk.txt", "192.0.2.1 password\n")
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	// The test's own executable may stand where nobody else can go.
	lint := filepath.Join(s.dir, "racoon-lint")
	if err := os.WriteFile(lint, text, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{"": 0o755, "racoon.conf": 0o644, "plugins.hcl": 0o644, "racoon-auth-psk": 0o755} {
		if err := os.Chmod(filepath.Join(s.dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(lint, filepath.Join(s.dir, "racoon.conf"))
	cmd.Env = []string{"RACOON_TEST_SECRET=e7d1026c9f3b48a5a6c0f4d1927be358", "PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := []string{
		fmt.Sprintf("note PSK008 4 plugin auth/psk: not checked: %s/psk.txt cannot be read by uid 65534", s.dir),
		fmt.Sprintf("note PSK008 5 plugin auth/psk: not checked: %s/secret cannot be read by uid 65534", s.dir),
	}
	if d := cmp.Diff(want, strings.Split(strings.TrimSpace(string(out)), "\n")); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestALiteralSecretIsChecked, and not repeated.
func TestALiteralSecretIsChecked(t *testing.T) {
	s := realPSK(t)
	s.write("psk.txt", "")
	loaded, _, err := config.Load(filepath.Join(s.dir, "racoon.conf"))
	if err != nil {
		t.Fatal(err)
	}
	const word = "hunter2"
	for i := range loaded.Plugins {
		if loaded.Plugins[i].Kind == "auth" {
			loaded.Plugins[i].Literals = map[string]secret.Bytes{"three": secret.New([]byte(word))}
		}
	}
	diags, err := checkPlugins(t.Context(), loaded)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(diags)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), `shared_secret of section \"three\": the key can be guessed`) {
		t.Errorf("the literal is not judged: %s", text)
	}
	if strings.Contains(string(text), word) || strings.Contains(string(text), "aHVudGVy") {
		t.Errorf("the secret is shown: %s", text)
	}
}
