package pfkey

import (
	"context"
	"errors"
	"sync"
	"syscall"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// Events streams what happens in the kernel until ctx ends. Deletions and flushes
// of SAs that this process has done are not reported; those of policies are, as
// the engine keeps its copy of the SPD by them.
func (b *Backend) Events(ctx context.Context, mask kernel.EventMask, emit func(kernel.Event) error) error {
	ctx, fail := context.WithCancelCause(ctx)
	s := &stream{backend: b, mask: mask, emit: emit}
	var readers sync.WaitGroup
	defer func() {
		fail(nil) // closes the sockets, which ends the readers
		readers.Wait()
	}()
	key, early, err := b.subscribe()
	if err != nil {
		return errs.OS("subscribe to PF_KEY events", err)
	}
	context.AfterFunc(ctx, func() { key.close() })
	net, err := b.watch()
	if err != nil {
		return errs.OS("watch links and addresses", err)
	}
	context.AfterFunc(ctx, func() { net.close() })
	if err := s.send(kernel.Event{Kind: kernel.Ready}); err != nil {
		return err
	}
	for _, m := range early {
		if err := s.handle(m); err != nil {
			return err
		}
	}
	readers.Go(func() { fail(s.read(ctx, key)) })
	readers.Go(func() { fail(s.readNet(ctx, net)) })
	<-ctx.Done()
	return context.Cause(ctx)
}

// subscribe opens a socket that gets all events from now on, and those that came
// while it was done.
func (b *Backend) subscribe() (s socket, early [][]byte, err error) {
	if s, err = b.conn.dial(); err != nil {
		return nil, nil, err
	}
	if n := int(b.cfg.Buffer) << 10; n != 0 {
		if err := s.setBuffer(n); err != nil {
			b.log.Warn("pfkey_buffer not set", "kB", b.cfg.Buffer, "err", err)
		} else if _, got := s.level(); got != 0 && got < n {
			b.log.Warn("the system gives a smaller buffer than pfkey_buffer asks for", "kB", b.cfg.Buffer, "got", got>>10)
		}
	} else {
		_ = s.setBuffer(largeBuffer)
	}
	_, early, err = b.register(s)
	if err != nil {
		s.close()
		return nil, nil, err
	}
	return s, early, nil
}

// A stream is where the readers of one Events call meet.
type stream struct {
	backend *Backend
	mask    kernel.EventMask
	mapped  map[kernel.Key]kernel.Key // whole names of SAs whose mapping has changed; of the reader

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

// read sends on what comes until the socket is closed. Linux drops what finds the
// buffer full and says nothing. So one that was ever half full counts as full:
// between two looks at it more than a whole half cannot come and go unseen.
// Overflow is sent when all that was in it has been read.
func (s *stream) read(ctx context.Context, key socket) error {
	buf := make([]byte, maxMessage)
	lost := false
	for {
		if waiting, size := key.level(); waiting > size/2 {
			lost = true
		}
		n, err := key.poll(buf)
		if errors.Is(err, syscall.EAGAIN) {
			if lost {
				lost = false
				if err := s.send(kernel.Event{Kind: kernel.Overflow}); err != nil {
					return err
				}
			}
			n, err = key.receive(buf, time.Time{})
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, syscall.ENOBUFS):
			lost = true
			continue
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil:
			return errs.OS("read PF_KEY events", err)
		}
		if err := s.handle(buf[:n]); err != nil {
			return err
		}
	}
}

// handle sends one message on. One that cannot be read counts as lost: something
// happened that we do not know.
func (s *stream) handle(b []byte) error {
	defer clear(b)
	m, err := s.backend.sys.parse(b)
	var ev kernel.Event
	if err == nil {
		ev, err = m.event(s.backend.conn.sent, s.mask)
	}
	if err == nil && ev.Kind == kernel.Mapping {
		ev.Key, err = s.whole(ev.Key)
	}
	if err != nil {
		s.backend.log.Warn("unreadable PF_KEY event", "err", err)
		ev = kernel.Event{Kind: kernel.Overflow}
	}
	if ev.Kind == 0 {
		return nil
	}
	return s.send(ev)
}

func (s *stream) readNet(ctx context.Context, net socket) error {
	buf := make([]byte, maxMessage)
	for {
		n, err := net.receive(buf, time.Time{})
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil && !errors.Is(err, syscall.ENOBUFS): // messages were lost: something has changed
			return errs.OS("read changes of links and addresses", err)
		case err == nil && !isNetChange(buf[:n]):
			continue
		}
		if err := s.send(kernel.Event{Kind: kernel.NetChanged}); err != nil {
			return err
		}
	}
}

// maxMapped bounds what is remembered of changed mappings.
const maxMapped = 1024

// whole completes the name of an SA whose peer has another NAT mapping: the kernel
// tells its source and SPI, and may do so for every packet that comes.
func (s *stream) whole(k kernel.Key) (kernel.Key, error) {
	if c, ok := s.mapped[k]; ok {
		return c, nil
	}
	list, err := s.backend.sas(false)
	for _, o := range list {
		if c := o.SA.Key; c.SPI == k.SPI && c.Proto == k.Proto && c.Src == k.Src {
			if s.mapped == nil || len(s.mapped) >= maxMapped {
				s.mapped = make(map[kernel.Key]kernel.Key)
			}
			s.mapped[k] = c
			return c, nil
		}
	}
	return k, err // the SA has gone meanwhile
}
