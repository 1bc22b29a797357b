package policy

import (
	"net/netip"
	"time"
)

// ModeCfg is the mode_cfg section: what clients are given, and who knows them.
type ModeCfg struct {
	Network4, Netmask4 netip.Addr // first address of the pool, mask told to clients
	PoolSize           int        // addresses; 0: no pool
	DNS4, WINS4        []netip.Addr
	Split              []netip.Prefix
	SplitLocalLAN      bool // Split is not reached through the tunnel
	SplitDNS           []string
	DefaultDomain      string
	Banner             string // file with the text shown by clients

	AuthSource   string // "system", "radius", "pam", "ldap"
	AuthGroups   []string
	GroupSource  string // "system", "ldap"
	ConfSource   string // "local", "radius", "ldap"
	Accounting   string // "none", "system", "radius", "pam"
	AuthThrottle time.Duration
	PFSGroup     uint16 // told to clients
	SavePassword bool
}

// DefaultModeCfg is what racoon does without a mode_cfg section.
func DefaultModeCfg() ModeCfg {
	return ModeCfg{AuthSource: "system", GroupSource: "system", ConfSource: "local", Accounting: "none",
		AuthThrottle: time.Second, Banner: "/etc/motd"}
}

// RADIUS is the radiuscfg section.
type RADIUS struct {
	Auth, Acct []RADIUSServer
	Timeout    time.Duration
	Retries    int
}

// RADIUSServer is one server; Port 0 is the protocol's own (1812, 1813).
type RADIUSServer struct {
	Host   string
	Port   uint16
	Secret Secret
}

// LDAP is the ldapcfg section.
type LDAP struct {
	Version, Debug                                      int
	Timeout                                             time.Duration // -1 s: the library's
	URI, Host, Base                                     string        // URI counts before Host and Port
	Port                                                uint16
	Subtree                                             bool
	BindDN                                              string
	BindPassword                                        Secret
	AttrUser, AttrAddr, AttrMask, AttrGroup, AttrMember string
}

// DefaultRADIUS is what an empty radiuscfg section means.
func DefaultRADIUS() *RADIUS { return &RADIUS{Timeout: 3 * time.Second, Retries: 3} }

// DefaultLDAP is what an empty ldapcfg section means.
func DefaultLDAP() *LDAP {
	return &LDAP{Version: 3, Timeout: -time.Second, Host: "localhost", Port: 389, AttrUser: "cn", AttrAddr: "racoon-address",
		AttrMask: "racoon-netmask", AttrGroup: "cn", AttrMember: "member"}
}
