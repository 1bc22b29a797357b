// Package syslog writes the daemon's log records to the local syslog daemon, one
// datagram each. It does not know who filters them.
//
//	<28>Nov 23 18:25:01 racoon: WARNING: phase 1 negotiation failed peer=192.0.2.1:500 reason=no-proposal
package syslog

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/logsink"
	"github.com/racoon-ike/racoon/core/sdk/plugin"
)

// sockets are the places where systems have their syslog socket.
var sockets = [...]string{"/dev/log", "/var/run/log", "/var/run/syslog"}

// writeTimeout bounds one record where the context has no deadline: the syslog
// daemon lives but does not read.
const writeTimeout = 2 * time.Second

// Sink is one configured instance.
type Sink struct {
	paths    []string
	facility int
	ident    string

	mu     sync.Mutex
	conn   net.Conn // nil: not connected
	closed bool
	err    error // of the last attempt
	since  time.Time
}

// Write sends a batch. After an error the whole batch is to come again: records
// before the failed one then appear twice.
func (s *Sink) Write(ctx context.Context, b logsink.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.Dropped > 0 && len(b.Records) > 0 {
		lost := logsink.Record{Time: b.Records[0].Time, Level: 4,
			Msg: fmt.Sprintf("%d log records were lost before this one", b.Dropped)}
		if err := s.send(ctx, &lost); err != nil {
			return err
		}
	}
	for i := range b.Records {
		if err := s.send(ctx, &b.Records[i]); err != nil {
			return err
		}
	}
	return nil
}

// send sends one record, on a new connection if the old one has gone: that is all
// there is to see of a syslog daemon that was restarted.
func (s *Sink) send(ctx context.Context, r *logsink.Record) error {
	if r.Time.IsZero() {
		r.Time = time.Now()
	}
	p := packet(s.facility, s.ident, r)
	fresh := s.conn == nil
	err := s.try(ctx, p)
	if err != nil && !fresh && ctx.Err() == nil && !errors.Is(err, context.DeadlineExceeded) {
		err = s.try(ctx, p)
	}
	s.note(err)
	if err != nil {
		return errs.Errorf(errs.Unavailable, "syslog: %v", err)
	}
	return nil
}

func (s *Sink) try(ctx context.Context, p []byte) error {
	if err := s.dial(ctx); err != nil {
		return err
	}
	deadline, ok := ctx.Deadline()
	if latest := time.Now().Add(writeTimeout); !ok || deadline.After(latest) {
		deadline = latest
	}
	s.conn.SetWriteDeadline(deadline)
	if _, err := s.conn.Write(p); err != nil {
		s.hangUp()
		return err
	}
	return nil
}

func (s *Sink) dial(ctx context.Context) error {
	switch {
	case s.closed:
		return errors.New("closed")
	case s.conn != nil:
		return nil
	}
	var d net.Dialer
	var failures []error
	for _, path := range s.paths {
		conn, err := d.DialContext(ctx, "unixgram", path)
		if err == nil {
			s.conn = conn
			return nil
		}
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}

func (s *Sink) hangUp() {
	if s.conn != nil {
		s.conn.Close()
		s.conn = nil
	}
}

func (s *Sink) note(err error) {
	if (err == nil) != (s.err == nil) || s.since.IsZero() {
		s.since = time.Now()
	}
	s.err = err
}

// Flush has nothing to do: what is acknowledged has been handed over.
func (s *Sink) Flush(context.Context) error { return nil }

// Reopen drops the connection; the next record makes a new one.
func (s *Sink) Reopen(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hangUp()
	return nil
}

// Close ends the instance.
func (s *Sink) Close(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hangUp()
	s.closed = true
	return nil
}

func (s *Sink) health() plugin.Health {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return plugin.Health{State: plugin.Degraded, Since: s.since, Detail: s.err.Error()}
	}
	return plugin.Health{State: plugin.Healthy, Since: s.since}
}
