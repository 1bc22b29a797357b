// Package authtest has an authentication plugin with its keys in memory, for tests
// of whatever calls one.
package authtest

import (
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"maps"
	"slices"
	"sync"

	"github.com/racoon-ike/racoon/core/sdk/auth"
	"github.com/racoon-ike/racoon/core/sdk/config"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/plugin"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// Authentication methods of the IANA registry "IPSEC Authentication Methods".
const (
	MethodPSK    auth.Method = 1
	MethodRSASig auth.Method = 3
)

// PRFs are the negotiated hashes by their IANA number.
var PRFs = map[auth.PRF]func() hash.Hash{
	1: md5.New, 2: sha1.New, 4: sha256.New, 5: sha512.New384, 6: sha512.New,
}

// SKEYID is prf(psk, Ni_b | Nr_b), RFC 2409 section 5.
func SKEYID(prf auth.PRF, psk, ni, nr []byte) ([]byte, bool) {
	h, ok := PRFs[prf]
	if !ok {
		return nil, false
	}
	m := hmac.New(h, psk)
	m.Write(ni)
	m.Write(nr)
	return m.Sum(nil), true
}

// Static implements auth.Authenticator with keys it is given. Its zero value knows
// nobody. Safe for concurrent use; its fields must not change once it is.
type Static struct {
	// PSKs by the peer's identity (its raw octets) or address, in this order. Several
	// are several candidates.
	PSKs map[string][][]byte
	// Signer signs for us; Signers verify peers, by identity.
	Signer  *rsa.PrivateKey
	Signers map[string]*rsa.PublicKey
	LocalID *auth.ID
	// Before, if set, runs first in every method, and its error is the call's.
	Before func(ctx context.Context, method string) error

	mu    sync.Mutex
	calls map[string]int
}

// Spec serves s whatever the configuration.
func (s *Static) Spec(name string) plugin.Spec {
	return plugin.Spec{
		Name: name, Version: "0", Vendor: "racoon",
		Auth: func(context.Context, config.Value, plugin.Env) (auth.Authenticator, config.Diagnostics) {
			return s, nil
		},
	}
}

// Calls is how often each method was called.
func (s *Static) Calls() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.calls)
}

func (s *Static) begin(ctx context.Context, method string) error {
	s.mu.Lock()
	if s.calls == nil {
		s.calls = map[string]int{}
	}
	s.calls[method]++
	s.mu.Unlock()
	if s.Before == nil {
		return nil
	}
	return s.Before(ctx, method)
}

func (s *Static) Capabilities(ctx context.Context) (auth.Capabilities, error) {
	if err := s.begin(ctx, "Capabilities"); err != nil {
		return auth.Capabilities{}, err
	}
	c := auth.Capabilities{Methods: []auth.Method{MethodPSK}, PRFs: slices.Sorted(maps.Keys(PRFs))}
	if s.Signer != nil {
		c.Methods = append(c.Methods, MethodRSASig)
		c.SignSchemes = []auth.SignScheme{auth.SignRSARaw}
	}
	return c, nil
}

func (s *Static) Resolve(ctx context.Context, r auth.ResolveRequest) (auth.Credential, error) {
	if err := s.begin(ctx, "Resolve"); err != nil {
		return auth.Credential{}, err
	}
	if s.Signer == nil || !slices.Contains(r.Methods, MethodRSASig) {
		return auth.Credential{}, errs.Errorf(errs.Unsupported, "no credential for methods %v", r.Methods)
	}
	return auth.Credential{
		Handle: "signer", Generation: 1, Method: MethodRSASig, LocalID: s.LocalID, Schemes: []auth.SignScheme{auth.SignRSARaw},
	}, nil
}

func (s *Static) DeriveSKEYIDs(ctx context.Context, rs []auth.SKEYIDRequest) ([]auth.SKEYIDResult, error) {
	if err := s.begin(ctx, "DeriveSKEYIDs"); err != nil {
		return nil, err
	}
	out := make([]auth.SKEYIDResult, len(rs))
	for i, r := range rs {
		out[i] = s.derive(r)
	}
	return out, nil
}

func (s *Static) derive(r auth.SKEYIDRequest) auth.SKEYIDResult {
	fail := func(reason errs.Reason, text string) auth.SKEYIDResult {
		return auth.SKEYIDResult{Err: errs.Errorf(reason, "%s", text)}
	}
	for _, n := range [][]byte{r.Ni, r.Nr} {
		if len(n) < 8 || len(n) > 256 { // RFC 2409 section 5
			return fail(errs.Invalid, "nonce outside 8 to 256 octets")
		}
	}
	if PRFs[r.PRF] == nil {
		return fail(errs.Unsupported, "unknown prf")
	}
	name, keys := r.Peer.RemoteAddr.Addr().String(), s.PSKs[r.Peer.RemoteAddr.Addr().String()]
	if id := r.Peer.PeerID; id != nil && s.PSKs[string(id.Raw)] != nil {
		name, keys = string(id.Raw), s.PSKs[string(id.Raw)]
	}
	if len(keys) == 0 {
		return fail(errs.NotFound, "no key for "+name)
	}
	var res auth.SKEYIDResult
	for _, k := range keys[:min(len(keys), 4)] {
		v, _ := SKEYID(r.PRF, k, r.Ni, r.Nr)
		res.Candidates = append(res.Candidates, auth.SKEYIDCandidate{SKEYID: secret.New(v), CredentialID: name})
	}
	return res
}

func (s *Static) Sign(ctx context.Context, rs []auth.SignRequest) ([]auth.Signature, error) {
	if err := s.begin(ctx, "Sign"); err != nil {
		return nil, err
	}
	out := make([]auth.Signature, len(rs))
	for i, r := range rs {
		switch {
		case s.Signer == nil || r.Scheme != auth.SignRSARaw:
			out[i].Err = errs.Errorf(errs.Unsupported, "no key for signature scheme %d", r.Scheme)
		case r.Handle != "signer":
			out[i].Err = errs.Errorf(errs.Stale, "handle %q is not one of ours", r.Handle)
		default:
			sig, err := rsa.SignPKCS1v15(nil, s.Signer, crypto.Hash(0), r.Hash)
			out[i] = auth.Signature{Sig: sig, Err: errs.From(err)}
		}
	}
	return out, nil
}

func (s *Static) VerifyPeers(ctx context.Context, rs []auth.VerifyRequest) ([]auth.Verdict, error) {
	if err := s.begin(ctx, "VerifyPeers"); err != nil {
		return nil, err
	}
	out := make([]auth.Verdict, len(rs))
	for i, r := range rs {
		out[i] = s.verify(r)
	}
	return out, nil
}

func (s *Static) verify(r auth.VerifyRequest) auth.Verdict {
	if r.Method != MethodRSASig || s.Signers == nil {
		return auth.Verdict{Err: errs.Errorf(errs.Unsupported, "no verification for method %d", r.Method)}
	}
	if r.Peer.PeerID == nil {
		return auth.Verdict{Err: errs.Errorf(errs.Invalid, "the peer's identity is missing")}
	}
	key := s.Signers[string(r.Peer.PeerID.Raw)]
	switch {
	case key == nil:
		return auth.Verdict{Reason: auth.RejectUntrusted, Detail: "no key for this identity"}
	case rsa.VerifyPKCS1v15(key, crypto.Hash(0), r.Hash, r.Signature) != nil:
		return auth.Verdict{Reason: auth.RejectBadSignature}
	}
	return auth.Verdict{Accepted: true, Subject: string(r.Peer.PeerID.Raw)}
}
