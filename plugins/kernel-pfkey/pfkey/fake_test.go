package pfkey

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A fakeKernel answers every request as its handlers say, or by sending it back as
// kernels do, and keeps what it was sent.
type fakeKernel struct {
	t   testing.TB
	sys System
	// handler returns the answers to a request of its type.
	handler map[uint8]func(req []byte) [][]byte

	mu      sync.Mutex
	sent    [][]byte
	sockets []*fakeSocket
}

// A fakeSocket is one end of a conversation with a fakeKernel.
type fakeSocket struct {
	k      *fakeKernel
	buffer int

	mu     sync.Mutex
	queue  [][]byte
	fails  []error // what receive says before the next message
	full   bool    // say that the buffer is nearly full
	wake   chan struct{}
	closed chan struct{}
}

func newFakeKernel(t testing.TB, s System) *fakeKernel {
	return &fakeKernel{t: t, sys: s, handler: map[uint8]func([]byte) [][]byte{
		msgAcquire: func([]byte) [][]byte { return nil },
		msgGetSPI: func(req []byte) [][]byte {
			m, err := s.parse(req)
			if err != nil {
				t.Error(err)
				return nil
			}
			a := s.message(msgGetSPI, m.saType, m.seq)
			big.PutUint32(a.ext(extSA, sizeSA)[saSPI:], native.Uint32(m.ext[extSPIRange][rangeMin:]))
			a.b = append(append(a.b, m.ext[extAddressSrc]...), m.ext[extAddressDst]...)
			native.PutUint32(a.b[hdrPID:], m.pid)
			return [][]byte{a.bytes()}
		},
	}}
}

func (k *fakeKernel) backend() *Backend {
	b := newBackend(k.sys, Config{}, slog.New(slog.DiscardHandler), k.dial, func() (socket, error) { return k.open(), nil })
	k.t.Cleanup(func() { b.Close(context.Background()) })
	return b
}

func (k *fakeKernel) dial() (socket, error) { return k.open(), nil }

func (k *fakeKernel) open() *fakeSocket {
	s := &fakeSocket{k: k, wake: make(chan struct{}, 1), closed: make(chan struct{})}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.sockets = append(k.sockets, s)
	return s
}

// requests returns what was sent so far, and forgets it.
func (k *fakeKernel) requests() [][]byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	sent := k.sent
	k.sent = nil
	return sent
}

// types are the message types of requests.
func (k *fakeKernel) types() (list []uint8) {
	for _, r := range k.requests() {
		list = append(list, r[hdrType])
	}
	return list
}

// fail makes the kernel answer typ with errno.
func (k *fakeKernel) fail(typ uint8, errno syscall.Errno) {
	k.handler[typ] = func(req []byte) [][]byte { return [][]byte{refusalOf(req, errno)} }
}

// refusalOf is the header of a request with an errno.
func refusalOf(req []byte, errno syscall.Errno) []byte {
	b := bytes.Clone(req[:sizeHeader])
	native.PutUint16(b[hdrLen:], sizeHeader/8)
	b[hdrErrno] = byte(errno)
	return b
}

func (s *fakeSocket) send(b []byte) error {
	kept := bytes.Clone(b) // the sender wipes it
	s.k.mu.Lock()
	s.k.sent = append(s.k.sent, kept)
	h := s.k.handler[b[hdrType]]
	s.k.mu.Unlock()
	if h == nil {
		s.deliver(kept)
		return nil
	}
	s.deliver(h(kept)...)
	return nil
}

// deliver queues messages to be read.
func (s *fakeSocket) deliver(messages ...[]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range messages {
		s.queue = append(s.queue, bytes.Clone(m))
	}
	s.ring()
}

func (s *fakeSocket) ring() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// failNext makes the next read fail.
func (s *fakeSocket) failNext(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails = append(s.fails, err)
	s.ring()
}

func (s *fakeSocket) poll(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case len(s.fails) > 0:
		err := s.fails[0]
		s.fails = s.fails[1:]
		return 0, err
	case len(s.queue) == 0:
		return 0, syscall.EAGAIN
	}
	n := copy(b, s.queue[0])
	s.queue = s.queue[1:]
	return n, nil
}

// receive has no patience: with a deadline nothing more will come.
func (s *fakeSocket) receive(b []byte, deadline time.Time) (int, error) {
	for {
		n, err := s.poll(b)
		if err != syscall.EAGAIN {
			return n, err
		}
		if !deadline.IsZero() {
			return 0, os.ErrDeadlineExceeded
		}
		select {
		case <-s.wake:
		case <-s.closed:
			return 0, os.ErrClosed
		}
	}
}

func (s *fakeSocket) level() (waiting, size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full {
		return 1000, 1000
	}
	return 0, 1000
}

func (s *fakeSocket) setBuffer(n int) error { s.buffer = n; return nil }

func (s *fakeSocket) close() error {
	select {
	case <-s.closed:
	default:
		close(s.closed)
	}
	return nil
}
