package plugingrpc

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// stub is a backend whose Query and Events the test decides.
type stub struct {
	kernel.Backend
	query  func(context.Context) error
	events func(context.Context, func(kernel.Event) error) error

	capabilities func(context.Context) error
}

func (s stub) Capabilities(ctx context.Context) (c kernel.Capabilities, err error) {
	return c, s.capabilities(ctx)
}

func (s stub) Query(ctx context.Context, keys []kernel.Key) ([]kernel.Stats, error) {
	return make([]kernel.Stats, len(keys)), s.query(ctx)
}

func (s stub) Events(ctx context.Context, _ kernel.EventMask, each func(kernel.Event) error) error {
	return s.events(ctx, each)
}

// dial serves b in memory and returns a client, and what ends the server.
func dial(t *testing.T, b kernel.Backend) (*KernelClient, func()) {
	t.Helper()
	lis := bufconn.Listen(1 << 16)
	g := grpc.NewServer(ServerOptions()...)
	RegisterKernel(g, Fixed(b))
	go g.Serve(lis)
	cc, err := grpc.NewClient("passthrough:x", append(DialOptions(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithStaticStreamWindowSize(1<<16), grpc.WithStaticConnWindowSize(1<<16), // however fast they are today
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cc.Close(); g.Stop() })
	return NewKernelClient(cc), g.Stop
}

func TestErrorsCrossTheWireWhole(t *testing.T) {
	var answer error
	c, _ := dial(t, stub{query: func(context.Context) error { return answer }})
	query := func() error { _, err := c.Query(t.Context(), make([]kernel.Key, 1)); return err }
	for reason := range reasonCodes {
		want := &errs.Error{
			Reason: reason, Msg: "what was tried", RetryAfter: 1500 * time.Millisecond, Errno: 17, Op: 2,
			Attrs: map[string]string{"spi": "0x1"},
		}
		answer = want
		if diff := cmp.Diff(want, errs.From(query())); diff != "" {
			t.Errorf("%s: %s", reason, diff)
		}
	}
	answer = errors.New("plain")
	if diff := cmp.Diff(&errs.Error{Reason: errs.Internal, Msg: "plain", Op: -1}, errs.From(query())); diff != "" {
		t.Error(diff)
	}
	answer = &errs.Error{Reason: "FROM_THE_FUTURE", Msg: "x"}
	if e := errs.From(query()); e.Reason != "FROM_THE_FUTURE" {
		t.Errorf("a reason we do not know: got %v", e)
	}
	answer = errs.Errorf(errs.Internal, "two\nlines\x1b[31m and %s", strings.Repeat("x", 1<<16))
	if e := errs.From(query()); strings.ContainsAny(e.Msg, "\n\x1b") || len(e.Msg) > maxMessage+8 {
		t.Errorf("not fit for a log line: %d octets, %.40q", len(e.Msg), e.Msg)
	}
}

func TestACallEndsByItsDeadlineItsContextOrThePluginsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // a deadline of a real clock may pass before the plugin has the call
		entered := make(chan struct{}, 1)
		c, stop := dial(t, stub{query: func(ctx context.Context) error {
			entered <- struct{}{}
			<-ctx.Done()
			return ctx.Err()
		}})
		ask := func(ctx context.Context) error { _, err := c.Query(ctx, make([]kernel.Key, 1)); return err }

		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if e := errs.From(ask(ctx)); e.Reason != errs.Timeout || e.PluginGone {
			t.Errorf("after the deadline: %v", e)
		}
		<-entered
		ctx, cancel = context.WithCancel(t.Context())
		go func() { <-entered; cancel() }()
		if err := ask(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("after the caller's cancellation: %v", err)
		}
		go func() { <-entered; stop() }()
		if e := errs.From(ask(t.Context())); e.Reason != errs.Unavailable || !e.PluginGone {
			t.Errorf("after the plugin's end: %+v", e)
		}
	})
}

