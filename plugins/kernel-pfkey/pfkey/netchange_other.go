//go:build unix && !linux

package pfkey

import "golang.org/x/sys/unix"

// watchNet opens a socket that gets a message whenever a link, an address or a
// route changes.
func watchNet() (socket, error) {
	r, err := openRaw(unix.AF_ROUTE, unix.AF_UNSPEC, "route")
	if err != nil {
		return nil, err
	}
	return r, nil
}

// isNetChange says whether a message of that socket, an rt_msghdr or a relative of
// it, is of a link or an address.
func isNetChange(b []byte) bool {
	const rtmType = 3
	if len(b) <= rtmType {
		return false
	}
	switch b[rtmType] {
	case unix.RTM_NEWADDR, unix.RTM_DELADDR, unix.RTM_IFINFO:
		return true
	}
	return false
}
