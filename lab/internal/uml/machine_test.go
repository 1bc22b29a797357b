//go:build linux

package uml

import (
	"os/exec"
	"strconv"
	"syscall"
	"testing"
)

func TestParseStat(t *testing.T) {
	pid, state, session, err := parseStat("4711 (a) R 1 (b)) S 1 4700 4699 34816 4711 4194304 1 2")
	if err != nil || pid != 4711 || state != "S" || session != 4699 {
		t.Errorf("pid %d, state %q, session %d, error %v", pid, state, session, err)
	}
	for _, text := range []string{"", "4711", "4711 (x", "4711 (x) S 1", "x (x) S 1 2 3"} {
		if _, _, _, err := parseStat(text); err == nil {
			t.Errorf("%q is no error", text)
		}
	}
}

func TestEndSessionLeavesNoProcess(t *testing.T) {
	// A shell with children of its own, none of which ends by itself.
	cmd := exec.Command("/bin/sh", "-c", "sleep 1000 & sleep 1000 & echo up; wait")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	if pids, err := members(cmd.Process.Pid); err != nil || len(pids) != 3 {
		t.Errorf("members %v (%v), want 3 of session %s", pids, err, strconv.Itoa(cmd.Process.Pid))
	}
	if err := endSession(cmd.Process.Pid); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the shell ended well, but was to be killed")
	}
	if pids, err := members(cmd.Process.Pid); err != nil || len(pids) != 0 {
		t.Errorf("members %v (%v), want none", pids, err)
	}
}
