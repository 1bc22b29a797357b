package plugingrpc

import (
	"context"

	"google.golang.org/grpc"

	"github.com/racoon-ike/racoon/core/sdk/auth"
	authv1 "github.com/racoon-ike/racoon/core/sdk/proto/racoon/plugin/auth/v1"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// AuthClient implements auth.Authenticator and all its optional interfaces. What
// the plugin does not serve answers errs.Unsupported.
type AuthClient struct {
	auth       authv1.AuthServiceClient
	decrypt    authv1.DecryptServiceClient
	xauth      authv1.XauthServerServiceClient
	xauthReply authv1.XauthClientServiceClient
	attributes authv1.AttributeServiceClient
	account    authv1.AccountServiceClient
	watch      authv1.WatchServiceClient
}

// NewAuthClient makes a client of all authentication services on cc.
func NewAuthClient(cc grpc.ClientConnInterface) *AuthClient {
	cc = conn{cc, AuthTimeout}
	return &AuthClient{
		authv1.NewAuthServiceClient(cc), authv1.NewDecryptServiceClient(cc), authv1.NewXauthServerServiceClient(cc),
		authv1.NewXauthClientServiceClient(cc), authv1.NewAttributeServiceClient(cc), authv1.NewAccountServiceClient(cc),
		authv1.NewWatchServiceClient(cc),
	}
}

// decoded finishes a call whose response may be malformed.
func decoded[T any](v T, d *decoder) (T, error) {
	if d.err != nil {
		var none T
		return none, d.err
	}
	return v, nil
}

func (c *AuthClient) Capabilities(ctx context.Context) (auth.Capabilities, error) {
	m, err := c.auth.GetCapabilities(ctx, &authv1.GetCapabilitiesRequest{})
	if err != nil {
		return auth.Capabilities{}, err
	}
	var d decoder
	return decoded(d.capabilities(m), &d)
}

func (c *AuthClient) Resolve(ctx context.Context, r auth.ResolveRequest) (auth.Credential, error) {
	m, err := c.auth.Resolve(ctx, &authv1.ResolveRequest{
		Peer: peerToProto(r.Peer), Methods: numbers[uint32](r.Methods), CertRequests: mapped(r.CertReqs, certToProto),
	})
	if err != nil {
		return auth.Credential{}, err
	}
	var d decoder
	return decoded(d.credential(m), &d)
}

func (c *AuthClient) DeriveSKEYIDs(ctx context.Context, rs []auth.SKEYIDRequest) ([]auth.SKEYIDResult, error) {
	m, err := c.auth.DeriveSkeyids(ctx, &authv1.DeriveSkeyidsRequest{Requests: mapped(rs, skeyidRequestToProto)})
	if err != nil {
		return nil, err
	}
	return mapped(m.Results, skeyidResult), same("DeriveSKEYIDs", len(m.Results), len(rs))
}

func (c *AuthClient) Sign(ctx context.Context, rs []auth.SignRequest) ([]auth.Signature, error) {
	m, err := c.auth.Sign(ctx, &authv1.SignRequest{Requests: mapped(rs, signItemToProto)})
	if err != nil {
		return nil, err
	}
	return mapped(m.Results, signResult), same("Sign", len(m.Results), len(rs))
}

func (c *AuthClient) VerifyPeers(ctx context.Context, rs []auth.VerifyRequest) ([]auth.Verdict, error) {
	m, err := c.auth.VerifyPeers(ctx, &authv1.VerifyPeersRequest{Requests: mapped(rs, verifyItemToProto)})
	if err != nil {
		return nil, err
	}
	return mapped(m.Results, verdict), same("VerifyPeers", len(m.Results), len(rs))
}

func (c *AuthClient) Decrypt(ctx context.Context, r auth.DecryptRequest) (secret.Bytes, error) {
	m, err := c.decrypt.Decrypt(ctx, &authv1.DecryptRequest{Peer: peerToProto(r.Peer), Handle: r.Handle, Ciphertext: r.Ciphertext})
	if err != nil {
		return secret.Bytes{}, err
	}
	return secret.New(m.Plaintext), nil
}

func (c *AuthClient) XAuth(ctx context.Context, r auth.XAuthRequest) (auth.XAuthStep, error) {
	m, err := c.xauth.Xauth(ctx, &authv1.XauthRequest{
		Peer: peerToProto(r.Peer), Session: r.Session, Type: uint32(r.Type), Round: r.Round, Attrs: mapped(r.Attrs, attrToProto),
	})
	if err != nil {
		return auth.XAuthStep{}, err
	}
	var d decoder
	return decoded(auth.XAuthStep{Done: m.Done, Accepted: m.Accepted, Session: m.Session, Challenge: mapped(m.Challenge, d.attr)}, &d)
}

func (c *AuthClient) XAuthReply(ctx context.Context, p auth.XAuthPrompt) ([]auth.Attr, error) {
	m, err := c.xauthReply.XauthReply(ctx, &authv1.XauthReplyRequest{
		Peer: peerToProto(p.Peer), Type: uint32(p.Type), Round: p.Round, Attrs: mapped(p.Attrs, attrToProto),
	})
	if err != nil {
		return nil, err
	}
	var d decoder
	return decoded(mapped(m.Attrs, d.attr), &d)
}

func (c *AuthClient) Attributes(ctx context.Context, s auth.Session) (auth.AttributeReply, error) {
	m, err := c.attributes.Attributes(ctx, &authv1.AttributesRequest{Session: sessionToProto(s)})
	if err != nil {
		return auth.AttributeReply{}, err
	}
	var d decoder
	return decoded(auth.AttributeReply{Attrs: mapped(m.Attrs, d.attr), Lease: auth.Lease{ID: m.LeaseId}}, &d)
}

func (c *AuthClient) Release(ctx context.Context, l auth.Lease) error {
	_, err := c.attributes.Release(ctx, &authv1.ReleaseRequest{LeaseId: l.ID})
	return err
}

func (c *AuthClient) Account(ctx context.Context, r auth.AccountRecord) error {
	_, err := c.account.Account(ctx, accountToProto(r))
	return err
}

func (c *AuthClient) Watch(ctx context.Context, each func(auth.Event) error) error {
	const method = "Watch"
	s, err := c.watch.Watch(ctx, &authv1.WatchRequest{})
	if err != nil {
		return fromStatus(ctx, method, err)
	}
	return receive(ctx, method, s.Recv, func(m *authv1.WatchResponse) error {
		var d decoder
		e := auth.Event{
			Kind: small[auth.EventKind](&d, "event kind", uint32(m.Kind)), Handle: m.Handle,
			CredentialID: clean(m.CredentialId), Subject: clean(m.Subject), Detail: clean(m.Detail),
		}
		if d.err != nil {
			return d.err
		}
		return each(e)
	})
}
