// Package auth is the contract between the IKE engine and an authentication
// plugin. Secrets stay on the plugin's side: the engine receives SKEYID for
// pre-shared keys, signatures for private keys, verdicts for certificates.
//
// Every batched method answers with one result per request, in order; a request
// that failed carries its error in its own result, and the method's error is
// kept for "nothing of this batch was done".
package auth

import (
	"context"
	"net/netip"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// Authenticator is what every authentication plugin implements. A method it has
// no use for returns an error with Reason errs.Unsupported, and Capabilities does
// not advertise it.
type Authenticator interface {
	// Capabilities is called once after each Configure.
	Capabilities(context.Context) (Capabilities, error)
	// Resolve picks the local credential for a peer and returns everything the
	// engine must put on the wire for it. Cached by the engine until
	// Credential.Generation changes. Not used for pure PSK.
	Resolve(context.Context, ResolveRequest) (Credential, error)
	// DeriveSKEYIDs computes SKEYID = prf(psk, Ni_b|Nr_b) (RFC 2409 section 5),
	// for each key that may be the peer's.
	DeriveSKEYIDs(context.Context, []SKEYIDRequest) ([]SKEYIDResult, error)
	// Sign signs already computed HASH_I/HASH_R values.
	Sign(context.Context, []SignRequest) ([]Signature, error)
	// VerifyPeers checks peers' certificates, signatures and identities and
	// returns a verdict each. A rejected peer is a Verdict, not an error.
	VerifyPeers(context.Context, []VerifyRequest) ([]Verdict, error)
}

// Optional parts. The engine only calls what Capabilities advertises; each is a
// gRPC service of its own, found by name.
type (
	// Decrypter serves the RSA-encryption modes (RFC 2409 sections 5.2, 5.3).
	Decrypter interface {
		Decrypt(context.Context, DecryptRequest) (secret.Bytes, error)
	}
	// XAuthServer checks a user, possibly over several rounds. It is never retried.
	XAuthServer interface {
		XAuth(context.Context, XAuthRequest) (XAuthStep, error)
	}
	// XAuthClient supplies this side's user name and password.
	XAuthClient interface {
		XAuthReply(context.Context, XAuthPrompt) ([]Attr, error)
	}
	// AttributeServer gives a client its configuration (address, DNS, split
	// networks), with or without XAUTH before it.
	AttributeServer interface {
		Attributes(context.Context, Session) (AttributeReply, error)
		// Release returns a lease. Releasing one twice is not an error.
		Release(context.Context, Lease) error
	}
	// Accountant records sessions.
	Accountant interface {
		Account(context.Context, AccountRecord) error
	}
	// Watcher streams changes that must end or refresh existing SAs.
	Watcher interface {
		Watch(context.Context, func(Event) error) error
	}
	// Closer is called when an instance has been replaced and its calls drained.
	Closer interface{ Close(context.Context) error }
)

// Method is an IANA "IPSEC Authentication Methods" value: 1 PSK, 2 DSS, 3 RSA-SIG, ...
type Method uint16

// PRF is the IANA hash attribute value as negotiated (1 MD5, 2 SHA1, 4 SHA2-256, ...).
type PRF uint16

type Capabilities struct {
	Methods       []Method
	PRFs          []PRF // usable inside DeriveSKEYIDs (an HSM may lack HMAC-MD5)
	SignSchemes   []SignScheme
	Decrypt       bool
	XAuthServer   bool
	XAuthClient   bool
	Attributes    bool
	Account       bool
	Watch         bool
	MaxConcurrent int           // engine never has more calls in flight; 0 = no limit
	TypicalDelay  time.Duration // hint: network HSMs; the engine sizes its deadlines
}

// PeerContext says who is talking, as far as it is known yet.
type PeerContext struct {
	Remotes     []string // names of the candidate `remote` blocks, best first
	LocalAddr   netip.AddrPort
	RemoteAddr  netip.AddrPort
	Initiator   bool
	Aggressive  bool
	LocalID     *ID
	PeerID      *ID // nil until known (main mode PSK: never known here)
	ExpectedIDs []IDPattern
	PeerVIDs    [][]byte
	ExchangeID  string // correlation id, appears in both logs
}

// ID is an identification payload's content (RFC 2407 section 4.6.2).
type ID struct {
	Type uint8 // IPsec DOI identification type
	Raw  []byte
}

// IDPattern is one peers_identifier of the configuration.
type IDPattern struct {
	Type     uint8
	Raw      []byte
	Text     string // as written in the configuration
	Wildcard bool   // any identity of this type
}

// Attr is one attribute of XAUTH or of the configuration method
// (draft-ietf-ipsec-isakmp-xauth-06, draft-dukes-ike-mode-cfg-02).
type Attr struct {
	Type  uint16
	Value secret.Bytes
}

type ResolveRequest struct {
	Peer     PeerContext
	Methods  []Method // acceptable, in order of preference
	CertReqs []CertPayload
}
type CertPayload struct {
	Encoding uint8
	Data     []byte
}
type Credential struct {
	Handle     string // opaque; only this plugin understands it
	Generation uint64
	Method     Method
	LocalID    *ID // nil = use the one in the configuration
	Certs      []CertPayload
	CertReqs   []CertPayload
	Schemes    []SignScheme
}

type SKEYIDRequest struct {
	Peer   PeerContext
	PRF    PRF
	Ni, Nr []byte // nonce payload bodies, 8..256 octets each
}

// SKEYIDResult carries at most 4 candidates, best first. The engine uses the
// first unless it is the side that verifies first and can try them all.
type SKEYIDResult struct {
	Candidates []SKEYIDCandidate
	Err        *errs.Error // NotFound: no key for this peer
}
type SKEYIDCandidate struct {
	SKEYID       secret.Bytes
	CredentialID string // for logs and policy ("psk.txt:12")
	NotAfter     time.Time
}

type SignScheme uint16

const (
	// SignRSARaw is PKCS#1 v1.5 block type 1 over the bare hash, no DigestInfo
	// (RFC 2409 section 5.1); CKM_RSA_PKCS on a token.
	SignRSARaw SignScheme = 1
	SignDSS    SignScheme = 2
	SignECDSA  SignScheme = 3 // RFC 4754
)

type SignRequest struct {
	Peer   PeerContext
	Handle string
	Scheme SignScheme
	Hash   []byte
}
type Signature struct {
	Sig []byte
	Err *errs.Error
}

type VerifyRequest struct {
	Peer      PeerContext // PeerID is set
	Method    Method
	Hash      []byte
	Signature []byte
	Certs     []CertPayload
	Policy    VerifyPolicy
	Now       time.Time
}
type VerifyPolicy struct{ VerifyCert, VerifyIdentifier bool }
type Verdict struct {
	Accepted bool
	Reason   RejectReason
	Detail   string
	Subject  string // authenticated identity, for logs and hooks
	NotAfter time.Time
	Err      *errs.Error // the question could not be answered; not a verdict
}
type RejectReason uint16

const (
	RejectNone RejectReason = iota
	RejectBadSignature
	RejectUntrusted
	RejectExpired
	RejectRevoked
	RejectRevocationUnknown
	RejectIDMismatch
	RejectNoCert
	RejectPolicy
)

type DecryptRequest struct {
	Peer       PeerContext
	Handle     string
	Ciphertext []byte
}
type XAuthRequest struct {
	Peer    PeerContext
	Session string // empty on the first round
	Type    uint16 // XAUTH-TYPE: 0 generic, 1 RADIUS-CHAP, 2 OTP, 3 S/KEY
	Round   uint32
	Attrs   []Attr
}
type XAuthStep struct {
	Done, Accepted bool
	Session        string
	Challenge      []Attr
}
type XAuthPrompt struct {
	Peer  PeerContext
	Type  uint16
	Round uint32
	Attrs []Attr // what the gateway asks for, with its messages
}

// Session names a client that is connected or about to be.
type Session struct {
	ID      string
	Peer    PeerContext
	User    string // XAUTH user, "" without XAUTH
	Request []uint16
}
type AttributeReply struct {
	Attrs []Attr
	Lease Lease
}
type Lease struct{ ID string }

type AccountKind uint8

const (
	AccountStart AccountKind = iota + 1
	AccountInterim
	AccountStop
)

type AccountRecord struct {
	Kind                  AccountKind
	Session               Session
	Lease                 Lease
	InOctets, OutOctets   uint64
	InPackets, OutPackets uint64
	Since                 time.Time
	Cause                 string // of a Stop
}

type Event struct {
	Kind         EventKind
	Handle       string
	CredentialID string
	Subject      string
	Detail       string
}
type EventKind uint8

const (
	CredentialsChanged EventKind = iota + 1 // forget cached Resolve results
	CredentialRevoked                       // delete ISAKMP SAs made with it
	BackendUp
	BackendDown
)
