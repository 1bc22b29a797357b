//go:build linux

package xfrm

import (
	"errors"
	"syscall"

	"github.com/mdlayher/netlink"

	"github.com/racoon-ike/racoon/core/sdk/errs"
)

// reasons says what an errno of the kernel means to the engine; the rest is
// errs.Internal.
var reasons = map[syscall.Errno]errs.Reason{
	syscall.EPERM:           errs.Permission,
	syscall.EACCES:          errs.Permission,
	syscall.EEXIST:          errs.Exists,
	syscall.ESRCH:           errs.NotFound,
	syscall.ENOENT:          errs.NotFound,
	syscall.ENETUNREACH:     errs.NotFound,
	syscall.EHOSTUNREACH:    errs.NotFound,
	syscall.EADDRNOTAVAIL:   errs.NotFound,
	syscall.ENODEV:          errs.NotFound,
	syscall.EPROTONOSUPPORT: errs.Unsupported,
	syscall.ENOSYS:          errs.Unsupported,
	syscall.EOPNOTSUPP:      errs.Unsupported,
	syscall.EAFNOSUPPORT:    errs.Unsupported,
	syscall.ENOPROTOOPT:     errs.Unsupported,
	syscall.ENOBUFS:         errs.Busy,
	syscall.ENOMEM:          errs.Busy,
	syscall.EAGAIN:          errs.Busy,
	syscall.EBUSY:           errs.Busy,
	syscall.EINVAL:          errs.Invalid,
	syscall.ERANGE:          errs.Invalid,
	syscall.EMSGSIZE:        errs.Invalid,
}

// toError says what was tried, and what the kernel thinks of it including the
// sentence of its extended acknowledgement. An error that is no errno is the
// socket's: errs.Unavailable.
func toError(what string, err error) *errs.Error {
	if err == nil {
		return nil
	}
	var e *errs.Error
	if errors.As(err, &e) {
		wrapped := *e
		wrapped.Msg = what + ": " + e.Msg
		return &wrapped
	}
	e = &errs.Error{Reason: errs.Unavailable, Msg: what + ": " + err.Error(), Op: -1}
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return e
	}
	e.Errno = int(errno)
	e.Reason = errs.Internal
	if r, ok := reasons[errno]; ok {
		e.Reason = r
	}
	e.Msg = what + ": " + verdict(err)
	return e
}

// verdict is an errno in words, with the sentence of the extended acknowledgement.
func verdict(err error) string {
	var errno syscall.Errno
	var op *netlink.OpError
	switch {
	case !errors.As(err, &errno):
		return err.Error()
	case errors.As(err, &op) && op.Message != "":
		return errno.Error() + ": " + op.Message
	}
	return errno.Error()
}

func isNotFound(err error) bool {
	return errors.Is(err, syscall.ESRCH) || errors.Is(err, syscall.ENOENT)
}

func invalid(format string, a ...any) error { return errs.Errorf(errs.Invalid, format, a...) }

func unsupported(format string, a ...any) error { return errs.Errorf(errs.Unsupported, format, a...) }
