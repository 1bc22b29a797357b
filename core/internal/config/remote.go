package config

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/racoon-ike/racoon/core/internal/policy"
)

// remote is a remote section while it is read.
type remote struct {
	*policy.Remote
	head     token // the word remote
	name     token // what names it
	broken   bool  // the header had an error: checked, not kept
	named    bool
	addrSet  bool // remote_address was given
	modesSet bool // exchange_mode was given in this section and not in a parent
	lifetime time.Duration
	own      []*proposal // not yet in Remote.Proposals
	profiled []*proposal // those of the profile, its own or a parent's, for a section without any

	legacy      legacy
	myID        token // my_identifier's
	onLoss      token // of on_loss
	local       token // local_address's
	needsPeerID token // what makes peers_identifier necessary
}

// defaults of racoon.conf(5), racoon-conf section 5.3.
func newRemote(head token) *remote {
	return &remote{head: head, lifetime: policy.DefaultLifetime, Remote: &policy.Remote{
		Where: position(head), MyID: policy.Identity{Type: policy.IDIPv4, Text: "address"},
		NonceSize: 16, InitialContact: true, ProposalCheck: policy.Strict, Rekey: policy.On,
		DPD: true, DPDRetry: 5 * time.Second, DPDMaxFail: 5,
		SendCert: true, SendCR: true, VerifyCert: true, NATTKeepalive: true, DPDAlgorithm: "inbound_detect",
	}}
}

// inherit makes r a copy of its parent with a name and a place of its own. Lists
// are copied: what the child adds must not reach the parent.
func (r *remote) inherit(parent *remote) {
	c := *parent.Remote
	c.Name, c.Addr, c.Port, c.Net, c.Where = r.Name, r.Addr, r.Port, r.Net, r.Where
	if r.named { // a named section has its address inside
		c.Addr, c.Port = parent.Addr, parent.Port
	}
	c.Modes, c.PeerIDs = slices.Clone(c.Modes), slices.Clone(c.PeerIDs)
	c.Proposals, c.Scripts = slices.Clone(c.Proposals), slices.Clone(c.Scripts)
	if len(parent.profiled) > 0 { // they yield to the child's, and take its lifetime
		r.profiled, c.Proposals = parent.profiled, nil
	}
	r.Remote, r.lifetime, r.legacy, r.myID, r.local, r.needsPeerID = &c, parent.lifetime, parent.legacy, parent.myID, parent.local, parent.needsPeerID
}

// remoteHead reads what is between "remote" and "{".
func (p *parser) remoteHead() bool {
	p.remote = newRemote(p.word)
	r := p.remote
	r.broken = true
	if !p.remoteName(r) {
		return false
	}
	if p.accept("inherit") {
		of := newRemote(p.last)
		if !p.remoteName(of) {
			return false
		}
		if p.dry {
			p.accept(";")
			return true
		}
		parent := p.parent(of)
		if parent == nil {
			p.noParent(of)
			return false
		}
		if parent.named != r.named {
			p.errorf(of.name, "cannot be the parent: a named section inherits from a named one, an address from an address")
			return false
		}
		r.inherit(parent)
		if p.accept(";") {
			r.broken = false
			return true
		}
	}
	r.broken = false
	return true
}

// remoteName reads a name, an address, a network or "anonymous".
func (p *parser) remoteName(r *remote) bool {
	t := p.peek()
	r.name = t
	switch {
	case t.kind == str:
		p.next()
		r.Name, r.named = t.text, true
		if t.text == "" {
			p.errorf(t, "is an empty name")
			return false
		}
		return true
	case t.kind == address:
		p.next()
		r.Addr = t.addr.Unmap()
	case t.kind == word && t.text == "anonymous":
		p.next()
	default:
		p.expected(aName+`, an address or "anonymous"`, []string{"anonymous"})
		return false
	}
	if n := p.peek(); n.kind == prefix && r.Addr.IsValid() {
		p.next()
		net, err := r.Addr.WithZone("").Prefix(int(min(n.n, 1000)))
		if err != nil {
			p.errorf(n, "is longer than the address")
			return false
		}
		r.Addr, r.Net, r.Name = netip.Addr{}, net, net.String()
	}
	if n := p.peek(); n.kind == port {
		if n.n == 0 {
			p.add(n, codeValue, Error, "is no port of a peer", "write one from 1 to 65535, or leave it out for 500")
			return false
		}
		p.next()
		r.Port = uint16(n.n)
	}
	if r.Name == "" {
		r.Name = "anonymous"
		if r.Addr.IsValid() {
			r.Name = sectionName(r.Addr, r.Port)
		}
	}
	return true
}

