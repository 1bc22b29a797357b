package iketest

import (
	"net/netip"
	"time"

	"github.com/racoon-ike/racoon/core/internal/doi"
	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/oakley"
	"github.com/racoon-ike/racoon/core/internal/policy"
	"github.com/racoon-ike/racoon/core/internal/spd"
)

// Options of a connection; zero values are the defaults named behind them.
type Options struct {
	Modes      []policy.ExchangeMode   // main
	Proposals  []policy.Phase1Proposal // AES128SHA256MODP2048
	Encryption []policy.Algorithm      // AES-CBC with 128 bits
	Auth       []policy.Algorithm      // HMAC-SHA2-256
	PFS        oakley.Group
	Transport  bool
	Protos     []uint8       // of a bundle, the innermost first: 50 ESP; in tunnel mode that one is the tunnel
	ISAKMPLife time.Duration // 8 h, for proposals without
	IPsecLife  time.Duration // 1 h
	IPsecKB    uint64        // no limit
	ESN        policy.Toggle
	Check      policy.Check
	Generate   policy.Level // instead of policies
	AnySAInfo  bool         // sainfo anonymous
	From       string       // of the sainfo: an FQDN
	Proxy      bool
	PSK        []string // "secret"
	PeerIDs    []policy.Identity

	Anonymous        bool // the section does not name the peer's address
	Roaming          bool // the other end may have any address: neither the section, which is for all such, nor the policies name one
	Passive          bool
	Weak             bool // weak_phase1_check
	NoInitialContact bool
	NATTraversal     policy.Toggle
	IKEFrag          policy.Toggle
	DPDDelay         time.Duration // 0: no DPD
	Rekey            policy.Toggle
	Remote           []func(*policy.Remote) // what else its section says
}

// Phase 1 proposals with pre-shared keys.
var (
	AES128SHA256MODP2048  = Proposal(oakley.AES, 128, oakley.SHA256, oakley.MODP2048)
	TripleDESSHA1MODP1024 = Proposal(oakley.TripleDES, 0, oakley.SHA1, oakley.MODP1024)
	AES128SHA256X25519    = Proposal(oakley.AES, 128, oakley.SHA256, oakley.X25519)
)

// Proposal makes a phase 1 proposal with pre-shared keys.
func Proposal(c oakley.Cipher, bits uint16, h oakley.Hash, g oakley.Group) policy.Phase1Proposal {
	return policy.Phase1Proposal{Encryption: uint16(c), KeyBits: bits, Hash: uint16(h), Method: 1, Group: uint16(g)}
}

// Connect gives two hosts the configuration, keys and policies for each other.
func (w *World) Connect(a, b *Host, o Options) {
	a.Configure(b, o)
	b.Configure(a, o)
}

// Configure gives h the configuration, keys and policies for another host; what it
// had for it is replaced.
func (h *Host) Configure(to *Host, o Options) {
	o.defaults()
	r := h.section(to, o)
	s := &policy.SAInfo{PFSGroup: uint16(o.PFS), Lifetime: o.IPsecLife, LifetimeKB: o.IPsecKB, ESN: o.ESN, Encryption: o.Encryption, Auth: o.Auth,
		Comp:  []policy.Algorithm{{ID: isakmp.IPCompDeflate}},
		Where: policy.Position{File: h.Name + ".conf", Line: 1}}
	if o.Transport {
		s.Local, s.Remote = doi.SAID(doi.AddrID(h.Addr, 0, 0)), doi.SAID(doi.AddrID(to.Outside(), 0, 0))
	} else {
		s.Local, s.Remote = doi.SAID(doi.PrefixID(h.Net, 0, 0)), doi.SAID(doi.PrefixID(to.Net, 0, 0))
	}
	if o.AnySAInfo {
		s.Local, s.Remote = nil, nil
	}
	if o.From != "" {
		s.From = &policy.Identity{Type: policy.IDFQDN, Data: []byte(o.From), Text: o.From}
	}
	c := *h.Config // snapshots are never changed
	c.Generation++
	c.Remotes = []*policy.Remote{r}
	for _, old := range h.Config.Remotes {
		if old.Name != r.Name {
			c.Remotes = append(c.Remotes, old)
		}
	}
	c.SAInfos = append([]*policy.SAInfo{s}, c.SAInfos...)
	h.Config = &c
	h.PSK[r.Addr] = o.PSK
	key := spd.Key{Dir: spd.Out, Src: h.Net, Dst: to.Net}
	if o.Transport {
		key.Src, key.Dst = netip.PrefixFrom(h.Addr, 32), netip.PrefixFrom(to.Outside(), 32)
	}
	h.policies[to] = key
	if o.Generate == policy.GenerateOff {
		h.protect(key, to, o)
	}
}

