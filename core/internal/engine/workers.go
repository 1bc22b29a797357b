package engine

// workers runs short pieces of work, each in a goroutine of its own, and keeps a few
// goroutines that have nothing to do for the next: a new one starts with a small
// stack and has it copied several times on its way into a machine or a plugin
// call, which was a sixth of the cost of a tunnel.
type workers struct {
	work chan func() // unbuffered: taken only by a goroutine that waits
	park chan struct{}
	end  chan struct{}
}

// maxParked is how many goroutines wait for work at most.
const maxParked = 32

func newWorkers() *workers {
	return &workers{work: make(chan func()), park: make(chan struct{}, maxParked), end: make(chan struct{})}
}

// run never blocks, and never waits for other work to end.
func (w *workers) run(f func()) {
	select {
	case w.work <- f:
	default:
		go w.loop(f)
	}
}

func (w *workers) loop(f func()) {
	for {
		f()
		select {
		case w.park <- struct{}{}:
		default:
			return // enough are waiting
		}
		select {
		case f = <-w.work:
			<-w.park
		case <-w.end:
			return
		}
	}
}

// close ends the goroutines that wait, and from then on each after its work.
func (w *workers) close() { close(w.end) }
