package plugin

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/racoon-ike/racoon/core/internal/plugingrpc"
	"github.com/racoon-ike/racoon/core/sdk/auth"
	"github.com/racoon-ike/racoon/core/sdk/config"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/logsink"
	basev1 "github.com/racoon-ike/racoon/core/sdk/proto/racoon/plugin/base/v1"
)

// server is the base service of one Spec, and the owner of its instance.
type server struct {
	basev1.UnimplementedBaseServiceServer
	spec    Spec
	log     *slog.Logger
	level   *slog.LevelVar
	greeted func() // at the first call of the host

	instances   holder
	mu          sync.Mutex // of Configure and hostVersion
	hostVersion string
}

func newServer(spec Spec, log *slog.Logger, level *slog.LevelVar) *server {
	return &server{spec: spec, log: log, level: level, greeted: func() {}, instances: holder{log: log}}
}

func (s *server) register(r grpc.ServiceRegistrar) {
	basev1.RegisterBaseServiceServer(r, s)
	switch {
	case s.spec.Auth != nil:
		plugingrpc.RegisterAuth(r, source[auth.Authenticator](&s.instances))
	case s.spec.Kernel != nil:
		plugingrpc.RegisterKernel(r, source[kernel.Backend](&s.instances))
	case s.spec.Log != nil:
		plugingrpc.RegisterLog(r, source[logsink.Sink](&s.instances))
	}
}

// ServeListener serves spec on lis inside this process until ctx ends, without
// handshake, hardening or TLS: for tests and benchmarks.
func ServeListener(ctx context.Context, spec Spec, lis net.Listener, log *slog.Logger) error {
	if err := spec.check(); err != nil {
		return err
	}
	s := newServer(spec, log, new(slog.LevelVar))
	g := grpc.NewServer(plugingrpc.ServerOptions()...)
	s.register(g)
	defer context.AfterFunc(ctx, g.Stop)()
	err := g.Serve(lis)
	closing, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	s.instances.shutdown(closing)
	return err
}

// check finds what an author can get wrong in a Spec.
func (s *Spec) check() error {
	kinds := 0
	for _, set := range []bool{s.Auth != nil, s.Kernel != nil, s.Log != nil} {
		if set {
			kinds++
		}
	}
	switch {
	case s.Name == "":
		return errors.New("plugin.Spec: Name is empty")
	case kinds != 1:
		return errors.New("plugin.Spec: exactly one of Auth, Kernel and Log must be set")
	}
	return nil
}

func (s *Spec) info() plugingrpc.Info {
	return plugingrpc.Info{
		Name: s.Name, Version: s.Version, Vendor: s.Vendor, Services: []string{s.service()},
		Features: s.Features, Privileges: plugingrpc.Privileges(s.Privileges),
	}
}

func (s *Spec) service() string {
	switch {
	case s.Auth != nil:
		return plugingrpc.AuthService
	case s.Kernel != nil:
		return plugingrpc.KernelService
	}
	return plugingrpc.LogService
}

func (s *server) GetInfo(_ context.Context, m *basev1.GetInfoRequest) (*basev1.GetInfoResponse, error) {
	s.greeted()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hostVersion = m.HostVersion
	return plugingrpc.InfoToProto(s.spec.info()), nil
}

func (s *server) GetConfigSchema(context.Context, *basev1.GetConfigSchemaRequest) (*basev1.GetConfigSchemaResponse, error) {
	return &basev1.GetConfigSchemaResponse{Schema: plugingrpc.SchemaToProto(s.spec.Schema)}, nil
}

func (s *server) ValidateConfig(ctx context.Context, m *basev1.ValidateConfigRequest) (*basev1.ValidateConfigResponse, error) {
	defer clear(m.ConfigJson) // it may hold secrets
	return &basev1.ValidateConfigResponse{Diagnostics: plugingrpc.DiagnosticsToProto(s.validate(ctx, config.Value{JSON: m.ConfigJson}))}, nil
}

func (s *server) validate(ctx context.Context, v config.Value) config.Diagnostics {
	if s.spec.Validate == nil {
		return nil
	}
	return s.spec.Validate(ctx, v)
}

func (s *server) Configure(ctx context.Context, m *basev1.ConfigureRequest) (*basev1.ConfigureResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer clear(m.ConfigJson) // it may hold secrets
	v := config.Value{JSON: m.ConfigJson}
	env := Env{Logger: s.log, StateDir: m.StateDir, Generation: m.Generation, HostVersion: s.hostVersion}
	diags := s.validate(ctx, v)
	var made any
	if !diags.HasErrors() {
		var more config.Diagnostics
		made, more = s.make(ctx, v, env)
		diags = append(diags, more...)
	}
	res := &basev1.ConfigureResponse{Diagnostics: plugingrpc.DiagnosticsToProto(diags)}
	if diags.HasErrors() {
		return res, nil
	}
	res.Services = services(made)
	if res.Services == nil {
		return nil, errs.Errorf(errs.Internal, "the factory returned neither an instance nor an error")
	}
	s.level.Set(slog.Level(m.LogLevel))
	s.instances.swap(made)
	return res, nil
}

// make runs the factory of the plugin's kind.
func (s *server) make(ctx context.Context, v config.Value, env Env) (any, config.Diagnostics) {
	switch {
	case s.spec.Auth != nil:
		return s.spec.Auth(ctx, v, env)
	case s.spec.Kernel != nil:
		return s.spec.Kernel(ctx, v, env)
	}
	return s.spec.Log(ctx, v, env)
}

// services of an instance, nil for none.
func services(made any) []string {
	switch i := made.(type) {
	case auth.Authenticator:
		return plugingrpc.AuthServices(i)
	case kernel.Backend:
		return plugingrpc.KernelServices(i)
	case logsink.Sink:
		return []string{plugingrpc.LogService}
	}
	return nil
}

func (s *server) CheckHealth(ctx context.Context, _ *basev1.CheckHealthRequest) (*basev1.CheckHealthResponse, error) {
	h := Health{State: Healthy}
	if s.spec.Health != nil {
		h = s.spec.Health(ctx)
	}
	return plugingrpc.HealthToProto(plugingrpc.Health{
		State: plugingrpc.HealthState(h.State), Detail: h.Detail, Since: h.Since, Counters: h.Counters,
	}), nil
}

func (s *server) Shutdown(ctx context.Context, m *basev1.ShutdownRequest) (*basev1.ShutdownResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(m.GraceMs)*time.Millisecond)
	defer cancel()
	s.instances.shutdown(ctx)
	return &basev1.ShutdownResponse{}, nil
}
