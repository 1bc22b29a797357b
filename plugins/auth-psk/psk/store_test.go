package psk

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/racoon-ike/racoon/core/sdk/auth"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/plugin"
)

func TestFilesThatAreNotSafe(t *testing.T) {
	needRoot := func(t *testing.T) {
		if os.Geteuid() != 0 {
			t.Skip("only root can give files away")
		}
	}
	tests := []struct {
		name   string
		uid    uint32 // of the plugin
		make   func(t *testing.T, path string)
		reason errs.Reason // "" = taken
		says   string
	}{
		{name: "of the plugin's user, 0600", uid: uint32(os.Geteuid()), make: func(*testing.T, string) {}},
		{name: "of the plugin's user, 0400", uid: uint32(os.Geteuid()), make: chmod(0o400)},
		{name: "readable by the group", uid: uint32(os.Geteuid()), make: chmod(0o640), reason: errs.Permission, says: "chmod 600 "},
		{name: "writable by others", uid: uint32(os.Geteuid()), make: chmod(0o602), reason: errs.Permission, says: "chmod 600 "},
		{name: "of root, read by another user", uid: 12345, make: func(t *testing.T, _ string) { needRoot(t) }},
		{name: "of the plugin's user, not root", uid: 12345, make: func(t *testing.T, p string) { needRoot(t); os.Chown(p, 12345, -1) }},
		{name: "of a third user", uid: 12345, make: func(t *testing.T, p string) { needRoot(t); os.Chown(p, 54321, -1) }, reason: errs.Permission, says: "run: chown 12345 "},
		{name: "missing", make: func(t *testing.T, p string) { os.Remove(p) }, reason: errs.NotFound, says: "does not exist"},
		{name: "a directory", make: func(t *testing.T, p string) { os.Remove(p); os.Mkdir(p, 0o700) }, reason: errs.Permission, says: "not a regular file"},
		{name: "a FIFO nobody writes to", make: func(t *testing.T, p string) { os.Remove(p); syscall.Mkfifo(p, 0o600) }, reason: errs.Permission, says: "not a regular file"},
		{name: "a link to a safe file", uid: uint32(os.Geteuid()), make: func(t *testing.T, p string) { os.Rename(p, p+".real"); os.Symlink(p+".real", p) }},
		{name: "a link to one that is open to others", uid: uint32(os.Geteuid()), make: func(t *testing.T, p string) {
			os.Rename(p, p+".real")
			os.Chmod(p+".real", 0o644)
			os.Symlink(p+".real", p)
		}, reason: errs.Permission, says: "chmod 600 "},
		{name: "too large", uid: uint32(os.Geteuid()), make: func(t *testing.T, p string) { os.Truncate(p, maxFile+1) }, reason: errs.Invalid, says: "larger than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := keyFile(t, "a key\n")
			tt.make(t, path)
			data, _, err := readSecret(path, tt.uid)
			if tt.reason == "" {
				if err != nil || string(data) != "a key\n" {
					t.Fatalf("%q, %v", data, err)
				}
				return
			}
			if err == nil || err.Reason != tt.reason || data != nil {
				t.Fatalf("%v, want %s", err, tt.reason)
			}
			if !strings.Contains(err.Msg, tt.says) || !strings.Contains(err.Msg, path) {
				t.Errorf("%q says %q and the path?", err.Msg, tt.says)
			}
		})
	}
}

