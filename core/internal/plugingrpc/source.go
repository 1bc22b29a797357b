package plugingrpc

import (
	"context"
	"fmt"

	"google.golang.org/grpc"

	"github.com/racoon-ike/racoon/core/sdk/errs"
)

// A Source hands out the configured instance of a plugin for the time of one call.
type Source[T any] func() (Lease[T], error)

// A Lease is an instance held for one call.
type Lease[T any] struct {
	Value T
	// Life ends when the instance is replaced or shut down. Streams end with it;
	// unary calls are waited for.
	Life    context.Context
	Release func()
}

// Fixed is the source of an instance that is never replaced.
func Fixed[T any](v T) Source[T] {
	return func() (Lease[T], error) {
		return Lease[T]{Value: v, Life: context.Background(), Release: func() {}}, nil
	}
}

// call runs f on the instance if it implements Want, which is T itself or one of
// its optional interfaces.
func call[Want, T, R any](src Source[T], f func(Want) (R, error)) (R, error) {
	var none R
	l, err := src()
	if err != nil {
		return none, err
	}
	defer l.Release()
	w, ok := any(l.Value).(Want)
	if !ok {
		return none, unsupported[Want]()
	}
	return f(w)
}

// stream is call for a server stream. ctx ends with the stream or the instance.
func stream[Want, T any](src Source[T], ss grpc.ServerStream, f func(context.Context, Want) error) error {
	l, err := src()
	if err != nil {
		return err
	}
	defer l.Release()
	w, ok := any(l.Value).(Want)
	if !ok {
		return unsupported[Want]()
	}
	ctx, cancel := context.WithCancel(ss.Context())
	defer cancel()
	defer context.AfterFunc(l.Life, cancel)()
	err = f(ctx, w)
	if l.Life.Err() != nil {
		return errs.Errorf(errs.Stale, "the instance was replaced; subscribe again")
	}
	return err
}

func unsupported[Want any]() error {
	return errs.Errorf(errs.Unsupported, "the plugin does not implement %s", fmt.Sprintf("%T", (*Want)(nil))[1:])
}
