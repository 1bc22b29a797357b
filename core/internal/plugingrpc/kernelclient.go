package plugingrpc

import (
	"context"
	"net/netip"

	"google.golang.org/grpc"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
	kernelv1 "github.com/racoon-ike/racoon/core/sdk/proto/racoon/plugin/kernel/v1"
)

// KernelClient implements kernel.Backend and kernel.EncapPort.
type KernelClient struct {
	kernel kernelv1.KernelServiceClient
	encap  kernelv1.EncapPortServiceClient
}

// NewKernelClient makes a client of all kernel services on cc.
func NewKernelClient(cc grpc.ClientConnInterface) *KernelClient {
	cc = conn{cc, KernelTimeout}
	return &KernelClient{kernelv1.NewKernelServiceClient(cc), kernelv1.NewEncapPortServiceClient(cc)}
}

// Capabilities may take ProbeTimeout: a kernel looks for a module for each algorithm.
func (c *KernelClient) Capabilities(ctx context.Context) (kernel.Capabilities, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, ProbeTimeout)
		defer cancel()
	}
	m, err := c.kernel.GetCapabilities(ctx, &kernelv1.GetCapabilitiesRequest{})
	if err != nil {
		return kernel.Capabilities{}, err
	}
	var d decoder
	return decoded(d.kernelCapabilities(m), &d)
}

func (c *KernelClient) SocketOptions(ctx context.Context, role kernel.SocketRole, family kernel.Family) (kernel.SocketSetup, error) {
	m, err := c.kernel.GetSocketOptions(ctx, &kernelv1.GetSocketOptionsRequest{Role: kernelv1.SocketRole(role), Family: uint32(family)})
	if err != nil {
		return kernel.SocketSetup{}, err
	}
	return kernel.SocketSetup{
		Owned: m.Owned, PolicyBypass: m.PolicyBypass,
		Options: mapped(m.Options, func(o *kernelv1.SocketOption) kernel.SocketOption {
			return kernel.SocketOption{
				Level: int(o.Level), Name: int(o.Name), Value: o.Value,
				Privileged: o.Privileged, Required: o.Required, Doc: clean(o.Doc),
			}
		}),
	}, nil
}

func (c *KernelClient) AllocateSPIs(ctx context.Context, rs []kernel.SPIRequest) ([]kernel.SPIResult, error) {
	m, err := c.kernel.AllocateSpis(ctx, &kernelv1.AllocateSpisRequest{Requests: mapped(rs, spiRequestToProto)})
	if err != nil {
		return nil, err
	}
	return mapped(m.Results, func(r *kernelv1.SpiResult) kernel.SPIResult {
		return kernel.SPIResult{SPI: r.GetSpi(), Err: errorFromProto(r.GetError())}
	}), same("AllocateSPIs", len(m.Results), len(rs))
}

func (c *KernelClient) Apply(ctx context.Context, ts []kernel.Transaction) ([]kernel.TxnResult, error) {
	m, err := c.kernel.Apply(ctx, &kernelv1.ApplyRequest{Transactions: mapped(ts, transactionToProto)})
	if err != nil {
		return nil, err
	}
	if err := same("Apply", len(m.Results), len(ts)); err != nil {
		return nil, err
	}
	for i, r := range m.Results {
		if err := same("Apply "+ts[i].TxnID, len(r.GetOps()), len(ts[i].Ops)); err != nil {
			return nil, err
		}
	}
	return mapped(m.Results, txnResult), nil
}

func (c *KernelClient) Query(ctx context.Context, keys []kernel.Key) ([]kernel.Stats, error) {
	m, err := c.kernel.Query(ctx, &kernelv1.QueryRequest{Keys: mapped(keys, keyToProto)})
	if err != nil {
		return nil, err
	}
	return mapped(m.Stats, stats), same("Query", len(m.Stats), len(keys))
}

func (c *KernelClient) Dump(ctx context.Context, f kernel.DumpFilter, each func(kernel.Object) error) error {
	const method = "Dump"
	s, err := c.kernel.Dump(ctx, &kernelv1.DumpRequest{
		Sas: f.SAs, Policies: f.Policies, Addresses: f.Addresses, Reqids: f.ReqIDs, WithKeys: f.WithKeys,
	})
	if err != nil {
		return fromStatus(ctx, method, err)
	}
	return receive(ctx, method, s.Recv, func(m *kernelv1.DumpResponse) error {
		return eachDecoded(m.Objects, (*decoder).object, each)
	})
}

func (c *KernelClient) Events(ctx context.Context, mask kernel.EventMask, each func(kernel.Event) error) error {
	const method = "Events"
	s, err := c.kernel.Events(ctx, &kernelv1.EventsRequest{Kinds: maskToProto(mask)})
	if err != nil {
		return fromStatus(ctx, method, err)
	}
	return receive(ctx, method, s.Recv, func(m *kernelv1.EventsResponse) error {
		return eachDecoded(m.Events, (*decoder).event, each)
	})
}

// eachDecoded hands the items of one stream message on, one by one.
func eachDecoded[W, T any](items []W, decode func(*decoder, W) T, each func(T) error) error {
	for _, w := range items {
		var d decoder
		v := decode(&d, w)
		if d.err != nil {
			return d.err
		}
		if err := each(v); err != nil {
			return err
		}
	}
	return nil
}

func (c *KernelClient) LookupRoutes(ctx context.Context, qs []kernel.RouteQuery) ([]kernel.Route, error) {
	m, err := c.kernel.LookupRoutes(ctx, &kernelv1.LookupRoutesRequest{
		Queries: mapped(qs, func(q kernel.RouteQuery) *kernelv1.RouteQuery {
			return &kernelv1.RouteQuery{Dst: addr(q.Dst), Src: addr(q.Src)}
		}),
	})
	if err != nil {
		return nil, err
	}
	if err := same("LookupRoutes", len(m.Routes), len(qs)); err != nil {
		return nil, err
	}
	var d decoder
	return decoded(mapped(m.Routes, d.route), &d)
}

func (c *KernelClient) Bind(ctx context.Context, local netip.AddrPort) error {
	_, err := c.encap.Bind(ctx, &kernelv1.BindRequest{Local: endpoint(local)})
	return err
}

func (c *KernelClient) Send(ctx context.Context, ds []kernel.Datagram) error {
	_, err := c.encap.Send(ctx, &kernelv1.SendRequest{Datagrams: mapped(ds, datagramToProto)})
	return err
}

func (c *KernelClient) Receive(ctx context.Context, each func(kernel.Batch) error) error {
	const method = "Receive"
	s, err := c.encap.Receive(ctx, &kernelv1.ReceiveRequest{})
	if err != nil {
		return fromStatus(ctx, method, err)
	}
	return receive(ctx, method, s.Recv, func(m *kernelv1.ReceiveResponse) error {
		var d decoder
		b, err := decoded(kernel.Batch{Datagrams: mapped(m.Datagrams, d.datagram), Dropped: m.Dropped}, &d)
		if err != nil {
			return err
		}
		return each(b)
	})
}
