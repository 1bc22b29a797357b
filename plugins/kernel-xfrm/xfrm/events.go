//go:build linux

package xfrm

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// A source is one socket of events.
type source struct {
	name   string
	dial   dialer
	groups []uint32
	decode func(netlink.Message) (kernel.Event, error) // Kind 0: nothing to report
	lost   kernel.EventKind                            // what it means that messages were lost
}

// Events streams what happens in the kernel until ctx ends. Deletions and flushes
// of SAs that this backend was told to do are not reported; those of policies
// are, as the engine keeps its copy of the SPD by them.
func (b *Backend) Events(ctx context.Context, mask kernel.EventMask, emit func(kernel.Event) error) error {
	ctx, fail := context.WithCancelCause(ctx)
	s := stream{backend: b, mask: mask, emit: emit}
	var readers sync.WaitGroup
	defer func() {
		fail(nil) // closes the sockets, which ends the readers
		readers.Wait()
	}()
	decode := func(m netlink.Message) (kernel.Event, error) { return b.decodeXFRM(m, mask) }
	sources := []source{
		{"XFRM", b.xfrm.dial, []uint32{groupAcquire, groupExpire, groupSA, groupPolicy, groupMapping}, decode, kernel.Overflow},
		{"route", b.route.dial, routeGroups, decodeNetChange, kernel.NetChanged},
	}
	sockets := make([]*netlink.Conn, len(sources))
	for i, src := range sources {
		nl, err := b.subscribe(src)
		if err != nil {
			return toError("subscribe to "+src.name+" events", err)
		}
		sockets[i] = nl
		context.AfterFunc(ctx, func() { nl.Close() })
	}
	if err := s.send(kernel.Event{Kind: kernel.Ready}); err != nil {
		return err
	}
	for i, src := range sources {
		readers.Go(func() { fail(s.read(ctx, sockets[i], src)) })
	}
	<-ctx.Done()
	return context.Cause(ctx)
}

// subscribe opens a socket that gets the events of src from now on.
func (b *Backend) subscribe(src source) (*netlink.Conn, error) {
	nl, err := src.dial()
	if err != nil {
		return nil, err
	}
	if err := nl.SetReadBuffer(int(b.cfg.EventBuffer) << 10); err != nil {
		b.log.Warn("event buffer not set", "kB", b.cfg.EventBuffer, "err", err)
	}
	for _, g := range src.groups {
		if err := nl.JoinGroup(g); err != nil {
			nl.Close()
			return nil, fmt.Errorf("join netlink group %d: %w", g, err)
		}
	}
	return nl, nil
}

// A stream is where the readers of one Events call meet.
type stream struct {
	backend *Backend
	mask    kernel.EventMask

	mu   sync.Mutex // events go out one at a time
	emit func(kernel.Event) error
}

func (s *stream) send(ev kernel.Event) error {
	if !s.mask.Has(ev.Kind) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ev.At, ev.Generation = s.backend.now(), s.backend.generation.Load()
	return s.emit(ev)
}

// read sends what comes from one socket until it is closed. A socket whose buffer was
// full says so at once and only once, and drops what comes until all that waits in it
// has been read: only then it is time to tell of the loss.
func (s *stream) read(ctx context.Context, nl *netlink.Conn, src source) error {
	lost := false
	for {
		if lost && !waits(nl) {
			lost = false
			if err := s.send(kernel.Event{Kind: src.lost}); err != nil {
				return err
			}
		}
		msgs, err := nl.Receive()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, syscall.ENOBUFS):
			lost = true
			continue
		case err != nil:
			return toError("read "+src.name+" events", err)
		}
		for _, m := range msgs {
			if err := s.handle(m, src); err != nil {
				return err
			}
		}
	}
}

// waits reports whether a socket has something to read, a message or an error.
func waits(nl *netlink.Conn) (some bool) {
	raw, err := nl.SyscallConn()
	if err != nil { // it is no socket of the kernel
		return false
	}
	_ = raw.Control(func(fd uintptr) { // of a closed one, Receive says so
		n, err := 0, error(unix.EINTR)
		for err == unix.EINTR {
			n, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		}
		some = n > 0
	})
	return some
}

// handle sends one message on. One that cannot be read counts as lost: something
// happened that we do not know.
func (s *stream) handle(m netlink.Message, src source) error {
	defer clear(m.Data) // XFRM_MSG_NEWSA has the keys
	ev, err := src.decode(m)
	if err != nil {
		s.backend.log.Warn("unreadable "+src.name+" event", "type", uint16(m.Header.Type), "err", err)
		ev = kernel.Event{Kind: src.lost}
	}
	if ev.Kind == 0 {
		return nil
	}
	return s.send(ev)
}
