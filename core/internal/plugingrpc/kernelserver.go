package plugingrpc

import (
	"context"

	"google.golang.org/grpc"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
	kernelv1 "github.com/racoon-ike/racoon/core/sdk/proto/racoon/plugin/kernel/v1"
)

type (
	kernelServer struct {
		kernelv1.UnimplementedKernelServiceServer
		src Source[kernel.Backend]
	}
	encapServer struct {
		kernelv1.UnimplementedEncapPortServiceServer
		src Source[kernel.Backend]
	}
)

// RegisterKernel serves what src hands out.
func RegisterKernel(r grpc.ServiceRegistrar, src Source[kernel.Backend]) {
	kernelv1.RegisterKernelServiceServer(r, kernelServer{src: src})
	kernelv1.RegisterEncapPortServiceServer(r, encapServer{src: src})
}

// KernelServices are the services b implements.
func KernelServices(b kernel.Backend) []string {
	if implements[kernel.EncapPort](b) {
		return []string{KernelService, EncapPortService}
	}
	return []string{KernelService}
}

func (s kernelServer) GetCapabilities(ctx context.Context, _ *kernelv1.GetCapabilitiesRequest) (*kernelv1.GetCapabilitiesResponse, error) {
	return call(s.src, func(b kernel.Backend) (*kernelv1.GetCapabilitiesResponse, error) {
		c, err := b.Capabilities(ctx)
		return kernelCapabilitiesToProto(c), err
	})
}

func (s kernelServer) GetSocketOptions(ctx context.Context, m *kernelv1.GetSocketOptionsRequest) (*kernelv1.GetSocketOptionsResponse, error) {
	var d decoder
	role, family := enum(&d, "socket role", m.Role, kernel.SocketNATT), d.family(m.Family)
	if d.err != nil {
		return nil, d.err
	}
	return call(s.src, func(b kernel.Backend) (*kernelv1.GetSocketOptionsResponse, error) {
		setup, err := b.SocketOptions(ctx, role, family)
		return &kernelv1.GetSocketOptionsResponse{
			Owned: setup.Owned, PolicyBypass: setup.PolicyBypass,
			Options: mapped(setup.Options, func(o kernel.SocketOption) *kernelv1.SocketOption {
				return &kernelv1.SocketOption{
					Level: int32(o.Level), Name: int32(o.Name), Value: o.Value,
					Privileged: o.Privileged, Required: o.Required, Doc: o.Doc,
				}
			}),
		}, err
	})
}

func (s kernelServer) AllocateSpis(ctx context.Context, m *kernelv1.AllocateSpisRequest) (*kernelv1.AllocateSpisResponse, error) {
	var d decoder
	reqs, err := decoded(mapped(m.Requests, d.spiRequest), &d)
	if err != nil {
		return nil, err
	}
	return call(s.src, func(b kernel.Backend) (*kernelv1.AllocateSpisResponse, error) {
		res, err := b.AllocateSPIs(ctx, reqs)
		return &kernelv1.AllocateSpisResponse{Results: mapped(res, func(r kernel.SPIResult) *kernelv1.SpiResult {
			return &kernelv1.SpiResult{Spi: r.SPI, Error: errorToProto(r.Err)}
		})}, err
	})
}

func (s kernelServer) Apply(ctx context.Context, m *kernelv1.ApplyRequest) (*kernelv1.ApplyResponse, error) {
	var d decoder
	txns, err := decoded(mapped(m.Transactions, d.transaction), &d)
	if err != nil {
		return nil, err
	}
	return call(s.src, func(b kernel.Backend) (*kernelv1.ApplyResponse, error) {
		res, err := b.Apply(ctx, txns)
		return &kernelv1.ApplyResponse{Results: mapped(res, txnResultToProto)}, err
	})
}

func (s kernelServer) Query(ctx context.Context, m *kernelv1.QueryRequest) (*kernelv1.QueryResponse, error) {
	var d decoder
	keys, err := decoded(mapped(m.Keys, d.key), &d)
	if err != nil {
		return nil, err
	}
	return call(s.src, func(b kernel.Backend) (*kernelv1.QueryResponse, error) {
		res, err := b.Query(ctx, keys)
		return &kernelv1.QueryResponse{Stats: mapped(res, statsToProto)}, err
	})
}

