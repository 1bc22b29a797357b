package core

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	ctl "github.com/racoon-ike/racoon/core/control"
	"github.com/racoon-ike/racoon/core/internal/config"
	"github.com/racoon-ike/racoon/core/internal/control"
	"github.com/racoon-ike/racoon/core/internal/engine"
	"github.com/racoon-ike/racoon/core/internal/hooks"
	"github.com/racoon-ike/racoon/core/internal/logpipe"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/pluginhost"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// How long starting and stopping may take. An init system waits longer.
const (
	startPatience = 60 * time.Second
	stopPatience  = 15 * time.Second
	logPatience   = 2 * time.Second
)

// runDirEnv names another run directory: for a second racoon on one host, as in
// network namespaces.
const runDirEnv = "RACOON_RUNDIR"

func runDir() string {
	if dir := os.Getenv(runDirEnv); dir != "" {
		return dir
	}
	return filepath.Dir(ctl.DefaultSocket)
}

// racoon is the running daemon: what is wired to what, and the order of its end.
type racoon struct {
	flags   *flags
	log     *slog.Logger
	pipe    *logpipe.Pipe
	sink    lateSink
	host    *pluginhost.Host
	plugins []*plugin
	hooks   *hooks.Runner
	engine  atomic.Pointer[engine.Engine] // nil until made: plugins come up before it
	fatal   chan error                    // a critical plugin is gone
	undo    []func()                      // in the order of starting

	reloading sync.Mutex
	running   *config.Loaded
}

// serve runs the daemon until a signal ends it.
func serve(f *flags, loaded *config.Loaded, diags []config.Diagnostic, back *background, stdout, stderr io.Writer) error {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, unix.SIGHUP, unix.SIGINT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2)
	signal.Ignore(unix.SIGPIPE)
	defer signal.Stop(signals)
	interrupted, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()

	d := &racoon{flags: f, running: loaded, fatal: make(chan error, 1)}
	defer d.close()
	ctx, cancel := context.WithTimeout(interrupted, startPatience)
	defer cancel()
	if err := d.start(ctx, stdout, stderr); err != nil {
		return err
	}
	d.findings(diags)
	if err := back.up(); err != nil {
		return err
	}
	d.tellManager(managerReady)
	return d.loop(interrupted, signals)
}

// start brings everything up. What was started before an error is ended by close.
func (d *racoon) start(ctx context.Context, stdout, stderr io.Writer) error {
	cfg := d.prepare(d.running.Policy, 1)
	pid, err := takePidFile(or(cfg.Paths.PidFile, DefaultPidFile))
	if err != nil {
		return err
	}
	d.undo = append(d.undo, pid.remove)
	d.startLog(cfg, stdout, stderr)
	d.log.Info("racoon "+Version, "pid", os.Getpid(), "configuration", d.flags.config)
	d.host, err = pluginhost.New(pluginhost.Options{RunDir: runDir(), HostVersion: Version, Logger: d.log,
		BootLogger: slog.New(slog.NewTextHandler(stderr, nil)), OnState: d.pluginState})
	if err != nil {
		d.closeLog()
		return err
	}
	// The log plugin goes last, when the others have had their last words.
	d.undo = append(d.undo, within(stopPatience, d.host.Close), d.closeLog, within(stopPatience, d.stopPlugins))
	if err := d.startPlugins(ctx); err != nil {
		return err
	}
	d.hooks = hooks.New(hooks.Options{Log: d.log, Notify: func(n notice.Notice) { d.engine.Load().Notify(n) }})
	d.hooks.Configure(cfg)
	d.undo = append(d.undo, within(stopPatience, d.hooks.Close)) // when the engine has ended its SAs
	if err := d.startEngine(ctx, cfg); err != nil {
		return err
	}
	return d.startControl(cfg.Listen.AdminSock)
}

// prepare gives a snapshot its number and the level of the command line. It must
// not have been handed to anyone yet.
func (d *racoon) prepare(cfg *policy.Config, generation uint64) *policy.Config {
	cfg.Generation = generation
	cfg.Log = min(cfg.Log+policy.LogLevel(min(d.flags.debug, 8)), policy.LogDebug2)
	return cfg
}

