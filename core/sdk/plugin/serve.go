package plugin

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"sync"
	"syscall"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/racoon-ike/racoon/core/internal/plugingrpc"
)

// Serve runs the plugin and does not return. With the argument "describe" it
// prints what the plugin is and how it is configured, as JSON, and exits.
//
// The process ends when its lifeline does: SIGINT, SIGTERM and SIGHUP, which a
// terminal or an init system sends to whole groups, would end it before the engine
// has removed its SAs.
func Serve(spec Spec) {
	if err := serve(spec); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func serve(spec Spec) error {
	if err := spec.check(); err != nil {
		return err
	}
	if len(os.Args) == 2 && os.Args[1] == "describe" {
		return describe(os.Stdout, &spec)
	}
	if os.Getenv(plugingrpc.CookieKey) == plugingrpc.CookieValue {
		signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
		setName(spec.Name)
		if spec.Processors > 0 {
			runtime.GOMAXPROCS(spec.Processors)
		}
		if err := harden(); err != nil {
			return fmt.Errorf("%s: %w", spec.Name, err)
		}
		if err := followLifeline(); err != nil {
			return fmt.Errorf("%s: %w", spec.Name, err)
		}
	}

	stderr := os.Stderr // go-plugin replaces it
	level := new(slog.LevelVar)
	s := newServer(spec, newLogger(stderr, level), level)
	s.greeted = sync.OnceFunc(func() {
		// The handshake was read: from now on what a library prints to fd 1 is a log
		// line like any other.
		if err := stdoutToStderr(); err != nil {
			s.log.Warn("cannot redirect stdout", "error", err)
		}
		os.Stdout, os.Stderr = stderr, stderr
	})
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig: goplugin.HandshakeConfig{
			ProtocolVersion: plugingrpc.ProtocolVersion, MagicCookieKey: plugingrpc.CookieKey, MagicCookieValue: plugingrpc.CookieValue,
		},
		Plugins: goplugin.PluginSet{plugingrpc.PluginName: servable{s: s}},
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(opts, plugingrpc.ServerOptions()...)...)
		},
		Logger: hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: stderr, JSONFormat: true}),
	})
	return nil
}

// followLifeline ends the process when the host has closed the other end of the
// pipe it inherited, however the host ended.
func followLifeline() error {
	v, ok := os.LookupEnv(plugingrpc.LifelineKey)
	if !ok {
		return nil
	}
	fd, err := strconv.Atoi(v)
	if err != nil {
		return fmt.Errorf("lifeline %s=%q: %w", plugingrpc.LifelineKey, v, err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		return fmt.Errorf("lifeline on descriptor %d: %w", fd, err)
	}
	syscall.CloseOnExec(fd)
	f := os.NewFile(uintptr(fd), "lifeline")
	go func() {
		_, _ = io.Copy(io.Discard, f)
		os.Exit(0)
	}()
	return nil
}

// servable registers our services with go-plugin's server.
type servable struct {
	goplugin.NetRPCUnsupportedPlugin
	goplugin.GRPCPlugin
	s *server
}

func (p servable) GRPCServer(_ *goplugin.GRPCBroker, g *grpc.Server) error {
	p.s.register(g)
	return nil
}
