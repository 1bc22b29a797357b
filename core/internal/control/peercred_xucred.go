//go:build darwin || freebsd

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
	var cred *unix.Xucred
	cerr := raw.Control(func(fd uintptr) {
		cred, err = unix.GetsockoptXucred(int(fd), 0 /* SOL_LOCAL */, unix.LOCAL_PEERCRED)
	})
	if cerr != nil {
		return who, cerr
	}
	if err != nil {
		return who, fmt.Errorf("LOCAL_PEERCRED: %w", err)
	}
	return peerCredential{cred.Uid, cred.Groups[0]}, nil
}
