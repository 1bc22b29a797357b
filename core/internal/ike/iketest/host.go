package iketest

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
)

// Host is one end: what the engine and the plugins are to a machine.
type Host struct {
	Name   string
	Addr   netip.Addr
	Net    netip.Prefix // behind it
	Config *policy.Config
	SPD    spd.DB
	Kernel *Kernel
	PSK    map[netip.Addr][]string // by peer, best first

	AuthDown bool // the auth plugin does not answer
	Machines []*Machine

	// Notices is called with every Notice, if set.
	Notices func(*Machine, ike.Notice)

	w         *World
	rand      func([]byte)
	secret    [8]byte
	byCookies map[cookies]*Machine
	byKey     map[ike.PeerKey]*Machine
	acquires  uint32
	commands  uint64
}

type cookies struct{ i, r isakmp.Cookie }

// Machine is a machine and its place on a host.
type Machine struct {
	*ike.Peer
	Host     *Host
	Key      ike.PeerKey
	Stranger bool
	Handed   bool // to another machine
	Calls    int  // out

	wake    time.Time // a Wake is planned for
	cookies []cookies
	gone    bool
}

// AddHost adds a host: the first is 192.0.2.1 with 10.1.0.0/16 behind it.
func (w *World) AddHost(name string) *Host {
	n := byte(len(w.Hosts) + 1)
	h := &Host{Name: name, Addr: netip.AddrFrom4([4]byte{192, 0, 2, n}),
		Net:    netip.PrefixFrom(netip.AddrFrom4([4]byte{10, n, 0, 0}), 16),
		Config: &policy.Config{Timer: policy.DefaultTimer(), Padding: policy.DefaultPadding()},
		PSK:    map[netip.Addr][]string{}, w: w,
		byCookies: map[cookies]*Machine{}, byKey: map[ike.PeerKey]*Machine{}}
	h.rand = chanceBytes(rand.New(rand.NewPCG(w.rand.Uint64(), uint64(n))))
	h.rand(h.secret[:])
	h.Kernel = newKernel(h)
	w.Hosts = append(w.Hosts, h)
	w.byAddr[h.Addr] = h
	return h
}

// path is the way to another address.
func (h *Host) path(to netip.Addr) ike.Path {
	return ike.Path{Local: netip.AddrPortFrom(h.Addr, 500), Remote: netip.AddrPortFrom(to, 500)}
}

// cookie is CKY-R: a keyed hash of path and CKY-I.
func (h *Host) cookie(p ike.Path, i isakmp.Cookie) isakmp.Cookie {
	s := sha256.Sum256(fmt.Appendf(h.secret[:], "%v%v%x", p.Local, p.Remote, i))
	return isakmp.Cookie(s[:8])
}

func (h *Host) newMachine(remotes []*policy.Remote, path ike.Path, stranger bool) *Machine {
	m := &Machine{Host: h, Stranger: stranger}
	m.Peer = ike.New(ike.Setup{Config: policy.NewCommon(h.Config), Remotes: remotes, Path: path, Rand: h.rand, Cookie: h.cookie, Stranger: stranger,
		NAT: ike.NATPorts{Local: 4500, Remote: 4500}})
	h.Machines = append(h.Machines, m)
	return m
}

// machine is that of a peer, made where there is none.
func (h *Host) machine(key ike.PeerKey, r *policy.Remote, path ike.Path) *Machine {
	m := h.byKey[key]
	if m == nil {
		m = h.newMachine([]*policy.Remote{r}, path, false)
		m.Key = key
		h.byKey[key] = m
	}
	return m
}

// Peer is the machine for another host, made where there is none.
func (h *Host) Peer(to *Host) *Machine {
	r, err := policy.Query{Addr: to.Addr, Local: h.Addr, Initiating: true}.Choose(h.Config.Remotes)
	if err != nil {
		panic("iketest: " + to.Name + ": " + err.Error())
	}
	path := h.path(to.Addr)
	return h.machine(ike.PeerKeyFor(r, path.Remote), r, path)
}

// HasPeer is Peer, or nil where there is no machine.
func (h *Host) HasPeer(to *Host) *Machine {
	for _, r := range (policy.Query{Addr: to.Addr, Local: h.Addr, Initiating: true}).Candidates(h.Config.Remotes) {
		if m := h.byKey[ike.PeerKeyFor(r, h.path(to.Addr).Remote)]; m != nil {
			return m
		}
	}
	return nil
}

