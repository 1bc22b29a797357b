package swanctl

import (
	"net/netip"
	"strings"
)

// child is one child on its way to a sainfo section and to policies.
type child struct {
	*section
	mode     string // tunnel, transport, pass, drop
	suite    suite
	life     uint64
	kb       uint64 // what its SAs may carry, in 1024 octets; 0 = no limit
	ends     []ends
	policies bool
	starts   bool // traffic, or charon itself, begins the negotiation
	up       bool // charon begins it without traffic
	again    bool // and again when the SAs end
	restarts bool // or the peer is dead
	reqid    uint64
}

// ends are the selectors of a child, and the addresses of the SAs if known.
type ends struct {
	local, remote selector
	us, them      netip.Addr
}

// readChildren reads the children of a connection.
func (im *importer) readChildren(c *conn) {
	top := c.sub("children")
	if top == nil || len(top.sections) == 0 {
		im.note(c.at, Warning, "connection %s has no children: there is nothing to negotiate in phase 2", show(c.name))
		return
	}
	for _, s := range top.sections {
		im.check(s, childKeys)
		ch := &child{section: s, policies: im.flag(s, "policies", true), reqid: im.number(s, "reqid", 0, 1<<32-1)}
		if why := im.child(c, ch); why != "" {
			im.note(s.at, Error, "child %s of connection %s is left out: %s", show(s.name), show(c.name), why)
			continue
		}
		c.children = append(c.children, ch)
	}
}

// child reads one child; why says why it is left out.
func (im *importer) child(c *conn, ch *child) (why string) {
	ch.mode = im.oneOf(ch.section, "mode", "tunnel", "tunnel", "transport", "transport_proxy", "beet", "pass", "drop")
	im.actions(ch)
	if ch.mode == "beet" || ch.mode == "transport_proxy" {
		return "racoon has tunnel and transport mode"
	}
	local, why := im.selector(ch.section, "local_ts")
	if why != "" {
		return why
	}
	remote, why := im.selector(ch.section, "remote_ts")
	if why != "" {
		return why
	}
	if why = im.pair(c, ch, local, remote); why != "" || ch.shunt() {
		return why
	}
	var ok bool
	if ch.suite, ok = im.phase2(ch.section); !ok {
		return "none of its proposals is left"
	}
	ch.life, ch.kb = im.childLife(ch.section), im.childVolume(ch.section)
	return ""
}

// shunt reports whether the child is a policy without SAs.
func (ch *child) shunt() bool { return ch.mode == "pass" || ch.mode == "drop" }

// actions reads when charon would negotiate by itself.
func (im *importer) actions(ch *child) {
	start, at := ch.get("start_action", "none")
	for word := range strings.SplitSeq(strings.ToLower(start), "|") {
		switch strings.TrimSpace(word) {
		case "trap", "route":
			ch.starts = true
		case "start", "restart":
			ch.starts, ch.up = true, true
		case "none", "clear":
		default:
			im.note(at, Warning, "start_action: this is none of its values")
		}
	}
	starts := func(key string) bool {
		text, _ := ch.get(key, "")
		return strings.Contains(strings.ToLower(text), "start")
	}
	ch.again, ch.restarts = starts("close_action"), starts("dpd_action")
}

// selector reads the selector that IKEv1 has room for.
func (im *importer) selector(s *section, key string) (selector, string) {
	list, at := s.list(key, "dynamic")
	if len(list) == 0 {
		list = []string{"dynamic"}
	}
	if len(list) > 1 {
		im.note(at, Warning, "%s: IKEv1 has one pair of selectors for each child, the first is taken as charon does: make children of the others", key)
	}
	sel, why := parseSelector(list[0])
	if why != "" {
		return sel, key + ": " + why
	}
	return sel, ""
}

// pair puts the two selectors together, once for each address the peer may have.
func (im *importer) pair(c *conn, ch *child, local, remote selector) (why string) {
	if why = agree(&local, &remote); why != "" {
		return why
	}
	if !c.virtual {
		local = local.at(c.local.host())
	}
	for _, host := range c.remote.hosts {
		e := ends{local: local, remote: remote, us: c.local.like(host), them: host}
		if !c.pooled {
			e.remote = remote.at(host)
		}
		ch.ends = append(ch.ends, e)
	}
	if c.open() || len(c.remote.nets) > 0 {
		ch.ends = append(ch.ends, ends{local: local, remote: remote})
	}
	for i := range ch.ends {
		if why = agree(&ch.ends[i].local, &ch.ends[i].remote); why != "" {
			return why
		}
	}
	im.unknownEnds(c, ch)
	return ""
}

// unknownEnds says what it means that an address is not known.
func (im *importer) unknownEnds(c *conn, ch *child) {
	last := ch.ends[len(ch.ends)-1]
	if ch.shunt() {
		return
	}
	if last.remote.dynamic() {
		im.note(ch.at, Remark, "child %s: the sainfo section is for the address the peer comes from", show(ch.name))
	}
	if last.local.dynamic() && !c.virtual {
		im.note(ch.at, Remark, "child %s: local_addrs does not name one address, so that the sainfo section is for any of ours: the policies decide", show(ch.name))
	}
	if last.local.dynamic() && last.local.proto != 0 || last.remote.dynamic() && last.remote.proto != 0 {
		im.note(ch.at, Remark, "child %s: where an address is not known the sainfo section compares neither protocol nor port", show(ch.name))
	}
}

// childLife is the hard life time charon proposes: life_time, or a tenth more than
// rekey_time.
func (im *importer) childLife(s *section) uint64 {
	life, ok := im.seconds(s, "life_time")
	if !ok {
		rekey, ok := im.seconds(s, "rekey_time")
		if !ok {
			rekey = 3600
		}
		life = min(rekey*110/100, maxLife)
	}
	if life == 0 {
		im.note(s.at, Remark, "child %s has no life time: charon proposes none and %d seconds are meant", show(s.name), defaultLife)
		return defaultLife
	}
	return life
}

// childVolume is the hard limit of octets charon proposes: life_bytes, or a tenth
// more than rekey_bytes.
func (im *importer) childVolume(s *section) uint64 {
	life, ok := im.octets(s, "life_bytes")
	if !ok {
		rekey, _ := im.octets(s, "rekey_bytes")
		life = rekey + rekey/10
	}
	return life / 1024
}
