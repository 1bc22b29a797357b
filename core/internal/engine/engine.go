package engine

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/logpipe"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
	"github.com/racoon-ike/racoon/core/sdk/auth"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/logsink"
)

// shutdownPatience is how long machines may take to say goodbye.
const shutdownPatience = 5 * time.Second

// Options are what an Engine is made of.
type Options struct {
	Config *policy.Config
	Auth   map[string]auth.Authenticator // by plugin name, e.g. "psk"
	Kernel kernel.Backend

	// Pipe takes the log. Without one the engine makes its own, to Log (which may be
	// nil) and, while that does not work, to stderr.
	Pipe *logpipe.Pipe
	Log  logsink.Sink

	// Reader gets every Notice that is not left out as one of too many of strangers, each
	// machine's in order. Whoever has the Notice calls it, so that it must not block, and
	// unlike a subscriber it loses none.
	Reader func(notice.Notice)

	RunDir         string // of the ledger; "" keeps it in memory, which only tests want
	Port, NATTPort uint16 // of the default listeners, 0 = 500 and 4500
	Family         int    // 4 or 6 restricts the default listeners
	Verbose        bool   // describe every message in its debug notice
	Restore        bool   // install the inbound SAs that path backupsa has
	Limits         Limits
}

// Engine is the shell around the machines.
type Engine struct {
	opts    Options
	kernel  kernel.Backend
	auth    map[string]auth.Authenticator
	log     *logpipe.Pipe
	ownLog  bool
	net     transport
	workers *workers
	cpu     *cpuPool
	ledger  *ledger
	backup  backup
	secret  cookieSecret
	sources *sourceLimiter // of first messages
	dear    *sourceLimiter // of what a stranger makes us compute, or say

	// What strangers can make us log: so much each, so much all of them.
	complaints *sourceLimiter
	loud       *rate.Limiter
	unsaid     atomic.Uint64

	keys  *keyMaker
	turns turns

	newMachine func(ike.Setup) machine
	registry   *registry
	config     atomic.Pointer[snapshot]
	caps       atomic.Pointer[kernel.Capabilities]
	reloading  sync.Mutex

	spdMu     sync.RWMutex
	spd       *spd.DB
	generated generated // policies in it
	suspects  suspects
	misfits   misfits

	watchMu  sync.Mutex
	watching *watch
	backMu   sync.Mutex
	back     chan struct{} // closed when the kernel plugin is back

	instance    string // of TxnIDs
	txns        atomic.Uint64
	acquires    acquires
	counters    counters
	commands    commands
	subscribers subscribers

	ctx        context.Context // the engine's own life
	stop       context.CancelFunc
	closing    atomic.Bool
	refresh    chan struct{} // addresses may have changed
	keeping    chan struct{} // what is to be kept up may have changed
	goroutines sync.WaitGroup
}

// transport is the network; tests have one without sockets.
type transport interface {
	// sync makes the sockets what the configuration asks for; again asks to be called again.
	sync(ctx context.Context, l policy.Listen) (again bool, err error)
	start()
	close()
	forget()
	sender
}

// New makes an engine. Nothing runs before Start.
func New(o Options) (*Engine, error) {
	switch {
	case o.Config == nil:
		return nil, errors.New("engine: no configuration")
	case o.Kernel == nil:
		return nil, errors.New("engine: no kernel plugin")
	}
	if o.Port == 0 {
		o.Port = 500
	}
	if o.NATTPort == 0 {
		o.NATTPort = 4500
	}
	o.Limits = o.Limits.withDefaults()
	path := ""
	if o.RunDir != "" {
		path = filepath.Join(o.RunDir, "sas")
	}
	led, err := openLedger(path)
	if err != nil {
		return nil, err
	}
	e := &Engine{
		opts: o, kernel: o.Kernel, auth: maps.Clone(o.Auth), log: o.Pipe, ledger: led,
		workers: newWorkers(), keys: newKeyMaker(), secret: newCookieSecret(), sources: newSourceLimiter(o.Limits.arrivals()), dear: newSourceLimiter(o.Limits),
		complaints: newSourceLimiter(Limits{SourceRate: 1.0 / 60, SourceBurst: 10}), loud: rate.NewLimiter(5, 100), newMachine: newIKEv1, registry: newRegistry(o.Limits), spd: new(spd.DB),
		back: make(chan struct{}), instance: newInstance(), refresh: make(chan struct{}, 1), keeping: make(chan struct{}, 1),
		suspects: suspects{more: make(chan struct{}, 1)},
	}
	e.cpu = newCPUPool(o.Limits.CPUQueue, e.run)
	if e.log == nil {
		e.log, e.ownLog = logpipe.New(os.Stderr, o.Config.Log.Level(), o.Log), true
	}
	e.backup.alive = func(k ike.SAKey) bool { _, ok := e.registry.owner(k); return ok }
	e.config.Store(newSnapshot(o.Config))
	e.caps.Store(&kernel.Capabilities{})
	e.net = newListeners(o, e.notify, e.receive)
	e.ctx, e.stop = context.WithCancel(context.Background())
	return e, nil
}

