package doi

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/racoon-ike/racoon/core/internal/isakmp"
	"github.com/racoon-ike/racoon/core/internal/policy"
)

func idOf(t isakmp.IDType, data ...byte) isakmp.ID { return isakmp.ID{Type: t, Data: data} }

func v6(s string) []byte { return netip.MustParseAddr(s).AsSlice() }

func TestNetworksOfIdentities(t *testing.T) {
	const noNetwork = " is no network: neither an address nor a subnet nor a range"
	const noPrefix = " is no network: a policy needs a range that a prefix can express"
	for _, test := range []struct {
		name      string
		id        isakmp.ID
		want, err string
	}{
		{"an IPv4 host", idOf(isakmp.IDIPv4Addr, 192, 0, 2, 1), "192.0.2.1/32", ""},
		{"an IPv6 host", idOf(isakmp.IDIPv6Addr, v6("2001:db8::1")...), "2001:db8::1/128", ""},
		{"an IPv4 subnet", idOf(isakmp.IDIPv4Subnet, 10, 0, 0, 0, 255, 128, 0, 0), "10.0.0.0/9", ""},
		{"everything", idOf(isakmp.IDIPv4Subnet, 0, 0, 0, 0, 0, 0, 0, 0), "0.0.0.0/0", ""},
		{"a host as a subnet", idOf(isakmp.IDIPv4Subnet, 10, 0, 0, 1, 255, 255, 255, 255), "10.0.0.1/32", ""},
		{"an IPv6 subnet", idOf(isakmp.IDIPv6Subnet, append(v6("2001:db8::"), v6("ffff:ffff::")...)...), "2001:db8::/32", ""},
		{"a subnet with host bits", idOf(isakmp.IDIPv4Subnet, 10, 1, 2, 3, 255, 255, 0, 0), "10.1.0.0/16", ""},
		{"a range that is a prefix", idOf(isakmp.IDIPv4Range, 10, 0, 0, 0, 10, 0, 0, 255), "10.0.0.0/24", ""},
		{"a range that is not cut at an octet", idOf(isakmp.IDIPv4Range, 10, 0, 0, 64, 10, 0, 0, 127), "10.0.0.64/26", ""},
		{"a range of one", idOf(isakmp.IDIPv4Range, 10, 0, 0, 7, 10, 0, 0, 7), "10.0.0.7/32", ""},
		{"a range of everything", idOf(isakmp.IDIPv4Range, 0, 0, 0, 0, 255, 255, 255, 255), "0.0.0.0/0", ""},
		{"an IPv6 range that is a prefix", idOf(isakmp.IDIPv6Range, append(v6("2001:db8::"), v6("2001:db8::ffff")...)...), "2001:db8::/112", ""},

		{"a mask with a hole", idOf(isakmp.IDIPv4Subnet, 10, 0, 0, 0, 255, 0, 255, 0), "", "ID{IPV4_ADDR_SUBNET 0x0a000000ff00ff00}" + noNetwork},
		{"a range that starts too late", idOf(isakmp.IDIPv4Range, 10, 0, 0, 1, 10, 0, 0, 255), "", "ID{IPV4_ADDR_RANGE 10.0.0.1-10.0.0.255}" + noPrefix},
		{"a range that ends too early", idOf(isakmp.IDIPv4Range, 10, 0, 0, 0, 10, 0, 0, 254), "", "ID{IPV4_ADDR_RANGE 10.0.0.0-10.0.0.254}" + noPrefix},
		{"a range backwards", idOf(isakmp.IDIPv4Range, 10, 0, 0, 9, 10, 0, 0, 1), "", "ID{IPV4_ADDR_RANGE 0x0a0000090a000001}" + noNetwork},
		{"an address of three octets", idOf(isakmp.IDIPv4Addr, 10, 0, 0), "", "ID{IPV4_ADDR 0x0a0000}" + noNetwork},
		{"an IPv6 subnet of eight octets", idOf(isakmp.IDIPv6Subnet, 1, 2, 3, 4, 5, 6, 7, 8), "", "ID{IPV6_ADDR_SUBNET 0x0102030405060708}" + noNetwork},
		{"a name", idOf(isakmp.IDFQDN, 'a', '.', 'b'), "", `ID{FQDN "a.b"}` + noNetwork},
		{"a mail address", idOf(isakmp.IDUserFQDN, 'a', '@', 'b'), "", `ID{USER_FQDN "a@b"}` + noNetwork},
		{"a distinguished name", idOf(isakmp.IDDERASN1DN, 0x30, 0), "", "ID{DER_ASN1_DN 0x3000}" + noNetwork},
		{"a general name", idOf(isakmp.IDDERASN1GN, 0x30, 0), "", "ID{DER_ASN1_GN 0x3000}" + noNetwork},
		{"a key", idOf(isakmp.IDKeyID, 1), "", "ID{KEY_ID 0x01}" + noNetwork},
		{"a type nobody knows", idOf(99, 1), "", "ID{99 0x01}" + noNetwork},
		{"nothing", isakmp.ID{}, "", "ID{0 0x}" + noNetwork},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := Prefix(test.id)
			if err != nil && err.Error() != test.err || err == nil && (test.err != "" || got.String() != test.want) {
				t.Errorf("got %v, %v; want %s, %s", got, err, test.want, test.err)
			}
		})
	}
}

