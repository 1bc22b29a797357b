package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/racoon-ike/racoon/core/internal/policy"
)

// remoteDirectives are those of a remote section.
func remoteDirectives() []directive {
	rows := []directive{
		{name: "remote", args: "NAME|ADDRESS|ADDRESS PREFIX|anonymous [ PORT ] [ inherit PARENT ]", doc: "a peer or a class of peers", head: (*parser).remoteHead, body: inRemote, close: (*parser).remoteClose},
		{name: "inherit", args: "NAME", header: true, doc: "begin with the settings of this section"},
		{name: "named", args: "SWITCH", header: true, doc: "the label is a name even if it reads as an address or as anonymous"},

		{name: "profile", args: "NAME", from: ours, doc: "begin with the settings this kind of peer needs; must come first", set: setProfile},
		{name: "allow_legacy", args: "DATE", header: true, doc: "until this day, legacy algorithms are accepted in this section", set: setLegacy},
		{name: "remote_address", args: "ENDPOINT", from: ipsecTools, doc: "the peer's address", set: setRemoteAddress},
		{name: "exchange_mode", args: "main|aggressive|base,...", doc: "exchanges of phase 1; the first is used as initiator", def: "required", set: setModes},
		{name: "doi", args: "ipsec_doi", doc: "the only one there is", def: "ipsec_doi"},
		{name: "situation", args: "identity_only|secrecy|integrity", doc: "identity_only is the only one there is", def: "identity_only", set: func(p *parser, a []arg) {
			if a[0].text != "identity_only" {
				p.add(a[0].token, codeRefused, Error, "is a situation nobody implements", "write identity_only")
			}
		}},
		{name: "my_identifier", args: "IDENTITY", doc: "who we say we are", def: "address", set: func(p *parser, a []arg) {
			if id, ok := p.identity(a[0], true); ok {
				p.remote.MyID, p.remote.myID = id, a[0].token
			}
		}},
		{name: "peers_identifier", args: "IDENTITY", many: true, doc: "whom we accept; may be repeated", set: addPeerID},
		{name: "verify_identifier", args: "SWITCH", doc: "refuse other identities than those of peers_identifier", def: "off", set: remoteSwitch(func(r *policy.Remote) *bool { return &r.VerifyIdentifier })},
		{name: "nonce_size", args: "NUMBER", doc: "octets, 8 to 256", def: "16", set: remoteCount(8, 256, func(r *policy.Remote) *int { return &r.NonceSize })},
		{name: "passive", args: "SWITCH", doc: "never initiate", def: "off", set: remoteSwitch(func(r *policy.Remote) *bool { return &r.Passive })},
		{name: "start", args: "on_demand|up", from: ours, doc: "when the SAs of the policies with the peer are made: when there is traffic, or at once, and again whenever they are lost", def: "on_demand", set: func(p *parser, a []arg) { p.remote.KeepUp = a[0].text == "up" }},
		{name: "initial_contact", args: "SWITCH", doc: "tell a new peer that we know nothing of before", def: "on", set: remoteSwitch(func(r *policy.Remote) *bool { return &r.InitialContact })},
		{name: "proposal_check", args: "obey|strict|claim|exact", doc: "how far the peer's values may differ", def: "strict", set: setCheck},
		{name: "ph1id", args: "NUMBER", from: ipsecTools, doc: "chooses the sainfo sections with the same remoteid", def: "0", set: func(p *parser, a []arg) { p.remote.Ph1ID = uint32(a[0].n) }},
		{name: "lifetime time", hcl: "lifetime", args: "DURATION", doc: "life of the ISAKMP SA, for proposals without one of their own", def: "8 hour", set: func(p *parser, a []arg) { p.time(a[0], 1, &p.remote.lifetime) }},
		{name: "lifetime byte", args: "NUMBER BYTES", state: refused, why: "is not supported: write a lifetime time, or delete the line", doc: "obsolete"},
		{name: "dh_group", args: "GROUP", state: refused, why: "cannot be defined here: it belongs into proposal", doc: "belongs into proposal"},
		{name: "proposal", doc: "one proposal of phase 1; the order is the preference", def: "required", set: (*parser).openProposal, body: inProposal, close: (*parser).closeProposal},

		{name: "nat_traversal", args: "SWITCH|force", doc: "UDP encapsulation through NAT", def: "off", set: setToggle(func(r *policy.Remote) *policy.Toggle { return &r.NATTraversal })},
		{name: "ike_frag", args: "SWITCH|force", doc: "fragments of IKE messages: on, take them and send them to a peer that takes them; force, send them unasked", def: "off", set: setToggle(func(r *policy.Remote) *policy.Toggle { return &r.IKEFrag })},
		{name: "rekey", args: "SWITCH|force", from: ipsecTools, doc: "renew phase 1 before it expires: while there are IPsec SAs, or always", def: "on", set: setToggle(func(r *policy.Remote) *policy.Toggle { return &r.Rekey })},
		{name: "dpd", args: "SWITCH", doc: "dead peer detection (RFC 3706)", def: "on", set: remoteSwitch(func(r *policy.Remote) *bool { return &r.DPD })},
		{name: "dpd_delay", args: "NUMBER", doc: "seconds without a sign of life before the peer is asked, 0 = never", def: "0", set: func(p *parser, a []arg) { p.time(a[0], 0, &p.remote.DPDDelay) }},
		{name: "dpd_retry", args: "NUMBER", doc: "seconds between probes that are not answered", def: "5", set: func(p *parser, a []arg) { p.time(a[0], 0, &p.remote.DPDRetry) }},
		{name: "dpd_maxfail", args: "NUMBER", doc: "probes before the peer is dead", def: "5", set: remoteCount(1, 1000, func(r *policy.Remote) *int { return &r.DPDMaxFail })},
		{name: "on_loss", args: "on_demand|down|restart", from: ours, doc: "when the peer is dead and its SAs have ended: wait for traffic, or for an operator or the peer, or negotiate until they are there again", def: "on_demand", set: setOnLoss},
		{name: "generate_policy", args: "SWITCH|require|unique", doc: "make policies from what the peer proposes, within the networks a sainfo names, or for the peer's own address", def: "off", set: setGenerate},
		{name: "support_proxy", args: "SWITCH", doc: "identities of phase 2 are the end points of the SAs, in transport mode, for a peer a sainfo names with from", def: "off", set: remoteSwitch(func(r *policy.Remote) *bool { return &r.SupportProxy })},
		{name: "support_mip6", hcl: "support_proxy", args: "SWITCH", from: apple, doc: "obsolete name of support_proxy", set: func(p *parser, a []arg) {
			p.add(p.word, codeMapped, Warning, "is an obsolete name", "write support_proxy")
			remoteSwitch(func(r *policy.Remote) *bool { return &r.SupportProxy })(p, a)
		}},
		{name: "weak_phase1_check", args: "SWITCH", doc: "believe what comes in clear text during phase 1", def: "off", set: setWeakCheck},
		{name: "sha256_96", args: "SWITCH", from: ours, doc: "the peer cuts HMAC-SHA2-256 in ESP and AH to 96 bits, as the original racoon on Linux does, not to the 128 of RFC 4868", def: "off", set: setShortSHA256},
		{name: "script", fields: "file event", args: "STRING phase1_up|phase1_down|phase1_dead", from: ipsecTools, doc: "a program run when an ISAKMP SA comes or goes, or the peer is dead; relative to path script", set: setScript},
		{name: "esp_frag", args: "NUMBER", state: mapped, why: "no kernel racoon runs on fragments before encapsulation", doc: "fragments before UDP encapsulation"},
		{name: "mode_cfg", args: "SWITCH", doc: "ask the peer for an address", def: "off", set: func(p *parser, a []arg) {
			if p.remote.ModeCfg = a[0].n == 1; p.remote.ModeCfg {
				p.add(p.word, codeNotYet, Error, "needs the configuration exchange, which racoon does not have yet", "")
			}
		}},
		{name: "xauth_login", args: "[ STRING ]", state: missing, why: needsXAuth, doc: "answer a request for a user; the name, or it is asked for", set: func(p *parser, a []arg) {
			p.remote.XAuth, p.remote.XAuthLogin = true, a[0].text
		}},
	}
	rows = append(append(rows, certificateDirectives()...), appleRemoteDirectives()...)
	for i := range rows[1:] {
		rows[1+i].in = inRemote
	}
	return rows
}

