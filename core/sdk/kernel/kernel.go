// Package kernel is the contract between the IKE engine and a kernel backend.
package kernel

import (
	"context"
	"net/netip"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

type Backend interface {
	// Capabilities: algorithms, features, limits, privileges. Once per (re)start.
	Capabilities(context.Context) (Capabilities, error)
	// SocketOptions says what the engine must set on its own UDP sockets so that
	// IKE bypasses IPsec and ESP-in-UDP is decapsulated. Once per role and family.
	SocketOptions(context.Context, SocketRole, Family) (SocketSetup, error)
	// AllocateSPIs reserves all inbound SPIs of one quick mode in one call.
	// A backend without larval SAs of its own may return random unique ones.
	AllocateSPIs(context.Context, []SPIRequest) ([]SPIResult, error)
	// Apply runs ordered batches: SAs in both directions, policies, addresses,
	// routes. Transactions are independent of each other; one result per
	// transaction, one per op in it. It is idempotent: the same TxnID may arrive
	// again after a time-out. An unknown enum value or bit is errs.Unsupported,
	// never ignored. AddSA with an SPI that exists already is errs.Exists.
	Apply(context.Context, []Transaction) ([]TxnResult, error)
	// Query reads lifetimes, byte counts and use times of many objects at once.
	Query(context.Context, []Key) ([]Stats, error)
	// Dump streams everything the kernel has that matches, for resync.
	Dump(context.Context, DumpFilter, func(Object) error) error
	// Events blocks and streams until ctx ends. The first event is always Ready.
	// The function given never blocks for long: behind it is a bounded queue, which
	// drops and tells Overflow when the engine is slow. Event.Seq is filled in there.
	Events(context.Context, EventMask, func(Event) error) error
	// LookupRoutes: source address, interface, next hop, MTU per destination.
	LookupRoutes(context.Context, []RouteQuery) ([]Route, error)
}

type Family uint8

const (
	IPv4 Family = 4
	IPv6 Family = 6
)

type SocketRole uint8

const (
	SocketIKE  SocketRole = iota + 1 // UDP 500
	SocketNATT                       // UDP 4500
)

type SocketOption struct {
	Level, Name int    // numbers of this platform
	Value       []byte // bytes of this platform
	Privileged  bool   // needs CAP_NET_ADMIN / root to set
	Required    bool   // false: log and go on
	Doc         string // "IP_XFRM_POLICY out allow"
}
type SocketSetup struct {
	Options []SocketOption
	// Owned: the backend binds this socket itself (FeatOwnsEncapPort) and passes
	// IKE datagrams through EncapPort; the engine must not bind it.
	Owned bool
	// PolicyBypass: the backend installs port-based bypass policies itself when
	// told the bound addresses (OpBypass), so no privileged option is needed.
	PolicyBypass bool
}

type Feature uint64

const (
	FeatTunnel Feature = 1 << iota
	FeatTransport
	FeatAH
	FeatESP
	FeatIPComp
	FeatNATT
	FeatESN
	FeatAcquire      // kernel asks for SAs
	FeatAcquireSeq   // an acquire is answered by sequence number
	FeatUseTime      // Query reports last use
	FeatPolicyEvents // policy changes by others are reported
	FeatNetEvents    // link/address/route events
	FeatMigrate
	FeatUpdateAddresses // UpdateSA can change endpoints (NAT-T mapping change)
	FeatAddresses       // can add/remove interface addresses
	FeatRoutes
	FeatMark
	FeatIfID
	FeatOffload
	FeatOutputMark
	FeatOwnsEncapPort // the backend owns the NAT-T port (user-space ESP): see EncapPort
	FeatBEET          // SAs and templates of ModeBEET
	FeatNoReplay      // an SA may be without anti-replay: SA.NoReplay
	FeatLabel         // SAs and policies may have a Label
	FeatSAEvents      // who asks is told of added and updated SAs
)

type Algorithm struct {
	Kind           AlgKind
	ID             uint16 // IPsec DOI transform / auth number
	MinKey, MaxKey uint16
	// ICVs: lengths of the ICV in bits that AlgKey.Trunc may ask for. The first is
	// what the backend does for Trunc 0, which is not the standard's everywhere: Linux's
	// PF_KEY cuts HMAC-SHA2-256 to 96 bits. None: the standard's and no other.
	ICVs []uint16
}
type AlgKind uint8

const (
	AlgEncr AlgKind = iota + 1
	AlgAuth
	AlgComp
)

type Capabilities struct {
	Platform        string // "linux 6.18 xfrm"
	Features        Feature
	Algorithms      []Algorithm
	MaxOpsPerTxn    int
	SPIMin, SPIMax  uint32
	AcquireLifetime time.Duration // how long a larval SA lives
	ReplayWindowMax uint32
}

type SPIRequest struct {
	Src, Dst netip.Addr
	Proto    uint8 // 50 ESP, 51 AH, 108 IPComp (CPI)
	Min, Max uint32
	ReqID    uint32
	Seq      uint32 // of the acquire being answered, or 0
}
type SPIResult struct {
	SPI uint32
	Err *errs.Error
}

type Transaction struct {
	TxnID      string // idempotency key
	Ops        []Op
	OnError    OnError
	Generation uint64 // of the engine's view; echoed in events
}
type OnError uint8

const (
	Stop     OnError = iota // leave what was done
	Rollback                // undo, best effort
	Continue                // teardown: try everything
)

type OpKind uint8

const (
	AddSA    OpKind = iota + 1
	UpdateSA        // larval -> mature, or new endpoints/encap
	DeleteSA
	AddPolicy
	UpdatePolicy
	DeletePolicy
	FlushSAs
	FlushPolicies
	AddAddress
	DeleteAddress
	AddRoute
	DeleteRoute
	Bypass      // port-based IKE bypass for a bound address
	AcquireDone // an acquire has been answered, or refused with an errno
)

type Op struct {
	Kind    OpKind
	SA      *SA
	Policy  *Policy
	Net     *NetOp
	Acquire *AcquireResult
}

// AcquireResult tells the kernel what became of its request, so that it need not
// wait for the larval SA to time out.
type AcquireResult struct {
	Seq   uint32
	Errno int // 0: SAs are there
}
type TxnResult struct{ Ops []OpResult }
type OpResult struct {
	Done, Undone bool
	Err          *errs.Error
}

type Key struct { // identifies an SA or a policy
	Src, Dst netip.Addr
	SPI      uint32
	Proto    uint8
	Mark     *Mark
	IfID     uint32
	Policy   *PolicyKey
}
type Mark struct{ Value, Mask uint32 }
type Selector struct {
	Src, Dst         netip.Prefix
	SrcPort, DstPort uint16
	Proto            uint8
}
type Direction uint8

const (
	In Direction = iota + 1
	Out
	Fwd
)

type PolicyKey struct {
	Dir  Direction
	Sel  Selector
	ID   uint32 // kernel's own index where there is one
	Mark *Mark
	IfID uint32
}
type Lifetime struct {
	SoftTime, HardTime       time.Duration
	SoftBytes, HardBytes     uint64
	SoftPackets, HardPackets uint64
}
type SA struct {
	Key          Key
	ReqID, Seq   uint32
	Mode         uint8 // tunnel/transport
	Sel          *Selector
	Encr, Auth   *AlgKey
	Comp         uint16
	Life         Lifetime
	ReplayWindow uint32
	// NoReplay turns anti-replay off, which manual keys need: their sequence numbers
	// begin again with each start of the peer (RFC 2406 section 3.4.3). Only setkey
	// asks for it, and only with FeatNoReplay. In dumps a ReplayWindow of 0 tells.
	NoReplay       bool
	Encap          *Encap
	NewSrc, NewDst netip.Addr // UpdateSA
	OutputMark     *Mark
	Offload        string // interface, "" = none
	ESN            bool
	Dir            Direction
	State          SAState  // in dumps
	Current        Lifetime // in dumps: use so far, in the Hard fields
	Label          string   // security label of the LSM (SELinux); needs FeatLabel
}

// Modes of an SA or a template.
const (
	ModeTransport uint8 = 1
	ModeTunnel    uint8 = 2
	ModeBEET      uint8 = 3
)

// Levels of a template, setkey(8)'s words.
const (
	LevelDefault uint8 = iota
	LevelUse
	LevelRequire
	LevelUnique
)

// Policy actions.
const (
	ActionDiscard uint8 = iota + 1
	ActionNone
	ActionIPsec
	ActionBypass
)

type SAState uint8

const (
	Larval SAState = iota + 1
	Mature
	Dying
	Dead
)

// AlgKey names an algorithm by its IPsec DOI number: an ESP transform identifier
// for Encr (RFC 2407 section 4.4.4, with 18-20 for AES-GCM-8/12/16 and 13 for AES-CTR;
// Key then ends in the 4 octet salt or nonce), an authentication algorithm
// attribute value for Auth (section 4.5).
type AlgKey struct {
	ID    uint16
	Key   secret.Bytes
	Trunc uint16 // ICV bits; 0 = the first of Algorithm.ICVs, without any the standard's value
}
type Encap struct {
	SrcPort, DstPort uint16
	OrigDst          netip.Addr
}
type Policy struct {
	Key       PolicyKey
	Action    uint8 // discard, none, ipsec, bypass
	Priority  int32
	Templates []Template
	Life      Lifetime
	Label     string // security label of the LSM (SELinux); needs FeatLabel
}
type Template struct {
	Proto, Mode, Level uint8
	ReqID              uint32
	Src, Dst           netip.Addr
}
type NetOp struct {
	Prefix    netip.Prefix
	Interface string
	Gateway   netip.Addr
	Source    netip.Addr
	Bound     netip.AddrPort // Bypass
}

type Stats struct {
	Found                    bool
	Bytes, Packets           uint64
	Added, FirstUse, LastUse time.Time
	ReplayErrors             uint64
	IntegrityErrors          uint64 // packets whose ICV was wrong; 0 where the kernel does not count them
}
type DumpFilter struct {
	SAs, Policies, Addresses bool
	ReqIDs                   []uint32
	// WithKeys asks for keys. Honoured only by an instance configured for setkey: with
	// dump_keys = true, an attribute of the backend's schema.
	WithKeys bool
}
type Object struct {
	SA      *SA // without keys unless DumpFilter.WithKeys was honoured
	Policy  *Policy
	Stats   Stats
	Address netip.Prefix
	Iface   string
}

// EventMask selects event kinds: bit k stands for EventKind k. 0 asks for all but
// SAAdded and SAUpdated, which the engine causes by the thousand and knows. Ready and
// Overflow always come.
type EventMask uint64

// MaskOf is the mask that selects kinds.
func MaskOf(kinds ...EventKind) EventMask {
	var m EventMask
	for _, k := range kinds {
		m |= 1 << k
	}
	return m
}

// Has reports whether m selects k.
func (m EventMask) Has(k EventKind) bool {
	return m == 0 && k != SAAdded && k != SAUpdated || k == Ready || k == Overflow || m&(1<<k) != 0
}

type EventKind uint8

const (
	Ready    EventKind = iota + 1 // subscription is live; nothing before it is missing
	Overflow                      // events were lost: Dump now
	Acquire
	ExpireSoft
	ExpireHard
	Mapping // peer's NAT mapping moved
	SADeleted
	SAFlushed
	PolicyAdded
	PolicyUpdated
	PolicyDeleted
	PolicyFlushed
	Migrate
	NetChanged // link, address or route
	SAAdded    // by anyone; needs FeatSAEvents
	SAUpdated  // by anyone: larval to mature, or moved
)

type Event struct {
	Seq        uint64 // per stream, no gaps
	At         time.Time
	Kind       EventKind
	Generation uint64 // last transaction generation the backend had finished
	Key        Key
	Policy     *Policy
	Sel        *Selector  // packet that caused an acquire
	Templates  []Template // of the policy that asked
	Proposals  []Proposal // what the kernel would accept, where it says so
	AcquireSeq uint32
	NewRemote  netip.AddrPort
	Iface      string
	SA         *SA // of SAAdded and SAUpdated, without keys
}

// Proposal is one line of an acquire's wish list (PF_KEY SADB_EXT_PROPOSAL, XFRM
// template algorithm masks).
type Proposal struct {
	Proto                 uint8
	Encr, Auth, Comp      uint16
	EncrMinBits, EncrBits uint16
	AuthMinBits, AuthBits uint16
	Life                  Lifetime
}

// EncapPort is served by a backend with FeatOwnsEncapPort: it owns UDP 4500,
// takes ESP and keepalives for itself and passes IKE datagrams on.
type EncapPort interface {
	Bind(context.Context, netip.AddrPort) error
	// Send sends IKE datagrams (without non-ESP marker; the backend adds it).
	Send(context.Context, []Datagram) error
	// Receive streams batches until ctx ends. The queue behind it is bounded: the
	// oldest datagram is dropped and counted in Batch.Dropped.
	Receive(context.Context, func(Batch) error) error
}
type Datagram struct {
	Local, Remote netip.AddrPort
	Data          []byte
}
type Batch struct {
	Datagrams []Datagram
	Dropped   uint64
}

type RouteQuery struct{ Dst, Src netip.Addr }
type Route struct {
	Src     netip.Addr
	NextHop netip.Addr
	Iface   string
	MTU     int
	Err     *errs.Error
}
