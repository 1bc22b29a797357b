package plugintest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/racoon-ike/racoon/core/internal/pluginhost"
	"github.com/racoon-ike/racoon/core/sdk/auth"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/plugintest/authtest"
)

// AuthWant is what the configured subject knows. Without any peer the checks that are
// about peers are left out.
type AuthWant struct {
	Known   []Known
	Unknown []auth.PeerContext // peers it has no key for
}

// Known is a peer and its pre-shared key.
type Known struct {
	Peer auth.PeerContext
	PSK  []byte
}

// Auth runs every check of the contract of an authentication plugin.
func Auth[S T[S]](t S, s Subject, want AuthWant) {
	t.Helper()
	run(t, AuthChecks(s, want))
}

// AuthChecks are the checks that Auth runs.
func AuthChecks(s Subject, want AuthWant) []Check {
	for _, k := range want.Known {
		s.Secrets = append(s.Secrets, string(k.PSK))
	}
	on := func(name string, f func(context.Context, *pluginhost.Auth) error) Check {
		return s.on(name, func(ctx context.Context, b *bench) error {
			a, err := b.StartAuth(ctx, s.spec(pluginhost.KindAuth), pluginhost.Hooks[auth.Authenticator]{})
			if err != nil {
				return err
			}
			return f(ctx, a)
		})
	}
	checks := s.base(pluginhost.KindAuth, func(ctx context.Context, b *bench) (running, func(context.Context) error, error) {
		a, err := b.StartAuth(ctx, s.spec(pluginhost.KindAuth), pluginhost.Hooks[auth.Authenticator]{})
		if err != nil {
			return nil, nil, err
		}
		return a, func(ctx context.Context) error {
			return each(want.Known, func(k Known) error { return derives(ctx, a, k) })
		}, nil
	})
	checks = append(checks,
		on("what it advertises is what it serves", advertises),
		on("what it does not advertise it refuses as unsupported", func(ctx context.Context, a *pluginhost.Auth) error { return refusesRest(ctx, a, want) }),
	)
	if s.Refuses || len(want.Known)+len(want.Unknown) == 0 {
		return checks // the others are about peers
	}
	return append(checks,
		on("SKEYID is prf(psk, Ni_b | Nr_b) for every prf it advertises", func(ctx context.Context, a *pluginhost.Auth) error {
			c, err := a.Capabilities(ctx)
			if err != nil {
				return err
			}
			return each(want.Known, func(k Known) error {
				return each(c.PRFs, func(p auth.PRF) error {
					if authtest.PRFs[p] == nil {
						return fmt.Errorf("it advertises prf %d, which has no meaning", p)
					}
					return derive(ctx, a, k, p)
				})
			})
		}),
		on("an unknown peer is NOT_FOUND", func(ctx context.Context, a *pluginhost.Auth) error {
			return each(want.Unknown, func(p auth.PeerContext) error {
				res, err := a.DeriveSKEYID(ctx, request(p, 2))
				if len(res.Candidates) > 0 {
					return fmt.Errorf("%s: %d candidates", p.RemoteAddr, len(res.Candidates))
				}
				return is(err, errs.NotFound, p.RemoteAddr.String())
			})
		}),
		on("a nonce outside 8 to 256 octets is INVALID", func(ctx context.Context, a *pluginhost.Auth) error {
			return each(want.Known, func(k Known) error {
				return each([][2]int{{7, 16}, {16, 7}, {257, 16}, {16, 257}}, func(n [2]int) error {
					r := request(k.Peer, 2)
					r.Ni, r.Nr = make([]byte, n[0]), make([]byte, n[1])
					_, err := a.DeriveSKEYID(ctx, r)
					return is(err, errs.Invalid, fmt.Sprintf("nonces of %d and %d octets", n[0], n[1]))
				})
			})
		}),
		on("one bad request of a batch does not hurt the others, and results are in order", func(ctx context.Context, a *pluginhost.Auth) error {
			return inOrder(ctx, a, want)
		}),
		on("concurrent callers get the right answers", func(ctx context.Context, a *pluginhost.Auth) error {
			return concurrently(ctx, a, want)
		}),
	)
}

func request(p auth.PeerContext, prf auth.PRF) auth.SKEYIDRequest {
	return auth.SKEYIDRequest{Peer: p, PRF: prf, Ni: bytes.Repeat([]byte{0x11}, 16), Nr: bytes.Repeat([]byte{0x22}, 20)}
}

// derives checks k under one of the prfs the subject advertises.
func derives(ctx context.Context, a *pluginhost.Auth, k Known) error {
	c, err := a.Capabilities(ctx)
	if err != nil {
		return err
	}
	if len(c.PRFs) == 0 {
		return errors.New("it knows a peer but advertises no prf")
	}
	return derive(ctx, a, k, c.PRFs[0])
}

func derive(ctx context.Context, a *pluginhost.Auth, k Known, prf auth.PRF) error {
	r := request(k.Peer, prf)
	res, err := a.DeriveSKEYID(ctx, r)
	if err != nil {
		return fmt.Errorf("%s, prf %d: %w", k.Peer.RemoteAddr, prf, err)
	}
	return correct(r, res, k)
}