func remoteSwitch(field func(*policy.Remote) *bool) func(*parser, []arg) {
	return func(p *parser, a []arg) { *field(p.remote.Remote) = a[0].n == 1 }
}

func remoteCount(low, high uint64, field func(*policy.Remote) *int) func(*parser, []arg) {
	return func(p *parser, a []arg) { p.count(a[0], low, high, func(n int) { *field(p.remote.Remote) = n }) }
}

// later warns that a value was read and is not acted upon yet.
func (p *parser) later() {
	p.add(p.word, codeNoEffectYet, Warning, "is accepted and has no effect yet: "+p.row.why, "")
}

func setToggle(field func(*policy.Remote) *policy.Toggle) func(*parser, []arg) {
	return func(p *parser, a []arg) {
		*field(p.remote.Remote) = toggles[a[0].text]
	}
}

var toggles = map[string]policy.Toggle{"off": policy.Off, "on": policy.On, "force": policy.Force}

func setOnLoss(p *parser, a []arg) {
	p.remote.onLoss = a[0].token
	p.remote.OnLoss = map[string]policy.Loss{"down": policy.StayDown, "restart": policy.Restart}[a[0].text]
}

func setGenerate(p *parser, a []arg) {
	p.remote.GeneratePolicy = map[string]policy.Level{"on": policy.GenerateRequire,
		"require": policy.GenerateRequire, "unique": policy.GenerateUnique}[a[0].text]
}

