//go:build unix

package pfkey

import (
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A process that was stopped for longer than it would have waited finds the answer.
func TestAnAnswerThatIsThereIsReadAfterTheDeadline(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[1])
	if err := unix.SetNonblock(fds[0], true); err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fds[0]), "pfkey")
	defer f.Close()
	raw, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	s, past, b := &rawSocket{f, raw}, time.Now().Add(-time.Second), make([]byte, 16)
	if _, err := s.receive(b, past); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("nothing is there: %v", err)
	}
	if _, err := unix.Write(fds[1], []byte("answer")); err != nil {
		t.Fatal(err)
	}
	if n, err := s.receive(b, past); string(b[:n]) != "answer" || err != nil {
		t.Errorf("read %q, %v", b[:n], err)
	}
}
