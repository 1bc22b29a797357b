package plugingrpc

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"
	"unicode"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	basev1 "github.com/racoon-ike/racoon/core/sdk/proto/racoon/plugin/base/v1"
)

// reasonCodes pairs each reason with the status code that carries it.
var reasonCodes = map[errs.Reason]codes.Code{
	errs.Unavailable:  codes.Unavailable,
	errs.Busy:         codes.ResourceExhausted,
	errs.NotFound:     codes.NotFound,
	errs.Exists:       codes.AlreadyExists,
	errs.Unsupported:  codes.Unimplemented,
	errs.Permission:   codes.PermissionDenied,
	errs.Invalid:      codes.InvalidArgument,
	errs.NeedOperator: codes.FailedPrecondition,
	errs.Stale:        codes.Aborted,
	errs.Timeout:      codes.DeadlineExceeded,
	errs.Internal:     codes.Internal,
}

// maxMessage bounds what a plugin can put into our log with one error, in octets.
const maxMessage = 1024

func errorToProto(e *errs.Error) *basev1.ErrorDetail {
	if e == nil {
		return nil
	}
	d := &basev1.ErrorDetail{
		Reason: string(e.Reason), Message: text(e.Msg), OsErrno: int32(e.Errno),
		RetryAfterMs: uint32(e.RetryAfter / time.Millisecond), Attributes: make(map[string]string, len(e.Attrs)),
	}
	for k, v := range e.Attrs {
		d.Attributes[text(k)] = text(v)
	}
	if e.Op >= 0 {
		i := uint32(e.Op)
		d.OpIndex = &i
	}
	return d
}

func errorFromProto(d *basev1.ErrorDetail) *errs.Error {
	if d == nil {
		return nil
	}
	e := &errs.Error{
		Reason: errs.Reason(clean(d.Reason)), Msg: clean(d.Message), Errno: int(d.OsErrno), Op: -1,
		RetryAfter: time.Duration(d.RetryAfterMs) * time.Millisecond, Attrs: maps.Clone(d.Attributes),
	}
	for k, v := range e.Attrs {
		e.Attrs[k] = clean(v)
	}
	if d.OpIndex != nil {
		e.Op = int(*d.OpIndex)
	}
	return e
}

// clean makes foreign text fit for one line of a log.
func clean(s string) string {
	if len(s) > maxMessage {
		s = s[:maxMessage] + "…"
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

// toStatus is err as a plugin sends it.
func toStatus(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := status.FromError(err); ok { // a generated Unimplemented, or transport trouble
		return err
	}
	e := errs.From(err)
	code, ok := reasonCodes[e.Reason]
	if !ok {
		code = codes.Unknown
	}
	st, detailErr := status.New(code, text(e.Msg)).WithDetails(errorToProto(e))
	if detailErr != nil {
		st = status.New(code, text(e.Msg))
	}
	return st.Err()
}

// fromStatus is err as the host understands it: the caller's own cancellation
// stays what it is, everything else becomes an *errs.Error.
func fromStatus(ctx context.Context, method string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("%s: %w", method, context.Canceled)
	}
	st := status.Convert(err)
	for _, d := range st.Details() {
		if d, ok := d.(*basev1.ErrorDetail); ok {
			return errorFromProto(d)
		}
	}
	e := errs.Errorf(errs.Internal, "%s: %s", method, clean(st.Message()))
	for reason, code := range reasonCodes {
		if code == st.Code() {
			e.Reason = reason
		}
	}
	// Without a detail it was not the plugin who said so; and Canceled, while the
	// caller still wants to know, is a connection closed on our side after its death.
	if st.Code() == codes.Unavailable || st.Code() == codes.Canceled {
		e.Reason, e.PluginGone = errs.Unavailable, true
	}
	return e
}

// ServerOptions are what every server of ours needs: errors with details, and the
// bound on a message's size.
func ServerOptions() []grpc.ServerOption {
	unary := func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		res, err := next(ctx, req)
		return res, toStatus(err)
	}
	stream := func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
		return toStatus(next(srv, ss))
	}
	return []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(unary), grpc.ChainStreamInterceptor(stream),
		grpc.MaxRecvMsgSize(MaxMessage), grpc.MaxSendMsgSize(MaxMessage),
	}
}

// MaxMessage bounds one message in either direction, in octets.
const MaxMessage = 4 << 20

// DialOptions are what every connection of ours needs.
func DialOptions() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithIdleTimeout(0),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(MaxMessage), grpc.MaxCallSendMsgSize(MaxMessage)),
	}
}

// conn gives every unary call a deadline where the caller set none, and its errors
// our shape.
type conn struct {
	grpc.ClientConnInterface
	timeout time.Duration
}

func (c conn) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.timeout)
		defer cancel()
	}
	return fromStatus(ctx, method, c.ClientConnInterface.Invoke(ctx, method, args, reply, opts...))
}