// section is the remote section for another host.
func (h *Host) section(to *Host, o Options) *policy.Remote {
	r := &policy.Remote{Name: to.Name, Addr: to.Outside(), Modes: o.Modes, NonceSize: 16, PeerIDs: o.PeerIDs, VerifyIdentifier: o.PeerIDs != nil,
		Passive: o.Passive, InitialContact: !o.NoInitialContact, ProposalCheck: o.Check, GeneratePolicy: o.Generate, SupportProxy: o.Proxy,
		NATTraversal: o.NATTraversal, NATTKeepalive: true, IKEFrag: o.IKEFrag, Proposals: o.Proposals, Rekey: o.Rekey, WeakPhase1Check: o.Weak}
	if o.Roaming {
		r.Name = "anonymous"
	}
	if o.Anonymous || o.Roaming {
		r.Addr = netip.Addr{}
	}
	if o.DPDDelay > 0 {
		r.DPD, r.DPDDelay, r.DPDRetry, r.DPDMaxFail = true, o.DPDDelay, 5*time.Second, 5
	}
	for _, f := range o.Remote {
		f(r)
	}
	return r
}

// protect puts policies for the traffic with another host into the kernel. Their
// request ID is the other host's number.
func (h *Host) protect(out spd.Key, to *Host, o Options) {
	tmpl := spd.Template{Proto: o.Protos[0], Mode: spd.Tunnel, Level: spd.LevelUnique, ReqID: to.number, Src: h.Addr, Dst: to.Outside()}
	switch {
	case o.Transport:
		tmpl.Mode, tmpl.Src, tmpl.Dst = spd.Transport, netip.Addr{}, netip.Addr{}
	case o.Roaming:
		tmpl.Dst = netip.IPv4Unspecified()
	}
	in := tmpl
	in.Src, in.Dst = tmpl.Dst, tmpl.Src
	outs, ins := []spd.Template{tmpl}, []spd.Template{in}
	for _, p := range o.Protos[1:] {
		around := spd.Template{Proto: p, Mode: spd.Transport, Level: spd.LevelUnique, ReqID: tmpl.ReqID}
		outs, ins = append(outs, around), append(ins, around)
	}
	h.Protect(to, out, outs, ins)
}

// Protect puts the policies for the traffic with another host into the kernel.
func (h *Host) Protect(to *Host, out spd.Key, outs, ins []spd.Template) {
	in := out
	in.Dir, in.Src, in.Dst, in.SrcPort, in.DstPort = spd.In, out.Dst, out.Src, out.DstPort, out.SrcPort
	h.SPD.Put(spd.Policy{Key: out, Action: spd.IPsec, Templates: outs})
	h.SPD.Put(spd.Policy{Key: in, Action: spd.IPsec, Templates: ins})
	h.policies[to] = out
}

func (o *Options) defaults() {
	if o.Modes == nil {
		o.Modes = []policy.ExchangeMode{policy.Main}
	}
	if o.ISAKMPLife == 0 {
		o.ISAKMPLife = 8 * time.Hour
	}
	if o.IPsecLife == 0 {
		o.IPsecLife = time.Hour
	}
	if o.Proposals == nil {
		o.Proposals = []policy.Phase1Proposal{AES128SHA256MODP2048}
	}
	ps := append([]policy.Phase1Proposal(nil), o.Proposals...)
	for i := range ps {
		if ps[i].Lifetime == 0 {
			ps[i].Lifetime = o.ISAKMPLife
		}
	}
	o.Proposals = ps
	if o.Encryption == nil {
		o.Encryption = []policy.Algorithm{{ID: isakmp.ESPAESCBC, KeyBits: 128}}
	}
	if o.Auth == nil {
		o.Auth = []policy.Algorithm{{ID: 5}}
	}
	if o.Protos == nil {
		o.Protos = []uint8{50}
	}
	if o.PSK == nil {
		o.PSK = []string{"secret"}
	}
}
