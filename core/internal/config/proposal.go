package config

import (
	"time"

	"github.com/racoon-ike/racoon/core/internal/policy"
)

// proposal is a proposal block while it is read.
type proposal struct {
	head     token
	named    map[string]bool // what it says, rightly or wrongly
	cipher   choice
	hash     choice
	method   choice
	group    choice
	lifetime time.Duration // 0 = the section's
}

// choice is one algorithm of a proposal, if it is right.
type choice struct {
	policy.Algorithm
	ok bool
}

func (p *parser) openProposal([]arg) { p.proposal = &proposal{head: p.word} }

func (p *parser) closeProposal() {
	p.proposal.named = p.inner
	p.remote.own = append(p.remote.own, p.proposal)
	p.proposal = nil
}

// value checks that everything is there.
func (pr *proposal) value(p *parser) (policy.Phase1Proposal, bool) {
	ok := true
	for _, c := range []struct {
		choice
		what, fix string
	}{
		{pr.cipher, "encryption_algorithm", "aes 256"},
		{pr.hash, "hash_algorithm", "sha256"},
		{pr.method, "authentication_method", "pre_shared_key"},
		{pr.group, "dh_group", "ecp256"},
	} {
		if !pr.named[c.what] {
			p.diags = append(p.diags, at(pr.head, codeMissing, Error, "has no "+c.what, "for example, "+p.write(pr.head, inProposal, c.what+" "+c.fix+";")))
		}
		ok = ok && c.ok
	}
	p.checkLifetime(pr.head, pr.lifetime)
	return policy.Phase1Proposal{Encryption: pr.cipher.ID, KeyBits: pr.cipher.KeyBits, Hash: pr.hash.ID,
		Method: pr.method.ID, Group: pr.group.ID, Lifetime: pr.lifetime, Where: position(pr.head)}, ok
}

// proposalDirectives are those of a proposal block.
func proposalDirectives() []directive {
	const gss = "GSSAPI authentication is not supported"
	pick := func(table []algorithm, what string, to func(*proposal) *choice) func(*parser, []arg) {
		return func(p *parser, a []arg) {
			c := to(p.proposal)
			c.Algorithm, c.ok = p.choose(table, what, a[0])
		}
	}
	rows := []directive{
		{name: "encryption_algorithm", args: "ALG", doc: "cipher and key length of the ISAKMP SA", set: pick(phase1Ciphers, "cipher of phase 1", func(pr *proposal) *choice { return &pr.cipher })},
		{name: "hash_algorithm", args: "ALG", doc: "hash, and pseudo-random function", set: func(p *parser, a []arg) {
			a[0].keyed = false // a key length is accepted and ignored
			pick(phase1Hashes, "hash of phase 1", func(pr *proposal) *choice { return &pr.hash })(p, a)
		}},
		{name: "authentication_method", args: "ALG", doc: "how the peers prove who they are", set: pick(methods, "authentication method", func(pr *proposal) *choice { return &pr.method })},
		{name: "dh_group", args: "GROUP", doc: "Diffie-Hellman group", set: func(p *parser, a []arg) {
			c := &p.proposal.group
			c.ID, c.ok = p.group(a[0])
		}},
		{name: "lifetime time", hcl: "lifetime", args: "DURATION", doc: "life of the ISAKMP SA", def: "the section's", set: func(p *parser, a []arg) { p.time(a[0], 1, &p.proposal.lifetime) }},
		{name: "lifetime byte", args: "NUMBER BYTES", state: refused, why: "is not supported: write a lifetime time, or delete the line", doc: "obsolete"},
		{name: "gss_id", args: "STRING", from: ipsecTools, state: refused, why: gss, doc: "GSSAPI identity"},
		{name: "gssapi_id", args: "STRING", state: refused, why: gss, doc: "GSSAPI identity"},
		{name: "strength", args: "extra_high|high|normal", from: apple, state: refused, why: "is obsolete: name the algorithms", doc: "obsolete"},
	}
	for i := range rows {
		rows[i].in = inProposal
	}
	return rows
}
