package iketest

import (
	"net/netip"
	"slices"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/spd"
)

// Acquire is the kernel asking for SAs to another host. It returns the request's
// number, 0 if there is nobody who could be asked.
func (h *Host) Acquire(to *Host) uint32 {
	m, out, far, ok := h.begin(to)
	if !ok {
		return 0
	}
	h.acquires++
	h.Kernel.Acquires[h.acquires] = ""
	h.w.Log.line(h.w, h.Name, "acquire %s", to.Name)
	m.Post(ike.Acquire{Seq: h.acquires, Pair: h.pairOf(out), Src: h.Addr, Dst: far})
	return h.acquires
}

// pairOf completes an outbound policy, as the engine does.
func (h *Host) pairOf(out spd.Policy) spd.Pair {
	pair := h.SPD.PairOf(out)
	pair.Generated = h.Kernel.Generated[pair.Selector()] != nil
	return pair
}

// begin finds what is needed to begin something with another host: where the daemon
// refuses, or is not there, nothing.
func (h *Host) begin(to *Host) (m *Machine, out spd.Policy, far netip.Addr, ok bool) {
	if out, ok = h.Policy(to); !ok || h.Off || h.closing {
		return nil, out, far, false
	}
	m = h.Peer(to)
	far, _ = h.far(to)
	return m, out, far, m != nil
}

// KeepUp is the configuration asking for the SAs with another host, always: after a
// restart too.
func (h *Host) KeepUp(to *Host) {
	if !slices.Contains(h.kept, to) {
		h.kept = append(h.kept, to)
	}
	m, out, far, ok := h.begin(to)
	if pair := h.pairOf(out); ok && !pair.Generated { // those the peer keeps up
		m.Post(ike.KeepUp{SAs: []ike.Wanted{{Pair: pair, Src: h.Addr, Dst: far}}})
	}
}

// Establish is an operator asking for SAs, or for an ISAKMP SA alone.
func (h *Host) Establish(to *Host, isakmpOnly bool) {
	m, out, far, ok := h.begin(to)
	if !ok {
		return
	}
	h.commands++
	ev := ike.Establish{Command: h.commands, HasPair: !isakmpOnly, Src: h.Addr, Dst: far}
	if !isakmpOnly {
		ev.Pair = h.pairOf(out)
	}
	m.Post(ev)
}

// Knows reports whether there is an ISAKMP SA with another host.
func (h *Host) Knows(to *Host) bool {
	m := h.HasPeer(to)
	return m != nil && len(m.Status(h.w.Now()).ISAKMP) > 0
}

// Delete is an operator ending SAs.
func (h *Host) Delete(to *Host, isakmp, ipsec bool) {
	if m := h.HasPeer(to); m != nil {
		h.commands++
		m.Post(ike.Delete{Command: h.commands, All: ipsec, ISAKMP: isakmp})
	}
}

// SoftExpire is the soft lifetime of what h sends with to another host running out,
// unless it is younger than a minute.
func (h *Host) SoftExpire(to *Host) {
	if out := h.Kernel.sends(to); out != nil && h.w.now-out[0].Born > time.Minute {
		h.Kernel.expired(out[0].Key(), false)
	}
}

// Shutdown ends every machine of the host.
func (h *Host) Shutdown() {
	h.w.Log.line(h.w, h.Name, "shutdown")
	for _, m := range append([]*Machine(nil), h.Machines...) {
		m.Post(ike.Shutdown{})
	}
}

// drainTime is how long a daemon that is to end may take to tell everybody.
const drainTime = 5 * time.Second

// Restart ends the daemon in good order, and starts it some time later.
func (h *Host) Restart(pause time.Duration) {
	if h.Off || h.closing {
		return
	}
	h.closing = true
	h.Shutdown()
	h.w.After(drainTime, func() {
		h.closing = false
		h.Stop(pause)
	})
}

// Stop ends the daemon at once, and starts it some time later.
func (h *Host) Stop(pause time.Duration) {
	if h.Off || h.closing {
		return
	}
	h.Crash()
	h.Off = true
	h.w.After(pause, func() {
		h.Off = false
		for _, to := range h.kept {
			h.KeepUp(to)
		}
	})
}

// Crash forgets every machine; the kernel is cleared as at the next start.
func (h *Host) Crash() {
	h.w.Log.line(h.w, h.Name, "crash and restart")
	for _, m := range append([]*Machine(nil), h.Machines...) {
		m.drop()
	}
	h.w.secrets.forget() // those of a dead process are nobody's
	clear(h.Kernel.ours)
	clear(h.Kernel.SAs)
	for _, g := range h.Kernel.Generated {
		for key := range g.Policies {
			h.SPD.Remove(key)
		}
	}
	clear(h.Kernel.Generated)
	h.Kernel.changed()
	h.Kernel.epoch++
	h.Kernel.Down = false
}

// Policy is the outbound policy for another host.
func (h *Host) Policy(to *Host) (spd.Policy, bool) { return h.SPD.Get(h.policies[to]) }
