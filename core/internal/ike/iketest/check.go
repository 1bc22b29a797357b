package iketest

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/spd"
)

// CheckEmpty breaks the world unless nothing is left on any host.
func (w *World) CheckEmpty() {
	for _, h := range w.Hosts {
		for _, key := range h.Kernel.Keys() {
			w.Break("%s: the kernel still has %s", h.Name, h.Kernel.Name(key))
		}
		for sel := range h.Kernel.Generated {
			w.Break("%s: there is still a policy generated for %v", h.Name, sel)
		}
		for _, m := range h.Machines {
			w.Break("%s: a machine for %v is left: %+v, %d calls out", h.Name, m.Key.Block, m.Status(w.Now()), m.Calls)
		}
		if n := len(h.byCookies); n != 0 {
			for c, m := range h.byCookies {
				if m != nil {
					w.Break("%s: cookies %v:%v still lead to a machine", h.Name, c.i, c.r)
				}
			}
		}
	}
}

// Quiet reports whether nothing is going on: no negotiation, no Call, no datagram,
// no outbound SA still to come, no replaced pair still to go.
func (w *World) Quiet() bool {
	if w.Net.InFlight > 0 {
		return false
	}
	for _, h := range w.Hosts {
		for _, m := range h.Machines {
			st := m.Status(w.Now())
			if len(st.Exchanges) > 0 || st.Queued > 0 || m.Calls > 0 {
				return false
			}
			for _, q := range st.IPsec {
				if !q.Outbound || q.Replaced {
					return false
				}
			}
		}
	}
	return true
}

// CheckQuiet breaks the world if a machine is still negotiating, or has a Call out.
func (w *World) CheckQuiet() {
	for _, h := range w.Hosts {
		for _, m := range h.Machines {
			st := m.Status(w.Now())
			if len(st.Exchanges) > 0 || st.Queued > 0 || m.Calls > 0 {
				w.Break("%s: still busy with %s: %+v, %d queued, %d calls out", h.Name, m.Key.Block, st.Exchanges, st.Queued, m.Calls)
			}
		}
	}
}

// CheckKernel breaks the world unless every idle host's kernel has exactly the SAs
// its machines know.
func (w *World) CheckKernel() {
hosts:
	for _, h := range w.Hosts {
		known := map[ike.SAKey]bool{}
		for _, m := range h.Machines {
			st := m.Status(w.Now())
			if m.Calls > 0 || len(st.Exchanges) > 0 || h.Kernel.Down {
				continue hosts // SAs are being made or removed
			}
			for _, q := range st.IPsec {
				known[ike.SAKey{Dst: q.Local, Proto: q.Proto, SPI: q.SPIIn}] = true
				if q.Outbound {
					known[ike.SAKey{Dst: q.Remote, Proto: q.Proto, SPI: q.SPIOut}] = true
				}
			}
		}
		for sel, g := range h.Kernel.Generated {
			used := g.owner != nil && slices.ContainsFunc(g.owner.Status(w.Now()).IPsec, func(q ike.IPsecStatus) bool { return q.Selector == sel })
			if !used {
				w.Break("%s: the policy generated for %v has outlived its SAs", h.Name, sel)
			}
		}
		for key := range known {
			if sa := h.Kernel.SAs[key]; sa == nil || sa.Larval {
				w.Break("%s: the machine knows %s, the kernel does not", h.Name, h.Kernel.Name(key))
			}
		}
		for key, sa := range h.Kernel.SAs {
			if !known[key] && !(sa.Larval && h.Kernel.ours[key] == nil) { // an SPI whose number was lost dies by itself
				w.Break("%s: the kernel has %s (larval %v), no machine knows it", h.Name, h.Kernel.Name(key), sa.Larval)
			}
		}
	}
}

// CheckLimits breaks the world if a machine has more than two IPsec SA pairs for a
// selector, more than two ISAKMP SAs, or an exchange that has outlived its time.
func (w *World) CheckLimits(m *Machine) {
	st := m.Status(w.Now())
	if len(st.ISAKMP) > 2 {
		w.Break("%s: %d ISAKMP SAs with %s", m.Host.Name, len(st.ISAKMP), m.Key.Block)
	}
	pairs := map[string]int{}
	for _, q := range st.IPsec {
		key := fmt.Sprint(q.Selector, q.Proto) // a bundle has one of each protocol
		if pairs[key]++; pairs[key] > 2 {
			w.Break("%s: more than two pairs for %v", m.Host.Name, q.Selector)
		}
	}
	t := m.Host.Config.Timer
	for _, x := range st.Exchanges {
		if age := w.Now().Sub(x.Since); age > 3*time.Duration(t.Counter)*t.Interval+time.Second {
			w.Break("%s: %v has been going on for %v", m.Host.Name, x.Exchange, age)
		}
	}
}

// CheckSymmetry breaks the world unless both ends of every SA have it, with the
// same keys.
func (w *World) CheckSymmetry() {
	for _, h := range w.Hosts {
		for _, key := range h.Kernel.Keys() {
			sa := h.Kernel.SAs[key]
			end := sa.Dst
			if sa.Dir == spd.In {
				end = sa.Src
			}
			peer := w.byAddr[end]
			other := peer.Kernel.SAs[key]
			switch {
			case sa.Larval:
				w.Break("%s: %s is larval", h.Name, h.Kernel.Name(key))
			case other == nil || other.Larval:
				w.Break("%s has %s, %s has not", h.Name, h.Kernel.Name(key), peer.Name)
			case !bytes.Equal(sa.Encr, other.Encr) || !bytes.Equal(sa.AuthKey, other.AuthKey) || sa.KernelSA.Encr != other.KernelSA.Encr ||
				sa.Auth != other.Auth || sa.Mode != other.Mode || sa.Hard != other.Hard && sa.Hard == 0:
				w.Break("%s and %s differ about %s", h.Name, peer.Name, h.Kernel.Name(key))
			}
		}
	}
}

// CheckCarries breaks the world unless what h sends to another host now would be
// understood there.
func (w *World) CheckCarries(h *Host, to netip.Addr) {
	out := h.Kernel.Outbound(to)
	if out == nil {
		w.Break("%s has no SA to send to %v with", h.Name, to)
		return
	}
	key := out.Key()
	in := w.byAddr[to].Kernel.SAs[key]
	switch {
	case in == nil || in.Larval:
		w.Break("%s sends with %s, which is not installed there", h.Name, h.Kernel.Name(key))
	case !bytes.Equal(in.Encr, out.Encr) || !bytes.Equal(in.AuthKey, out.AuthKey):
		w.Break("%s and its peer have different keys for %s", h.Name, h.Kernel.Name(key))
	}
}

// CheckClean breaks the world if a host that was shut down, and has not been asked
// for anything since, holds an SA.
func (h *Host) CheckClean() {
	if len(h.Machines) > 0 || h.Kernel.Down {
		return
	}
	for key, sa := range h.Kernel.SAs {
		if h.Kernel.ours[key] != nil || !sa.Larval {
			h.w.Break("%s: shut down, and the kernel still has %s", h.Name, h.Kernel.Name(key))
		}
	}
}
