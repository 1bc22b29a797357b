package policy

import (
	"net/netip"
	"strconv"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/secret"
)

// ExchangeMode is a phase 1 exchange, by its ISAKMP exchange type.
type ExchangeMode uint8

// Phase 1 exchanges (RFC 2408 section 3.1).
const (
	Base       ExchangeMode = 1
	Main       ExchangeMode = 2
	Aggressive ExchangeMode = 4
)

func (m ExchangeMode) String() string {
	switch m {
	case Base:
		return "base"
	case Main:
		return "main"
	case Aggressive:
		return "aggressive"
	}
	return "exchange " + strconv.Itoa(int(m))
}

// MarshalText makes a JSON model readable.
func (m ExchangeMode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// Check is proposal_check: how far a peer's values may differ from ours.
type Check uint8

// The levels of proposal_check. The zero value is the default.
const (
	Strict Check = iota
	Obey
	Claim
	Exact
)

func (c Check) String() string {
	return [...]string{"strict", "obey", "claim", "exact"}[c&3]
}

// MarshalText makes a JSON model readable.
func (c Check) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// Level is generate_policy.
type Level uint8

// How policies are generated from a peer's proposal.
const (
	GenerateOff Level = iota
	GenerateRequire
	GenerateUnique
)

func (l Level) String() string { return [...]string{"off", "require", "unique", "unique"}[l&3] }

// MarshalText makes a JSON model readable.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// Toggle is a directive with the values off, on and force.
type Toggle uint8

// Values of nat_traversal, ike_frag and rekey.
const (
	Off Toggle = iota
	On
	Force
)

func (t Toggle) String() string { return [...]string{"off", "on", "force", "force"}[t&3] }

// MarshalText makes a JSON model readable.
func (t Toggle) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// Loss is on_loss: what becomes of the SAs of a peer that is dead.
type Loss uint8

// What happens behind the end of a dead peer's SAs. The zero value is the default.
const (
	OnDemand Loss = iota // the next packet negotiates
	StayDown             // nothing, until an operator or the peer begins
	Restart              // we negotiate, with back-off, until they are there again
)

func (l Loss) String() string { return [...]string{"on_demand", "down", "restart", "restart"}[l&3] }

// MarshalText makes a JSON model readable.
func (l Loss) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// Remote is one remote section: a peer, or a class of peers.
type Remote struct {
	Name  string     // "name" as written, or "192.0.2.1[500]", or "anonymous"
	Addr  netip.Addr // invalid: any peer
	Port  uint16     // 0 = 500
	Net   netip.Prefix
	Where Position

	Modes            []ExchangeMode // first: used as initiator
	MyID             Identity
	PeerIDs          []Identity // acceptable; none = any
	VerifyIdentifier bool
	NonceSize        int // octets, default 16
	Passive          bool
	KeepUp           bool `json:",omitempty"` // bring the SAs of all policies with the peer up, and keep them up
	InitialContact   bool
	ProposalCheck    Check
	GeneratePolicy   Level
	SupportProxy     bool
	NATTraversal     Toggle
	IKEFrag          Toggle
	Rekey            Toggle
	DPD              bool
	DPDDelay         time.Duration
	DPDRetry         time.Duration
	DPDMaxFail       int
	OnLoss           Loss `json:",omitempty"`
	WeakPhase1Check  bool
	ShortSHA256      bool `json:",omitempty"` // the peer cuts HMAC-SHA2-256 to 96 bits
	Ph1ID            uint32
	ModeCfg          bool       // as client, ask for an address
	XAuth            bool       // as client, answer a request for user name and password
	XAuthLogin       string     // the user's name, "" = ask
	LocalAddr        netip.Addr // towards this peer; invalid: any

	Certificate      *Certificate
	PeerCertificate  *Certificate // instead of what the peer sends; Key is empty
	CA               string       // file
	SendCert, SendCR bool
	VerifyCert       bool
	MatchEmptyCR     bool

	SharedSecret *SharedSecret // nil: the file of pre-shared keys decides

	// Apple's.
	NATTMultiUser   bool
	NATTKeepalive   bool   // default true
	DPDAlgorithm    string // "default", "inbound_detect", "blackhole_detect"
	IdleTimeout     time.Duration
	IdleDirection   string // "any", "inbound", "outbound"
	OpenDirGroup    string // whose users may log in
	CertVerifier    string // "openssl", "sec_framework"; "" = ours
	CertVerifierUse string // "use_open_dir", "use_peers_identifier"

	Scripts []Script

	Proposals []Phase1Proposal // in order of preference, at least one
}

// Certificate is how a peer proves who it is: a certificate, or a bare key.
type Certificate struct {
	Kind string // "x509", "plain_rsa", "dnssec", "keychain"
	File string // certificate or public key, absolute; what the keychain calls it
	Key  string // private key, absolute
}

// SharedSecret is Apple's choice of the pre-shared key: the key itself, or the name
// of an entry in the file of pre-shared keys or in the keychain.
type SharedSecret struct {
	Use      Secret
	Key      string
	Keychain string
	ByID     bool // in the keychain by the peer's identity, then by name
}

// Same reports whether two choices say the same.
func (s *SharedSecret) Same(o *SharedSecret) bool {
	if s == nil || o == nil {
		return s == o
	}
	return same(s, o)
}

// Secret is a password or key: a literal, which only a classic file can hold, or
// where to find one: "file:/path", "env:NAME", "handle:NAME".
type Secret struct {
	Literal secret.Bytes
	Ref     string
}

// Script is a program run when something happens to a phase 1.
type Script struct {
	Event string // "phase1-up", "phase1-down", "phase1-dead"
	Path  string
}

// Literal reports whether the section names one address, i.e. one peer.
func (r *Remote) Literal() bool { return r.Addr.IsValid() }

// SpeaksFrom reports whether the section is for what is said between the peer and this
// address of ours. Link-local ones are compared without scope where either has none.
func (r *Remote) SpeaksFrom(local netip.Addr) bool {
	own, local := r.LocalAddr, local.Unmap()
	if own.Zone() == "" || local.Zone() == "" {
		own, local = own.WithZone(""), local.WithZone("")
	}
	return !own.IsValid() || own == local
}

// Allows reports whether the section speaks the exchange, as responder.
func (r *Remote) Allows(m ExchangeMode) bool {
	for _, x := range r.Modes {
		if x == m {
			return true
		}
	}
	return false
}

// Phase1Proposal is one transform we offer or accept for phase 1. Numbers are the
// attribute values of RFC 2409 appendix A.
type Phase1Proposal struct {
	Encryption uint16
	KeyBits    uint16 // 0 where the cipher's length is fixed
	Hash       uint16
	Method     uint16
	Group      uint16
	Lifetime   time.Duration
	Where      Position
}

// DefaultLifetime is used where neither the proposal nor the peer says one
// (RFC 2409 appendix A: 28800 s).
const DefaultLifetime = 8 * time.Hour

// Identity is a phase 1 identity, ours or one we accept.
type Identity struct {
	Type uint8  // RFC 2407 section 4.6.2.1; 0 = none configured
	Data []byte // as on the wire; nil: ours = our address, peer's = any of this type
	DN   string // ID_DER_ASN1_DN: the name as text, a "*" stands for any value; Data is nil then
	Text string // as written, for messages
}
