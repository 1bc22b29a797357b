package pfkey

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"syscall"
	"time"

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
		return toError("subscribe to PF_KEY events", err)
	}
	context.AfterFunc(ctx, func() { key.close() })
	net, err := b.watch()
	if err != nil {
		return toError("watch links and addresses", err)
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
			return toError("read PF_KEY events", err)
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
		ev, err = m.event(s.backend.conn.pid)
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
			return toError("read changes of links and addresses", err)
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

// event is what a message means to the engine; Kind 0: nothing. pid is our own.
func (m *received) event(pid uint32) (ev kernel.Event, err error) {
	if m.errno != 0 { // somebody's request failed
		return ev, nil
	}
	switch m.typ {
	case msgAcquire:
		return m.acquire()
	case msgExpire:
		return m.expire()
	case msgDelete:
		return m.deleted(pid)
	case msgFlush:
		if m.pid != pid {
			ev.Kind = kernel.SAFlushed
		}
		return ev, nil
	case msgSPDAdd, msgSPDUpdate:
		return m.policyChanged()
	case msgSPDDelete, msgSPDDelete2, msgSPDExpire:
		return m.policyDeleted()
	case msgSPDFlush:
		return kernel.Event{Kind: kernel.PolicyFlushed}, nil
	}
	if n := m.sys.NATT.Mapping; n != 0 && m.typ == n {
		return m.mapping()
	}
	return ev, nil
}

// acquire: the kernel names the policy by its index, and the SA it would like.
func (m *received) acquire() (ev kernel.Event, err error) {
	if protocols[m.saType] == 0 {
		return ev, nil
	}
	src, dst, err := m.addresses()
	if err != nil {
		return ev, err
	}
	ev = kernel.Event{
		Kind: kernel.Acquire, AcquireSeq: m.seq,
		Key: kernel.Key{Src: specified(src.addr), Dst: specified(dst.addr), Proto: protocols[m.saType]},
	}
	e, err := m.get(extPolicy, sizePolicy)
	if err != nil {
		return ev, err
	}
	if e != nil {
		ev.Key.Policy = &kernel.PolicyKey{Dir: kernel.Direction(e[polDir]), ID: native.Uint32(e[polID:])}
	}
	ev.Proposals, err = m.proposals(ev.Key.Proto)
	return ev, err
}

// Offsets of a sadb_comb.
const (
	combAuth        = 0
	combEncrypt     = 1
	combAuthMin     = 4
	combAuthMax     = 6
	combEncryptMin  = 8
	combEncryptMax  = 10
	combSoftBytes   = 24
	combHardBytes   = 32
	combSoftAddtime = 40
	combHardAddtime = 48
)

// proposals reads what the kernel would accept. Algorithms we have no number for
// are left out.
func (m *received) proposals(proto uint8) (list []kernel.Proposal, err error) {
	e, err := m.get(extProposal, sizeProposal)
	if err != nil || e == nil {
		return nil, err
	}
	for e = e[sizeProposal:]; len(e) >= sizeComb; e = e[sizeComb:] {
		p := kernel.Proposal{
			Proto: proto, Auth: m.sys.Auth.doi(uint16(e[combAuth])), Encr: m.sys.Encr.doi(uint16(e[combEncrypt])),
			AuthMinBits: native.Uint16(e[combAuthMin:]), AuthBits: native.Uint16(e[combAuthMax:]),
			EncrMinBits: native.Uint16(e[combEncryptMin:]), EncrBits: native.Uint16(e[combEncryptMax:]),
			Life: kernel.Lifetime{
				SoftBytes: native.Uint64(e[combSoftBytes:]), HardBytes: native.Uint64(e[combHardBytes:]),
				SoftTime: seconds(native.Uint64(e[combSoftAddtime:])), HardTime: seconds(native.Uint64(e[combHardAddtime:])),
			},
		}
		if e[combAuth] != 0 && p.Auth == 0 || e[combEncrypt] != 0 && p.Encr == 0 {
			continue
		}
		list = append(list, p)
	}
	return list, nil
}

func (m *received) expire() (ev kernel.Event, err error) {
	if protocols[m.saType] == 0 {
		return ev, nil
	}
	hard, soft := m.ext[extLifetimeHard] != nil, m.ext[extLifetimeSoft] != nil
	switch {
	case hard == soft:
		return ev, errors.New("EXPIRE that is neither soft nor hard, or both")
	case hard:
		ev.Kind = kernel.ExpireHard
	default:
		ev.Kind = kernel.ExpireSoft
	}
	ev.Key, err = m.saKey()
	return ev, err
}

func (m *received) deleted(pid uint32) (ev kernel.Event, err error) {
	switch {
	case m.pid == pid:
		return ev, nil
	case protocols[m.saType] == 0:
		return ev, nil
	case m.ext[extSA] == nil: // KAME: all between two addresses
		ev.Kind = kernel.SAFlushed
		return ev, nil
	}
	ev.Kind = kernel.SADeleted
	ev.Key, err = m.saKey()
	return ev, err
}

func (m *received) policyChanged() (ev kernel.Event, err error) {
	p, _, ok, err := m.decodePolicy()
	if err != nil || !ok {
		return ev, err
	}
	ev.Kind, ev.Policy = kernel.PolicyAdded, p
	if m.typ == msgSPDUpdate {
		ev.Kind = kernel.PolicyUpdated
	}
	return ev, nil
}

func (m *received) policyDeleted() (ev kernel.Event, err error) {
	k, ok, err := m.policyKey()
	if err != nil || !ok {
		return ev, err
	}
	ev.Kind, ev.Key.Policy = kernel.PolicyDeleted, &k
	return ev, nil
}

// mapping: the SA by SPI and source, and where its peer is now (Linux).
func (m *received) mapping() (ev kernel.Event, err error) {
	if protocols[m.saType] == 0 {
		return ev, nil
	}
	key, err := m.saKey()
	if err != nil {
		return ev, err
	}
	port, err := m.port(m.sys.NATT.DstPort)
	ev = kernel.Event{Kind: kernel.Mapping, NewRemote: netip.AddrPortFrom(key.Dst, port)}
	key.Dst = netip.Addr{}
	ev.Key = key
	return ev, err
}
