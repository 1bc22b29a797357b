package ike

import (
	"net/netip"
	"time"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/oakley"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
	"github.com/racoon-ike/racoon/core/sdk/secret"
)

type secretBytes = secret.Bytes

// An Action is one thing the machine wants done.
type Action interface{ action() }

type (
	// Send puts an ISAKMP message on the wire. Its first 16 octets are the
	// cookies; the shell learns from them whose answers belong to this machine.
	Send struct {
		Path Path
		Data []byte
	}

	// Keepalive puts one octet 0xff on the wire, which keeps a NAT's mapping open and
	// means nothing to the peer (RFC 3948 section 2.3).
	Keepalive struct{ Path Path }

	// Moved says that the peer, or its NAT, is to be found at another address or port.
	Moved struct{ Path Path }

	// Call asks for what the machine cannot do. Exactly one Reply must follow,
	// unless the machine has ended.
	Call struct {
		ID  CallID
		Req Request
	}

	// Notice tells the world.
	Notice struct{ notice.Notice }

	// Forget says that messages with these cookies are nothing to this machine any more.
	Forget struct{ CkyI, CkyR isakmp.Cookie }

	// Handover gives an established ISAKMP SA to the machine of the peer it turned
	// out to be. The stranger's machine has ended, and so has an initiator's whose
	// section did not say who would answer.
	Handover struct {
		Key    PeerKey
		Remote *policy.Remote
		SA     *ISAKMPSA
	}
)

func (Send) action()      {}
func (Keepalive) action() {}
func (Moved) action()     {}
func (Call) action()      {}
func (Notice) action()    {}
func (Forget) action()    {}
func (Handover) action()  {}

// CallID pairs a Reply with its Call. It is unique in one machine.
type CallID uint64

// A Request is what a Call asks.
type Request interface{ request() }

type (
	// DHGenerate wants a fresh key pair. Reply: oakley.KeyPair.
	DHGenerate struct{ Group oakley.Group }

	// DHShared wants g^xy. Reply: secret.Bytes. An error that is an *oakley error
	// about the public value means the peer sent a bad KE.
	DHShared struct {
		Key        oakley.KeyPair
		PeerPublic []byte
	}

	// DeriveSKEYIDs wants SKEYID for pre-shared keys (RFC 2409 section 5). Reply:
	// []SKEYIDCandidate, best first, at most 4, empty if there is no key.
	DeriveSKEYIDs struct {
		Remotes    []string // candidate sections, best first
		Path       Path
		Initiator  bool
		Aggressive bool
		LocalID    *Identity
		PeerID     *Identity         // nil in main mode
		Expected   []policy.Identity // what the candidate sections accept; none = any
		PRF        oakley.Hash
		Ni, Nr     []byte
		ExchangeID string
	}

	// AllocateSPIs reserves inbound SPIs. Reply: []uint32 in the same order.
	AllocateSPIs struct{ SPIs []SPIRequest }

	// Apply changes SAs in the kernel, all or nothing for installs, everything
	// possible for deletes. Reply: nil. It is never cancelled.
	Apply struct{ Ops []SAOp }

	// MoveSAs gives SAs other end points or UDP ports, all of them or none. Reply: nil. It
	// is never cancelled.
	MoveSAs struct{ Moves []SAMove }

	// AcquireDone tells the kernel how its request ended. Reply: nil.
	AcquireDone struct {
		Seq    uint32
		Failed bool
	}

	// ReadOctets asks how many octets SAs have carried. Reply: []uint64 in the same
	// order, 0 for one that is not there.
	ReadOctets struct{ SAs []SAKey }

	// MatchPolicy asks for the policy a peer's quick mode is about, from the
	// engine's copy: no RPC. Reply: spd.Pair, or error *NoPolicyError. One that this
	// machine has generated is none: it is made anew.
	MatchPolicy struct {
		Path     Path
		Selector policy.Selector // from the identities the peer sent, ours is Local
	}

	// HasESN asks whether the kernel back end, as it is now, has sequence numbers of 64
	// bits, from what the engine knows: no RPC. Reply: bool.
	HasESN struct{}

	// ReservePolicy wants to generate policies for traffic, which no other machine
	// may do then. Reply: uint32, a request ID that no other policy has; always the
	// same until a DeletePolicy gives both back. Error *NoPolicyError: it is taken.
	ReservePolicy struct{ Selector policy.Selector }
)

