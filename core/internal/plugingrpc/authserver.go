package plugingrpc

import (
	"context"

	"google.golang.org/grpc"

	"github.com/racoon-ike/racoon/core/sdk/auth"
	authv1 "github.com/racoon-ike/racoon/core/sdk/proto/racoon/plugin/auth/v1"
)

type authSource = Source[auth.Authenticator]

// The optional services are types of their own, so that a service added to one of
// them later does not change the others.
type (
	authServer struct {
		authv1.UnimplementedAuthServiceServer
		src authSource
	}
	decryptServer struct {
		authv1.UnimplementedDecryptServiceServer
		src authSource
	}
	xauthServer struct {
		authv1.UnimplementedXauthServerServiceServer
		src authSource
	}
	xauthClientServer struct {
		authv1.UnimplementedXauthClientServiceServer
		src authSource
	}
	attributeServer struct {
		authv1.UnimplementedAttributeServiceServer
		src authSource
	}
	accountServer struct {
		authv1.UnimplementedAccountServiceServer
		src authSource
	}
	watchServer struct {
		authv1.UnimplementedWatchServiceServer
		src authSource
	}
)

// RegisterAuth serves what src hands out.
func RegisterAuth(r grpc.ServiceRegistrar, src Source[auth.Authenticator]) {
	authv1.RegisterAuthServiceServer(r, authServer{src: src})
	authv1.RegisterDecryptServiceServer(r, decryptServer{src: src})
	authv1.RegisterXauthServerServiceServer(r, xauthServer{src: src})
	authv1.RegisterXauthClientServiceServer(r, xauthClientServer{src: src})
	authv1.RegisterAttributeServiceServer(r, attributeServer{src: src})
	authv1.RegisterAccountServiceServer(r, accountServer{src: src})
	authv1.RegisterWatchServiceServer(r, watchServer{src: src})
}

// AuthServices are the services a implements.
func AuthServices(a auth.Authenticator) []string {
	services := []string{AuthService}
	add := func(ok bool, name string) {
		if ok {
			services = append(services, name)
		}
	}
	add(implements[auth.Decrypter](a), DecryptService)
	add(implements[auth.XAuthServer](a), XAuthServerService)
	add(implements[auth.XAuthClient](a), XAuthClientService)
	add(implements[auth.AttributeServer](a), AttributeService)
	add(implements[auth.Accountant](a), AccountService)
	add(implements[auth.Watcher](a), WatchService)
	return services
}

func implements[T any](v any) bool {
	_, ok := v.(T)
	return ok
}

func (s authServer) GetCapabilities(ctx context.Context, _ *authv1.GetCapabilitiesRequest) (*authv1.GetCapabilitiesResponse, error) {
	return call(s.src, func(a auth.Authenticator) (*authv1.GetCapabilitiesResponse, error) {
		c, err := a.Capabilities(ctx)
		return capabilitiesToProto(c), err
	})
}

func (s authServer) Resolve(ctx context.Context, m *authv1.ResolveRequest) (*authv1.ResolveResponse, error) {
	var d decoder
	req, err := decoded(auth.ResolveRequest{
		Peer: d.peer(m.Peer), Methods: mapped(m.Methods, d.method), CertReqs: mapped(m.CertRequests, d.cert),
	}, &d)
	if err != nil {
		return nil, err
	}
	return call(s.src, func(a auth.Authenticator) (*authv1.ResolveResponse, error) {
		c, err := a.Resolve(ctx, req)
		return credentialToProto(c), err
	})
}

func (s authServer) DeriveSkeyids(ctx context.Context, m *authv1.DeriveSkeyidsRequest) (*authv1.DeriveSkeyidsResponse, error) {
	var d decoder
	reqs, err := decoded(mapped(m.Requests, d.skeyidRequest), &d)
	if err != nil {
		return nil, err
	}
	return call(s.src, func(a auth.Authenticator) (*authv1.DeriveSkeyidsResponse, error) {
		res, err := a.DeriveSKEYIDs(ctx, reqs)
		return &authv1.DeriveSkeyidsResponse{Results: mapped(res, skeyidResultToProto)}, err
	})
}

func (s authServer) Sign(ctx context.Context, m *authv1.SignRequest) (*authv1.SignResponse, error) {
	var d decoder
	reqs, err := decoded(mapped(m.Requests, d.signItem), &d)
	if err != nil {
		return nil, err
	}
	return call(s.src, func(a auth.Authenticator) (*authv1.SignResponse, error) {
		res, err := a.Sign(ctx, reqs)
		return &authv1.SignResponse{Results: mapped(res, signResultToProto)}, err
	})
}

