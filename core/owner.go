package core

import (
	"os"
	"syscall"
)

// ownedBy reports whether a file belongs to the user. One that cannot be seen does not.
func ownedBy(path string, uid int) bool {
	fi, err := os.Stat(path)
	if err != nil {
		return false
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == uid
}
