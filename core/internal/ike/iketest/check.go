package iketest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
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
			_, ours := h.Kernel.ours[key]
			if !known[key] && (ours || !sa.Larval) { // an SPI whose number was lost dies by itself
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
		name := q.Selector.String() + protoName(q.Proto) // each SA of a bundle
		if pairs[name]++; pairs[name] > 2 {
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

// Unsettled lists what is under way, and says of each how: a machine that negotiates
// or waits for an answer, and a link of which one end has an SA that the other has not,
// or not with the same keys. Each will be settled at some moment; with many hosts
// there may be none at which all are.
func (w *World) Unsettled() map[string]string {
	open := map[string]string{}
	for _, h := range w.Hosts {
		for _, m := range h.Machines {
			if st := m.Status(w.Now()); len(st.Exchanges) > 0 || st.Queued > 0 || m.Calls > 0 {
				open[fmt.Sprintf("%s with %v", h.Name, m.Key)] = fmt.Sprintf("busy: %+v, %d queued, %d calls out", st.Exchanges, st.Queued, m.Calls)
			}
		}
	}
	links := w.links()
	for name, e := range w.bothEnds() {
		if why := e.differ(); why != "" {
			sa := fmt.Sprintf("%s 0x%08x", protoName(name.proto), name.spi)
			link, ok := links[name]
			if !ok {
				link = sa
			}
			open[link] = "the SA " + sa + ": " + why
		}
	}
	return open
}

// CheckSymmetry breaks the world unless both ends of every SA have it, with the
// same keys.
func (w *World) CheckSymmetry() {
	for name, e := range w.bothEnds() {
		if why := e.differ(); why != "" {
			w.Break("the SA %s 0x%08x: %s", protoName(name.proto), name.spi, why)
		}
	}
}

// OneSided lists the SAs younger than a moment that only one end has, or that differ.
func (w *World) OneSided(since time.Duration) (names []string) {
	for name, e := range w.bothEnds() {
		if e.differ() != "" && e.born() >= since {
			names = append(names, fmt.Sprintf("%s 0x%08x", protoName(name.proto), name.spi))
		}
	}
	return names
}

// saName is unique in a world: no two hosts hand out the same SPIs.
type saName struct {
	proto uint8
	spi   uint32
}

// saEnds are the receiver's and the sender's view of an SA.
type saEnds struct{ in, out *SA }

// born is when the first end had it.
func (e saEnds) born() time.Duration {
	switch {
	case e.in == nil:
		return e.out.Born
	case e.out == nil:
		return e.in.Born
	}
	return min(e.in.Born, e.out.Born)
}

func (e saEnds) differ() string {
	switch in, out := e.in, e.out; {
	case in == nil || out == nil || in.Larval:
		return "only one end has it"
	case !bytes.Equal(in.Encr, out.Encr) || !bytes.Equal(in.AuthKey, out.AuthKey) || in.KernelSA.Encr != out.KernelSA.Encr ||
		in.Auth != out.Auth || in.ESN != out.ESN || in.Mode != out.Mode || in.Hard != out.Hard && in.Hard == 0:
		return "its ends differ"
	}
	return ""
}

func (w *World) bothEnds() map[saName]saEnds {
	all := map[saName]saEnds{}
	for _, h := range w.Hosts {
		for key, sa := range h.Kernel.SAs {
			name := saName{key.Proto, key.SPI}
			e := all[name]
			if sa.Dir == spd.In {
				e.in = sa
			} else {
				e.out = sa
			}
			all[name] = e
		}
	}
	return all
}

// links says of each SA that a machine knows whose traffic it protects.
func (w *World) links() map[saName]string {
	of := map[saName]string{}
	for _, h := range w.Hosts {
		for _, m := range h.Machines {
			for _, q := range m.Status(w.Now()).IPsec {
				nets := []string{q.Selector.Local.String(), q.Selector.Remote.String()}
				slices.Sort(nets)
				link := strings.Join(nets, " and ")
				of[saName{q.Proto, q.SPIIn}], of[saName{q.Proto, q.SPIOut}] = link, link
			}
		}
	}
	return of
}

// CheckClean breaks the world if a host that was shut down, and has not been asked
// for anything since, holds an SA.
func (h *Host) CheckClean() {
	if len(h.Machines) > 0 || h.Kernel.Down {
		return
	}
	for key, sa := range h.Kernel.SAs {
		if _, ours := h.Kernel.ours[key]; ours || !sa.Larval {
			h.w.Break("%s: shut down, and the kernel still has %s", h.Name, h.Kernel.Name(key))
		}
	}
}
