package setkey

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/racoon-ike/racoon/core/sdk/ipsec"
)

// algorithm is one word behind -E, -A or -C.
type algorithm struct {
	name string
	ipsec.Algorithm
	old string // why nobody has it
}

// The algorithms of setkey(8), with all their names.
var (
	encrs = []algorithm{
		{"des-cbc", ipsec.Encr(2), ""},
		{"3des-cbc", ipsec.Encr(3), ""},
		{"cast128-cbc", ipsec.Encr(6), ""},
		{"blowfish-cbc", ipsec.Encr(7), ""},
		{"null", ipsec.Encr(ipsec.Null), ""},
		{"simple", ipsec.Encr(ipsec.Null), ""},
		{"aes-cbc", ipsec.Encr(12), ""},
		{"rijndael-cbc", ipsec.Encr(12), ""},
		{"aes-ctr", ipsec.Encr(13), ""},
		{"camellia-cbc", ipsec.Encr(22), ""},
		{"twofish-cbc", ipsec.Encr(253), ""},
		{name: "des-deriv", old: "derives its IV, which no RFC has"},
		{name: "des-32iv", old: "is DES of RFC 1829, for esp-old"},
	}
	auths = []algorithm{
		{"hmac-md5", ipsec.Auth(1), ""},
		{"hmac-sha1", ipsec.Auth(2), ""},
		{"hmac-sha256", ipsec.Auth(5), ""},
		{"hmac-sha2-256", ipsec.Auth(5), ""},
		{"hmac-sha384", ipsec.Auth(6), ""},
		{"hmac-sha2-384", ipsec.Auth(6), ""},
		{"hmac-sha512", ipsec.Auth(7), ""},
		{"hmac-sha2-512", ipsec.Auth(7), ""},
		{"hmac-ripemd160", ipsec.Auth(8), ""},
		{"aes-xcbc-mac", ipsec.Auth(9), ""},
		{name: "null"},
		{name: "keyed-md5", old: "is keyed MD5 of RFC 1828, for ah-old: write hmac-md5 or better"},
		{name: "keyed-sha1", old: "is keyed SHA-1 of RFC 1852, for ah-old: write hmac-sha1 or better"},
		{name: "tcp-md5", old: "is for TCP (RFC 2385), which no kernel plugin does"},
	}
	comps = []algorithm{{"oui", ipsec.Comp(1), ""}, {"deflate", ipsec.Comp(2), ""}, {"lzs", ipsec.Comp(3), ""}}
)

func find(table []algorithm, name string) (algorithm, error) {
	var names []string
	for _, a := range table {
		if a.name == name {
			if a.old != "" {
				return a, fmt.Errorf("%s %s", name, a.old)
			}
			return a, nil
		}
		if a.old == "" {
			names = append(names, a.name)
		}
	}
	return algorithm{}, fmt.Errorf("%q is no algorithm here: write one of %s", name, strings.Join(names, ", "))
}

// nameOf is the name of an algorithm, or its number if it has none.
func nameOf(a ipsec.Algorithm, id uint16) string {
	if a.ID != 0 {
		return a.Name
	}
	return fmt.Sprint(id)
}

// check refuses a key of another length than the algorithm has.
func (a algorithm) check(octets int) error {
	if a.CheckKey(octets) == nil {
		return nil
	}
	salt := a.Salt / 8
	least, most, step := a.MinKey/8+salt, a.MaxKey/8+salt, a.Step/8
	want := fmt.Sprint(least)
	if step == 1 {
		want += fmt.Sprintf(" to %d", most)
	} else {
		for n := least + step; n <= most && step > 0; n += step {
			want += fmt.Sprintf(" or %d", n)
		}
	}
	if salt != 0 {
		want += fmt.Sprintf(", the last %d of which are the nonce", salt)
	}
	return fmt.Errorf("the key of %s has %d octets: it must have %s", a.name, octets, want)
}

// protocols are the protocol numbers with a name, as /etc/protocols has them.
var protocols = map[string]uint8{
	"hopopt": 0, "icmp": 1, "igmp": 2, "ipencap": 4, "st": 5, "tcp": 6, "egp": 8, "igp": 9, "udp": 17, "dccp": 33, "ipv6": 41,
	"ipv6-route": 43, "ipv6-frag": 44, "rsvp": 46, "gre": 47, "ipv6-icmp": 58, "ipv6-nonxt": 59, "ipv6-opts": 60,
	"eigrp": 88, "ospf": 89, "ipip": 94, "etherip": 97, "encap": 98, "pim": 103, "vrrp": 112, "l2tp": 115, "sctp": 132,
	"mobility-header": 135, "udplite": 136, "mpls-in-ip": 137,
}

// spelled are further names, which a dump does not show.
var spelled = map[string]uint8{"ip4": 4, "icmp6": 58, "icmpv6": 58, "mh": 135, "ospfigp": 89}

// upperAny is any protocol in PF_KEY; kernel.Selector says 0.
const upperAny = 255

// Protocols whose ports mean something else.
const (
	protoICMP   = 1
	protoGRE    = 47
	protoICMPv6 = 58
	protoMH     = 135
)

func typed(proto uint8) bool { return proto == protoICMP || proto == protoICMPv6 || proto == protoMH }

// protocolNames is protocols the other way round.
var protocolNames = func() map[uint8]string {
	m := map[uint8]string{}
	for name, n := range protocols {
		m[n] = name
	}
	return m
}()

func protocolName(n uint8) string {
	if name, ok := protocolNames[n]; ok {
		return name
	}
	return fmt.Sprint(n)
}

// upperNumber is the number of a selector's protocol that the parser has accepted,
// upperAny for any.
func upperNumber(name string) uint8 {
	if n, err := strconv.ParseUint(name, 10, 8); err == nil {
		return uint8(n)
	}
	if name == "any" {
		return upperAny
	}
	if n, ok := protocols[name]; ok {
		return n
	}
	return spelled[name]
}
