package plugin

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// harden keeps key material out of core files and away from other processes of
// the same uid.
func harden() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("forbid core files: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("forbid ptrace: %w", err)
	}
	return nil
}

// setName is for ps: the host starts us by descriptor, which is a poor name.
func setName(name string) {
	_ = os.WriteFile("/proc/self/comm", []byte(name), 0)
}

func stdoutToStderr() error { return unix.Dup3(2, 1, 0) }