func correct(r auth.SKEYIDRequest, res auth.SKEYIDResult, k Known) error {
	if n := len(res.Candidates); n < 1 || n > 4 {
		return fmt.Errorf("%s, prf %d: %d candidates, want 1 to 4", k.Peer.RemoteAddr, r.PRF, n)
	}
	want, _ := authtest.SKEYID(r.PRF, k.PSK, r.Ni, r.Nr)
	if !bytes.Equal(res.Candidates[0].SKEYID.Reveal(), want) {
		return fmt.Errorf("%s, prf %d: the first candidate is not prf(psk, Ni_b | Nr_b)", k.Peer.RemoteAddr, r.PRF)
	}
	return nil
}

func advertises(ctx context.Context, a *pluginhost.Auth) error {
	c, err := a.Capabilities(ctx)
	if err != nil {
		return err
	}
	if len(c.SignSchemes) > 0 != slices.ContainsFunc(c.Methods, func(m auth.Method) bool { return m != authtest.MethodPSK }) {
		return fmt.Errorf("methods %v and signature schemes %v do not go together", c.Methods, c.SignSchemes)
	}
	services := []struct {
		advertised bool
		service    string
	}{
		{c.Decrypt, "DecryptService"}, {c.XAuthServer, "XauthServerService"}, {c.XAuthClient, "XauthClientService"},
		{c.Attributes, "AttributeService"}, {c.Account, "AccountService"}, {c.Watch, "WatchService"},
	}
	for _, s := range services {
		if s.advertised && !a.Serves("racoon.plugin.auth.v1."+s.service) {
			return fmt.Errorf("it advertises %s and does not serve it", s.service)
		}
	}
	return nil
}

func refusesRest(ctx context.Context, a *pluginhost.Auth, want AuthWant) error {
	c, err := a.Capabilities(ctx)
	if err != nil {
		return err
	}
	var all []error
	if len(c.SignSchemes) == 0 {
		_, err := a.SignOne(ctx, auth.SignRequest{Scheme: auth.SignRSARaw, Hash: make([]byte, 20)})
		all = append(all, is(err, errs.Unsupported, "Sign"))
		_, err = a.VerifyPeer(ctx, auth.VerifyRequest{Method: authtest.MethodRSASig, Hash: make([]byte, 20), Signature: make([]byte, 256)})
		all = append(all, is(err, errs.Unsupported, "VerifyPeers"))
		_, err = a.Resolve(ctx, auth.ResolveRequest{Methods: []auth.Method{authtest.MethodRSASig}})
		all = append(all, is(err, errs.Unsupported, "Resolve"))
	}
	peer := auth.PeerContext{}
	if len(want.Known) > 0 {
		peer = want.Known[0].Peer
	}
	if !slices.Contains(c.Methods, authtest.MethodPSK) {
		_, err := a.DeriveSKEYID(ctx, request(peer, 2))
		all = append(all, is(err, errs.Unsupported, "DeriveSKEYIDs"))
	} else {
		_, err := a.DeriveSKEYID(ctx, request(peer, 0x7fff))
		all = append(all, is(err, errs.Unsupported, "prf 32767"))
	}
	if !c.Decrypt {
		_, err := a.Decrypt(ctx, auth.DecryptRequest{})
		all = append(all, is(err, errs.Unsupported, "Decrypt"))
	}
	if !c.XAuthServer {
		_, err := a.XAuth(ctx, auth.XAuthRequest{})
		all = append(all, is(err, errs.Unsupported, "XAuth"))
	}
	return errors.Join(all...)
}

func inOrder(ctx context.Context, a *pluginhost.Auth, want AuthWant) error {
	var reqs []auth.SKEYIDRequest
	for _, k := range want.Known {
		bad := request(k.Peer, 2)
		bad.Ni = nil
		reqs = append(reqs, request(k.Peer, 2), bad)
	}
	res, err := a.DeriveSKEYIDs(ctx, reqs)
	if err != nil {
		return err
	}
	for i, r := range res {
		k := want.Known[i/2]
		if i%2 == 1 {
			if err := is(r.Err.Err(), errs.Invalid, fmt.Sprintf("result %d, of an empty nonce", i)); err != nil {
				return err
			}
		} else if r.Err != nil {
			return fmt.Errorf("result %d: %w", i, r.Err)
		} else if err := correct(reqs[i], r, k); err != nil {
			return err
		}
	}
	return nil
}

func concurrently(ctx context.Context, a *pluginhost.Auth, want AuthWant) error {
	const callers, rounds = 16, 8
	failures := make(chan error, callers*len(want.Known))
	var wg sync.WaitGroup
	for range callers {
		for _, k := range want.Known {
			wg.Go(func() {
				for range rounds {
					if err := derive(ctx, a, k, 2); err != nil {
						failures <- err
						return
					}
				}
			})
		}
	}
	wg.Wait()
	close(failures)
	return <-failures // nil if none
}