func (DHGenerate) request()    {}
func (DHShared) request()      {}
func (DeriveSKEYIDs) request() {}
func (AllocateSPIs) request()  {}
func (Apply) request()         {}
func (MoveSAs) request()       {}
func (AcquireDone) request()   {}
func (ReadOctets) request()    {}
func (MatchPolicy) request()   {}
func (HasESN) request()        {}
func (ReservePolicy) request() {}

// Identity is a phase 1 identity as on the wire.
type Identity struct {
	Type uint8
	Data []byte
}

// SPIRequest asks for one inbound SPI.
type SPIRequest struct {
	Src, Dst netip.Addr // the peer, us
	Proto    uint8      // 50 ESP, 51 AH, 108 IPComp
	ReqID    uint32
	Seq      uint32 // of the acquire being answered, 0 = none
}

// giveBack lists the changes that return reserved SPIs.
func (a AllocateSPIs) giveBack(spis []uint32) (ops []SAOp) {
	for i, spi := range spis[:min(len(spis), len(a.SPIs))] {
		r := a.SPIs[i]
		ops = append(ops, SAOp{Kind: DeleteSA, SA: KernelSA{Src: r.Src, Dst: r.Dst, Proto: r.Proto, SPI: spi}})
	}
	return ops
}

// OpKind is what an SAOp does.
type OpKind uint8

// Kinds of SAOp.
const (
	InstallInbound  OpKind = iota + 1 // completes the larval SA of AllocateSPIs
	InstallOutbound                   // a new SA with the peer's SPI
	DeleteSA                          // only the key fields of SA are set; absent is success
	InstallPolicy                     // a generated one, in place of what has its key
	DeletePolicy                      // absent is success
)

// SAOp is one change of the kernel's SAs, or of the policies generated with them.
type SAOp struct {
	Kind   OpKind
	SA     KernelSA
	Policy *spd.Policy // of InstallPolicy and DeletePolicy
}

// SAMove is an SA of which only the key fields count, and where it is to be.
type SAMove struct {
	SA       KernelSA
	Src, Dst netip.Addr
	Encap    *Encap
}

// Key names the SA when it has moved.
func (m SAMove) Key() SAKey { return SAKey{m.Dst, m.SA.Proto, m.SA.SPI} }

// KernelSA is an SA as the kernel is to have it. Algorithm numbers are those of
// the IPsec DOI: an ESP transform identifier, an authentication attribute value.
type KernelSA struct {
	Dir      spd.Direction
	Src, Dst netip.Addr
	Proto    uint8
	SPI      uint32
	ReqID    uint32
	Seq      uint32 // of the acquire, 0 = none
	Mode     spd.Mode
	Encr     uint16
	EncrKey  secret.Bytes // with the salt at its end for AES-GCM and AES-CTR
	Auth     uint16       // 0 with AES-GCM
	AuthKey  secret.Bytes
	ICV      uint16 // bits that Auth is to be cut to
	Comp     uint16 // IPComp transform
	ESN      bool   // sequence numbers of 64 bits
	Soft     time.Duration
	Hard     time.Duration
	SoftKB   uint64
	HardKB   uint64 // kilobytes it may carry, 0 = without limit
	Encap    *Encap // nil: not in UDP
	Mark     spd.Mark
	IfID     uint32 // of its policy
}

// Encap is how ESP is wrapped in UDP (RFC 3948). The ports are those of Src and Dst
// of the SA. OrigDst is the peer's own address, where it has told (NAT-OA): transport
// mode checksums were made for it.
type Encap struct {
	SrcPort, DstPort uint16
	OrigDst          netip.Addr
}

func (s KernelSA) zero() {
	s.EncrKey.Zero()
	s.AuthKey.Zero()
}

// Key names the SA.
func (s KernelSA) Key() SAKey { return SAKey{s.Dst, s.Proto, s.SPI} }

// Unavailable is the Err of a Reply whose Call may succeed later: the plugin is
// restarting, the back end is busy. The machine asks again within the
// exchange's own time; the peer sees silence, never a verdict.
type Unavailable struct{ Err error }

func (e *Unavailable) Error() string { return "not available: " + e.Err.Error() }
func (e *Unavailable) Unwrap() error { return e.Err }

// NoPolicyError is the MatchPolicy answer when the SPD has nothing that fits.
type NoPolicyError struct {
	Selector policy.Selector
	Closest  string // the policy that almost matched and the field that differs, "" if none
	Taken    bool   // there is one for others, or not for IPsec: none is to be generated
}

func (e *NoPolicyError) Error() string {
	s := "no policy for " + e.Selector.String()
	if e.Closest != "" {
		s += "; closest: " + e.Closest
	}
	return s
}
