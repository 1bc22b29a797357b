package swanctl

import (
	"fmt"
	"strconv"
	"strings"
)

// maxReqID is the largest number setkey(8) takes for unique:N.
const maxReqID = 16383

// writePolicies writes the policies as a script for setkey(8): charon installs
// them by itself, racoon takes them from the kernel.
func (im *importer) writePolicies() {
	var b strings.Builder
	used := map[uint64]bool{}
	for _, c := range im.conns {
		for _, ch := range c.children {
			used[ch.reqid] = true
		}
	}
	next := uint64(1)
	for _, c := range im.conns {
		for _, ch := range c.children {
			for used[next] {
				next++
			}
			if id := ch.reqid; id == 0 || id > maxReqID {
				if id != 0 {
					im.note(ch.at, Warning, "reqid: setkey(8) takes 1 to %d", maxReqID)
				}
				ch.reqid, used[next] = next, true
			}
			im.writePolicy(&b, c, ch)
		}
	}
	if b.Len() > 0 {
		im.result.Policies = fmt.Sprintf("#!/usr/sbin/setkey -f\n# Policies of %s.\n", plain(im.name)) + b.String()
	}
}

// writePolicy writes the policies of one child, for the first address of the peer.
func (im *importer) writePolicy(b *strings.Builder, c *conn, ch *child) {
	e := ch.ends[0]
	what := show(ch.name) + " of " + show(c.name)
	missing, sev := "", Warning
	switch {
	case ch.shunt():
		im.writeShunt(b, c, ch, e)
		return
	case !ch.policies:
		im.note(ch.at, Remark, "child %s has no policies: they are left to others, as with charon", what)
		return
	case !e.them.IsValid():
		missing, sev = "the peer's address is not known: generate_policy makes the policies", Remark
	case e.local.dynamic() && c.virtual, e.remote.dynamic():
		missing = "an address is not known before the negotiation"
	case e.local.ranged() || e.remote.ranged():
		missing = "a policy names networks and no ranges"
	}
	if missing != "" {
		im.note(ch.at, sev, "child %s has no policies here: %s", what, missing)
		return
	}
	if len(ch.ends) > 1 {
		im.note(ch.at, Remark, "child %s: the policies name the first address of the peer", what)
	}
	proto := "esp"
	if ch.suite.ah {
		proto = "ah"
	}
	us, mark := "LOCAL", ""
	switch {
	case e.local.dynamic(), ch.mode == "tunnel" && !e.us.IsValid():
		mark = "# "
		im.note(ch.at, Warning, "child %s: local_addrs does not name an address: put it in place of LOCAL in the policies", what)
	case e.us.IsValid():
		us = e.us.String()
	}
	out, in := "", ""
	if ch.mode == "tunnel" {
		out, in = us+"-"+e.them.String(), e.them.String()+"-"+us
	}
	rule := func(dir, addrs string) string {
		return fmt.Sprintf("-P %s ipsec %s/%s/%s/unique:%d", dir, proto, ch.mode, addrs, ch.reqid)
	}
	writeBoth(b, c, ch, e, mark, rule("out", out), rule("in", in))
}

// writeShunt writes a policy that lets packets pass or drops them.
func (im *importer) writeShunt(b *strings.Builder, c *conn, ch *child, e ends) {
	if e.local.dynamic() || e.remote.dynamic() || e.local.ranged() || e.remote.ranged() {
		im.note(ch.at, Warning, "child %s of %s has no policies here: it does not name two networks", show(ch.name), show(c.name))
		return
	}
	action := map[string]string{"pass": "none", "drop": "discard"}[ch.mode]
	mark := ""
	if !ch.starts {
		mark = "# "
		im.note(ch.at, Remark, "child %s of %s is not installed without start_action = trap: its policies are comments", show(ch.name), show(c.name))
	}
	writeBoth(b, c, ch, e, mark, "-P out "+action, "-P in "+action)
}

func writeBoth(b *strings.Builder, c *conn, ch *child, e ends, mark, out, in string) {
	local, remote, proto := e.local.spd(), e.remote.spd(), spdProto(e.local.proto)
	fmt.Fprintf(b, "\n%s", where("connections."+c.name+".children."+ch.name, ch.at))
	fmt.Fprintf(b, "%sspdadd %s %s %s %s;\n", mark, local, remote, proto, out)
	fmt.Fprintf(b, "%sspdadd %s %s %s %s;\n", mark, remote, local, proto, in)
}

// spdProto is a protocol of setkey(8), where esp, ah and ipcomp are other words.
func spdProto(n uint8) string {
	switch n {
	case 0, 1, 6, 17, 58:
		return protocolNames[n]
	}
	return strconv.Itoa(int(n))
}