func chmod(mode os.FileMode) func(*testing.T, string) {
	return func(t *testing.T, path string) {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
}

// has asks for a peer's key and returns where it came from or why there is none.
func has(t *testing.T, a auth.Authenticator, addr string) (string, errs.Reason) {
	t.Helper()
	nonce := make([]byte, 16)
	res := derive(t, a, auth.SKEYIDRequest{Peer: from(addr), PRF: 2, Ni: nonce, Nr: nonce})
	if res.Err != nil {
		return "", res.Err.Reason
	}
	return res.Candidates[0].CredentialID, ""
}

func replace(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	tmp := filepath.Join(filepath.Dir(path), "new")
	if err := os.WriteFile(tmp, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tmp, path); err != nil {
		t.Fatal(err)
	}
}

func TestAChangedFileIsReadAgain(t *testing.T) {
	var log bytes.Buffer
	path := keyFile(t, "192.0.2.1 key\n")
	a, spec, _ := instance(t, path, slog.New(slog.NewTextHandler(&log, nil)))
	old := a.(*Plugin).keys.table.entries[0].key.Reveal()

	step := func(what string, change func(), addr, cred string, reason errs.Reason, state plugin.HealthState) {
		t.Helper()
		change()
		if c, r := has(t, a, addr); c != cred || r != reason {
			t.Errorf("%s: %q %q, want %q %q", what, c, r, cred, reason)
		}
		if h := spec.Health(t.Context()); h.State != state || h.Since.IsZero() {
			t.Errorf("%s: health %+v, want state %d", what, h, state)
		}
	}
	step("as it was", func() {}, "192.0.2.1", "psk.txt:1", "", plugin.Healthy)
	step("replaced", func() { replace(t, path, "# c\n192.0.2.2 short\n", 0o600) }, "192.0.2.2", "psk.txt:2", "", plugin.Healthy)
	step("the old peer is gone", func() {}, "192.0.2.1", "", errs.NotFound, plugin.Healthy)
	if !bytes.Equal(old, make([]byte, len(old))) {
		t.Error("the replaced key is still in memory")
	}
	if !strings.Contains(log.String(), "line=2") || !strings.Contains(log.String(), "PSK001") {
		t.Errorf("the weak key is not in the log: %s", log.String())
	}
	step("replaced by one open to others: the old keys stay", func() { replace(t, path, "192.0.2.3 key\n", 0o644) }, "192.0.2.2", "psk.txt:2", "", plugin.Degraded)
	step("mended", func() { os.Chmod(path, 0o600) }, "192.0.2.3", "psk.txt:1", "", plugin.Healthy)
	step("opened to others: the old keys stay", func() { os.Chmod(path, 0o604) }, "192.0.2.3", "psk.txt:1", "", plugin.Degraded)
	step("closed again", func() { os.Chmod(path, 0o600) }, "192.0.2.3", "psk.txt:1", "", plugin.Healthy)
	step("removed: the old keys stay", func() { os.Remove(path) }, "192.0.2.3", "psk.txt:1", "", plugin.Degraded)
	step("still removed", func() {}, "192.0.2.3", "psk.txt:1", "", plugin.Degraded)
	step("written again", func() { replace(t, path, "192.0.2.4 key\n", 0o600) }, "192.0.2.4", "psk.txt:1", "", plugin.Healthy)
	if n := strings.Count(log.String(), "does not exist"); n != 1 {
		t.Errorf("a missing file is logged %d times, want once:\n%s", n, log.String())
	}
}

func TestAFileThatComesLaterIsTaken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "psk.txt")
	a, spec, diags := instance(t, path, nil)
	if len(diags) != 1 || diags[0].Code != "PSK006" {
		t.Errorf("diagnostics %v", diags)
	}
	if _, r := has(t, a, "192.0.2.1"); r != errs.NotFound {
		t.Errorf("%s, want not found", r)
	}
	if h := spec.Health(t.Context()); h.State != plugin.Degraded || !strings.Contains(h.Detail, "does not exist") {
		t.Errorf("health %+v", h)
	}
	replace(t, path, "192.0.2.1 key\n", 0o640)
	if _, r := has(t, a, "192.0.2.1"); r != errs.Permission {
		t.Errorf("%s, want permission", r)
	}
	replace(t, path, "192.0.2.1 key\n", 0o600)
	if c, r := has(t, a, "192.0.2.1"); c != "psk.txt:1" {
		t.Errorf("%q %s", c, r)
	}
}

// Keys are zeroed when the file changes; nobody who derives meanwhile may see that.
func TestReplacingKeysDisturbsNobody(t *testing.T) {
	path := keyFile(t, "192.0.2.1 the same key, longer and longer\n")
	a, _, _ := instance(t, path, nil)
	nonce := make([]byte, 16)
	req := []auth.SKEYIDRequest{{Peer: from("192.0.2.1"), PRF: 2, Ni: nonce, Nr: nonce}}
	first, err := a.DeriveSKEYIDs(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	want := first[0].Candidates[0].SKEYID.Reveal()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				res, err := a.DeriveSKEYIDs(t.Context(), req)
				if err != nil || res[0].Err != nil || !bytes.Equal(res[0].Candidates[0].SKEYID.Reveal(), want) {
					t.Errorf("%+v %v", res, err)
					return
				}
			}
		})
	}
	for i := range 50 {
		replace(t, path, strings.Repeat("#", i+1)+"\n192.0.2.1 the same key, longer and longer\n", 0o600)
	}
	wg.Wait()
}

func TestErrorsOfOpening(t *testing.T) {
	if e := openError("/x", 7, syscall.EACCES); e.Reason != errs.Permission || !strings.Contains(e.Msg, "chown 7 /x") || code(e) != "PSK008" {
		t.Errorf("%v", e)
	}
	if e := openError("/x", 7, &os.PathError{Op: "open", Path: "/x", Err: errors.New("bad disk")}); e.Reason != errs.Unavailable || e.Msg != "open /x: bad disk" {
		t.Errorf("%v", e)
	}
}
