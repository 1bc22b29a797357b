package ike

import (
	"net/netip"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
)

// An Event is one thing the machine is told.
type Event interface{ event() }

// Path is where a datagram came from or goes to.
type Path struct{ Local, Remote netip.AddrPort }

type (
	// Datagram is an ISAKMP message as received, without non-ESP marker. The
	// machine keeps Data only while it needs it and never writes to it.
	Datagram struct {
		Path Path
		Data []byte
	}

	// Reply answers the Call with the same ID. Value is what the request's
	// comment says; with Err it is nil.
	Reply struct {
		ID    CallID
		Value any
		Err   error
	}

	// Wake says that Deadline has come.
	Wake struct{}

	// Acquire is the kernel's wish for SAs, its policy already looked up.
	Acquire struct {
		Seq      uint32 // of the kernel's request, handed back in AcquireDone
		Pair     spd.Pair
		Src, Dst netip.Addr // end points of the SAs wanted
	}

	// Expire is a lifetime of one of our SAs running out. Before a hard one the
	// kernel has removed the SA.
	Expire struct {
		Dst   netip.Addr
		Proto uint8 // 50 ESP, 51 AH
		SPI   uint32
		Hard  bool
	}

	// Mapping says that the kernel saw the peer's NAT mapping move.
	Mapping struct {
		SPI    uint32
		Remote netip.AddrPort
	}

	// KernelLost is the verdict of a resync: these SAs are no longer in the kernel.
	KernelLost struct{ SAs []SAKey }

	// CredentialChanged says that an authentication plugin is there or has other keys:
	// what it could not answer is asked again. With Revoked the SAs made with
	// Credential must end.
	CredentialChanged struct {
		Credential string
		Revoked    bool
	}

	// Reconfigure brings a new snapshot. Running exchanges end under the old one.
	// Remote is this peer's section in it, nil if it is gone.
	Reconfigure struct {
		Config *policy.Common
		Remote *policy.Remote
	}

	// Adopt gives the machine an ISAKMP SA that another one's Handover named it for.
	Adopt struct{ SA *ISAKMPSA }

	// Establish is an operator's wish for SAs. Without HasPair only an ISAKMP SA
	// is wanted. It ends with a Notice CommandDone that bears Command.
	Establish struct {
		Command  uint64
		HasPair  bool
		Pair     spd.Pair
		Src, Dst netip.Addr
	}

	// KeepUp says which SAs are to be there without anybody asking, whatever ends
	// them. Each one says all there is to keep up.
	KeepUp struct{ SAs []Wanted }

	// Restore gives the machine inbound SAs that are in the kernel from an earlier life
	// of the daemon, without keys, and says which SAs are to be made in their stead.
	Restore struct {
		SAs    []KernelSA
		Wanted []Wanted
	}

	// Delete is an operator's wish to end SAs: those with the SPI (in either
	// direction), or with All the peer's IPsec SAs, and with ISAKMP its ISAKMP SAs too.
	Delete struct {
		Command uint64
		SPI     uint32
		All     bool
		ISAKMP  bool
		Reason  string
	}

	// Shutdown ends everything and tells the peer. Done is true once the last
	// kernel call has been answered.
	Shutdown struct{}
)

func (Datagram) event()          {}
func (Reply) event()             {}
func (Wake) event()              {}
func (Acquire) event()           {}
func (Expire) event()            {}
func (Mapping) event()           {}
func (KernelLost) event()        {}
func (CredentialChanged) event() {}
func (Reconfigure) event()       {}
func (Adopt) event()             {}
func (Establish) event()         {}
func (KeepUp) event()            {}
func (Restore) event()           {}
func (Delete) event()            {}
func (Shutdown) event()          {}

// Wanted is the SAs of one policy.
type Wanted struct {
	Pair     spd.Pair
	Src, Dst netip.Addr // end points
}

// SAKey names an SA in the kernel.
type SAKey struct {
	Dst   netip.Addr
	Proto uint8
	SPI   uint32
}

// PeerKey says which machine a peer is. Blocks that name a literal address have
// one peer and drop the rest: their name alone is the key, because whoever
// answers there has satisfied the block's identity. All other blocks never do:
// group names and private addresses are shared by many users.
type PeerKey struct {
	Block string         // name of the remote section
	ID    string         // authenticated phase 1 identity: type and octets
	Addr  netip.AddrPort // remote address and port
	User  string         // XAUTH user
	Local netip.Addr     // the section's local_address: there may be another of its name for another one
}

// KeyOf computes the key of a peer.
func KeyOf(r *policy.Remote, id isakmp.ID, remote netip.AddrPort) PeerKey {
	k := PeerKeyFor(r, remote)
	if !r.Literal() {
		k.ID = string(append([]byte{byte(id.Type)}, id.Data...))
	}
	return k
}

// PeerKeyFor is the key an initiator uses before it knows the peer's identity.
func PeerKeyFor(r *policy.Remote, remote netip.AddrPort) PeerKey {
	if r.Literal() {
		return PeerKey{Block: r.Name, Local: r.LocalAddr}
	}
	return PeerKey{Block: r.Name, Local: r.LocalAddr, Addr: remote}
}

// SKEYIDCandidate is one key that may be the peer's.
type SKEYIDCandidate struct {
	SKEYID       secretBytes
	CredentialID string
}
