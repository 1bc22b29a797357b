//go:build linux

package xfrm

import (
	"fmt"
	"net/netip"
	"strings"
)

// protocols are the parts of the kernel an SA needs, by protocol: what it is called,
// and its module for IPv4 and for IPv6.
var protocols = map[uint8]struct{ name, v4, v6 string }{
	protoESP:    {"ESP", "esp4", "esp6"},
	protoAH:     {"AH", "ah4", "ah6"},
	protoIPComp: {"IPComp", "ipcomp", "ipcomp6"},
}

// lacks is the sentence about a kernel without a protocol for the families of the
// addresses: what is missing, and what to do about it.
func lacks(proto uint8, families ...netip.Addr) string {
	p := protocols[proto]
	var names, modules, options []string
	for _, a := range families {
		name, module, option := "IPv4", p.v4, "CONFIG_INET_"
		if a.Is6() {
			name, module, option = "IPv6", p.v6, "CONFIG_INET6_"
		}
		names = append(names, name)
		modules = append(modules, module)
		options = append(options, option+strings.ToUpper(p.name))
	}
	what, plural := p.name+" for "+names[0], ""
	if len(families) > 1 {
		what, plural = p.name, "s"
	}
	s := fmt.Sprintf("this kernel has no %s; load the module%s %s, or use a kernel with %s",
		what, plural, strings.Join(modules, " and "), strings.Join(options, " and "))
	if proto == protoESP && len(families) > 1 {
		s += "; where neither can be had, choose a kernel plugin that does ESP itself"
	}
	return s
}
