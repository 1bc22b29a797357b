package errs

import (
	"errors"
	"syscall"
)

// ofErrno says what an errno of a kernel means to the engine; the rest is Internal.
var ofErrno = map[syscall.Errno]Reason{
	syscall.EPERM:           Permission,
	syscall.EACCES:          Permission,
	syscall.EEXIST:          Exists,
	syscall.ESRCH:           NotFound,
	syscall.ENOENT:          NotFound,
	syscall.ENETUNREACH:     NotFound,
	syscall.EHOSTUNREACH:    NotFound,
	syscall.EADDRNOTAVAIL:   NotFound,
	syscall.ENODEV:          NotFound,
	syscall.EPROTONOSUPPORT: Unsupported,
	syscall.ENOSYS:          Unsupported,
	syscall.EOPNOTSUPP:      Unsupported,
	syscall.EAFNOSUPPORT:    Unsupported,
	syscall.ENOPROTOOPT:     Unsupported,
	syscall.ENOBUFS:         Busy,
	syscall.ENOMEM:          Busy,
	syscall.EAGAIN:          Busy,
	syscall.EBUSY:           Busy,
	syscall.EINVAL:          Invalid,
	syscall.ERANGE:          Invalid,
	syscall.EMSGSIZE:        Invalid,
}

// OS says what was tried, and what a kernel thinks of it: the errno in err decides the
// reason. An *Error keeps its own; an error that is neither is that of the way to the
// kernel, Unavailable. nil stays nil.
func OS(what string, err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		wrapped := *e
		wrapped.Msg = what + ": " + e.Msg
		return &wrapped
	}
	e = &Error{Reason: Unavailable, Msg: what + ": " + err.Error(), Op: -1}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		e.Errno, e.Reason = int(errno), Internal
		if r, ok := ofErrno[errno]; ok {
			e.Reason = r
		}
	}
	return e
}