func TestEveryCallHasADeadline(t *testing.T) {
	var had bool
	c, _ := dial(t, stub{query: func(ctx context.Context) error {
		d, ok := ctx.Deadline()
		had = ok && time.Until(d) <= KernelTimeout
		return nil
	}})
	if _, err := c.Query(t.Context(), nil); err != nil || !had {
		t.Errorf("deadline %v, %v", had, err)
	}
}

// The first to ask has the kernel load its modules.
func TestAKernelHasTimeToBeAsked(t *testing.T) {
	var has time.Duration
	c, _ := dial(t, stub{capabilities: func(ctx context.Context) error {
		d, _ := ctx.Deadline()
		has = time.Until(d)
		return nil
	}})
	if _, err := c.Capabilities(t.Context()); err != nil || has <= KernelTimeout || has > ProbeTimeout {
		t.Errorf("%v, %v", has, err)
	}
}

func TestAnAnswerOfTheWrongLengthIsAnError(t *testing.T) {
	lis := short{}
	c, _ := dial(t, lis)
	if _, err := c.Apply(t.Context(), []kernel.Transaction{{Ops: make([]kernel.Op, 2)}}); errs.From(err).Reason != errs.Internal {
		t.Errorf("one op result for two ops: %v", err)
	}
	if _, err := c.AllocateSPIs(t.Context(), make([]kernel.SPIRequest, 2)); errs.From(err).Reason != errs.Internal {
		t.Errorf("one SPI for two requests: %v", err)
	}
}

type short struct{ kernel.Backend }

func (short) Apply(context.Context, []kernel.Transaction) ([]kernel.TxnResult, error) {
	return []kernel.TxnResult{{Ops: make([]kernel.OpResult, 1)}}, nil
}

func (short) AllocateSPIs(context.Context, []kernel.SPIRequest) ([]kernel.SPIResult, error) {
	return make([]kernel.SPIResult, 1), nil
}

func TestASlowEngineGetsAnOverflowInsteadOfHoldingUpTheBackend(t *testing.T) {
	const flood = 3 * maxEvents
	flooded, resumed := make(chan struct{}), make(chan struct{})
	c, _ := dial(t, stub{events: func(ctx context.Context, each func(kernel.Event) error) error {
		for range flood { // would block here, if anything did
			if err := each(kernel.Event{Kind: kernel.NetChanged, Iface: strings.Repeat("x", 200)}); err != nil {
				return err
			}
		}
		close(flooded)
		<-resumed
		return errors.Join(each(kernel.Event{Kind: kernel.Acquire, NewRemote: netip.AddrPort{}}), context.Cause(ctx))
	}})
	var seq uint64
	var overflow, after bool
	done := errors.New("done")
	err := c.Events(t.Context(), 0, func(e kernel.Event) error {
		if seq == 0 {
			<-flooded
		}
		if seq++; e.Seq != seq || e.At.IsZero() {
			t.Fatalf("event %d at %v, want number %d", e.Seq, e.At, seq)
		}
		switch {
		case e.Kind == kernel.Overflow:
			overflow = true
			close(resumed)
		case e.Kind == kernel.Acquire:
			after = true
			return done
		}
		return nil
	})
	if !overflow || !after || seq >= flood || !errors.Is(err, done) {
		t.Errorf("overflow %v, an event after it %v, %d of %d events, %v", overflow, after, seq, flood, err)
	}
}

func FuzzTransaction(f *testing.F) {
	add := func(v kernel.Transaction) {
		if wire, err := marshal(v); err == nil {
			f.Add(wire)
		}
	}
	add(kernel.Transaction{})
	add(filled[kernel.Transaction]())
	f.Fuzz(func(t *testing.T, wire []byte) {
		v, err := unmarshal(wire)
		if err != nil {
			return
		}
		again, err := marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		back, err := unmarshal(again)
		if err != nil {
			t.Fatalf("what was accepted once is refused: %v", err)
		}
		if diff := cmp.Diff(v, back, compare); diff != "" {
			t.Error(diff)
		}
	})
}
