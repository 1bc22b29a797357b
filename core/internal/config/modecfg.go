package config

// What serves users and their addresses: read and checked for its grammar now, so
// that a file's other errors are found, and refused until the features are there.

// userSources are radiuscfg and ldapcfg.
func userSources() []directive {
	const radius, ldap = "needs RADIUS users, which racoon does not have yet", "needs LDAP users, which racoon does not have yet"
	rows := []directive{
		{name: "radiuscfg", from: ipsecTools, state: missing, why: radius, doc: "RADIUS servers", body: inRadius},
		{in: inRadius, name: "auth", args: "STRING [ NUMBER ] STRING", doc: "authentication server, port and secret"},
		{in: inRadius, name: "acct", args: "STRING [ NUMBER ] STRING", doc: "accounting server, port and secret"},
		{in: inRadius, name: "timeout", args: "NUMBER", doc: "seconds, 3 unless given"},
		{in: inRadius, name: "retries", args: "NUMBER", doc: "3 unless given"},
		{name: "ldapcfg", from: ipsecTools, state: missing, why: ldap, doc: "LDAP server", body: inLDAP},
		{in: inLDAP, name: "subtree", args: "SWITCH", doc: "search below the base"},
	}
	for _, d := range [][3]string{
		{"version", "NUMBER", "protocol version, 2 or 3"}, {"debug", "NUMBER", "debugging of the library"},
		{"timeout", "NUMBER", "seconds"}, {"port", "NUMBER", "389 unless given"}, {"uri", "STRING", "server, before host and port"},
		{"host", "STRING", "server"}, {"base", "STRING", "where to search"}, {"bind_dn", "STRING", "our name"}, {"bind_pw", "STRING", "our password"},
		{"attr_user", "STRING", "attribute with the user's name"}, {"attr_addr", "STRING", "with the address"}, {"attr_mask", "STRING", "with the mask"},
		{"attr_group", "STRING", "with the group's name"}, {"attr_member", "STRING", "with the group's members"},
	} {
		rows = append(rows, directive{in: inLDAP, name: d[0], args: d[1], from: ipsecTools, doc: d[2]})
	}
	return rows
}

// modeCfgDirectives are those of mode_cfg.
func modeCfgDirectives() []directive {
	rows := []directive{
		{name: "mode_cfg", state: missing, why: "needs the configuration exchange, which racoon does not have yet", doc: "addresses and settings handed to clients", body: inModeCfg},
		{name: "network4", args: "ADDRESS", doc: "first address of the pool"},
		{name: "netmask4", args: "ADDRESS", doc: "mask told to clients"},
		{name: "dns4", args: "ADDRESS,...", doc: "name servers told to clients"},
		{name: "wins4", args: "ADDRESS,...", doc: "WINS servers told to clients"},
		{name: "nbns4", args: "ADDRESS,...", from: ipsecTools, doc: "the same"},
		{name: "split_network include", args: "NET,...", doc: "networks reached through the tunnel"},
		{name: "split_network local_lan", args: "NET,...", doc: "networks not reached through the tunnel"},
		{name: "split_dns", args: "STRING,...", doc: "domains of the name servers"},
		{name: "default_domain", args: "STRING", doc: "domain told to clients"},
		{name: "auth_source", args: "system|radius|pam|ldap", doc: "who knows the users"},
		{name: "auth_groups", args: "STRING,...", doc: "groups a user must be in one of"},
		{name: "group_source", args: "system|ldap", doc: "who knows the groups"},
		{name: "conf_source", args: "local|radius|ldap", doc: "who gives the addresses"},
		{name: "accounting", args: "none|system|radius|pam", doc: "where sessions are recorded"},
		{name: "pool_size", args: "NUMBER", doc: "addresses in the pool, 255 unless given"},
		{name: "pfs_group", args: "NUMBER", doc: "group told to clients"},
		{name: "auth_throttle", args: "NUMBER", doc: "seconds after a failed login"},
		{name: "save_passwd", args: "SWITCH", doc: "clients may save the password"},
		{name: "banner", args: "STRING", doc: "file with the text shown by clients"},
	}
	for i := range rows[1:] {
		rows[1+i].in = inModeCfg
	}
	return rows
}
