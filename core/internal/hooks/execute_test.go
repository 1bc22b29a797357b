package hooks

import (
	"bufio"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/notice"
)

// write makes a script in a directory of its own.
func write(t *testing.T, text string, mode os.FileMode) (path, dir string) {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "hook")
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path, dir
}

func perform(t *testing.T, ctx context.Context, text string) result {
	t.Helper()
	path, dir := write(t, text, 0o755)
	return executeBelow(ctx, &hook{event: up, path: path, env: []string{"LOCAL_ADDR=192.0.2.1", "REMOTE_ID=a b"}}, dir)
}

func TestAScriptSeesItsArgumentAndItsVariables(t *testing.T) {
	t.Setenv("SECRET", "of the daemon")
	res := perform(t, t.Context(), "#!/bin/sh\necho \"$# $1 ${0##*/}\"\npwd\nread x || echo no input\n/usr/bin/env | /usr/bin/sort >&2\n")
	if res.err != nil {
		t.Fatal(res.err)
	}
	var got []string
	for line := range strings.Lines(string(res.output)) {
		if !strings.HasPrefix(line, "PWD=") && !strings.HasPrefix(line, "_=") && !strings.HasPrefix(line, "SHLVL=") && !strings.HasPrefix(line, "OLDPWD") { // the shell's own
			got = append(got, strings.TrimSpace(line))
		}
	}
	if diff := cmp.Diff([]string{"1 phase1_up hook", "/", "no input", "LOCAL_ADDR=192.0.2.1", "REMOTE_ID=a b"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestHowAScriptEnds(t *testing.T) {
	for text, want := range map[string]string{
		"#!/bin/sh\nexit 3":            "exit status 3",
		"#!/bin/sh\nkill -9 $$":        "signal: killed",
		"exit 0":                       "exec format error",
		"#!/no/such/interpreter\ntrue": "no such file or directory",
	} {
		if err := perform(t, t.Context(), text).err; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestOnlyTheBeginningOfTheOutputIsKept(t *testing.T) {
	res := perform(t, t.Context(), "#!/bin/sh\ni=0; while test $i -lt 1000; do echo 123456789; i=$((i+1)); done")
	if res.err != nil || len(res.output) != maxOutput || res.more != 10000-maxOutput {
		t.Errorf("%d octets and %d more, %v", len(res.output), res.more, res.err)
	}
}

// pipe makes a named pipe, which a script and the test meet at.
func pipe(t *testing.T, dir string) string {
	t.Helper()
	name := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// A script that is killed takes along what it has started: nobody has the pipe open
// for writing any more.
func TestThoseOfAKilledScriptDieToo(t *testing.T) {
	path, dir := write(t, "#!/bin/sh\nexec 7>${0%/*}/pipe\nsleep 1000 &\necho up >&7\nwait\n", 0o755)
	name := pipe(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan result)
	go func() { done <- executeBelow(ctx, &hook{event: up, path: path}, dir) }()
	r, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if line, err := bufio.NewReader(r).ReadString('\n'); err != nil || line != "up\n" {
		t.Fatalf("%q, %v", line, err)
	}
	cancel()
	if rest, err := io.ReadAll(r); err != nil || len(rest) != 0 {
		t.Errorf("%q, %v", rest, err)
	}
	if res := <-done; res.err == nil {
		t.Error("it ended well")
	}
}

// What a script leaves running keeps nobody, even if it has the output open.
func TestAScriptMayLeaveSomethingRunning(t *testing.T) {
	path, dir := write(t, "#!/bin/sh\necho begun\ncat ${0%/*}/pipe &\n", 0o755)
	name := pipe(t, dir)
	res := executeBelow(t.Context(), &hook{event: up, path: path}, dir)
	w, err := os.OpenFile(name, os.O_WRONLY, 0) // opens because it still reads
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	if res.err != nil || string(res.output) != "begun\n" {
		t.Errorf("%q, %v", res.output, res.err)
	}
}

func TestAnUnsafeScriptIsNotRun(t *testing.T) {
	path, dir := write(t, "#!/bin/sh\necho run\n", 0o777)
	res := executeBelow(t.Context(), &hook{event: up, path: path}, dir)
	if res.err == nil || res.reason != notice.UnsafeFile || len(res.output) > 0 {
		t.Errorf("%q, %v", res.output, res.err)
	}
}
