package config

import (
	"net/netip"
	"slices"

	"github.com/racoon-ike/racoon/core/internal/policy"
)

// What serves users and their addresses: read into the model now, acted upon when
// the exchanges are there.

// userSources are radiuscfg and ldapcfg.
func userSources() []directive {
	const radius, ldap = "RADIUS users come later", "LDAP users come later"
	server := func(list func(*policy.RADIUS) *[]policy.RADIUSServer) func(*parser, []arg) {
		return func(p *parser, a []arg) {
			to := list(p.cfg.RADIUS)
			if len(*to) == maxRADIUS {
				p.add(p.word, codeValue, Error, "is one server too many: at most 5", "")
				return
			}
			s := policy.RADIUSServer{Host: a[0].text, Secret: secretOf(a[2])}
			if a[1].ok {
				p.count(a[1], 1, 65535, func(n int) { s.Port = uint16(n) })
			}
			*to = append(*to, s)
		}
	}
	text := func(field func(*policy.LDAP) *string) func(*parser, []arg) {
		return func(p *parser, a []arg) { *field(p.cfg.LDAP) = a[0].text }
	}
	rows := []directive{
		{name: "radiuscfg", state: idle, why: radius, doc: "RADIUS servers", body: inRadius, set: func(p *parser, _ []arg) { p.cfg.RADIUS = policy.DefaultRADIUS() }},
		{in: inRadius, name: "auth", fields: "host port secret", args: "STRING [ NUMBER ] SECRET", doc: "authentication server, port and secret; at most 5", set: server(func(r *policy.RADIUS) *[]policy.RADIUSServer { return &r.Auth })},
		{in: inRadius, name: "acct", fields: "host port secret", args: "STRING [ NUMBER ] SECRET", doc: "accounting server, port and secret; at most 5", set: server(func(r *policy.RADIUS) *[]policy.RADIUSServer { return &r.Acct })},
		{in: inRadius, name: "timeout", args: "NUMBER", doc: "seconds", def: "3", set: func(p *parser, a []arg) { p.time(a[0], 1, &p.cfg.RADIUS.Timeout) }},
		{in: inRadius, name: "retries", args: "NUMBER", doc: "of a request", def: "3", set: setCount(0, 100, func(p *parser) *int { return &p.cfg.RADIUS.Retries })},

		{name: "ldapcfg", state: idle, why: ldap, doc: "LDAP server", body: inLDAP, set: func(p *parser, _ []arg) { p.cfg.LDAP = policy.DefaultLDAP() }},
		{in: inLDAP, name: "version", args: "NUMBER", doc: "protocol version, 2 or 3", def: "3", set: setCount(2, 3, func(p *parser) *int { return &p.cfg.LDAP.Version })},
		{in: inLDAP, name: "debug", args: "NUMBER", doc: "debugging of the library", def: "0", set: setCount(0, maxNumber, func(p *parser) *int { return &p.cfg.LDAP.Debug })},
		{in: inLDAP, name: "timeout", args: "NUMBER", doc: "seconds", def: "the library's", set: func(p *parser, a []arg) { p.time(a[0], 1, &p.cfg.LDAP.Timeout) }},
		{in: inLDAP, name: "uri", args: "STRING", doc: "server; counts before host and port", set: text(func(l *policy.LDAP) *string { return &l.URI })},
		{in: inLDAP, name: "host", args: "STRING", doc: "server", def: "localhost", set: text(func(l *policy.LDAP) *string { return &l.Host })},
		{in: inLDAP, name: "port", args: "NUMBER", doc: "its port", def: "389", set: func(p *parser, a []arg) { p.count(a[0], 1, 65535, func(n int) { p.cfg.LDAP.Port = uint16(n) }) }},
		{in: inLDAP, name: "base", args: "STRING", doc: "where to search", set: text(func(l *policy.LDAP) *string { return &l.Base })},
		{in: inLDAP, name: "subtree", args: "SWITCH", doc: "search below the base", def: "off", set: setSwitch(func(p *parser) *bool { return &p.cfg.LDAP.Subtree })},
		{in: inLDAP, name: "bind_dn", args: "STRING", doc: "our name", set: text(func(l *policy.LDAP) *string { return &l.BindDN })},
		{in: inLDAP, name: "bind_pw", args: "SECRET", doc: "our password", set: func(p *parser, a []arg) { p.cfg.LDAP.BindPassword = secretOf(a[0]) }},
		{in: inLDAP, name: "attr_user", args: "STRING", doc: "attribute with the user's name", def: "cn", set: text(func(l *policy.LDAP) *string { return &l.AttrUser })},
		{in: inLDAP, name: "attr_addr", args: "STRING", doc: "with the address", def: "racoon-address", set: text(func(l *policy.LDAP) *string { return &l.AttrAddr })},
		{in: inLDAP, name: "attr_mask", args: "STRING", doc: "with the mask", def: "racoon-netmask", set: text(func(l *policy.LDAP) *string { return &l.AttrMask })},
		{in: inLDAP, name: "attr_group", args: "STRING", doc: "with the group's name", def: "cn", set: text(func(l *policy.LDAP) *string { return &l.AttrGroup })},
		{in: inLDAP, name: "attr_member", args: "STRING", doc: "with the group's members", def: "member", set: text(func(l *policy.LDAP) *string { return &l.AttrMember })},
	}
	for i := range rows {
		rows[i].from = ipsecTools
	}
	return rows
}

