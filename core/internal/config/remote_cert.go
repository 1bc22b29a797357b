package config

import (
	"path/filepath"

	"github.com/racoon-ike/racoon/core/internal/policy"
)

// certificateDirectives are those of a remote section that name certificates and keys.
func certificateDirectives() []directive {
	const cert = "certificates come with the finished auth-x509"
	return []directive{
		{name: "certificate_type x509", fields: "certificate key", args: "in_keychain|STRING [ STRING ]", doc: "our certificate and key; or Apple's keychain has it, and the string names it", state: partly, why: cert, set: setCertificate},
		{name: "certificate_type plain_rsa", args: "STRING", from: ipsecTools, state: idle, why: cert, doc: "our RSA key without certificate; turns send_cr, send_cert and verify_cert off", set: func(p *parser, a []arg) {
			if p.certificate(&p.remote.Certificate, policy.Certificate{Kind: "plain_rsa", Key: p.certificatePath(a[0])}) {
				p.remote.SendCR, p.remote.SendCert, p.remote.VerifyCert = false, false, false
			}
		}},
		{name: "peers_certfile x509", args: "STRING", from: ipsecTools, state: idle, why: cert, doc: "the peer's certificate, instead of what it sends", set: setPeerCertificate("x509")},
		{name: "peers_certfile plain_rsa", args: "STRING", from: ipsecTools, state: idle, why: cert, doc: "the peer's RSA keys", set: setPeerCertificate("plain_rsa")},
		{name: "peers_certfile dnssec", from: ipsecTools, state: idle, why: cert, doc: "the peer's certificate from DNS", set: func(p *parser, _ []arg) {
			p.certificate(&p.remote.PeerCertificate, policy.Certificate{Kind: "dnssec"})
		}},
		{name: "peers_certfile", hcl: "peers_certfile.x509", args: "STRING", from: ipsecTools, state: idle, why: cert, doc: "obsolete form of peers_certfile x509", set: setPeerCertificate("x509")},
		{name: "ca_type x509", args: "STRING", from: ipsecTools, state: idle, why: cert, doc: "certificate of the authority", set: func(p *parser, a []arg) {
			if r := p.remote; r.CA != "" {
				p.add(p.word, codeDuplicate, Error, "is given already", "")
			} else {
				r.CA = p.certificatePath(a[0])
			}
		}},
		{name: "verify_cert", args: "SWITCH", doc: "check the peer's certificate", def: "on", set: remoteSwitch(func(r *policy.Remote) *bool { return &r.VerifyCert })},
		{name: "send_cert", args: "SWITCH", doc: "send our certificate", def: "on", set: remoteSwitch(func(r *policy.Remote) *bool { return &r.SendCert })},
		{name: "send_cr", args: "SWITCH", doc: "ask for the peer's certificate", def: "on", set: remoteSwitch(func(r *policy.Remote) *bool { return &r.SendCR })},
		{name: "match_empty_cr", args: "SWITCH", from: ipsecTools, state: idle, why: cert, doc: "the section matches an empty certificate request", def: "off", set: remoteSwitch(func(r *policy.Remote) *bool { return &r.MatchEmptyCR })},
	}
}

func setCertificate(p *parser, a []arg) {
	switch {
	case a[0].kind == word:
		p.add(a[0].token, codeNotYet, Error, "needs an auth plugin for Apple's keychain, which racoon does not have", p.write(a[0].token, inRemote, `certificate_type x509 "FILE" "KEYFILE";`))
		p.certificate(&p.remote.Certificate, policy.Certificate{Kind: "keychain", File: a[1].text})
	case !a[1].ok:
		p.add(a[0].token, codeMissing, Error, "is followed by no key file", p.write(a[0].token, inRemote, `certificate_type x509 "FILE" "KEYFILE";`))
	default:
		if p.certificate(&p.remote.Certificate, policy.Certificate{Kind: "x509", File: p.certificatePath(a[0]), Key: p.certificatePath(a[1])}) {
			p.later()
		}
	}
}

// certificate sets our certificate, or what we know of the peer's, once.
func (p *parser) certificate(to **policy.Certificate, c policy.Certificate) bool {
	if *to != nil {
		p.add(p.word, codeDuplicate, Error, "is given already", "")
		return false
	}
	*to = &c
	return true
}

func setPeerCertificate(kind string) func(*parser, []arg) {
	return func(p *parser, a []arg) {
		p.certificate(&p.remote.PeerCertificate, policy.Certificate{Kind: kind, File: p.certificatePath(a[0])})
	}
}

// certificatePath joins a relative name with path certificate.
func (p *parser) certificatePath(a arg) string {
	if a.text == "" {
		p.errorf(a.token, "is an empty file name")
	}
	if dir := p.cfg.Paths.Certificate; dir != "" && !filepath.IsAbs(a.text) {
		return filepath.Join(dir, a.text)
	}
	return p.absolute(a.token, a.text)
}

