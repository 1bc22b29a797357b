package pluginhost

import (
	"context"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/racoon-ike/racoon/core/internal/plugingrpc"
	"github.com/racoon-ike/racoon/core/sdk/auth"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// slowCalls may be in flight at once where one request can take long (a network
// HSM, an OCSP responder): it must not hold up the others of later batches.
const slowCalls = 4

// maxAuthTimeout bounds what a plugin's TypicalDelay can make us wait.
const maxAuthTimeout = 20 * time.Second

// Auth is an authentication plugin. It implements auth.Authenticator and all
// optional interfaces; what the plugin lacks answers errs.Unsupported. Sign,
// VerifyPeers and DeriveSKEYIDs of many callers are coalesced.
type Auth struct {
	*handle[auth.Authenticator]
	caps     atomic.Pointer[auth.Capabilities]
	slots    atomic.Pointer[chan struct{}] // MaxConcurrent; nil: no limit
	skeyids  *batcher[auth.SKEYIDRequest, auth.SKEYIDResult]
	signs    *batcher[auth.SignRequest, auth.Signature]
	verifies *batcher[auth.VerifyRequest, auth.Verdict]
}

var _ interface {
	auth.Authenticator
	auth.Decrypter
	auth.XAuthServer
	auth.XAuthClient
	auth.AttributeServer
	auth.Accountant
	auth.Watcher
} = (*Auth)(nil)

// StartAuth starts an authentication plugin and returns when it is up.
func (h *Host) StartAuth(ctx context.Context, s Spec, hooks Hooks[auth.Authenticator]) (*Auth, error) {
	s.Kind = KindAuth
	a := newAuth(newHandle(h, s, hooks, func(c grpc.ClientConnInterface) auth.Authenticator { return plugingrpc.NewAuthClient(c) }))
	a.prepare = func(ctx context.Context, c auth.Authenticator) error {
		caps, err := c.Capabilities(ctx)
		if err == nil {
			a.learn(caps)
		}
		return err
	}
	if err := a.start(ctx); err != nil {
		return nil, err
	}
	return a, nil
}

// DirectAuth wraps an implementation in our own process: no wire, no supervisor.
func DirectAuth(name string, impl auth.Authenticator) *Auth {
	return newAuth(direct(Plugin{KindAuth, name}, impl, plugingrpc.AuthServices(impl)))
}

func newAuth(v *handle[auth.Authenticator]) *Auth {
	a := &Auth{handle: v}
	a.skeyids = batched(v, 1, a.timeout, limited(a, auth.Authenticator.DeriveSKEYIDs))
	a.signs = batched(v, slowCalls, a.timeout, limited(a, auth.Authenticator.Sign))
	a.verifies = batched(v, slowCalls, a.timeout, limited(a, auth.Authenticator.VerifyPeers))
	return a
}

func (a *Auth) learn(c auth.Capabilities) {
	a.caps.Store(&c)
	a.slots.Store(nil)
	if c.MaxConcurrent > 0 {
		slots := make(chan struct{}, c.MaxConcurrent)
		a.slots.Store(&slots)
	}
}

// timeout of a call: a plugin that says it is slow gets four times what it says.
func (a *Auth) timeout() time.Duration {
	c := a.caps.Load()
	if c == nil {
		return plugingrpc.AuthTimeout
	}
	return max(plugingrpc.AuthTimeout, min(4*c.TypicalDelay, maxAuthTimeout))
}

// slot waits until the plugin may be called, and returns what gives the slot back.
func (a *Auth) slot(ctx context.Context) (func(), error) {
	slots := a.slots.Load()
	if slots == nil {
		return func() {}, nil
	}
	select {
	case *slots <- struct{}{}:
		return func() { <-*slots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func limited[Req, Res any](a *Auth, f func(auth.Authenticator, context.Context, []Req) ([]Res, error)) func(auth.Authenticator, context.Context, []Req) ([]Res, error) {
	return func(c auth.Authenticator, ctx context.Context, reqs []Req) ([]Res, error) {
		free, err := a.slot(ctx)
		if err != nil {
			return nil, err
		}
		defer free()
		return f(c, ctx, reqs)
	}
}

// single is one call that is not batched.
func single[Want, R any](ctx context.Context, a *Auth, f func(Want, context.Context) (R, error)) (R, error) {
	return ask(a.handle, func(w Want) (R, error) {
		var none R
		if _, ok := ctx.Deadline(); !ok {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, a.timeout())
			defer cancel()
		}
		free, err := a.slot(ctx)
		if err != nil {
			return none, err
		}
		defer free()
		return f(w, ctx)
	})
}

// Capabilities are those of the running configuration, without a call.
func (a *Auth) Capabilities(ctx context.Context) (auth.Capabilities, error) {
	return ask(a.handle, func(c auth.Authenticator) (auth.Capabilities, error) {
		if caps := a.caps.Load(); caps != nil {
			return *caps, nil
		}
		return c.Capabilities(ctx)
	})
}

func (a *Auth) Resolve(ctx context.Context, r auth.ResolveRequest) (auth.Credential, error) {
	return single(ctx, a, func(c auth.Authenticator, ctx context.Context) (auth.Credential, error) { return c.Resolve(ctx, r) })
}

func (a *Auth) DeriveSKEYIDs(ctx context.Context, rs []auth.SKEYIDRequest) ([]auth.SKEYIDResult, error) {
	return a.skeyids.do(ctx, rs)
}

func (a *Auth) Sign(ctx context.Context, rs []auth.SignRequest) ([]auth.Signature, error) {
	return a.signs.do(ctx, rs)
}

func (a *Auth) VerifyPeers(ctx context.Context, rs []auth.VerifyRequest) ([]auth.Verdict, error) {
	return a.verifies.do(ctx, rs)
}

// DeriveSKEYID is DeriveSKEYIDs for one peer; the result's error is returned.
func (a *Auth) DeriveSKEYID(ctx context.Context, r auth.SKEYIDRequest) (auth.SKEYIDResult, error) {
	res, err := a.skeyids.one(ctx, r)
	if err == nil {
		err = res.Err.Err()
	}
	return res, err
}

// SignOne is Sign for one peer; the result's error is returned.
func (a *Auth) SignOne(ctx context.Context, r auth.SignRequest) (auth.Signature, error) {
	res, err := a.signs.one(ctx, r)
	if err == nil {
		err = res.Err.Err()
	}
	return res, err
}

// VerifyPeer is VerifyPeers for one peer; the result's error is returned.
func (a *Auth) VerifyPeer(ctx context.Context, r auth.VerifyRequest) (auth.Verdict, error) {
	res, err := a.verifies.one(ctx, r)
	if err == nil {
		err = res.Err.Err()
	}
	return res, err
}

func (a *Auth) Decrypt(ctx context.Context, r auth.DecryptRequest) (secret.Bytes, error) {
	return single(ctx, a, func(c auth.Decrypter, ctx context.Context) (secret.Bytes, error) { return c.Decrypt(ctx, r) })
}

func (a *Auth) XAuth(ctx context.Context, r auth.XAuthRequest) (auth.XAuthStep, error) {
	return single(ctx, a, func(c auth.XAuthServer, ctx context.Context) (auth.XAuthStep, error) { return c.XAuth(ctx, r) })
}

func (a *Auth) XAuthReply(ctx context.Context, p auth.XAuthPrompt) ([]auth.Attr, error) {
	return single(ctx, a, func(c auth.XAuthClient, ctx context.Context) ([]auth.Attr, error) { return c.XAuthReply(ctx, p) })
}

func (a *Auth) Attributes(ctx context.Context, s auth.Session) (auth.AttributeReply, error) {
	return single(ctx, a, func(c auth.AttributeServer, ctx context.Context) (auth.AttributeReply, error) {
		return c.Attributes(ctx, s)
	})
}

func (a *Auth) Release(ctx context.Context, l auth.Lease) error {
	_, err := single(ctx, a, func(c auth.AttributeServer, ctx context.Context) (struct{}, error) {
		return struct{}{}, c.Release(ctx, l)
	})
	return err
}

func (a *Auth) Account(ctx context.Context, r auth.AccountRecord) error {
	_, err := single(ctx, a, func(c auth.Accountant, ctx context.Context) (struct{}, error) { return struct{}{}, c.Account(ctx, r) })
	return err
}

func (a *Auth) Watch(ctx context.Context, each func(auth.Event) error) error {
	return tell(a.handle, func(c auth.Watcher) error { return c.Watch(ctx, each) })
}
