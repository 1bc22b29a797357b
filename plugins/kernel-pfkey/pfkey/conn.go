package pfkey

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// A socket is a PF_KEY socket.
type socket interface {
	send(b []byte) error
	// receive reads one message into b. It waits until the deadline, or for ever if
	// that is zero; past it is os.ErrDeadlineExceeded.
	receive(b []byte, deadline time.Time) (int, error)
	// poll is receive without waiting: syscall.EAGAIN if there is nothing.
	poll(b []byte) (int, error)
	// level is how much waits to be read, and how much may; 0, 0 if the system
	// does not say.
	level() (waiting, size int)
	// setBuffer asks for room for octets that wait to be read.
	setBuffer(octets int) error
	close() error
}

type dialer func() (socket, error)

const (
	maxMessage    = 1 << 16          // of those a kernel sends
	answerTimeout = 2 * time.Second  // the answer is there when send returns, or lost; the host waits for 5 s
	dumpTimeout   = time.Second      // between two messages of a dump
	smallBuffer   = 128 << 10        // as setkey(8) has it
	largeBuffer   = 2 << 20          // of a dump
	maxBuffer     = largeBuffer << 6 // of a dump that overflowed
)

// conn is the socket of the requests. It is opened at the first one, and opened
// anew when an answer was lost.
type conn struct {
	sys  *System
	pid  uint32
	name uint32 // the upper half of our sequence numbers: another instance may have our pid
	dial dialer

	mu  sync.Mutex
	s   socket
	seq uint16
	buf []byte
}

func newConn(s *System, dial dialer) *conn {
	var name [2]byte
	rand.Read(name[:])
	return &conn{sys: s, pid: uint32(os.Getpid()), name: ownSeq | uint32(big.Uint16(name[:]))<<16, dial: dial}
}

// sent says whether m is of something this instance was told to do.
func (c *conn) sent(m *received) bool { return m.pid == c.pid && m.seq&^0xffff == c.name }

// do sends a request and waits for the kernel's answer. An errno in it is the error.
func (c *conn) do(req []byte) error {
	return c.ask(req, func(*received) error { return nil })
}

// ask is do, and f reads the answer.
func (c *conn) ask(req []byte, f func(*received) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.wipe()
	if err := c.post(req); err != nil {
		return err
	}
	m, err := c.answer(req)
	if m == nil { // what was asked may have been done
		c.s.close()
		c.s = nil
	}
	if err != nil {
		return err
	}
	return f(m)
}

// tell sends a message that has no answer.
func (c *conn) tell(msg []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.wipe()
	return c.post(msg)
}

// wipe: GET has the keys, and what others are told has theirs.
func (c *conn) wipe() { clear(c.buf) }

// post names the sender and sends. What others were told meanwhile, and what is
// late, is thrown away first: it would fill the buffer and leave no room for the
// answer.
func (c *conn) post(req []byte) error {
	if c.s == nil {
		s, err := c.dial()
		if err != nil {
			return err
		}
		c.s = s
		if c.buf == nil {
			c.buf = make([]byte, maxMessage)
		}
	}
	for {
		if _, err := c.s.poll(c.buf); errors.Is(err, syscall.EAGAIN) {
			break
		} else if err != nil && !errors.Is(err, syscall.ENOBUFS) && !errors.Is(err, syscall.EINTR) {
			c.s.close()
			c.s = nil
			return err
		}
	}
	if native.Uint32(req[hdrSeq:]) == 0 {
		c.seq++
		native.PutUint32(req[hdrSeq:], c.name|uint32(c.seq))
	}
	native.PutUint32(req[hdrPID:], c.pid)
	return c.s.send(req)
}

// answer waits for the message that has type, number and sender of req. With the
// kernel's errno comes the message.
func (c *conn) answer(req []byte) (*received, error) {
	deadline := time.Now().Add(answerTimeout)
	for {
		n, err := c.s.receive(c.buf, deadline)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil, errs.Errorf(errs.Timeout, "the kernel did not answer PF_KEY message %d in %v", req[hdrType], answerTimeout)
		case errors.Is(err, syscall.ENOBUFS): // the answer may come yet
			continue
		case err != nil:
			return nil, fmt.Errorf("read PF_KEY socket: %w", err)
		}
		m, err := c.sys.parse(c.buf[:n])
		if err != nil || !m.answers(req, c.pid) {
			continue
		}
		if m.errno != 0 {
			return m, syscall.Errno(m.errno)
		}
		return m, nil
	}
}

