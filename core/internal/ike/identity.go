package ike

import (
	"errors"
	"fmt"
	"slices"

	"github.com/racoon-ike/racoon/core/internal/doi"
	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

func emitID(x *exchange) ([][]byte, error) {
	b := x.localID().Append(nil)
	*x.own(&x.p1.idii, &x.p1.idir) = b
	return [][]byte{b}, nil
}

// localID is who we say we are: what is configured, else our address.
func (x *exchange) localID() isakmp.ID {
	id := x.p1.remotes[0].MyID
	if id.Type == 0 || id.Data == nil {
		// The original sends UDP port 500 with an address identity.
		return doi.AddrID(x.path.Local.Addr(), 17, 500)
	}
	own := isakmp.ID{Type: isakmp.IDType(id.Type), Data: id.Data}
	if a, ok := own.Addr(); ok {
		return doi.AddrID(a, 17, 500)
	}
	return own
}

// fitsPhase1 reports whether protocol and port of a phase 1 identity are what RFC 2407
// section 4.6.2 has there: nothing, or UDP port 500. Cisco's VPN 3000 leaves the port
// out, and behind a NAT some have 4500.
func fitsPhase1(id isakmp.ID) bool {
	switch id.Protocol {
	case 0:
		return id.Port == 0
	case 17:
		return id.Port == 0 || id.Port == 500 || id.Port == 4500
	}
	return false
}

// maxIdentity bounds the identity a responder keeps of somebody who has not proved it:
// names have 255 octets at most, distinguished ones are rarely longer than a few
// hundred.
const maxIdentity = 1024

func takeID(x *exchange, bodies [][]byte) error {
	if x.role == responder && len(bodies[0]) > maxIdentity {
		return dropf(notice.BadIdentity, "an identity of %d octets, more than the %d kept for a stranger", len(bodies[0]), maxIdentity)
	}
	body := slices.Clone(bodies[0]) // the identity will alias it
	id, err := isakmp.ParseID(body)
	if err != nil {
		return err
	}
	*x.peers(&x.p1.idii, &x.p1.idir), x.sa.PeerID = body, id
	return nil
}

// section is the one the peer's identity belongs to (racoon-conf section 9.1).
func (x *exchange) section() (*policy.Remote, error) {
	f := x.p1
	if !fitsPhase1(x.sa.PeerID) {
		return nil, &NotifyError{isakmp.NotifyInvalidIDInformation, notice.BadIdentity,
			fmt.Errorf("the peer's identity %v is for protocol %d port %d, not for UDP port 500", x.sa.PeerID, x.sa.PeerID.Protocol, x.sa.PeerID.Port)}
	}
	peer := policy.Identity{Type: uint8(x.sa.PeerID.Type), Data: x.sa.PeerID.Data}
	// All that are left speak the exchange and accept the transform: neither makes a
	// difference any more.
	q := policy.Query{Peer: &peer}
	if x.role == responder { // an initiator's section was chosen before, or named
		q.Addr, q.Local = x.path.Remote.Addr(), x.path.Local.Addr()
	}
	r, err := q.Choose(f.remotes)
	if errors.Is(err, policy.ErrNoRemote) {
		return nil, &NotifyError{isakmp.NotifyInvalidIDInformation, notice.BadIdentity,
			errors.New("the peer's identity " + x.sa.PeerID.String() + " is none of the peers_identifier of remote " + f.remotes[0].Name)}
	}
	if err != nil {
		return nil, &NotifyError{isakmp.NotifyInvalidIDInformation, notice.AmbiguousRemote,
			fmt.Errorf("the peer is %v, and %w", x.sa.PeerID, err)}
	}
	return r, nil
}

// identify makes the choice of a section final: the authenticated peer's identity is
// the last that is learnt.
func (x *exchange) identify() error {
	r, err := x.section()
	if err != nil {
		return err
	}
	if key := KeyOf(r, x.sa.PeerID, x.path.Remote); !x.p.setup.Stranger && x.p.key.ID != "" && key.ID != x.p.key.ID {
		return &NotifyError{isakmp.NotifyInvalidIDInformation, notice.BadIdentity,
			errors.New("somebody else answers where the peer was: " + x.sa.PeerID.String())}
	}
	if !r.Identifies(policy.Identity{Type: uint8(x.sa.PeerID.Type), Data: x.sa.PeerID.Data}) {
		x.notice(notice.Notice{Event: notice.Finding, Reason: notice.BadIdentity,
			Detail: "the peer's identity " + x.sa.PeerID.String() + " is no peers_identifier, accepted because verify_identifier is off"})
	}
	x.p1.remotes = []*policy.Remote{r}
	return nil
}

// emitPhase1Notify says with message 5 that this is the first contact.
func emitPhase1Notify(x *exchange) ([][]byte, error) {
	p := x.p
	if x.role == responder || p.remembers() || !x.p1.remotes[0].InitialContact {
		return nil, nil
	}
	return [][]byte{x.sa.contactNotify().Append(nil)}, nil
}

// takePhase1Notify reads notifies beside the peer's proof: they count once
// establish runs, and only if they came sealed.
func takePhase1Notify(x *exchange, bodies [][]byte) error {
	x.p1.initialContact = false
	if !isSealed(x.inbox) {
		return nil
	}
	for _, b := range bodies {
		n, err := isakmp.ParseNotify(b)
		if err != nil {
			return err
		}
		if n.Type == isakmp.NotifyInitialContact {
			x.p1.initialContact = true
		}
	}
	return nil
}
