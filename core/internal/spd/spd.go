// Package spd is the kernel's policies as an ordered value: what the engine keeps
// from Dump and policy events, so that a look-up costs no RPC. It does not know
// who tells it or how policies are installed.
//
//	db.Put(p)                             // a policy came or changed
//	out, ok := db.Get(acquire.Policy)     // what an acquire is about
//	pair := db.PairOf(out)
//	pair, why, ok := db.Respond(proposed) // what a peer's quick mode is about
package spd

import (
	"net/netip"

	"github.com/racoon-ike/racoon/core/internal/policy"
)

// Direction of a policy, seen from this host.
type Direction uint8

// Directions.
const (
	In Direction = iota + 1
	Out
	Fwd
)

// Action of a policy.
type Action uint8

// Actions.
const (
	Discard Action = iota + 1
	None
	IPsec
	Bypass
)

// Mode of an SA.
type Mode uint8

// Modes (RFC 2407 section 4.5 numbers tunnel 1, transport 2 on the wire; these are the kernel's).
const (
	Transport Mode = 1
	Tunnel    Mode = 2
)

// Level of a template, setkey(8)'s words.
type Level uint8

// Levels.
const (
	LevelDefault Level = iota
	LevelUse
	LevelRequire
	LevelUnique
)

// Key identifies a policy in the kernel.
type Key struct {
	Dir      Direction
	Src, Dst netip.Prefix
	SrcPort  uint16 // 0 = any
	DstPort  uint16
	Proto    uint8 // 0 = any
	Mark     Mark
	IfID     uint32 // of an XFRM interface, 0 = none
}

// Mark is what the kernel compares a packet's mark with; the zero value matches any.
type Mark struct{ Value, Mask uint32 }

// Policy is one entry of the kernel's SPD.
type Policy struct {
	Key       Key
	Index     uint32 // the kernel's own number, 0 where it has none
	Priority  int32  // lower is tried first
	Action    Action
	Templates []Template // outermost last, as in the kernel
}

// Template is one SA a policy asks for.
type Template struct {
	Proto    uint8 // 50 ESP, 51 AH, 108 IPComp
	Mode     Mode
	Level    Level
	ReqID    uint32
	Src, Dst netip.Addr // of the SA; unspecified in transport mode
}

// Pair is an outbound policy and the inbound one that mirrors it.
type Pair struct {
	Out   Policy
	In    Policy
	HasIn bool // a missing inbound policy is legal: only outbound traffic is protected

	Generated bool // made on the peer's wish: it goes with its last SA
}

// Selector is the traffic of the pair, from this host's side.
func (p Pair) Selector() policy.Selector { return p.Out.Key.Selector() }