func setRemoteAddress(p *parser, a []arg) {
	r := p.remote
	switch {
	case !r.named:
		p.add(p.word, codeDuplicate, Error, "is for a section with a name: this one has its address in the header", `delete it, or begin the section with remote "NAME" {`)
		return
	case r.addrSet:
		p.add(p.word, codeDuplicate, Error, "is given already", "")
		return
	case a[0].keyed && a[0].n == 0:
		p.add(a[0].token, codeValue, Error, "has no port of a peer", "write one from 1 to 65535, or leave it out for 500")
		return
	}
	r.Addr, r.Port, r.addrSet = a[0].addr.Unmap(), uint16(a[0].n), true
}

func addPeerID(p *parser, a []arg) {
	id, ok := p.identity(a[0], false)
	if !ok {
		return
	}
	r := p.remote
	r.PeerIDs = append(r.PeerIDs, id)
	if id.Type == policy.IDIPv4 && id.Data == nil { // any address is one of either family
		id.Type = policy.IDIPv6
		r.PeerIDs = append(r.PeerIDs, id)
	}
}

func setModes(p *parser, a []arg) {
	r := p.remote
	if !r.modesSet {
		r.Modes, r.modesSet = nil, true // replaces what was inherited
	}
	modes := map[string]policy.ExchangeMode{"main": policy.Main, "aggressive": policy.Aggressive, "base": policy.Base}
	for _, m := range a[0].list() {
		if mode := modes[m.text]; !r.Allows(mode) {
			r.Modes = append(r.Modes, mode)
		}
	}
}

func setWeakCheck(p *parser, a []arg) {
	if p.remote.WeakPhase1Check = a[0].n == 1; a[0].n == 1 {
		p.weak(a[0].token, codeCredulous, Note, "lets anybody end a phase 1 that is being negotiated", "")
	}
}

func setShortSHA256(p *parser, a []arg) {
	if p.remote.ShortSHA256 = a[0].n == 1; a[0].n == 1 {
		p.weak(a[0].token, codeShortMAC, Note, "cuts HMAC-SHA2-256 to 96 bits instead of 128: packets pass only if the peer does so too", "")
	}
}

func setCheck(p *parser, a []arg) {
	p.remote.ProposalCheck = map[string]policy.Check{"obey": policy.Obey, "strict": policy.Strict,
		"claim": policy.Claim, "exact": policy.Exact}[a[0].text]
	if a[0].text == "obey" {
		p.weak(a[0].token, codeObey, Note, "lets the peer choose lifetime, key length and PFS", "")
	}
}

// setScript keeps a hook, the last one for each event. A relative name is looked for
// in path script, or without that beside the file that names it.
func setScript(p *parser, a []arg) {
	path, dir := a[0].text, p.cfg.Paths.Script
	switch {
	case path == "":
		p.errorf(a[0].token, "is an empty path")
		return
	case dir != "" && !filepath.IsAbs(path):
		path = filepath.Join(dir, path)
	default:
		path = p.absolute(a[0].token, path)
	}
	if fault := p.executable(path); fault != "" {
		p.add(a[0].token, codeScript, Warning, "cannot be run"+where(a[0].token, path)+": "+fault, "")
	}
	s := policy.Script{Event: strings.ReplaceAll(a[1].text, "_", "-"), Path: path}
	p.remote.Scripts = append(slices.DeleteFunc(p.remote.Scripts, func(old policy.Script) bool { return old.Event == s.Event }), s)
}

// executable says why a file is no program, "" if it is one.
func executable(path string) string {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return reason(err)
	case !info.Mode().IsRegular():
		return "is no file"
	case info.Mode().Perm()&0o111 == 0:
		return "is not executable"
	}
	return ""
}
