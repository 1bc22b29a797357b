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
	Due      time.Duration // from when on every packet has to arrive; 0: none has to
	Lost     time.Duration // when the last packet was that did not arrive

	seq   uint32 // of the kernel's last request
	asked time.Duration
	fine  int   // World.changes, when the last packet arrived
	out   []*SA // that it was sent with, and taken with
	in    []*SA
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
	if f.fine != w.changes || f.From.NAT != nil || f.To.NAT != nil {
		f.fine = 0
		f.out, f.in = f.From.Kernel.sends(f.To), f.in[:0]
		if len(f.out) == 0 {
			f.lose(noSA)
			f.ask()
			return
		}
		if why := f.deliver(); why != arrived {
			f.lose(why)
		} else {
			f.fine = w.changes
		}
	}
	for i, sa := range f.out {
		f.From.Kernel.use(sa, packetOctets)
		if i < len(f.in) {
			f.To.Kernel.use(f.in[i], packetOctets)
		}
	}
}

// deliver finds the SAs the packet is taken with.
func (f *Flow) deliver() fate {
	for _, sa := range f.out {
		d := f.From.carry(f.To, sa)
		if d.fate != arrived {
			return d.fate
		}
		f.in = append(f.in, d.in)
		if d.in.Encap != nil && d.src != netip.AddrPortFrom(d.in.Src, d.in.Encap.SrcPort) {
			f.To.Kernel.moved(d.in.Key(), d.src)
		}
	}
	return arrived
}

const packetOctets = 1024

func (f *Flow) lose(why fate) {
	w := f.From.w
	f.Lost = w.now
	if f.due() {
		w.Break("%s sends to %s: %s", f.From.Name, f.To.Name, why)
	}
}

func (f *Flow) due() bool { return f.Due > 0 && f.From.w.now >= f.Due }

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
		if f.due() {
			f.look()
		}
	}
}

// look sees what would become of a packet now.
func (f *Flow) look() {
	out := f.From.Kernel.sends(f.To)
	if len(out) == 0 {
		f.lose(noSA)
	}
	for _, sa := range out {
		if d := f.From.carry(f.To, sa); d.fate != arrived {
			f.lose(d.fate)
		}
	}
}

// CheckCarries breaks the world unless what h sends to another host now would be
// understood there.
func (w *World) CheckCarries(h *Host, to netip.Addr) {
	far, _ := h.reach(netip.AddrPortFrom(h.Addr, 0), netip.AddrPortFrom(to, 0))
	f := Flow{From: h, To: far, Due: w.now}
	f.look()
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
	cut       fate = "the ICVs have another length"
	unwrapped fate = "only one end wraps it in UDP"
)

// delivery is what became of a packet, and if it has arrived, by which SA and from
// where.
type delivery struct {
	fate fate
	in   *SA
	src  netip.AddrPort
}

// carry sends what an SA is for to another host. ESP without UDP has port 0.
func (h *Host) carry(to *Host, out *SA) delivery {
	var sport, dport uint16
	if out.Encap != nil {
		sport, dport = out.Encap.SrcPort, out.Encap.DstPort
	}
	dst := netip.AddrPortFrom(out.Dst, dport)
	src := h.leave(netip.AddrPortFrom(out.Src, sport), dst)
	got, at := h.reach(src, dst)
	switch {
	case got == nil:
		return delivery{fate: nowhere}
	case got != to:
		return delivery{fate: elsewhere}
	}
	in := to.Kernel.SAs[ike.SAKey{Dst: at.Addr(), Proto: out.Proto, SPI: out.SPI}]
	switch {
	case in == nil || in.Larval:
		return delivery{fate: unknown}
	case !bytes.Equal(in.Encr, out.Encr) || !bytes.Equal(in.AuthKey, out.AuthKey):
		return delivery{fate: unlike}
	case in.ICV != out.ICV:
		return delivery{fate: cut}
	case (in.Encap == nil) != (out.Encap == nil):
		return delivery{fate: unwrapped}
	}
	return delivery{arrived, in, src}
}
