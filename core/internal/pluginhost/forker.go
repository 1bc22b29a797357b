package pluginhost

import "runtime"

// forker starts processes from one thread that lives as long as the host: the
// parent-death signal is sent when the *thread* that forked ends.
type forker struct {
	jobs chan func()
	done chan struct{}
}

func newForker() *forker {
	f := &forker{make(chan func()), make(chan struct{})}
	go func() {
		defer close(f.done)
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		for job := range f.jobs {
			job()
		}
	}()
	return f
}

// do runs job on the thread and waits for it.
func (f *forker) do(job func()) {
	done := make(chan struct{})
	f.jobs <- func() { defer close(done); job() }
	<-done
}

func (f *forker) close() {
	close(f.jobs)
	<-f.done
}
