package setkey

import (
	"fmt"
	"strconv"
	"strings"
)

// algorithm is one word behind -E, -A or -C.
type algorithm struct {
	name string
	id   uint16 // IPsec DOI (RFC 2407 sections 4.4 and 4.5); 0: it has none, and no backend has it
	keys []span // octets, salt included; nil: no key
	salt uint16 // octets of the nonce at the end of the key
	old  string // why nobody has it
}

// span is a range of key lengths in octets.
type span struct{ least, most int }

func exactly(n ...int) (s []span) {
	for _, v := range n {
		s = append(s, span{v, v})
	}
	return s
}

// The algorithms of setkey(8). Of two names for one number a dump shows the first.
var (
	encrs = []algorithm{
		{name: "des-cbc", id: 2, keys: exactly(8)},
		{name: "3des-cbc", id: 3, keys: exactly(24)},
		{name: "cast128-cbc", id: 6, keys: []span{{5, 16}}},
		{name: "blowfish-cbc", id: 7, keys: []span{{5, 56}}},
		{name: "null", id: encrNull},
		{name: "simple", id: encrNull},
		{name: "aes-cbc", id: 12, keys: exactly(16, 24, 32)},
		{name: "rijndael-cbc", id: 12, keys: exactly(16, 24, 32)},
		{name: "aes-ctr", id: 13, keys: exactly(20, 28, 36), salt: 4}, // RFC 3686 section 5.1
		{name: "camellia-cbc", id: 22, keys: exactly(16, 24, 32)},
		{name: "twofish-cbc", id: 253, keys: []span{{0, 32}}},
		{name: "des-deriv", keys: exactly(8), old: "derives its IV, which no RFC has"},
		{name: "des-32iv", keys: exactly(8), old: "is DES of RFC 1829, for esp-old"},
	}
	auths = []algorithm{
		{name: "hmac-md5", id: 1, keys: exactly(16)},
		{name: "hmac-sha1", id: 2, keys: exactly(20)},
		{name: "hmac-sha256", id: 5, keys: exactly(32)},
		{name: "hmac-sha2-256", id: 5, keys: exactly(32)},
		{name: "hmac-sha384", id: 6, keys: exactly(48)},
		{name: "hmac-sha2-384", id: 6, keys: exactly(48)},
		{name: "hmac-sha512", id: 7, keys: exactly(64)},
		{name: "hmac-sha2-512", id: 7, keys: exactly(64)},
		{name: "hmac-ripemd160", id: 8, keys: exactly(20)},
		{name: "aes-xcbc-mac", id: 9, keys: exactly(16)},
		{name: "null"},
		{name: "keyed-md5", keys: exactly(16), old: "is keyed MD5 of RFC 1828, for ah-old: write hmac-md5 or better"},
		{name: "keyed-sha1", keys: exactly(20), old: "is keyed SHA-1 of RFC 1852, for ah-old: write hmac-sha1 or better"},
		{name: "tcp-md5", keys: []span{{1, 80}}, old: "is for TCP (RFC 2385), which no kernel plugin does"},
	}
	comps = []algorithm{{name: "oui", id: 1}, {name: "deflate", id: 2}, {name: "lzs", id: 3}}
)

// encrNull is ESP_NULL of RFC 2410.
const encrNull = 11

// shownEncrs are names that only dumps have.
var shownEncrs = map[uint16]string{18: "aes-gcm-8", 19: "aes-gcm-12", 20: "aes-gcm-16"}

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

// nameOf is the name of a number in dumps.
func nameOf(table []algorithm, more map[uint16]string, id uint16) string {
	for _, a := range table {
		if a.id == id && id != 0 {
			return a.name
		}
	}
	if name := more[id]; name != "" {
		return name
	}
	return fmt.Sprint(id)
}

// check refuses a key of another length than the algorithm has.
func (a algorithm) check(octets int) error {
	for _, k := range a.keys {
		if octets >= k.least && octets <= k.most {
			return nil
		}
	}
	var want []string
	for _, k := range a.keys {
		if k.least == k.most {
			want = append(want, fmt.Sprint(k.least))
		} else {
			want = append(want, fmt.Sprintf("%d to %d", k.least, k.most))
		}
	}
	text := fmt.Sprintf("the key of %s has %d octets: it must have %s", a.name, octets, strings.Join(want, " or "))
	if a.salt != 0 {
		text += fmt.Sprintf(", the last %d of which are the nonce", a.salt)
	}
	return fmt.Errorf("%s", text)
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
