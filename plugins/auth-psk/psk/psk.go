// Package psk answers for the pre-shared keys of a psk.txt: it finds the key of a
// peer as racoon does and computes SKEYID with it. Keys do not leave the process,
// and nothing here knows what the engine does with an SKEYID.
//
//	192.0.2.1        0x6a1c…            # psk.txt: identity, blanks, key to the end of the line
//	vpn.example.org  correct horse …
package psk

import (
	"context"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
	"log/slog"
	"net/netip"
	"path/filepath"

	"github.com/racoon-ike/racoon/core/sdk/auth"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// Bounds of a nonce payload's body (RFC 2409 section 5).
const minNonce, maxNonce = 8, 256

// prfs are the hash algorithms of RFC 2409 appendix A and RFC 4868 that can be
// negotiated as HMAC prf.
var prfs = map[auth.PRF]func() hash.Hash{
	1: md5.New, 2: sha1.New, 4: sha256.New, 5: sha512.New384, 6: sha512.New,
}

// Identification types that have a text (RFC 2407 section 4.6.2.1).
const (
	idIPv4Addr = 1
	idFQDN     = 2
	idUserFQDN = 3
	idIPv6Addr = 5
	idKeyID    = 11
)

// Plugin is one configured instance.
type Plugin struct {
	keys    *store                   // nil: no key file is configured
	secrets map[string]*sharedSecret // by remote section
	log     *slog.Logger
}

// Capabilities: pre-shared keys, with every prf there is.
func (p *Plugin) Capabilities(context.Context) (auth.Capabilities, error) {
	return auth.Capabilities{Methods: []auth.Method{1}, PRFs: []auth.PRF{1, 2, 4, 5, 6}}, nil
}

// DeriveSKEYIDs computes SKEYID = prf(psk, Ni_b | Nr_b) with the keys there are for
// each peer.
func (p *Plugin) DeriveSKEYIDs(_ context.Context, reqs []auth.SKEYIDRequest) ([]auth.SKEYIDResult, error) {
	results := make([]auth.SKEYIDResult, len(reqs))
	serve := func(keys *table, noFile *errs.Error) {
		for i := range reqs {
			results[i] = p.derive(keys, noFile, &reqs[i])
		}
	}
	if p.keys == nil {
		serve(nil, errs.Errorf(errs.NotFound, "no key file is configured"))
	} else if err := p.keys.use(func(t *table) { serve(t, nil) }); err != nil {
		serve(nil, err)
	}
	return results, nil
}

// derive answers one request. keys is the key file, nil if there is none to be had,
// which noFile explains.
func (p *Plugin) derive(keys *table, noFile *errs.Error, r *auth.SKEYIDRequest) auth.SKEYIDResult {
	newHash, ok := prfs[r.PRF]
	if !ok {
		return failed(errs.Unsupported, "hash algorithm %d has no HMAC prf here", r.PRF)
	}
	for _, n := range [][]byte{r.Ni, r.Nr} {
		if len(n) < minNonce || len(n) > maxNonce {
			return failed(errs.Invalid, "a nonce has %d octets, allowed are %d to %d", len(n), minNonce, maxNonce)
		}
	}
	var res auth.SKEYIDResult
	err := p.each(keys, noFile, &r.Peer, func(e *entry, credential string) {
		if len(res.Candidates) == maxCandidates {
			return
		}
		mac := hmac.New(newHash, e.key.Reveal())
		mac.Write(r.Ni)
		mac.Write(r.Nr)
		res.Candidates = append(res.Candidates, auth.SKEYIDCandidate{SKEYID: secret.New(mac.Sum(nil)), CredentialID: credential})
	})
	if len(res.Candidates) == 0 {
		return auth.SKEYIDResult{Err: err}
	}
	p.log.Debug("pre-shared key used", "peer", describe(&r.Peer), "exchange_id", r.Peer.ExchangeID,
		"credential", res.Candidates[0].CredentialID, "candidates", len(res.Candidates))
	return res
}

// each calls fn with the keys that may be a peer's, best first, and the name of
// each. The error is why there are none, or fewer.
func (p *Plugin) each(keys *table, noFile *errs.Error, peer *auth.PeerContext, fn func(*entry, string)) *errs.Error {
	var first *errs.Error
	own := false
	for _, name := range peer.Remotes {
		s := p.secrets[name]
		if s == nil {
			continue
		}
		n := 0
		err := s.each(keys, noFile, func(e *entry, credential string) { n++; fn(e, credential) })
		if err == nil && n == 0 {
			err = errs.Errorf(errs.NotFound, "shared_secret of section %.80q gives no secret", name)
		}
		if own = true; first == nil {
			first = err
		}
	}
	if own { // a section that has its secret does not take another one
		return first
	}
	if keys == nil {
		return noFile
	}
	found := find(keys, peer)
	switch {
	case len(found) == 0:
		return errs.Errorf(errs.NotFound, "no pre-shared key for %s in %s", describe(peer), p.keys.path)
	case found[0].bad:
		return errs.Errorf(errs.NotFound, "the pre-shared key for %s (%s:%d) is not valid hexadecimal", describe(peer), p.keys.path, found[0].line)
	}
	for i := range found {
		fn(&found[i], fmt.Sprintf("%s:%d", filepath.Base(p.keys.path), found[i].line))
	}
	return nil
}

func failed(r errs.Reason, format string, args ...any) auth.SKEYIDResult {
	return auth.SKEYIDResult{Err: errs.Errorf(r, format, args...)}
}

// find looks a peer's keys up. Main mode knows the peer by its address alone; in
// aggressive and base mode its identity comes first. Where the sections insist on
// an identity (verify_identifier on), it must be there: the address does not serve.
func find(t *table, peer *auth.PeerContext) []entry {
	if text := identity(peer.PeerID); text != "" {
		if found := t.lookup(text); found != nil || len(peer.ExpectedIDs) > 0 {
			return found
		}
	}
	return t.lookup(peer.RemoteAddr.Addr().Unmap().String())
}

// identity is the text of an identity as psk.txt has it, "" if it has none.
func identity(id *auth.ID) string {
	if id == nil {
		return ""
	}
	switch id.Type {
	case idFQDN, idUserFQDN, idKeyID:
		return string(id.Raw)
	case idIPv4Addr, idIPv6Addr:
		if a, ok := netip.AddrFromSlice(id.Raw); ok {
			return a.Unmap().String()
		}
	}
	return ""
}

// describe names the peer for a message.
func describe(peer *auth.PeerContext) string {
	addr := peer.RemoteAddr.Addr().Unmap().String()
	if text := identity(peer.PeerID); text != "" && text != addr {
		return fmt.Sprintf("%.80q at %s", text, addr)
	}
	return addr
}

// Resolve is of no use with pre-shared keys.
func (*Plugin) Resolve(context.Context, auth.ResolveRequest) (auth.Credential, error) {
	return auth.Credential{}, unsupported()
}

// Sign needs a private key.
func (*Plugin) Sign(context.Context, []auth.SignRequest) ([]auth.Signature, error) {
	return nil, unsupported()
}

// VerifyPeers needs certificates.
func (*Plugin) VerifyPeers(context.Context, []auth.VerifyRequest) ([]auth.Verdict, error) {
	return nil, unsupported()
}

func unsupported() error {
	return errs.Errorf(errs.Unsupported, "auth-psk has pre-shared keys only, no certificates and no private keys")
}

// Close forgets the keys.
func (p *Plugin) Close(context.Context) error {
	if p.keys != nil {
		p.keys.close()
	}
	for _, s := range p.secrets {
		s.close()
	}
	return nil
}
