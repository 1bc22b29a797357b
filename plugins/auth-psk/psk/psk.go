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
	keys *store
	log  *slog.Logger
}

// Capabilities: pre-shared keys, with every prf there is.
func (p *Plugin) Capabilities(context.Context) (auth.Capabilities, error) {
	return auth.Capabilities{Methods: []auth.Method{1}, PRFs: []auth.PRF{1, 2, 4, 5, 6}}, nil
}

// DeriveSKEYIDs computes SKEYID = prf(psk, Ni_b | Nr_b) with the keys the file has
// for each peer.
func (p *Plugin) DeriveSKEYIDs(_ context.Context, reqs []auth.SKEYIDRequest) ([]auth.SKEYIDResult, error) {
	results := make([]auth.SKEYIDResult, len(reqs))
	err := p.keys.use(func(t *table) {
		for i := range reqs {
			results[i] = p.derive(t, &reqs[i])
		}
	})
	if err != nil {
		for i := range results {
			results[i].Err = err
		}
	}
	return results, nil
}

func (p *Plugin) derive(t *table, r *auth.SKEYIDRequest) auth.SKEYIDResult {
	newHash, ok := prfs[r.PRF]
	if !ok {
		return failed(errs.Unsupported, "hash algorithm %d has no HMAC prf here", r.PRF)
	}
	for _, n := range [][]byte{r.Ni, r.Nr} {
		if len(n) < minNonce || len(n) > maxNonce {
			return failed(errs.Invalid, "a nonce has %d octets, allowed are %d to %d", len(n), minNonce, maxNonce)
		}
	}
	entries := find(t, &r.Peer)
	switch {
	case len(entries) == 0:
		return failed(errs.NotFound, "no pre-shared key for %s in %s", describe(&r.Peer), p.keys.path)
	case entries[0].bad:
		return failed(errs.NotFound, "the pre-shared key for %s (%s:%d) is not valid hexadecimal", describe(&r.Peer), p.keys.path, entries[0].line)
	}
	var res auth.SKEYIDResult
	for _, e := range entries {
		mac := hmac.New(newHash, e.key.Reveal())
		mac.Write(r.Ni)
		mac.Write(r.Nr)
		id := fmt.Sprintf("%s:%d", filepath.Base(p.keys.path), e.line)
		res.Candidates = append(res.Candidates, auth.SKEYIDCandidate{SKEYID: secret.New(mac.Sum(nil)), CredentialID: id})
	}
	p.log.Debug("pre-shared key used", "peer", describe(&r.Peer), "exchange_id", r.Peer.ExchangeID,
		"credential", res.Candidates[0].CredentialID, "candidates", len(entries))
	return res
}

func failed(r errs.Reason, format string, args ...any) auth.SKEYIDResult {
	return auth.SKEYIDResult{Err: errs.Errorf(r, format, args...)}
}

// find looks a peer's keys up. Main mode knows the peer by its address alone; in
// aggressive and base mode its identity comes first.
//
// racoon falls back to the address unless verify_identifier is on. Here the
// address serves where the section names no identity, or exactly this one: not
// where one section admits many, since whoever sits behind an address must not
// pass for any of them.
func find(t *table, peer *auth.PeerContext) []entry {
	if text := identity(peer.PeerID); text != "" {
		if found := t.lookup(text); found != nil || !addressMayServe(peer) {
			return found
		}
	}
	return t.lookup(peer.RemoteAddr.Addr().Unmap().String())
}

func addressMayServe(peer *auth.PeerContext) bool {
	for _, want := range peer.ExpectedIDs {
		if !want.Wildcard && want.Type == peer.PeerID.Type && string(want.Raw) == string(peer.PeerID.Raw) {
			return true
		}
	}
	return len(peer.ExpectedIDs) == 0
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
	p.keys.close()
	return nil
}
