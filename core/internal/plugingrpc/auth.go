package plugingrpc

import (
	"net/netip"

	"github.com/racoon-ike/racoon/core/sdk/auth"
	authv1 "github.com/racoon-ike/racoon/core/sdk/proto/racoon/plugin/auth/v1"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

func peerToProto(p auth.PeerContext) *authv1.PeerContext {
	return &authv1.PeerContext{
		Remotes: p.Remotes, Local: authEndpoint(p.LocalAddr), Remote: authEndpoint(p.RemoteAddr),
		Initiator: p.Initiator, Aggressive: p.Aggressive, LocalId: idToProto(p.LocalID), PeerId: idToProto(p.PeerID),
		ExpectedIds: mapped(p.ExpectedIDs, func(i auth.IDPattern) *authv1.IdentityPattern {
			return &authv1.IdentityPattern{Type: uint32(i.Type), Raw: i.Raw, Text: text(i.Text), Wildcard: i.Wildcard}
		}),
		PeerVendorIds: p.PeerVIDs, ExchangeId: p.ExchangeID,
	}
}

func (d *decoder) peer(p *authv1.PeerContext) auth.PeerContext {
	return auth.PeerContext{
		Remotes: p.GetRemotes(), LocalAddr: d.authEndpoint(p.GetLocal()), RemoteAddr: d.authEndpoint(p.GetRemote()),
		Initiator: p.GetInitiator(), Aggressive: p.GetAggressive(), LocalID: d.id(p.GetLocalId()), PeerID: d.id(p.GetPeerId()),
		ExpectedIDs: mapped(p.GetExpectedIds(), func(i *authv1.IdentityPattern) auth.IDPattern {
			return auth.IDPattern{Type: small[uint8](d, "identification type", i.Type), Raw: i.Raw, Text: i.Text, Wildcard: i.Wildcard}
		}),
		PeerVIDs: p.GetPeerVendorIds(), ExchangeID: p.GetExchangeId(),
	}
}

func authEndpoint(a netip.AddrPort) *authv1.Endpoint {
	if a == (netip.AddrPort{}) {
		return nil
	}
	return &authv1.Endpoint{Addr: addr(a.Addr()), Port: uint32(a.Port())}
}

func (d *decoder) authEndpoint(e *authv1.Endpoint) netip.AddrPort {
	return netip.AddrPortFrom(d.addr(e.GetAddr()), small[uint16](d, "port", e.GetPort()))
}

func idToProto(i *auth.ID) *authv1.Identity {
	if i == nil {
		return nil
	}
	return &authv1.Identity{Type: uint32(i.Type), Raw: i.Raw}
}

func (d *decoder) id(i *authv1.Identity) *auth.ID {
	if i == nil {
		return nil
	}
	return &auth.ID{Type: small[uint8](d, "identification type", i.Type), Raw: i.Raw}
}

func certToProto(c auth.CertPayload) *authv1.CertPayload {
	return &authv1.CertPayload{Encoding: uint32(c.Encoding), Data: c.Data}
}

func (d *decoder) cert(c *authv1.CertPayload) auth.CertPayload {
	return auth.CertPayload{Encoding: small[uint8](d, "certificate encoding", c.GetEncoding()), Data: c.GetData()}
}

func attrToProto(a auth.Attr) *authv1.Attr {
	return &authv1.Attr{Type: uint32(a.Type), Value: a.Value.Reveal()}
}

func (d *decoder) attr(a *authv1.Attr) auth.Attr {
	return auth.Attr{Type: small[uint16](d, "attribute type", a.GetType()), Value: secret.New(a.GetValue())}
}

func (d *decoder) method(v uint32) auth.Method {
	return small[auth.Method](d, "authentication method", v)
}

func (d *decoder) scheme(v uint32) auth.SignScheme {
	return small[auth.SignScheme](d, "signature scheme", v)
}

func (d *decoder) prf(v uint32) auth.PRF { return small[auth.PRF](d, "prf", v) }

func capabilitiesToProto(c auth.Capabilities) *authv1.GetCapabilitiesResponse {
	return &authv1.GetCapabilitiesResponse{
		Methods: numbers[uint32](c.Methods), Prfs: numbers[uint32](c.PRFs), SignSchemes: numbers[uint32](c.SignSchemes),
		Decrypt: c.Decrypt, XauthServer: c.XAuthServer, XauthClient: c.XAuthClient, Attributes: c.Attributes,
		Account: c.Account, Watch: c.Watch, MaxConcurrent: uint32(max(c.MaxConcurrent, 0)), TypicalDelay: duration(c.TypicalDelay),
	}
}

func (d *decoder) capabilities(c *authv1.GetCapabilitiesResponse) auth.Capabilities {
	return auth.Capabilities{
		Methods: mapped(c.Methods, d.method), PRFs: mapped(c.Prfs, d.prf), SignSchemes: mapped(c.SignSchemes, d.scheme),
		Decrypt: c.Decrypt, XAuthServer: c.XauthServer, XAuthClient: c.XauthClient, Attributes: c.Attributes,
		Account: c.Account, Watch: c.Watch, MaxConcurrent: int(c.MaxConcurrent), TypicalDelay: c.TypicalDelay.AsDuration(),
	}
}

func credentialToProto(c auth.Credential) *authv1.ResolveResponse {
	return &authv1.ResolveResponse{
		Handle: c.Handle, Generation: c.Generation, Method: uint32(c.Method), LocalId: idToProto(c.LocalID),
		Certs: mapped(c.Certs, certToProto), CertRequests: mapped(c.CertReqs, certToProto),
		SignSchemes: numbers[uint32](c.Schemes),
	}
}

func (d *decoder) credential(c *authv1.ResolveResponse) auth.Credential {
	return auth.Credential{
		Handle: c.Handle, Generation: c.Generation, Method: d.method(c.Method), LocalID: d.id(c.LocalId),
		Certs: mapped(c.Certs, d.cert), CertReqs: mapped(c.CertRequests, d.cert), Schemes: mapped(c.SignSchemes, d.scheme),
	}
}

func skeyidRequestToProto(r auth.SKEYIDRequest) *authv1.SkeyidRequest {
	return &authv1.SkeyidRequest{Peer: peerToProto(r.Peer), Prf: uint32(r.PRF), Ni: r.Ni, Nr: r.Nr}
}

func (d *decoder) skeyidRequest(r *authv1.SkeyidRequest) auth.SKEYIDRequest {
	return auth.SKEYIDRequest{Peer: d.peer(r.GetPeer()), PRF: d.prf(r.GetPrf()), Ni: r.GetNi(), Nr: r.GetNr()}
}

func skeyidResultToProto(r auth.SKEYIDResult) *authv1.SkeyidResult {
	return &authv1.SkeyidResult{
		Candidates: mapped(r.Candidates, func(c auth.SKEYIDCandidate) *authv1.SkeyidCandidate {
			return &authv1.SkeyidCandidate{Skeyid: c.SKEYID.Reveal(), CredentialId: text(c.CredentialID), NotAfter: timestamp(c.NotAfter)}
		}),
		Error: errorToProto(r.Err),
	}
}

func skeyidResult(r *authv1.SkeyidResult) auth.SKEYIDResult {
	return auth.SKEYIDResult{
		Candidates: mapped(r.GetCandidates(), func(c *authv1.SkeyidCandidate) auth.SKEYIDCandidate {
			return auth.SKEYIDCandidate{SKEYID: secret.New(c.GetSkeyid()), CredentialID: clean(c.GetCredentialId()), NotAfter: timeOf(c.GetNotAfter())}
		}),
		Err: errorFromProto(r.GetError()),
	}
}

func signItemToProto(r auth.SignRequest) *authv1.SignItem {
	return &authv1.SignItem{Peer: peerToProto(r.Peer), Handle: r.Handle, Scheme: uint32(r.Scheme), Hash: r.Hash}
}

func (d *decoder) signItem(r *authv1.SignItem) auth.SignRequest {
	return auth.SignRequest{Peer: d.peer(r.GetPeer()), Handle: r.GetHandle(), Scheme: d.scheme(r.GetScheme()), Hash: r.GetHash()}
}

func signResultToProto(s auth.Signature) *authv1.SignResult {
	return &authv1.SignResult{Signature: s.Sig, Error: errorToProto(s.Err)}
}

func signResult(s *authv1.SignResult) auth.Signature {
	return auth.Signature{Sig: s.GetSignature(), Err: errorFromProto(s.GetError())}
}

func verifyItemToProto(r auth.VerifyRequest) *authv1.VerifyItem {
	return &authv1.VerifyItem{
		Peer: peerToProto(r.Peer), Method: uint32(r.Method), Hash: r.Hash, Signature: r.Signature,
		Certs: mapped(r.Certs, certToProto), VerifyCert: r.Policy.VerifyCert,
		VerifyIdentifier: r.Policy.VerifyIdentifier, Now: timestamp(r.Now),
	}
}

func (d *decoder) verifyItem(r *authv1.VerifyItem) auth.VerifyRequest {
	return auth.VerifyRequest{
		Peer: d.peer(r.GetPeer()), Method: d.method(r.GetMethod()), Hash: r.GetHash(), Signature: r.GetSignature(),
		Certs:  mapped(r.GetCerts(), d.cert),
		Policy: auth.VerifyPolicy{VerifyCert: r.GetVerifyCert(), VerifyIdentifier: r.GetVerifyIdentifier()},
		Now:    timeOf(r.GetNow()),
	}
}

func verdictToProto(v auth.Verdict) *authv1.Verdict {
	return &authv1.Verdict{
		Accepted: v.Accepted, Reason: authv1.RejectReason(v.Reason), Detail: text(v.Detail), Subject: text(v.Subject),
		NotAfter: timestamp(v.NotAfter), Error: errorToProto(v.Err),
	}
}

func verdict(v *authv1.Verdict) auth.Verdict {
	return auth.Verdict{
		Accepted: v.GetAccepted() && v.GetError() == nil, Reason: auth.RejectReason(v.GetReason()), Detail: clean(v.GetDetail()),
		Subject: clean(v.GetSubject()), NotAfter: timeOf(v.GetNotAfter()), Err: errorFromProto(v.GetError()),
	}
}

func sessionToProto(s auth.Session) *authv1.Session {
	return &authv1.Session{Id: s.ID, Peer: peerToProto(s.Peer), User: text(s.User), Request: numbers[uint32](s.Request)}
}

func (d *decoder) session(s *authv1.Session) auth.Session {
	return auth.Session{
		ID: s.GetId(), Peer: d.peer(s.GetPeer()), User: s.GetUser(),
		Request: mapped(s.GetRequest(), func(v uint32) uint16 { return small[uint16](d, "attribute type", v) }),
	}
}

func accountToProto(r auth.AccountRecord) *authv1.AccountRequest {
	return &authv1.AccountRequest{
		Kind: authv1.AccountKind(r.Kind), Session: sessionToProto(r.Session), LeaseId: r.Lease.ID,
		InOctets: r.InOctets, OutOctets: r.OutOctets, InPackets: r.InPackets, OutPackets: r.OutPackets,
		Since: timestamp(r.Since), Cause: text(r.Cause),
	}
}

func (d *decoder) account(r *authv1.AccountRequest) auth.AccountRecord {
	return auth.AccountRecord{
		Kind: enum(d, "account kind", r.Kind, auth.AccountStop), Session: d.session(r.Session), Lease: auth.Lease{ID: r.LeaseId},
		InOctets: r.InOctets, OutOctets: r.OutOctets, InPackets: r.InPackets, OutPackets: r.OutPackets,
		Since: timeOf(r.Since), Cause: r.Cause,
	}
}
