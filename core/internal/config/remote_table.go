package config

import (
	"path/filepath"
	"strings"
	"time"

	"github.com/racoon-ike/racoon/core/internal/policy"
)

// remoteDirectives are those of a remote section.
func remoteDirectives() []directive {
	const cert = "certificates come with the finished auth-x509"
	rows := []directive{
		{name: "remote", args: "NAME|ADDRESS|ADDRESS PREFIX|anonymous [ PORT ] [ inherit PARENT ]", doc: "a peer or a class of peers", head: (*parser).remoteHead, body: inRemote, close: (*parser).remoteClose},

		{name: "remote_address", args: "ADDRESS [ PORT ]", from: ipsecTools, doc: "the peer's address", set: setRemoteAddress},
		{name: "exchange_mode", args: "main|aggressive|base,...", doc: "exchanges of phase 1; the first is used as initiator", set: setModes},
		{name: "doi", args: "ipsec_doi", doc: "the only one there is"},
		{name: "situation", args: "identity_only|secrecy|integrity", doc: "identity_only is the only one there is", set: func(p *parser, a []arg) {
			if a[0].text != "identity_only" {
				p.add(a[0].token, codeRefused, Error, "is a situation nobody implements", "write identity_only")
			}
		}},
		{name: "my_identifier", args: "TYPE [ file|tag ] [ VALUE ]", doc: "who we say we are", head: func(p *parser) bool {
			id, ok := p.identity(true)
			if ok && p.end() {
				p.remote.MyID = id
			}
			return ok
		}},
		{name: "peers_identifier", args: "TYPE [ file|tag ] [ VALUE ]", doc: "whom we accept; may be repeated", head: func(p *parser) bool {
			id, ok := p.identity(false)
			if ok && p.end() {
				p.remote.PeerIDs = append(p.remote.PeerIDs, id)
				if id.Type == idIPv4 && id.Data == nil { // any address is one of either family
					id.Type = idIPv6
					p.remote.PeerIDs = append(p.remote.PeerIDs, id)
				}
			}
			return ok
		}},
		{name: "verify_identifier", args: "SWITCH", doc: "refuse other identities than those of peers_identifier", set: remoteSwitch(func(r *policy.Remote) *bool { return &r.VerifyIdentifier })},
		{name: "nonce_size", args: "NUMBER", doc: "octets, 8 to 256", set: remoteCount(8, 256, func(r *policy.Remote) *int { return &r.NonceSize })},
		{name: "passive", args: "SWITCH", doc: "never initiate", set: remoteSwitch(func(r *policy.Remote) *bool { return &r.Passive })},
		{name: "initial_contact", args: "SWITCH", doc: "tell a new peer that we know nothing of before", set: remoteSwitch(func(r *policy.Remote) *bool { return &r.InitialContact })},
		{name: "proposal_check", args: "obey|strict|claim|exact", doc: "how far the peer's values may differ", set: setCheck},
		{name: "ph1id", args: "NUMBER", from: ipsecTools, doc: "chooses the sainfo sections with the same remoteid", set: func(p *parser, a []arg) { p.remote.Ph1ID = uint32(a[0].n) }},
		{name: "lifetime time", args: "NUMBER TIME", doc: "life of the ISAKMP SA, for proposals without one of their own", set: func(p *parser, a []arg) { p.time(a[0], a[1].n, 1, &p.remote.lifetime) }},
		{name: "lifetime byte", args: "NUMBER BYTES", state: refused, why: "byte lifetime of phase 1 is not supported: delete the line", doc: "obsolete"},
		{name: "dh_group", args: "GROUP", state: refused, why: "cannot be defined here: it belongs into proposal", doc: "belongs into proposal"},
		{name: "proposal", doc: "one proposal of phase 1; the order is the preference", set: (*parser).openProposal, body: inProposal, close: (*parser).closeProposal},

		{name: "nat_traversal", args: "SWITCH|force", doc: "UDP encapsulation through NAT", set: setToggle("NAT traversal", func(r *policy.Remote) *policy.Toggle { return &r.NATTraversal })},
		{name: "ike_frag", args: "SWITCH|force", doc: "fragments of IKE messages", set: setToggle("IKE fragmentation", func(r *policy.Remote) *policy.Toggle { return &r.IKEFrag })},
		{name: "rekey", args: "SWITCH|force", from: ipsecTools, doc: "renew phase 1 before it expires", set: setToggle("renewal of phase 1", func(r *policy.Remote) *policy.Toggle { return &r.Rekey })},
		{name: "dpd", args: "SWITCH", doc: "dead peer detection (RFC 3706)", set: laterSwitch("dead peer detection", func(r *policy.Remote) *bool { return &r.DPD })},
		{name: "dpd_delay", args: "NUMBER", doc: "seconds between probes, 0 = none", set: laterSeconds("dead peer detection", func(r *policy.Remote) *time.Duration { return &r.DPDDelay })},
		{name: "dpd_retry", args: "NUMBER", doc: "seconds between probes that are not answered", set: laterSeconds("", func(r *policy.Remote) *time.Duration { return &r.DPDRetry })},
		{name: "dpd_maxfail", args: "NUMBER", doc: "probes before the peer is dead", set: remoteCount(1, 1000, func(r *policy.Remote) *int { return &r.DPDMaxFail })},
		{name: "generate_policy", args: "SWITCH|require|unique", doc: "make policies from what the peer proposes", set: setGenerate},
		{name: "support_proxy", args: "SWITCH", doc: "identities of phase 2 are the end points of the SAs", set: laterSwitch("support_proxy", func(r *policy.Remote) *bool { return &r.SupportProxy })},
		{name: "support_mip6", args: "SWITCH", from: apple, doc: "obsolete name of support_proxy", set: laterSwitch("support_proxy", func(r *policy.Remote) *bool { return &r.SupportProxy })},
		{name: "weak_phase1_check", args: "SWITCH", doc: "believe what comes in clear text during phase 1", set: laterSwitch("trust in clear text", func(r *policy.Remote) *bool { return &r.WeakPhase1Check })},
		{name: "script", args: "STRING phase1_up|phase1_down|phase1_dead", from: ipsecTools, state: idle, why: "no scripts are run", doc: "a program run when phase 1 comes or goes", set: setScript},
		{name: "esp_frag", args: "NUMBER", state: mapped, why: "no kernel racoon runs on fragments before encapsulation", doc: "fragments before UDP encapsulation"},
		{name: "mode_cfg", args: "SWITCH", doc: "ask the peer for an address", set: func(p *parser, a []arg) {
			if p.remote.ModeCfg = a[0].n == 1; p.remote.ModeCfg {
				p.add(p.word, codeNotYet, Error, "needs the configuration exchange, which racoon does not have yet", "")
			}
		}},
		{name: "xauth_login", args: "[ STRING ]", state: missing, why: needsXAuth, doc: "our user name"},

		{name: "certificate_type x509", args: "in_keychain|STRING [ STRING ]", doc: "our certificate and key", set: setCertificate},
		{name: "certificate_type plain_rsa", args: "STRING", from: ipsecTools, state: idle, why: cert, doc: "our RSA key without certificate"},
		{name: "peers_certfile", args: "STRING", from: ipsecTools, state: idle, why: cert, doc: "obsolete form of peers_certfile x509"},
		{name: "peers_certfile x509", args: "STRING", from: ipsecTools, state: idle, why: cert, doc: "the peer's certificate"},
		{name: "peers_certfile plain_rsa", args: "STRING", from: ipsecTools, state: idle, why: cert, doc: "the peer's RSA key"},
		{name: "peers_certfile dnssec", from: ipsecTools, state: idle, why: cert, doc: "the peer's certificate from DNS"},
		{name: "ca_type x509", args: "STRING", from: ipsecTools, state: idle, why: cert, doc: "certificate of the authority"},
		{name: "verify_cert", args: "SWITCH", doc: "check the peer's certificate", set: remoteSwitch(func(r *policy.Remote) *bool { return &r.VerifyCert })},
		{name: "send_cert", args: "SWITCH", doc: "send our certificate", set: remoteSwitch(func(r *policy.Remote) *bool { return &r.SendCert })},
		{name: "send_cr", args: "SWITCH", doc: "ask for the peer's certificate", set: remoteSwitch(func(r *policy.Remote) *bool { return &r.SendCR })},
		{name: "match_empty_cr", args: "SWITCH", from: ipsecTools, state: idle, why: cert, doc: "the section matches an empty certificate request"},
	}
	rows = append(rows, appleRemoteDirectives()...)
	for i := range rows[1:] {
		rows[1+i].in = inRemote
	}
	return rows
}