// maxRADIUS is how many servers the original takes of each kind.
const maxRADIUS = 5

// modeCfgDirectives are those of mode_cfg.
func modeCfgDirectives() []directive {
	choice := func(field func(*policy.ModeCfg) *string) func(*parser, []arg) {
		return func(p *parser, a []arg) { *field(&p.cfg.ModeCfg) = a[0].text }
	}
	rows := []directive{
		{name: "mode_cfg", state: idle, why: "the configuration exchange comes later", doc: "addresses and settings handed to clients", body: inModeCfg, close: closeModeCfg},
		{name: "network4", args: "ADDRESS", doc: "first address of the pool", set: setIPv4(func(m *policy.ModeCfg) *netip.Addr { return &m.Network4 })},
		{name: "netmask4", args: "ADDRESS", doc: "mask told to clients", set: setIPv4(func(m *policy.ModeCfg) *netip.Addr { return &m.Netmask4 })},
		{name: "pool_size", args: "NUMBER", doc: "addresses in the pool", def: "255", set: func(p *parser, a []arg) { p.count(a[0], 0, 1<<24, func(n int) { p.cfg.ModeCfg.PoolSize = n }) }},
		{name: "dns4", args: "ADDRESS,...", doc: "name servers told to clients, at most 3", set: addIPv4(3, "name servers", func(m *policy.ModeCfg) *[]netip.Addr { return &m.DNS4 })},
		{name: "wins4", args: "ADDRESS,...", doc: "WINS servers told to clients, at most 4", set: addIPv4(4, "WINS servers", func(m *policy.ModeCfg) *[]netip.Addr { return &m.WINS4 })},
		{name: "nbns4", hcl: "wins4", args: "ADDRESS,...", from: ipsecTools, doc: "another name of wins4", set: addIPv4(4, "WINS servers", func(m *policy.ModeCfg) *[]netip.Addr { return &m.WINS4 })},
		{name: "split_network include", args: "NET,...", doc: "networks reached through the tunnel", set: addSplit(false)},
		{name: "split_network local_lan", args: "NET,...", doc: "networks not reached through the tunnel", set: addSplit(true)},
		{name: "split_dns", args: "STRING,...", doc: "domains of the name servers", set: func(p *parser, a []arg) { addTexts(&p.cfg.ModeCfg.SplitDNS, a[0]) }},
		{name: "default_domain", args: "STRING", doc: "domain told to clients", set: choice(func(m *policy.ModeCfg) *string { return &m.DefaultDomain })},
		{name: "banner", args: "STRING", doc: "file with the text shown by clients", def: "/etc/motd", set: func(p *parser, a []arg) { p.cfg.ModeCfg.Banner = p.absolute(a[0].token, a[0].text) }},
		{name: "auth_source", args: "system|radius|pam|ldap", doc: "who knows the users", def: "system", set: choice(func(m *policy.ModeCfg) *string { return &m.AuthSource })},
		{name: "auth_groups", args: "STRING,...", doc: "groups a user must be in one of", set: func(p *parser, a []arg) { addTexts(&p.cfg.ModeCfg.AuthGroups, a[0]) }},
		{name: "group_source", args: "system|ldap", doc: "who knows the groups", def: "system", set: choice(func(m *policy.ModeCfg) *string { return &m.GroupSource })},
		{name: "conf_source", args: "local|radius|ldap", doc: "who gives the addresses", def: "local", set: choice(func(m *policy.ModeCfg) *string { return &m.ConfSource })},
		{name: "accounting", args: "none|system|radius|pam", doc: "where sessions are recorded", def: "none", set: choice(func(m *policy.ModeCfg) *string { return &m.Accounting })},
		{name: "auth_throttle", args: "NUMBER", doc: "seconds after a failed login, 0 = none", def: "1", set: func(p *parser, a []arg) { p.time(a[0], 0, &p.cfg.ModeCfg.AuthThrottle) }},
		{name: "pfs_group", args: "NUMBER", doc: "group told to clients", set: func(p *parser, a []arg) {
			if !slices.Contains([]uint64{0, 1, 2, 5, 14, 15, 16, 17, 18}, a[0].n) {
				p.errorf(a[0].token, "is no group of the Unity attribute: 1, 2, 5, 14 to 18, or 0 for none")
				return
			}
			p.cfg.ModeCfg.PFSGroup = uint16(a[0].n)
		}},
		{name: "save_passwd", args: "SWITCH", doc: "clients may save the password", def: "off", set: setSwitch(func(p *parser) *bool { return &p.cfg.ModeCfg.SavePassword })},
	}
	for i := range rows[1:] {
		rows[1+i].in = inModeCfg
	}
	return rows
}

