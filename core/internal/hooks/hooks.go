// Package hooks runs the scripts of remote sections when an ISAKMP SA comes or goes
// or a peer is dead. It is one reader of the stream of Notices and knows nothing
// else of the engine; what a script is told is in the Notice.
//
// Scripts run as root and may take their time, so that everything is bounded: how
// many run at once, how many wait, how long each may take, how much of its output is
// kept. Hooks of one peer run one after another, in the order of the events.
//
//	r := hooks.New(hooks.Options{Log: log, Notify: e.Notify})
//	r.Configure(cfg)
//	engine.New(engine.Options{..., Reader: r.Notice})
//	...
//	r.Close(ctx) // when the engine has ended
package hooks

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

const (
	// limit is how long a script may take, and while the daemon ends.
	limit     = 30 * time.Second
	lastLimit = 3 * time.Second

	maxRunning = 8
	maxQueue   = 4096 // some 2 MB
)

// Events, as policy.Script names them.
const (
	up   = "phase1-up"
	down = "phase1-down"
	dead = "phase1-dead"
)

// Options are what a Runner is made of.
type Options struct {
	Log    *slog.Logger        // takes what scripts write
	Notify func(notice.Notice) // takes how they ended

	// Tests set these.
	limit   time.Duration
	queue   int
	execute func(context.Context, *hook) result
}

// Runner runs hooks. All its methods may be called at any time.
type Runner struct {
	opts Options
	ctx  context.Context // of all scripts
	kill context.CancelFunc
	wg   sync.WaitGroup // of the workers

	mu       sync.Mutex
	sections map[string]*policy.Remote
	sas      map[cookies]*sa
	peers    map[peer]int // how many of sas each has
	queue    []*hook
	busy     map[lane]bool
	running  map[*time.Timer]time.Time // and when it fires
	workers  int
	dropped  int
	ending   bool // no more than lastLimit for each
	closed   bool
}

// cookies name an ISAKMP SA.
type cookies struct{ i, r isakmp.Cookie }

// lane is what is done in order: all hooks of one section for one address.
type lane struct {
	section string
	addr    netip.Addr
}

// peer tells who another SA would be a replacement for.
type peer struct {
	lane
	id string
}

// sa is an ISAKMP SA that has come and not gone, in a section with hooks.
type sa struct {
	peer
	scripts []policy.Script // when it came
	last    notice.Notice
}

// New makes a Runner without any hooks.
func New(o Options) *Runner {
	if o.limit == 0 {
		o.limit = limit
	}
	if o.queue == 0 {
		o.queue = maxQueue
	}
	if o.execute == nil {
		o.execute = execute
	}
	r := &Runner{opts: o, sas: map[cookies]*sa{}, peers: map[peer]int{}, busy: map[lane]bool{}, running: map[*time.Timer]time.Time{}}
	r.ctx, r.kill = context.WithCancel(context.Background())
	return r
}