// appleRemoteDirectives exist in Apple's language only.
func appleRemoteDirectives() []directive {
	const keychain = "needs Apple's keychain, which racoon does not read: use path pre_shared_key"
	rows := []directive{
		{name: "nat_traversal_multi_user", args: "SWITCH", state: idle, why: "NAT traversal comes later", doc: "several peers behind one address"},
		{name: "nat_traversal_keepalive", args: "SWITCH", state: idle, why: "NAT traversal comes later", doc: "send NAT keepalives"},
		{name: "dpd_algorithm", args: "dpd_default|dpd_inbound_detect|dpd_blackhole_detect", state: idle, why: "dead peer detection comes later", doc: "when to probe"},
		{name: "disconnect_on_idle", args: "idle_timeout NUMBER idle_direction idle_any|idle_inbound|idle_outbound", state: idle, why: "SAs are not deleted when idle", doc: "end SAs without traffic"},
		{name: "ike_version", args: "NUMBER", doc: "1 is the only one there is", set: func(p *parser, a []arg) {
			if a[0].n != 1 {
				p.add(a[0].token, codeRefused, Error, "is no version of IKE this racoon speaks", "write 1")
			}
		}},
		{name: "local_address", args: "ADDRESS", state: missing, why: "needs a choice of the local address per peer, which racoon does not have yet", doc: "our address towards this peer"},
		{name: "shared_secret use", args: "STRING", state: missing, why: "needs secrets in the configuration, which auth-psk does not take yet: use path pre_shared_key", doc: "the pre-shared key itself"},
		{name: "shared_secret key", args: "STRING", state: missing, why: "needs a choice of the key by name, which auth-psk does not have yet: use path pre_shared_key", doc: "entry of the file of pre-shared keys"},
		{name: "shared_secret keychain", args: "STRING", state: missing, why: keychain, doc: "entry of the keychain"},
		{name: "shared_secret keychain_by_id", args: "[ STRING ]", state: missing, why: keychain, doc: "entry of the keychain by identity"},
		{name: "open_dir_auth_group", args: "STRING", state: missing, why: "needs Apple's Open Directory, which racoon does not read", doc: "group of users"},
		{name: "certificate_verification openssl", args: "[ use_open_dir|use_peers_identifier ]", state: idle, why: "certificates come with the finished auth-x509", doc: "who verifies certificates"},
		{name: "certificate_verification sec_framework", args: "[ use_open_dir|use_peers_identifier ]", state: idle, why: "certificates come with the finished auth-x509", doc: "who verifies certificates"},
	}
	for i := range rows {
		rows[i].from = apple
	}
	return rows
}

