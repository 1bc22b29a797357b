package pluginhost

import (
	"context"
	"net/netip"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/racoon-ike/racoon/core/internal/plugingrpc"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/logsink"
)

// Kernel is a kernel plugin. It implements kernel.Backend and kernel.EncapPort.
// Apply and AllocateSPIs of many callers are coalesced, in the order they came; a
// call that was sent is never cancelled.
type Kernel struct {
	*handle[kernel.Backend]
	caps  atomic.Pointer[kernel.Capabilities]
	spis  *batcher[kernel.SPIRequest, kernel.SPIResult]
	apply *batcher[kernel.Transaction, kernel.TxnResult]
}

var _ interface {
	kernel.Backend
	kernel.EncapPort
} = (*Kernel)(nil)

// StartKernel starts a kernel plugin and returns when it is up.
func (h *Host) StartKernel(ctx context.Context, s Spec, hooks Hooks[kernel.Backend]) (*Kernel, error) {
	s.Kind = KindKernel
	k := newKernel(newHandle(h, s, hooks, func(c grpc.ClientConnInterface) kernel.Backend { return plugingrpc.NewKernelClient(c) }))
	k.prepare = func(ctx context.Context, c kernel.Backend) error {
		caps, err := c.Capabilities(ctx)
		if err == nil {
			k.caps.Store(&caps)
		}
		return err
	}
	if err := k.start(ctx); err != nil {
		return nil, err
	}
	return k, nil
}

// DirectKernel wraps an implementation in our own process: no wire, no supervisor.
func DirectKernel(name string, impl kernel.Backend) *Kernel {
	return newKernel(direct(Plugin{KindKernel, name}, impl, plugingrpc.KernelServices(impl)))
}

func newKernel(v *handle[kernel.Backend]) *Kernel {
	timeout := func() time.Duration { return plugingrpc.KernelTimeout }
	return &Kernel{
		handle: v,
		spis:   batched(v, 1, timeout, kernel.Backend.AllocateSPIs),
		apply:  batched(v, 1, timeout, kernel.Backend.Apply),
	}
}

// Capabilities are those of the running configuration, without a call.
func (k *Kernel) Capabilities(ctx context.Context) (kernel.Capabilities, error) {
	return ask(k.handle, func(c kernel.Backend) (kernel.Capabilities, error) {
		if caps := k.caps.Load(); caps != nil {
			return *caps, nil
		}
		return c.Capabilities(ctx)
	})
}

func (k *Kernel) SocketOptions(ctx context.Context, r kernel.SocketRole, f kernel.Family) (kernel.SocketSetup, error) {
	return ask(k.handle, func(c kernel.Backend) (kernel.SocketSetup, error) { return c.SocketOptions(ctx, r, f) })
}

func (k *Kernel) AllocateSPIs(ctx context.Context, rs []kernel.SPIRequest) ([]kernel.SPIResult, error) {
	return k.spis.do(ctx, rs)
}

func (k *Kernel) Apply(ctx context.Context, ts []kernel.Transaction) ([]kernel.TxnResult, error) {
	return k.apply.do(ctx, ts)
}

// ApplyOne is Apply for one transaction.
func (k *Kernel) ApplyOne(ctx context.Context, t kernel.Transaction) (kernel.TxnResult, error) {
	return k.apply.one(ctx, t)
}

func (k *Kernel) Query(ctx context.Context, keys []kernel.Key) ([]kernel.Stats, error) {
	return ask(k.handle, func(c kernel.Backend) ([]kernel.Stats, error) { return c.Query(ctx, keys) })
}

func (k *Kernel) Dump(ctx context.Context, f kernel.DumpFilter, each func(kernel.Object) error) error {
	return tell(k.handle, func(c kernel.Backend) error { return c.Dump(ctx, f, each) })
}

func (k *Kernel) Events(ctx context.Context, m kernel.EventMask, each func(kernel.Event) error) error {
	return tell(k.handle, func(c kernel.Backend) error { return c.Events(ctx, m, each) })
}

func (k *Kernel) LookupRoutes(ctx context.Context, qs []kernel.RouteQuery) ([]kernel.Route, error) {
	return ask(k.handle, func(c kernel.Backend) ([]kernel.Route, error) { return c.LookupRoutes(ctx, qs) })
}

func (k *Kernel) Bind(ctx context.Context, local netip.AddrPort) error {
	return tell(k.handle, func(c kernel.EncapPort) error { return c.Bind(ctx, local) })
}

func (k *Kernel) Send(ctx context.Context, ds []kernel.Datagram) error {
	return tell(k.handle, func(c kernel.EncapPort) error { return c.Send(ctx, ds) })
}

func (k *Kernel) Receive(ctx context.Context, each func(kernel.Batch) error) error {
	return tell(k.handle, func(c kernel.EncapPort) error { return c.Receive(ctx, each) })
}

// Log is a log plugin. It implements logsink.Sink.
type Log struct{ *handle[logsink.Sink] }

var _ logsink.Sink = (*Log)(nil)

// StartLog starts a log plugin and returns when it is up.
func (h *Host) StartLog(ctx context.Context, s Spec, hooks Hooks[logsink.Sink]) (*Log, error) {
	s.Kind = KindLog
	l := &Log{newHandle(h, s, hooks, func(c grpc.ClientConnInterface) logsink.Sink { return plugingrpc.NewLogClient(c) })}
	if err := l.start(ctx); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *Log) Write(ctx context.Context, b logsink.Batch) error {
	return tell(l.handle, func(c logsink.Sink) error { return c.Write(ctx, b) })
}

func (l *Log) Flush(ctx context.Context) error {
	return tell(l.handle, func(c logsink.Sink) error { return c.Flush(ctx) })
}

func (l *Log) Reopen(ctx context.Context) error {
	return tell(l.handle, func(c logsink.Sink) error { return c.Reopen(ctx) })
}