// sectionName is the name of a section for one address: "192.0.2.1[500]".
func sectionName(a netip.Addr, port uint16) string {
	if port == 0 {
		port = 500
	}
	return a.String() + "[" + netip.AddrPortFrom(netip.IPv4Unspecified(), port).String()[len("0.0.0.0:"):] + "]"
}

// title is the name of the section in a message.
func (r *remote) title() string {
	if r.named {
		return r.name.quotable(r.Name)
	}
	return r.Name
}

// parent finds the section another one inherits from: by name, else by address.
func (p *parser) parent(of *remote) *remote {
	for _, r := range slices.Backward(p.remotes) {
		if r.named == of.named && r.Name == of.Name {
			return r
		}
	}
	for _, r := range slices.Backward(p.remotes) {
		if !of.named && of.Addr.IsValid() && !r.named && r.Addr == of.Addr {
			return r
		}
	}
	return nil
}

// noParent says why a section cannot be a parent.
func (p *parser) noParent(of *remote) {
	other := func(r *remote) bool { return r.Name == of.Name }
	if i := slices.IndexFunc(p.broken, other); i >= 0 {
		p.errorf(of.name, "is the section in %s, which cannot be used", of.name.elsewhere(p.broken[i].Where))
		return
	}
	if slices.ContainsFunc(p.remotes, other) {
		p.add(of.name, codeValue, Error, "is a section of the other kind: one with a name is not one with an address, and not anonymous",
			map[bool]string{true: "write it without quotes", false: "write it in quotes"}[of.named])
		return
	}
	p.errorf(of.name, "is no remote section defined before this one")
}

// remoteClose checks a section as a whole, in the order of racoon-conf section 5.2.
func (p *parser) remoteClose() {
	r, has := p.remote, p.inner
	p.release()
	defer func() { p.remote = nil }() // its allow_legacy counts until then
	if r.named && slices.ContainsFunc(p.remotes, func(o *remote) bool { return o.named && o.Name == r.Name }) {
		p.add(r.name, codeDuplicate, Error, "is the name of a section that exists already", "")
		return
	}
	if r.broken {
		p.broken = append(p.broken, r)
		return
	}
	if len(r.Modes) == 0 && !has["exchange_mode"] {
		p.add(r.head, codeMissing, Error, r.title()+" has no exchange mode", p.write(r.head, inRemote, "exchange_mode main;"))
	}
	blocks := r.profiled
	if len(r.own) > 0 {
		blocks, r.profiled = r.own, nil
	}
	for _, b := range blocks {
		prop := *b // a child's lifetime is another
		prop.lifetime = cmp.Or(prop.lifetime, r.lifetime)
		if v, ok := prop.value(p); ok {
			r.Proposals = append(r.Proposals, v)
		}
	}
	if len(blocks) == 0 && len(r.Proposals) == 0 && !has["proposal"] {
		p.add(r.head, codeMissing, Error, r.title()+" has no proposal", "")
	}
	if r.KeepUp && r.Passive {
		p.add(r.head, codeValue, Error, r.title()+" is passive, and its SAs are to be made at once", p.write(r.head, inRemote, "start on_demand;"))
	}
	p.checkOnLoss(r)
	p.checkAggressive(r)
	p.checkCertificates(r)
	if peer := cmp.Or(r.Addr, r.Net.Addr()); r.LocalAddr.IsValid() && peer.IsValid() && peer.Is4() != r.LocalAddr.Is4() {
		p.add(r.local, codeValue, Error, "is of another family than the address of "+r.Name, "")
	}
	if len(r.PeerIDs) > 0 && !r.VerifyIdentifier {
		p.add(r.head, codeWildcard, Warning, r.title()+": another identity than peers_identifier is only logged", p.write(r.head, inRemote, "verify_identifier on;"))
	}
	p.remotes = append(p.remotes, r)
	p.cfg.Remotes = append(p.cfg.Remotes, r.Remote)
}

