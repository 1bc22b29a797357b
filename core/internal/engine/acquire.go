package engine

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/notice"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// refusal is why something cannot be negotiated.
type refusal struct {
	reason notice.Reason
	detail string
}

func (r *refusal) Error() string { return r.reason.String() + ": " + r.detail }

// Unwrap is the refusal in the SDK's words, which a control client can branch on.
func (r *refusal) Unwrap() error {
	reason, ok := refusalReasons[r.reason]
	if !ok {
		reason = errs.Internal
	}
	return errs.Errorf(reason, "%s", r.Error())
}

var refusalReasons = map[notice.Reason]errs.Reason{
	notice.NoPolicy: errs.NotFound, notice.NoRemote: errs.NotFound, notice.NoSAInfo: errs.NotFound, notice.NoKey: errs.NotFound,
	notice.AmbiguousRemote: errs.Invalid, notice.WrongAddress: errs.Invalid, notice.SendFailed: errs.Unavailable, notice.TimedOut: errs.Unavailable,
	notice.PluginUnavailable: errs.Unavailable, notice.ShuttingDown: errs.Unavailable, notice.Unsupported: errs.Unsupported,
	notice.PeerRefused: errs.Permission, notice.NoProposal: errs.Invalid,
}

// together is several errors as one; the first one's reason counts.
func together(all []error) error {
	all = slices.DeleteFunc(all, func(err error) bool { return err == nil })
	if len(all) < 2 {
		return errors.Join(all...)
	}
	texts := make([]string, len(all))
	for i, err := range all {
		texts[i] = errs.From(err).Msg
	}
	return errs.Errorf(errs.From(all[0]).Reason, "%s", strings.Join(texts, "; "))
}

func refuse(r notice.Reason, format string, args ...any) error {
	return &refusal{r, fmt.Sprintf(format, args...)}
}

// destination is where a wish for SAs goes.
type destination struct {
	remote    *policy.Remote
	path      ike.Path
	src, dst  netip.Addr // end points of the SAs
	ambiguous bool       // it was named, the address would not have decided
}

// acquire is the way of the kernel's request: policy, end points, remote section,
// PeerKey, machine.
func (e *Engine) acquire(ev kernel.Event) {
	out, d, err := e.routeAcquire(ev)
	if err != nil {
		n := notice.Notice{Event: notice.NoAcquire, Reason: notice.Internal, Peer: netip.AddrPortFrom(ev.Key.Dst, 0), Detail: err.Error()}
		if r, ok := err.(*refusal); ok {
			n.Reason, n.Detail = r.reason, r.detail
		}
		e.notify(n)
		e.run(func() { e.answerAcquire(ev.AcquireSeq, true) })
		return
	}
	if !e.acquires.begin(acquireKey{out.Key, d.src, d.dst}, ev.AcquireSeq, time.Now()) {
		return // the answer to the first serves this one too
	}
	e.spdMu.RLock()
	pair := e.pairOf(out)
	e.spdMu.RUnlock()
	e.tell(d, ike.Acquire{Seq: ev.AcquireSeq, Pair: pair, Src: d.src, Dst: d.dst})
}

func (e *Engine) routeAcquire(ev kernel.Event) (spd.Policy, destination, error) {
	if e.closing.Load() {
		return spd.Policy{}, destination{}, refuse(notice.ShuttingDown, "the daemon is ending")
	}
	out, ok := e.acquiredPolicy(ev)
	if !ok {
		return out, destination{}, refuse(notice.NoPolicy, "the policy it belongs to is not known")
	}
	if out.Action != spd.IPsec {
		return out, destination{}, refuse(notice.NoPolicy, "the policy %v does not ask for IPsec", out.Key)
	}
	src, dst := ev.Key.Src.Unmap(), ev.Key.Dst.Unmap()
	if s, t, ok := out.EndPoints(); ok {
		if dst = t; !unspecified(s) {
			src = s
		}
	} else if ev.Sel != nil && unspecified(dst) {
		src, dst = ev.Sel.Src.Addr(), ev.Sel.Dst.Addr()
	}
	d, err := e.destination(src, dst, "")
	return out, d, err
}

