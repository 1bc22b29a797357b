package engine

import (
	"net/netip"
	"slices"
	"sync"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/isakmp"
)

// cookieKey is how a message finds its actor. Until an initiator knows CKY-R, r is
// zero; the first message of a stranger, and its repetitions, are also told
// apart by where they come from.
type cookieKey struct {
	i, r isakmp.Cookie
	from netip.AddrPort
}

// sa is one of our SAs.
type sa struct {
	owner *actor
	where
	state saState
}

type saState uint8

const (
	reserved   saState = iota // an SPI
	installing                // the kernel is being asked
	settled                   // the kernel has said that it is there
)

// registry says which actor is meant. Its mutex is the only one that protects more
// than one actor; nobody is called while it is held, except that mail is posted.
// Lock order: registry.mu, then actor.mu.
type registry struct {
	mu      sync.Mutex
	all     map[*actor]struct{}
	cookies map[cookieKey]*actor
	peers   map[ike.PeerKey]*actor
	places  map[ike.PeerKey]*actor // the last peer found at an address, whoever it is
	sas     map[ike.SAKey]sa
	natted  map[netip.Addr]map[*actor]struct{} // by address, peers that have been found behind a NAT
	half    halfOpen
	empty   chan struct{} // non-nil: closed when the last actor has ended
}

func newRegistry(l Limits) *registry {
	return &registry{all: map[*actor]struct{}{}, cookies: map[cookieKey]*actor{}, peers: map[ike.PeerKey]*actor{}, places: map[ike.PeerKey]*actor{},
		sas: map[ike.SAKey]sa{}, natted: map[netip.Addr]map[*actor]struct{}{}, half: halfOpen{max: l.HalfOpen, reserve: l.Reserve, perSource: l.perSource()}}
}

// find returns the actor a message with these cookies is for, or nil.
func (r *registry) find(i, rr isakmp.Cookie, from netip.AddrPort) *actor {
	r.mu.Lock()
	defer r.mu.Unlock()
	if rr.IsZero() {
		if a := r.cookies[cookieKey{i: i, from: from}]; a != nil {
			return a
		}
	} else if a := r.cookies[cookieKey{i: i, r: rr}]; a != nil {
		r.half.prove(a)
		return a
	}
	return r.cookies[cookieKey{i: i}] // the first answer to an exchange of ours
}

// admit enters a stranger under the cookie of its first message, and returns the
// stranger that has to make room for it, if any; false means there is no room.
func (r *registry) admit(a *actor, i isakmp.Cookie, literal bool) (evicted *actor, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if evicted, ok = r.half.admit(a, literal); ok {
		r.all[a] = struct{}{}
		r.name(a, cookieKey{i: i, from: a.path.Remote})
	}
	return evicted, ok
}

// peer returns the peer's actor; fresh becomes it if there is none. With fresh nil
// it only looks. A key without an identity means whoever is at the address.
func (r *registry) peer(key ike.PeerKey, fresh *actor) *actor {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.peerLocked(key, fresh)
}

func (r *registry) peerLocked(key ike.PeerKey, fresh *actor) *actor {
	if a := r.peers[key]; a != nil {
		return a
	}
	if a := r.places[place(key)]; key.ID == "" && a != nil {
		return a
	}
	if fresh == nil {
		return nil
	}
	r.peers[key] = fresh
	if key.ID != "" {
		r.places[place(key)] = fresh
	}
	r.all[fresh] = struct{}{}
	return fresh
}

// place is the key of whoever is where the peer is. Its port is not: who wants to
// speak to an address does not know what a NAT has made of it.
func place(key ike.PeerKey) ike.PeerKey {
	key.ID, key.User, key.Addr = "", "", netip.AddrPortFrom(key.Addr.Addr(), 0)
	return key
}

// adopt ends a stranger, or one that was only an address to us, and gives what it has
// to the peer it turned out to be, in one critical section: whoever looks a cookie up or posts sees the one or the
// other. It returns nil if the peer has no actor and fresh is nil, and how many
// datagrams did not fit into the peer's mailbox.
func (r *registry) adopt(s *actor, key ike.PeerKey, sa *ike.ISAKMPSA, fresh *actor) (peer *actor, lost int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if peer = r.peerLocked(key, fresh); peer == nil {
		return nil, 0
	}
	for _, c := range s.cookies {
		r.cookies[c] = peer
	}
	peer.cookies = append(peer.cookies, s.cookies...)
	for _, k := range s.sas { // restored ones
		known := r.sas[k]
		known.owner = peer
		r.sas[k] = known
	}
	peer.sas = append(peer.sas, s.sas...)
	s.cookies, s.sas = nil, nil
	r.half.remove(s)

	s.mu.Lock()
	s.ended = true
	rest := s.box
	s.box = nil
	s.mu.Unlock()
	r.drop(s)

	peer.mu.Lock()
	defer peer.mu.Unlock()
	peer.postLocked(mail{ev: ike.Adopt{SA: sa}})
	for _, m := range rest {
		switch m.ev.(type) {
		case ike.Datagram:
			if peer.postLocked(m) != delivered {
				lost++
			}
		case ike.Acquire, ike.Establish, ike.Delete, ike.KeepUp, ike.Restore, ike.Expire, ike.KernelLost:
			peer.postLocked(m)
		case nil:
			peer.postLocked(mail{ask: func(machine) { m.ask(nil) }}) // the stranger is no more
		}
	}
	return peer, lost
}

