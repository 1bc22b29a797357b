package swanctl

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// directives collects the lines of a section.
type directives struct{ b strings.Builder }

func (d *directives) add(format string, args ...any) {
	d.b.WriteByte('\t')
	fmt.Fprintf(&d.b, format, args...)
	d.b.WriteString(";\n")
}

func (d *directives) comment(format string, args ...any) {
	d.b.WriteString("\t# ")
	fmt.Fprintf(&d.b, format, args...)
	d.b.WriteByte('\n')
}

// writeConf writes racoon.conf.
func (im *importer) writeConf() {
	if len(im.conns) == 0 {
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# Made of %s. Every default of charon is written out.\n", plain(im.name))
	b.WriteString("# charon takes any life time a peer proposes. racoon refuses a phase 1 that lives\n")
	b.WriteString("# longer than its own: if the peer begins with more, raise lifetime.\n\n")
	b.WriteString("path pre_shared_key \"psk.txt\";\n\n")
	names := map[string]bool{}
	for _, c := range im.conns {
		b.WriteString(where("connections."+c.name, c.at))
		im.writeRemotes(&b, c, names)
		im.writeSAInfos(&b, c)
	}
	im.result.Conf = strings.TrimSuffix(b.String(), "\n")
}

// writeRemotes writes a section for each address of the peer: those of hosts
// inherit from the first, those of networks are named by them.
func (im *importer) writeRemotes(b *strings.Builder, c *conn, names map[string]bool) {
	body, parent := "", ""
	named := func(address string) {
		name := unused(c.name, names)
		fmt.Fprintf(b, "remote \"%s\"", name)
		if parent != "" {
			fmt.Fprintf(b, " inherit \"%s\"", parent)
		}
		b.WriteString(" {\n" + address)
		if parent == "" {
			b.WriteString(body)
		}
		b.WriteString("}\n\n")
		parent = name
	}
	if c.open() {
		hint := ""
		for _, n := range c.remote.names {
			hint += "\t# remote_address ADDRESS; of " + n + "\n"
		}
		body = im.remoteBody(c, true)
		named(hint)
		parent = "" // the others differ from it
	}
	if len(c.remote.hosts) > 0 {
		body = im.remoteBody(c, false)
	}
	for _, h := range c.remote.hosts {
		named("\tremote_address " + addrPort(h.String(), c.port) + ";\n")
	}
	for _, n := range c.remote.nets {
		fmt.Fprintf(b, "remote %s {\n%s}\n\n", addrPort(n.String(), c.port), im.remoteBody(c, true))
	}
}

// unused makes a name that no section has yet.
func unused(name string, names map[string]bool) string {
	name = plain(name)
	free := name
	for i := 2; names[free]; i++ {
		free = name + "/" + strconv.Itoa(i)
	}
	names[free] = true
	return free
}

// remoteBody is everything but the address. open says that it is not one address.
func (im *importer) remoteBody(c *conn, open bool) string {
	d := &directives{}
	mode := "main"
	if c.aggressive {
		mode = "aggressive"
	}
	d.add("exchange_mode %s", mode)
	im.writeIdentities(c, d)
	passive := open || c.passive()
	d.add("passive %s", onOff(passive))
	d.add("initial_contact %s", onOff(im.oneOf(c.section, "unique", "no", "no", "never", "keep", "replace") != "never"))
	d.add("proposal_check claim")
	if c.ph1id > 0 {
		d.add("ph1id %d", c.ph1id)
	}
	natt := "on"
	if im.flag(c.section, "encap", false) {
		natt = "force"
	}
	d.add("nat_traversal %s", natt)
	d.add("ike_frag %s", im.fragmentation(c.section))
	im.writeStart(c, d, passive)
	im.writeDPD(c, d, passive)
	if c.life > 0 {
		d.add("rekey force")
	} else {
		d.add("rekey off")
	}
	if open {
		d.add("generate_policy %s", generate(c))
	}
	im.writeCut(c, d)
	if c.virtual {
		d.add("mode_cfg on")
	}
	if !c.auth.psk() {
		im.certificates(c, d)
	}
	life := c.life
	if life == 0 {
		life = defaultLife
	}
	d.add("lifetime time %d sec", life)
	for _, t := range c.transforms {
		fmt.Fprintf(&d.b, "\tproposal {\n\t\tencryption_algorithm %s;\n\t\thash_algorithm %s;\n\t\tauthentication_method %s;\n\t\tdh_group %s;\n\t}\n",
			t.cipher, t.hash, c.auth.method, t.group)
	}
	return d.b.String()
}

// generate: charon makes the policies of peers it did not know before.
func generate(c *conn) string {
	for _, ch := range c.children {
		if ch.policies && !ch.shunt() {
			return "unique"
		}
	}
	return "off"
}

// writeCut: sha256_96 is the whole section's here, of a child there.
func (im *importer) writeCut(c *conn, d *directives) {
	var cut, whole *child
	for _, ch := range c.children {
		switch {
		case ch.shunt():
		case im.flag(ch.section, "sha256_96", false):
			cut = ch
		default:
			whole = ch
		}
	}
	if cut == nil {
		return
	}
	if whole != nil {
		_, at := cut.get("sha256_96", "")
		im.note(at, Warning, "sha256_96: it is the section's: SHA-256 is cut to 96 bits for the other children of connection %s too, such as %s", show(c.name), show(whole.name))
	}
	d.add("sha256_96 on")
}

func (im *importer) writeIdentities(c *conn, d *directives) {
	switch {
	case c.mine.text != "":
		d.add("my_identifier %s", c.mine.conf())
	default:
		d.add("my_identifier %s", c.mine.kind)
	}
	if c.theirs.kind == "" {
		d.add("verify_identifier off")
	} else {
		d.add("peers_identifier %s", c.theirs.conf())
		d.add("verify_identifier on")
	}
	if !c.auth.xauth() || !c.auth.client() {
		return
	}
	login := c.auth.local[len(c.auth.local)-1]
	name, at := login.get("xauth_id", "")
	if name == "" {
		name, at = login.get("id", "")
	}
	if quotable(name) {
		d.add(`xauth_login "%s"`, name)
	} else {
		im.note(at, Warning, "xauth_id: racoon needs a user name: write xauth_login")
	}
}

func (im *importer) fragmentation(s *section) string {
	switch im.oneOf(s, "fragmentation", "yes", "yes", "true", "1", "enabled", "accept", "force", "no", "false", "0", "disabled") {
	case "force":
		return "force"
	case "no", "false", "0", "disabled":
		return "off"
	case "accept":
		_, at := s.get("fragmentation", "")
		im.note(at, Remark, "fragmentation: racoon sends fragments too if the peer takes them")
	}
	return "on"
}

// writeStart has the SAs made without traffic. start is the whole section's: what one
// child asks for all get.
func (im *importer) writeStart(c *conn, d *directives, passive bool) {
	for _, ch := range c.children {
		if ch.up && passive {
			_, at := ch.get("start_action", "")
			im.note(at, Warning, "start_action: the peer's address is not known here, so that it has to begin")
		}
		if ch.up && !passive && slices.ContainsFunc(c.children, func(other *child) bool { return !other.up && !other.shunt() }) {
			_, at := ch.get("start_action", "")
			im.note(at, Remark, "start_action: start is the section's: the other children of connection %s begin at once too", show(c.name))
		}
		if ch.again && (passive || !c.up()) {
			_, at := ch.get("close_action", "")
			im.note(at, Warning, "close_action: racoon negotiates again with the next packet and not before; with start up it would at once")
		}
	}
	if c.up() && !passive {
		d.add("start up")
	}
}

// up: charon begins with one of the children by itself.
func (c *conn) up() bool {
	return slices.ContainsFunc(c.children, func(ch *child) bool { return ch.up && !ch.shunt() })
}

// charonRetransmits is for how long charon waits for an answer: five tries, each
// 1.8 times as long as the one before.
const charonRetransmits = 165

// writeDPD divides dpd_timeout, or charon's own patience, among a few probes.
func (im *importer) writeDPD(c *conn, d *directives, passive bool) {
	delay, _ := im.seconds(c.section, "dpd_delay")
	timeout, ok := im.seconds(c.section, "dpd_timeout")
	if !ok || timeout == 0 {
		timeout = charonRetransmits
	}
	const probes = 5
	retry := (timeout + probes - 1) / probes
	d.add("dpd on")
	d.add("dpd_delay %d", min(delay, math.MaxInt32))
	if delay > 0 {
		d.add("dpd_retry %d", min(retry, math.MaxInt32))
		d.add("dpd_maxfail %d", (timeout+retry-1)/retry)
	}
	i := slices.IndexFunc(c.children, func(ch *child) bool { return ch.restarts })
	if i < 0 || c.up() && !passive {
		return // start up makes them again in any case
	}
	if delay > 0 && !passive {
		d.add("on_loss restart")
		return
	}
	_, at := c.children[i].get("dpd_action", "")
	im.note(at, Warning, "dpd_action: racoon negotiates again with the next packet and not before, unless the section has an address and dpd_delay")
}

// writeSAInfos writes a section for each pair of selectors of a connection.
func (im *importer) writeSAInfos(b *strings.Builder, c *conn) {
	written := map[string]string{} // by identities without ports, which racoon does not compare
	for _, ch := range c.children {
		if ch.shunt() {
			continue
		}
		body := ch.suite.body(ch.life, ch.kb)
		if c.ph1id > 0 {
			body = fmt.Sprintf("\tremoteid %d;\n", c.ph1id) + body
		}
		for _, e := range ch.ends {
			bare := e
			bare.local.port, bare.remote.port = 0, 0
			key := saHeader(bare)
			old, twice := written[key]
			switch {
			case twice && old != body:
				im.note(ch.at, Warning, "child %s: another child has the same selectors, ports apart, and racoon takes the first of the two", show(ch.name))
			case !twice:
				written[key] = body
			}
			if twice {
				continue
			}
			b.WriteString(where("connections."+c.name+".children."+ch.name, ch.at))
			if ch.suite.ah {
				b.WriteString("# AH has no use for the cipher.\n")
			}
			fmt.Fprintf(b, "sainfo %s {\n%s}\n\n", saHeader(e), body)
		}
	}
}

// saHeader is what stands between sainfo and the brace. A peer whose address is not
// known may have that address and nothing else.
func saHeader(e ends) string {
	remote := e.remote.header()
	if e.remote.dynamic() {
		remote = "clientaddr"
	}
	return e.local.header() + " " + remote
}
