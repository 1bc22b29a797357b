package config

import (
	"net/netip"

	"github.com/racoon-ike/racoon/core/internal/policy"
)

// Identity types: RFC 2407 section 4.6.2.1.
const (
	idIPv4       = 1
	idFQDN       = 2
	idUserFQDN   = 3
	idIPv4Subnet = 4
	idIPv6       = 5
	idIPv6Subnet = 6
	idIPv4Range  = 7
	idIPv6Range  = 8
	idDN         = 9
	idKeyID      = 11
)

var identityTypes = []string{"address", "fqdn", "user_fqdn", "keyid", "asn1dn", "keyid_use", "certname", "subnet"}

// nameTypes are the types whose value is a name.
var nameTypes = map[string]uint8{"fqdn": idFQDN, "user_fqdn": idUserFQDN, "keyid": idKeyID, "keyid_use": idKeyID}

// identity reads TYPE [file|tag] [VALUE] (racoon-conf section 5.4). own tells
// whether it is our identity, where no value means our address, or a peer's,
// where it means any of that type.
func (p *parser) identity(own bool) (policy.Identity, bool) {
	t := p.peek()
	if !(term{alts: identityTypes}).fits(t) {
		p.expected("a type of identity", identityTypes)
		return policy.Identity{}, false
	}
	p.next()
	tag := t.text == "keyid_use"
	if t.text == "keyid" && !p.accept("file") {
		tag = p.accept("tag")
	}
	v := p.peek()
	given := v.kind == str || v.kind == address
	if v.kind == word && !p.beginsLine(v) {
		p.expected("a string in double quotes or an address", nil)
		return policy.Identity{}, false
	}
	if given {
		p.next()
	}
	text := t.text
	if given {
		text += " " + v.text
	}
	switch t.text {
	case "asn1dn", "certname":
		p.add(t, codeNotYet, Error, needsX509, "")
		return policy.Identity{}, false
	case "subnet":
		p.errorf(t, "is no identity of a host")
		return policy.Identity{}, false
	case "address":
		return p.addressIdentity(v, given, text)
	}
	id := policy.Identity{Type: nameTypes[t.text], Text: text}
	if !given && !own && id.Type != idKeyID { // any of this type
		return id, true
	}
	if !given || v.kind != str || v.text == "" {
		p.add(v, codeValue, Error, t.text+" needs a value in double quotes", "")
		return id, false
	}
	id.Data = []byte(v.text)
	if id.Type == idKeyID && !tag {
		return p.keyIDFile(id, v)
	}
	return id, true
}

// addressIdentity is an address, or any address.
func (p *parser) addressIdentity(v token, given bool, text string) (policy.Identity, bool) {
	id := policy.Identity{Type: idIPv4, Text: text}
	if !given {
		return id, true
	}
	addr, err := netip.ParseAddr(v.text)
	if err != nil {
		p.errorf(v, "is no numeric address")
		return id, false
	}
	if addr = addr.Unmap().WithZone(""); addr.Is6() {
		id.Type = idIPv6
	}
	id.Data = addr.AsSlice()
	return id, true
}

// maxKeyID is the longest identity an ID payload holds.
const maxKeyID = 65535 - 8

// keyIDFile reads a key ID from a file, every octet of it.
func (p *parser) keyIDFile(id policy.Identity, v token) (policy.Identity, bool) {
	path := p.absolute(v, v.text)
	data, err := p.readFile(path)
	switch {
	case err != nil:
		p.add(v, codeFile, Error, "cannot be read: "+reason(err), `for the text itself write keyid tag "`+v.text+`"`)
		return id, false
	case len(data) == 0 || len(data) > maxKeyID:
		p.errorf(v, "is a file of %d octets: an identity has 1 to %d", len(data), maxKeyID)
		return id, false
	}
	id.Data = data
	return id, true
}