func (s authServer) VerifyPeers(ctx context.Context, m *authv1.VerifyPeersRequest) (*authv1.VerifyPeersResponse, error) {
	var d decoder
	reqs, err := decoded(mapped(m.Requests, d.verifyItem), &d)
	if err != nil {
		return nil, err
	}
	return call(s.src, func(a auth.Authenticator) (*authv1.VerifyPeersResponse, error) {
		res, err := a.VerifyPeers(ctx, reqs)
		return &authv1.VerifyPeersResponse{Results: mapped(res, verdictToProto)}, err
	})
}

func (s decryptServer) Decrypt(ctx context.Context, m *authv1.DecryptRequest) (*authv1.DecryptResponse, error) {
	var d decoder
	req, err := decoded(auth.DecryptRequest{Peer: d.peer(m.Peer), Handle: m.Handle, Ciphertext: m.Ciphertext}, &d)
	if err != nil {
		return nil, err
	}
	return call(s.src, func(a auth.Decrypter) (*authv1.DecryptResponse, error) {
		p, err := a.Decrypt(ctx, req)
		return &authv1.DecryptResponse{Plaintext: p.Reveal()}, err
	})
}

func (s xauthServer) Xauth(ctx context.Context, m *authv1.XauthRequest) (*authv1.XauthResponse, error) {
	var d decoder
	req, err := decoded(auth.XAuthRequest{
		Peer: d.peer(m.Peer), Session: m.Session, Type: small[uint16](&d, "XAUTH type", m.Type),
		Round: m.Round, Attrs: mapped(m.Attrs, d.attr),
	}, &d)
	if err != nil {
		return nil, err
	}
	return call(s.src, func(a auth.XAuthServer) (*authv1.XauthResponse, error) {
		r, err := a.XAuth(ctx, req)
		return &authv1.XauthResponse{Done: r.Done, Accepted: r.Accepted, Session: r.Session, Challenge: mapped(r.Challenge, attrToProto)}, err
	})
}

func (s xauthClientServer) XauthReply(ctx context.Context, m *authv1.XauthReplyRequest) (*authv1.XauthReplyResponse, error) {
	var d decoder
	req, err := decoded(auth.XAuthPrompt{
		Peer: d.peer(m.Peer), Type: small[uint16](&d, "XAUTH type", m.Type), Round: m.Round, Attrs: mapped(m.Attrs, d.attr),
	}, &d)
	if err != nil {
		return nil, err
	}
	return call(s.src, func(a auth.XAuthClient) (*authv1.XauthReplyResponse, error) {
		attrs, err := a.XAuthReply(ctx, req)
		return &authv1.XauthReplyResponse{Attrs: mapped(attrs, attrToProto)}, err
	})
}

func (s attributeServer) Attributes(ctx context.Context, m *authv1.AttributesRequest) (*authv1.AttributesResponse, error) {
	var d decoder
	session, err := decoded(d.session(m.Session), &d)
	if err != nil {
		return nil, err
	}
	return call(s.src, func(a auth.AttributeServer) (*authv1.AttributesResponse, error) {
		r, err := a.Attributes(ctx, session)
		return &authv1.AttributesResponse{Attrs: mapped(r.Attrs, attrToProto), LeaseId: r.Lease.ID}, err
	})
}

func (s attributeServer) Release(ctx context.Context, m *authv1.ReleaseRequest) (*authv1.ReleaseResponse, error) {
	return call(s.src, func(a auth.AttributeServer) (*authv1.ReleaseResponse, error) {
		return &authv1.ReleaseResponse{}, a.Release(ctx, auth.Lease{ID: m.LeaseId})
	})
}

func (s accountServer) Account(ctx context.Context, m *authv1.AccountRequest) (*authv1.AccountResponse, error) {
	var d decoder
	record, err := decoded(d.account(m), &d)
	if err != nil {
		return nil, err
	}
	return call(s.src, func(a auth.Accountant) (*authv1.AccountResponse, error) {
		return &authv1.AccountResponse{}, a.Account(ctx, record)
	})
}

func (s watchServer) Watch(_ *authv1.WatchRequest, ss grpc.ServerStreamingServer[authv1.WatchResponse]) error {
	return stream(s.src, ss, func(ctx context.Context, a auth.Watcher) error {
		return a.Watch(ctx, func(e auth.Event) error {
			return ss.Send(&authv1.WatchResponse{
				Kind: authv1.WatchResponse_Kind(e.Kind), Handle: e.Handle, CredentialId: text(e.CredentialID),
				Subject: text(e.Subject), Detail: text(e.Detail),
			})
		})
	})
}
