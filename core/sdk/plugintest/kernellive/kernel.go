//go:build linux

package kernellive

import (
	"context"
	"errors"
	"net"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// Clean empties the kernel's tables now and when the test ends, and then closes b.
func Clean(t *testing.T, b interface {
	kernel.Backend
	Close(context.Context) error
}) {
	t.Helper()
	flush := func() {
		Apply(t, b, kernel.Continue, kernel.Op{Kind: kernel.FlushSAs}, kernel.Op{Kind: kernel.FlushPolicies})
	}
	flush()
	t.Cleanup(func() {
		flush()
		b.Close(context.Background())
	})
}

// Apply runs one transaction; every op must succeed.
func Apply(t *testing.T, b kernel.Backend, on kernel.OnError, ops ...kernel.Op) {
	t.Helper()
	for i, r := range Try(t, b, on, ops...) {
		if r.Err != nil {
			t.Fatalf("op %d: %v", i, r.Err)
		}
	}
}

// Try runs one transaction.
func Try(t *testing.T, b kernel.Backend, on kernel.OnError, ops ...kernel.Op) []kernel.OpResult {
	t.Helper()
	res, err := b.Apply(context.Background(), []kernel.Transaction{{Ops: ops, OnError: on}})
	if err != nil {
		t.Fatal(err)
	}
	return res[0].Ops
}

// Dump is what the kernel has that passes.
func Dump(t *testing.T, b kernel.Backend, f kernel.DumpFilter) (list []kernel.Object) {
	t.Helper()
	if err := b.Dump(t.Context(), f, func(o kernel.Object) error { list = append(list, o); return nil }); err != nil {
		t.Fatal(err)
	}
	return list
}

// Subscribe starts a stream and returns a function that waits for the next event
// of one of the kinds. The stream ends with the test.
func Subscribe(t *testing.T, b kernel.Backend) func(...kernel.EventKind) kernel.Event {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	events, ended := make(chan kernel.Event, 1<<16), make(chan error, 1)
	go func() {
		ended <- b.Events(ctx, 0, func(ev kernel.Event) error { events <- ev; return nil })
		close(events)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Events ended with %v, want context.Canceled", err)
		}
	})
	next := func(kinds ...kernel.EventKind) kernel.Event {
		t.Helper()
		limit := time.After(20 * time.Second)
		for {
			select {
			case ev, ok := <-events:
				if !ok {
					t.Fatalf("the stream ended while waiting for %v", kinds)
				}
				if slices.Contains(kinds, ev.Kind) {
					return ev
				}
			case <-limit:
				t.Fatalf("no event of kinds %v", kinds)
			}
		}
	}
	if ev := next(kernel.Ready, kernel.Overflow, kernel.NetChanged); ev.Kind != kernel.Ready {
		t.Fatalf("the first event is %d, want Ready", ev.Kind)
	}
	return next
}

// Send sends a datagram.
func Send(t *testing.T, to string) {
	t.Helper()
	c, err := net.Dial("udp", to)
	if err == nil {
		_, err = c.Write([]byte("hello"))
		c.Close()
	}
	// Without an SA the kernel may refuse to connect or to send; it has asked by
	// then. EINVAL is of an SA at its hard limit.
	if err != nil && !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.ESRCH) && !errors.Is(err, syscall.EINVAL) {
		t.Fatal(err)
	}
}