// acquiredPolicy finds the policy an acquire is about in our copy; if the event was
// faster than the one that would have brought it there, the event says enough.
func (e *Engine) acquiredPolicy(ev kernel.Event) (p spd.Policy, ok bool) {
	e.spdMu.RLock()
	defer e.spdMu.RUnlock()
	if ev.Policy != nil {
		if p, ok = e.spd.Get(spdKey(ev.Policy.Key)); !ok {
			p, ok = e.spd.GetIndex(ev.Policy.Key.ID)
		}
	}
	if !ok && ev.Key.Policy != nil {
		if p, ok = e.spd.Get(spdKey(*ev.Key.Policy)); !ok {
			p, ok = e.spd.GetIndex(ev.Key.Policy.ID)
		}
	}
	if !ok && ev.Sel != nil {
		p, ok = e.spd.Asking(packetSelector(ev.Sel), spdMark(ev.Key.Mark), ev.Key.IfID)
	}
	if !ok && ev.Policy != nil && ev.Policy.Key.Sel.Src.IsValid() {
		if p, ok = spdPolicy(ev.Policy), true; len(p.Templates) == 0 {
			p.Templates = spdTemplates(ev.Templates)
		}
	}
	return p, ok
}

// remoteFor finds the remote section for a peer, and whether it had to be named. src
// is our address where that is settled.
func (e *Engine) remoteFor(src, dst netip.Addr, section string) (remote *policy.Remote, ambiguous bool, err error) {
	if unspecified(dst) || dst.IsMulticast() {
		return nil, false, refuse(notice.NoRemote, "the peer's address is not known")
	}
	sections := e.config.Load().sections
	q := policy.Query{Addr: dst, Initiating: true}
	if !unspecified(src) {
		q.Local = src
	}
	remote, err = sections.Choose(q)
	ambiguous = errors.As(err, new(*policy.AmbiguousError))
	if section != "" {
		q.Section = section
		remote, err = sections.Choose(q)
	}
	if errors.Is(err, policy.ErrNoRemote) {
		q.Local = netip.Addr{}
		if others := sections.Candidates(q); len(others) > 0 {
			return nil, false, refuse(notice.WrongAddress, "the SAs for %v are to begin at %v, but remote %q has the local_address %v",
				dst, src, others[0].Name, others[0].LocalAddr)
		}
	}
	switch {
	case errors.Is(err, policy.ErrNoRemote) && section != "":
		return nil, false, refuse(notice.NoRemote, "no remote section for %v that may initiate is called %q", dst, section)
	case errors.Is(err, policy.ErrNoRemote):
		return nil, false, refuse(notice.NoRemote, "no remote section for %v that may initiate", dst)
	case err != nil:
		return nil, false, refuse(notice.AmbiguousRemote, "%v: %v", dst, err)
	}
	return remote, ambiguous, nil
}

// destination finds the remote section for a peer and the address to speak from. A
// section may be asked for by name.
func (e *Engine) destination(src, dst netip.Addr, section string) (destination, error) {
	remote, ambiguous, err := e.remoteFor(src, dst, section)
	if err != nil {
		return destination{}, err
	}
	speak := src
	if remote.LocalAddr.IsValid() { // the same, if src is settled, and it may have a scope
		speak = remote.LocalAddr
	}
	if unspecified(src) {
		src = speak.WithZone("")
	}
	local, ok := e.net.portOf(speak, kernel.SocketIKE)
	switch {
	case !ok && remote.LocalAddr.IsValid():
		return destination{}, refuse(notice.SendFailed, "%v, the local_address of remote %q, is not an address we listen on", speak, remote.Name)
	case !ok:
		return destination{}, refuse(notice.SendFailed, "%v is not an address we listen on", src)
	}
	dst = onLink(dst, local.Addr().Zone())
	if n := len(e.registry.behind(remote, dst)); n > 1 {
		return destination{}, refuse(notice.AmbiguousRemote, "%d peers of remote %q are behind the NAT at %v: only they can begin", n, remote.Name, dst)
	}
	return destination{remote, ike.Path{Local: local, Remote: netip.AddrPortFrom(dst, portOf(remote))}, src, dst, ambiguous}, nil
}

// portOf is where a section has its peer.
func portOf(remote *policy.Remote) uint16 {
	if remote.Port == 0 {
		return 500
	}
	return remote.Port
}