// Configure takes the hooks of a configuration. An SA whose section is no more keeps
// those it came with: what was set up for it is still to be undone.
func (r *Runner) Configure(cfg *policy.Config) {
	sections := make(map[string]*policy.Remote, len(cfg.Remotes))
	for _, s := range cfg.Remotes {
		sections[s.Name] = s
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sections = sections
}

// Notice is the Runner's place in the stream. It never blocks.
func (r *Runner) Notice(n notice.Notice) {
	switch n.Event {
	case notice.Phase1Up, notice.Phase1Down, notice.Phase1Failed, notice.Stopping:
	default:
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	switch n.Event {
	case notice.Phase1Up:
		r.came(n)
	case notice.Phase1Down:
		r.went(n)
	case notice.Phase1Failed:
		r.failed(n)
	case notice.Stopping:
		r.hurry()
	}
	r.start()
}

// came notes an SA whose section has hooks. As in the original each SA has its own
// phase1_up, also one that replaces another; it never has a second one.
func (r *Runner) came(n notice.Notice) {
	s, key := r.sections[n.Remote], cookies{n.CkyI, n.CkyR}
	if s == nil || len(s.Scripts) == 0 || r.sas[key] != nil || r.ending {
		return
	}
	a := &sa{peer: peer{laneOf(n), n.PeerID}, scripts: s.Scripts, last: n}
	r.sas[key] = a
	r.peers[a.peer]++
	r.enqueue(up, a.scripts, a.lane, n)
}

// went is the end of an SA. Without its coming there is no going.
func (r *Runner) went(n notice.Notice) {
	a := r.forget(cookies{n.CkyI, n.CkyR})
	if a == nil {
		return
	}
	scripts, force := a.scripts, false
	if s := r.sections[a.section]; s != nil {
		scripts, force = s.Scripts, s.Rekey == policy.Force
	}
	n.PeerID = a.last.PeerID
	// The original: the peer does not answer, or the SA was to be replaced and was not.
	unreplaced := force && r.peers[a.peer] == 0 && (n.Reason == notice.Expired || n.Reason == notice.PeerDeleted)
	if n.Reason == notice.TimedOut || unreplaced {
		r.enqueue(dead, scripts, a.lane, n)
	}
	r.enqueue(down, scripts, a.lane, n)
}

func (r *Runner) forget(key cookies) *sa {
	a := r.sas[key]
	if a == nil {
		return nil
	}
	delete(r.sas, key)
	if r.peers[a.peer]--; r.peers[a.peer] == 0 {
		delete(r.peers, a.peer)
	}
	return a
}

// failed is a negotiation that led to nothing. Only one that we began says anything
// of the peer: the other kind anybody can begin, in any peer's name, as often as he
// likes. What we ended ourselves says nothing either.
func (r *Runner) failed(n notice.Notice) {
	switch n.Reason {
	case notice.ShuttingDown, notice.LocalDeleted, notice.Reloaded, notice.Superseded, notice.Replaced:
		return
	}
	if s := r.sections[n.Remote]; s != nil && n.Initiate {
		r.enqueue(dead, s.Scripts, laneOf(n), n)
	}
}

func laneOf(n notice.Notice) lane { return lane{n.Remote, n.Peer.Addr()} }

// enqueue lets a hook wait for its turn, if the section has one for the event.
func (r *Runner) enqueue(event string, scripts []policy.Script, l lane, n notice.Notice) {
	for _, s := range scripts {
		if s.Event == event {
			r.queue = append(r.queue, newHook(s, l, n))
		}
	}
	for len(r.queue) > r.opts.queue {
		r.leaveOut()
	}
}

// leaveOut drops the oldest hook. An SA whose coming was not told goes untold.
func (r *Runner) leaveOut() {
	h := r.queue[0]
	r.queue = slices.Delete(r.queue, 0, 1)
	if r.dropped++; h.event == up {
		r.dropped += r.untold(h.sa)
	}
}

// untold takes an SA's hooks out of the queue and makes it one without.
func (r *Runner) untold(key cookies) (n int) {
	r.forget(key)
	before := len(r.queue)
	r.queue = slices.DeleteFunc(r.queue, func(h *hook) bool { return h.sa == key })
	return before - len(r.queue)
}

// hurry is for the daemon's end: what runs and what is still to run gets lastLimit,
// and an SA that no hook was told of goes untold.
func (r *Runner) hurry() {
	if r.ending {
		return
	}
	r.ending = true
	for _, h := range slices.Clone(r.queue) {
		if h.event == up {
			r.untold(h.sa)
		}
	}
	for t, at := range r.running {
		if time.Until(at) > lastLimit {
			t.Reset(lastLimit)
		}
	}
}

// Close runs what is left to be run, phase1_down for every SA that is still there
// included, until ctx ends; then it kills what still runs. It returns when nothing
// runs any more.
func (r *Runner) Close(ctx context.Context) {
	r.mu.Lock()
	r.hurry()
	for _, a := range r.sas {
		n := a.last
		n.Event, n.Reason = notice.Phase1Down, notice.ShuttingDown
		r.went(n)
	}
	r.closed = true
	r.start()
	r.mu.Unlock()

	stop := context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.dropped += len(r.queue)
		r.queue = nil
		r.kill()
	})
	r.wg.Wait()
	stop()
	r.kill()
	r.tellDropped()
}