// answers says whether m is what the kernel says to req. KAME numbers its answer
// to SPDGET 0.
func (m *received) answers(req []byte, pid uint32) bool {
	seq := m.seq == native.Uint32(req[hdrSeq:]) || m.typ == msgSPDGet && m.seq == 0
	return m.typ == req[hdrType] && m.pid == pid && seq
}

func (c *conn) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.s == nil {
		return nil
	}
	err := c.s.close()
	c.s = nil
	return err
}

// errOverflow is a dump of which messages were lost.
var errOverflow = errors.New("messages of the dump were lost")

// dump sends SADB_DUMP or SPDDUMP on a socket of its own and returns what decode
// makes of the answers. A dump that overflowed is read again with twice the buffer.
func (c *conn) dump(req []byte, decode func(*received) (kernel.Object, bool, error)) ([]kernel.Object, error) {
	for size := largeBuffer; ; size *= 2 {
		list, err := c.dumpOnce(req, size, decode)
		if !errors.Is(err, errOverflow) {
			return list, err
		}
		if size >= maxBuffer {
			return nil, errs.Errorf(errs.Busy, "%v, with a buffer of %d kB too: raise the system's limit of socket buffers", err, size>>10)
		}
	}
}

func (c *conn) dumpOnce(req []byte, size int, decode func(*received) (kernel.Object, bool, error)) ([]kernel.Object, error) {
	s, err := c.dial()
	if err != nil {
		return nil, err
	}
	defer s.close()
	_ = s.setBuffer(size) // the system may give less
	native.PutUint32(req[hdrPID:], c.pid)
	native.PutUint32(req[hdrSeq:], ownSeq)
	if err := s.send(req); err != nil {
		return nil, err
	}
	buf := make([]byte, maxMessage)
	defer clear(buf) // it has the keys
	d := dumper{sys: c.sys, pid: c.pid, typ: req[hdrType], decode: decode}
	for {
		n, err := s.poll(buf) // nearly always there is more
		if errors.Is(err, syscall.EAGAIN) {
			n, err = s.receive(buf, time.Now().Add(dumpTimeout))
		}
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, syscall.ENOBUFS):
			return nil, errOverflow
		case err != nil:
			return nil, fmt.Errorf("read PF_KEY socket: %w", err)
		}
		if done, err := d.take(buf[:n]); done || err != nil {
			return d.list, err
		}
	}
}

// A dumper collects the messages of one dump.
type dumper struct {
	sys    *System
	pid    uint32
	typ    uint8
	decode func(*received) (kernel.Object, bool, error)

	list []kernel.Object
	last uint32 // number of the message before
	some bool
}

func (d *dumper) take(b []byte) (done bool, err error) {
	m, err := d.sys.parse(b)
	switch {
	case err != nil:
		return false, err
	case m.typ != d.typ || m.pid != d.pid: // what others are told
		return false, nil
	case m.errno != 0 && len(m.ext) == 0 && isNotFound(syscall.Errno(m.errno)): // an empty table
		return true, nil
	case syscall.Errno(m.errno) == syscall.ENOBUFS: // NetBSD sends all or nothing
		return false, errOverflow
	case m.errno != 0:
		return false, syscall.Errno(m.errno)
	}
	if d.gap(m.seq) {
		return false, errOverflow
	}
	d.last, d.some = m.seq, true
	o, ok, err := d.decode(m)
	if err != nil {
		return false, err
	}
	if ok {
		d.list = append(d.list, o)
	}
	return m.seq == 0, nil
}

// gap says whether messages are missing before number seq.
func (d *dumper) gap(seq uint32) bool {
	switch {
	case !d.some:
		return false
	case d.sys.CountsDown:
		return seq != d.last-1
	}
	return seq != 0 && seq != d.last+1
}
