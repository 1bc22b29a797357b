//go:build linux

package guest

import (
	"fmt"
	"net"
	"os"
)

// syslog collects what is sent to an end's syslog socket in a file, a line for
// each datagram, until it is closed.
type syslog struct {
	conn net.Conn
	done chan struct{}
}

// listenSyslog makes the socket confDir/syslog in the end.
func listenSyslog(e *end, file string) (*syslog, error) {
	out, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	var conn *net.UnixConn
	if err := e.in(func() (err error) {
		conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: confDir + "/syslog", Net: "unixgram"})
		return err
	}); err != nil {
		out.Close()
		return nil, fmt.Errorf("syslog of %s: %w", e.name, err)
	}
	s := &syslog{conn: conn, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		defer out.Close()
		buf := make([]byte, 16384)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return // closed
			}
			fmt.Fprintf(out, "%s\n", buf[:n])
		}
	}()
	return s, nil
}

func (s *syslog) close() {
	s.conn.Close()
	<-s.done
}
