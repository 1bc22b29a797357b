package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// maxRunDir leaves room for the names below it in the 104 octets that the smallest
// platform allows for a socket's path.
const maxRunDir = 60

// Options of a Host.
type Options struct {
	RunDir      string // private to this host; made if it is not there; sockets live below
	PluginDir   string // searched before the default directory; may be ""
	HostVersion string
	Logger      *slog.Logger
	// BootLogger takes what log plugins themselves write, which must not come back to
	// them. nil: Logger.
	BootLogger *slog.Logger
	// OnState hears of every change of state, with the reason where there is one. It
	// is called in order per plugin and must not block. May be nil.
	OnState func(Plugin, State, error)
}

// Host runs plugins. Close it to stop them.
type Host struct {
	opts   Options
	dirs   []string
	lock   *os.File
	forks  *forker
	timing timing

	mu      sync.Mutex
	closed  bool
	plugins map[Plugin]*supervisor
}

// timing is what tests shorten.
type timing struct {
	start, resync time.Duration // bounds of a start, and of OnUp, which bounds its own calls
	healthEvery   time.Duration
	healthMisses  int
	backoffMin    time.Duration
	backoffMax    time.Duration
	steady        time.Duration // healthy for so long forgets earlier crashes
	grace         time.Duration // for Shutdown
	exit          time.Duration // from the end of the lifeline to SIGKILL
	cleanup       time.Duration // for go-plugin's own goroutines
}

func defaultTiming() timing {
	return timing{
		start: 30 * time.Second, resync: 5 * time.Minute,
		healthEvery: 3 * time.Second, healthMisses: 3,
		backoffMin: 100 * time.Millisecond, backoffMax: 30 * time.Second, steady: time.Minute,
		grace: 2 * time.Second, exit: 500 * time.Millisecond, cleanup: 5 * time.Second,
	}
}

// New makes a host. It takes the run directory for itself alone and sweeps what an
// earlier host left there.
func New(o Options) (*Host, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.BootLogger == nil {
		o.BootLogger = o.Logger
	}
	if o.OnState == nil {
		o.OnState = func(Plugin, State, error) {}
	}
	lock, err := takeRunDir(o.RunDir)
	if err != nil {
		return nil, err
	}
	h := &Host{opts: o, lock: lock, forks: newForker(), timing: defaultTiming(), plugins: map[Plugin]*supervisor{}}
	if o.PluginDir != "" {
		h.dirs = append(h.dirs, o.PluginDir)
	}
	if dir, err := DefaultPluginDir(); err == nil {
		h.dirs = append(h.dirs, dir)
	}
	return h, nil
}

// takeRunDir makes, locks and sweeps the directory the sockets live in. Plugins of
// other uids must pass through it, so it is 0711; each has a 0700 directory below.
func takeRunDir(dir string) (*os.File, error) {
	switch {
	case !filepath.IsAbs(dir):
		return nil, fmt.Errorf("plugin run directory %q: want an absolute path", dir)
	case len(dir) > maxRunDir:
		return nil, fmt.Errorf("plugin run directory %s: %d octets, but at most %d leave room for a socket's path", dir, len(dir), maxRunDir)
	}
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return nil, fmt.Errorf("plugin run directory: %w", err)
	}
	lock, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("plugin run directory: %w", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		lock.Close()
		return nil, fmt.Errorf("plugin run directory %s is in use by another racoon: %w", dir, err)
	}
	entries, err := lock.ReadDir(-1)
	if err == nil {
		err = lock.Chmod(0o711)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), socketDirPrefix) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	if err != nil {
		lock.Close()
		return nil, fmt.Errorf("sweep plugin run directory: %w", err)
	}
	return lock, nil
}

// socketDirPrefix is what go-plugin calls the directories it makes for us.
const socketDirPrefix = "plugin-dir"

// add registers s, and refuses a second plugin of that name.
func (h *Host) add(s *supervisor) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return errors.New("the plugin host is closed")
	}
	if h.plugins[s.plugin] != nil {
		return fmt.Errorf("plugin %s is running already", s.plugin)
	}
	h.plugins[s.plugin] = s
	return nil
}

func (h *Host) remove(s *supervisor) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.plugins[s.plugin] == s {
		delete(h.plugins, s.plugin)
	}
}

// Status of every plugin.
func (h *Host) Status() []Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]Status, 0, len(h.plugins))
	for _, s := range h.plugins {
		all = append(all, s.Status())
	}
	return all
}

// Close stops all plugins at the same time: gracefully as long as ctx lasts, then by
// SIGKILL. It returns when every process is gone.
func (h *Host) Close(ctx context.Context) {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return
	}
	h.closed = true
	var all []*supervisor
	for _, s := range h.plugins {
		all = append(all, s)
	}
	h.mu.Unlock()
	var wg sync.WaitGroup
	for _, s := range all {
		wg.Go(func() { s.Close(ctx) })
	}
	wg.Wait()
	h.forks.close()
	h.lock.Close()
}
