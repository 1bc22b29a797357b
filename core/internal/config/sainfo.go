package config

import (
	"fmt"
	"slices"
	"time"

	"github.com/racoon-ike/racoon/core/internal/policy"
)

// sainfo is a sainfo section while it is read.
type sainfo struct {
	*policy.SAInfo
	head        token
	broken      bool                         // the header had an error: checked, not kept
	fromProfile map[*[]policy.Algorithm]bool // lists the section's own replace
	legacy      legacy
}

// sainfoHead reads the identities and the parameter before "{":
//
//	anonymous [clientaddr|ID] | ID anonymous|clientaddr|ID   [from IDENTITY | group STRING]
func (p *parser) sainfoHead() bool {
	p.sainfo = &sainfo{head: p.word, broken: true, SAInfo: &policy.SAInfo{Where: position(p.word), Lifetime: policy.DefaultLifetime}}
	s := p.sainfo
	anonymous := p.accept("anonymous")
	if !anonymous {
		var ok bool
		if s.Local, ok = p.phase2ID(`"anonymous" or an identity`); !ok {
			return false
		}
	}
	switch t := p.peek(); {
	case p.accept("clientaddr"):
		s.ClientAddr = true
	case !anonymous && p.accept("anonymous"):
	case anonymous && (t.is("{") || t.text == "from" || t.text == "group"):
	default:
		var ok bool
		if s.Remote, ok = p.phase2ID(`"anonymous", "clientaddr" or an identity`); !ok {
			return false
		}
	}
	if p.accept("from") {
		a, ok := p.term(term{alts: []string{"IDENTITY"}})
		if !ok {
			return false
		}
		id, ok := p.identity(a, false)
		if !ok {
			return false
		}
		s.From = &id
	} else if t := p.peek(); p.accept("group") {
		name := p.peek()
		if name.kind != str {
			p.expected("a string in double quotes", nil)
			return false
		}
		p.next()
		p.add(t, codeNotYet, Error, needsXAuth, "")
		s.Group = name.text
	}
	s.broken = false
	return true
}

// sainfoClose checks a section as a whole.
func (p *parser) sainfoClose() {
	s, has := p.sainfo, p.inner // what was named, and not only what was accepted
	p.release()
	p.sainfo = nil
	onlyAEAD := len(s.Encryption) > 0 && !slices.ContainsFunc(s.Encryption, func(a policy.Algorithm) bool { return !aead(a.ID) })
	for _, l := range []struct {
		needed        bool
		what, example string
	}{
		{true, "encryption_algorithm", "aes_gcm 256"},
		{!onlyAEAD, "authentication_algorithm", "hmac_sha256"},
	} {
		if l.needed && !has[l.what] {
			p.diags = append(p.diags, at(s.head, codeMissing, Error, "has no "+l.what, "for example, "+p.write(s.head, inSAInfo, l.what+" "+l.example+";")))
		}
	}
	if s.broken {
		return
	}
	p.checkIntegrity(s, onlyAEAD)
	p.checkLifetime(s.head, s.Lifetime)
	if s.PFSGroup == 0 && !has["pfs_group"] {
		p.add(s.head, codeNoPFS, Note, "has no pfs_group: who learns the keys of phase 1 learns those of phase 2", "")
	}
	for _, o := range p.cfg.SAInfos {
		if !sameHeader(o, s.SAInfo) {
			continue
		}
		if s.Local != nil {
			p.add(s.head, codeDuplicate, Error, "is a duplicate of the one in "+s.head.elsewhere(o.Where), "")
		} else {
			p.add(s.head, codeShadowed, Warning, "is never chosen: the one in "+s.head.elsewhere(o.Where)+" is equal and comes first", "")
		}
		return
	}
	p.cfg.SAInfos = append(p.cfg.SAInfos, s.SAInfo)
}

// checkLifetime: keys in use for days are a finding.
func (p *parser) checkLifetime(t token, life time.Duration) {
	if life > 24*time.Hour {
		p.add(t, codeLifetime, Warning, fmt.Sprintf("has a lifetime of %d hours: keys are used for more than a day", life/time.Hour), "")
	}
}

// checkIntegrity deals with non_auth: ESP that anyone can alter is never negotiated, so
// a section that has nothing else is of no use.
func (p *parser) checkIntegrity(s *sainfo, onlyAEAD bool) {
	isNone := func(a policy.Algorithm) bool { return a.ID == 0 }
	if !slices.ContainsFunc(s.Auth, isNone) || onlyAEAD {
		return
	}
	fix := p.write(s.head, inSAInfo, "authentication_algorithm hmac_sha256;")
	if slices.ContainsFunc(s.Auth, func(a policy.Algorithm) bool { return !isNone(a) }) {
		p.add(s.head, codeNoAuth, Warning, "names non_auth, which has no effect: ESP that anyone on the path can alter is never negotiated", fix)
		return
	}
	p.add(s.head, codeNever, Error, "allows only non_auth, and ESP that anyone on the path can alter is never negotiated", fix)
}