func newInstance() string {
	var b [8]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// Start opens the sockets, subscribes to the kernel and compares with it, and only
// then begins to read: a peer's first message finds everything in place. ctx ends
// the waiting, not the engine.
func (e *Engine) Start(ctx context.Context) error {
	e.notify(notice.Notice{Event: notice.Starting})
	again, err := e.net.sync(ctx, e.config.Load().Listen)
	var old []*restored
	if err == nil {
		old = e.openBackup()
		err = e.KernelUp(ctx)
	}
	if err != nil {
		e.end()
		return fmt.Errorf("start: %w", err)
	}
	e.checkLocal()
	e.net.start()
	e.goroutines.Go(func() { e.followAddresses(again) })
	e.goroutines.Go(e.followKept)
	e.goroutines.Go(e.followSuspects)
	e.reinstall(old)
	for name, a := range e.auth {
		if w, ok := a.(auth.Watcher); ok {
			e.goroutines.Go(func() { e.watchAuth(name, a, w) })
		}
	}
	return nil
}

// Shutdown ends everything: peers are told, SAs are deleted, and what a machine did
// not manage to delete in time goes by the ledger. Plugins are the caller's to close.
func (e *Engine) Shutdown(ctx context.Context) error {
	if e.closing.Swap(true) {
		return errors.New("the engine is ending already")
	}
	e.notify(notice.Notice{Event: notice.Stopping})
	limit, cancel := context.WithTimeout(ctx, shutdownPatience)
	defer cancel()
	drained := e.registry.drained()
	for _, a := range e.registry.snapshot() {
		a.post(mail{ev: ike.Shutdown{}})
	}
	select {
	case <-drained:
	case <-limit.Done():
	}
	err := e.clean(ctx)
	if err == nil {
		e.record(e.backup.empty())
	}
	e.end()
	return err
}

// clean deletes what is still in the ledger.
func (e *Engine) clean(ctx context.Context) error {
	e.watchMu.Lock()
	w := e.watching
	e.watchMu.Unlock()
	left := e.ledger.all()
	if e.generated.clear(); w == nil || len(left) == 0 && len(e.ledger.allPolicies()) == 0 {
		return nil
	}
	var keys []ledgerKey
	for k := range left {
		s, _ := e.registry.disown(k)
		keys = append(keys, ledgerKey{k, s.where})
	}
	db, sas, _, err := w.dump(ctx)
	var later deletion
	if err == nil {
		_, later, err = w.deleteOrphans(ctx, sas, db)
	}
	if err == nil && later.len() > 0 {
		err = errors.New("the kernel has no room to delete them")
	}
	if err != nil {
		return fmt.Errorf("%d SAs may be left in the kernel, the next start deletes them: %w", len(keys), err)
	}
	return nil
}

// end stops all that runs.
func (e *Engine) end() {
	e.closing.Store(true)
	e.stop()
	e.net.close()
	e.goroutines.Wait()
	e.workers.close()
	e.ledger.close()
	e.backup.close()
	if e.ownLog {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = e.log.Close(ctx) // a sink that does not take the last lines must not keep us
	}
}
