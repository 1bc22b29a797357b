package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	goplugin_runner "github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/racoon-ike/racoon/core/internal/plugingrpc"
	"github.com/racoon-ike/racoon/core/sdk/plugin"
)

// process is one running plugin, in a process of its own or in ours.
type process struct {
	conn   grpc.ClientConnInterface
	pid    int
	exited <-chan struct{}
	reason func() error  // why it exited; after exited
	words  func() string // what it wrote to stderr last
	leave  func()        // asks it to exit; does not wait
	kill   func()        // makes it exit; does not wait
	free   func()        // gives back what it held; after exited; waits
}

// launch starts the plugin of s. When ctx ends first, it is killed.
func (h *Host) launch(ctx context.Context, s *Spec) (*process, error) {
	if s.InProcess != nil {
		return h.launchInProcess(s)
	}
	path, err := h.find(s)
	if err != nil {
		return nil, err
	}
	log := h.pluginLogger(s)
	r := &runner{spec: s, forks: h.forks, path: path, output: newStderrReader(log), exited: make(chan struct{})}
	client := goplugin.NewClient(h.clientConfig(s, r))
	free := func() {
		client.Kill()
		if r.socketDir != "" {
			_ = os.RemoveAll(r.socketDir)
		}
	}
	stop := context.AfterFunc(ctx, r.kill)
	protocol, err := client.Client()
	if !stop() && ctx.Err() != nil {
		err = fmt.Errorf("no answer to the handshake: %w", context.Cause(ctx))
	}
	var rpc *goplugin.GRPCClient
	if err == nil {
		var ok bool
		if rpc, ok = protocol.(*goplugin.GRPCClient); !ok {
			err = errors.New("it does not speak gRPC")
		}
	}
	if err != nil {
		return nil, r.failed(err, free)
	}
	return &process{
		conn: rpc.Conn, pid: r.pid(), exited: r.exited, reason: func() error { return r.exitErr }, words: r.output.lastWords,
		leave: func() { r.lifeline.Close() }, kill: r.kill, free: free,
	}, nil
}

// failed cleans up after a start that did not work and tells why, with what the
// process said last.
func (r *runner) failed(err error, free func()) error {
	if r.pid() != 0 {
		r.kill()
		<-r.exited
	}
	free()
	err = fmt.Errorf("start plugin %s (%s): %w", r.spec.plugin(), r.path, err)
	if r.pid() == 0 {
		return err
	}
	if words := r.output.lastWords(); words != "" {
		return fmt.Errorf("%w; it ended with %v; its last words: %s", err, r.exitErr, words)
	}
	return fmt.Errorf("%w; it ended with %v and wrote nothing to stderr", err, r.exitErr)
}

func (h *Host) clientConfig(s *Spec, r *runner) *goplugin.ClientConfig {
	return &goplugin.ClientConfig{
		HandshakeConfig: goplugin.HandshakeConfig{
			ProtocolVersion: plugingrpc.ProtocolVersion, MagicCookieKey: plugingrpc.CookieKey, MagicCookieValue: plugingrpc.CookieValue,
		},
		Plugins:          goplugin.PluginSet{},
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		AutoMTLS:         s.Transport != TransportUnix,
		SkipHostEnv:      true,
		StartTimeout:     h.timing.start,
		Logger:           hclog.NewNullLogger(), // the supervisor tells more, and once
		Stderr:           io.Discard, SyncStdout: io.Discard, SyncStderr: io.Discard,
		UnixSocketConfig: &goplugin.UnixSocketConfig{TempDir: h.opts.RunDir},
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, dir string) (goplugin_runner.Runner, error) {
			r.socketDir, r.env = dir, cmd.Env
			return r, nil
		},
		GRPCDialOptions: append(plugingrpc.DialOptions(), grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return r.dial(ctx)
		})),
	}
}

// pluginLogger is where a plugin's own output goes.
func (h *Host) pluginLogger(s *Spec) *slog.Logger {
	log := h.opts.Logger
	if s.Kind == KindLog {
		log = h.opts.BootLogger
	}
	return log.With("plugin", s.plugin().String())
}

// launchInProcess runs s.InProcess over an in-memory connection: the same glue, no
// process.
func (h *Host) launchInProcess(s *Spec) (*process, error) {
	lis := bufconn.Listen(1 << 20)
	conn, err := grpc.NewClient("passthrough:in-process", append(plugingrpc.DialOptions(),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }))...)
	if err != nil {
		return nil, fmt.Errorf("start plugin %s: %w", s.plugin(), err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	exited := make(chan struct{})
	var served error
	go func() {
		defer close(exited)
		served = plugin.ServeListener(ctx, *s.InProcess, lis, h.pluginLogger(s))
	}()
	return &process{
		conn: conn, pid: os.Getpid(), exited: exited,
		reason: func() error { return fmt.Errorf("in-process server ended: %w", served) },
		words:  func() string { return "" },
		leave:  cancel, kill: cancel, free: func() { conn.Close() },
	}, nil
}

// understands picks the service of s's kind the plugin offers.
func understands(s *Spec, info plugingrpc.Info) error {
	for _, name := range info.Services {
		if name == services[s.Kind] {
			return nil
		}
	}
	return fmt.Errorf("plugin %s serves %s, want %s", s.plugin(), strings.Join(info.Services, ", "), services[s.Kind])
}
