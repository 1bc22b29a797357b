package pluginhost

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// openExecutable opens and checks the file a plugin is started from: nobody but
// root and we ourselves may be able to change it or a directory above it. What is
// started later is this descriptor, so that what was checked is what runs.
func openExecutable(path, digest string) (*os.File, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err := checkExecutable(f, path, digest); err != nil {
		f.Close()
		return nil, err
	}
	return moveHigh(f)
}

func checkExecutable(f *os.File, path, digest string) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
		return fmt.Errorf("%s is not an executable file", path)
	}
	if err := checkOwner(path, info, 0o022); err != nil {
		return err
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		info, err := os.Lstat(dir)
		if err != nil {
			return err
		}
		// A root-owned directory that a group may write is the administrator's word
		// (Debian's /usr/local); a sticky one protects what is in it.
		if info.Mode()&os.ModeSticky == 0 {
			if err := checkOwner(dir, info, 0o002); err != nil {
				return err
			}
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	if digest == "" {
		return nil
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	if got := hex.EncodeToString(hash.Sum(nil)); got != digest {
		return fmt.Errorf("%s has SHA-256 %s, not the configured %s", path, got, digest)
	}
	return nil
}

func checkOwner(path string, info os.FileInfo, writable os.FileMode) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("%s: no owner known", path)
	}
	if st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to uid %d, who could replace a plugin: want root or uid %d", path, st.Uid, os.Geteuid())
	}
	if p := info.Mode().Perm(); p&writable != 0 {
		return fmt.Errorf("%s has mode %#o: others could replace a plugin (chmod go-w)", path, p)
	}
	return nil
}

// moveHigh moves f out of the way of the descriptors the child is given.
func moveHigh(f *os.File) (*os.File, error) {
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 64)
	if err != nil {
		return nil, fmt.Errorf("duplicate descriptor of %s: %w", f.Name(), err)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}
