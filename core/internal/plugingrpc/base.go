package plugingrpc

import (
	"context"
	"time"

	"google.golang.org/grpc"

	"github.com/racoon-ike/racoon/core/sdk/config"
	authv1 "github.com/racoon-ike/racoon/core/sdk/proto/racoon/plugin/auth/v1"
	basev1 "github.com/racoon-ike/racoon/core/sdk/proto/racoon/plugin/base/v1"
	kernelv1 "github.com/racoon-ike/racoon/core/sdk/proto/racoon/plugin/kernel/v1"
	logv1 "github.com/racoon-ike/racoon/core/sdk/proto/racoon/plugin/log/v1"
)

// Fully qualified names of the services a plugin may serve.
var (
	AuthService        = authv1.AuthService_ServiceDesc.ServiceName
	DecryptService     = authv1.DecryptService_ServiceDesc.ServiceName
	XAuthServerService = authv1.XauthServerService_ServiceDesc.ServiceName
	XAuthClientService = authv1.XauthClientService_ServiceDesc.ServiceName
	AttributeService   = authv1.AttributeService_ServiceDesc.ServiceName
	AccountService     = authv1.AccountService_ServiceDesc.ServiceName
	WatchService       = authv1.WatchService_ServiceDesc.ServiceName
	KernelService      = kernelv1.KernelService_ServiceDesc.ServiceName
	EncapPortService   = kernelv1.EncapPortService_ServiceDesc.ServiceName
	LogService         = logv1.LogService_ServiceDesc.ServiceName
)

// Deadlines of calls whose caller set none. They bound hanging, not slowness: a call may
// carry the requests of many, and a kernel may load modules for it.
const (
	BaseTimeout   = 5 * time.Second
	AuthTimeout   = 5 * time.Second
	KernelTimeout = 5 * time.Second
	ProbeTimeout  = 15 * time.Second // of asking a kernel for all it has
	LogTimeout    = 5 * time.Second
	HealthTimeout = 2 * time.Second
)

// Info is what a plugin says about itself before it is configured.
type Info struct {
	Name       string     `json:"name"`
	Version    string     `json:"version"`
	Vendor     string     `json:"vendor"`
	Services   []string   `json:"services"`
	Features   []string   `json:"features,omitempty"`
	Privileges Privileges `json:"privileges"`
}

// Privileges has the fields of the SDK's plugin.Privileges, in the same order.
type Privileges struct {
	User         string
	Groups       []string
	Capabilities []string
	Root         bool
	ReadPaths    []string
	Network      bool
}

// Health is the answer of CheckHealth.
type Health struct {
	State    HealthState
	Detail   string
	Since    time.Time
	Counters map[string]int64
}

// HealthState has the values of the SDK's plugin.HealthState.
type HealthState uint8

const (
	Healthy HealthState = iota + 1
	Degraded
	Unhealthy
)

// BaseClient calls the base service.
type BaseClient struct{ c basev1.BaseServiceClient }

// NewBaseClient makes a client of the base service on cc.
func NewBaseClient(cc grpc.ClientConnInterface) *BaseClient {
	return &BaseClient{basev1.NewBaseServiceClient(conn{cc, BaseTimeout})}
}

// Info is the real handshake: it proves that both sides speak the protocol.
func (b *BaseClient) Info(ctx context.Context, hostVersion string, hostServices []string) (Info, error) {
	m, err := b.c.GetInfo(ctx, &basev1.GetInfoRequest{HostVersion: hostVersion, HostServices: hostServices})
	if err != nil {
		return Info{}, err
	}
	p := m.GetPrivileges()
	return Info{
		Name: clean(m.Name), Version: clean(m.Version), Vendor: clean(m.Vendor),
		Services: m.Services, Features: m.Features,
		Privileges: Privileges{p.GetUser(), p.GetGroups(), p.GetCapabilities(), p.GetRoot(), p.GetReadPaths(), p.GetNetwork()},
	}, nil
}

// InfoToProto is the answer of GetInfo.
func InfoToProto(i Info) *basev1.GetInfoResponse {
	p := i.Privileges
	return &basev1.GetInfoResponse{
		Name: i.Name, Version: i.Version, Vendor: i.Vendor, Services: i.Services, Features: i.Features,
		Privileges: &basev1.Privileges{
			User: p.User, Groups: p.Groups, Capabilities: p.Capabilities,
			Root: p.Root, ReadPaths: p.ReadPaths, Network: p.Network,
		},
	}
}

// Schema of the plugin's configuration, nil if it takes none.
func (b *BaseClient) Schema(ctx context.Context) (*config.Schema, error) {
	m, err := b.c.GetConfigSchema(ctx, &basev1.GetConfigSchemaRequest{})
	if err != nil || m.Schema == nil {
		return nil, err
	}
	return schemaFromProto(m.Schema), nil
}

// Validate has no effect besides its diagnostics.
func (b *BaseClient) Validate(ctx context.Context, json []byte) (config.Diagnostics, error) {
	m, err := b.c.ValidateConfig(ctx, &basev1.ValidateConfigRequest{ConfigJson: json})
	return diagnosticsFromProto(m.GetDiagnostics()), err
}

// A Configuration is what Configure hands over.
type Configuration struct {
	JSON       []byte
	Generation uint64
	StateDir   string
	LogLevel   int
}

// Configure makes the plugin run with c, and returns the services it now serves.
func (b *BaseClient) Configure(ctx context.Context, c Configuration) ([]string, config.Diagnostics, error) {
	m, err := b.c.Configure(ctx, &basev1.ConfigureRequest{
		ConfigJson: c.JSON, Generation: c.Generation, StateDir: c.StateDir, LogLevel: int32(c.LogLevel),
	})
	return m.GetServices(), diagnosticsFromProto(m.GetDiagnostics()), err
}

// Health never takes longer than HealthTimeout.
func (b *BaseClient) Health(ctx context.Context) (Health, error) {
	ctx, cancel := context.WithTimeout(ctx, HealthTimeout)
	defer cancel()
	m, err := b.c.CheckHealth(ctx, &basev1.CheckHealthRequest{})
	if err != nil {
		return Health{}, err
	}
	return Health{HealthState(m.State), clean(m.Detail), timeOf(m.Since), m.Counters}, nil
}

// HealthToProto is the answer of CheckHealth.
func HealthToProto(h Health) *basev1.CheckHealthResponse {
	return &basev1.CheckHealthResponse{
		State: basev1.CheckHealthResponse_State(h.State), Detail: h.Detail, Since: timestamp(h.Since), Counters: h.Counters,
	}
}

// Shutdown lets running calls finish within grace.
func (b *BaseClient) Shutdown(ctx context.Context, grace time.Duration) error {
	_, err := b.c.Shutdown(ctx, &basev1.ShutdownRequest{GraceMs: uint32(grace / time.Millisecond)})
	return err
}