func remoteSwitch(field func(*policy.Remote) *bool) func(*parser, []arg) {
	return func(p *parser, a []arg) { *field(p.remote.Remote) = a[0].n == 1 }
}

func remoteCount(low, high uint64, field func(*policy.Remote) *int) func(*parser, []arg) {
	return func(p *parser, a []arg) { p.count(a[0], low, high, func(n int) { *field(p.remote.Remote) = n }) }
}

// later warns that a setting was read and is not acted upon.
func (p *parser) later(what string) {
	p.add(p.word, codeNoEffectYet, Warning, "is accepted and has no effect yet: "+what+" comes later", "")
}

func laterSwitch(what string, field func(*policy.Remote) *bool) func(*parser, []arg) {
	return func(p *parser, a []arg) {
		if *field(p.remote.Remote) = a[0].n == 1; a[0].n == 1 {
			p.later(what)
		}
	}
}

func laterSeconds(what string, field func(*policy.Remote) *time.Duration) func(*parser, []arg) {
	return func(p *parser, a []arg) {
		if p.time(a[0], 1, 0, field(p.remote.Remote)); a[0].n > 0 && what != "" {
			p.later(what)
		}
	}
}

func setToggle(what string, field func(*policy.Remote) *policy.Toggle) func(*parser, []arg) {
	return func(p *parser, a []arg) {
		switch to := field(p.remote.Remote); a[0].text {
		case "off":
			*to = policy.Off
			return
		case "on":
			*to = policy.On
		case "force":
			*to = policy.Force
		}
		p.later(what)
	}
}

