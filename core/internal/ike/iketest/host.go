package iketest

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
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
	NAT    *NAT         // it is behind, if any
	Config *policy.Config
	SPD    spd.DB
	Kernel *Kernel
	PSK    map[netip.Addr][]string // by peer, best first; those for anybody have no address

	AuthDown bool // the auth plugin does not answer
	Off      bool // there is no daemon
	Narrow   int  // datagrams of more octets do not get through; 0: all do
	Machines []*Machine

	// Notices is called with every Notice, if set.
	Notices func(*Machine, ike.Notice)

	w         *World
	number    uint32
	policies  map[*Host]spd.Key // outbound
	rand      func([]byte)
	secret    [8]byte
	byCookies map[cookies]*Machine
	byKey     map[ike.PeerKey]*Machine
	kept      []*Host // whose SAs are kept up
	closing   bool    // the daemon is ending
	acquires  uint32
	commands  uint64
}

// cookies is how a message finds its machine. Until an initiator knows CKY-R, r is
// zero; a stranger's first message is also told apart by where it comes from.
type cookies struct {
	i, r isakmp.Cookie
	from netip.AddrPort
}

// Machine is a machine and its place on a host.
type Machine struct {
	*ike.Peer
	Host     *Host
	Key      ike.PeerKey
	Stranger bool
	Handed   bool // to another machine
	Calls    int  // out

	path    ike.Path  // at birth
	wake    time.Time // a Wake is planned for
	cookies []cookies
	gone    bool
}

