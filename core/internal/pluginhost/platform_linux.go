package pluginhost

import (
	"fmt"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// peerPIDKnown: the platform tells who is at the other end of a Unix socket.
const peerPIDKnown = true

// peerPID is the process id at the other end of c.
func peerPID(c *net.UnixConn) (int, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return 0, err
	}
	if credErr != nil {
		return 0, fmt.Errorf("SO_PEERCRED: %w", credErr)
	}
	return int(cred.Pid), nil
}

// executePath runs the open file whatever its path now names.
func executePath(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }

// capabilities a plugin may keep when it drops root.
var capabilities = map[string]uintptr{
	"CAP_NET_ADMIN":       unix.CAP_NET_ADMIN,
	"CAP_NET_RAW":         unix.CAP_NET_RAW,
	"CAP_DAC_READ_SEARCH": unix.CAP_DAC_READ_SEARCH,
}

// attributes of the child: own process group, dead when the host is, uid dropped.
func attributes(s *Spec) (*syscall.SysProcAttr, error) {
	a := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 || s.UID == 0 {
		return a, nil
	}
	a.Credential = &syscall.Credential{Uid: uint32(s.UID), Gid: uint32(s.GID)}
	for _, name := range s.Capabilities {
		c, ok := capabilities[name]
		if !ok {
			return nil, fmt.Errorf("plugin %s: capability %q cannot be granted", s.plugin(), name)
		}
		a.AmbientCaps = append(a.AmbientCaps, c)
	}
	return a, nil
}

// awaitZombie returns when the process has ended but still has its number.
func awaitZombie(pid int) {
	for unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
}
