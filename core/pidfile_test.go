package core

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// TestPidFile is held by one process at a time, whole, and gone at its end.
func TestPidFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "racoon.pid")
	first, err := takePidFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(path); string(b) != fmt.Sprintf("%d\n", os.Getpid()) {
		t.Errorf("content %q", b)
	}
	if _, err := takePidFile(path); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("another racoon is running with pid %d", os.Getpid())) {
		t.Errorf("second: %v", err)
	}
	first.remove()
	if _, err := os.Stat(path); err == nil {
		t.Error("it is left")
	}
}

// TestPidFileOfTheDeadIsTaken: nobody holds its lock.
func TestPidFileOfTheDeadIsTaken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "racoon.pid")
	if err := os.WriteFile(path, []byte("999999 and something longer\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := takePidFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer p.remove()
	if b, _ := os.ReadFile(path); string(b) != fmt.Sprintf("%d\n", os.Getpid()) {
		t.Errorf("content %q", b)
	}
}

// TestPidFileOfAnotherIsNotRemoved even if its path is ours.
func TestPidFileOfAnotherIsNotRemoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "racoon.pid")
	p, err := takePidFile(path)
	if err != nil {
		t.Fatal(err)
	}
	os.Remove(path)
	if err := os.WriteFile(path, []byte("1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	p.remove()
	if b, _ := os.ReadFile(path); string(b) != "1\n" {
		t.Errorf("content %q", b)
	}
}

// TestPidFileIsNoLink: whoever can write its directory must not choose what we
// overwrite.
func TestPidFileIsNoLink(t *testing.T) {
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	os.WriteFile(victim, []byte("precious"), 0o644)
	os.Symlink(victim, filepath.Join(dir, "racoon.pid"))
	if _, err := takePidFile(filepath.Join(dir, "racoon.pid")); err == nil {
		t.Error("a symbolic link was followed")
	}
	if b, _ := os.ReadFile(victim); string(b) != "precious" {
		t.Errorf("the link's target has %q", b)
	}
}

// TestPidFileRace: of many at the same time exactly one wins.
func TestPidFileRace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "racoon.pid")
	var wg sync.WaitGroup
	won := make(chan *pidFile, 50)
	for range cap(won) {
		wg.Go(func() {
			if p, err := takePidFile(path); err == nil {
				won <- p
			}
		})
	}
	wg.Wait()
	if len(won) != 1 {
		t.Errorf("%d winners", len(won))
	}
	for range len(won) {
		(<-won).remove()
	}
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*"))
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
