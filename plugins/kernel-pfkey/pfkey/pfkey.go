// Package pfkey is the kernel backend for PF_KEY version 2 (RFC 2367): BSD,
// Darwin, and Linux with af_key. Its configuration is checked and it finds out
// whether the kernel has PF_KEY; the operations are not built yet, and it
// refuses every one of them.
package pfkey

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"syscall"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// protocol is PF_KEY_V2.
const protocol = 2

// domains is PF_KEY of sys/socket.h; the systems do not agree.
var domains = map[string]int{"linux": 15, "freebsd": 27, "netbsd": 29, "darwin": 29, "openbsd": 30}

// Backend is one configured instance.
type Backend struct{ socket socketFunc }

// A socketFunc is socket(2).
type socketFunc func(domain, typ, proto int) (int, error)

var _ kernel.Backend = (*Backend)(nil)

// Capabilities says whether this process can open a PF_KEY socket. It offers no
// feature and no algorithm, as none can be used yet.
func (b *Backend) Capabilities(context.Context) (kernel.Capabilities, error) {
	if err := b.probe(); err != nil {
		return kernel.Capabilities{}, err
	}
	return kernel.Capabilities{Platform: runtime.GOOS + " pfkey"}, nil
}

func (b *Backend) probe() error {
	domain, ok := domains[runtime.GOOS]
	if !ok {
		return errs.Errorf(errs.Unsupported, "PF_KEY is not known on %s", runtime.GOOS)
	}
	s, err := b.socket(domain, syscall.SOCK_RAW, protocol)
	if err != nil {
		return openError(err)
	}
	if err := syscall.Close(s); err != nil {
		return errs.Errorf(errs.Internal, "close PF_KEY socket: %v", err)
	}
	return nil
}

// advice is what to do where the kernel has no PF_KEY.
var advice = map[string]string{
	"linux":   "load the module af_key, or use kernel-xfrm",
	"freebsd": "load ipsec.ko, or build a kernel with options IPSEC",
	"netbsd":  "build a kernel with options IPSEC",
}

func openError(err error) error {
	var errno syscall.Errno
	errors.As(err, &errno)
	e := &errs.Error{Reason: errs.Unavailable, Op: -1, Errno: int(errno), Msg: fmt.Sprintf("open PF_KEY socket: %v", err)}
	switch errno {
	case syscall.EPERM, syscall.EACCES:
		e.Reason = errs.Permission
		e.Msg += ": it takes root"
		if runtime.GOOS == "linux" {
			e.Msg = fmt.Sprintf("open PF_KEY socket: %v: it takes CAP_NET_ADMIN", err)
		}
	case syscall.EAFNOSUPPORT, syscall.EPROTONOSUPPORT, syscall.EPROTOTYPE:
		e.Reason = errs.Unsupported
		e.Msg = fmt.Sprintf("this kernel has no PF_KEY (%v)", err)
		if what := advice[runtime.GOOS]; what != "" {
			e.Msg += ": " + what
		}
	}
	return e
}

// refusal is the answer to every operation.
func refusal(what string) error {
	return errs.Errorf(errs.Unsupported, "kernel-pfkey cannot %s yet; a later release can. On Linux use kernel-xfrm", what)
}

func (*Backend) SocketOptions(context.Context, kernel.SocketRole, kernel.Family) (kernel.SocketSetup, error) {
	return kernel.SocketSetup{}, refusal("say how sockets bypass IPsec")
}

func (*Backend) AllocateSPIs(context.Context, []kernel.SPIRequest) ([]kernel.SPIResult, error) {
	return nil, refusal("reserve SPIs")
}

func (*Backend) Apply(context.Context, []kernel.Transaction) ([]kernel.TxnResult, error) {
	return nil, refusal("change SAs and policies")
}

func (*Backend) Query(context.Context, []kernel.Key) ([]kernel.Stats, error) {
	return nil, refusal("read counters")
}

func (*Backend) Dump(context.Context, kernel.DumpFilter, func(kernel.Object) error) error {
	return refusal("read SAs and policies")
}

func (*Backend) Events(context.Context, kernel.EventMask, func(kernel.Event) error) error {
	return refusal("watch the kernel")
}

func (*Backend) LookupRoutes(context.Context, []kernel.RouteQuery) ([]kernel.Route, error) {
	return nil, refusal("look up routes")
}
