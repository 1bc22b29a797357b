package control

import (
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// credentialOf asks the kernel who connected.
func credentialOf(conn *net.UnixConn) (who peerCredential, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return who, err
	}
	var cred *unix.Ucred
	cerr := raw.Control(func(fd uintptr) {
		cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if cerr != nil {
		return who, cerr
	}
	if err != nil {
		return who, fmt.Errorf("SO_PEERCRED: %w", err)
	}
	return peerCredential{cred.Uid, cred.Gid}, nil
}
