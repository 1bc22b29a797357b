package hooks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/racoon-ike/racoon/core/internal/notice"
)

// start sees to it that there are workers for what can run. It is called with the
// lock held.
func (r *Runner) start() {
	for r.workers < maxRunning {
		h := r.take()
		if h == nil {
			return
		}
		r.workers++
		r.wg.Go(func() { r.work(h) })
	}
}

// take is the oldest hook none of whose peer's is running.
func (r *Runner) take() *hook {
	for i, h := range r.queue {
		if !r.busy[h.lane] {
			r.queue = slices.Delete(r.queue, i, i+1)
			r.busy[h.lane] = true
			return h
		}
	}
	return nil
}

// work runs hooks until there is none that could run.
func (r *Runner) work(h *hook) {
	for h != nil {
		r.tellDropped()
		r.run(h)
		r.mu.Lock()
		delete(r.busy, h.lane)
		if h = r.take(); h == nil {
			r.workers--
		}
		r.mu.Unlock()
	}
}

// run runs one hook and says how it ended.
func (r *Runner) run(h *hook) {
	ctx, cancel := context.WithCancelCause(r.ctx)
	defer cancel(nil)
	r.mu.Lock()
	patience := r.opts.limit
	if r.ending {
		patience = min(patience, lastLimit)
	}
	began := time.Now()
	late := time.AfterFunc(patience, func() { cancel(errLate) })
	r.running[late] = began.Add(patience)
	r.mu.Unlock()

	res := r.opts.execute(ctx, h)

	r.mu.Lock()
	delete(r.running, late)
	r.mu.Unlock()
	late.Stop()
	if res.err != nil && res.reason == 0 && ctx.Err() != nil {
		res.reason, res.err = notice.ShuttingDown, errors.New("killed, the daemon ends")
		if context.Cause(ctx) == errLate {
			res.reason, res.err = notice.TimedOut, fmt.Errorf("killed after %v", time.Since(began).Round(time.Second/10))
		}
	}
	r.report(h, res)
}

var errLate = errors.New("the script takes too long")

// report tells the world. What the script wrote is for the log alone.
func (r *Runner) report(h *hook, res result) {
	n := h.about
	n.Event, n.Reason, n.Detail = notice.HookDone, res.reason, h.name()+" "+h.path
	if res.err != nil {
		n.Event, n.Detail = notice.HookFailed, n.Detail+": "+res.err.Error()
	}
	r.opts.Notify(n)
	if len(res.output) > 0 {
		r.opts.Log.Debug("output of a hook script", "hook", h.name(), "path", h.path, "output", string(res.output), "left_out", res.more)
	}
}

// tellDropped says how many hooks were left out since it was last said.
func (r *Runner) tellDropped() {
	r.mu.Lock()
	n := r.dropped
	r.dropped = 0
	r.mu.Unlock()
	if n > 0 {
		r.opts.Notify(notice.Notice{Event: notice.HookFailed, Reason: notice.HookQueueFull,
			Detail: fmt.Sprintf("%d were not run, too many were waiting", n)})
	}
}
