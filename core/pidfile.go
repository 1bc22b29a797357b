package core

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// DefaultPidFile is the pid file unless "path pidfile" names another.
const DefaultPidFile = "/var/run/racoon.pid"

// pidFile is a pid file we hold: locked for as long as we live, so that a file left
// behind by a crash does not keep the next daemon from starting.
type pidFile struct {
	path string
	file *os.File
}

// takePidFile writes our pid. It refuses if a live process holds the file. The file
// appears whole: it is written aside, locked, and renamed into place.
func takePidFile(path string) (*pidFile, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("pid file: %w", err)
	}
	for {
		old, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o644)
		if err != nil {
			return nil, fmt.Errorf("pid file: %w", err)
		}
		if err := unix.Flock(int(old.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			defer old.Close()
			if errors.Is(err, unix.EWOULDBLOCK) {
				return nil, fmt.Errorf("another racoon is running%s (%s is locked)", holder(old), path)
			}
			return nil, fmt.Errorf("pid file %s: lock: %w", path, err)
		}
		if !isAt(old, path) { // replaced between open and lock
			old.Close()
			continue
		}
		p, err := replacePidFile(path)
		old.Close()
		return p, err
	}
}

// replacePidFile puts a new locked file in the place of one we have locked.
func replacePidFile(path string) (*pidFile, error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".racoon.pid")
	if err != nil {
		return nil, fmt.Errorf("pid file: %w", err)
	}
	_, err = fmt.Fprintf(f, "%d\n", os.Getpid())
	err = errors.Join(err, f.Chmod(0o644), unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB))
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		f.Close()
		return nil, fmt.Errorf("pid file %s: %w", path, err)
	}
	return &pidFile{path, f}, nil
}

// remove takes our pid file away, unless another one has taken its place.
func (p *pidFile) remove() {
	if isAt(p.file, p.path) {
		os.Remove(p.path)
	}
	p.file.Close()
}

// isAt reports whether path still names the open file.
func isAt(f *os.File, path string) bool {
	here, err := os.Stat(path)
	if err != nil {
		return false
	}
	open, err := f.Stat()
	return err == nil && os.SameFile(here, open)
}

// holder is the pid in a pid file, in words.
func holder(f *os.File) string {
	b := make([]byte, 16)
	n, _ := f.ReadAt(b, 0) // a short file ends in io.EOF
	pid, err := strconv.Atoi(strings.TrimSpace(string(b[:n])))
	if err != nil {
		return ""
	}
	return " with pid " + strconv.Itoa(pid)
}