// closeModeCfg: sources have to fit each other (racoon-conf section 4.12).
func closeModeCfg(p *parser) {
	m := &p.cfg.ModeCfg
	if m.Network4.IsValid() && m.PoolSize == 0 {
		m.PoolSize = 255
	}
	if m.GroupSource == "ldap" && m.AuthSource != "ldap" {
		p.add(p.word, codeValue, Error, "has group_source ldap, which needs auth_source ldap", "")
	}
	if m.ConfSource != "local" && m.ConfSource != m.AuthSource {
		p.add(p.word, codeValue, Error, "has conf_source "+m.ConfSource+", which needs auth_source "+m.ConfSource, "")
	}
}

func setIPv4(field func(*policy.ModeCfg) *netip.Addr) func(*parser, []arg) {
	return func(p *parser, a []arg) {
		if addr, ok := p.ipv4(a[0]); ok {
			*field(&p.cfg.ModeCfg) = addr
		}
	}
}

// addIPv4 appends addresses up to a number.
func addIPv4(limit int, what string, field func(*policy.ModeCfg) *[]netip.Addr) func(*parser, []arg) {
	return func(p *parser, a []arg) {
		for _, v := range a[0].list() {
			to := field(&p.cfg.ModeCfg)
			addr, ok := p.ipv4(v)
			if ok && len(*to) == limit {
				p.errorf(v.token, "is one too many: at most %d %s", limit, what)
				return
			}
			if ok {
				*to = append(*to, addr)
			}
		}
	}
}

func (p *parser) ipv4(a arg) (netip.Addr, bool) {
	if !a.addr.Unmap().Is4() {
		p.errorf(a.token, "is no IPv4 address")
		return netip.Addr{}, false
	}
	return a.addr.Unmap(), true
}

// addSplit appends networks; the last directive decides for all what they mean.
func addSplit(local bool) func(*parser, []arg) {
	return func(p *parser, a []arg) {
		for _, v := range a[0].list() {
			if _, ok := p.ipv4(v); ok {
				p.cfg.ModeCfg.Split = append(p.cfg.ModeCfg.Split, netip.PrefixFrom(v.addr, int(v.n)).Masked())
			}
		}
		p.cfg.ModeCfg.SplitLocalLAN = local
	}
}

func addTexts(to *[]string, a arg) {
	for _, v := range a.list() {
		*to = append(*to, v.text)
	}
}
