//go:build linux

package xfrm

import (
	"errors"
	"syscall"

	"github.com/mdlayher/netlink"

	"github.com/racoon-ike/racoon/core/sdk/errs"
)

// toError says what was tried, and what the kernel thinks of it including the
// sentence of its extended acknowledgement.
func toError(what string, err error) *errs.Error {
	e := errs.OS(what, err)
	if e != nil && errors.As(err, new(syscall.Errno)) {
		e.Msg = what + ": " + verdict(err)
	}
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
