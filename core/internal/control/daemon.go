// Package control is the server of the control socket. It knows how to be asked
// and how to answer; what a request means is the Daemon's business.
//
//	l, err := control.Listen(cfg.Listen.AdminSock)
//	s := control.NewServer(daemon, control.About{Version: "1.0"})
//	go s.Serve(l)
//	defer s.Close()
package control

import (
	"context"
	"net/netip"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

// Daemon is what the control socket needs of the engine. Errors of type
// *errs.Error reach the client with their reason; all others as internal ones.
type Daemon interface {
	// Statuses is a snapshot of every machine. It holds no lock while the caller
	// works through it.
	Statuses(context.Context) ([]ike.Status, error)
	// Establish brings up what is asked for and returns when it is up or has
	// failed; an end of the context ends the waiting, not the negotiation. What is
	// up already is not an error.
	Establish(context.Context, EstablishRequest) error
	// Delete ends the pairs of IPsec SAs of one peer that have the SPI in either
	// direction, or with 0 everything of that peer, and tells the peer. It does not
	// wait for the kernel.
	Delete(ctx context.Context, peer ike.PeerKey, spi uint32) error
	// Reload reads the configuration again, as SIGHUP does, and returns when the
	// new snapshot is in force. If it is rejected the old one stays in force, and
	// the error says every reason with file and line.
	Reload(context.Context) (ReloadResult, error)
	// PlanReload reads the configuration and says what Reload would change, or why it
	// would be rejected. Nothing is touched.
	PlanReload(context.Context) (ReloadResult, error)
	// Subscribe calls fn with every notice until cancel is called. fn must not
	// block, and is not called after cancel has returned.
	Subscribe(fn func(notice.Notice)) (cancel func())
}

// EstablishRequest is an operator's wish for SAs.
type EstablishRequest struct {
	What    EstablishKind
	Local   netip.Addr // our end; invalid: whatever fits
	Remote  netip.Addr // the peer's end
	Section string     // name of the remote section, "" = by address
	// Of an EstablishPolicy, which leaves Local and Remote to the policy: the
	// outbound policy is looked up as for a peer's proposal.
	Selector policy.Selector
	Proto    uint8 // 50 ESP, 51 AH
}

// EstablishKind says how much is wanted.
type EstablishKind uint8

// What can be established.
const (
	EstablishISAKMP EstablishKind = iota + 1 // an ISAKMP SA with Remote
	EstablishPolicy                          // the IPsec SAs of one policy
	EstablishPeer                            // both, for every outbound policy whose tunnel ends at Remote
)

// ReloadResult is what a reload did, or would do.
type ReloadResult struct {
	Generation uint64       // of the snapshot in force
	Findings   []string     // warnings, each with file and line
	Plan       *policy.Plan // nil: nothing changed
}
