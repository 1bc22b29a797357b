package plugin

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/racoon-ike/racoon/core/internal/plugingrpc"
	"github.com/racoon-ike/racoon/core/sdk/auth"
	"github.com/racoon-ike/racoon/core/sdk/errs"
)

// closeTimeout bounds an instance's Close.
const closeTimeout = 5 * time.Second

// holder has the configured instance and swaps it atomically. A replaced instance
// is closed when the calls that hold it are done; its streams are told to end.
type holder struct {
	log     *slog.Logger
	mu      sync.Mutex
	current *instance
	closing sync.WaitGroup
}

type instance struct {
	value any
	life  context.Context
	end   context.CancelFunc
	users sync.WaitGroup
}

// swap makes v the current instance; nil leaves none.
func (h *holder) swap(v any) {
	var next *instance
	if v != nil {
		next = &instance{value: v}
		next.life, next.end = context.WithCancel(context.Background())
	}
	h.mu.Lock()
	old := h.current
	h.current = next
	if old != nil {
		h.closing.Add(1)
	}
	h.mu.Unlock()
	if old == nil {
		return
	}
	old.end()
	go func() {
		defer h.closing.Done()
		old.users.Wait() // nobody can join any more: it is not current
		c, ok := old.value.(auth.Closer)
		if !ok {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			h.log.Warn("closing the replaced instance failed", "error", err)
		}
	}()
}

// source hands out the current instance as a T.
func source[T any](h *holder) plugingrpc.Source[T] {
	return func() (plugingrpc.Lease[T], error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		i := h.current
		if i == nil {
			return plugingrpc.Lease[T]{}, errs.Errorf(errs.Unavailable, "the plugin is not configured")
		}
		i.users.Add(1)
		return plugingrpc.Lease[T]{Value: i.value.(T), Life: i.life, Release: i.users.Done}, nil
	}
}

// shutdown closes the current instance and waits for it as long as ctx lasts.
func (h *holder) shutdown(ctx context.Context) {
	h.swap(nil)
	done := make(chan struct{})
	go func() { h.closing.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
	}
}
