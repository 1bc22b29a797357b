package pfkey

import (
	"errors"
	"syscall"

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

// toError says what was tried, and what the kernel thinks of it. An error that is
// no errno is the socket's: errs.Unavailable.
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
	if errors.As(err, &errno) {
		e.Errno, e.Reason = int(errno), errs.Internal
		if r, ok := reasons[errno]; ok {
			e.Reason = r
		}
	}
	return e
}

func wrap(what string, err error) error { return toError(what, err).Err() }

func isNotFound(err error) bool {
	return errors.Is(err, syscall.ESRCH) || errors.Is(err, syscall.ENOENT) || hasReason(err, errs.NotFound)
}

func hasReason(err error, r errs.Reason) bool { return errors.Is(err, &errs.Error{Reason: r}) }

func invalid(format string, a ...any) error { return errs.Errorf(errs.Invalid, format, a...) }

func unsupported(format string, a ...any) error { return errs.Errorf(errs.Unsupported, format, a...) }