// retire ends an actor whose machine is done, unless mail has come meanwhile.
func (r *registry) retire(a *actor) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended {
		return true
	}
	if len(a.box) > 0 {
		return false
	}
	a.ended = true
	a.box = nil
	r.drop(a)
	return true
}

// drop removes all that leads to an actor.
func (r *registry) drop(a *actor) {
	for _, k := range a.cookies {
		if r.cookies[k] == a {
			delete(r.cookies, k)
		}
	}
	for _, k := range a.sas {
		delete(r.sas, k)
	}
	r.unkey(a)
	r.unplace(a)
	r.half.remove(a)
	delete(r.all, a)
	a.cookies, a.sas = nil, nil
	if r.empty != nil && len(r.all) == 0 {
		close(r.empty)
		r.empty = nil
	}
}

// unkey removes the names of a peer.
func (r *registry) unkey(a *actor) {
	if r.peers[a.key] == a {
		delete(r.peers, a.key)
	}
	if k := place(a.key); r.places[k] == a {
		delete(r.places, k)
	}
}

// drained returns a channel that is closed once no actor is left.
func (r *registry) drained() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := make(chan struct{})
	if len(r.all) == 0 {
		close(c)
	} else {
		r.empty = c
	}
	return c
}

// snapshot lists the actors of the moment.
func (r *registry) snapshot() []*actor {
	r.mu.Lock()
	defer r.mu.Unlock()
	as := make([]*actor, 0, len(r.all))
	for a := range r.all {
		as = append(as, a)
	}
	return as
}

// learn makes answers to a phase 1 message find the actor that sent it. It
// reports false if the cookies are another's.
func (r *registry) learn(a *actor, i, rr isakmp.Cookie) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := cookieKey{i: i, r: rr}
	if a.ended { // it was handed over; its cookies are the peer's
		return true
	}
	if there := r.cookies[k]; there != nil {
		return there == a
	}
	r.name(a, k)
	if !rr.IsZero() {
		r.unname(a, cookieKey{i: i}) // the exchange has its second cookie
	}
	return true
}

// forget removes the cookies of an ISAKMP SA that has ended.
func (r *registry) forget(a *actor, i, rr isakmp.Cookie) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range slices.Clone(a.cookies) {
		if k.i == i && (k.r == rr || k.r.IsZero()) {
			r.unname(a, k)
		}
	}
}

func (r *registry) name(a *actor, k cookieKey) {
	r.cookies[k] = a
	a.cookies = append(a.cookies, k)
}

func (r *registry) unname(a *actor, k cookieKey) {
	if at := slices.Index(a.cookies, k); at >= 0 {
		a.cookies = slices.Delete(a.cookies, at, at+1)
		delete(r.cookies, k)
	}
}

// own enters SAs before they are made, so that an event may precede the answer.
func (r *registry) own(a *actor, sas []ledgerKey, state saState) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a.ended {
		return
	}
	for _, k := range sas {
		old, ok := r.sas[k.SAKey]
		if ok && old.owner != a {
			old.owner.disown(k.SAKey)
		}
		if !ok || old.owner != a {
			a.sas = append(a.sas, k.SAKey)
		}
		r.sas[k.SAKey] = sa{a, k.where, state}
	}
}

// settle notes that the kernel has the SAs.
func (r *registry) settle(sas []ledgerKey) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range sas {
		if s, ok := r.sas[k.SAKey]; ok {
			s.state = settled
			r.sas[k.SAKey] = s
		}
	}
}

// disown removes an SA and returns what was known of it.
func (r *registry) disown(k ike.SAKey) (sa, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, ok := r.sas[k]
	if ok {
		delete(r.sas, k)
		s.owner.disown(k)
	}
	return s, ok
}

func (a *actor) disown(k ike.SAKey) {
	a.sas = slices.DeleteFunc(a.sas, func(x ike.SAKey) bool { return x == k })
}

// owner returns who made the SA.
func (r *registry) owner(k ike.SAKey) (sa, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, ok := r.sas[k]
	return s, ok
}

// settledSAs lists the SAs the kernel is known to have had.
func (r *registry) settledSAs() map[ike.SAKey]*actor {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make(map[ike.SAKey]*actor, len(r.sas))
	for k, s := range r.sas {
		if s.state == settled {
			all[k] = s.owner
		}
	}
	return all
}

// withSPI lists the actors that have an SA with the SPI.
func (r *registry) withSPI(spi uint32) (as []*actor) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for k, s := range r.sas {
		if k.SPI == spi && !slices.Contains(as, s.owner) {
			as = append(as, s.owner)
		}
	}
	return as
}