// AddHost adds a host: the first is 192.0.2.1 with 10.1.0.0/16 behind it.
func (w *World) AddHost(name string) *Host {
	n := byte(len(w.Hosts) + 1)
	h := &Host{Name: name, Addr: netip.AddrFrom4([4]byte{192, 0, 2, n}),
		Net:    netip.PrefixFrom(netip.AddrFrom4([4]byte{10, n, 0, 0}), 16),
		Config: &policy.Config{Timer: policy.DefaultTimer(), Padding: policy.DefaultPadding(), ComplexBundle: true},
		PSK:    map[netip.Addr][]string{}, w: w, number: uint32(n), policies: map[*Host]spd.Key{},
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

func (h *Host) newMachine(remotes []*policy.Remote, path ike.Path, key ike.PeerKey, stranger bool) *Machine {
	m := &Machine{Host: h, Key: key, Stranger: stranger, path: path}
	var home ike.Path
	if r := remotes[0]; !stranger && r.Literal() {
		home = h.path(r.Addr)
	}
	m.Peer = ike.New(ike.Setup{Home: home, Config: policy.NewCommon(h.Config), Remotes: remotes, Path: path, Key: key, Rand: h.rand, Cookie: h.cookie, Stranger: stranger,
		NAT: ike.NATPorts{Local: 4500, Remote: 4500}})
	h.Machines = append(h.Machines, m)
	return m
}

// machine is that of a peer, made where there is none.
func (h *Host) machine(key ike.PeerKey, r *policy.Remote, path ike.Path) *Machine {
	m := h.has(key)
	if m == nil {
		m = h.newMachine([]*policy.Remote{r}, path, key, false)
		h.byKey[key] = m
	}
	return m
}

// Peer is the machine for another host, made where there is none; nil if h may not
// begin anything with it, or does not know its address.
func (h *Host) Peer(to *Host) *Machine {
	far, ok := h.far(to)
	if !ok {
		return nil
	}
	r, err := policy.Query{Addr: far, Local: h.Addr, Initiating: true}.Choose(h.Config.Remotes)
	if err != nil {
		return nil
	}
	path := h.path(far)
	return h.machine(ike.PeerKeyFor(r, path.Remote), r, path)
}

// far is where h believes another host to be: the end point of its policy, which may
// be where the other host was.
func (h *Host) far(to *Host) (netip.Addr, bool) {
	out, ok := h.Policy(to)
	if !ok || out.Templates[0].Mode != spd.Tunnel {
		return to.Outside(), true
	}
	_, dst, known := out.EndPoints()
	return dst, known
}

// HasPeer is a machine for another host, or nil where there is none.
func (h *Host) HasPeer(to *Host) *Machine {
	for _, m := range h.Machines {
		if o, _ := h.reach(m.path.Local, m.path.Remote); o == to && !m.Stranger {
			return m
		}
	}
	return nil
}

// has is the machine with a key, or without an identity in it the one at the address,
// whatever its port has become.
func (h *Host) has(key ike.PeerKey) *Machine {
	if m := h.byKey[key]; m != nil {
		return m
	}
	for _, m := range h.Machines {
		k := m.Key
		if key.ID == "" && !m.Stranger && k.Block == key.Block && k.Local == key.Local && k.Addr.Addr() == key.Addr.Addr() {
			return m
		}
	}
	return nil
}

// receive routes a datagram by its cookies.
func (h *Host) receive(path ike.Path, data []byte) {
	hd, err := isakmp.ParseHeader(data)
	if err != nil || h.Off {
		return
	}
	m := h.find(hd, path.Remote)
	switch {
	case m != nil:
	case hd.CkyR.IsZero() && isPhase1(hd.Exchange):
		m = h.admit(hd, path)
	default:
		h.w.Log.line(h.w, h.Name, "no machine has the cookies %v:%v", hd.CkyI, hd.CkyR)
	}
	if m != nil {
		m.Post(ike.Datagram{Path: path, Data: data})
	}
}

func (h *Host) find(hd isakmp.Header, from netip.AddrPort) *Machine {
	c := cookies{i: hd.CkyI, r: hd.CkyR}
	if hd.CkyR.IsZero() {
		c.from = from
	}
	if m := h.byCookies[c]; m != nil {
		return m
	}
	return h.byCookies[cookies{i: hd.CkyI}] // the first answer to an exchange of ours
}

// admit makes a machine for a stranger, if it may begin what it begins.
func (h *Host) admit(hd isakmp.Header, path ike.Path) *Machine {
	if hd.MessageID != 0 || hd.Flags&isakmp.FlagEncryption != 0 || h.closing {
		return nil
	}
	remotes := policy.Query{Addr: path.Remote.Addr(), Local: path.Local.Addr(), Mode: policy.ExchangeMode(hd.Exchange)}.Candidates(h.Config.Remotes)
	if len(remotes) == 0 {
		h.w.Log.line(h.w, h.Name, "unknown peer %v", path.Remote)
		return nil
	}
	m := h.newMachine(remotes, path, ike.PeerKey{}, true)
	m.learn(cookies{i: hd.CkyI, from: path.Remote})
	return m
}

func isPhase1(t isakmp.ExchangeType) bool {
	return t == isakmp.Base || t == isakmp.IdentityProtection || t == isakmp.Aggressive
}

// learn makes answers find the machine. It reports false if the cookies are
// another's: then nothing may be sent with them.
func (m *Machine) learn(c cookies) bool {
	h := m.Host
	if there := h.byCookies[c]; there != nil {
		return there == m
	}
	if m.gone || m.Handed { // its cookies are the peer's
		return true
	}
	h.byCookies[c] = m
	m.cookies = append(m.cookies, c)
	if !c.r.IsZero() {
		m.unlearn(cookies{i: c.i})
	}
	return true
}

func (m *Machine) unlearn(c cookies) {
	if i := slices.Index(m.cookies, c); i >= 0 {
		m.cookies = slices.Delete(m.cookies, i, i+1)
		delete(m.Host.byCookies, c)
	}
}

// forget removes the cookies of an ISAKMP SA that has ended.
func (m *Machine) forget(i, r isakmp.Cookie) {
	for _, c := range slices.Clone(m.cookies) {
		if c.i == i && (c.r == r || c.r.IsZero()) {
			m.unlearn(c)
		}
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
		hd, err := isakmp.ParseHeader(act.Data)
		if err != nil || hd.MessageID == 0 && !m.learn(cookies{i: hd.CkyI, r: hd.CkyR}) {
			h.w.Break("%s: a message that must not be sent: %v", h.Name, hd)
			return
		}
		h.w.Net.send(h, act.Path, act.Data)
	case ike.Keepalive:
		h.w.Log.line(h.w, h.Name, "keepalive to %v", act.Path.Remote)
		h.leave(act.Path.Local, act.Path.Remote)
	case ike.Moved:
		h.rename(m, act.Path)
	case ike.Call:
		h.w.Log.call(m, act)
		m.Calls++
		h.serve(m, act)
	case ike.Notice:
		h.w.Log.notice(m, act)
		if h.Notices != nil {
			h.Notices(m, act)
		}
	case ike.Forget:
		m.forget(act.CkyI, act.CkyR)
	case ike.Handover:
		h.w.Log.line(h.w, h.Name, "hand over to %s", act.Key.Block)
		m.Handed = true
		to := h.machine(act.Key, act.Remote, act.SA.Path)
		for _, c := range m.cookies {
			h.byCookies[c] = to
		}
		to.cookies = append(to.cookies, m.cookies...)
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
