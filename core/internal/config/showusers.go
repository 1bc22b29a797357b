package config

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/racoon-ike/racoon/core/internal/policy"
)

// users shows mode_cfg, radiuscfg and ldapcfg where a file has them.
func (w *shower) users(c *policy.Config) {
	if !reflect.DeepEqual(c.ModeCfg, policy.DefaultModeCfg()) {
		w.block("mode_cfg", func() { w.modeCfg(&c.ModeCfg) })
	}
	if r := c.RADIUS; r != nil {
		w.block("radiuscfg", func() {
			w.servers("auth", r.Auth)
			w.servers("acct", r.Acct)
			w.line("timeout %d", r.Timeout/time.Second)
			w.line("retries %d", r.Retries)
		})
	}
	if l := c.LDAP; l != nil {
		w.block("ldapcfg", func() { w.ldap(l) })
	}
}

func (w *shower) servers(name string, list []policy.RADIUSServer) {
	for _, s := range list {
		port := ""
		if s.Port != 0 {
			port = fmt.Sprintf(" %d", s.Port)
		}
		w.line("%s %s%s %s", name, quoted(s.Host), port, quoted(shownSecret(s.Secret)))
	}
}

func (w *shower) ldap(l *policy.LDAP) {
	w.line("version %d", l.Version)
	w.line("debug %d", l.Debug)
	if l.Timeout >= 0 {
		w.line("timeout %d", l.Timeout/time.Second)
	}
	w.text("uri", l.URI)
	w.text("host", l.Host)
	w.line("port %d", l.Port)
	w.text("base", l.Base)
	w.onOff("subtree", l.Subtree)
	w.text("bind_dn", l.BindDN)
	if l.BindPassword.Ref != "" || l.BindPassword.Literal.Len() > 0 {
		w.text("bind_pw", shownSecret(l.BindPassword))
	}
	for _, a := range [][2]string{{"user", l.AttrUser}, {"addr", l.AttrAddr}, {"mask", l.AttrMask}, {"group", l.AttrGroup}, {"member", l.AttrMember}} {
		w.text("attr_"+a[0], a[1])
	}
}

func (w *shower) modeCfg(m *policy.ModeCfg) {
	if m.Network4.IsValid() {
		w.line("network4 %s", m.Network4)
	}
	if m.Netmask4.IsValid() {
		w.line("netmask4 %s", m.Netmask4)
	}
	w.line("pool_size %d", m.PoolSize)
	if len(m.DNS4) > 0 {
		w.line("dns4 %s", addresses(m.DNS4))
	}
	if len(m.WINS4) > 0 {
		w.line("wins4 %s", addresses(m.WINS4))
	}
	if len(m.Split) > 0 {
		nets := make([]string, len(m.Split))
		for i, n := range m.Split {
			nets[i] = n.String()
		}
		w.line("split_network %s %s", map[bool]string{true: "local_lan", false: "include"}[m.SplitLocalLAN], strings.Join(nets, ", "))
	}
	for _, l := range []struct {
		name string
		list []string
	}{{"split_dns", m.SplitDNS}, {"auth_groups", m.AuthGroups}} {
		if len(l.list) > 0 {
			texts := make([]string, len(l.list))
			for i, t := range l.list {
				texts[i] = quoted(t)
			}
			w.line("%s %s", l.name, strings.Join(texts, ", "))
		}
	}
	w.text("default_domain", m.DefaultDomain)
	w.text("banner", m.Banner)
	w.line("auth_source %s", m.AuthSource)
	w.line("group_source %s", m.GroupSource)
	w.line("conf_source %s", m.ConfSource)
	w.line("accounting %s", m.Accounting)
	w.line("auth_throttle %d", m.AuthThrottle/time.Second)
	w.line("pfs_group %d", m.PFSGroup)
	w.onOff("save_passwd", m.SavePassword)
}
