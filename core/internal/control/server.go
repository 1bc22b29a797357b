package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	controlv1 "github.com/racoon-ike/racoon/core/control/proto/racoon/control/v1"
	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/sdk/errs"
)

const (
	maxRequest = 64 << 10 // octets; the largest sensible request has some hundred
	entriesPer = 256      // peers and SAs after which a message of ShowSas is sent
	monitorBuf = 1024     // notices a slow monitor may be behind
)

// About is what the daemon says about itself.
type About struct {
	Version string
	Started time.Time
}

// Server answers control clients.
type Server struct {
	controlv1.UnimplementedControlServiceServer
	daemon Daemon
	about  About
	grpc   *grpc.Server
}

// NewServer makes a server; Serve starts it.
func NewServer(d Daemon, about About) *Server {
	s := &Server{daemon: d, about: about}
	s.grpc = grpc.NewServer(
		grpc.MaxRecvMsgSize(maxRequest), grpc.WaitForHandlers(true),
		grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			res, err := next(ctx, req)
			return res, toStatus(err)
		}),
		grpc.StreamInterceptor(func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			return toStatus(next(srv, ss))
		}))
	controlv1.RegisterControlServiceServer(s.grpc, s)
	return s
}

// Serve answers the clients of l until Close. It closes l.
func (s *Server) Serve(l net.Listener) error { return s.grpc.Serve(l) }

// Close ends every request and returns when the daemon is no longer asked anything.
func (s *Server) Close() { s.grpc.Stop() }

// GetVersion implements the service.
func (s *Server) GetVersion(context.Context, *controlv1.GetVersionRequest) (*controlv1.GetVersionResponse, error) {
	return &controlv1.GetVersionResponse{Version: s.about.Version, Started: timestamppb.New(s.about.Started), Pid: int64(os.Getpid())}, nil
}

// ShowSas implements the service.
func (s *Server) ShowSas(req *controlv1.ShowSasRequest, stream grpc.ServerStreamingServer[controlv1.ShowSasResponse]) error {
	remote, err := parseAddr("remote", req.GetRemote(), true)
	if err != nil {
		return err
	}
	statuses, err := s.daemon.Statuses(stream.Context())
	if err != nil {
		return err
	}
	page, entries := &controlv1.ShowSasResponse{}, 0
	for i := range statuses {
		st := &statuses[i]
		if remote.IsValid() && st.Path.Remote.Addr().Unmap() != remote {
			continue
		}
		page.Peers = append(page.Peers, peerToProto(st))
		if entries += 1 + len(st.ISAKMP) + len(st.IPsec) + len(st.Exchanges); entries < entriesPer {
			continue
		}
		if err := stream.Send(page); err != nil {
			return err
		}
		page, entries = &controlv1.ShowSasResponse{}, 0
	}
	if entries == 0 {
		return nil
	}
	return stream.Send(page)
}

// EstablishSa implements the service.
func (s *Server) EstablishSa(ctx context.Context, req *controlv1.EstablishSaRequest) (*controlv1.EstablishSaResponse, error) {
	r := EstablishRequest{Section: req.GetSection()}
	var err error
	switch what := req.GetWhat().(type) {
	case *controlv1.EstablishSaRequest_Isakmp:
		r.What = EstablishISAKMP
		r.Local, r.Remote, err = endPoints(what.Isakmp)
	case *controlv1.EstablishSaRequest_Peer:
		r.What = EstablishPeer
		r.Local, r.Remote, err = endPoints(what.Peer)
	case *controlv1.EstablishSaRequest_Policy:
		r.What = EstablishPolicy
		r.Selector, r.Proto, err = policyTarget(what.Policy)
	default:
		err = errs.Errorf(errs.Invalid, "the request does not say what to establish")
	}
	if err != nil {
		return nil, err
	}
	return &controlv1.EstablishSaResponse{}, s.daemon.Establish(ctx, r)
}

// DeleteSa implements the service.
func (s *Server) DeleteSa(ctx context.Context, req *controlv1.DeleteSaRequest) (*controlv1.DeleteSaResponse, error) {
	picked, err := pickFor(req)
	if err != nil {
		return nil, err
	}
	statuses, err := s.daemon.Statuses(ctx)
	if err != nil {
		return nil, err
	}
	var count uint32
	for i := range statuses {
		for _, spi := range picked(&statuses[i]) {
			switch err := s.daemon.Delete(ctx, statuses[i].Key, spi); {
			case err == nil:
				count++
			case !errors.Is(err, &errs.Error{Reason: errs.NotFound}): // gone meanwhile is what was wanted
				return nil, err
			}
		}
	}
	if count == 0 {
		return nil, errs.Errorf(errs.NotFound, "no such SA")
	}
	return &controlv1.DeleteSaResponse{Count: count}, nil
}

