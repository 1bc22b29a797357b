package core

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/racoon-ike/racoon/core/internal/config"
	"github.com/racoon-ike/racoon/core/internal/pluginhost"
	"github.com/racoon-ike/racoon/core/internal/setkey"
	sdk "github.com/racoon-ike/racoon/core/sdk/config"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// Setkey is setkey(8): manual management of SAs and policies, by any kernel plugin.
// The result is the exit status: 0 if everything was done, 1 if anything was not.
func Setkey(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	name := filepath.Base(args[0])
	o, err := setkey.ParseOptions(args[1:])
	switch {
	case errors.Is(err, setkey.ErrUsage):
		fmt.Fprintf(stderr, "%s: %v\n%s", name, err, setkey.Usage(name))
		return 1
	case err != nil:
		return fail(stderr, name, err)
	case o.Mode == setkey.PrintUsage:
		fmt.Fprint(stdout, setkey.Usage(name))
		return 0
	case o.Mode == setkey.PrintVersion:
		fmt.Fprintf(stdout, "setkey %s (%s, %s/%s)\n", Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return 0
	}
	if o.Hex && (o.Verbose || o.Mode == setkey.WatchAll) {
		fmt.Fprintf(stderr, "%s: warning: -H: there are no PF_KEY messages to show in hexadecimal; -v and -x show what they would say\n", name)
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	defer stop()
	s := &setkeyRun{name: name, o: o, stdin: stdin, stdout: stdout, stderr: stderr}
	failed, err := s.run(ctx)
	if err != nil {
		return fail(stderr, name, err)
	}
	return min(failed, 1)
}

// setkeyRun is one run of the program.
type setkeyRun struct {
	name           string
	o              setkey.Options
	stdin          io.Reader
	stdout, stderr io.Writer
}

// run does what the options say. failed counts commands that were not done; each has
// been told.
func (s *setkeyRun) run(ctx context.Context) (failed int, err error) {
	var cmds []setkey.Command
	if s.o.Mode == setkey.FromFile { // before anything is started
		if cmds, err = s.read(); err != nil {
			return 0, err
		}
	}
	r := &setkey.Runner{Names: net.DefaultResolver, Out: s.stdout, Err: s.stderr, Name: s.name, Now: time.Now, PID: os.Getpid(),
		RFC: runtime.GOOS == "linux" && !s.o.Literal, Ports: s.o.Ports, Dead: s.o.Dead, Verbose: s.o.Verbose}
	if !s.o.DryRun {
		backend, closeHost, err := s.backend(ctx)
		if err != nil {
			return 0, err
		}
		defer closeHost()
		r.Kernel = backend
	}
	switch s.o.Mode {
	case setkey.FromFile:
		return r.Run(ctx, cmds), nil
	case setkey.FromStdin:
		return s.interactive(ctx, r)
	case setkey.WatchAll:
		return 0, r.Watch(ctx, s.o.Epoch)
	case setkey.FlushAll:
		if s.o.Policies {
			return 0, r.FlushPolicies(ctx)
		}
		return 0, r.FlushSAs(ctx)
	}
	switch { // DumpAll
	case s.o.Policies:
		return 0, r.DumpPolicies(ctx)
	case s.o.Short:
		return 0, everySecond(ctx, r.ShortDump)
	}
	return 0, r.DumpSAs(ctx, setkey.Proto{})
}

// read reads the commands of -f.
func (s *setkeyRun) read() ([]setkey.Command, error) {
	in, name := s.stdin, "stdin"
	if s.o.File != "-" {
		f, err := os.Open(s.o.File)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in, name = f, s.o.File
	}
	text, err := io.ReadAll(in)
	if err != nil {
		return nil, err
	}
	cmds, err := setkey.Parse(name, string(text))
	if err != nil {
		err = fmt.Errorf("nothing was done, because the commands cannot be understood:\n%w", err)
	}
	return cmds, err
}

// interactive carries out commands as they are typed. A read from a terminal cannot
// be interrupted: it is left behind when a signal ends us.
func (s *setkeyRun) interactive(ctx context.Context, r *setkey.Runner) (failed int, err error) {
	type typed struct {
		cmds []setkey.Command
		err  error
	}
	next := make(chan typed)
	go func() {
		script := setkey.NewScript("stdin", s.stdin)
		for {
			cmds, err := script.Next()
			select {
			case next <- typed{cmds, err}:
			case <-ctx.Done():
				return
			}
			if errors.Is(err, io.EOF) {
				return
			}
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return failed, context.Cause(ctx)
		case t := <-next:
			var wrong *setkey.Error
			switch {
			case errors.Is(t.err, io.EOF):
				return failed, nil
			case errors.As(t.err, &wrong):
				failed++
				fmt.Fprintf(s.stderr, "%s: %v\n", s.name, t.err)
			case t.err != nil:
				return failed, t.err
			}
			failed += r.Run(ctx, t.cmds)
		}
	}
}

// everySecond calls f now and every second until ctx ends.
func everySecond(ctx context.Context, f func(context.Context) error) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		if err := f(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// backend starts a kernel plugin of our own, beside the daemon's if there is one.
func (s *setkeyRun) backend(ctx context.Context) (kernel.Backend, func(), error) {
	chosen, err := s.choose()
	if err != nil {
		return nil, nil, err
	}
	dir, err := os.MkdirTemp("", "setkey-")
	if err != nil {
		return nil, nil, err
	}
	log := slog.New(slog.NewTextHandler(s.stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	host, err := pluginhost.New(pluginhost.Options{RunDir: dir, HostVersion: Version, Logger: log})
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	closeHost := func() {
		ctx, cancel := context.WithTimeout(context.Background(), stopPatience)
		defer cancel()
		host.Close(ctx)
		_ = os.RemoveAll(dir)
	}
	p := &plugin{kind: pluginhost.KindKernel, name: chosen.Name, spec: chosen}
	spec := pluginhost.Spec{Kind: p.kind, Name: p.name, Path: chosen.Path, SHA256: chosen.SHA256, Critical: true, Generation: 1,
		Decode: withKeys(p.decode), Env: environment(chosen), LogLevel: slog.LevelError}
	if uid, gid, err := userOf(spec.Kind); err == nil && os.Geteuid() == 0 {
		spec.UID, spec.GID, spec.Capabilities = uid, gid, []string{capNetAdmin}
	}
	k, err := host.StartKernel(ctx, spec, pluginhost.Hooks[kernel.Backend]{})
	if err != nil {
		closeHost()
		return nil, nil, explain(p, err)
	}
	return k, closeHost, nil
}

// choose is the kernel plugin: that of -K, or of racoon's configuration.
func (s *setkeyRun) choose() (config.PluginSpec, error) {
	if s.o.Config != "" {
		if _, err := os.Stat(s.o.Config); err != nil {
			return config.PluginSpec{}, err
		}
	}
	spec, diags, err := config.KernelPlugin(or(s.o.Config, defaultConfig()), s.o.Plugin)
	show(s.stderr, diags, config.Error)
	return spec, err
}

// withKeys makes of a plugin's configuration what setkey(8) wants: keys in dumps.
func withKeys(decode func(*sdk.Schema) (json.RawMessage, error)) func(*sdk.Schema) (json.RawMessage, error) {
	return func(schema *sdk.Schema) (json.RawMessage, error) {
		text, err := decode(schema)
		if err != nil || schema == nil {
			return text, err
		}
		for _, a := range schema.Body.Attrs {
			if a.Name != "dump_keys" {
				continue
			}
			var values map[string]json.RawMessage
			if err := json.Unmarshal(text, &values); err != nil {
				return nil, err
			}
			values["dump_keys"] = json.RawMessage("true")
			return json.Marshal(values)
		}
		return text, nil // its dumps have no keys
	}
}
