package swanctl

import (
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"

	"github.com/racoon-ike/racoon/core/internal/policy"
)

// identity is an IKE identity in the words of racoon.conf(5).
type identity struct {
	kind string // address, fqdn, user_fqdn, keyid, asn1dn; "" = anybody
	text string
}

// idTypes are the prefixes that say of which type an identity is, by name and by
// the number of RFC 2407 section 4.6.2.1.
var idTypes = map[string]string{
	"ipv4": "address", "ipv6": "address", "rfc822": "user_fqdn", "email": "user_fqdn", "userfqdn": "user_fqdn",
	"fqdn": "fqdn", "dns": "fqdn", "asn1dn": "asn1dn", "keyid": "keyid",
	"{1}": "address", "{2}": "fqdn", "{3}": "user_fqdn", "{5}": "address", "{9}": "asn1dn", "{11}": "keyid",
	"asn1gn": "", "xmppaddr": "", "{4}": "", "{6}": "", "{7}": "", "{8}": "", "{10}": "",
}

// anybody are the ways to write that any identity will do.
var anybody = map[string]bool{"": true, "%any": true, "%any4": true, "%any6": true, "0.0.0.0": true, "*": true, "::": true, "0::0": true}

// parseID reads an identity as strongSwan does; why says what racoon cannot do
// with it.
func parseID(s string) (id identity, why string) {
	if prefix, rest, ok := strings.Cut(s, ":"); ok {
		if kind, known := idTypes[strings.ToLower(prefix)]; known {
			return typedID(kind, rest)
		}
	}
	addr, err := netip.ParseAddr(s)
	switch {
	case anybody[s]:
		return identity{}, ""
	case strings.HasPrefix(s, "{"):
		return identity{}, "racoon has no identities of this type"
	case strings.Contains(s, "="):
		return distinguished(s)
	case err == nil:
		return identity{"address", addr.Unmap().WithZone("").String()}, ""
	case strings.HasPrefix(s, "@#"):
		return typedID("keyid", s[1:])
	case strings.HasPrefix(s, "@@"):
		return named("user_fqdn", s[2:])
	case strings.HasPrefix(s, "@"):
		return named("fqdn", s[1:])
	case strings.Contains(s, "@"):
		return named("user_fqdn", s)
	case strings.Contains(s, ":"):
		return named("keyid", s)
	}
	if _, err := netip.ParsePrefix(s); err == nil {
		return identity{}, "a network is no identity of a host"
	}
	return named("fqdn", s)
}

// named is an identity that is a text.
func named(kind, text string) (identity, string) {
	switch {
	case !quotable(text):
		return identity{}, "a string of racoon.conf cannot hold this identity"
	case kind != "keyid" && strings.Contains(text, "*"):
		return identity{}, "racoon compares identities as a whole: a pattern matches nobody"
	}
	return identity{kind, text}, ""
}

// typedID is what stands behind a prefix: the text as it is, or # and the octets
// in hexadecimal.
func typedID(kind, text string) (identity, string) {
	digits, binary := strings.CutPrefix(text, "#")
	raw := []byte(text)
	if binary {
		var err error
		if raw, err = hex.DecodeString(strings.ReplaceAll(digits, ":", "")); err != nil {
			return identity{}, "this is not hexadecimal"
		}
	}
	switch kind {
	case "":
		return identity{}, "racoon has no identities of this type"
	case "asn1dn":
		return identity{}, "a name in DER cannot be written in racoon.conf: write it as text"
	case "address":
		if a, ok := netip.AddrFromSlice(raw); ok && binary {
			return identity{kind, a.Unmap().String()}, ""
		}
		return identity{}, "this is no address: the prefix asks for 4 or 16 octets in hexadecimal"
	}
	if binary && kind == "keyid" && !quotable(string(raw)) {
		return identity{}, "octets that are no text cannot stand in racoon.conf: put them into a file and write keyid file"
	}
	return named(kind, string(raw))
}

// distinguished is a name of X.500, separated by commas or written with slashes.
func distinguished(s string) (identity, string) {
	if strings.HasPrefix(s, "/") {
		s = strings.ReplaceAll(s[1:], "/", ", ")
	}
	if !quotable(s) {
		return identity{}, "a string of racoon.conf cannot hold this identity"
	}
	if !isDN(s, true) {
		return identity{}, "this is no distinguished name: its parts are TYPE=VALUE, separated by commas"
	}
	return identity{"asn1dn", s}, ""
}

// isDN reports whether racoon reads a text as a distinguished name. Only a peer's may
// be a pattern.
func isDN(s string, pattern bool) bool {
	return policy.CheckDN(s, pattern, strings.Clone) == ""
}

// conf is the identity as my_identifier and peers_identifier have it.
func (id identity) conf() string {
	switch id.kind {
	case "address":
		return "address " + id.text
	case "keyid":
		return `keyid tag "` + id.text + `"`
	}
	return id.kind + ` "` + id.text + `"`
}

// psk is the identity as psk.txt has it, "" if it cannot stand there.
func (id identity) psk() string {
	switch {
	case id.kind == "":
		return "*"
	case id.kind == "asn1dn", id.text == "*", strings.HasPrefix(id.text, "#"), strings.ContainsAny(id.text, " \t\v\f"):
		return ""
	}
	return id.text
}

// addrPort is an address of racoon.conf with a port that is not the usual one.
func addrPort(a string, port uint64) string {
	if port == 500 {
		return a
	}
	return a + " [" + strconv.FormatUint(port, 10) + "]"
}
