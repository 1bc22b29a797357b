package pfkey

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// queue is how much of a socket's receive buffer is in use, and its size, as
// SO_MEMINFO has it (linux/sock_diag.h).
func queue(fd int) (waiting, size int) {
	var info [9]uint32
	n := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&n)), 0)
	if errno != 0 {
		return 0, 0
	}
	return int(info[0]), int(info[1])
}