// home is the path to the peer of a section with a literal address, wherever a NAT may
// have it.
func (e *Engine) home(remote *policy.Remote, at ike.Path) ike.Path {
	local, ok := e.net.portOf(at.Local.Addr(), kernel.SocketIKE)
	if !ok || !remote.Literal() {
		return ike.Path{}
	}
	dst := onLink(remote.Addr.Unmap(), at.Remote.Addr().Zone())
	return ike.Path{Local: local, Remote: netip.AddrPortFrom(dst, portOf(remote))}
}

// onLink is a, on the link of that zone if it is one of a link and does not say which.
func onLink(a netip.Addr, zone string) netip.Addr {
	if a.IsLinkLocalUnicast() && a.Zone() == "" {
		return a.WithZone(zone)
	}
	return a
}

// tell gives an event to the machine of a peer, which is made if need be.
func (e *Engine) tell(d destination, ev ike.Event) *actor {
	key := ike.PeerKeyFor(d.remote, d.path.Remote)
	for {
		a := e.registry.peer(key, nil)
		if there := e.registry.behind(d.remote, d.dst); a == nil && len(there) == 1 {
			a = there[0] // it has another port than one that we could begin with
		}
		if a == nil {
			a = e.registry.peer(key, e.newPeer(key, d))
			e.catchUp(a, d.remote)
		}
		if a.post(mail{ev: ev}) == delivered {
			return a
		}
	}
}

// newPeer makes the actor of a peer; it is not entered anywhere yet.
func (e *Engine) newPeer(key ike.PeerKey, d destination) *actor {
	a := &actor{shell: e, key: key, path: d.path, ambiguous: d.ambiguous}
	a.section.Store(d.remote)
	a.machine = e.newMachine(ike.Setup{Config: e.config.Load().machines, Remotes: []*policy.Remote{d.remote}, Path: d.path, Home: e.home(d.remote, d.path), Key: key, Rand: random,
		Cookie: e.secret.maker(time.Now()), NAT: e.natPorts(d.path.Local.Addr()), Ambiguous: d.ambiguous})
	return a
}

// answerAcquire tells the kernel how its request ended, where it wants to know.
func (e *Engine) answerAcquire(seq uint32, failed bool) {
	if seq == 0 || !e.has(kernel.FeatAcquireSeq) {
		return
	}
	r := &kernel.AcquireResult{Seq: seq}
	if failed {
		r.Errno = int(syscall.ENOENT) // what the original says
	}
	ctx, cancel := context.WithTimeout(e.ctx, kernelTimeout)
	defer cancel()
	txn := kernel.Transaction{TxnID: fmt.Sprintf("%s-%d", e.instance, e.txns.Add(1)), Ops: []kernel.Op{{Kind: kernel.AcquireDone, Acquire: r}}}
	_, _ = e.kernel.Apply(ctx, []kernel.Transaction{txn}) // the kernel's own timeout is the fallback
}

// acquires merges repeated requests for one policy: a kernel asks again for every
// packet, or whenever its larval SA has expired. There is at most one entry for
// each policy and pair of end points.
type acquires struct {
	mu      sync.Mutex
	pending map[acquireKey]pendingAcquire
	bySeq   map[uint32]acquireKey
}

type acquireKey struct {
	policy   spd.Key
	src, dst netip.Addr
}

type pendingAcquire struct {
	seq uint32
	at  time.Time
}

// acquireMemory is how long an unanswered request keeps others away. The machine
// has its own, exact rule; this only saves it from a flood.
const acquireMemory = 10 * time.Second

// begin reports whether the request is to be served.
func (q *acquires) begin(k acquireKey, seq uint32, now time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	old, ok := q.pending[k]
	if ok && now.Sub(old.at) < acquireMemory {
		return false
	}
	if q.pending == nil {
		q.pending, q.bySeq = map[acquireKey]pendingAcquire{}, map[uint32]acquireKey{}
	}
	delete(q.bySeq, old.seq)
	q.pending[k], q.bySeq[seq] = pendingAcquire{seq, now}, k
	return true
}

// done ends a request.
func (q *acquires) done(seq uint32) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if k, ok := q.bySeq[seq]; ok {
		delete(q.pending, k)
		delete(q.bySeq, seq)
	}
}
