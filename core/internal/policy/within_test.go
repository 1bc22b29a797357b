package policy

import (
	"net/netip"
	"testing"
)

// TestWhatIsWithinASection: a policy generated on a peer's wish must lie in what the
// section names.
func TestWhatIsWithinASection(t *testing.T) {
	net4 := func(a string, mask ...byte) *SAID {
		return &SAID{Type: IDIPv4Subnet, Data: append(netip.MustParseAddr(a).AsSlice(), mask...)}
	}
	host := func(a string) *SAID { return hostID(netip.MustParseAddr(a)) }
	with := func(id *SAID, proto uint8, port uint16) *SAID {
		c := *id
		c.Proto, c.Port = proto, port
		return &c
	}
	span := &SAID{Type: IDIPv4Range, Data: []byte{10, 1, 0, 5, 10, 1, 0, 9}}
	ten := net4("10.1.0.0", 255, 255, 0, 0)
	net6 := &SAID{Type: IDIPv6Subnet, Data: append(netip.MustParseAddr("2001:db8::").AsSlice(), netip.MustParseAddr("ffff:ffff::").AsSlice()...)}
	name := &SAID{Type: IDFQDN, Data: []byte("a.example")}
	for _, c := range []struct {
		section, asked *SAID
		want           bool
	}{
		{ten, ten, true},
		{ten, net4("10.1.7.0", 255, 255, 255, 0), true},
		{ten, net4("10.1.255.255", 255, 255, 0, 0), true}, // bits beyond the mask say nothing
		{ten, host("10.1.255.255"), true},
		{ten, host("10.2.0.0"), false},
		{ten, net4("10.0.0.0", 255, 0, 0, 0), false},
		{ten, net4("10.0.0.0", 255, 254, 0, 0), false},
		{ten, span, true},
		{span, host("10.1.0.5"), true},
		{span, host("10.1.0.9"), true},
		{span, host("10.1.0.4"), false},
		{span, net4("10.1.0.8", 255, 255, 255, 254), true},
		{span, net4("10.1.0.8", 255, 255, 255, 252), false},
		{net4("0.0.0.0", 0, 0, 0, 0), ten, true},
		{net4("0.0.0.0", 0, 0, 0, 0), host("2001:db8::1"), false},
		{net6, host("2001:db8:1::7"), true},
		{net6, host("2001:db9::7"), false},
		{host("10.1.0.1"), host("10.1.0.1"), true},
		{host("10.1.0.1"), ten, false},
		{ten, with(host("10.1.0.1"), 17, 1701), true},
		{with(ten, 17, 0), with(host("10.1.0.1"), 17, 1701), true},
		{with(ten, 17, 1701), with(host("10.1.0.1"), 17, 1701), true},
		{with(ten, 17, 1701), with(host("10.1.0.1"), 17, 0), false},
		{with(ten, 17, 0), with(host("10.1.0.1"), 6, 0), false},
		{with(ten, 17, 0), ten, false},
		{ten, name, false},
		{name, name, true},
		{name, host("10.1.0.1"), false},
		{&SAID{Type: IDIPv4Subnet, Data: []byte{10, 1}}, ten, false},
		{nil, ten, true},
	} {
		s := &SAInfo{Remote: c.section}
		for _, cfg := range []interface{ SAInfoFor(SAInfoQuery) *SAInfo }{&Config{SAInfos: []*SAInfo{s}}, NewCommon(&Config{SAInfos: []*SAInfo{s}})} {
			got := cfg.SAInfoFor(SAInfoQuery{Local: ten, Remote: c.asked, Peer: &Identity{Type: IDFQDN}, Within: true})
			if (got != nil) != c.want {
				t.Errorf("%T: %v within %v: %v", cfg, c.asked, c.section, got)
			}
		}
	}
}
