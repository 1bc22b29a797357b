//go:build linux

package capture

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Link watches a link from both of its ends. Of each end only what it sends is
// taken: the kernel shows a tap the decapsulated packets of a tunnel as
// well, as if they had come in from the link, and those must not be judged.
type Link struct {
	judge *Judge
	out   *bufio.Writer
	pcap  pcapWriter

	mu      sync.Mutex // guards all above, and err
	err     error
	stop    chan struct{}
	readers sync.WaitGroup
}

// Start writes what it sees to w. Watch adds the ends.
func Start(w io.Writer, judge *Judge) (*Link, error) {
	l := &Link{judge: judge, out: bufio.NewWriter(w), stop: make(chan struct{})}
	var err error
	l.pcap, err = newPcapWriter(l.out)
	return l, err
}

// Watch adds the end whose network namespace the calling thread is in. The
// interface must be up.
func (l *Link) Watch(ifindex int) error {
	const everything = unix.ETH_P_ALL << 8 // in network byte order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("capture: %w", err)
	}
	const buffer = 8 << 20
	receiveTimeout := unix.Timeval{Usec: 50_000} // how often a reader looks whether it is to end
	if err := errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, buffer),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &receiveTimeout),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: everything, Ifindex: ifindex}),
	); err != nil {
		unix.Close(fd)
		return fmt.Errorf("capture: %w", err)
	}
	l.readers.Go(func() { l.read(fd) })
	return nil
}

// read takes frames until the link is stopped and no more are waiting.
func (l *Link) read(fd int) {
	defer unix.Close(fd)
	buf := make([]byte, snapLen)
	for {
		n, from, err := unix.Recvfrom(fd, buf, 0)
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			select {
			case <-l.stop:
				l.note(lost(fd))
				return
			default:
			}
		case err != nil:
			l.note(fmt.Errorf("capture: %w", err))
			return
		default:
			if ll, ok := from.(*unix.SockaddrLinklayer); ok && ll.Pkttype == unix.PACKET_OUTGOING {
				l.take(buf[:n])
			}
		}
	}
}

// lost is an error when the kernel had to drop frames: what was dropped
// cannot be judged.
func lost(fd int) error {
	st, err := unix.GetsockoptTpacketStats(fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return fmt.Errorf("capture: statistics: %w", err)
	}
	if st.Drops > 0 {
		return fmt.Errorf("capture: %d of %d frames were not seen", st.Drops, st.Packets)
	}
	return nil
}

func (l *Link) take(frame []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.judge.See(frame)
	l.err = errors.Join(l.err, l.pcap.write(time.Now(), frame))
}

func (l *Link) note(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = errors.Join(l.err, err)
}

// Summary of what has been seen so far.
func (l *Link) Summary() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.judge.Summary()
}

// Stop ends the watch once the line is quiet and returns the judge.
func (l *Link) Stop() (*Judge, error) {
	close(l.stop)
	l.readers.Wait()
	l.err = errors.Join(l.err, l.out.Flush())
	return l.judge, l.err
}
