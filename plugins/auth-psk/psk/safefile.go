package psk

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/errs"
)

// maxFile bounds what is read: 100,000 peers with long keys.
const maxFile = 64 << 20

// stamp tells whether a file is still the one that was read.
type stamp struct {
	dev, ino uint64
	size     int64
	mtime    time.Time
	mode     fs.FileMode
	uid      uint32
}

func stampOf(fi fs.FileInfo) stamp {
	s := stamp{size: fi.Size(), mtime: fi.ModTime(), mode: fi.Mode()}
	if sys, ok := fi.Sys().(*syscall.Stat_t); ok {
		s.dev, s.ino, s.uid = uint64(sys.Dev), uint64(sys.Ino), sys.Uid
	}
	return s
}

// readSecret reads a file that only its owner may read. It checks what it has
// opened, not what a name pointed to a moment before. uid is the reader's.
func readSecret(path string, uid uint32) ([]byte, stamp, *errs.Error) {
	// A FIFO must not hold us until somebody writes to it.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, stamp{}, openError(path, uid, err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, stamp{}, errs.Errorf(errs.Unavailable, "stat %s: %v", path, bare(err))
	}
	s := stampOf(fi)
	switch {
	case !fi.Mode().IsRegular():
		return nil, s, errs.Errorf(errs.Permission, "%s is not a regular file (%s)", path, fi.Mode().Type())
	case s.uid != 0 && s.uid != uid:
		return nil, s, errs.Errorf(errs.Permission, "%s belongs to uid %d, who could change the keys; run: chown %d %s", path, s.uid, uid, path)
	case fi.Mode().Perm()&0o077 != 0:
		return nil, s, errs.Errorf(errs.Permission, "%s is open to group or others (mode %04o); run: chmod 600 %s", path, fi.Mode().Perm(), path)
	case s.size > maxFile:
		return nil, s, errs.Errorf(errs.Invalid, "%s is larger than %d MiB", path, maxFile>>20)
	}
	data := make([]byte, s.size)
	if _, err := io.ReadFull(f, data); err != nil {
		clear(data)
		return nil, s, errs.Errorf(errs.Unavailable, "read %s: %v", path, bare(err))
	}
	return data, s, nil
}

func openError(path string, uid uint32, err error) *errs.Error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errs.Errorf(errs.NotFound, "%s does not exist", path)
	case errors.Is(err, fs.ErrPermission):
		e := errs.Errorf(errs.Permission, "%s cannot be read by uid %d; run: chown %d %s", path, uid, uid, path)
		e.Errno = int(syscall.EACCES)
		return e
	}
	return errs.Errorf(errs.Unavailable, "open %s: %v", path, bare(err))
}

// bare strips the operation and the path os puts around an error.
func bare(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
