package policy

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Query is what is known of a peer when its remote section is chosen
// (racoon-conf section 9.1). What is not known stays zero and has no influence.
type Query struct {
	Addr       netip.Addr // the peer's; ports do not matter
	Local      netip.Addr // ours, towards the peer
	Mode       ExchangeMode
	Initiating bool   // passive sections are left out
	Addressed  bool   // sections without an address are left out
	Section    string // only the section of this name: an operator may say it
	// Accepts reports whether a section accepts the transform both ends agreed on.
	// It counts once the exchange is known.
	Accepts func(*Remote) bool
	Peer    *Identity // the peer's phase 1 identity
	// Certifies reports whether a section's certificate is one the peer asked for, or
	// the section answers an empty request. Set once the peer has sent a request.
	Certifies func(*Remote) bool
}

// Rating is how well a section fits a query: the larger the better, 0 not at all.
// What has matched comes first, then how closely the section names the address.
type Rating uint16

// What can match, each worth more than all before it together. Our own address comes
// last: it only tells sections apart that are equal otherwise.
const (
	matchedLocal     Rating = 1
	literalCloseness Rating = 0xff << 1 // above every length of a network
	matched          Rating = 0x1 << 9
	matchedAddress   Rating = 0x2 << 9
	matchedExchange  Rating = 0x4 << 9
	matchedIdentity  Rating = 0x8 << 9
	matchedRequest   Rating = 0x10 << 9
)

// Rate applies the rules of racoon-conf section 9.1, in their order, and before them
// local_address: what is said to another address of ours is not for the section.
func (q Query) Rate(r *Remote) Rating {
	if q.Addressed && !r.Addr.IsValid() && !r.Net.IsValid() || q.Initiating && r.Passive || q.Section != "" && r.Name != q.Section {
		return 0
	}
	rating := matched
	if q.Local.IsValid() && r.LocalAddr.IsValid() {
		if !r.SpeaksFrom(q.Local) {
			return 0
		}
		rating += matchedLocal
	}
	if q.Addr.IsValid() && (r.Addr.IsValid() || r.Net.IsValid()) {
		c := r.closeness(q.Addr.Unmap())
		if c == 0 {
			return 0
		}
		rating += matchedAddress + c
	}
	if q.Mode != 0 {
		if !r.Allows(q.Mode) || q.Accepts != nil && !q.Accepts(r) {
			return 0
		}
		rating += matchedExchange
	}
	if q.Peer != nil && r.VerifyIdentifier {
		if !r.Identifies(*q.Peer) {
			return 0
		}
		rating += matchedIdentity
	}
	if q.Certifies != nil {
		if !q.Certifies(r) {
			return 0
		}
		rating += matchedRequest
	}
	return rating
}

// closeness is 0 where the section's address is another one. A literal address is
// closer than a network and a longer network than a shorter (section 9.2).
func (r *Remote) closeness(addr netip.Addr) Rating {
	switch {
	case r.Addr.IsValid():
		if r.Addr.Unmap() == addr {
			return literalCloseness
		}
	case r.Net.Contains(addr.WithZone("")):
		return (1 + Rating(r.Net.Bits())) << 1
	}
	return 0
}

// rated is a section and what it is worth.
type rated struct {
	*Remote
	rating Rating
}

// rate lists the sections that fit, best first; equal ones stay in their order.
func (q Query) rate(remotes []*Remote) []rated {
	fit := make([]rated, 0, len(remotes))
	for _, r := range remotes {
		if n := q.Rate(r); n > 0 {
			fit = append(fit, rated{r, n})
		}
	}
	slices.SortStableFunc(fit, func(a, b rated) int { return cmp.Compare(b.rating, a.rating) })
	return fit
}

// Candidates are the sections that fit, best first: what a responder's first
// message leaves open. Where all fit and are in order, it is the list itself: many
// strangers with many sections without an address share one.
func (q Query) Candidates(remotes []*Remote) []*Remote {
	if slices.IsSortedFunc(remotes, func(a, b *Remote) int { return cmp.Compare(q.Rate(b), q.Rate(a)) }) &&
		(len(remotes) == 0 || q.Rate(remotes[len(remotes)-1]) > 0) {
		return slices.Clip(remotes)
	}
	fit := q.rate(remotes)
	all := make([]*Remote, len(fit))
	for i, r := range fit {
		all[i] = r.Remote
	}
	return all
}

// Choose returns the one section that fits best. The error is ErrNoRemote if none
// fits, and an *AmbiguousError if several do equally well: the first never wins.
func (q Query) Choose(remotes []*Remote) (*Remote, error) {
	fit := q.rate(remotes)
	if len(fit) == 0 {
		return nil, ErrNoRemote
	}
	equal := fit
	if i := slices.IndexFunc(fit, func(r rated) bool { return r.rating < fit[0].rating }); i > 0 {
		equal = fit[:i]
	}
	if len(equal) == 1 {
		return fit[0].Remote, nil
	}
	e := &AmbiguousError{}
	for _, r := range equal {
		e.Remotes = append(e.Remotes, r.Remote)
	}
	return nil, e
}

// ErrNoRemote says that no section fits.
var ErrNoRemote = errors.New("no remote section fits")

// AmbiguousError says that several sections fit equally well. They are in the order
// of the file.
type AmbiguousError struct{ Remotes []*Remote }

func (e *AmbiguousError) Error() string {
	const most = 4
	names := make([]string, 0, most+1)
	for _, r := range e.Remotes[:min(most, len(e.Remotes))] {
		name := fmt.Sprintf("%q", r.Name)
		if r.Where.Line != 0 {
			name += fmt.Sprintf(" of line %d", r.Where.Line)
		}
		names = append(names, name)
	}
	if more := len(e.Remotes) - most; more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return fmt.Sprintf("%d remote sections fit equally well: %s", len(e.Remotes), strings.Join(names, ", "))
}
