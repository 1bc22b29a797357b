package control

import (
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/racoon-ike/racoon/core/internal/policy"
)

func listen(t *testing.T, c policy.AdminSock) *Listener {
	t.Helper()
	l, err := Listen(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestTheSocketHasOwnerAndModeOfTheConfiguration(t *testing.T) {
	tests := []struct {
		name string
		in   uint32
		want fs.FileMode
	}{
		{"default", 0, 0o600},
		{"for a group", 0o660, 0o660},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "run", "racoon.sock")
			l := listen(t, policy.AdminSock{Path: path, Mode: tt.in})
			fi, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			if fi.Mode() != fs.ModeSocket|tt.want {
				t.Errorf("mode %v, want %v", fi.Mode(), fs.ModeSocket|tt.want)
			}
			if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			if _, err := os.Lstat(path); err == nil {
				t.Error("the socket is still there")
			}
		})
	}
}

func TestListenRefuses(t *testing.T) {
	tests := []struct {
		name string
		make func(t *testing.T, path string)
		conf func(path string) policy.AdminSock
		says string
	}{
		{name: "a file in its place", make: func(t *testing.T, p string) { os.WriteFile(p, nil, 0o600) }, says: "not a socket"},
		{name: "another daemon in its place", make: func(t *testing.T, p string) {
			l, err := net.Listen("unix", p)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
		}, says: "another daemon"},
		{name: "a relative path", conf: func(string) policy.AdminSock { return policy.AdminSock{Path: "racoon.sock"} }, says: "absolute"},
		{name: "a long path", conf: func(p string) policy.AdminSock {
			return policy.AdminSock{Path: p + strings.Repeat("x", maxPath)}
		}, says: "longer than"},
		{name: "an unknown owner", conf: func(p string) policy.AdminSock { return policy.AdminSock{Path: p, Owner: "no-such-user"} }, says: "no-such-user"},
		{name: "an unknown group", conf: func(p string) policy.AdminSock { return policy.AdminSock{Path: p, Group: "no-such-group"} }, says: "no-such-group"},
		{name: "a mode with set-uid", conf: func(p string) policy.AdminSock { return policy.AdminSock{Path: p, Mode: 0o4600} }, says: "permission bits"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s")
			if tt.make != nil {
				tt.make(t, path)
			}
			c := policy.AdminSock{Path: path}
			if tt.conf != nil {
				c = tt.conf(path)
			}
			l, err := Listen(c, slog.New(slog.DiscardHandler))
			if err == nil {
				l.Close()
				t.Fatal("listens")
			}
			if !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), c.Path) {
				t.Errorf("%q says %q and the path?", err, tt.says)
			}
		})
	}
}

func TestASocketNobodyListensOnIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: path})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	l := listen(t, policy.AdminSock{Path: path})
	go func() {
		if c, err := net.Dial("unix", path); err == nil {
			c.Close()
		}
	}()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

func TestASuccessorsSocketIsNotRemoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	old := listen(t, policy.AdminSock{Path: path})
	os.Remove(path)
	listen(t, policy.AdminSock{Path: path})
	old.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the successor's socket: %v", err)
	}
}

func TestWhoIsAdmitted(t *testing.T) {
	groups := func(uid uint32) []string {
		if uid == 1001 {
			return []string{"1001", "50"}
		}
		return nil
	}
	tests := []struct {
		name string
		mode fs.FileMode
		who  peerCredential
		want bool
	}{
		{"root, whatever the mode", 0o000, peerCredential{0, 0}, true},
		{"the owner", 0o600, peerCredential{1000, 1000}, true},
		{"the owner of a socket that only its group may use", 0o060, peerCredential{1000, 1000}, false},
		{"a stranger", 0o660, peerCredential{1002, 1002}, false},
		{"the group's own process", 0o660, peerCredential{1002, 50}, true},
		{"a member of the group", 0o660, peerCredential{1001, 1001}, true},
		{"a member of the group, which may not", 0o600, peerCredential{1001, 50}, false},
		{"reading is not enough", 0o644, peerCredential{1002, 50}, false},
		{"everybody", 0o666, peerCredential{1002, 1002}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := &Listener{uid: 1000, gid: 50, mode: tt.mode, groupsOf: groups}
			if got := l.admits(tt.who); got != tt.want {
				t.Errorf("admitted: %v", got)
			}
		})
	}
}