func setGenerate(p *parser, a []arg) {
	p.remote.GeneratePolicy = map[string]policy.Level{"on": policy.GenerateRequire,
		"require": policy.GenerateRequire, "unique": policy.GenerateUnique}[a[0].text]
	if p.remote.GeneratePolicy != policy.GenerateOff {
		p.later("generation of policies")
	}
}

func setRemoteAddress(p *parser, a []arg) {
	r := p.remote
	if r.addrSet || !r.named {
		p.add(p.word, codeDuplicate, Error, "is given already", "")
		return
	}
	r.Addr, r.Port, r.addrSet = a[0].addr.Unmap(), uint16(a[1].n), true
}

func setModes(p *parser, a []arg) {
	r := p.remote
	if !r.modesSet {
		r.Modes, r.modesSet, r.modes = nil, true, a[0].token // replaces what was inherited
	}
	modes := map[string]policy.ExchangeMode{"main": policy.Main, "aggressive": policy.Aggressive, "base": policy.Base}
	for _, m := range a[0].list() {
		if mode := modes[m.text]; !r.Allows(mode) {
			r.Modes = append(r.Modes, mode)
		}
		if m.text != "main" && r.Modes[0] == policy.Main {
			p.add(m.token, codeNoEffectYet, Warning, "is accepted and has no effect yet: main is the only exchange there is", "")
		}
	}
	if r.Modes[0] != policy.Main {
		p.add(r.modes, codeNotYet, Error, "needs "+r.Modes[0].String()+" mode, which racoon does not have yet", "write main first, if the peer accepts it")
	}
}

func setCheck(p *parser, a []arg) {
	p.remote.ProposalCheck = map[string]policy.Check{"obey": policy.Obey, "strict": policy.Strict,
		"claim": policy.Claim, "exact": policy.Exact}[a[0].text]
	if a[0].text == "obey" {
		p.add(a[0].token, codeObey, Note, "lets the peer choose lifetime, key length and PFS", "")
	}
}

func setCertificate(p *parser, a []arg) {
	switch {
	case a[0].kind == word:
		p.add(a[0].token, codeNotYet, Error, "needs Apple's keychain, which racoon does not read", "")
	case !a[1].ok:
		p.add(a[0].token, codeMissing, Error, "is followed by no key file", `certificate_type x509 "certificate" "key";`)
	default:
		p.later("the use of certificates")
	}
}

// setScript keeps a hook. A relative name is looked for in path script.
func setScript(p *parser, a []arg) {
	path := a[0].text
	if dir := p.cfg.Paths.Script; dir != "" && !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	p.remote.Scripts = append(p.remote.Scripts, policy.Script{Event: strings.ReplaceAll(a[1].text, "_", "-"), Path: path})
}
