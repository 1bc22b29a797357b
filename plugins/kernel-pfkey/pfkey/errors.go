package pfkey

import (
	"errors"
	"syscall"

	"github.com/racoon-ike/racoon/core/sdk/errs"
)

func wrap(what string, err error) error { return errs.OS(what, err).Err() }

func isNotFound(err error) bool {
	return errors.Is(err, syscall.ESRCH) || errors.Is(err, syscall.ENOENT) || hasReason(err, errs.NotFound)
}

func hasReason(err error, r errs.Reason) bool { return errors.Is(err, &errs.Error{Reason: r}) }

func invalid(format string, a ...any) error { return errs.Errorf(errs.Invalid, format, a...) }

func unsupported(format string, a ...any) error { return errs.Errorf(errs.Unsupported, format, a...) }
