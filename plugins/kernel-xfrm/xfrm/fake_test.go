//go:build linux

package xfrm

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"log/slog"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/mdlayher/netlink"
	"github.com/mdlayher/netlink/nltest"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// A fakeKernel answers every request with success, or as its handlers say, and
// keeps what it was sent.
type fakeKernel struct {
	t       testing.TB
	handler map[netlink.HeaderType]nltest.Func

	forget   bool // keep nothing
	mu       sync.Mutex
	messages []netlink.Message
}

func newFakeKernel(t testing.TB) *fakeKernel {
	return &fakeKernel{t: t, handler: map[netlink.HeaderType]nltest.Func{
		msgAllocSPI: func(req []netlink.Message) ([]netlink.Message, error) {
			body := slices.Concat(req[0].Data[:sizeSAInfo], req[0].Data[sizeSPIInfo:])
			big.PutUint32(body[saSPI:], native.Uint32(req[0].Data[spiMin:]))
			return reply(req[0], msgNewSA, body), nil
		},
		msgGetSA: func(req []netlink.Message) ([]netlink.Message, error) { return nltest.Error(int(syscall.ESRCH), req) },
	}}
}

// remembers makes the kernel give back the SA it was last told to make, as remember
// makes it of the message.
func (k *fakeKernel) remembers(remember func(body []byte) []byte) {
	var last []byte
	makeSA := k.handler[msgNewSA]
	k.handler[msgNewSA] = func(req []netlink.Message) ([]netlink.Message, error) {
		last = bytes.Clone(req[0].Data)
		if makeSA != nil {
			return makeSA(req)
		}
		return nltest.Error(0, req)
	}
	k.handler[msgGetSA] = func(req []netlink.Message) ([]netlink.Message, error) {
		return reply(req[0], msgNewSA, remember(last)), nil
	}
}

func whole(body []byte) []byte { return body }

func (k *fakeKernel) backend() *Backend {
	cfg := Config{ReplayWindow: defaultWindow, EventBuffer: defaultEventBuffer}
	b := newBackend(cfg, slog.New(slog.DiscardHandler), k.dial, k.dial)
	no := false
	b.prober.saDir, b.prober.result = &no, &probed{features: ^kernel.Feature(0)}
	k.t.Cleanup(func() { b.Close(context.Background()) })
	return b
}

// unprobed is a backend that does not know yet what its kernel can do.
func (k *fakeKernel) unprobed() *Backend {
	b := k.backend()
	b.prober.result = nil
	return b
}

func (k *fakeKernel) dial() (*netlink.Conn, error) {
	return netlink.NewConn(&fakeSocket{kernel: k}, nltest.PID), nil
}

// A fakeSocket keeps the answers to be received, as the kernel does: one datagram for
// every request.
type fakeSocket struct {
	kernel *fakeKernel
	queue  []datagram
}

type datagram struct {
	msgs []netlink.Message
	err  error
}

func (s *fakeSocket) Close() error { return nil }

func (s *fakeSocket) Send(m netlink.Message) error {
	msgs, err := s.kernel.answer([]netlink.Message{m})
	s.queue = append(s.queue, datagram{msgs, err})
	return nil
}

func (s *fakeSocket) SendMessages(msgs []netlink.Message) error {
	for _, m := range msgs {
		s.Send(m)
	}
	return nil
}

func (s *fakeSocket) Receive() ([]netlink.Message, error) {
	if len(s.queue) == 0 {
		return nil, errors.New("nothing to receive: the real kernel would let us wait for ever")
	}
	d := s.queue[0]
	s.queue = s.queue[1:]
	return d.msgs, d.err
}

func (s *fakeSocket) ReceiveIter() iter.Seq2[netlink.Message, error] {
	return func(yield func(netlink.Message, error) bool) {
		msgs, err := s.Receive()
		if err != nil {
			yield(netlink.Message{}, err)
			return
		}
		for _, m := range msgs {
			if !yield(m, nil) {
				return
			}
		}
	}
}

func (k *fakeKernel) answer(req []netlink.Message) ([]netlink.Message, error) {
	if !k.forget {
		kept := req[0]
		kept.Data = bytes.Clone(kept.Data) // the sender wipes it
		k.mu.Lock()
		k.messages = append(k.messages, kept)
		k.mu.Unlock()
	}
	if h := k.handler[req[0].Header.Type]; h != nil {
		return h(req)
	}
	return nltest.Error(0, req)
}

// sent returns the messages so far, and forgets them.
func (k *fakeKernel) sent() []netlink.Message {
	k.mu.Lock()
	defer k.mu.Unlock()
	m := k.messages
	k.messages = nil
	return m
}

// fail makes the kernel answer typ with errno.
func (k *fakeKernel) fail(typ netlink.HeaderType, errno syscall.Errno) {
	k.handler[typ] = func(req []netlink.Message) ([]netlink.Message, error) { return nltest.Error(int(errno), req) }
}

func reply(req netlink.Message, typ netlink.HeaderType, body []byte) []netlink.Message {
	return []netlink.Message{{
		Header: netlink.Header{Type: typ, Sequence: req.Header.Sequence, PID: req.Header.PID},
		Data:   body,
	}}
}