func TestIdentitiesOfNetworksAreReadBack(t *testing.T) {
	for _, test := range []struct {
		prefix string
		want   isakmp.IDType
	}{
		{"192.0.2.1/32", isakmp.IDIPv4Addr}, {"10.0.0.0/8", isakmp.IDIPv4Subnet}, {"0.0.0.0/0", isakmp.IDIPv4Subnet},
		{"2001:db8::1/128", isakmp.IDIPv6Addr}, {"2001:db8::/33", isakmp.IDIPv6Subnet}, {"::/0", isakmp.IDIPv6Subnet},
	} {
		p := netip.MustParsePrefix(test.prefix)
		id := PrefixID(p, 17, 1701)
		if id.Type != test.want || id.Protocol != 17 || id.Port != 1701 {
			t.Errorf("%v: %v", p, id)
		}
		if got, err := Prefix(id); err != nil || got != p {
			t.Errorf("%v is read back as %v, %v", p, got, err)
		}
	}
	mapped := AddrID(netip.MustParseAddr("::ffff:192.0.2.1"), 0, 0)
	if diff := cmp.Diff(idOf(isakmp.IDIPv4Addr, 192, 0, 2, 1), mapped); diff != "" {
		t.Errorf("an IPv4 address from an IPv6 socket (-want +got):\n%s", diff)
	}
}

func TestSelectorsOfIdentities(t *testing.T) {
	host := func(proto uint8, port uint16) isakmp.ID { return AddrID(netip.MustParseAddr("192.0.2.1"), proto, port) }
	net := func(proto uint8, port uint16) isakmp.ID {
		return PrefixID(netip.MustParsePrefix("10.0.0.0/8"), proto, port)
	}
	six := PrefixID(netip.MustParsePrefix("2001:db8::/32"), 0, 0)
	for _, test := range []struct {
		name          string
		local, remote isakmp.ID
		want, err     string
	}{
		{"any traffic", host(0, 0), net(0, 0), "192.0.2.1/32[any] 10.0.0.0/8[any] any", ""},
		{"L2TP", host(17, 1701), net(17, 0), "192.0.2.1/32[1701] 10.0.0.0/8[any] 17", ""},
		{"a protocol only the local side names", host(6, 80), net(0, 0), "192.0.2.1/32[80] 10.0.0.0/8[any] 6", ""},
		{"a protocol only the remote side names", host(0, 0), net(6, 80), "192.0.2.1/32[any] 10.0.0.0/8[80] 6", ""},
		{"two protocols", host(6, 0), net(17, 0), "", "ID{IPV4_ADDR 192.0.2.1 6/0} and ID{IPV4_ADDR_SUBNET 10.0.0.0/8 17/0} name different protocols"},
		{"two families", host(0, 0), six, "", "ID{IPV4_ADDR 192.0.2.1} and ID{IPV6_ADDR_SUBNET 2001:db8::/32} are of different families"},
		{"a local name", idOf(isakmp.IDFQDN, 'a'), net(0, 0), "", `ID{FQDN "a"} is no network: neither an address nor a subnet nor a range`},
		{"a remote name", host(0, 0), idOf(isakmp.IDFQDN, 'a'), "", `ID{FQDN "a"} is no network: neither an address nor a subnet nor a range`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := Selector(test.local, test.remote)
			if err != nil && err.Error() != test.err || err == nil && (test.err != "" || got.String() != test.want) {
				t.Errorf("got %v, %v; want %s, %s", got, err, test.want, test.err)
			}
		})
	}
	want := &policy.SAID{Type: 1, Proto: 17, Port: 1701, Data: []byte{192, 0, 2, 1}}
	if diff := cmp.Diff(want, SAID(host(17, 1701))); diff != "" {
		t.Errorf("sainfo identity (-want +got):\n%s", diff)
	}
}
