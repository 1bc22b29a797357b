//go:build linux

package xfrm

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/mdlayher/netlink"
)

// dialer opens a netlink socket of one family.
type dialer func() (*netlink.Conn, error)

func dial(family int, groups ...uint32) (*netlink.Conn, error) {
	nl, err := netlink.Dial(family, nil)
	if err != nil {
		return nil, fmt.Errorf("open netlink socket: %w", err)
	}
	// Kernels before 4.12 have no sentences to give; their errnos must do.
	_ = nl.SetOption(netlink.ExtendedAcknowledge, true)
	for _, g := range groups {
		if err := nl.JoinGroup(g); err != nil {
			nl.Close()
			return nil, fmt.Errorf("join netlink group %d: %w", g, err)
		}
	}
	return nl, nil
}

func dialXFRM() (*netlink.Conn, error) {
	nl, err := dial(syscall.NETLINK_XFRM)
	if errors.Is(err, syscall.EPROTONOSUPPORT) {
		return nil, toError("this kernel has no XFRM; load the module xfrm_user, or use a kernel with CONFIG_XFRM_USER", err)
	}
	return nl, err
}

func dialRoute() (*netlink.Conn, error) { return dial(syscall.NETLINK_ROUTE) }

// conn is the socket of the requests. It is opened at the first one, and opened
// anew when it failed in a way that may have left a stale answer in it.
type conn struct {
	dial dialer

	mu sync.Mutex
	nl *netlink.Conn

	port atomic.Uint32 // netlink port of the socket last opened
}

// do sends one request and returns the answers. An error is the kernel's errno
// or the socket's.
func (c *conn) do(typ netlink.HeaderType, flags netlink.HeaderFlags, data []byte) ([]netlink.Message, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.open(); err != nil {
		return nil, err
	}
	msgs, err := c.nl.Execute(netlink.Message{
		Header: netlink.Header{Type: typ, Flags: netlink.Request | flags},
		Data:   data,
	})
	if err != nil && !isVerdict(err) {
		c.nl.Close()
		c.nl = nil
	}
	return msgs, err
}

func (c *conn) open() error {
	if c.nl != nil {
		return nil
	}
	nl, err := c.dial()
	if err != nil {
		return err
	}
	c.nl = nl
	c.port.Store(nl.PID())
	return nil
}

// ack sends one request that is answered by an errno only.
func (c *conn) ack(typ netlink.HeaderType, data []byte) error {
	_, err := c.do(typ, netlink.Acknowledge, data)
	return err
}

// get sends one request that is answered by one message, and returns its body.
func (c *conn) get(typ netlink.HeaderType, data []byte) ([]byte, error) {
	msgs, err := c.do(typ, 0, data)
	if err != nil {
		return nil, err
	}
	for _, m := range msgs {
		if m.Header.Type != netlink.Error && m.Header.Type != netlink.Done {
			return m.Data, nil
		}
	}
	return nil, errors.New("the kernel answered with no message")
}

// An answer to one of many requests: a message's body, or the kernel's errno.
type answer struct {
	body []byte
	err  error
}

// pipelined is how many requests go out in one system call. Their answers, 5 kB each
// at the most as the kernel counts them, wait in the socket's buffer (200 kB by default).
const pipelined = 32

// getAll sends requests that are each answered by one message. Other requests may
// come between them.
func (c *conn) getAll(reqs []netlink.Message) ([]answer, error) {
	answers := make([]answer, 0, len(reqs))
	for some := range slices.Chunk(reqs, pipelined) {
		a, err := c.getSome(some)
		if err != nil {
			return nil, err
		}
		answers = append(answers, a...)
	}
	return answers, nil
}

func (c *conn) getSome(reqs []netlink.Message) ([]answer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.open(); err != nil {
		return nil, err
	}
	answers, err := pipeline(c.nl, reqs)
	if err != nil {
		c.nl.Close()
		c.nl = nil
	}
	return answers, err
}

// pipeline sends reqs and receives their answers, which come in the same order.
func pipeline(nl *netlink.Conn, reqs []netlink.Message) ([]answer, error) {
	for i := range reqs {
		reqs[i].Header.Flags |= netlink.Request
	}
	sent, err := nl.SendMessages(reqs)
	if err != nil {
		return nil, err
	}
	answers := make([]answer, len(sent))
	for i, req := range sent {
		msgs, err := nl.Receive()
		var op *netlink.OpError
		switch {
		case errors.As(err, &op) && op.Sequence == req.Header.Sequence:
			answers[i].err = err
		case err != nil:
			return nil, err
		case len(msgs) != 1 || msgs[0].Header.Sequence != req.Header.Sequence:
			return nil, errors.New("the kernel answered another request")
		default:
			answers[i].body = msgs[0].Data
		}
	}
	return answers, nil
}

func (c *conn) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.nl == nil {
		return nil
	}
	err := c.nl.Close()
	c.nl = nil
	return err
}

// isVerdict says whether err is the kernel's answer to a request, rather than a
// failure to get one.
func isVerdict(err error) bool {
	var op *netlink.OpError
	return errors.As(err, &op) && op.Sequence != 0
}

// errChanged is a dump of what changed meanwhile, so that some of it may be missing.
// The tables of XFRM are not such: the kernel keeps its place in them.
var errChanged = fmt.Errorf("the kernel's table changed while it was read: %w", syscall.EAGAIN)

// dump sends a dump request on a socket of its own and calls f with every answer.
// The kernel goes on as fast as f does; no buffer can overflow.
func dump(dial dialer, typ netlink.HeaderType, data []byte, f func(netlink.Message) error) error {
	nl, err := dial()
	if err != nil {
		return err
	}
	defer nl.Close()
	req := netlink.Message{Header: netlink.Header{Type: typ, Flags: netlink.Request | netlink.Dump}, Data: data}
	if _, err := nl.Send(req); err != nil {
		return err
	}
	for m, err := range nl.ReceiveIter() {
		if err != nil {
			return err
		}
		if m.Header.Flags&netlink.DumpInterrupted != 0 {
			return errChanged
		}
		if err := f(m); err != nil {
			return err
		}
	}
	return nil
}
