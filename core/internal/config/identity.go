package config

import (
	"net/netip"

	"github.com/racoon-ike/racoon/core/internal/policy"
)

var identityTypes = []string{"address", "fqdn", "user_fqdn", "keyid", "asn1dn", "keyid_use", "certname", "subnet"}

// nameTypes are the types whose value is a name.
var nameTypes = map[string]uint8{"fqdn": policy.IDFQDN, "user_fqdn": policy.IDUserFQDN, "keyid": policy.IDKeyID, "keyid_use": policy.IDKeyID}

// readIdentity reads [file|tag] [VALUE] behind the type (racoon-conf section 5.4).
func readIdentity(p *parser, a *arg) bool {
	if a.text == "keyid" {
		for _, q := range []string{"file", "tag"} {
			if p.accept(q) {
				a.qual = q
				break
			}
		}
	}
	v := p.peek()
	if (v.kind == word || v.kind == bad) && !p.beginsLine(v) && v.text != "inherit" {
		want := map[string]string{"address": "a numeric address", "keyid": "file, tag or a string in double quotes"}[a.text]
		if want == "" || a.qual != "" {
			want = "a string in double quotes"
		}
		p.expected(want, nil)
		return false
	}
	a.value = token{src: v.src, off: p.last.off, end: p.last.end}
	if v.kind == str || v.kind == address {
		a.value = p.next()
	}
	return true
}

// identity is the value of an IDENTITY. own tells whether it is ours, where no value
// means our address, or a peer's, where it means any of that type.
func (p *parser) identity(a arg, own bool) (policy.Identity, bool) {
	v := a.value
	given := v.kind != eof
	tag := a.text == "keyid_use" || a.qual == "tag"
	text := a.text
	switch {
	case a.text == "keyid_use", a.text == "keyid" && tag:
		text = "keyid tag"
	case a.text == "certname":
		text = "asn1dn"
		p.add(a.token, codeMapped, Warning, "is an obsolete word for asn1dn", "write asn1dn")
	}
	if given {
		text += " " + v.text
	}
	switch a.text {
	case "asn1dn", "certname":
		return p.dnIdentity(a, text, own)
	case "subnet":
		p.errorf(a.token, "is no identity of a host")
		return policy.Identity{}, false
	case "address":
		return p.addressIdentity(v, given, text)
	}
	id := policy.Identity{Type: nameTypes[a.text], Text: text}
	if !given && !own && id.Type != policy.IDKeyID { // any of this type
		return id, true
	}
	switch {
	case !given && a.qual != "":
		p.add(v, codeValue, Error, "is followed by no value", `write keyid `+a.qual+` "..."`)
		return id, false
	case !given:
		p.add(v, codeValue, Error, "is followed by no value", `write `+a.text+` "..."`)
		return id, false
	case v.kind != str || v.text == "":
		p.add(v, codeValue, Error, "is no identity: "+a.text+" needs a value in double quotes", "")
		return id, false
	}
	id.Data = []byte(v.text)
	if id.Type == policy.IDKeyID && !tag {
		return p.keyIDFile(id, v)
	}
	return id, true
}

// dnIdentity keeps the text of a distinguished name; its values are compared by
// whoever knows certificates.
func (p *parser) dnIdentity(a arg, text string, own bool) (policy.Identity, bool) {
	p.add(a.token, codeNotYet, Error, needsX509, "")
	id := policy.Identity{Type: policy.IDDN, DN: a.value.text, Text: text}
	if a.value.kind == eof {
		return id, true
	}
	if fault := policy.CheckDN(id.DN, !own, a.value.quotable); fault != "" {
		p.errorf(a.value, "is no distinguished name: %s", fault)
		return id, false
	}
	return id, true
}

// addressIdentity is an address, or any address.
func (p *parser) addressIdentity(v token, given bool, text string) (policy.Identity, bool) {
	id := policy.Identity{Type: policy.IDIPv4, Text: text}
	if !given {
		return id, true
	}
	addr, err := netip.ParseAddr(v.text)
	if err != nil {
		p.errorf(v, "is no numeric address")
		return id, false
	}
	if addr = addr.Unmap().WithZone(""); addr.Is6() {
		id.Type = policy.IDIPv6
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
		fix := "" // a sainfo's from
		if name := p.word.text; name == "my_identifier" || name == "peers_identifier" {
			fix = "for the text itself " + p.write(v, inRemote, name+` keyid tag "`+v.quotable(v.text)+`";`)
		}
		p.add(v, codeFile, Error, "cannot be read: "+reason(err), fix)
		return id, false
	case len(data) == 0 || len(data) > maxKeyID:
		p.errorf(v, "is a file of %d octets: an identity has 1 to %d", len(data), maxKeyID)
		return id, false
	}
	id.Data, id.Text = data, "keyid file "+path
	return id, true
}
