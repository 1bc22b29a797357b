package iketest

import (
	"bytes"
	"net/netip"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike"
)

// Flow is what one host sends to another, a packet every second. The kernel asks for
// SAs where it has none.
type Flow struct {
	From, To *Host
	Must     bool          // every packet has to arrive; if not, the world breaks
	Lost     time.Duration // when the last packet was that did not arrive

	seq   uint32 // of the kernel's last request
	asked time.Duration
	fine  int // World.changes, when the last packet arrived
}

// Send lets traffic flow from now on.
func (w *World) Send(flows ...*Flow) {
	if w.flows == nil {
		w.After(time.Second, w.tick)
	}
	w.flows = append(w.flows, flows...)
}

// tick sends a packet in every flow.
func (w *World) tick() {
	for _, f := range w.flows {
		f.packet()
	}
	w.After(time.Second, w.tick)
}

// Silence ends all traffic.
func (w *World) Silence() { w.flows = w.flows[:0] }

func (f *Flow) packet() {
	w := f.From.w
	if f.fine == w.changes && f.From.NAT == nil && f.To.NAT == nil {
		return // as the last one
	}
	fate := f.From.carry(f.To)
	if fate == arrived {
		f.fine = w.changes
		return
	}
	f.lose(fate)
	if fate == noSA {
		f.ask()
	}
}

func (f *Flow) lose(why fate) {
	w := f.From.w
	f.Lost = w.now
	if f.Must {
		w.Break("%s sends to %s: %s", f.From.Name, f.To.Name, why)
	}
}

// ask makes the kernel's request, unless one is out: a failed one keeps others away
// until the larval SA behind it has expired.
func (f *Flow) ask() {
	h := f.From
	if f.seq == 0 || h.w.now-f.asked >= larvalLife || h.Kernel.Acquires[f.seq] == "done" {
		f.seq, f.asked = h.Acquire(f.To), h.w.now
	}
}

// watchFlows looks at what must arrive, whenever a kernel has changed.
func (w *World) watchFlows() {
	if w.seen == w.changes {
		return
	}
	w.seen = w.changes
	for _, f := range w.flows {
		if f.Must {
			if fate := f.From.carry(f.To); fate != arrived {
				f.lose(fate)
			}
		}
	}
}

// fate is what becomes of a packet.
type fate string

const (
	arrived   fate = ""
	noSA      fate = "there is no SA to send with"
	nowhere   fate = "nobody gets the packet"
	elsewhere fate = "somebody else gets the packet"
	unknown   fate = "the SA is not installed there"
	unlike    fate = "the keys differ"
)

// carry sends a packet to another host.
func (h *Host) carry(to *Host) fate {
	out := h.Kernel.sends(to)
	if out == nil {
		return noSA
	}
	src, dst := netip.AddrPortFrom(out.Src, 0), netip.AddrPortFrom(out.Dst, 0)
	src = h.leave(src, dst)
	got, at := h.reach(src, dst)
	switch {
	case got == nil:
		return nowhere
	case got != to:
		return elsewhere
	}
	in := to.Kernel.SAs[ike.SAKey{Dst: at.Addr(), Proto: out.Proto, SPI: out.SPI}]
	switch {
	case in == nil || in.Larval:
		return unknown
	case !bytes.Equal(in.Encr, out.Encr) || !bytes.Equal(in.AuthKey, out.AuthKey):
		return unlike
	}
	return arrived
}
