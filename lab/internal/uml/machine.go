//go:build linux

// Package uml boots User-Mode Linux guests and ends them without a trace. A
// guest is many host processes: the kernel, its helpers and one for each
// address space of the guest; all are in one session.
package uml

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Kernel is the executable of Debian's user-mode-linux.
const Kernel = "linux.uml"

// Machine describes a guest.
type Machine struct {
	Name    string
	Memory  int               // MiB
	Init    string            // absolute path of process 1
	Env     map[string]string // of process 1: the kernel passes on NAME=VALUE that it does not know
	Dir     string            // for the kernel's own files
	Console string            // file for the console's output
}

// Run boots the guest and waits until it powers off or the context ends. No
// process of the guest is left when it returns.
func (m *Machine) Run(ctx context.Context) error {
	kernel, err := exec.LookPath(Kernel)
	if err != nil {
		return fmt.Errorf("%w (run lab/setup)", err)
	}
	library, err := preload(m.Dir)
	if err != nil {
		return err
	}
	console, err := os.Create(m.Console)
	if err != nil {
		return err
	}
	defer console.Close()
	args := []string{
		fmt.Sprintf("mem=%dM", m.Memory), "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro",
		"init=" + m.Init, "umid=" + m.Name, "uml_dir=" + m.Dir + "/", "con=null", "con0=null,fd:1", "quiet", "panic=-1",
	}
	for k, v := range m.Env {
		args = append(args, k+"="+v)
	}
	// Pdeathsig is of the thread that starts the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.Command(kernel, args...)
	cmd.Stdout, cmd.Stderr = console, console
	cmd.Env = append(os.Environ(), "TMPDIR="+memoryDir(m.Memory, m.Dir), "LD_PRELOAD="+library)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: unix.SIGKILL}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("boot %s: %w", m.Name, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err = <-ended:
		err = wrap(m.Name, err)
	case <-ctx.Done():
		err = ctx.Err()
	}
	return errors.Join(err, endSession(cmd.Process.Pid))
}

func wrap(name string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: the kernel ended: %w", name, err)
	}
	return nil
}

// memoryDir is where the guest's memory file is made: /dev/shm if it has room.
func memoryDir(mib int, fallback string) string {
	var st unix.Statfs_t
	const shm = "/dev/shm"
	if unix.Statfs(shm, &st) == nil && int64(st.Bavail)*st.Bsize > int64(mib)<<20 && unix.Access(shm, unix.W_OK) == nil {
		return shm
	}
	return fallback
}

// endSession kills every process of a session and waits until they are gone.
func endSession(session int) error {
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		pids, err := members(session)
		if err != nil || len(pids) == 0 {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("processes %v of the guest do not end", pids)
		}
		for _, pid := range pids {
			if err := unix.Kill(pid, unix.SIGKILL); err != nil && err != unix.ESRCH {
				return fmt.Errorf("kill %d: %w", pid, err)
			}
		}
	}
}

// members of a session that are not zombies.
func members(session int) ([]int, error) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, d := range dirs {
		b, err := os.ReadFile(d + "/stat")
		if err != nil {
			continue // it has ended
		}
		pid, state, sid, err := parseStat(string(b))
		if err != nil {
			return nil, err
		}
		if sid == session && state != "Z" {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// parseStat reads the pid, the state and the session of /proc/PID/stat
// (proc(5)). The command, in parentheses, may hold anything.
func parseStat(text string) (pid int, state string, session int, err error) {
	open, end := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return 0, "", 0, fmt.Errorf("/proc/PID/stat: %q", text)
	}
	f := strings.Fields(text[end+1:])
	if len(f) < 4 {
		return 0, "", 0, fmt.Errorf("/proc/PID/stat: %q", text)
	}
	pid, err1 := strconv.Atoi(strings.TrimSpace(text[:open]))
	session, err2 := strconv.Atoi(f[3])
	return pid, f[0], session, errors.Join(err1, err2)
}
