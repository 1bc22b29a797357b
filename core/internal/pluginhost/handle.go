package pluginhost

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/racoon-ike/racoon/core/sdk/errs"
)

// Hooks are how a plugin's user keeps in step with its lives. C is the SDK's
// interface of the plugin's kind.
type Hooks[C any] struct {
	// OnUp runs when the plugin has been configured, at its start, after each restart
	// and after each Configure, before anyone else can call it. client is this life's
	// own; ctx ends with that life, so long-lived streams may be started with it. An
	// error ends the process.
	OnUp func(ctx context.Context, client C) error
	// OnDown runs at the end of each life that OnUp saw.
	OnDown func(reason error)
}

// handle is a plugin as its user holds it: the same value through all its lives.
type handle[C any] struct {
	*supervisor
	hooks   Hooks[C]
	connect func(grpc.ClientConnInterface) C
	prepare func(context.Context, C) error // before OnUp; may be nil
	current atomic.Pointer[life[C]]
	saw     bool // OnUp of this life ran
}

type life[C any] struct {
	client   C
	services []string
}

func newHandle[C any](h *Host, s Spec, hooks Hooks[C], connect func(grpc.ClientConnInterface) C) *handle[C] {
	v := &handle[C]{hooks: hooks, connect: connect, supervisor: newSupervisor(h, s)}
	v.up, v.down = v.goUp, v.goDown
	return v
}

// direct is the handle of an implementation in our own process without any wire.
func direct[C any](p Plugin, impl C, services []string) *handle[C] {
	v := &handle[C]{supervisor: &supervisor{
		plugin: p, status: Status{Plugin: p, State: Healthy, Since: time.Now()}, stop: make(chan struct{}), done: make(chan struct{}),
	}}
	v.hurryUp = func() {}
	close(v.done)
	v.current.Store(&life[C]{impl, services})
	return v
}

func (v *handle[C]) goUp(ctx context.Context, conn grpc.ClientConnInterface, services []string) error {
	c := v.connect(conn)
	if v.prepare != nil {
		if err := v.prepare(ctx, c); err != nil {
			return err
		}
	}
	v.saw = true
	if v.hooks.OnUp != nil {
		if err := v.hooks.OnUp(ctx, c); err != nil {
			return err
		}
	}
	v.current.Store(&life[C]{c, services})
	return nil
}

func (v *handle[C]) goDown(reason error) {
	v.current.Store(nil)
	if v.saw && v.hooks.OnDown != nil {
		v.hooks.OnDown(reason)
	}
	v.saw = false
}

// client is the running plugin, or the error a call answers while it is down.
func (v *handle[C]) client() (C, error) {
	if l := v.current.Load(); l != nil {
		return l.client, nil
	}
	var none C
	return none, v.gone()
}

// Serves reports whether the running plugin serves the named service.
func (v *handle[C]) Serves(service string) bool {
	l := v.current.Load()
	return l != nil && slices.Contains(l.services, service)
}

// ask calls f on the running plugin as a Want, which is C or one of its optional
// interfaces.
func ask[Want, C, R any](v *handle[C], f func(Want) (R, error)) (R, error) {
	var none R
	c, err := v.client()
	if err != nil {
		return none, err
	}
	w, ok := any(c).(Want)
	if !ok {
		return none, errs.Errorf(errs.Unsupported, "plugin %s does not implement this", v.plugin)
	}
	return f(w)
}

// tell is ask for calls that only fail.
func tell[Want, C any](v *handle[C], f func(Want) error) error {
	_, err := ask(v, func(w Want) (struct{}, error) { return struct{}{}, f(w) })
	return err
}

// batched makes a batcher whose calls go to the running plugin under a deadline of
// their own: no single request's context ends a call that others share.
func batched[C, Req, Res any](v *handle[C], limit int, timeout func() time.Duration, f func(C, context.Context, []Req) ([]Res, error)) *batcher[Req, Res] {
	return newBatcher(limit, func(reqs []Req) ([]Res, error) {
		c, err := v.client()
		if err != nil {
			return nil, err
		}
		v.calls.Add(1)
		ctx, cancel := context.WithTimeout(context.Background(), timeout())
		defer cancel()
		return f(c, ctx, reqs)
	})
}
