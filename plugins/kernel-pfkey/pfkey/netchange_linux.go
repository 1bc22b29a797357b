package pfkey

import (
	"errors"

	"golang.org/x/sys/unix"
)

// watchNet opens a socket that gets a message whenever a link or an address
// changes. Routes are not watched: a router may have a million of them.
func watchNet() (socket, error) {
	r, err := openRaw(unix.AF_NETLINK, unix.NETLINK_ROUTE, "rtnetlink")
	if err != nil {
		return nil, err
	}
	failed := r.raw.Control(func(fd uintptr) {
		err = unix.Bind(int(fd), &unix.SockaddrNetlink{
			Family: unix.AF_NETLINK, Groups: unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR,
		})
	})
	if failed != nil || err != nil {
		r.close()
		return nil, errors.Join(failed, err)
	}
	return r, nil
}

// isNetChange says whether a message of that socket is of such a change: all are.
func isNetChange([]byte) bool { return true }
