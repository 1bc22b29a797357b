//go:build unix

package pfkey

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/racoon-ike/racoon/core/sdk/errs"
)

// rawSocket is the kernel's.
type rawSocket struct {
	f   *os.File
	raw syscall.RawConn
}

// dialSystem opens a PF_KEY socket.
func dialSystem(s System) dialer {
	return func() (socket, error) {
		if s.Refuse != "" {
			return nil, errs.Errorf(errs.Unsupported, "%s", s.Refuse)
		}
		r, err := openRaw(s.Domain, version, "pfkey")
		if err != nil {
			return nil, openError(&s, err)
		}
		_ = r.setBuffer(smallBuffer)
		return r, nil
	}
}

// openRaw opens a raw socket that does not block.
func openRaw(domain, protocol int, name string) (*rawSocket, error) {
	syscall.ForkLock.RLock()
	fd, err := unix.Socket(domain, unix.SOCK_RAW, protocol)
	if err == nil {
		unix.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, err
	}
	f := os.NewFile(uintptr(fd), name)
	raw, err := f.SyscallConn()
	if err != nil {
		f.Close()
		return nil, err
	}
	return &rawSocket{f, raw}, nil
}

// openError says what to do about a PF_KEY socket that cannot be opened.
func openError(s *System, err error) error {
	e := errs.OS("open PF_KEY socket", err)
	switch {
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES):
		e.Msg += ": it takes root"
		if s.Name == "linux" {
			e.Msg = fmt.Sprintf("open PF_KEY socket: %v: it takes CAP_NET_ADMIN", err)
		}
	case errors.Is(err, syscall.EAFNOSUPPORT), errors.Is(err, syscall.EPROTONOSUPPORT), errors.Is(err, syscall.EPROTOTYPE):
		e.Reason = errs.Unsupported
		e.Msg = fmt.Sprintf("this kernel has no PF_KEY (%v)", err)
		if s.Advice != "" {
			e.Msg += ": " + s.Advice
		}
	default:
		e.Reason = errs.Unavailable
	}
	return e
}

func (r *rawSocket) send(b []byte) (err error) {
	failed := r.raw.Write(func(fd uintptr) bool {
		_, err = unix.Write(int(fd), b)
		return !errors.Is(err, syscall.EAGAIN)
	})
	return errors.Join(failed, err)
}

// receive reads what is there, however late it is: on a busy machine the deadline may
// pass before the first look.
func (r *rawSocket) receive(b []byte, deadline time.Time) (n int, err error) {
	n, err = r.wait(b, deadline)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		if n, late := r.poll(b); !errors.Is(late, syscall.EAGAIN) && !errors.Is(late, syscall.EINTR) {
			return n, late
		}
	}
	return n, err
}

func (r *rawSocket) wait(b []byte, deadline time.Time) (n int, err error) {
	if err := r.f.SetReadDeadline(deadline); err != nil {
		return 0, err
	}
	failed := r.raw.Read(func(fd uintptr) bool {
		n, err = unix.Read(int(fd), b)
		return !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EINTR)
	})
	if failed != nil {
		return 0, failed
	}
	return n, err
}

func (r *rawSocket) poll(b []byte) (n int, err error) {
	if failed := r.raw.Control(func(fd uintptr) { n, err = unix.Read(int(fd), b) }); failed != nil {
		return 0, failed
	}
	return n, err
}

func (r *rawSocket) level() (waiting, size int) {
	failed := r.raw.Control(func(fd uintptr) { waiting, size = queue(int(fd)) })
	if failed != nil {
		return 0, 0
	}
	return waiting, size
}

func (r *rawSocket) setBuffer(octets int) (err error) {
	failed := r.raw.Control(func(fd uintptr) {
		if now, e := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF); e == nil && now >= octets {
			return
		}
		for ; octets >= 4096; octets /= 2 { // the system has a limit
			if err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, octets); err == nil {
				return
			}
		}
	})
	return errors.Join(failed, err)
}

func (r *rawSocket) close() error { return r.f.Close() }