// appleRemoteDirectives exist in Apple's language only.
func appleRemoteDirectives() []directive {
	const keychain = "needs an auth plugin for Apple's keychain, which racoon does not have: use path pre_shared_key"
	verifier := func(name string) func(*parser, []arg) {
		return func(p *parser, a []arg) {
			p.remote.CertVerifier, p.remote.CertVerifierUse = name, a[0].text
			if a[0].text == "use_peers_identifier" {
				p.remote.needsPeerID = a[0].token
			}
		}
	}
	rows := []directive{
		{name: "nat_traversal_multi_user", args: "SWITCH", doc: "several peers behind one address; they are always told apart, by their ports", def: "off", set: remoteSwitch(func(r *policy.Remote) *bool { return &r.NATTMultiUser })},
		{name: "nat_traversal_keepalive", args: "SWITCH", doc: "send NAT keepalives", def: "on", set: remoteSwitch(func(r *policy.Remote) *bool { return &r.NATTKeepalive })},
		{name: "dpd_algorithm", args: "dpd_default|dpd_inbound_detect|dpd_blackhole_detect", doc: "what else is a sign of life: nothing; what comes through the tunnel; that, or nothing having been sent through it", def: "dpd_inbound_detect", set: func(p *parser, a []arg) {
			p.remote.DPDAlgorithm = a[0].text[len("dpd_"):]
		}},
		{name: "disconnect_on_idle", fields: "timeout direction", args: "idle_timeout NUMBER idle_direction idle_any|idle_inbound|idle_outbound", state: idle, why: "SAs are not deleted when idle", doc: "end SAs without traffic for so many seconds", def: "never", set: func(p *parser, a []arg) {
			p.time(a[1], 0, &p.remote.IdleTimeout)
			p.remote.IdleDirection = a[3].text[len("idle_"):]
		}},
		{name: "ike_version", args: "NUMBER", doc: "1 is the only one there is", def: "1", set: func(p *parser, a []arg) {
			if a[0].n != 1 {
				p.add(a[0].token, codeRefused, Error, "is no version of IKE this racoon speaks", "write 1")
			}
		}},
		{name: "local_address", args: "ADDRESS", doc: "our address towards this peer; what it says to another one is not for the section", set: func(p *parser, a []arg) {
			addr := a[0].addr.Unmap()
			if addr.IsUnspecified() || addr.IsMulticast() {
				p.errorf(a[0].token, "is no address of ours")
				return
			}
			p.remote.LocalAddr, p.remote.local = addr, a[0].token
		}},
		{name: "shared_secret use", args: "SECRET", doc: "the pre-shared key itself; in HCL a reference to it", set: func(p *parser, a []arg) {
			if a[0].text == "" {
				p.errorf(a[0].token, "is empty")
				return
			}
			p.remote.SharedSecret = &policy.SharedSecret{Use: secretOf(a[0])}
		}},
		{name: "shared_secret key", args: "STRING", doc: "the entry of the file of pre-shared keys with this identity", set: func(p *parser, a []arg) {
			if a[0].text == "" {
				p.errorf(a[0].token, "is empty")
				return
			}
			p.remote.SharedSecret = &policy.SharedSecret{Key: a[0].text}
		}},
		{name: "shared_secret keychain", args: "STRING", state: missing, why: keychain, doc: "the entry of the keychain with this name", set: func(p *parser, a []arg) {
			p.remote.SharedSecret = &policy.SharedSecret{Keychain: a[0].text}
		}},
		{name: "shared_secret keychain_by_id", args: "[ STRING ]", state: missing, why: keychain, doc: "the entry of the keychain with the peer's identity, else with this name", set: func(p *parser, a []arg) {
			p.remote.SharedSecret = &policy.SharedSecret{Keychain: a[0].text, ByID: true}
		}},
		{name: "open_dir_auth_group", args: "STRING", state: missing, why: "needs an auth plugin for Apple's Open Directory, which racoon does not have", doc: "users of this group may log in", set: func(p *parser, a []arg) {
			p.remote.OpenDirGroup = a[0].text
		}},
		{name: "certificate_verification openssl", args: "[ use_open_dir|use_peers_identifier ]", state: idle, why: "certificates come with the finished auth-x509", doc: "who verifies certificates", set: verifier("openssl")},
		{name: "certificate_verification sec_framework", args: "[ use_open_dir|use_peers_identifier ]", state: idle, why: "certificates come with the finished auth-x509", doc: "who verifies certificates", set: verifier("sec_framework")},
	}
	for i := range rows {
		rows[i].from = apple
	}
	return rows
}
