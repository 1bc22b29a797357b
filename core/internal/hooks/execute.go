package hooks

import (
	"context"
	"errors"
	"os/exec"
	"syscall"
	"time"

	"github.com/racoon-ike/racoon/core/internal/notice"
)

const (
	// maxOutput is how much of a script's output is kept.
	maxOutput = 4 << 10
	// outputPatience is how long the output is read after the script's end: a process
	// it has left behind may have it open for ever.
	outputPatience = 500 * time.Millisecond
)

// result is what became of a script.
type result struct {
	err    error         // nil: it ended with 0
	reason notice.Reason // of an err that has one
	output []byte        // the beginning, standard error included
	more   int           // how many octets that leaves out
}

// execute runs a script until it ends or ctx does, which kills it and all it has
// started that is still in its process group. What it leaves behind when it ends by
// itself is its own affair.
func execute(ctx context.Context, h *hook) result { return executeBelow(ctx, h, "") }

func executeBelow(ctx context.Context, h *hook, base string) result {
	if err := trusted(h.path, base); err != nil {
		return result{err: err, reason: notice.UnsafeFile}
	}
	var out head
	cmd := exec.CommandContext(ctx, h.path, h.name())
	cmd.Env, cmd.Dir = h.env, "/"
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error {
		if err := cmd.Process.Signal(syscall.Signal(0)); err != nil { // its number may be another's by now
			return err
		}
		return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	cmd.WaitDelay = outputPatience
	err := cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) { // it ended well, and left something behind
		err = nil
	}
	return result{err: err, output: out.kept, more: out.more}
}

// head keeps the beginning of what is written to it.
type head struct {
	kept []byte
	more int
}

func (h *head) Write(p []byte) (int, error) {
	n := min(len(p), maxOutput-len(h.kept))
	h.kept = append(h.kept, p[:n]...)
	h.more += len(p) - n
	return len(p), nil
}