// pickFor returns what of a machine a request means: SPIs, or 0 for everything.
func pickFor(req *controlv1.DeleteSaRequest) (func(*ike.Status) []uint32, error) {
	pairs := func(match func(*ike.IPsecStatus) bool) func(*ike.Status) []uint32 {
		return func(st *ike.Status) (spis []uint32) {
			for i := range st.IPsec {
				if match(&st.IPsec[i]) {
					spis = append(spis, st.IPsec[i].SPIIn)
				}
			}
			return spis
		}
	}
	switch what := req.GetWhat().(type) {
	case *controlv1.DeleteSaRequest_Spi:
		if what.Spi == 0 {
			return nil, errs.Errorf(errs.Invalid, "SPI 0 is never an SA's")
		}
		return pairs(func(sa *ike.IPsecStatus) bool { return sa.SPIIn == what.Spi || sa.SPIOut == what.Spi }), nil
	case *controlv1.DeleteSaRequest_Policy:
		sel, proto, err := policyTarget(what.Policy)
		return pairs(func(sa *ike.IPsecStatus) bool { return sa.Selector == sel && sa.Proto == proto }), err
	case *controlv1.DeleteSaRequest_Peer:
		local, remote, err := endPoints(what.Peer)
		return func(st *ike.Status) []uint32 {
			if st.Path.Remote.Addr().Unmap() != remote || local.IsValid() && st.Path.Local.Addr().Unmap() != local {
				return nil
			}
			return []uint32{0}
		}, err
	}
	return nil, errs.Errorf(errs.Invalid, "the request does not say what to delete")
}

// ReloadConfig implements the service.
func (s *Server) ReloadConfig(ctx context.Context, _ *controlv1.ReloadConfigRequest) (*controlv1.ReloadConfigResponse, error) {
	res, err := s.daemon.Reload(ctx)
	if err != nil {
		return nil, err
	}
	return &controlv1.ReloadConfigResponse{Generation: res.Generation, Findings: res.Findings, Changes: changesToProto(res.Plan)}, nil
}

// PlanReload implements the service.
func (s *Server) PlanReload(ctx context.Context, _ *controlv1.PlanReloadRequest) (*controlv1.PlanReloadResponse, error) {
	res, err := s.daemon.PlanReload(ctx)
	if err != nil {
		return nil, err
	}
	return &controlv1.PlanReloadResponse{Findings: res.Findings, Changes: changesToProto(res.Plan)}, nil
}

// Monitor implements the service.
func (s *Server) Monitor(_ *controlv1.MonitorRequest, stream grpc.ServerStreamingServer[controlv1.MonitorResponse]) error {
	queue := newQueue()
	cancel := s.daemon.Subscribe(func(n notice.Notice) { queue.put(noticeToProto(n, time.Now())) })
	defer cancel()
	if err := stream.Send(&controlv1.MonitorResponse{What: &controlv1.MonitorResponse_Ready{Ready: true}}); err != nil {
		return err
	}
	for {
		select {
		case <-stream.Context().Done():
			return stream.Context().Err()
		case <-queue.filled:
		}
		for _, m := range queue.take() {
			if err := stream.Send(m); err != nil {
				return err
			}
		}
	}
}

func endPoints(e *controlv1.EndPoints) (local, remote netip.Addr, err error) {
	if local, err = parseAddr("local", e.GetLocal(), true); err != nil {
		return
	}
	remote, err = parseAddr("remote", e.GetRemote(), false)
	return
}

func policyTarget(t *controlv1.PolicyTarget) (sel policy.Selector, proto uint8, err error) {
	if proto, err = protoNumber(t.GetProto()); err != nil {
		return
	}
	sel, err = selectorFromProto(t.GetSelector())
	return
}

// toStatus is an error as the client gets it.
func toStatus(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := status.FromError(err); ok {
		return err
	}
	e := errs.From(err)
	code, ok := reasonCodes[e.Reason]
	if !ok {
		code = codes.Unknown
	}
	st, detailErr := status.New(code, e.Msg).WithDetails(&errdetails.ErrorInfo{Domain: "racoon", Reason: string(e.Reason)})
	if detailErr != nil {
		return status.Error(code, fmt.Sprintf("%s (%v)", e.Msg, detailErr))
	}
	return st.Err()
}

// reasonCodes are for clients that know gRPC's codes only.
var reasonCodes = map[errs.Reason]codes.Code{
	errs.Unavailable: codes.Unavailable, errs.Busy: codes.ResourceExhausted, errs.NotFound: codes.NotFound, errs.Exists: codes.AlreadyExists,
	errs.Unsupported: codes.Unimplemented, errs.Permission: codes.PermissionDenied, errs.Invalid: codes.InvalidArgument,
	errs.NeedOperator: codes.FailedPrecondition, errs.Stale: codes.Aborted, errs.Timeout: codes.DeadlineExceeded, errs.Internal: codes.Internal,
}