func (s kernelServer) Dump(m *kernelv1.DumpRequest, ss grpc.ServerStreamingServer[kernelv1.DumpResponse]) error {
	filter := kernel.DumpFilter{
		SAs: m.Sas, Policies: m.Policies, Addresses: m.Addresses, ReqIDs: m.Reqids, WithKeys: m.WithKeys,
	}
	return stream(s.src, ss, func(ctx context.Context, b kernel.Backend) error {
		var batch []*kernelv1.Object
		flush := func() error {
			if len(batch) == 0 {
				return nil
			}
			err := ss.Send(&kernelv1.DumpResponse{Objects: batch})
			batch = nil
			return err
		}
		err := b.Dump(ctx, filter, func(o kernel.Object) error {
			if batch = append(batch, objectToProto(o)); len(batch) < chunk {
				return nil
			}
			return flush()
		})
		if err != nil {
			return err
		}
		return flush()
	})
}

func (s kernelServer) Events(m *kernelv1.EventsRequest, ss grpc.ServerStreamingServer[kernelv1.EventsResponse]) error {
	var d decoder
	mask := d.mask(m.Kinds)
	if d.err != nil {
		return d.err
	}
	return stream(s.src, ss, func(ctx context.Context, b kernel.Backend) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		q := newEventQueue()
		ended := make(chan error, 1)
		go func() {
			defer cancel()
			ended <- b.Events(ctx, mask, func(e kernel.Event) error {
				q.push(e)
				return ctx.Err()
			})
		}()
		var err error
		for err == nil {
			events := q.take(ctx)
			if events == nil {
				return <-ended
			}
			err = ss.Send(&kernelv1.EventsResponse{Events: mapped(events, eventToProto)})
		}
		cancel()
		<-ended
		return err
	})
}

func (s kernelServer) LookupRoutes(ctx context.Context, m *kernelv1.LookupRoutesRequest) (*kernelv1.LookupRoutesResponse, error) {
	var d decoder
	queries, err := decoded(mapped(m.Queries, func(q *kernelv1.RouteQuery) kernel.RouteQuery {
		return kernel.RouteQuery{Dst: d.addr(q.GetDst()), Src: d.addr(q.GetSrc())}
	}), &d)
	if err != nil {
		return nil, err
	}
	return call(s.src, func(b kernel.Backend) (*kernelv1.LookupRoutesResponse, error) {
		res, err := b.LookupRoutes(ctx, queries)
		return &kernelv1.LookupRoutesResponse{Routes: mapped(res, routeToProto)}, err
	})
}

func (s encapServer) Bind(ctx context.Context, m *kernelv1.BindRequest) (*kernelv1.BindResponse, error) {
	var d decoder
	local, err := decoded(d.endpoint(m.Local), &d)
	if err != nil {
		return nil, err
	}
	return call(s.src, func(p kernel.EncapPort) (*kernelv1.BindResponse, error) {
		return &kernelv1.BindResponse{}, p.Bind(ctx, local)
	})
}

func (s encapServer) Send(ctx context.Context, m *kernelv1.SendRequest) (*kernelv1.SendResponse, error) {
	var d decoder
	datagrams, err := decoded(mapped(m.Datagrams, d.datagram), &d)
	if err != nil {
		return nil, err
	}
	return call(s.src, func(p kernel.EncapPort) (*kernelv1.SendResponse, error) {
		return &kernelv1.SendResponse{}, p.Send(ctx, datagrams)
	})
}

func (s encapServer) Receive(_ *kernelv1.ReceiveRequest, ss grpc.ServerStreamingServer[kernelv1.ReceiveResponse]) error {
	return stream(s.src, ss, func(ctx context.Context, p kernel.EncapPort) error {
		return p.Receive(ctx, func(b kernel.Batch) error {
			return ss.Send(&kernelv1.ReceiveResponse{Datagrams: mapped(b.Datagrams, datagramToProto), Dropped: b.Dropped})
		})
	})
}
