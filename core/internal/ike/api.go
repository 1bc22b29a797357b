package ike

import (
	"net/netip"
	"time"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
)

// Setup is what a machine is born with.
type Setup struct {
	Config *policy.Common // its remote sections are not looked at
	// Remotes are the sections the peer may be, best first. The initiator's
	// machine has one; a stranger's machine narrows them as it learns more.
	Remotes []*policy.Remote
	Path    Path
	Home    Path           // where the section has the peer; zero: only where it was found
	Key     PeerKey        // of a peer's machine; zero: what PeerKeyFor says
	Rand    func(b []byte) // fills b: nonces, message IDs, cookies, padding; never fails
	// Cookie computes CKY-R, a keyed hash of path and CKY-I (RFC 2408 section 2.5.3).
	Cookie   func(Path, isakmp.Cookie) isakmp.Cookie
	NAT      NATPorts
	Stranger bool // ends with a Handover
	// Ambiguous says that several sections fit the peer's address as well, and that
	// an operator named this one. As initiator its ph1id then counts as 0
	// (racoon-conf section 10.1).
	Ambiguous bool
}

// Status is what a machine can say about itself. It shares nothing with it.
type Status struct {
	Key       PeerKey
	Path      Path
	ISAKMP    []ISAKMPStatus
	IPsec     []IPsecStatus
	Exchanges []ExchangeStatus
	Queued    int // requests waiting for phase 1
	Kept      int // policies whose SAs are to be there without anybody asking
}

// ISAKMPStatus is one ISAKMP SA.
type ISAKMPStatus struct {
	CkyI, CkyR    isakmp.Cookie
	Path          Path
	Initiator     bool
	Remote        string // section
	PeerID        string
	Encryption    string
	Hash          string
	Group         string
	Since, Expire time.Time
	Mode          policy.ExchangeMode // of its phase 1
	NAT           string              // who is behind one: none, local, remote, both; "": NAT traversal is not in use
	DPD           bool                // agreed on
	Fragments     bool                // agreed on
}

// IPsecStatus is a pair of IPsec SAs.
type IPsecStatus struct {
	Local, Remote     netip.Addr // end points of the SAs
	Selector          policy.Selector
	Proto             uint8
	Mode              spd.Mode
	SPIIn, SPIOut     uint32
	ReqIDIn, ReqIDOut uint32
	Encryption, Auth  string
	Initiator         bool
	Outbound          bool // the outbound SA is installed too
	Replaced          bool // a newer pair carries the traffic
	Since             time.Time
	Soft, Hard        time.Duration
	HardKB            uint64 // kilobytes it may carry, 0 = without limit
	// Ports of ESP in UDP, 0: not encapsulated.
	EncapLocal, EncapRemote uint16
}

// ExchangeStatus is a negotiation in progress.
type ExchangeStatus struct {
	Exchange   isakmp.ExchangeType
	CkyI, CkyR isakmp.Cookie
	MsgID      uint32
	Initiator  bool
	Step       int    // message we send or wait for, from 1
	Waiting    string // "DHShared" while a Call is out, "peer" otherwise
	Since      time.Time
}