func (d *racoon) startEngine(ctx context.Context, cfg *policy.Config) error {
	o := engine.Options{Config: cfg, Auth: d.auths(), Kernel: d.kernel(), Pipe: d.pipe, Reader: d.hooks.Notice, RunDir: runDir(),
		Port: d.flags.port, NATTPort: d.flags.natt, Verbose: d.flags.verbose, Restore: d.flags.restore}
	switch {
	case d.flags.v4 && !d.flags.v6:
		o.Family = 4
	case d.flags.v6 && !d.flags.v4:
		o.Family = 6
	}
	e, err := engine.New(o)
	if err != nil {
		return err
	}
	d.engine.Store(e)
	if err := e.Start(ctx); err != nil {
		return err
	}
	for _, p := range d.plugins {
		e.Notify(notice.Notice{Event: notice.PluginUp, Plugin: p.String()})
	}
	d.undo = append(d.undo, within(stopPatience, func(ctx context.Context) {
		if err := e.Shutdown(ctx); err != nil {
			d.log.Error("shutdown was not complete", "error", err)
		}
	}))
	return nil
}

func (d *racoon) startControl(sock policy.AdminSock) error {
	if sock.Disabled {
		return nil
	}
	sock.Path = or(sock.Path, filepath.Join(runDir(), filepath.Base(ctl.DefaultSocket)))
	l, err := control.Listen(sock, d.log)
	if err != nil {
		return err
	}
	s := control.NewServer(d, control.About{Version: Version, Started: time.Now()})
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	d.undo = append(d.undo, func() {
		s.Close()
		<-served
	})
	return nil
}

// loop handles signals until one of them, or the loss of a critical plugin, ends
// the daemon.
func (d *racoon) loop(interrupted context.Context, signals <-chan os.Signal) error {
	for {
		select {
		case err := <-d.fatal:
			d.log.Error("racoon ends", "error", err)
			return err
		case s := <-signals:
			switch s {
			case unix.SIGHUP:
				d.hangup(interrupted)
			case unix.SIGINT, unix.SIGTERM:
				d.log.Info("caught signal, shutting down", "signal", s.String())
				d.tellManager(managerStopping)
				return nil
			default:
				d.log.Info("caught signal", "signal", s.String())
			}
		}
	}
}

// hangup reloads, and lets the log file be reopened. Who wants us to end need not
// wait for that.
func (d *racoon) hangup(interrupted context.Context) {
	ctx, cancel := context.WithTimeout(interrupted, startPatience)
	defer cancel()
	d.tellManager(managerReloading)
	_, _ = d.Reload(ctx) // it has logged what is to be said
	if err := d.pipe.Reopen(ctx); err != nil {
		d.log.Warn("the log could not be opened again", "error", err)
	}
	d.tellManager(managerReady)
}

// close ends in the opposite order of starting.
func (d *racoon) close() {
	for i := len(d.undo) - 1; i >= 0; i-- {
		d.undo[i]()
	}
}

// within bounds the time of a last act.
func within(limit time.Duration, act func(context.Context)) func() {
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		act(ctx)
	}
}

func (d *racoon) pluginState(p pluginhost.Plugin, s pluginhost.State, reason error) {
	n := notice.Notice{Plugin: p.String()}
	if reason != nil {
		n.Detail = reason.Error()
	}
	switch s {
	case pluginhost.Healthy:
		n.Event = notice.PluginUp
	case pluginhost.Backoff, pluginhost.Failed:
		n.Event = notice.PluginDown
	default:
		return
	}
	if e := d.engine.Load(); e != nil {
		e.Notify(n)
	} else if n.Event == notice.PluginDown { // before there is a stream
		d.log.Warn(n.String(), "plugin", n.Plugin)
	}
	if s == pluginhost.Failed {
		select {
		case d.fatal <- fmt.Errorf("critical plugin %s: %w", p, errors.Join(reason)):
		default: // one is enough
		}
	}
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
