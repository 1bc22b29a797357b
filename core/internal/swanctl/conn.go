package swanctl

import (
	"fmt"
	"strings"
)

// conn is one connection on its way to a remote section.
type conn struct {
	*section
	auth          auth
	aggressive    bool
	local, remote endpoints
	port          uint64
	mine, theirs  identity
	virtual       bool // we ask for an address
	pooled        bool // we hand out addresses
	transforms    []transform
	life          uint64
	children      []*child
	ph1id         int // 0 = none
}

// readConnections reads what speaks IKEv1.
func (im *importer) readConnections() {
	top := im.root.sub("connections")
	if top == nil {
		return
	}
	all := im.whole(top)
	for _, s := range all.sections {
		if c := im.connection(s); c != nil {
			im.conns = append(im.conns, c)
		}
	}
	bound := 0
	for _, c := range im.conns {
		if len(im.conns) > 1 && len(c.children) > 0 {
			bound++
			c.ph1id = bound
		}
	}
}

// connection reads one connection, nil if it is left out.
func (im *importer) connection(s *section) *conn {
	version, at := s.get("version", "0")
	switch version {
	case "1":
	case "0":
		im.note(at, Remark, "connection %s speaks both versions of IKE: here it speaks IKEv1 only, and charon would begin with IKEv2", show(s.name))
	case "2":
		im.note(at, Remark, "connection %s is IKEv2, left out", show(s.name))
		return nil
	default:
		im.note(at, Error, "connection %s is left out: there is no such version of IKE", show(s.name))
		return nil
	}
	im.check(s, connKeys)
	for _, sub := range s.sections {
		if n := strings.ToLower(sub.name); n != "children" && !strings.HasPrefix(n, "local") && !strings.HasPrefix(n, "remote") {
			im.note(sub.at, Warning, "swanctl.conf(5) has no such section here")
		}
	}
	c := &conn{section: s, aggressive: im.flag(s, "aggressive", false), port: im.number(s, "remote_port", 500, 65535),
		local: im.endpoints(s, "local_addrs"), remote: im.endpoints(s, "remote_addrs"), virtual: s.has("vips"), pooled: s.has("pools")}
	if c.port == 0 {
		c.port = 500
	}
	var why string
	if c.auth, why = im.readAuth(s); why == "" {
		why = im.identities(c)
	}
	if why == "" {
		if c.transforms = im.phase1(s, c.aggressive); len(c.transforms) == 0 {
			why = "none of its proposals is left"
		}
	}
	if why != "" {
		im.note(s.at, Error, "connection %s is left out: %s", show(s.name), why)
		return nil
	}
	c.life = im.ikeLife(s)
	im.remarks(c)
	im.readChildren(c)
	if len(c.remote.hosts) > 0 && c.passive() {
		im.note(s.at, Remark, "connection %s waits for the peer, since no child has a start_action: with passive off traffic starts it", show(s.name))
	}
	return c
}

// identities reads whom the first round of each side is about.
func (im *importer) identities(c *conn) (why string) {
	text, at := c.auth.local[0].get("id", "")
	if c.mine, why = parseID(text); why != "" {
		im.note(at, Warning, "id: %s", why)
		return "our identity cannot be written"
	}
	if c.mine.kind == "asn1dn" && !isDN(c.mine.text, false) {
		im.note(at, Warning, "id: our own name cannot be a pattern")
		return "our identity cannot be written"
	}
	if c.mine.kind == "" {
		c.mine.kind = "address"
		if _, known := im.keyOf(c); known && strings.HasPrefix(sequenceOf(c.auth.local), "pubkey") {
			c.mine.kind = "asn1dn" // the certificate's subject
		}
	}
	text, at = c.auth.remote[0].get("id", "")
	if c.theirs, why = parseID(text); why != "" {
		im.note(at, Warning, "id: %s", why)
		return "the peer's identity cannot be written"
	}
	return ""
}

// ikeLife is what charon proposes: the time of reauthentication, or else of
// rekeying, and over_time on top of it.
func (im *importer) ikeLife(s *section) uint64 {
	rekey, rekeyed := im.seconds(s, "rekey_time")
	reauth, again := im.seconds(s, "reauth_time")
	if !rekeyed && !again {
		rekey = 4 * 3600
	}
	over, given := im.seconds(s, "over_time")
	if !given {
		over = max(rekey, reauth) / 10
	}
	life := reauth
	if life == 0 {
		life = rekey
	}
	return min(life+over, maxLife)
}

// defaultLife is meant where nobody says anything (RFC 2407 section 4.5).
const defaultLife = 28800

// remarks says what the connection as a whole loses.
func (im *importer) remarks(c *conn) {
	if c.auth.xauth() || !c.auth.psk() {
		im.note(c.auth.local[0].at, Warning, "connection %s authenticates with %s, which racoon does not have yet and will not load", show(c.name), c.auth.method)
	}
	if c.virtual {
		_, at := c.get("vips", "")
		im.note(at, Warning, "vips: asking for an address needs the configuration exchange, which racoon does not have yet and will not load")
	}
	if c.pooled {
		_, at := c.get("pools", "")
		im.note(at, Warning, "pools: handing out addresses needs the configuration exchange, which racoon does not have yet")
	}
	if len(c.remote.names) > 0 {
		_, at := c.get("remote_addrs", "")
		im.note(at, Warning, "remote_addrs: racoon has numeric addresses only, names of hosts are left out")
	}
	if c.open() && c.theirs.kind == "" && c.auth.psk() {
		im.note(c.at, Remark, "connection %s is for anyone who knows the key: it names neither address nor identity", show(c.name))
	}
	switch im.oneOf(c.section, "unique", "no", "no", "never", "keep", "replace") {
	case "keep", "replace":
		_, at := c.get("unique", "")
		im.note(at, Warning, "unique: a peer replaces what it had only when it says so with INITIAL-CONTACT")
	}
	if c.life == 0 {
		im.note(c.at, Remark, "connection %s has no life time: charon proposes none and %d seconds are meant", show(c.name), defaultLife)
	}
}

// open reports whether the section has no address of a peer.
func (c *conn) open() bool {
	return c.remote.any || len(c.remote.hosts)+len(c.remote.nets) == 0
}

// passive: charon would not begin by itself either.
func (c *conn) passive() bool {
	for _, ch := range c.children {
		if ch.starts {
			return false
		}
	}
	return len(c.children) > 0
}

// where says where something comes from.
func where(what string, at Position) string {
	return fmt.Sprintf("# %s, %s:%d\n", plain(what), plain(at.File), at.Line)
}
