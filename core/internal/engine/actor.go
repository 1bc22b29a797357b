package engine

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
)

// maxDatagrams bounds what a peer can make us keep: it will retransmit the rest.
const maxDatagrams = 32

// mail is what a mailbox holds: an event for the machine, or a question to it that
// only its own goroutine may put. The question is put to nil if the machine has ended.
type mail struct {
	ev  ike.Event
	ask func(machine)
}

// delivery is what became of mail.
type delivery uint8

const (
	delivered delivery = iota
	full               // a datagram too many
	gone               // the actor has ended: look the peer up again
)

// An actor runs one machine from a mailbox. Whoever posts to an idle actor starts
// it: a peer with nothing to do costs no goroutine, and no two goroutines are ever
// inside one machine.
type actor struct {
	shell    shell
	key      ike.PeerKey // zero for a stranger
	path     ike.Path    // at birth
	stranger bool

	section   atomic.Pointer[policy.Remote] // its machine's, nil once it has none; not of a stranger
	ambiguous bool                          // an operator named it
	cutSaid   atomic.Bool                   // that the back end cuts its ICVs otherwise than the standard

	mu        sync.Mutex
	box       []mail
	datagrams int  // of them in box
	busy      bool // a goroutine drains the box
	ended     bool // also guarded by registry.mu: it changes under both

	// Of the draining goroutine.
	machine machine
	timer   *time.Timer
	due     time.Time // what timer is set to
	said    cookieKey // the cookies last learned, to save the registry's lock

	// Guarded by registry.mu.
	cookies  []cookieKey
	sas      []ike.SAKey
	half     halfOpenPlace
	at       netip.Addr // where its peer was last found, if there is a NAT in between
	policies []spd.Key  // it has wanted SAs for, then
}

// shell is what an actor needs of the engine.
type shell interface {
	run(func()) // in a goroutine, without waiting
	send(*actor, ike.Send)
	keepalive(ike.Path)
	moved(*actor, ike.Path)
	call(*actor, ike.Call)
	noticed(*actor, ike.Notice)
	forget(*actor, ike.Forget)
	handover(*actor, ike.Handover)
	retire(*actor) bool
}

// trusted reports whether the work is for a peer that has authenticated, or that
// we ourselves want to speak to.
func (a *actor) trusted() bool { return !a.stranger }

// post puts mail into the box. It never blocks. Only datagrams are ever refused.
func (a *actor) post(m mail) delivery {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.postLocked(m)
}

func (a *actor) postLocked(m mail) delivery {
	if a.ended {
		return gone
	}
	if _, ok := m.ev.(ike.Datagram); ok {
		if a.datagrams >= maxDatagrams {
			return full
		}
		a.datagrams++
	}
	a.box = append(a.box, m)
	if !a.busy {
		a.busy = true
		a.shell.run(a.drain)
	}
	return delivered
}

// next takes the oldest mail.
func (a *actor) next() (mail, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended || len(a.box) == 0 {
		return mail{}, false
	}
	m := a.box[0]
	a.box[0] = mail{}
	a.box = a.box[1:]
	if _, ok := m.ev.(ike.Datagram); ok {
		a.datagrams--
	}
	return m, true
}

// rest gives the goroutine up unless mail has come meanwhile.
func (a *actor) rest() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.box) > 0 && !a.ended {
		return false
	}
	a.busy = false
	a.box = nil // an idle peer keeps no array
	return true
}

func (a *actor) drain() {
	for {
		if m, ok := a.next(); ok {
			a.step(m)
			continue
		}
		if a.machine.Done() && a.shell.retire(a) {
			a.arm(time.Time{})
			return
		}
		a.arm(a.machine.Deadline())
		if a.rest() {
			return
		}
	}
}

func (a *actor) step(m mail) {
	if m.ask != nil {
		m.ask(a.machine)
		return
	}
	if _, ok := m.ev.(ike.Wake); ok {
		a.due = time.Time{}
	}
	for _, act := range a.machine.Step(time.Now(), m.ev) {
		switch act := act.(type) {
		case ike.Send:
			a.shell.send(a, act)
		case ike.Keepalive:
			a.shell.keepalive(act.Path)
		case ike.Moved:
			a.shell.moved(a, act.Path)
		case ike.Call:
			a.shell.call(a, act)
		case ike.Notice:
			a.shell.noticed(a, act)
		case ike.Forget:
			a.shell.forget(a, act)
		case ike.Handover:
			a.shell.handover(a, act)
		}
	}
}

// soonest is the least a timer waits: a machine that does not move its deadline
// costs a little, not a processor.
const soonest = time.Millisecond

// arm sets the one timer. It may fire once more than it should: a Wake that comes
// early is no harm.
func (a *actor) arm(at time.Time) {
	wait := max(time.Until(at), soonest)
	switch {
	case at.Equal(a.due):
	case at.IsZero():
		a.timer.Stop()
	case a.timer == nil:
		a.timer = time.AfterFunc(wait, func() { a.post(mail{ev: ike.Wake{}}) })
	default:
		a.timer.Reset(wait)
	}
	a.due = at
}