// receive routes a datagram by its cookies.
func (h *Host) receive(path ike.Path, data []byte) {
	hd, err := isakmp.ParseHeader(data)
	if err != nil {
		return
	}
	m := h.byCookies[cookies{hd.CkyI, hd.CkyR}]
	if m == nil { // perhaps the first answer to an initiator
		m = h.byCookies[cookies{i: hd.CkyI}]
	}
	if m == nil && hd.CkyR.IsZero() && hd.Exchange == isakmp.IdentityProtection {
		remotes := policy.Query{Addr: path.Remote.Addr(), Local: path.Local.Addr(), Mode: policy.Main}.Candidates(h.Config.Remotes)
		if len(remotes) == 0 {
			h.w.Log.line(h.w, h.Name, "unknown peer %v", path.Remote)
			return
		}
		m = h.newMachine(remotes, path, true)
		m.know(cookies{i: hd.CkyI})
	}
	if m == nil {
		h.w.Log.line(h.w, h.Name, "no machine has the cookies %v:%v", hd.CkyI, hd.CkyR)
		return
	}
	m.Post(ike.Datagram{Path: path, Data: data})
}

func (m *Machine) know(c cookies) {
	if m.Host.byCookies[c] != m {
		m.Host.byCookies[c] = m
		m.cookies = append(m.cookies, c)
	}
}

// Post tells the machine something and performs what it wants done.
func (m *Machine) Post(ev ike.Event) {
	w := m.Host.w
	if m.gone || w.broken != nil {
		return
	}
	for _, act := range m.Step(w.Now(), ev) {
		m.perform(act)
	}
	if _, ok := ev.(ike.Wake); ok {
		if d := m.Deadline(); !d.IsZero() && !d.After(w.Now()) {
			w.Break("%s: the deadline %v is not later than the Wake", m.Host.Name, d.Sub(Epoch))
		}
	}
	if w.OnStep != nil {
		w.OnStep(m)
	}
	if m.Done() {
		m.drop()
		return
	}
	m.plan()
}

// plan makes sure that a Wake comes at the deadline.
func (m *Machine) plan() {
	d := m.Deadline()
	if d.IsZero() || d.Equal(m.wake) {
		m.wake = d
		return
	}
	m.wake = d
	w := m.Host.w
	w.After(max(0, d.Sub(w.Now())), func() {
		if !m.gone && m.wake.Equal(d) {
			m.wake = time.Time{}
			m.Post(ike.Wake{})
		}
	})
}

// drop forgets a machine of which nothing is left.
func (m *Machine) drop() {
	h := m.Host
	m.gone = true
	for _, c := range m.cookies {
		if h.byCookies[c] == m {
			delete(h.byCookies, c)
		}
	}
	if h.byKey[m.Key] == m {
		delete(h.byKey, m.Key)
	}
	for i, o := range h.Machines {
		if o == m {
			h.Machines = append(h.Machines[:i:i], h.Machines[i+1:]...)
			break
		}
	}
}

func (m *Machine) perform(act ike.Action) {
	h := m.Host
	if h.w.OnAction != nil {
		h.w.OnAction(m, act)
	}
	switch act := act.(type) {
	case ike.Send:
		if hd, err := isakmp.ParseHeader(act.Data); err == nil {
			m.know(cookies{hd.CkyI, hd.CkyR})
		}
		h.w.Net.send(act.Path, act.Data)
	case ike.Call:
		h.w.Log.call(m, act)
		m.Calls++
		h.serve(m, act)
	case ike.Notice:
		h.w.Log.notice(m, act)
		if h.Notices != nil {
			h.Notices(m, act)
		}
	case ike.Handover:
		h.w.Log.line(h.w, h.Name, "hand over to %s", act.Key.Block)
		m.Handed = true
		to := h.machine(act.Key, act.Remote, act.SA.Path)
		for _, c := range m.cookies {
			h.byCookies[c] = nil
			to.know(c)
		}
		m.cookies = nil
		to.Post(ike.Adopt{SA: act.SA})
	}
}

// DropPeers lets go of every machine's state, and of nothing else: what they held
// can be measured.
func (h *Host) DropPeers() {
	for _, m := range h.Machines {
		m.Peer = nil
	}
	h.w.queue = nil
}
