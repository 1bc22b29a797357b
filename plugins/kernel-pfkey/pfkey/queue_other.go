//go:build unix && !linux

package pfkey

import "golang.org/x/sys/unix"

// fionread is FIONREAD of sys/filio.h, the same on all BSDs and Darwin.
const fionread = 0x4004667f

// queue is how much waits to be read from a socket, and how much may.
func queue(fd int) (waiting, size int) {
	waiting, err := unix.IoctlGetInt(fd, fionread)
	if err != nil {
		return 0, 0
	}
	size, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	if err != nil {
		return 0, 0
	}
	return waiting, size
}
