package swanctl

import (
	"slices"
	"strings"
)

// round is one local<suffix> or remote<suffix> section: how one side proves once
// who it is.
type round struct {
	*section
	how string // psk, pubkey, xauth, eap, or "" for what is not known
	nth uint64
}

// methods are the rounds of both sides that IKEv1 has a method for.
var methods = []struct{ local, remote, method string }{
	{"psk", "psk", "pre_shared_key"},
	{"pubkey", "pubkey", "rsasig"},
	{"psk xauth", "psk", "xauth_psk_client"},
	{"psk", "psk xauth", "xauth_psk_server"},
	{"pubkey xauth", "pubkey", "xauth_rsa_client"},
	{"pubkey", "pubkey xauth", "xauth_rsa_server"},
	{"xauth", "pubkey", "hybrid_rsa_client"},
	{"pubkey", "xauth", "hybrid_rsa_server"},
}

// auth is how a connection authenticates.
type auth struct {
	method        string
	local, remote []round
}

func (a auth) psk() bool {
	return a.method == "pre_shared_key" || strings.HasPrefix(a.method, "xauth_psk")
}

func (a auth) xauth() bool {
	return strings.HasPrefix(a.method, "xauth") || strings.HasPrefix(a.method, "hybrid")
}

func (a auth) client() bool { return strings.HasSuffix(a.method, "_client") }

// readAuth reads the rounds of a connection; why says why there is no method for
// them.
func (im *importer) readAuth(s *section) (a auth, why string) {
	a.local, a.remote = im.rounds(s, "local"), im.rounds(s, "remote")
	local, remote := sequenceOf(a.local), sequenceOf(a.remote)
	for _, m := range methods {
		if m.local == local && m.remote == remote {
			a.method = m.method
			return a, ""
		}
	}
	for _, r := range append(a.local[:len(a.local):len(a.local)], a.remote...) {
		switch r.how {
		case "eap":
			return a, "EAP belongs to IKEv2"
		case "":
			return a, "racoon knows pre-shared keys, RSA signatures and XAUTH, and one of its rounds is none of these"
		}
	}
	return a, "IKEv1 has no method in which one side proves itself with " + local + " and the other with " + remote
}

func sequenceOf(rounds []round) string {
	var how []string
	for _, r := range rounds {
		how = append(how, r.how)
	}
	return strings.Join(how, " ")
}

// rounds reads the rounds of one side in their order. A side without a section
// has one round with a signature, as charon has it.
func (im *importer) rounds(s *section, side string) []round {
	var all []round
	for _, sub := range s.sections {
		if !strings.HasPrefix(strings.ToLower(sub.name), side) {
			continue
		}
		im.check(sub, authKeys)
		for _, cert := range sub.sections {
			im.note(cert.at, Warning, "certificates on a token and in sections of their own are not carried over: write certificate_type or ca_type")
		}
		all = append(all, round{sub, im.how(sub), im.number(sub, "round", 0, maxLife)})
	}
	slices.SortStableFunc(all, func(a, b round) int { return int(int64(a.nth) - int64(b.nth)) })
	if len(all) == 0 {
		all = []round{{&section{at: s.at}, "pubkey", 0}}
	}
	return all
}

// how reads auth.
func (im *importer) how(s *section) string {
	text, at := s.get("auth", "pubkey")
	text = strings.ToLower(text)
	rest, scheme := strings.CutPrefix(text, "ike:")
	kind, constraint, limited := strings.Cut(rest, "-")
	switch {
	case strings.HasPrefix(kind, "eap"):
		return "eap"
	case kind == "psk" && !limited && !scheme:
		return "psk"
	case kind == "xauth" && !scheme:
		if limited {
			im.note(at, Warning, "auth: the backend of XAUTH is chosen with mode_cfg { auth_source }")
		}
		return "xauth"
	case kind == "pubkey", kind == "rsa":
		if scheme || constraint != "" {
			im.note(at, Warning, "auth: racoon does not limit the keys and hashes of certificates")
		}
		return "pubkey"
	}
	return ""
}

// keyOf is the private key of our certificate; known is false where either cannot
// be written.
func (im *importer) keyOf(c *conn) (key string, known bool) {
	cert, _, ok := im.first(c.auth.local, "certs")
	key = im.privateKey()
	return key, ok && key != "" && quotable(cert)
}

// certificates writes the directives of a connection with certificates. The names
// are those of swanctl's directories.
func (im *importer) certificates(c *conn, d *directives) {
	if cert, at, ok := im.first(c.auth.local, "certs"); ok {
		if key, known := im.keyOf(c); known {
			d.add(`certificate_type x509 "%s" "%s"`, im.beside("x509", cert), im.beside("private", key))
		} else {
			d.comment(`certificate_type x509 "%s" "KEY";`, plain(im.beside("x509", cert)))
			if c.mine.kind == "address" {
				d.comment("my_identifier asn1dn;")
			}
			im.note(at, Warning, "certs: swanctl finds the private key by itself, racoon wants its name: complete certificate_type")
		}
	} else if strings.HasPrefix(sequenceOf(c.auth.local), "pubkey") {
		im.note(c.auth.local[0].at, Warning, "no certificate is named here: write certificate_type")
	}
	if ca, _, ok := im.first(c.auth.remote, "cacerts"); ok && quotable(ca) {
		d.add(`ca_type x509 "%s"`, im.beside("x509ca", ca))
	}
	if cert, _, ok := im.first(c.auth.remote, "certs"); ok && quotable(cert) {
		d.add(`peers_certfile x509 "%s"`, im.beside("x509", cert))
	}
	send := im.oneOf(c.section, "send_cert", "ifasked", "ifasked", "always", "never")
	d.add("send_cert %s", onOff(send != "never"))
	d.add("send_cr %s", onOff(im.flag(c.section, "send_certreq", true)))
	d.add("verify_cert on")
}

// first is the first certificate of a list; racoon has room for one.
func (im *importer) first(rounds []round, key string) (string, Position, bool) {
	for _, r := range rounds {
		list, at := r.list(key, "")
		if len(list) > 1 {
			im.note(at, Warning, "%s: a remote section has one, the first is taken", key)
		}
		if len(list) > 0 {
			return list[0], at, true
		}
	}
	return "", Position{}, false
}

// privateKey is the name of the private key if just one is named anywhere.
func (im *importer) privateKey() string {
	names := map[string]bool{}
	name := ""
	for _, k := range im.secrets {
		if k.file != "" {
			names[k.file], name = true, k.file
		}
	}
	if len(names) != 1 || !quotable(name) {
		return ""
	}
	return name
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}