// sameHeader reports whether two sections would be chosen for exactly the same.
func sameHeader(a, b *policy.SAInfo) bool {
	id := func(x, y *policy.SAID) bool {
		return x == nil && y == nil || x != nil && y != nil && x.Type == y.Type && x.Proto == y.Proto && x.Port == y.Port && string(x.Data) == string(y.Data)
	}
	from := a.From == nil && b.From == nil || a.From != nil && b.From != nil && a.From.Type == b.From.Type && a.From.DN == b.From.DN && string(a.From.Data) == string(b.From.Data)
	return id(a.Local, b.Local) && id(a.Remote, b.Remote) && from && a.ClientAddr == b.ClientAddr && a.Group == b.Group && a.RemoteID == b.RemoteID
}

func setLifetimeKB(p *parser, a []arg) {
	if a[0].n == 0 {
		p.add(a[0].token, codeValue, Error, "is no number of kilobytes", "write one of 1 and more, or leave it out for no limit")
		return
	}
	p.sainfo.LifetimeKB = a[0].n
}

func setESN(p *parser, a []arg) { p.sainfo.ESN = toggles[a[0].text] }

// sainfoDirectives are those of a sainfo section.
func sainfoDirectives() []directive {
	pick := func(table []algorithm, what string, to func(*sainfo) *[]policy.Algorithm) func(*parser, []arg) {
		return func(p *parser, a []arg) {
			list := to(p.sainfo)
			if p.sainfo.fromProfile[list] {
				*list = nil
				delete(p.sainfo.fromProfile, list)
			}
			for _, name := range a[0].list() {
				if alg, ok := p.choose(table, what, name); ok && !slices.Contains(*list, alg) {
					*list = append(*list, alg)
				}
			}
		}
	}
	rows := []directive{
		{name: "sainfo", args: "ID|anonymous [ ID|anonymous|clientaddr ] [ from TYPE VALUE | group STRING ]", doc: "what may be negotiated in phase 2", head: (*parser).sainfoHead, body: inSAInfo, close: (*parser).sainfoClose},
		{name: "local", args: "IDENTITY", header: true, doc: "our end of the traffic: an address, network or range with port and protocol, or { TYPE = NAME }", def: "anonymous"},
		{name: "remote", args: "IDENTITY", header: true, doc: "the peer's end, or clientaddr", def: "anonymous"},
		{name: "from", args: "IDENTITY", header: true, doc: "only for the peer with this identity"},
		{name: "group", args: "STRING", header: true, doc: "only for users of this group"},
		{name: "profile", args: "NAME", from: ours, doc: "begin with the settings this kind of peer needs; must come first", set: setProfile},
		{name: "allow_legacy", args: "DATE", header: true, doc: "until this day, legacy algorithms are accepted in this section", set: setLegacy},
		{name: "pfs_group", args: "GROUP", doc: "group of a new exchange of keys", def: "none", set: func(p *parser, a []arg) {
			if g, ok := p.group(a[0]); ok {
				p.sainfo.PFSGroup = g
			}
		}},
		{name: "remoteid", args: "NUMBER", from: ipsecTools, doc: "must equal ph1id of the remote section", def: "0", set: func(p *parser, a []arg) { p.sainfo.RemoteID = uint32(a[0].n) }},
		{name: "lifetime time", hcl: "lifetime", args: "DURATION", doc: "life of the IPsec SAs", def: "8 hour", set: func(p *parser, a []arg) { p.time(a[0], 1, &p.sainfo.Lifetime) }},
		{name: "lifetime_kb", args: "NUMBER", from: ours, doc: "what the IPsec SAs may carry, in units of 1024 octets", def: "no limit", set: setLifetimeKB},
		{name: "esn", args: "SWITCH|force", from: ours, doc: "sequence numbers of 64 bits (RFC 4304), for SAs that carry more than four thousand million packets: on, if the peer and the kernel back end have them too; force, no others", def: "off", set: setESN},
		{name: "lifetime byte", args: "NUMBER BYTES", state: refused, why: "is not supported: write lifetime_kb, or delete the line", doc: "obsolete"},
		{name: "encryption_algorithm", args: "ALG,...", doc: "ciphers of ESP", def: "required", set: pick(espCiphers, "cipher of ESP", func(s *sainfo) *[]policy.Algorithm { return &s.Encryption })},
		{name: "authentication_algorithm", args: "ALG,...", doc: "integrity of ESP and AH", def: "required", set: pick(espAuths, "authentication algorithm", func(s *sainfo) *[]policy.Algorithm { return &s.Auth })},
		{name: "compression_algorithm", args: "ALG,...", doc: "compression of IPComp", def: "none", set: pick(compressions, "compression algorithm", func(s *sainfo) *[]policy.Algorithm { return &s.Comp })},
		{name: "identifier", args: "address|fqdn|user_fqdn|keyid|asn1dn", from: apple, state: refused, why: "is deprecated: phase 2 is identified by the policy", doc: "obsolete"},
		{name: "my_identifier", args: "address|fqdn|user_fqdn|keyid|asn1dn [ STRING ]", from: apple, state: refused, why: "is deprecated: phase 2 is identified by the policy", doc: "obsolete"},
	}
	for i := range rows[1:] {
		rows[1+i].in = inSAInfo
	}
	return rows
}
