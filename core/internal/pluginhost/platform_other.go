//go:build unix && !linux

package pluginhost

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
)

// peerPIDKnown: without the peer's process id only AutoMTLS tells who it is.
const peerPIDKnown = false

func peerPID(*net.UnixConn) (int, error) { return 0, errors.ErrUnsupported }

func executePath(f *os.File) string { return f.Name() }

// attributes of the child: own process group, uid dropped. The lifeline is what
// ends it with the host.
func attributes(s *Spec) (*syscall.SysProcAttr, error) {
	a := &syscall.SysProcAttr{Setpgid: true}
	if os.Geteuid() != 0 || s.UID == 0 {
		return a, nil
	}
	if len(s.Capabilities) > 0 {
		return nil, fmt.Errorf("plugin %s: this platform has no capabilities to keep", s.plugin())
	}
	a.Credential = &syscall.Credential{Uid: uint32(s.UID), Gid: uint32(s.GID)}
	return a, nil
}

func awaitZombie(int) {}
