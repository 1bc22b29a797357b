package engine

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// backup is the file of path backupsa: the inbound SAs with their keys, so that a
// host that was switched off understands its peers again. Outbound SAs are not in
// it: nobody could know which sequence numbers they have used.
type backup struct {
	alive func(ike.SAKey) bool // whether an SA that was saved is still ours

	mu    sync.Mutex
	path  string
	file  *os.File // nil: nothing is saved
	lines int
	limit int // of lines, then those of SAs that have ended are removed
}

// spareLines is how many lines of SAs that have ended are let be.
const spareLines = 64

// open begins to save to a file, which is made if need be and emptied unless keep is
// set; with "" nothing is saved any more.
func (b *backup) open(path string, keep bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closeLocked()
	if path == "" {
		return nil
	}
	f, err := openSecret(path, os.O_RDWR|os.O_CREATE|os.O_APPEND)
	if err == nil && !keep {
		err = f.Truncate(0)
	}
	if err != nil {
		return fmt.Errorf("SAs are not saved: %w", err)
	}
	b.path, b.file, b.lines, b.limit = path, f, 0, spareLines
	return nil
}

// openSecret opens a file only if it is a regular one of ours that nobody else may
// read: the original's rule for files with secrets.
func openSecret(path string, flags int) (*os.File, error) {
	f, err := os.OpenFile(path, flags|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		st, ok := info.Sys().(*syscall.Stat_t)
		switch {
		case !info.Mode().IsRegular():
			err = fmt.Errorf("%s is no regular file", path)
		case ok && int(st.Uid) != os.Geteuid():
			err = fmt.Errorf("%s belongs to user %d", path, st.Uid)
		case info.Mode().Perm()&0o077 != 0:
			err = fmt.Errorf("%s is open to others: chmod 600 %s", path, path)
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// save appends the inbound SAs of a transaction that was done. Those in UDP are left
// out, as in the original: the peer's port may be another one by then.
func (b *backup) save(ops []kernel.Op, now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.file == nil {
		return nil
	}
	for _, op := range ops {
		if op.SA == nil || op.SA.Dir != kernel.In || op.SA.Encap != nil {
			continue
		}
		line := formatSaved(op.SA, now)
		_, err := b.file.Write(line)
		clear(line)
		if err != nil {
			return fmt.Errorf("save SAs: %w", err)
		}
		b.lines++
	}
	if b.lines > b.limit {
		return b.compact(now)
	}
	return nil
}

// compact writes the file anew, without the SAs that have ended.
func (b *backup) compact(now time.Time) error {
	old, err := b.read()
	if err != nil {
		return err
	}
	defer clear(old)
	f, err := openSecret(b.path+".new", os.O_RDWR|os.O_CREATE|os.O_APPEND|os.O_TRUNC)
	if err != nil {
		return fmt.Errorf("save SAs: %w", err)
	}
	n, err := b.copyLive(f, old, now)
	if err == nil {
		err = os.Rename(b.path+".new", b.path)
	}
	if err != nil { // the old file goes on
		f.Close()
		return fmt.Errorf("save SAs: %w", err)
	}
	b.file.Close()
	b.file, b.lines, b.limit = f, n, 2*n+spareLines
	return nil
}

// copyLive writes the lines of SAs that are still there, and counts them.
func (b *backup) copyLive(to io.Writer, lines []byte, now time.Time) (n int, err error) {
	for line := range bytes.Lines(lines) {
		s, bad := parseSaved(line, now)
		s.zero()
		if bad != nil || s.left <= 0 || !b.alive(saKey(s.sa.Key)) {
			continue
		}
		if _, err := to.Write(line); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// read returns the whole file, keys and all.
func (b *backup) read() ([]byte, error) {
	info, err := b.file.Stat()
	if err != nil {
		return nil, fmt.Errorf("read saved SAs: %w", err)
	}
	text := make([]byte, info.Size())
	n, err := io.ReadFull(io.NewSectionReader(b.file, 0, info.Size()), text)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read saved SAs: %w", err)
	}
	return text[:n], nil
}

// saved reads the SAs in the file that still have some time left. An error is about
// one line, and does not say what stands in it.
func (b *backup) saved(now time.Time) (all []savedSA, bad []error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.file == nil {
		return nil, nil
	}
	text, err := b.read()
	if err != nil {
		return nil, []error{err}
	}
	defer clear(text)
	n := 0
	for line := range bytes.Lines(text) {
		if n++; len(bytes.TrimSpace(line)) == 0 || line[0] == '#' {
			continue
		}
		s, err := parseSaved(line, now)
		switch {
		case err != nil:
			bad = append(bad, fmt.Errorf("%s:%d: %w", b.path, n, err))
		case s.left <= 0:
			s.zero()
		default:
			all = append(all, s)
		}
	}
	b.lines, b.limit = n, n+spareLines
	return all, bad
}

// empty removes all SAs: they have been deleted in good order.
func (b *backup) empty() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.file == nil {
		return nil
	}
	b.lines = 0
	return b.file.Truncate(0)
}

func (b *backup) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closeLocked()
}

func (b *backup) closeLocked() {
	if b.file != nil {
		b.file.Close()
	}
	b.file = nil
}