// checkOnLoss: what is to happen when a peer is lost needs a way to find out, and must
// not contradict what is said elsewhere.
func (p *parser) checkOnLoss(r *remote) {
	switch {
	case r.OnLoss == policy.OnDemand:
	case !r.DPD:
		p.add(r.onLoss, codeValue, Warning, "has no effect: nothing asks whether the peer is there", p.write(r.head, inRemote, "dpd on;"))
	case r.DPDDelay == 0:
		p.add(r.onLoss, codeValue, Warning, "has no effect: nothing asks whether the peer is there", p.write(r.head, inRemote, "dpd_delay 20;"))
	case r.OnLoss == policy.Restart && r.Passive:
		p.add(r.onLoss, codeValue, Error, "is not possible: "+r.title()+" is passive", p.write(r.head, inRemote, "on_loss on_demand;"))
	case r.OnLoss == policy.StayDown && r.KeepUp:
		p.add(r.onLoss, codeValue, Error, "contradicts start up", p.write(r.head, inRemote, "on_loss restart;"))
	case r.OnLoss == policy.StayDown && !r.Literal():
		p.add(r.onLoss, codeValue, Warning, "has no effect: the section does not name the address of one peer", p.write(r.head, inRemote, "on_loss on_demand;"))
	}
}

// checkAggressive: the group of aggressive mode is chosen before the peer has
// chosen a proposal (RFC 2409 section 5.4), and a pre-shared key is open to
// guessing by whoever saw one exchange.
func (p *parser) checkAggressive(r *remote) {
	if !r.Allows(policy.Aggressive) {
		return
	}
	psk := false
	for _, v := range r.Proposals {
		psk = psk || v.Method == methodPSK || v.Method == methodXAuthPSKClient || v.Method == methodXAuthPSKServer
		if v.Group != r.Proposals[0].Group {
			p.add(r.head, codeValue, Error, r.title()+": in aggressive mode all proposals must have the same Diffie-Hellman group", "")
			return
		}
	}
	if psk {
		fix := "prefer exchange_mode main"
		if r.head.src.hcl {
			fix = p.write(r.head, inRemote, "exchange_mode main;")
		}
		p.weak(r.head, codeAggressive, Warning, r.title()+": aggressive mode lets anyone who asks guess the pre-shared key offline", fix)
	}
}

// checkCertificates: what a section says about certificates must be enough for what
// it says elsewhere (racoon-conf sections 5.2 and 5.5).
func (p *parser) checkCertificates(r *remote) {
	x509 := r.Certificate != nil && r.Certificate.Kind != "plain_rsa"
	switch {
	case r.MyID.Type != policy.IDDN:
	case r.MyID.DN == "" && !x509:
		p.add(r.myID, codeMissing, Error, "takes the name of our certificate, and there is none", p.write(r.myID, inRemote, `certificate_type x509 "FILE" "KEYFILE";`))
	case r.MyID.DN != "" && x509:
		p.add(r.myID, codeTwoNames, Warning, "names us, and so does our certificate: the peer will see both", "")
	}
	if r.needsPeerID.src != nil && len(r.PeerIDs) == 0 {
		p.add(r.needsPeerID, codeMissing, Error, "has no peers_identifier to compare with", "")
	}
	plain := r.PeerCertificate != nil && r.PeerCertificate.Kind == "plain_rsa"
	rsa := slices.ContainsFunc(r.Proposals, func(v policy.Phase1Proposal) bool { return v.Method == methodRSA })
	if plain && rsa && (r.Certificate == nil || r.Certificate.Kind != "plain_rsa") {
		p.add(r.head, codeMissing, Error, r.title()+" has plain RSA keys of its peer and none of its own", p.write(r.head, inRemote, `certificate_type plain_rsa "KEYFILE";`))
	}
}

const (
	methodPSK            = 1
	methodRSA            = 3
	methodXAuthPSKClient = 65001
	methodXAuthPSKServer = 65002
)
